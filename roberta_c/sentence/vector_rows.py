"""Vectors as rows of arrays: those of callers checked, and some rows at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import InputError, ResourceError, mismatch, shown
from ..machine.memory import check_memory
from ..model.arrays import size_of
from ..pipelines.options import check_count

# Numbers of an intermediate array: 2 MB in float64.
BLOCK = 1 << 18
# Bytes of the intermediate arrays for each number of a row: at most four in float64. One row at least is
# computed at a time, however wide it is.
_ROW_BYTES = 32
BEYOND_FLOAT32 = "numbers beyond the range of float32"


def row_blocks(rows: int, width: int) -> Iterator[slice]:
    """The indices of `rows` rows of `width` numbers: as many at a time as have at most BLOCK numbers.

    None of rows without numbers, of which an array may have any number.
    """
    return slices(rows if width else 0, BLOCK // max(1, width))


def slices(count: int, size: int) -> Iterator[slice]:
    """0 … count-1 in slices of `size`, or of 1 where that is less."""
    size = max(1, size)
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def as_rows(x: np.ndarray) -> np.ndarray:
    """(…, D) as (n, D), (D) as (1, D). Raises ResourceError if memory is too small for a copy."""
    if x.ndim > 2 and not x.flags.c_contiguous:
        check_size(x.shape, x.itemsize, "embeddings")
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def as_floats(x: Any, name: str) -> np.ndarray:
    """`x`, an array, a list of vectors or torch's tensor, as float32.

    Raises InputError, also for finite numbers beyond float32's range; ResourceError without memory for a copy
    or for what is computed of one row.
    """
    numbers = _as_numbers(x, name)
    check_rows(numbers, name)
    if numbers.dtype == np.float32:
        return numbers
    check_size(numbers.shape, 4, name)
    with np.errstate(all="ignore"):  # what is too large is looked for below; what is too small becomes 0
        floats = numbers.astype(np.float32)
    if numbers.dtype.itemsize > 4:
        numbers_nd, floats_nd = as_rows(numbers), as_rows(floats)
        for rows in row_blocks(*floats_nd.shape):
            if (np.isinf(floats_nd[rows]) & np.isfinite(numbers_nd[rows])).any():
                raise InputError(mismatch(name, BEYOND_FLOAT32, "numbers within it"))
    return floats


def check_size(shape: Sequence[int], itemsize: int, name: str) -> None:
    """Raise ResourceError unless memory has room for an array of `shape`, for `name` of that shape."""
    check_memory(itemsize * size_of(shape), name, f"shape {tuple(shape)}")


def check_rows(x: np.ndarray, name: str) -> None:
    """Raise ResourceError unless memory has room for what is computed of one row of `x` (…, D)."""
    if x.size:
        check_memory(_ROW_BYTES * x.shape[-1], name, f"shape {x.shape}")


def as_vectors(embeddings: Any, name: str) -> np.ndarray:
    """`as_matrix`, whose rows have numbers: of those that have none, none is the most similar."""
    rows_nd = as_matrix(embeddings, name)
    if len(rows_nd) and not rows_nd.shape[1]:
        raise InputError(mismatch(name, f"shape {rows_nd.shape}", "vectors of at least one number"))
    return rows_nd


def as_matrix(embeddings: Any, name: str) -> np.ndarray:
    """An array (n, D), or (D) as (1, D). Raises InputError, ResourceError."""
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
        expected = f"an integer from 1 to {width}, the width, or None"
        truncate_dim = check_count("truncate_dim", truncate_dim, expected)
        if truncate_dim > width:
            raise InputError(mismatch("truncate_dim", shown(truncate_dim), f"at most {width}, the width"))
    return array[..., :truncate_dim]


def as_array(x: Any, name: str) -> np.ndarray:
    """`x`, an array, a list of vectors or torch's tensor, as an array.

    Raises InputError; ResourceError if memory is too small for the vectors of a list.
    """
    if isinstance(x, (list, tuple)) and x and isinstance(x[0], np.ndarray):
        check_size((len(x), *x[0].shape), x[0].itemsize, name)
    elif isinstance(x, range):  # a few words of memory, but 8 bytes for each number of its array
        check_size((max(0, -((x.start - x.stop) // x.step)),), 8, name)
    try:
        return np.asarray(x)
    except MemoryError:
        raise ResourceError(mismatch(name, "more numbers than memory holds", "fewer")) from None
    except Exception:  # vectors of different widths, or any error of a foreign tensor
        raise InputError(mismatch(name, shown(x), "an array, or vectors of one width")) from None


def _as_numbers(x: Any, name: str) -> np.ndarray:
    """`x` as an array of numbers with at least one dimension. Raises InputError."""
    array = as_array(x, name)
    if array.dtype.kind not in "fiu" or not array.ndim:
        raise InputError(mismatch(name, shown(x), "an array of numbers"))
    return array
