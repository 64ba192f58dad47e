"""Work on the next item in a thread of its own while the caller uses this one: so texts are tokenized."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


class _Worker:
    """One thread, started with the first work. A forked child has not its parent's, and starts its own."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._process = 0

    def start(self, work: Callable[[_Item], _Done], item: _Item) -> Callable[[], _Done]:
        """Begin `work(item)`; what is returned waits for its result, and in a child that was forked
        meanwhile does the work again."""
        process = os.getpid()
        if self._executor is None or self._process != process:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="roberta_c-ahead")
            self._process = process
        future = self._executor.submit(work, item)
        return lambda: future.result() if os.getpid() == process else work(item)

    def end(self) -> None:
        if self._executor is not None and self._process == os.getpid():
            self._executor.shutdown(cancel_futures=True)


def one_ahead(items: Iterable[_Item], work: Callable[[_Item], _Done]) -> Iterator[tuple[_Item, _Done]]:
    """Each item with `work(item)`, which runs while the caller uses the item before it.

    Items are taken in the caller's thread, one ahead. The first has nothing to run beside, and is worked on
    there, too: a single item starts no thread. An error, of `work` or of taking an item, is raised where that
    item's turn would have been.
    """
    remaining = iter(items)
    worker = _Worker()
    before: tuple[_Item, Callable[[], _Done]] | None = None
    failure: Exception | None = None
    try:
        while failure is None:
            try:
                item = next(remaining)
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            if before is None:
                first = work(item)
                before = item, lambda first=first: first
                continue
            following = worker.start(work, item)
            yield before[0], before[1]()
            before = item, following
        if before is not None:
            yield before[0], before[1]()
        if failure is not None:
            raise failure
    finally:
        worker.end()
