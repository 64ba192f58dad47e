"""A cache file → its arrays, after every byte has been compared with what was written.

On a disk of this machine the file is mapped: all processes share its pages, nothing is copied, and pages are
read as the digests reach them. Elsewhere it is read into memory, because another machine could take a mapped
file's pages away, which ends the process that touches them.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path

import numpy as np

from ..kernels import digests, large_empty
from ..machine.filesystems import is_local
from . import folder as private
from .errors import DamagedError
from .layout import DTYPES, END, PIECE_BYTES, Header, header_bytes, parse_header


class PackedFile:
    """One cache file, verified.

    header, nbytes, inode; is_mapped: whether its pages are shared with other processes.

    Raises DamagedError for any difference from what was written, UnusableError for a file that others may
    write, OSError, and ResourceError without memory.
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
            mapped = mmap.mmap(descriptor, self.nbytes, mmap.MAP_SHARED, mmap.PROT_READ)
            with contextlib.suppress(AttributeError, OSError):
                mapped.madvise(mmap.MADV_HUGEPAGE)  # when the file is read from its disk
            self._payload = np.frombuffer(mapped, np.uint8, payload_bytes)
        else:
            self._payload = large_empty(-(-payload_bytes // 4)).view(np.uint8)[:payload_bytes]
            _read_into(descriptor, self._payload.data, 0)
            self._payload.flags.writeable = False
        _check_payload(self._payload, self.header, num_threads)
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
    end = os.pread(descriptor, END.size, max(0, size - END.size))
    text = bytearray(header_bytes(end, size))
    _read_into(descriptor, memoryview(text), size - END.size - len(text))
    return parse_header(bytes(text), end, size)


def _read_into(descriptor: int, target: memoryview, offset: int) -> None:
    while target:
        count = os.preadv(descriptor, [target], offset)
        if count == 0:
            raise DamagedError("a file that has become shorter")
        target, offset = target[count:], offset + count


def _check_payload(payload: np.ndarray, header: Header, num_threads: int) -> None:
    found = digests(payload.data, PIECE_BYTES, num_threads)
    if digests_text(found) != header.digests:
        raise DamagedError("a payload that differs from its digests")


def digests_text(found: np.ndarray) -> str:
    """Digests of pieces as the header has them."""
    return "".join(f"{one:016x}" for one in found.tolist())
