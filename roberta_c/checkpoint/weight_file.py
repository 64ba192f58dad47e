"""One open weight file, read by position.

The file is opened once. Its kind, its size and its data all come from that one descriptor, so that nobody can
replace the file in between. Nothing is mapped into memory: an access to the map of a file that was truncated
ends the process (SIGBUS), while a read returns fewer bytes, which is an error here.
"""

from __future__ import annotations

import os
import stat
import weakref
from pathlib import Path

from ..errors import ModelFileError, mismatch

_FILE_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
)


class WeightFile:
    """A regular, non-empty file, open for reading.

    path      as the caller gave it, for messages
    size      in bytes
    identity  device, inode, size, and the times of its last modification and last change, when it was opened

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
        self.identity = _identity(status)

    def read(self, offset: int, length: int, what: str) -> bytes:
        """Exactly `length` bytes from byte `offset`. ModelFileError, naming `what`, if there are fewer."""
        if offset < 0 or offset + length > self.size:
            place, expected = f"{self.path}: truncated: {what}", f"bytes {offset} to {offset + length}"
            raise ModelFileError(mismatch(place, f"a file of {self.size} bytes", expected))
        data = bytearray(length)
        self.read_into(memoryview(data), offset)
        return bytes(data)

    def read_into(self, target: memoryview, offset: int) -> None:
        """Fill `target`, of bytes, with the file's bytes from `offset`. Any number of threads may call it.

        Raises ModelFileError if the file has become shorter, or cannot be read.
        """
        while target:
            try:
                count = os.preadv(self._descriptor, [target], offset)
            except OSError as error:
                raise ModelFileError(f"{self.path}: cannot be read: {error.strerror}") from None
            if count == 0:
                raise ModelFileError(f"{self.path}: the file became shorter after it was opened")
            target, offset = target[count:], offset + count

    @property
    def descriptor(self) -> int:
        """The descriptor of the open file. It is valid while this object exists."""
        return self._descriptor

    def check_still_open(self) -> os.stat_result:
        """Raise ModelFileError if the descriptor was closed, or belongs to another file now.

        This happens in host programs that close all descriptors, as daemons do. Returns the file's status.
        """
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            status = None
        if status is not None and (status.st_dev, status.st_ino) == self.identity[:2]:
            return status
        raise ModelFileError(f"{self.path}: other code closed the file's descriptor after it was opened")

    def check_unchanged(self) -> None:
        """Raise ModelFileError if the file was overwritten or truncated in place since it was opened.

        Checked after a read: all that was read until then is of the file as it was when it was opened.
        """
        status = self.check_still_open()
        if _identity(status)[:4] != self.identity[:4]:
            raise ModelFileError(f"{self.path}: the file was changed after it was opened")

    def current_identity(self) -> tuple[int, ...]:
        """What `identity` is now. Raises ModelFileError as `check_still_open`."""
        return _identity(self.check_still_open())


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
