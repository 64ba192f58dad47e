"""The number of threads of a model whose caller gives none: the number of CPUs this process may really use.

A container with a quota of one CPU on a host of 64 CPUs reports 64 CPUs; 64 threads would be two orders of
magnitude slower there. So the number is the minimum of CPU affinity, cgroup quota and OMP_NUM_THREADS.
"""

from __future__ import annotations

import logging
import math
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import InputError, mismatch, shown
from .cgroups import cgroup_quota

logger = logging.getLogger(__name__)

MAX_THREADS = 1024

# Work of fewer multiply-adds than this runs on one thread. Even just above this limit, two threads gain only
# 12 to 51 µs, and they lose a time slice whenever another process uses the second core. Measured there: the
# matrix product of a base-size head for one text takes 57 µs on two threads and 69 µs on one (weights in
# memory; in the caches 18 and 34 µs), the embedding of 64 tokens 80 and 131 µs (two cores of an AMD Zen 5
# server, 2026-11-22, with OpenMP's threads; not measured with the present ones).
SERIAL_WORK = 1 << 19


@dataclass(frozen=True)
class ThreadLimits:
    """The limits on the default number of threads; None: no such limit."""

    affinity: int
    cgroup_quota: float | None
    omp_num_threads: int | None

    def least(self) -> tuple[int, str]:
        """The smallest limit and its name."""
        limits = [(self.affinity, "CPU affinity")]
        if self.cgroup_quota is not None:
            limits.append((max(1, math.ceil(self.cgroup_quota)), "cgroup quota"))
        if self.omp_num_threads is not None:
            limits.append((self.omp_num_threads, "OMP_NUM_THREADS"))
        return min([*limits, (MAX_THREADS, "this package's limit")], key=operator.itemgetter(0))


def thread_limits(environment: Mapping[str, str] = os.environ) -> ThreadLimits:
    """This process's limits. A malformed OMP_NUM_THREADS is ignored, as OpenMP itself ignores it."""
    openmp = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    count = None
    if openmp.isascii() and openmp.isdigit() and openmp.strip("0"):
        count = int(openmp) if len(openmp) < 9 else MAX_THREADS
    return ThreadLimits(affinity_count(), cgroup_quota(), count)


def chosen_num_threads(
    num_threads: int | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[int, str]:
    """The number of threads of a model, and the name of what decided it.

    The first of these that is given decides: `num_threads`, ROBERTA_C_NUM_THREADS, the smallest of
    `thread_limits`. More than the CPUs that this process may use are not taken, since threads that wait for a
    CPU make each other wait; ROBERTA_C_OVERSUBSCRIBE=1 takes them. Raises InputError if the first or second
    is not an integer from 1 to MAX_THREADS.
    """
    if num_threads is not None:
        return _within_cpus(checked_num_threads(num_threads), "num_threads", environment)
    wanted = environment.get("ROBERTA_C_NUM_THREADS")
    if not wanted:
        return thread_limits(environment).least()
    try:
        number = checked_num_threads(int(wanted))
    except ValueError:
        raise InputError(mismatch("ROBERTA_C_NUM_THREADS", shown(wanted), f"1 to {MAX_THREADS}")) from None
    return _within_cpus(number, "ROBERTA_C_NUM_THREADS", environment)


_told: set[tuple[str, int]] = set()  # of which numbers a warning has been given


def _within_cpus(number: int, chosen_by: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """`number`, or the number of CPUs that this process may use if that is smaller; warned of once."""
    if number == 1 or environment.get("ROBERTA_C_OVERSUBSCRIBE") == "1":
        return number, chosen_by
    cpus, limit = ThreadLimits(affinity_count(), cgroup_quota(), None).least()
    if number <= cpus:
        return number, chosen_by
    if (chosen_by, number) not in _told:
        _told.add((chosen_by, number))
        logger.warning(
            "%s: found %d, expected at most %d (%s): using %d; ROBERTA_C_OVERSUBSCRIBE=1 takes more",
            chosen_by, number, cpus, limit, cpus,
        )  # fmt: skip
    return cpus, limit


def threads_for(multiply_adds: int, num_threads: int) -> int:
    """The number of threads to use for work of this size: `num_threads`, or 1 for small work.

    The number of threads never changes the bits of a result.
    """
    return 1 if multiply_adds < SERIAL_WORK else num_threads


def checked_num_threads(num_threads: int) -> int:
    """`num_threads` as an int. Raises InputError unless it is an integer from 1 to MAX_THREADS."""
    try:
        number = None if isinstance(num_threads, bool) else operator.index(num_threads)
    except TypeError:
        number = None
    if number is None:
        raise InputError(mismatch("num_threads", shown(num_threads), "an int or None"))
    if not 1 <= number <= MAX_THREADS:
        raise InputError(mismatch("num_threads", shown(number), f"1 to {MAX_THREADS}"))
    return number


def affinity_count() -> int:
    """The number of CPUs on which this process may be scheduled."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
