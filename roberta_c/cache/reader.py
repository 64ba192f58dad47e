"""A cache file → its arrays, after every byte has been compared with what was written.

On a disk of this machine the file is mapped: all processes share its pages, and nothing is copied. Elsewhere
it is read into memory, because another machine could take a mapped file's pages away, which ends the process
that touches them. For the same reason no page is touched before the system has said that it is there: a disk
may fail, and a file be shorter than it was.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..kernels import digests, large_empty
from ..machine.filesystems import is_local
from . import folder as private
from .errors import DamagedError
from .layout import DTYPES, END, PIECE_BYTES, Header, header_bytes, parse_header

# Linux 5.14: maps pages as reading them would, with an error in place of a signal. Python has no name for it.
POPULATE_READ = 22
STEP_BYTES = 32 << 20  # that are made present, and then digested; pieces of PIECE_BYTES
READ_BYTES = 1 << 30  # at once: macOS reads no more than 2 GiB
# What a disk that fails says, and a map of pages that cannot be read.
_FAILED_READS = {errno.EIO, errno.EFAULT, getattr(errno, "EHWPOISON", 133), getattr(errno, "EUCLEAN", 117)}


class PackedFile:
    """One cache file, verified.

    header, nbytes, inode; is_mapped: whether its pages are shared with other processes.

    Raises DamagedError for any difference from what was written and for what its disk cannot read, OSError,
    and ResourceError without memory.
    """

    def __init__(self, folder: Path, descriptor: int, key: str, num_threads: int) -> None:
        """descriptor: of the file in `folder`, open for reading; it may be closed then. key: its key."""
        status = os.fstat(descriptor)
        self.nbytes, self.inode = status.st_size, status.st_ino
        self.header = read_header(descriptor)
        if self.header.key != key:
            raise DamagedError("the key of other weights")
        payload_bytes = self.header.payload_bytes
        self.is_mapped = payload_bytes > 0 and is_local(folder)
        if self.is_mapped:
            try:
                mapped = mmap.mmap(descriptor, self.nbytes, mmap.MAP_SHARED, mmap.PROT_READ)
            except ValueError as error:  # longer than the file
                raise DamagedError(str(error)) from None
            with contextlib.suppress(AttributeError, OSError):
                mapped.madvise(mmap.MADV_HUGEPAGE)  # when the file is read from its disk
            self._payload = np.frombuffer(mapped, np.uint8, payload_bytes)
            found = _digests_of_map(mapped, self._payload, descriptor, num_threads)
        else:
            self._payload = large_empty(-(-payload_bytes // 4)).view(np.uint8)[:payload_bytes]
            _read_into(descriptor, self._payload.data, 0)
            self._payload.flags.writeable = False
            found = digests(self._payload.data, PIECE_BYTES, num_threads)
        if digests_text(found) != self.header.digests:
            raise DamagedError("a payload that differs from its digests")
        private.mark_used(descriptor)

    def array(self, name: str) -> np.ndarray | None:
        """The array of this name, read-only; None if there is none."""
        place = self.header.places.get(name)
        if place is None:
            return None
        data = self._payload[place.begin : place.begin + place.nbytes]
        return data.view(DTYPES[place.dtype]).reshape(place.shape)


def read_header(descriptor: int) -> Header:
    """The header of an open file. Raises DamagedError, OSError."""
    size = os.fstat(descriptor).st_size
    with _failed_reads():
        end = os.pread(descriptor, END.size, max(0, size - END.size))
    text = bytearray(header_bytes(end, size))
    _read_into(descriptor, memoryview(text), size - END.size - len(text))
    return parse_header(bytes(text), end, size)


def _read_into(descriptor: int, target: memoryview, offset: int) -> None:
    while target:
        with _failed_reads():
            count = os.preadv(descriptor, [target[:READ_BYTES]], offset)
        if count == 0:
            raise DamagedError("a file that has become shorter")
        target, offset = target[count:], offset + count


@contextlib.contextmanager
def _failed_reads() -> Iterator[None]:
    """DamagedError for what a failing disk says: such a file is to go, and to be written elsewhere."""
    try:
        yield
    except OSError as error:
        if error.errno in _FAILED_READS:
            raise DamagedError(f"bytes that cannot be read ({error.strerror})") from None
        raise


def _digests_of_map(mapped: mmap.mmap, payload: np.ndarray, descriptor: int, num_threads: int) -> np.ndarray:
    """The digests of a mapped payload. Pages that cannot be read are a DamagedError, and no signal."""
    step = max(1, STEP_BYTES // PIECE_BYTES) * PIECE_BYTES
    found, buffer = [], None
    for begin in range(0, len(payload), step):
        part = payload[begin : begin + step]
        if buffer is None and not _is_made_present(mapped, begin, len(part)):
            buffer = memoryview(bytearray(min(step, len(payload))))
        if buffer is None:
            found.append(digests(part.data, PIECE_BYTES, num_threads))
        else:  # an older kernel, or another system: the pages that were read are those of the map
            _read_into(descriptor, buffer[: len(part)], begin)
            found.append(digests(buffer[: len(part)], PIECE_BYTES, num_threads))
    return np.concatenate(found)


def _is_made_present(mapped: mmap.mmap, begin: int, length: int) -> bool:
    """Map these pages. False where the system cannot; DamagedError for pages that cannot be read."""
    if not sys.platform.startswith("linux") or begin % mmap.PAGESIZE:
        return False
    with _failed_reads():
        try:
            mapped.madvise(POPULATE_READ, begin, length)
        except OSError as error:
            if error.errno in _FAILED_READS:
                raise
            return False
    return True


def digests_text(found: np.ndarray) -> str:
    """Digests of pieces as the header has them."""
    return "".join(f"{one:016x}" for one in found.tolist())
