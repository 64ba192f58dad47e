"""What is looked at before anything large is imported: closed streams, and too little address space.

This file imports almost nothing, so that it works where little else does.
"""

from __future__ import annotations

import os

# Address space that a command needs: for Python, numpy, tokenizers and a small model, and for the threads
# that these libraries start on each CPU. Where there is less, they end the process themselves. On two CPUs
# `roberta-c classify` needs 196 MB.
BYTES, BYTES_PER_CPU = 130 << 20, 32 << 20


def open_closed_streams() -> None:
    """Lead each closed one of standard input, output and error to the null device.

    Otherwise the next file that is opened gets its number, and what a library prints would be written into
    that file. Python's `sys.stdin`, … stay None.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Opened in ascending order, so that each gets the lowest free number: its own.
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)


def lacking_address_space(cpus: int | None = None) -> str | None:
    """What is wrong if `ulimit -v` leaves too little for a command; None if it does not."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = BYTES + BYTES_PER_CPU * (cpus or os.cpu_count() or 1)
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return None
    return f"address space: found a limit of {limit:,} bytes (ulimit -v), expected at least {needed:,}"
