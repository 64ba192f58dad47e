"""The poolings that make one vector of a text's rows, by sentence-transformers' names (csrc/pool.inc)."""

from __future__ import annotations

from ..errors import InputError, mismatch, shown

# In the order in which sentence-transformers' older configurations concatenate them.
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def checked_modes(value: object, place: str = "pooling_mode") -> tuple[str, ...]:
    """One mode, or a list or tuple of modes, as a tuple. Raises InputError, naming `place`."""
    modes = (value,) if isinstance(value, str) else value
    expected = f"one of {', '.join(MODES)}, or a list of these"
    if not isinstance(modes, (list, tuple)) or not modes:
        raise InputError(mismatch(place, shown(value), expected))
    for mode in modes:
        if not isinstance(mode, str) or mode not in MODES:
            raise InputError(mismatch(place, shown(mode), expected))
    return tuple(modes)
