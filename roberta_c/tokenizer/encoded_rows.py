"""Rows that were encoded before, for `tokenizer.pad`: collected from a caller's objects, and padded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from .batch_encoding import BatchEncoding, Padding, field_array
from .text_input import as_listed

IDS, MASK = "input_ids", "attention_mask"
# The fields with a value for each token, which are padded.
TOKEN_FIELDS = {IDS, MASK, "token_type_ids", "special_tokens_mask", "offset_mapping"}
# Those whose values may also be True and False, or floats without a fraction: pandas makes such of columns.
_MASKS = {MASK, "special_tokens_mask"}
FORMS = "a BatchEncoding, a dict of lists, or a list of these"


@dataclass(frozen=True)
class EncodedRows:
    """The fields of several rows: name → a list with an entry for each row.

    is_batch: whether the caller gave several rows; otherwise fields are returned without that dimension.
    """

    fields: dict[str, list[Any]]
    is_batch: bool

    @classmethod
    def collect(cls, encoded: Any) -> EncodedRows:
        """The rows of `encoded`. Raises InputError naming the field that is missing or of another form."""
        listed = None if isinstance(encoded, Mapping) else as_listed(encoded, takes_tuples=True)
        if listed is not None:
            if not listed or not all(isinstance(row, Mapping) for row in listed):
                found = "an empty list" if not listed else "a list of other things"
                raise InputError(mismatch("encoded_inputs", found, FORMS))
            encoded = {}
            for name in listed[0]:
                for index, row in enumerate(listed):
                    if name not in row:
                        expected = f"{shown(name)} in each row, as in row 0"
                        raise InputError(mismatch(f"encoded_inputs[{index}]", shown(list(row)), expected))
                encoded[name] = [row[name] for row in listed]
        if not isinstance(encoded, Mapping):
            raise InputError(mismatch("encoded_inputs", type(encoded).__name__, FORMS))
        if IDS not in encoded:
            raise InputError(mismatch("encoded_inputs", shown(list(encoded)), f"a field {IDS}"))
        ids = _as_list(encoded[IDS], IDS)
        is_batch = not ids or as_listed(ids[0], takes_tuples=True) is not None
        fields: dict[str, list[Any]] = {
            name: _as_list(value, name) if is_batch else [value] for name, value in encoded.items()
        }
        fields = {IDS: fields.pop(IDS), **fields}  # first, for the lengths of the others
        for name, rows in fields.items():
            if len(rows) != len(fields[IDS]):
                expected = f"{len(fields[IDS])}, as in {IDS}"
                raise InputError(mismatch(f"encoded_inputs: {name}", f"{len(rows)} rows", expected))
        for name in [name for name in fields if name in TOKEN_FIELDS]:
            rows = [_as_list(row, f"{name}[{index}]") for index, row in enumerate(fields[name])]
            lengths = [len(row) for row in rows]
            for index, row in enumerate(rows):
                _check_integers(f"{name}[{index}]" if is_batch else name, name, row)
            if name != IDS and lengths != [len(row) for row in fields[IDS]]:
                place = f"encoded_inputs: {name}"
                raise InputError(mismatch(place, "rows of other lengths", f"the lengths of {IDS}'s rows"))
            fields[name] = rows
        return cls(fields, is_batch)

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of each row."""
        return [len(row) for row in self.fields[IDS]]

    def padded(self, padding: Padding | None, wants_mask: bool, as_numpy: bool) -> BatchEncoding:
        """The rows with `padding`, as a BatchEncoding."""
        fields = dict(self.fields)
        if wants_mask and MASK not in fields:
            fields[MASK] = [[1] * length for length in self.lengths]
        if padding is not None:
            fills: dict[str, Any] = {
                IDS: padding.token_id,
                MASK: 0,
                "token_type_ids": padding.type_id,
                "special_tokens_mask": 1,
                "offset_mapping": (0, 0),
            }
            for name in fills.keys() & fields.keys():
                fields[name] = [_padded(row, fills[name], padding) for row in fields[name]]
        if as_numpy:
            return BatchEncoding({name: _array(name, rows) for name, rows in fields.items()})
        return BatchEncoding(fields if self.is_batch else {name: rows[0] for name, rows in fields.items()})


def _as_list(value: Any, name: str) -> list[Any]:
    listed = as_listed(value, takes_tuples=True)
    if listed is None:
        raise InputError(mismatch(f"encoded_inputs: {name}", type(value).__name__, "a list"))
    return listed


def _check_integers(place: str, name: str, row: list[Any]) -> None:
    """Raise InputError, which calls the row `place`, unless the row of the field `name` holds integers."""
    if set(map(type, row)) <= {int} or name == "offset_mapping":  # the usual case, without a Python loop
        return
    for index, value in enumerate(row):
        is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
        is_flag = isinstance(value, bool | np.bool_ | float | np.floating) and value in (0, 1)
        if not is_integer and not (is_flag and name in _MASKS):
            raise InputError(mismatch(f"encoded_inputs: {place}[{index}]", shown(value), "an integer"))


def _array(name: str, rows: list[Any]) -> np.ndarray:
    """A field as an array: int64 for the fields of tokens, numpy's own choice for others."""
    place = f"encoded_inputs: {name}"
    if name in TOKEN_FIELDS:
        array = field_array(place, rows)
        if array.dtype.kind not in ("bif" if name in _MASKS else "bi"):
            raise InputError(mismatch(place, f"values of type {array.dtype}", "integers"))
        return array.astype(np.int64, copy=False)
    try:
        return np.asarray(rows)
    except (ValueError, TypeError, OverflowError):
        raise InputError(mismatch(place, shown(rows), "numbers of one shape")) from None


def _padded(row: list[Any], fill: Any, padding: Padding) -> list[Any]:
    missing = [fill] * max(padding.width - len(row), 0)
    return row + missing if padding.side == "right" else missing + row
