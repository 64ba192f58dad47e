"""How many threads a model uses when its caller does not say: what this process may really run on.

A container with one CPU's quota on a 64-CPU host reports 64 CPUs; opening 64 threads there costs two
orders of magnitude. So the answer is the least of the affinity mask, the cgroup quota and OMP_NUM_THREADS.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import InputError, shown
from .cgroups import cgroup_quota

MAX_THREADS = 1024

# Below this many multiply-adds work stays on one thread: a second one saves a few microseconds on an idle
# machine, and costs a time slice where another process has its core. Just above it, a base-size head's
# product for one text takes 57 microseconds on two threads and 69 on one (weights in memory; in the caches 18
# and 34), the embedding of 64 tokens 80 and 131 (two cores of an AMD Zen 5 server, 2026-11-22; more threads
# have not been tried).
SERIAL_WORK = 1 << 19


@dataclass(frozen=True)
class ThreadLimits:
    """What bounds the threads of a process that was not told their number; None: no such limit."""

    affinity: int
    cgroup_quota: float | None
    omp_num_threads: int | None

    def least(self) -> tuple[int, str]:
        """The least limit and its name."""
        limits = [(self.affinity, "CPU affinity")]
        if self.cgroup_quota is not None:
            limits.append((max(1, math.ceil(self.cgroup_quota)), "cgroup quota"))
        if self.omp_num_threads is not None:
            limits.append((self.omp_num_threads, "OMP_NUM_THREADS"))
        return min([*limits, (MAX_THREADS, "the most this package takes")], key=operator.itemgetter(0))


def thread_limits(environment: Mapping[str, str] = os.environ) -> ThreadLimits:
    """This process's limits. A bad OMP_NUM_THREADS is ignored, as by OpenMP itself: it was not set for us."""
    openmp = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    count = None
    if openmp.isascii() and openmp.isdigit() and openmp.strip("0"):
        count = int(openmp) if len(openmp) < 9 else MAX_THREADS
    return ThreadLimits(affinity_count(), cgroup_quota(), count)


def chosen_num_threads(
    num_threads: int | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[int, str]:
    """How many threads a model gets, and what decided: the first of `num_threads`, ROBERTA_C_NUM_THREADS and
    the least of `thread_limits`.

    Raises InputError where `num_threads` or ROBERTA_C_NUM_THREADS is not a number of threads.
    """
    if num_threads is not None:
        return checked_num_threads(num_threads), "num_threads"
    wanted = environment.get("ROBERTA_C_NUM_THREADS")
    if not wanted:
        return thread_limits(environment).least()
    try:
        return checked_num_threads(int(wanted)), "ROBERTA_C_NUM_THREADS"
    except ValueError:
        raise InputError(
            f"ROBERTA_C_NUM_THREADS: found {shown(wanted)}, expected 1 to {MAX_THREADS}"
        ) from None


def default_num_threads(environment: Mapping[str, str] = os.environ) -> int:
    """ROBERTA_C_NUM_THREADS if set, else min(affinity, cgroup CPU quota, OMP_NUM_THREADS)."""
    return chosen_num_threads(None, environment)[0]


def threads_for(multiply_adds: int, num_threads: int) -> int:
    """How many of `num_threads` to open for work of this size; the result's bits are the same either way."""
    return 1 if multiply_adds < SERIAL_WORK else num_threads


def checked_num_threads(num_threads: int) -> int:
    """`num_threads` if it is a number of threads; else InputError."""
    try:
        number = None if isinstance(num_threads, bool) else operator.index(num_threads)
    except TypeError:
        number = None
    if number is None:
        raise InputError(f"num_threads: found {shown(num_threads)}, expected an int or None")
    if not 1 <= number <= MAX_THREADS:
        raise InputError(f"num_threads: found {number}, expected 1 to {MAX_THREADS}")
    return number


def affinity_count() -> int:
    """CPUs that this process may be scheduled on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
