"""The backend of a call, a tokenizers.Tokenizer, and the encodings that it makes.

That is the tokenizer's own backend, which a call does not change, or a copy with the same vocabulary that
truncates or splits special tokens. A copy is made once for each setting.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tokenizers import Encoding, Tokenizer

from ..errors import InputError, RobertaCError, mismatch, shown
from .encode_options import LONGEST_FIRST, EncodeOptions
from .library_calls import encode_items
from .text_beginnings import Reach, text_beginning, words_beginning
from .text_input import TextInput, find_lone_surrogate
from .tokenizer_files import is_panic

# How many copies a tokenizer keeps.
_MAX_COPIES = 8
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

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend
        self._copies: dict[tuple[Any, ...], Tokenizer] = {}
        self._longest_piece: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_copies": {}}

    def encode(
        self, batch: TextInput, form: TextForm, options: EncodeOptions, direction: str, keeps_rest: bool
    ) -> list[Encoding]:
        """A batch's encodings, truncated at the side `direction` as `options` say. Raises InputError.

        keeps_rest: whether their overflowing parts are complete; otherwise long texts are cut before.
        """
        if not batch.items:
            return []
        length = options.truncate_to
        if length is None:
            return encode_batch(self.with_settings(None, form.splits_special_tokens), batch, form)
        specials = self._backend.num_special_tokens_to_add(batch.is_pair) if form.add_special_tokens else 0
        room = length - specials
        if room < 0:
            expected = f"at least {specials}, the number of special tokens"
            raise InputError(mismatch(options.length_name, length, expected))
        if direction == "right" and not keeps_rest:
            is_even = not batch.is_pair or options.truncation != LONGEST_FIRST or room % 2 == 0
            # Of a pair cut to an odd number, the longer text keeps one token more: both are counted.
            batch = self._beginnings(batch, form, max(room, 1)) if is_even else batch
        if options.stride >= max(room, 1):
            found = f"{options.stride} with {options.length_name} {length}"
            expected = f"less than {max(room, 1)}, the number of tokens without the special ones"
            raise InputError(mismatch("stride", found, expected))
        truncation = Truncation(length, options.stride, options.truncation, direction)
        cut = f" (truncation={options.truncation!r} to {length})"
        return encode_batch(self.with_settings(truncation, form.splits_special_tokens), batch, form, cut)

    def beginning(self, text: str, max_tokens: int, splits_special_tokens: bool) -> str:
        """A beginning of `text` with the same first `max_tokens` tokens; all of a short text."""
        backend, form = self.with_settings(None, splits_special_tokens), TextForm(False)
        try:
            return text_beginning(
                text,
                max_tokens,
                lambda texts: encode_batch(backend, TextInput(texts, True, False), form),
                self._reach,
            )
        except InputError:  # it is raised again, with the text's name, where the text is encoded
            return text

    def _beginnings(self, batch: TextInput, form: TextForm, max_tokens: int) -> TextInput:
        """The batch with long texts cut to beginnings; truncated to `max_tokens`, they have the same ids."""

        def count(words: list[str]) -> int:
            backend = self.with_settings(None, form.splits_special_tokens)
            encoding = encode_batch(backend, TextInput([words], True, False), TextForm(False, True))[0]
            return len(encoding)

        def cut(text: Any) -> Any:
            if form.is_split_into_words:
                return words_beginning(text, max_tokens, count)
            return self.beginning(text, max_tokens, form.splits_special_tokens)

        if batch.is_pair:
            items = [tuple(map(cut, item)) for item in batch.items]
        else:
            items = [cut(item) for item in batch.items]
        return TextInput(items, batch.is_batch, batch.is_pair)

    def _reach(self) -> Reach:
        own = self._backend
        added = max((len(token.content) for token in own.get_added_tokens_decoder().values()), default=0)
        if type(own.model).__name__ != "Unigram":
            return Reach(_USUAL_TOKEN, added)
        if self._longest_piece is None:
            self._longest_piece = max(map(len, own.get_vocab(with_added_tokens=False)), default=1)
        return Reach(self._longest_piece, added)

    def with_settings(self, truncation: Truncation | None, splits_special_tokens: bool) -> Tokenizer:
        """A backend with these settings and the same vocabulary; making one takes microseconds."""
        own = self._backend
        if truncation is None and splits_special_tokens == own.encode_special_tokens:
            return own
        # The size grows when tokens are added, also when they are added to the backend directly.
        key = (truncation, splits_special_tokens, own.get_vocab_size(with_added_tokens=True))
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


def encode_batch(backend: Tokenizer, batch: TextInput, form: TextForm, cut: str = "") -> list[Encoding]:
    """The encodings of a batch; the library's errors as InputError, in which `cut` names a truncation."""
    try:
        return encode_items(
            backend, batch.items, batch.is_pair, form.is_split_into_words, form.add_special_tokens
        )
    except RobertaCError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        surrogate = find_lone_surrogate(batch)
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
