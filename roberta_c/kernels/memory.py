"""New arrays for the kernels: aligned, and in huge pages where they are large."""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Sequence

import numpy as np

from ..errors import ResourceError, mismatch
from ..machine.memory import fits
from .arguments import Floats

HUGE_FROM = 4 << 20  # bytes: two huge pages


def aligned_empty(shape: Sequence[int]) -> Floats:
    """An uninitialized float32 array that begins on a 64-byte line. ResourceError without memory."""
    count = math.prod(shape)
    try:
        buffer = np.empty(count + 16, dtype=np.float32) if fits(count * 4) else None
    except (MemoryError, ValueError, OverflowError):  # the last two: a size that numpy cannot represent
        buffer = None
    if buffer is None:
        expected = f"{count * 4:,} bytes for shape {tuple(shape)}"
        raise ResourceError(mismatch("memory", "too little free", expected)) from None
    # Not __array_interface__, which is quicker: numpy 2.4 crashes in it where memory runs out.
    first = -buffer.ctypes.data % 64 // 4
    return buffer[first : first + count].reshape(shape)


def large_empty(count: int) -> Floats:
    """An uninitialized float32 array of `count` values, for packed weights or intermediates.

    From HUGE_FROM bytes on it is memory that is new to the process, in huge pages where the system gives
    them. Memory that an allocator reuses may lie in small pages, which cost a TLB miss every 4 KiB.
    """
    if count * 4 < HUGE_FROM or not hasattr(mmap, "MADV_HUGEPAGE"):
        return aligned_empty((count,))
    try:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        memory = mmap.mmap(-1, count * 4, flags=flags) if fits(count * 4) else None
    except (OSError, ValueError, OverflowError):
        memory = None
    if memory is None:
        raise ResourceError(mismatch("memory", "too little free", f"{count * 4:,} bytes")) from None
    with contextlib.suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.float32, count)
