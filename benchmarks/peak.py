"""Measures the limits of this machine: multiply-adds per second of each kind, bytes read per second.

    python benchmarks/peak.py --threads 2

The other benchmarks measure the limits between their own pieces of work, because a machine's speed drifts:
the share of the peak is the rate of a piece divided by the mean of the peaks just before and just after it.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import mmap
import os
import shutil
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import description, save

SLICE_SECONDS, SLICES = 1e-3, 7
READ_BYTES = 512 << 20  # far above any last-level cache here, and more than RoBERTa-base's 340 MB of weights
HUGE_PAGE = 2 << 20


class Kind(NamedTuple):
    """One kind of arithmetic. Its key in KINDS is the name of its function in peak.c."""

    chains: int  # independent sums
    multiply_adds: int  # in one instruction
    words: str


KINDS = {
    "fma_128": Kind(12, 4, "at 128 bits"),
    "fma_256": Kind(12, 8, "at 256 bits"),
    "fma_512": Kind(24, 16, "at 512 bits"),
    "dot_bf16": Kind(24, 32, "in bfloat16"),
    "dot_int8": Kind(24, 64, "in int8"),
    "tile_bf16": Kind(6, 16 * 16 * 32, "in bfloat16, by AMX"),
    "tile_int8": Kind(6, 16 * 16 * 64, "in int8, by AMX"),
}
# The kinds that kernels of an instruction set use for a type, fastest first. Where the CPU does not multiply
# bfloat16, it is widened to float32. int8 at 256 bits is not measured.
MULTIPLY_WITH = {
    ("amx", "float32"): ("fma_512",),
    ("amx", "bfloat16"): ("tile_bf16",),
    ("amx", "int8"): ("tile_int8",),
    ("avx512", "float32"): ("fma_512",),
    ("avx512", "bfloat16"): ("dot_bf16", "fma_512"),
    ("avx512", "int8"): ("dot_int8",),
    ("avx2", "float32"): ("fma_256",),
    ("avx2", "bfloat16"): ("fma_256",),
}


def kind_in_words(kind: str | None) -> str:
    """For example "at 512 bits"."""
    return KINDS[kind].words if kind else "of an unknown kind"


class Peak:
    """Rates on `threads` threads. Default kind: the one that `isa` (None: the best) uses for `dtype`.

    A rate is None where it is unknown: without a C compiler, off x86, or without the instruction.
    """

    def __init__(self, threads: int, isa: str | None = None, dtype: str = "float32") -> None:
        self.threads = threads
        self._library = compiled()
        self._here = {kind for kind in KINDS if self._library and getattr(self._library, f"has_{kind}")()}
        isas = ("amx", "avx512", "avx2") if isa is None else (isa,)
        wanted = [kind for one in isas for kind in MULTIPLY_WITH.get((one, dtype), ())]
        self.kind = next((kind for kind in wanted if kind in self._here), None)
        # Each thread gets a CPU of its own: two threads on one CPU would measure half.
        pin = None
        if hasattr(os, "sched_setaffinity"):
            cpus = itertools.cycle(sorted(os.sched_getaffinity(0)))

            def pin() -> None:
                os.sched_setaffinity(0, {next(cpus)})

        self._pool = ThreadPoolExecutor(threads, initializer=pin)
        self._rounds: dict[str, int] = {}
        self._memory: np.ndarray | None = None

    def arithmetic(self, kind: str | None = None) -> float | None:
        """10^9 operations per second (two per multiply-add) of a kind of KINDS."""
        kind = kind or self.kind
        if kind not in self._here:
            return None
        operations = 2 * KINDS[kind].chains * KINDS[kind].multiply_adds * self.threads
        if kind not in self._rounds:
            self._rounds[kind] = 1000
            for _ in range(3):  # the first calls wake the threads and raise the clock rate
                seconds = self._seconds(kind, [self._rounds[kind]] * self.threads)
                self._rounds[kind] = max(1000, int(self._rounds[kind] * SLICE_SECONDS / seconds))
        rounds = [self._rounds[kind]] * self.threads
        # The median of several slices. A slice during which another program used a core would be too low; the
        # best slice is a rate that holds for a millisecond, not for a forward pass.
        seconds = statistics.median(self._seconds(kind, rounds) for _ in range(SLICES))
        return operations * rounds[0] / seconds / 1e9

    def read(self) -> float | None:
        """10^9 bytes per second; each thread reads its own part of a large buffer."""
        if self._library is None:
            return None
        if self._memory is None:
            self._memory = self._large_buffer()
        share = READ_BYTES // self.threads // 4096 * 4096
        starts = [self._memory.ctypes.data + index * share for index in range(self.threads)]
        return share * self.threads / self._seconds(None, [share] * self.threads, starts) / 1e9

    def described(self) -> str:
        """Both current rates as text, for a heading."""
        arithmetic, read = self.arithmetic(), self.read()
        known = arithmetic is not None and f"{arithmetic:.0f} GF/s {kind_in_words(self.kind)}"
        return f"peak {known or 'unknown'}, memory {'unknown' if read is None else f'{read:.0f} GB/s'}"

    def _seconds(self, kind: str | None, sizes: list[int], starts: list[int] | None = None) -> float:
        """Seconds from the first thread's start to the last one's end; kind None: of reading."""
        arrived = ctypes.c_int64(0)
        times = np.zeros((self.threads, 2))
        waiting = [
            self._pool.submit(
                self._library.work_together,
                ctypes.byref(arrived),
                self.threads,
                getattr(self._library, kind) if kind else None,
                size,
                starts[index] if starts else None,
                times[index].ctypes.data,
            )
            for index, size in enumerate(sizes)
        ]
        for one in waiting:
            one.result()
        return float(times[:, 1].max() - times[:, 0].min())

    def _large_buffer(self) -> np.ndarray:
        mapped = np.frombuffer(mmap.mmap(-1, READ_BYTES + HUGE_PAGE), dtype=np.uint8)
        skip = -mapped.ctypes.data % HUGE_PAGE
        buffer = mapped[skip : skip + READ_BYTES]
        self._library.ask_for_huge_pages(buffer.ctypes.data, READ_BYTES)
        buffer[:] = 1  # pages never written to would all be the same page of zeros
        return buffer


def compiled() -> ctypes.CDLL | None:
    """peak.c as a library; None without a C compiler, or if it cannot compile it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peak.so"
        source = Path(__file__).with_name("peak.c")
        command = [compiler, "-O3", "-shared", "-fPIC", "-o", str(path), str(source)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
        library = ctypes.CDLL(str(path))
    library.work_together.restype = ctypes.c_float
    library.work_together.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.ask_for_huge_pages.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return library


def mean_of(*rates: float | None) -> float | None:
    """The mean of the rates; None if one is unknown."""
    return None if None in rates else statistics.fmean(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    rates: dict[str, dict[str, float | None]] = {}
    for threads in sorted({1, options.threads}):
        peak = Peak(threads)
        found: dict[str, list[float | None]] = {}
        for _ in range(options.rounds):
            for kind in KINDS:
                found.setdefault(f"{kind}_gflops", []).append(peak.arithmetic(kind))
            found.setdefault("read_gb_per_s", []).append(peak.read())
        medians = {
            name: None if None in of else round(statistics.median(of), 1) for name, of in found.items()
        }
        rates[str(threads)] = medians
        found_now = ", ".join(f"{name} {'unknown' if of is None else of}" for name, of in medians.items())
        print(f"{threads} threads: {found_now}")
    if options.output:
        save(options.output, {**description(("numpy",)), "rounds": options.rounds, "threads": rates})


if __name__ == "__main__":
    main()
