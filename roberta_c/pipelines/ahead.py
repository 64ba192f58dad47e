"""Work on the next item in a thread of its own while the caller uses this one: so texts are tokenized."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


def one_ahead(items: Iterable[_Item], work: Callable[[_Item], _Done]) -> Iterator[tuple[_Item, _Done]]:
    """Each item with `work(item)`, which runs while the caller uses the item before it.

    Items are taken in the caller's thread, one ahead. The first has nothing to run beside, and is worked on
    there, too: a single item starts no thread. An error, of `work` or of taking an item, is raised where that
    item's turn would have been.
    """
    remaining = iter(items)
    executor: ThreadPoolExecutor | None = None
    before: tuple[_Item, Future[_Done]] | None = None
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
                first: Future[_Done] = Future()
                first.set_result(work(item))
                before = item, first
                continue
            executor = executor or ThreadPoolExecutor(1, thread_name_prefix="roberta_c-ahead")
            following = executor.submit(work, item)
            yield before[0], before[1].result()
            before = item, following
        if before is not None:
            yield before[0], before[1].result()
        if failure is not None:
            raise failure
    finally:
        if executor is not None:
            executor.shutdown(cancel_futures=True)
