"""Arrays → a cache file, now or in a thread: written under another name, synced, renamed, the folder synced.

A process that ends in between leaves an unfinished file, which no reader opens; a later writer removes it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..kernels import digests
from . import folder as private
from . import settings
from .errors import UnusableError
from .layout import PIECE_BYTES, Header, number_of_pieces, places_of
from .reader import digests_text

logger = logging.getLogger(__name__)

# How long a process that ends waits for its thread.
EXIT_SECONDS = 2.0
# If that was too short before, as on a slow disk, a process that ends waits no more, and a thread begins only
# after this time: processes that end earlier write nothing in vain, and others write the file.
LATE_DELAY_SECONDS = 10.0
LOCK_ATTEMPTS = 20
# A thread with a smaller stack computes no digests.
STACK_BYTES = 256 * 1024


@dataclass
class Job:
    """What is written: arrays by name, into `folder`/`name`, with the key and the facts of its header.

    replaces: the inode of a file of this name that lacks some of the arrays; another one is kept. is_valid:
    asked before the file gets its name; False: the weight files have changed.
    """

    folder: Path
    name: str
    key: str
    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]
    replaces: int | None
    is_valid: Callable[[], bool]
    stopped: threading.Event = field(default_factory=threading.Event)
    was_late: bool = False


def write(job: Job, waits: bool) -> bool:
    """Write the file. Returns whether it is there, by this or another process.

    waits: False leaves it to another process that is writing it. Raises UnusableError where it cannot be
    written, OSError.
    """
    places, payload_bytes = places_of(job.arrays)
    header = Header(job.key, job.facts, places, payload_bytes, "0" * 16 * number_of_pieces(payload_bytes))
    size = payload_bytes + len(header.encoded())
    with private.opened_folder(job.folder, make=True) as folder:
        private.remove_abandoned(folder)
        if _is_there(folder, job):
            return True
        others = [entry.name for entry in private.entries(folder, private.UNFINISHED)]
        if not waits and any(
            name.startswith(f".{job.name}.") and private.is_being_written(folder, name) for name in others
        ):
            return False  # by another process, which may end before it has
        _make_room(folder, size)
        with _unfinished(folder, job.name) as (descriptor, unfinished):
            found = [
                _write_piece(descriptor, piece) for piece in _pieces(job.arrays, payload_bytes, job.stopped)
            ]
            header = Header(
                job.key,
                job.facts,
                places,
                payload_bytes,
                digests_text(np.concatenate([np.empty(0, np.uint64), *found])),
            )
            _write_all(descriptor, header.encoded(), payload_bytes)
            os.fsync(descriptor)
            if job.stopped.is_set():
                raise UnusableError("this process has ended before it was written")
            if not job.is_valid():
                raise UnusableError("the weight files have changed since they were opened")
            if not _is_there(folder, job):
                os.rename(unfinished, job.name, src_dir_fd=folder, dst_dir_fd=folder)
        private.remove(folder, f".{job.name}.late")
        with contextlib.suppress(OSError):  # not every file system can; the digests tell what was lost
            os.fsync(folder)
    return True


def _is_there(folder: int, job: Job) -> bool:
    """Whether there is a file of this name, but for the one that is to be replaced."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat(job.name, dir_fd=folder, follow_symlinks=False).st_ino != job.replaces
    return False


def _make_room(folder: int, size: int) -> None:
    if size > settings.MAX_FOLDER_BYTES:
        raise UnusableError(
            f"the packed weights have {size:,} bytes, the folder's limit is {settings.MAX_FOLDER_BYTES:,}"
        )
    removed = private.superfluous(folder, size, settings.MAX_FOLDER_BYTES)
    disk = os.fstatvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free + sum(entry.size for entry in removed) < size + settings.FREE_BYTES:
        raise UnusableError(f"the disk has {free:,} bytes left, {size + settings.FREE_BYTES:,} are needed")
    for entry in removed:
        private.remove(folder, entry.name, entry.inode)


@contextlib.contextmanager
def _unfinished(folder: int, name: str) -> Iterator[tuple[int, str]]:
    """A new, locked file, with its name, which is removed if it still has this name at the end."""
    unfinished = f".{name}.{os.urandom(8).hex()}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    # Not even this user's programs open it for writing, unless they change its mode before.
    descriptor = os.open(unfinished, flags, 0o400, dir_fd=folder)
    inode = os.fstat(descriptor).st_ino
    _descriptors.add(descriptor)
    try:
        os.fchmod(descriptor, 0o400)  # whatever the umask
        _lock_file(descriptor)
        yield descriptor, unfinished
    finally:
        if descriptor in _descriptors:  # a forked child has closed it, and its parent needs the file
            private.remove(folder, unfinished, inode)
            _descriptors.discard(descriptor)  # before it is closed: then another thread may get the number
            os.close(descriptor)


def _lock_file(descriptor: int) -> None:
    """Lock a new file, unless its file system has no locks. Who asks for the lock holds it for a moment."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.005)
        except OSError:
            return


def _pieces(
    arrays: dict[str, np.ndarray], payload_bytes: int, stopped: threading.Event
) -> Iterator[tuple[int, memoryview]]:
    """The payload in pieces: (first byte, bytes), valid until the next one is asked for."""
    places, _ = places_of(arrays)
    piece = bytearray(PIECE_BYTES)
    view = np.frombuffer(piece, np.uint8)
    sources = [(places[name].begin, _bytes_of(array)) for name, array in arrays.items()]
    current = 0
    for begin in range(0, payload_bytes, PIECE_BYTES):
        if stopped.is_set():
            raise UnusableError("this process has ended before it was written")
        end = min(begin + PIECE_BYTES, payload_bytes)
        view[:] = 0
        while current < len(sources) and sources[current][0] < end:
            start, data = sources[current]
            low, high = max(start, begin), min(start + len(data), end)
            if low < high:
                view[low - begin : high - begin] = data[low - start : high - start]
            if start + len(data) > end:
                break
            current += 1
        yield begin, memoryview(piece)[: end - begin]


def _bytes_of(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _write_piece(descriptor: int, piece: tuple[int, memoryview]) -> np.ndarray:
    """Write a piece, and return its digest."""
    begin, data = piece
    digest = digests(data, PIECE_BYTES)
    _write_all(descriptor, data, begin)
    return digest


def _write_all(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        count = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[count:], offset + count


# ---- in a thread ---------------------------------------------------------------------------------------

OnEnd = Callable[[bool, "Exception | None"], None]

# Reentrant: a signal handler may load a model while its thread is here.
_lock = threading.RLock()
_running: dict[tuple[Path, str], tuple[threading.Thread, Job, list[OnEnd]]] = {}
_descriptors: set[int] = set()  # of unfinished files


def write_meanwhile(job: Job, on_end: OnEnd) -> None:
    """Write the file in a thread, unless one of this process is writing it.

    on_end: told whether the file is there, and what went wrong; not if the process ends before. Raises
    UnusableError where no thread can be started, and, where threads have too little stack, what `write`
    raises.
    """

    def run() -> None:
        error, is_there = None, False
        try:
            if not job.was_late or not job.stopped.wait(LATE_DELAY_SECONDS):
                is_there = write(job, waits=False)
        except Exception as found:
            error = found
        with _lock:
            _running.pop(place, None)
        for tell in () if job.stopped.is_set() else told:
            with contextlib.suppress(Exception):  # of a handler of log messages: nobody could catch it
                tell(is_there, error)

    with contextlib.suppress(OSError, UnusableError), private.opened_folder(job.folder) as folder:
        job.was_late = private.was_late(folder, job.name)
    if 0 < threading.stack_size() < STACK_BYTES:
        on_end(write(job, waits=False), None)
        return
    place, told = (job.folder, job.name), [on_end]
    with _lock:
        if place in _running:
            _running[place][2].append(on_end)
            return
        try:
            thread = threading.Thread(target=run, name="roberta_c cache", daemon=True)
            # Before it is begun: a signal handler that loads the same model meanwhile must find it.
            _running[place] = thread, job, told
            thread.start()
        except RuntimeError as error:  # no room for a thread, none allowed, or the interpreter ends
            _running.pop(place, None)
            raise UnusableError(str(error)) from None


def wait(seconds: float | None = None) -> None:
    """Wait until all files are written, at most so long, and end those threads that are not ready then."""
    end = None if seconds is None else time.monotonic() + seconds
    with _lock:
        running = [one for one in _running.values() if one[0].ident is not None]  # begun
    for thread, job, _ in running:
        if end is None:
            thread.join()
        elif not job.was_late:
            thread.join(max(0.0, end - time.monotonic()))
    for thread, job, _ in running:
        job.stopped.set()
        if thread.is_alive() and not job.was_late:
            with contextlib.suppress(OSError, UnusableError), private.opened_folder(job.folder) as folder:
                private.note_late(folder, job.name)
        thread.join(0.2)  # time to remove its unfinished file


def _forget_threads() -> None:
    """In a forked child, which has none of them: their files are not to live, nor be locked, for its sake."""
    global _lock
    _lock = threading.RLock()
    _running.clear()
    while _descriptors:
        with contextlib.suppress(OSError):
            os.close(_descriptors.pop())


def _wait_at_exit() -> None:
    with contextlib.suppress(KeyboardInterrupt):  # who is in a hurry
        wait(EXIT_SECONDS)


os.register_at_fork(after_in_child=_forget_threads)
atexit.register(_wait_at_exit)
