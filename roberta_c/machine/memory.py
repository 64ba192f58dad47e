"""How much memory this process may still get, asked before something large is made.

Linux promises more memory than there is, and ends a process that then uses it: a size that cannot fit has to
be refused before.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import ResourceError, mismatch
from .cgroups import cgroup_free_memory

# Up to as many bytes are taken without a look at the machine's memory, which reads some files of /proc.
SURELY_FITTING = 256 << 20


def fits(size: int) -> bool:
    """Whether this process may still get `size` bytes."""
    return size <= SURELY_FITTING or size <= free_memory()


def check_memory(size: int, name: str, found: str) -> None:
    """Raise ResourceError if `size` bytes are more than this process may still get.

    name, found: what takes the memory, for the message: an argument and its size.
    """
    if not fits(size):
        expected = f"at most {free_memory():,} bytes, the free memory"
        raise ResourceError(mismatch(name, f"{found}, {size:,} bytes in memory", expected))


def free_memory(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """The least of what the machine, the container and this process's address space leave, in bytes.

    A very large number if the system tells none of them.
    """
    known = (_of_machine(proc), cgroup_free_memory(cgroups, proc / "self/cgroup"), _of_address_space(proc))
    return max(0, min((size for size in known if size is not None), default=2**60))


def _of_machine(proc: Path) -> int | None:
    """Memory and swap space that no process uses; of a system other than Linux all of its memory."""
    found = dict(re.findall(r"^(MemAvailable|SwapFree):\s*(\d+) kB$", _text(proc / "meminfo"), re.MULTILINE))
    if "MemAvailable" in found:
        return sum(map(int, found.values())) * 1024
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_address_space(proc: Path) -> int | None:
    """What `ulimit -v` leaves; None without such a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _text(proc / "self/statm").split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return limit - int(pages[0]) * resource.getpagesize()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # not Linux
        return ""
