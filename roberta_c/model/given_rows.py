"""Rows of integers that a caller gives as ids, mask, types or positions: read, compared, and then copied.

Nothing is copied before sizes are known: `numpy.broadcast_to` makes arrays that no memory can hold a copy of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..errors import InputError, ResourceError, mismatch, shown
from .arrays import refuse_masked, size_of


@dataclass(frozen=True)
class Rows:
    """Rows of integers as a caller gave them: read, and not copied yet.

    array: (count, width); None for a list of rows. lists, lengths: these rows and how many values each has;
    empty for an array. places: how many values there are in all; for an array, `size_of` its shape.
    """

    name: str
    array: np.ndarray | None
    lists: Sequence[Any]
    lengths: Sequence[int]
    count: int
    width: int
    places: int

    @classmethod
    def of(cls, value: Any, name: str) -> Rows:
        """Raises InputError unless `value` is a 2-D array or a list of rows."""
        if isinstance(value, (list, tuple)):
            rows = _plain(value)
            lengths = [_row_length(row, name, index) for index, row in enumerate(rows)]
            return cls(name, None, rows, lengths, len(lengths), 0, sum(lengths))
        array = _foreign_array(value, name)
        if array.ndim != 2:
            raise InputError(mismatch(name, f"shape {array.shape}", "2 dimensions (batch, length)"))
        _check_dtype(array, name)
        count, width = array.shape
        return cls(name, array, (), (), count, width, size_of(array.shape))

    def lengths_s(self) -> np.ndarray:
        """The length of each row, int64 (S)."""
        if self.array is None:
            return np.array(self.lengths, dtype=np.int64)
        return np.full(self.count, self.width, dtype=np.int64)

    def starts_s(self) -> np.ndarray:
        """Where each row begins in the values end to end, and where the last one ends: int64 (S + 1)."""
        if self.array is not None:
            return np.arange(self.count + 1, dtype=np.int64) * self.width
        starts = np.zeros(self.count + 1, dtype=np.int64)
        np.cumsum(self.lengths_s(), out=starts[1:])
        return starts

    def pairs(self) -> int:
        """How many pairs of values of one row there are."""
        return self.places * self.width if self.array is not None else sum(n * n for n in self.lengths)

    def size(self) -> str:
        """The size, for messages."""
        if self.array is None:
            return f"{self.count:,} rows of {self.places:,} values in all"
        return f"shape {self.array.shape}"

    def flat(self) -> np.ndarray:
        """The values end to end, int64. Always a copy: checked values must not change when another thread
        writes to the caller's array."""
        if self.array is not None:
            return _integers(self.array.reshape(-1), self.name)
        rows = [row_array(row, f"{self.name}[{index}]") for index, row in enumerate(self.lists)]
        if [len(row) for row in rows] != self.lengths:
            raise InputError(mismatch(self.name, "lists that change during the call", "lists that do not"))
        return np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)


def _plain(value: Sequence[Any]) -> Sequence[Any]:
    """A list or tuple of that very type: the methods of a subclass could tell anything."""
    if type(value) in (list, tuple):
        return value
    return list(list.__iter__(value)) if isinstance(value, list) else tuple(tuple.__iter__(cast(Any, value)))


def _row_length(row: Any, name: str, index: int) -> int:
    """How many values a row has. InputError unless it is a list, a tuple or an array."""
    if isinstance(row, list):
        return list.__len__(row)
    if isinstance(row, tuple):
        return tuple.__len__(row)
    if isinstance(row, np.ndarray):
        return np.asarray(row).size
    raise InputError(mismatch(f"{name}[{index}]", type(row).__name__, "a list of ids"))


def row_array(row: Any, place: str, most: int | None = None) -> np.ndarray:
    """The values of a row, or the first `most` of them, int64. `place` is what messages call the row."""
    try:
        array = np.asarray(row) if isinstance(row, np.ndarray) else np.asarray(_plain(row)[:most])
    except (ValueError, OverflowError, TypeError):
        raise InputError(mismatch(place, shown(row), "a flat list of ids")) from None
    except MemoryError:
        raise ResourceError(mismatch(place, "more values than memory holds", "a flat list of ids")) from None
    if array.ndim != 1:
        found = f"shape {array.shape}" if array.ndim else shown(row)
        raise InputError(mismatch(place, found, "a flat list of ids"))
    if not len(array):  # numpy makes an empty list float64
        return np.empty(0, dtype=np.int64)
    _check_dtype(array, place)
    return _integers(array[:most], place)


def _foreign_array(value: Any, name: str) -> np.ndarray:
    """An array of numpy, of a subclass, or of a library whose tensors have `__array__`, as torch and jax.

    A view: its shape stays as it is when the caller changes that of the array.
    """
    if not hasattr(value, "__array__"):
        raise InputError(mismatch(name, type(value).__name__, "a numpy array or a list of lists"))
    refuse_masked(value, name)
    try:
        return np.asarray(value).view()
    except Exception:  # any error of that library: the tensor is on a GPU, or numpy has no such type
        raise InputError(
            mismatch(name, f"a {type(value).__name__} that numpy cannot read", "one in the CPU's memory")
        ) from None


def rows_like(value: Any, name: str, ids: Rows) -> Rows | None:
    """`value`, in the same two forms or None, checked to have rows of the same lengths as the ids."""
    if value is None:
        return None
    given = Rows.of(value, name)
    if given.count != ids.count:
        raise InputError(mismatch(name, f"{given.count} rows", f"{ids.count} as in input_ids"))
    if given.array is None or ids.array is None:
        # One of the two is a list in memory, so that the lengths of its rows fit there as well.
        found, expected = given.lengths_s(), ids.lengths_s()
    else:
        found, expected = np.array([given.width]), np.array([ids.width])
    if given.count and (found != expected).any():
        row = int((found != expected).argmax())
        raise InputError(
            mismatch(name, f"{found[row]} values in row {row}", f"{expected[row]} as in input_ids")
        )
    return given


def flat_or_none(given: Rows | None) -> np.ndarray | None:
    """The values of `given` end to end, if it was given."""
    return None if given is None else given.flat()


def _check_dtype(values: np.ndarray, name: str) -> None:
    """Raise InputError unless these are integers, or for a mask also bool or float."""
    if values.dtype.kind not in ("iubf" if name.startswith("attention_mask") else "iu"):
        raise InputError(mismatch(name, f"dtype {values.dtype}", "integers"))


def _integers(values: np.ndarray, name: str) -> np.ndarray:
    """A copy as int64. InputError for what int64 cannot hold, and for a float in a mask but 0 and 1."""
    if values.dtype == np.uint64 and len(values) and values.max() > np.iinfo(np.int64).max:
        raise InputError(mismatch(name, values.max(), "a token id"))
    if values.dtype.kind == "f" and not np.isin(values, (0, 1)).all():
        raise InputError(mismatch(name, _other_than_0_1(values), "0 and 1"))
    return values.astype(np.int64)


def checked_mask(values: np.ndarray) -> np.ndarray:
    """An attention mask of 0 and 1 as bool. InputError for other values."""
    if not ((values == 0) | (values == 1)).all():
        raise InputError(mismatch("attention_mask", _other_than_0_1(values), "0 and 1"))
    return values.astype(bool)


def _other_than_0_1(values: np.ndarray) -> Any:
    return values[~np.isin(values, (0, 1))][0]
