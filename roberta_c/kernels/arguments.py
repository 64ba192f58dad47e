"""Checks of what a kernel is given: each returns the value, or raises InputError naming it.

C trusts its arguments, so nothing reaches csrc/ without passing here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, mismatch, shown

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


def checked_array(
    value: Any, name: str, dtype: Any, shape: tuple[int | None, ...], any_alignment: bool = False
) -> npt.NDArray[Any]:
    """`value` if it is a C-contiguous, aligned array of this dtype and shape; None admits any length."""
    if not isinstance(value, np.ndarray):
        raise InputError(mismatch(name, type(value).__name__, "a numpy array"))
    if value.dtype != dtype:
        raise InputError(mismatch(name, f"dtype {value.dtype}", np.dtype(dtype)))
    if value.ndim != len(shape) or any(
        want is not None and want != have for want, have in zip(shape, value.shape, strict=True)
    ):
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(mismatch(name, f"shape {value.shape}", f"({expected})"))
    if not value.flags.c_contiguous or not (value.flags.aligned or any_alignment):
        raise InputError(mismatch(name, "a strided or unaligned array", "a C-contiguous one"))
    return value


def checked_floats(value: Any, name: str) -> Floats:
    """`value` if it is a C-contiguous float32 array, of any shape."""
    return checked_array(value, name, np.float32, getattr(value, "shape", ()))


def checked_output(value: Any, name: str, shape: tuple[int | None, ...]) -> Floats:
    """`value` if it is a writable, C-contiguous float32 array of this shape."""
    array = checked_array(value, name, np.float32, shape)
    if not array.flags.writeable:
        raise InputError(mismatch(name, "a read-only array", "a writable one: it receives the result"))
    return array


def checked_name(value: Any, name: str, known: tuple[str, ...]) -> str:
    """`value` if it is one of the known names."""
    if not isinstance(value, str) or value not in known:
        raise InputError(mismatch(name, shown(value), f"one of {', '.join(known)}"))
    return value


def checked_smooth(smooth: Any, k: int) -> Floats | None:
    """`smooth`, the smoothing factors of K activation columns: None, or K positive float32."""
    if smooth is None:
        return None
    factors = checked_array(smooth, "smooth", np.float32, (k,))
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise InputError(mismatch("smooth", "values that are not finite or not positive", "positive factors"))
    return factors


def checked_starts(starts_s: Any, tokens: int) -> Integers:
    """Offsets of the sequences in the packed tokens: int64 (S + 1), from 0 to T, never falling."""
    starts = checked_array(starts_s, "seq_starts", np.int64, (None,))
    # Compared, not subtracted: the difference of two hostile offsets can wrap around to a positive one.
    if not len(starts) or starts[0] != 0 or starts[-1] != tokens or (starts[1:] < starts[:-1]).any():
        expected = f"offsets that rise from 0 to {tokens}"
        raise InputError(mismatch("seq_starts", shown(starts.tolist()), expected))
    return starts


def checked_indices(indices_t: Any, name: str, tokens: int, limit: int) -> Integers:
    """`indices_t` if it is int64 (T) with values from 0 to limit - 1."""
    indices = checked_array(indices_t, name, np.int64, (tokens,))
    # As unsigned numbers, negative ones are above every limit: one pass instead of two.
    if tokens and indices.view(np.uint64).max() >= limit:
        worst = indices.min() if indices.min() < 0 else indices.max()
        raise InputError(mismatch(name, worst, f"0 to {limit - 1}"))
    return indices


def checked_rows_wanted(rows_r: Any, tokens: int) -> Integers:
    """`rows_r` if it is int64 (R), strictly ascending, with values from 0 to T - 1."""
    rows = checked_array(rows_r, "rows_wanted", np.int64, (None,))
    checked_indices(rows, "rows_wanted", len(rows), tokens)
    if (rows[1:] <= rows[:-1]).any():
        raise InputError(mismatch("rows_wanted", shown(rows.tolist()), "ascending row numbers"))
    return rows
