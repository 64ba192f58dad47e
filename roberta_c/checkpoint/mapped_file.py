"""One open weight file: headers are read with bounded reads, tensor data is in a read-only memory map.

The file is opened once. Its kind, its size and the map all come from that one descriptor, so that nobody can
replace the file in between. Headers are read with pread: if the file is truncated meanwhile, pread returns
fewer bytes, while an access to the map would end the process (SIGBUS).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import weakref
from pathlib import Path

import numpy as np

from ..errors import ModelFileError, mismatch

_FILE_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
)


class MappedFile:
    """A regular, non-empty file, open for reading.

    path    as the caller gave it, for messages
    size    in bytes
    copies  aligned copies of data that is unaligned in the file, while any caller still holds them: tied
            tensors share one copy

    Raises ModelFileError if the path is missing, unreadable, empty, or not a regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Without O_NONBLOCK, opening a FIFO waits until another process opens it for writing.
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
            raise ModelFileError(mismatch(path, kind, "a weight file"))
        self.size = status.st_size
        if self.size == 0:
            raise ModelFileError(mismatch(path, "an empty file", "a weight file"))
        self._modified_ns = status.st_mtime_ns
        self._identity = status.st_dev, status.st_ino
        try:
            self._map = mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_READ)
        except (OSError, ValueError, OverflowError) as error:
            raise ModelFileError(f"{path}: its {self.size} bytes cannot be mapped: {error}") from None
        self.copies: weakref.WeakValueDictionary[object, np.ndarray] = weakref.WeakValueDictionary()

    def read(self, offset: int, length: int, what: str) -> bytes:
        """Exactly `length` bytes from byte `offset`. ModelFileError, naming `what`, if there are fewer."""
        if offset < 0 or length < 0 or offset + length > self.size:
            place, expected = f"{self.path}: truncated: {what}", f"bytes {offset} to {offset + length}"
            raise ModelFileError(mismatch(place, f"a file of {self.size} bytes", expected))
        parts = []
        while length > 0:
            try:
                part = os.pread(self._descriptor, length, offset)
            except OSError as error:
                raise ModelFileError(f"{self.path}: cannot be read: {error.strerror}") from None
            if not part:
                raise ModelFileError(f"{self.path}: the file became shorter while it was read")
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def descriptor(self) -> int:
        """The descriptor of the open file. It is valid while this object exists."""
        return self._descriptor

    def view(self, dtype: np.dtype, count: int, offset: int) -> np.ndarray:
        """A view of `count` > 0 elements of the map from byte `offset`: read-only, perhaps unaligned."""
        return np.frombuffer(self._map, dtype, count, offset)

    def drop_pages(self) -> None:
        """Remove the map's pages from this process's memory. The system reads them again at their next use.

        No data is lost, because the map is of a file and read-only. The pages stay in memory if the system
        ignores this advice, or if the host program has locked its memory.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            with contextlib.suppress(OSError):
                self._map.madvise(mmap.MADV_DONTNEED)

    def check_still_open(self) -> None:
        """Raise ModelFileError if the descriptor was closed, or belongs to another file now.

        This happens in host programs that close all descriptors, as daemons do.
        """
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._identity:
            raise ModelFileError(f"{self.path}: other code closed the file's descriptor after it was opened")

    def check_unchanged(self) -> None:
        """Raise ModelFileError if the file was overwritten or truncated in place since it was opened."""
        status = os.fstat(self._descriptor)
        if (status.st_size, status.st_mtime_ns) != (self.size, self._modified_ns):
            raise ModelFileError(f"{self.path}: the file was changed after it was opened")
