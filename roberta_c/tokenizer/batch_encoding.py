"""BatchEncoding: what a tokenizer call returns, with transformers' names."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np
from tokenizers import Encoding

from ..errors import InputError, mismatch, shown
from ..machine.devices import is_cpu

_T = TypeVar("_T")


class CharSpan(NamedTuple):
    """The characters start … end-1 of a text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """The tokens start … end-1 of a row."""

    start: int
    end: int


class Padding(NamedTuple):
    """How rows of fewer than `width` tokens are padded. side: "right" or "left"."""

    width: int
    side: str
    token_id: int
    type_id: int
    token: str

    def apply(self, encodings: Sequence[Encoding]) -> None:
        """Pad the encodings themselves, in place."""
        for encoding in encodings:
            encoding.pad(
                self.width,
                direction=self.side,
                pad_id=self.token_id,
                pad_type_id=self.type_id,
                pad_token=self.token,
            )


class BatchEncoding(UserDict[str, Any]):
    """A mapping from field to rows: lists of ints, or int64 arrays of shape (batch, tokens).

    The fields that a call can return: input_ids, token_type_ids, attention_mask, special_tokens_mask,
    offset_mapping (start and end character of each token, shape (batch, tokens, 2)), length,
    overflow_to_sample_mapping. They are attributes too: `encoded.input_ids`. A call on one text without
    `return_tensors` gives its fields without the batch dimension.

    The methods map between tokens, words and characters of a row. Those that take the index of a token, word
    or character take it alone for row 0, or the index of a row and then that index. They raise InputError for
    an index outside the row.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        encodings: Sequence[Encoding] | None = None,
        *,
        padding: Padding | None = None,
    ) -> None:
        super().__init__(data)
        self._encodings = encodings
        self._padding = padding  # not yet applied to `_encodings`, because few callers look at them

    def __getitem__(self, key: Any) -> Any:
        """The field of that name; for an int or slice, the tokenizers.Encoding of that row or rows."""
        if isinstance(key, str):
            return self.data[key]
        if isinstance(key, int | slice):
            return self._rows("indexing by row")[key]
        raise KeyError(key)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "data":
            raise AttributeError(name)
        try:
            return self.data[name]
        except KeyError:
            raise AttributeError(f"BatchEncoding has no field {name}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "encodings": self.encodings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.data, self._encodings, self._padding = state["data"], state["encodings"], None

    @property
    def is_fast(self) -> bool:
        """Whether it has the rows' tokenizers.Encoding objects."""
        return self._encodings is not None

    @property
    def encodings(self) -> Sequence[Encoding] | None:
        """The rows as tokenizers.Encoding objects, padded as the fields are."""
        if self._padding is not None and self._encodings is not None:
            self._padding.apply(self._encodings)
            self._padding = None
        return self._encodings

    @property
    def n_sequences(self) -> int | None:
        """1 for single texts, 2 for pairs, None if unknown."""
        return self._encodings[0].n_sequences if self._encodings else None

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The row's tokens as strings."""
        return self._row("tokens", batch_index).tokens

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of the row: 0 or 1 for the first or second text, None for special tokens."""
        return self._row("sequence_ids", batch_index).sequence_ids

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of the row: the index of its word in its text, None for special tokens."""
        return self._row("word_ids", batch_index).word_ids

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """Which text a token is of: 0, 1, or None for a special token."""
        row, token = self._token("token_to_sequence", batch_or_token_index, token_index)
        return row.token_to_sequence(token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The index of a token's word in its text, or None for a special token."""
        row, token = self._token("token_to_word", batch_or_token_index, token_index)
        return row.token_to_word(token)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a word, or None if it has none."""
        row, word = self._row_and_index("word_to_tokens", batch_or_word_index, word_index)
        return _span(TokenSpan, row.word_to_tokens(word, sequence_index))

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters of a token, or None for a special token."""
        row, token = self._token("token_to_chars", batch_or_token_index, token_index)
        return _span(CharSpan, row.token_to_chars(token))

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The index of a character's token, or None if it has none, such as white space that was trimmed."""
        row, char = self._row_and_index("char_to_token", batch_or_char_index, char_index)
        return row.char_to_token(char, sequence_index)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word, or None if there is no such word."""
        row, word = self._row_and_index("word_to_chars", batch_or_word_index, word_index)
        return _span(CharSpan, row.word_to_chars(word, sequence_index))

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The index of a character's word, or None if it has none."""
        row, char = self._row_and_index("char_to_word", batch_or_char_index, char_index)
        return row.char_to_word(char, sequence_index)

    def convert_to_tensors(self, tensor_type: str | None = None) -> BatchEncoding:
        """Turn every field into an int64 array, in place, if `tensor_type` is "np"; with None change nothing.

        Raises InputError if rows differ in length.
        """
        if tensor_type is None:
            return self
        if tensor_type != "np":
            raise InputError(mismatch("tensor_type", shown(tensor_type), "'np' or None"))
        for name, value in self.data.items():
            self.data[name] = field_array(name, value)
        return self

    def to(self, device: Any) -> BatchEncoding:
        """This object: its arrays are on the CPU. Raises InputError for any other device."""
        if device is None or not is_cpu(device):
            raise InputError(mismatch("device", shown(device), "'cpu'"))
        return self

    # `what`, in the methods below, is what messages call the method that was called.

    def _rows(self, what: str) -> Sequence[Encoding]:
        rows = self.encodings
        if rows is None:
            raise InputError(mismatch(what, "a BatchEncoding without encodings", "one made by a tokenizer"))
        return rows

    def _row(self, what: str, index: int) -> Encoding:
        rows = self._rows(what)
        try:
            return rows[index]
        except IndexError:
            raise InputError(mismatch(what, f"row {index}", f"a row of a batch of {len(rows)}")) from None

    def _row_and_index(self, what: str, first: int, second: int | None) -> tuple[Encoding, int]:
        """The row, and the index of a word or character in it, that the two arguments of a method mean."""
        row, index = (0, first) if second is None else (first, second)
        if index < 0:
            raise InputError(mismatch(what, f"index {index}", "at least 0"))
        return self._row(what, row), index

    def _token(self, what: str, first: int, second: int | None) -> tuple[Encoding, int]:
        """The row, and the index of a token in it; a negative argument counts from the row's end."""
        row, token = (0, first) if second is None else (first, second)
        encoding = self._row(what, row)
        index = token + len(encoding.ids) if token < 0 else token
        if not 0 <= index < len(encoding.ids):
            raise InputError(mismatch(what, f"token {token}", f"a token of a row of {len(encoding.ids)}"))
        return encoding, index


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
    encodings: list[Encoding], fields: Fields, padding: Padding | None, as_numpy: bool
) -> BatchEncoding:
    """The fields of the encodings, padded, as lists of rows or as int64 arrays.

    With `fields.overflowing`, the overflowing parts of an encoding are rows after it. A field that is not
    chosen is not built. Raises InputError if rows of different lengths would form an array.
    """
    rows = encodings
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


def field_array(name: str, value: Any) -> np.ndarray:
    """A field (ints, lists of ints, or lists of pairs of ints) as an int64 array.

    Raises InputError, whose message calls the field `name`, if rows differ in length.
    """
    if isinstance(value, np.ndarray):
        return value
    if value and isinstance(value[0], list):
        check_one_length(name, [len(row) for row in value])
    return np.array(value, dtype=np.int64)


def check_one_length(name: str, lengths: list[int]) -> None:
    """Raise InputError unless all rows of the field `name` have the same number of tokens."""
    if min(lengths) != max(lengths):
        found = ", ".join(map(str, lengths[:8])) + (", …" if len(lengths) > 8 else "")
        expected = "rows of one length: pass padding=True"
        raise InputError(mismatch(f"return_tensors='np': {name}", f"rows of {found} tokens", expected))


def _span(kind: Callable[..., _T], found: tuple[int, int] | None) -> _T | None:
    return None if found is None else kind(*found)
