"""What is looked at before anything large is imported: closed streams, and too little address space.

This file imports almost nothing, so that it works where little else does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

# Address space that a command needs: for Python, numpy, tokenizers and a small model; and for each CPU, on
# which these libraries start threads when they are imported. Where there is less, they end the process.
# `roberta-c classify` needs 146 MB on one CPU and 203 MB on two.
BYTES, BYTES_PER_CPU = 110 << 20, 42 << 20
# The first of these that is set is how many threads numpy's BLAS starts, at most one on each CPU.
BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")


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


def lacking_address_space(environment: Mapping[str, str] = os.environ) -> str | None:
    """What is wrong if `ulimit -v` leaves too little for a command; None if it does not."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = next((environment[name] for name in BLAS_VARIABLES if environment.get(name)), "")
    if given.isascii() and given.isdigit():
        threads = min(threads, max(1, int(given)))
    needed = BYTES + BYTES_PER_CPU * threads
    if limit >= needed:
        return None
    return f"address space: found a limit of {limit:,} bytes (ulimit -v), expected at least {needed:,}"
