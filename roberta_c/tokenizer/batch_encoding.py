"""BatchEncoding: what a tokenizer call returns, with transformers' names."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from tokenizers import Encoding

from ..errors import InputError, mismatch, shown
from ..machine.devices import is_cpu
from .arguments import as_index, check_pickle_protocol
from .own_rows import OwnRow, as_encoding

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
        data: Mapping[str, Any] | None = None,
        encoding: Encoding | Sequence[Encoding | OwnRow] | None = None,
        tensor_type: str | None = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
        *,
        padding: Padding | None = None,
    ) -> None:
        """data: field → rows. encoding: the rows' encodings. n_sequences: None for that of `encoding`.

        tensor_type, prepend_batch_axis: as for `convert_to_tensors`. Raises InputError.
        """
        if data is not None and not isinstance(data, Mapping):
            raise InputError(mismatch("data", shown(data), "a mapping from field to rows"))
        if isinstance(encoding, Encoding):
            encoding = [encoding]
        if not all(isinstance(one, Encoding | OwnRow) for one in _as_rows(encoding)):
            raise InputError(mismatch("encoding", shown(encoding), "tokenizers.Encoding objects"))
        super().__init__(data)
        # Rows of which some were encoded here: their encodings are made when they are asked for.
        rows = _as_rows(encoding)
        self._own_rows = rows if any(isinstance(one, OwnRow) for one in rows) else None
        self._encodings: Sequence[Encoding] | None = None
        if encoding is not None:
            self._encodings = [] if self._own_rows is not None else cast("Sequence[Encoding]", encoding)
        self._padding = padding  # not yet applied to `_encodings`, because few callers look at them
        self._n_sequences = n_sequences
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    def __getitem__(self, key: Any) -> Any:
        """The field of that name; for an int or slice, the tokenizers.Encoding of that row or rows.

        Without encodings, a slice is a dict of the fields' slices. Raises KeyError or IndexError.
        """
        if isinstance(key, str):
            return self.data[key]
        if isinstance(key, slice) and self._encodings is None:
            return {name: value[key] for name, value in self.data.items()}
        if isinstance(key, int | slice):
            return self._rows("indexing by row")[key]
        raise KeyError(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """The field of that name, or `default` if there is none."""
        return self.data.get(key, default)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "data":
            raise AttributeError(name)
        try:
            return self.data[name]
        except KeyError:
            raise AttributeError(f"BatchEncoding has no field {name}") from None

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.is_fast:
            check_pickle_protocol(protocol)
        return super().__reduce_ex__(protocol)

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "encodings": self.encodings, "n_sequences": self._n_sequences}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.data, self._encodings, self._padding = state["data"], state["encodings"], None
        self._own_rows = None
        self._n_sequences = state.get("n_sequences")

    @property
    def is_fast(self) -> bool:
        """Whether it has the rows' tokenizers.Encoding objects."""
        return self._encodings is not None

    @property
    def encodings(self) -> Sequence[Encoding] | None:
        """The rows as tokenizers.Encoding objects, padded as the fields are."""
        if self._own_rows is not None:
            self._encodings = list(map(as_encoding, self._own_rows))
            self._own_rows = None
        if self._padding is not None and self._encodings is not None:
            self._padding.apply(self._encodings)
            self._padding = None
        return self._encodings

    @property
    def n_sequences(self) -> int | None:
        """1 for single texts, 2 for pairs, None if unknown."""
        if self._n_sequences is None and self._own_rows:
            return as_encoding(self._own_rows[0]).n_sequences
        if self._n_sequences is None and self._encodings:
            return self._encodings[0].n_sequences
        return self._n_sequences

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
        return _span(TokenSpan, row.word_to_tokens(word, _sequence("word_to_tokens", sequence_index)))

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters of a token, or None for a special token."""
        row, token = self._token("token_to_chars", batch_or_token_index, token_index)
        return _span(CharSpan, row.token_to_chars(token))

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The index of a character's token, or None if it has none, such as white space that was trimmed."""
        row, char = self._row_and_index("char_to_token", batch_or_char_index, char_index)
        return row.char_to_token(char, _sequence("char_to_token", sequence_index))

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word, or None if there is no such word."""
        row, word = self._row_and_index("word_to_chars", batch_or_word_index, word_index)
        return _span(CharSpan, row.word_to_chars(word, _sequence("word_to_chars", sequence_index)))

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The index of a character's word, or None if it has none."""
        row, char = self._row_and_index("char_to_word", batch_or_char_index, char_index)
        return row.char_to_word(char, _sequence("char_to_word", sequence_index))

    def convert_to_tensors(
        self, tensor_type: str | None = None, prepend_batch_axis: bool = False
    ) -> BatchEncoding:
        """Turn every field into an array, in place, if `tensor_type` is "np"; with None change nothing.

        Integers become int64, fractions float64, other values what NumPy makes of them. prepend_batch_axis:
        whether fields are those of one row, without the batch dimension, which is added. Raises InputError if
        rows differ in length.
        """
        if tensor_type is None:
            return self
        if not isinstance(tensor_type, str) or tensor_type != "np":
            raise InputError(mismatch("tensor_type", shown(tensor_type), "'np' or None"))
        for name, value in self.data.items():
            self.data[name] = field_array(name, [value] if prepend_batch_axis else value)
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
            return rows[as_index(what, index)]
        except IndexError:
            raise InputError(mismatch(what, f"row {index}", f"a row of a batch of {len(rows)}")) from None

    def _row_and_index(self, what: str, first: int, second: int | None) -> tuple[Encoding, int]:
        """The row, and the index of a word or character in it, that the two arguments of a method mean."""
        row, index = (0, first) if second is None else (first, second)
        index = as_index(what, index)
        if index < 0:
            raise InputError(mismatch(what, f"index {index}", "at least 0"))
        return self._row(what, row), index

    def _token(self, what: str, first: int, second: int | None) -> tuple[Encoding, int]:
        """The row, and the index of a token in it; a negative argument counts from the row's end."""
        row, token = (0, first) if second is None else (first, second)
        encoding = self._row(what, row)
        token = as_index(what, token)
        index = token + len(encoding.ids) if token < 0 else token
        if not 0 <= index < len(encoding.ids):
            raise InputError(mismatch(what, f"token {token}", f"a token of a row of {len(encoding.ids)}"))
        return encoding, index


def field_array(name: str, value: Any) -> np.ndarray:
    """A field (numbers, or lists of numbers or of pairs of them) as an array: int64 for integers.

    Raises InputError, whose message calls the field `name`, if rows differ in length or hold no numbers.
    """
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(row, list) for row in value):
        check_one_length(name, [len(row) for row in value])
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        array = np.empty(0, dtype=object)
    if array.size == 0 and array.dtype != object:
        return array.astype(np.int64)
    if array.dtype == object:
        raise InputError(mismatch(name, shown(value), "numbers in rows of one shape"))
    return array


def check_one_length(name: str, lengths: list[int]) -> None:
    """Raise InputError unless all rows of the field `name` have the same number of tokens."""
    if min(lengths) != max(lengths):
        found = ", ".join(map(str, lengths[:8])) + (", …" if len(lengths) > 8 else "")
        expected = "rows of one length, as padding=True makes them, for an array"
        raise InputError(mismatch(name, f"rows of {found} tokens", expected))


def _span(kind: Callable[..., _T], found: tuple[int, int] | None) -> _T | None:
    return None if found is None else kind(*found)


def _as_rows(encoding: Any) -> Sequence[Any]:
    """The encodings as a sequence; what is none, as the only item of one."""
    if encoding is None:
        return []
    return encoding if isinstance(encoding, list | tuple) else [encoding]


def _sequence(what: str, index: Any) -> int:
    """`index` as the index of a text, of which a row has one or two."""
    sequence = as_index(what, index)
    if sequence < 0:
        raise InputError(mismatch(what, f"sequence_index {sequence}", "0 or 1"))
    return sequence
