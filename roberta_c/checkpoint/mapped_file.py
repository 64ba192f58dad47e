"""One open weight file: its headers come by bounded reads, its tensor bytes lie in a read-only map.

The file is opened once. Kind and size are taken from that descriptor and the map is made from it, so that
nothing can be swapped in between. Headers are read with pread: should someone truncate the file meanwhile,
that comes back short, where touching the map would kill the process.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import weakref
from pathlib import Path

import numpy as np

from ..errors import ModelFileError

_FILE_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
)


class MappedFile:
    """A regular, non-empty file, open for reading.

    `path` is kept as the caller gave it, for messages. `copies` remembers, for as long as someone holds
    them, the aligned copies made of data that the file stores unaligned, so that tied tensors share one.
    Raises ModelFileError if the path is missing, unreadable, empty, or not a regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Without O_NONBLOCK, opening a FIFO waits for a writer that may never come.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._descriptor = os.open(path, flags)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ModelFileError(f"{path}: cannot be opened: {reason}") from None
        weakref.finalize(self, os.close, self._descriptor).atexit = False

        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = next((words for test, words in _FILE_KINDS if test(status.st_mode)), "not a regular file")
            raise ModelFileError(f"{path}: is {kind}, expected a weight file")
        self.size = status.st_size
        if self.size == 0:
            raise ModelFileError(f"{path}: is empty, expected a weight file")
        self._modified_ns = status.st_mtime_ns
        self._identity = status.st_dev, status.st_ino
        try:
            self._map = mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_READ)
        except (OSError, ValueError, OverflowError) as error:
            raise ModelFileError(f"{path}: its {self.size} bytes cannot be mapped: {error}") from None
        self.copies: weakref.WeakValueDictionary[object, np.ndarray] = weakref.WeakValueDictionary()

    def read(self, offset: int, length: int, what: str) -> bytes:
        """Exactly `length` bytes from `offset`; ModelFileError naming `what` if the file ends before."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ModelFileError(
                f"{self.path}: truncated: {what} would take bytes {offset} to {offset + length}, "
                f"the file has {self.size}"
            )
        parts = []
        while length > 0:
            try:
                part = os.pread(self._descriptor, length, offset)
            except OSError as error:
                raise ModelFileError(f"{self.path}: cannot be read: {error.strerror}") from None
            if not part:
                raise ModelFileError(f"{self.path}: became shorter while it was being read")
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def descriptor(self) -> int:
        """The open file, for as long as this object lives."""
        return self._descriptor

    def view(self, dtype: np.dtype, count: int, offset: int) -> np.ndarray:
        """`count` > 0 elements at byte `offset` as they lie in the map: read-only, perhaps unaligned."""
        return np.frombuffer(self._map, dtype, count, offset)

    def drop_pages(self) -> None:
        """Take the map's pages out of this process's memory; they come back as they are used again.

        Nothing is lost: the map is of a file, and read-only. They stay where the system does not take this
        advice (or the host program has locked its memory).
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            with contextlib.suppress(OSError):
                self._map.madvise(mmap.MADV_DONTNEED)

    def check_still_open(self) -> None:
        """Raise ModelFileError if the descriptor is closed or another file's by now.

        A host program that closes all descriptors, as daemons do, does not ask whose they are.
        """
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._identity:
            raise ModelFileError(
                f"{self.path}: its descriptor was closed by someone else since it was opened"
            )

    def check_unchanged(self) -> None:
        """Raise ModelFileError if the file was overwritten or truncated in place since it was opened."""
        status = os.fstat(self._descriptor)
        if (status.st_size, status.st_mtime_ns) != (self.size, self._modified_ns):
            raise ModelFileError(f"{self.path}: was changed by someone else since it was opened")
