"""The fields of a call: built from the encodings of its rows, padded, as lists or as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from tokenizers import Encoding

from .batch_encoding import BatchEncoding, Padding, check_one_length
from .own_rows import OwnRow


@dataclass(frozen=True)
class Fields:
    """Which fields a call returns besides input_ids."""

    token_type_ids: bool
    attention_mask: bool
    special_tokens_mask: bool
    offset_mapping: bool
    length: bool
    overflowing: bool


def build_batch_encoding(
    encodings: list[Encoding | OwnRow], fields: Fields, padding: Padding | None, as_numpy: bool
) -> BatchEncoding:
    """The fields of the encodings, padded, as lists of rows or as int64 arrays.

    With `fields.overflowing`, the overflowing parts of an encoding are rows after it. A field that is not
    chosen is not built. Raises InputError if rows of different lengths would form an array.
    """
    rows: list[Encoding | OwnRow] = encodings
    if fields.overflowing:
        samples = [sample for sample, one in enumerate(encodings) for _ in range(1 + len(one.overflowing))]
        rows = [row for one in encodings for row in (one, *one.overflowing)]
    ids = [row.ids for row in rows]
    lengths = [len(row) for row in ids]
    layout: _Lists | _Arrays = _Arrays(lengths, padding) if as_numpy else _Lists(lengths, padding)
    data: dict[str, Any] = {"input_ids": layout.arrange(ids, padding.token_id if padding else 0)}
    if fields.token_type_ids:
        type_ids = [row.type_ids for row in rows]
        data["token_type_ids"] = layout.arrange(type_ids, padding.type_id if padding else 0)
    if fields.attention_mask:
        data["attention_mask"] = layout.mask()
    if fields.special_tokens_mask:
        data["special_tokens_mask"] = layout.arrange([row.special_tokens_mask for row in rows], 1)
    if fields.offset_mapping:
        data["offset_mapping"] = layout.arrange_pairs([row.offsets for row in rows])
    if fields.length:
        data["length"] = layout.per_row([max(n, padding.width) if padding else n for n in lengths])
    if fields.overflowing:
        data["overflow_to_sample_mapping"] = layout.per_row(samples)
    return BatchEncoding(data, rows, padding=padding)


class _Lists:
    """Arranges fields as lists of rows, padded to `padding.width` if there is a `padding`."""

    def __init__(self, lengths: list[int], padding: Padding | None) -> None:
        self._lengths = lengths
        self._missing = [max(padding.width - n, 0) for n in lengths] if padding else None
        self._on_right = padding is None or padding.side == "right"

    def arrange(self, rows: list[list[Any]], fill: Any) -> list[list[Any]]:
        if self._missing is None:
            return rows
        if self._on_right:
            return [row + [fill] * missing for row, missing in zip(rows, self._missing, strict=True)]
        return [[fill] * missing + row for row, missing in zip(rows, self._missing, strict=True)]

    def arrange_pairs(self, rows: list[list[tuple[int, int]]]) -> list[list[tuple[int, int]]]:
        return self.arrange(rows, (0, 0))

    def mask(self) -> list[list[int]]:
        return self.arrange([[1] * n for n in self._lengths], 0)

    def per_row(self, values: list[int]) -> list[int]:
        return values


class _Arrays:
    """Arranges fields as int64 arrays (batch, tokens).

    Suffixes of arrays: b the rows of the batch, w the width in tokens. _real_bw: bool, True for a token and
    False for padding. Raises InputError if the rows have different lengths and `padding` does not make them
    equal.
    """

    def __init__(self, lengths: list[int], padding: Padding | None) -> None:
        width = max([padding.width if padding else 0, *lengths])
        if (padding is None or width > padding.width) and lengths:
            check_one_length("input_ids", lengths)
        lengths_b = np.array(lengths, dtype=np.int64)[:, None]
        columns_w = np.arange(width)
        on_right = padding is None or padding.side == "right"
        self._real_bw = columns_w < lengths_b if on_right else columns_w >= width - lengths_b
        self._count = sum(lengths)

    def arrange(self, rows: list[list[int]], fill: int) -> np.ndarray:
        arranged_bw = np.full(self._real_bw.shape, fill, dtype=np.int64)
        arranged_bw[self._real_bw] = np.fromiter(chain.from_iterable(rows), np.int64, self._count)
        return arranged_bw

    def arrange_pairs(self, rows: list[list[tuple[int, int]]]) -> np.ndarray:
        arranged_bw2 = np.zeros((*self._real_bw.shape, 2), dtype=np.int64)
        pairs = chain.from_iterable(chain.from_iterable(rows))
        arranged_bw2[self._real_bw] = np.fromiter(pairs, np.int64, 2 * self._count).reshape(-1, 2)
        return arranged_bw2

    def mask(self) -> np.ndarray:
        return self._real_bw.astype(np.int64)

    def per_row(self, values: list[int]) -> np.ndarray:
        return np.array(values, dtype=np.int64)
