"""Arrays that a caller gives to a part of the model, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, mismatch


def as_array(x: Any, name: str) -> np.ndarray:
    """`x` as an array. InputError if its rows differ in length."""
    try:
        return np.asarray(x)
    except ValueError:
        raise InputError(mismatch(name, "rows of different lengths", "a padded array")) from None


def first_tokens(hidden_states: Any) -> np.ndarray:
    """The first token of each sequence, (S, width, H) → (S, H). InputError for another shape."""
    hidden = as_float32(hidden_states, "hidden_states")
    if hidden.ndim != 3 or hidden.shape[1] == 0:
        raise InputError(mismatch("hidden_states", f"shape {hidden.shape}", "(batch, length, hidden)"))
    return hidden[:, 0]


def as_float32(x: Any, name: str) -> np.ndarray:
    """`x` as a C-contiguous float32 array. InputError if it holds no numbers."""
    array = as_array(x, name)
    if array.dtype.kind not in "fiu":
        raise InputError(mismatch(name, f"dtype {array.dtype}", "float32"))
    return np.ascontiguousarray(array, dtype=np.float32)


def as_rows(x: Any, columns: int, name: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """`x` (…, columns) as a float32 matrix, and its leading dimensions."""
    array = as_float32(x, name)
    if array.ndim < 1 or array.shape[-1] != columns:
        raise InputError(mismatch(name, f"shape {array.shape}", f"(…, {columns})"))
    return array.reshape(-1, columns), array.shape[:-1]
