"""The limits of CPU time and memory that Linux control groups (v1 and v2) set for this process.

A group's limit applies to all groups below it, so the effective limit is the smallest one between this
process's group and the root. In a container, the container's own group is usually mounted as the root, even
if /proc/self/cgroup gives another path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")

_NO_V1_LIMIT = 1 << 60  # without a memory limit, v1 gives a number near 2**63


def cgroup_quota(root: Path = ROOT, membership: Path = MEMBERSHIP) -> float | None:
    """The limit of CPU time as a number of CPUs (quota / period), or None without a limit."""
    quotas = []
    for folder in _groups("cpu", root, membership):
        words = _read(folder / "cpu.max").split() or [
            _read(folder / "cpu.cfs_quota_us"),
            _read(folder / "cpu.cfs_period_us"),
        ]
        # "max" in v2 and -1 in v1 mean no limit.
        if len(words) == 2 and all(re.fullmatch(r"[0-9]{1,18}", word) for word in words):
            quota, period = map(int, words)
            if quota > 0 and period > 0:
                quotas.append(quota / period)
    return min(quotas, default=None)


def cgroup_memory_limit(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int | None:
    """The limit of memory in bytes, or None without a limit."""
    limits = []
    for folder in _groups("memory", root, membership):
        text = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
        if re.fullmatch(r"[0-9]{1,20}", text) and int(text) < _NO_V1_LIMIT:
            limits.append(int(text))
    return min(limits, default=None)


def cgroup_free_memory(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int | None:
    """How much more memory the limits let this process's groups use, in bytes, or None without a limit.

    Pages of files in memory count as free: they are given up where memory runs short.
    """
    free = []
    for folder in _groups("memory", root, membership):
        limit = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
        used = _read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes")
        if not all(re.fullmatch(r"[0-9]{1,20}", text) for text in (limit, used)):
            continue
        if int(limit) < _NO_V1_LIMIT:
            # v1 gives the numbers of the group, and with total_ those of all groups below it as well.
            stat = _read(folder / "memory.stat")
            pages = re.findall(r"^total_(?:in)?active_file ([0-9]{1,20})$", stat, re.MULTILINE)
            pages = pages or re.findall(r"^(?:in)?active_file ([0-9]{1,20})$", stat, re.MULTILINE)
            free.append(max(0, int(limit) - int(used) + sum(map(int, pages))))
    return min(free, default=None)


def _groups(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """The folders of this process's groups for a controller and of all groups above them, in v2 and v1."""
    yield root
    yield root / controller
    for line in _read(membership).splitlines():  # "hierarchy:controllers:group"; v2 has no controllers
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        names = [name for name in group.split("/") if name]
        if ".." in names or (controllers and controller not in controllers.split(",")):
            continue  # the group is outside of the mounted tree, or belongs to other controllers
        mounted = root / controller if controllers else root
        for depth in range(1, len(names) + 1):
            yield mounted.joinpath(*names[:depth])


def _read(path: Path) -> str:
    """The file's text; empty if it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
