"""Calls of the tokenizers library that encode texts: they can be interrupted, and never need its threads.

The library handles no signals. A call for much text therefore runs in another thread, while the caller's
thread waits and handles signals. If one of them raises, such as KeyboardInterrupt, the call is abandoned: it
ends after the texts that it is at, at most GROUP characters or one text, and its result is dropped. The
process can exit meanwhile.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from tokenizers import Encoding, Tokenizer

from ..machine.threads import thread_limits
from .memory import check_texts_fit
from .tokenizer_files import is_panic

# Batches of up to as many characters are encoded in the caller's thread, which takes at most 0.1 s (AMD Zen 5
# server core, 2026-11-28: 0.04 to 0.1 s).
UNINTERRUPTED = 1 << 16
# How many characters are given to the library at once, but for a longer text.
GROUP = 1 << 19
_Row = TypeVar("_Row")
_OFF = ("off", "false", "f", "no", "n", "0", "")


class LibraryError(Exception):
    """What the library raises over a text, a panic too. A handler of signals raises something else."""


def encode_items(
    backend: Tokenizer, items: list[Any], is_pair: bool, is_split_into_words: bool, add_special_tokens: bool
) -> list[Encoding]:
    """The encodings of the rows of a TextInput. Raises ResourceError if they do not fit into memory, and
    LibraryError."""
    texts = [text for pair in items for text in pair] if is_pair else items
    if is_split_into_words:
        texts = [word for words in texts for word in words]
    options = {"is_pretokenized": is_split_into_words, "add_special_tokens": add_special_tokens}

    sizes = [_characters(item, is_pair, is_split_into_words) for item in items]
    return in_groups(partial(_encode, backend, is_pair=is_pair, options=options), items, texts, sizes)


def in_groups(
    encode: Callable[[list[Any]], list[_Row]], items: list[Any], texts: list[str], sizes: list[int]
) -> list[_Row]:
    """The rows that `encode` makes of items, so that they can be interrupted. Raises ResourceError if they do
    not fit into memory.

    texts: those of the items. sizes: how many characters each item has.
    """
    if sum(sizes) <= UNINTERRUPTED:
        return encode(items)
    check_texts_fit([len(text) * (1 if text.isascii() else 3) for text in texts])
    return _interruptible(encode, _groups(items, sizes))


def _characters(item: Any, is_pair: bool, is_split_into_words: bool) -> int:
    texts = item if is_pair else [item]
    return sum(sum(map(len, text)) if is_split_into_words else len(text) for text in texts)


def _groups(items: list[Any], sizes: list[int]) -> Iterator[list[Any]]:
    """The items in groups of at most GROUP characters, or of one item."""
    start, total = 0, 0
    for index, size in enumerate(sizes):
        if index > start and total + size > GROUP:
            yield items[start:index]
            start, total = index, 0
        total += size
    yield items[start:]


def _interruptible(encode: Callable[[list[Any]], list[_Row]], groups: Iterator[list[Any]]) -> list[_Row]:
    """The encodings of all groups, made in another thread if this one is the thread that handles signals."""
    encodings: list[_Row] = []
    failures: list[BaseException] = []
    is_abandoned, is_done = threading.Event(), threading.Event()

    def work() -> None:
        try:
            for group in groups:
                if is_abandoned.is_set():
                    break
                encodings.extend(encode(group))
        except BaseException as error:
            failures.append(error)
        finally:
            is_done.set()

    try:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("no signals are handled here")
        threading.Thread(target=work, name="roberta_c tokenizer", daemon=True).start()
    except RuntimeError:  # of this function, or because no thread can be started
        work()
    try:
        is_done.wait()
    except BaseException:
        is_abandoned.set()
        raise
    if failures:
        raise failures[0]
    return encodings


def _encode(backend: Tokenizer, items: list[Any], is_pair: bool, options: dict[str, bool]) -> list[Encoding]:
    """The encodings of items. The library's threads share them, while other threads of Python go on; without
    its threads, they are made one by one."""
    try:
        if _LibraryThreads.can_be_used():
            try:
                return backend.encode_batch(items, **options)
            except BaseException as error:
                if not (is_panic(error) and "thread pool" in str(error)):
                    raise
                _LibraryThreads.are_there = False
        return [backend.encode(*(item if is_pair else (item,)), **options) for item in items]
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise LibraryError(str(error)) from error


class _LibraryThreads:
    """Whether the library's threads are there.

    It starts one for each CPU at the first batch of a process. If one of them cannot be started, it panics
    then and for each later batch.
    """

    are_there: bool | None = None

    @classmethod
    def can_be_used(cls) -> bool:
        if cls.are_there is not None:
            return cls.are_there
        if os.environ.get("TOKENIZERS_PARALLELISM", "true").lower() in _OFF:
            return True  # it starts none
        if _can_start(_thread_count()):
            cls.are_there = True
        return bool(cls.are_there)


def _thread_count() -> int:
    """How many threads the library starts."""
    wanted = os.environ.get("RAYON_NUM_THREADS", "")
    if wanted.isascii() and wanted.isdecimal() and int(wanted[:6]) > 0:
        return int(wanted[:6])
    return thread_limits().affinity


def _can_start(count: int) -> bool:
    """Whether as many threads can be started; they end before this returns."""
    is_counted = threading.Event()
    threads: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=is_counted.wait, daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError:
        return False
    finally:
        is_counted.set()
        for thread in threads:
            thread.join()
    return True
