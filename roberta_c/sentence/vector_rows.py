"""Vectors as rows of arrays: those of callers checked, and some rows at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from ..pipelines.options import check_count

# Numbers of an intermediate array: 2 MB in float64.
BLOCK = 1 << 18


def row_blocks(rows: int, width: int) -> Iterator[slice]:
    """The indices of `rows` rows of `width` numbers: as many at a time as have at most BLOCK numbers."""
    return slices(rows, BLOCK // max(1, width))


def slices(count: int, size: int) -> Iterator[slice]:
    """0 … count-1 in slices of `size`, or of 1 where that is less."""
    size = max(1, size)
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def as_rows(x: np.ndarray) -> np.ndarray:
    """(…, D) as (n, D), (D) as (1, D)."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def as_floats(x: Any, name: str) -> np.ndarray:
    """`x`, an array, a list of vectors or torch's tensor, as float32. Raises InputError."""
    return _as_numbers(x, name).astype(np.float32, copy=False)


def as_matrix(embeddings: Any, name: str) -> np.ndarray:
    """An array (n, D), or (D) as (1, D). Raises InputError."""
    rows = as_floats(embeddings, name)
    if rows.ndim == 1:
        rows = rows[None] if len(rows) else rows.reshape(0, 0)  # one vector, or an empty list
    if rows.ndim != 2:
        raise InputError(mismatch(name, f"shape {rows.shape}", "(n, width) or (width,)"))
    return rows


def check_finite(x_nd: np.ndarray, name: str, first: int = 0) -> None:
    """Raise InputError for the first row with NaN or an infinity. first: the index of x_nd's first row."""
    for rows in row_blocks(*x_nd.shape):
        is_finite_n = np.isfinite(x_nd[rows]).all(axis=1)
        if not is_finite_n.all():
            row = first + rows.start + int(np.argmin(is_finite_n))
            raise InputError(mismatch(f"{name}[{row}]", "numbers that are NaN or infinite", "finite ones"))


def truncate_embeddings(embeddings: Any, truncate_dim: int | None) -> np.ndarray:
    """The first `truncate_dim` numbers of each row, of the type they have; None: all. Raises InputError."""
    array = _as_numbers(embeddings, "embeddings")
    if truncate_dim is not None:
        width = array.shape[-1]
        check_count("truncate_dim", truncate_dim, f"an integer from 1 to {width}, the width, or None")
        if truncate_dim > width:
            raise InputError(mismatch("truncate_dim", truncate_dim, f"at most {width}, the width"))
    return array[..., :truncate_dim]


def as_array(x: Any, name: str) -> np.ndarray:
    """`x`, an array, a list of vectors or torch's tensor, as an array. Raises InputError."""
    try:
        return np.asarray(x)
    except Exception:  # vectors of different widths, or any error of a foreign tensor
        raise InputError(mismatch(name, shown(x), "an array, or vectors of one width")) from None


def _as_numbers(x: Any, name: str) -> np.ndarray:
    """`x` as an array of numbers with at least one dimension. Raises InputError."""
    array = as_array(x, name)
    if array.dtype.kind not in "fiu" or not array.ndim:
        raise InputError(mismatch(name, shown(x), "an array of numbers"))
    return array
