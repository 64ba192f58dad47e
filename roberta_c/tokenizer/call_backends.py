"""The backend of a call, and the rows that it makes.

Rows are made by the tokenizer's OwnBackend, if it has one, and if what is asked for is usual. Otherwise by
the tokenizers library: by the tokenizer's own backend, which a call does not change, or a copy with the same
vocabulary that truncates or splits special tokens. A copy is made once for each setting.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from tokenizers import Encoding, Tokenizer

from ..errors import InputError, ResourceError, mismatch, shown
from .encode_options import LONGEST_FIRST, EncodeOptions
from .library_calls import LibraryError, encode_items, in_groups
from .own_backend import AnyBackend, OwnBackend, library_of, model_kind
from .own_rows import OwnRow, RowForm, as_encoding
from .text_beginnings import (
    LONG_IN_PAIR,
    LONG_TEXT,
    Reach,
    cut_in_order,
    text_beginning,
    words_beginning,
)
from .text_input import TextInput, find_lone_surrogate

Row = Encoding | OwnRow

# How many copies a tokenizer keeps.
_MAX_COPIES = 8
# The most tokens of the parts of a truncated pair, with which they take a gigabyte.
_MOST_TOKENS = 1 << 23
# The most tokens of a character: bytes.
_TOKENS_OF_CHARACTER = 4
# The longest token of a vocabulary that is no Unigram, for the places at which a word is cut.
_USUAL_TOKEN = 8


class TextForm(NamedTuple):
    """How the texts of a call are read: with special tokens around them, as words, special tokens split."""

    add_special_tokens: bool = True
    is_split_into_words: bool = False
    splits_special_tokens: bool = False


class Truncation(NamedTuple):
    """The arguments of the library's `enable_truncation`. direction: the side that is cut."""

    max_length: int
    stride: int
    strategy: str
    direction: str


class CallBackends:
    """A backend, and its copies for calls with other settings."""

    def __init__(self, backend: AnyBackend) -> None:
        self._backend = backend
        self._copies: dict[tuple[Any, ...], Tokenizer] = {}
        self._longest_piece: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_copies": {}}

    def encode(
        self, batch: TextInput, form: TextForm, options: EncodeOptions, direction: str, keeps_rest: bool
    ) -> list[Row]:
        """A batch's rows, truncated at the side `direction` as `options` say. Raises InputError.

        keeps_rest: whether their overflowing parts are complete; otherwise long texts are cut before.
        """
        if not batch.items:
            return []
        length = options.truncate_to
        if length is None:
            return self._rows(batch, form)
        specials = self._backend.num_special_tokens_to_add(batch.is_pair) if form.add_special_tokens else 0
        room = length - specials
        if room < 0:
            expected = f"at least {specials}, the number of special tokens"
            raise InputError(mismatch(options.length_name, length, expected))
        if direction == "right" and not keeps_rest:
            counts_order = options.truncation == LONGEST_FIRST and room % 2 == 1
            batch = self._beginnings(batch, form, max(room, 1), counts_order)
        if batch.is_pair:
            self._check_parts(batch, form, room, length)
        if options.stride >= max(room, 1):
            found = f"{options.stride} with {options.length_name} {length}"
            expected = f"less than {max(room, 1)}, the number of tokens without the special ones"
            raise InputError(mismatch("stride", found, expected))
        truncation = Truncation(length, options.stride, options.truncation, direction)
        cut = f" (truncation={options.truncation!r} to {length})"
        # With a stride the library refuses some pairs even where nobody asks for the overlapping parts.
        if direction == "right" and not keeps_rest and options.stride == 0:
            return self._rows(batch, form, truncation, room, cut)
        backend = self.with_settings(truncation, form.splits_special_tokens)
        return list(encode_batch(backend, batch, form, cut))

    def parts(self, batch: TextInput) -> list[Encoding]:
        """The encodings of texts without special tokens. Raises InputError."""
        form = TextForm(False, False, self._backend.encode_special_tokens)
        return list(map(as_encoding, self._rows(batch, form)))

    def _rows(
        self,
        batch: TextInput,
        form: TextForm,
        truncation: Truncation | None = None,
        room: int | None = None,
        cut: str = "",
    ) -> list[Row]:
        """The rows of a batch: those that are made here, and the others by the library. Raises InputError.

        truncation: one at the right, of which no overflowing parts are kept. room: its length without special
        tokens.
        """
        own = self._backend
        is_usual = not (form.is_split_into_words or form.splits_special_tokens)
        if not isinstance(own, OwnBackend) or not own.is_own or not is_usual:
            return list(
                encode_batch(self.with_settings(truncation, form.splits_special_tokens), batch, form, cut)
            )
        shell = None if truncation is None else self.with_settings(truncation, False, own.shell)
        row_form = RowForm(form.add_special_tokens, room, truncation.strategy if truncation else "", shell)

        def encode(items: list[Any]) -> list[OwnRow | None]:
            return own.rows(items, batch.is_pair, row_form)

        texts = [text for pair in batch.items for text in pair] if batch.is_pair else batch.items
        sizes = [sum(map(len, item)) if batch.is_pair else len(item) for item in batch.items]
        found = in_groups(encode, batch.items, texts, sizes)
        missing = [index for index, row in enumerate(found) if row is None]
        rest: list[Row] = []
        if missing:
            backend = self.with_settings(truncation, form.splits_special_tokens)
            chosen = TextInput([batch.items[index] for index in missing], True, batch.is_pair)
            rest.extend(encode_batch(backend, chosen, form, cut, batch))
        others = iter(rest)
        return [next(others) if row is None else row for row in found]

    def beginning(
        self, text: str, max_tokens: int, splits_special_tokens: bool, least: int = LONG_TEXT
    ) -> str:
        """A beginning of `text` with the same first `max_tokens` tokens; all of a short text."""
        form = TextForm(False, False, splits_special_tokens)

        def encode(texts: list[str]) -> list[Row]:
            return self._rows(TextInput(texts, True, False), form)

        try:
            return text_beginning(text, max_tokens, encode, self._reach, least)
        except InputError:  # it is raised again, with the text's name, where the text is encoded
            return text

    def _beginnings(self, batch: TextInput, form: TextForm, max_tokens: int, counts_order: bool) -> TextInput:
        """The batch with long texts cut to beginnings; truncated to `max_tokens`, they have the same ids.

        counts_order: whether it matters which text of a pair is longer.
        """
        least = LONG_IN_PAIR if batch.is_pair else LONG_TEXT
        count = partial(self._count, form=form)

        def cut(text: Any, tokens: int = max_tokens) -> Any:
            if form.is_split_into_words:
                return words_beginning(text, tokens, count, least)
            return self.beginning(text, tokens, form.splits_special_tokens, least)

        if not batch.is_pair:
            items = [cut(item) for item in batch.items]
        elif counts_order:
            items = [cut_in_order(one, other, max_tokens, cut, count) for one, other in batch.items]
        else:
            items = [tuple(map(cut, item)) for item in batch.items]
        return TextInput(items, batch.is_batch, batch.is_pair)

    def _count(self, text: Any, form: TextForm) -> int:
        """The tokens of a text, special ones left out."""
        batch = TextInput([text], True, False)
        return len(self._rows(batch, form._replace(add_special_tokens=False))[0])

    def _check_parts(self, batch: TextInput, form: TextForm, room: int, length: int) -> None:
        """Raise ResourceError for a pair of two texts that are much too long.

        The library combines each part of the first, at least half of `room`, with each part of the second.
        """
        half = max(room // 2, 1)

        def parts(tokens: Iterable[int]) -> int:
            return math.prod(count // half + 1 for count in tokens) * length

        for index, pair in enumerate(batch.items):
            sizes = [sum(map(len, text)) for text in pair]  # of a str, as of words
            if parts(_TOKENS_OF_CHARACTER * size for size in sizes) <= _MOST_TOKENS:
                continue
            counts = [self._count(text, form) for text in pair]
            if parts(counts) > _MOST_TOKENS:
                found = f"{counts[0]} and {counts[1]} tokens to truncate to {length}"
                expected = (
                    "a shorter text in each pair: the library combines what is cut of one and the other"
                )
                raise ResourceError(mismatch(f"text[{index}]" if batch.is_batch else "text", found, expected))

    def _reach(self) -> Reach:
        own = self._backend
        added = max((len(token.content) for token in own.get_added_tokens_decoder().values()), default=0)
        if model_kind(own) != "Unigram":
            return Reach(_USUAL_TOKEN, added)
        if isinstance(own, OwnBackend) and own.is_own:
            self._longest_piece = own.encoder.longest
        if self._longest_piece is None:
            self._longest_piece = max(map(len, own.get_vocab(with_added_tokens=False)), default=1)
        return Reach(self._longest_piece, added)

    def with_settings(
        self, truncation: Truncation | None, splits_special_tokens: bool, shell: Tokenizer | None = None
    ) -> Tokenizer:
        """The library's tokenizer with these settings and the same vocabulary; making one takes microseconds.

        shell: that of an OwnBackend, for one without a vocabulary.
        """
        own = library_of(self._backend) if shell is None else shell
        if truncation is None and splits_special_tokens == own.encode_special_tokens:
            return own
        # The size grows when tokens are added, also when they are added to the backend directly.
        key = (truncation, splits_special_tokens, shell is None, own.get_vocab_size(with_added_tokens=True))
        copy = self._copies.get(key)
        if copy is None:
            if len(self._copies) >= _MAX_COPIES:
                self._copies = {}
            copy = _shallow_copy(own)
            copy.encode_special_tokens = splits_special_tokens
            if truncation is not None:
                try:
                    copy.enable_truncation(**truncation._asdict())
                except ValueError as error:
                    found = f"{truncation.max_length} with stride={truncation.stride}"
                    raise InputError(f"max_length: found {found}: {error}") from error
            self._copies[key] = copy
        return copy


def encode_batch(
    backend: Tokenizer, batch: TextInput, form: TextForm, cut: str = "", named: TextInput | None = None
) -> list[Encoding]:
    """The encodings of a batch; the library's errors as InputError, in which `cut` names a truncation.

    named: the batch of which these rows are some, for messages.
    """
    try:
        return encode_items(
            backend, batch.items, batch.is_pair, form.is_split_into_words, form.add_special_tokens
        )
    except LibraryError as error:
        surrogate = find_lone_surrogate(batch if named is None else named)
        if surrogate is not None:
            raise InputError(mismatch(*surrogate, "text that UTF-8 can encode")) from error
        raise InputError(f"the tokenizers library refuses the text{cut}: {shown(str(error), 200)}") from error


def _shallow_copy(backend: Tokenizer) -> Tokenizer:
    """Another tokenizer with the same component objects as `backend`, and its added tokens."""
    copy = Tokenizer(backend.model)
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        component = getattr(backend, part)
        if component is not None:
            setattr(copy, part, component)
    added = sorted(backend.get_added_tokens_decoder().items())
    copy.add_tokens([token for _, token in added])
    return copy
