"""How much memory this process may still get, and whether the tokenizers library can have what a batch needs.

The library ends the process when memory is refused to it, so that a batch that cannot fit is refused before.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import ResourceError, mismatch

# Batches of up to as many bytes of text are encoded without a look at the machine's memory.
_SURELY_FITTING = 1 << 20
# Bytes of memory for a byte of text (tokenizers 0.23, English, Japanese, white space, one long word: 110 to
# 250 while a text is encoded, of which its tokens, 30 to 120, stay).
_WHILE_ENCODED, _ENCODED = 250, 30


def memory_bytes() -> int:
    """How much memory this process may still get; a very large number if the system does not say."""
    from ..machine.facts import memory_facts  # imported only for batches that may not fit

    facts = memory_facts()
    known = [facts[name] for name in ("available_bytes", "cgroup_limit_bytes", "total_bytes")]
    return min((size for size in [*known, _address_space()] if size is not None), default=2**60)


def check_texts_fit(sizes: list[int]) -> None:
    """Raise ResourceError if memory is too small to encode texts of as many bytes at once."""
    total = sum(sizes)
    if total <= _SURELY_FITTING:
        return
    needed, most = _ENCODED * total + (_WHILE_ENCODED - _ENCODED) * max(sizes), memory_bytes()
    if needed > most:
        found = f"{total} bytes in {len(sizes)} texts, which need {needed >> 20} MiB of memory"
        raise ResourceError(mismatch("text", found, f"at most the {most >> 20} MiB that there are"))


def _address_space() -> int | None:
    """What is left of the limit of this process's address space, in bytes; None without a limit."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        status = Path("/proc/self/status").read_text(errors="replace")
    except (ImportError, AttributeError, OSError):  # not Linux
        return None
    used = re.search(r"^VmSize:\s*(\d+) kB$", status, re.MULTILINE)
    if limit == resource.RLIM_INFINITY or used is None:
        return None
    return max(limit - 1024 * int(used[1]), 0)
