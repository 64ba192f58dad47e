"""Arrays that a caller gives to a part of the model, checked."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError, ResourceError, mismatch
from ..machine.memory import check_memory


def as_array(x: Any, name: str) -> np.ndarray:
    """`x` as an array. InputError if its rows differ in length; ResourceError without memory."""
    refuse_masked(x, name)
    try:
        return np.asarray(x)
    except ValueError:
        raise InputError(mismatch(name, "rows of different lengths", "a padded array")) from None
    except MemoryError:
        raise ResourceError(mismatch(name, "more values than memory holds", "a smaller array")) from None


def size_of(shape: Sequence[int]) -> int:
    """The product of the axes, an empty one counted as 1, for which numpy too demands that memory could hold
    it: it has no float32 array of shape (0, 2 ** 61)."""
    return math.prod(axis or 1 for axis in shape)


def refuse_masked(x: Any, name: str) -> None:
    """Raise InputError for one of numpy's masked arrays: what it masks would be read."""
    masked = sys.modules.get("numpy.ma")  # which numpy imports when it is first used
    if masked is not None and isinstance(x, masked.MaskedArray):
        raise InputError(mismatch(name, "a masked array", "a plain one, and attention_mask for its mask"))


def first_tokens(hidden_states: Any) -> np.ndarray:
    """The first token of each sequence, (S, width, H) → (S, H). InputError for another shape."""
    hidden = as_array(hidden_states, "hidden_states")
    if hidden.ndim != 3 or hidden.shape[1] == 0:
        raise InputError(mismatch("hidden_states", f"shape {hidden.shape}", "(batch, length, hidden)"))
    return as_float32(hidden[:, 0], "hidden_states")


def as_float32(x: Any, name: str) -> np.ndarray:
    """`x` as a C-contiguous float32 array. InputError if it holds no numbers; ResourceError if memory is too
    small for a copy."""
    array = as_array(x, name)
    if array.dtype.kind not in "fiu":
        raise InputError(mismatch(name, f"dtype {array.dtype}", "float32"))
    if array.dtype != np.float32 or not array.flags.c_contiguous:
        check_memory(4 * size_of(array.shape), name, f"shape {array.shape}")
    return np.ascontiguousarray(array, dtype=np.float32)


def as_rows(x: Any, columns: int, name: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """`x` (…, columns) as a float32 matrix, and its leading dimensions."""
    array = as_float32(x, name)
    if array.ndim < 1 or array.shape[-1] != columns:
        raise InputError(mismatch(name, f"shape {array.shape}", f"(…, {columns})"))
    return array.reshape(-1, columns), array.shape[:-1]
