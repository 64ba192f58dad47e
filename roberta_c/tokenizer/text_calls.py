"""TextCalls: from texts to ids. A tokenizer is called, and pads rows that were encoded before.

A call does not change the backend, so that threads can share a tokenizer. Padding is done in call_fields.py,
not by the backend, truncation by a copy of it (call_backends.py).
"""

from __future__ import annotations

from typing import Any

from tokenizers import Encoding

from ..config.load_keywords import TOKENIZER_CALL_KEYWORDS
from ..errors import InputError, mismatch, shown
from .arguments import as_flag, as_index, check_keywords
from .batch_encoding import BatchEncoding, Padding
from .call_backends import CallBackends, TextForm, Truncation
from .call_fields import Fields, build_batch_encoding
from .encode_options import DO_NOT_PAD, EncodeOptions, padded_width, resolve_options
from .encoded_rows import EncodedRows
from .id_rows import IdRows
from .own_backend import OwnBackend
from .text_input import collect_texts

# A model_max_length above this means that there is no limit.
_LARGEST_LIMIT = 10**20
# What messages list as the arguments of a call.
_CALL_ARGUMENTS = (
    *("text", "text_pair", "add_special_tokens", "padding", "truncation", "max_length", "stride"),
    *("is_split_into_words", "pad_to_multiple_of", "padding_side", "return_tensors", "return_token_type_ids"),
    *("return_attention_mask", "return_overflowing_tokens", "return_special_tokens_mask"),
    *("return_offsets_mapping", "return_length", "split_special_tokens"),
)


class TextCalls(IdRows):
    """The calls of a tokenizer, whose attributes its subclass sets."""

    max_positions: int | None
    padding_side: str
    truncation_side: str
    model_input_names: list[str]
    _backends: CallBackends

    @property
    def split_special_tokens(self) -> bool:
        """Whether special tokens in a text are split as other text is."""
        return self._backend.encode_special_tokens

    @split_special_tokens.setter
    def split_special_tokens(self, value: bool) -> None:
        self._backend.encode_special_tokens = value

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: None = None,
        text_pair_target: None = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        split_special_tokens: bool | None = None,
        **keywords: Any,
    ) -> BatchEncoding:
        """Encode a text, a pair, or a batch of either, as transformers' fast tokenizers do.

        text, text_pair: str, or lists of them of the same length; a list of 2-tuples is a batch of
            pairs; with `is_split_into_words` a text is a list of words. An empty list gives an empty
            BatchEncoding. An empty `text_pair` is a second text like any other (transformers ignores
            it outside a batch).
        padding: False; True or "longest"; "max_length".
        truncation: False; True or "longest_first"; "only_first"; "only_second". Without `max_length`,
            rows are truncated to the smaller of `model_max_length` and `max_positions`.
        max_length: in tokens, special tokens included. Without `padding` and `truncation`, it truncates.
        stride: how many tokens each overflowing part repeats of the part before it.
        return_tensors: "np" for int64 arrays of shape (batch, tokens), None for lists.
        return_token_type_ids, return_attention_mask: None to follow `model_input_names`. A field that is
            not returned is not built.
        split_special_tokens: whether special tokens in a text are split as other text is; None to follow the
            attribute.
        text_target, text_pair_target, verbose, keywords: arguments of transformers that change nothing here,
            or an error that says what to write instead.

        Raises InputError; the message names the argument and, for a batch, the index. Raises ResourceError
        if memory is too small for the padding.
        """
        if keywords or text_target is not None or text_pair_target is not None:
            given = {"text_target": text_target, "text_pair_target": text_pair_target, **keywords}
            check_keywords(given, TOKENIZER_CALL_KEYWORDS, _CALL_ARGUMENTS)
        form = TextForm(
            as_flag("add_special_tokens", add_special_tokens),
            as_flag("is_split_into_words", is_split_into_words),
            self.split_special_tokens
            if split_special_tokens is None
            else as_flag("split_special_tokens", split_special_tokens),
        )
        batch = collect_texts(text, text_pair, form.is_split_into_words)
        options = resolve_options(
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=self.padding_side if padding_side is None else padding_side,
            return_tensors=return_tensors,
            limit=self._limit(),
        )
        fields = Fields(
            token_type_ids=self._wants("token_type_ids", return_token_type_ids),
            attention_mask=self._wants("attention_mask", return_attention_mask),
            special_tokens_mask=return_special_tokens_mask,
            offset_mapping=return_offsets_mapping,
            length=return_length,
            overflowing=return_overflowing_tokens,
        )
        encodings = self._backends.encode(
            batch, form, options, self.truncation_side, return_overflowing_tokens
        )
        to_pad = self._padding(options, [len(one) for one in encodings])
        padded = build_batch_encoding(encodings, fields, to_pad, options.as_numpy)
        if not batch.is_batch and not options.as_numpy and not return_overflowing_tokens:
            for name, rows in padded.data.items():
                if isinstance(rows[0], list):
                    padded.data[name] = rows[0]
        return padded

    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pad rows that were encoded before, as a call pads its own.

        encoded_inputs: a BatchEncoding or dict of lists, or a list of those for one text each. Fields other
        than a call's own are kept as they are. The arguments are those of a call; `verbose` has no effect.
        Raises InputError, and ResourceError if memory is too small for the padding.
        """
        options = resolve_options(
            padding=padding,
            truncation=False,
            max_length=max_length,
            stride=0,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=self.padding_side if padding_side is None else padding_side,
            return_tensors=return_tensors,
            limit=self._limit(),
        )
        rows = EncodedRows.collect(encoded_inputs)
        to_pad = self._padding(options, rows.lengths)
        return rows.padded(to_pad, self._wants("attention_mask", return_attention_mask), options.as_numpy)

    def encode(
        self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, *options: Any, **others: Any
    ) -> Any:
        """The `input_ids` of a call with the same arguments."""
        return self.encode_plus(text, text_pair, add_special_tokens, *options, **others)["input_ids"]

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **arguments: Any
    ) -> list[str]:
        """The tokens of a text or pair as strings."""
        return self(text, pair, add_special_tokens=add_special_tokens, **arguments).tokens()

    def encode_plus(
        self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, *options: Any, **others: Any
    ) -> BatchEncoding:
        """As a call, which had this name too before transformers 5. options: padding and those after it."""
        targets = others.pop("text_target", None), others.pop("text_pair_target", None)
        return self(text, text_pair, *targets, add_special_tokens, *options, **others)

    def batch_encode_plus(
        self, batch_text_or_text_pairs: Any, add_special_tokens: bool = True, *options: Any, **others: Any
    ) -> BatchEncoding:
        """As a call on a batch, which had this name too before transformers 5."""
        return self.encode_plus(batch_text_or_text_pairs, None, add_special_tokens, *options, **others)

    def text_beginning(self, text: str, max_tokens: int) -> str:
        """A beginning of `text` that has the same first `max_tokens` tokens, at the same characters.

        That is all of a short text, and of one that is truncated on the left. Calls with truncation and
        without overflowing parts cut texts themselves.
        """
        if not isinstance(text, str):
            raise InputError(mismatch("text", shown(text), "str"))
        max_tokens = as_index("max_tokens", max_tokens)
        if max_tokens < 1:
            raise InputError(mismatch("max_tokens", max_tokens, "at least 1"))
        if self.truncation_side != "right":
            return text
        return self._backends.beginning(str.__str__(text), max_tokens, self.split_special_tokens)

    def encode_parts(self, texts: list[str]) -> list[Encoding]:
        """Each text without special tokens, for `join_parts`. Raises InputError as a call does."""
        return self._backends.parts(collect_texts(texts, None, False))

    def join_parts(self, first: Encoding, second: Encoding, max_length: int | None = None) -> Encoding:
        """The pair of two parts, as a call on both texts encodes it; with `max_length` the first is cut.

        Raises InputError for a `max_length` that leaves no token of the first part.
        """
        for part in (first, second):
            if not isinstance(part, Encoding):
                raise InputError(mismatch("join_parts", shown(part), "an encoding made by encode_parts"))
        own = self._backend
        shell = own.components if isinstance(own, OwnBackend) else own
        backend = shell
        if max_length is not None:
            max_length = as_index("max_length", max_length)
            specials = self.num_special_tokens_to_add(pair=True)
            if max_length < specials:
                expected = f"at least {specials}, the number of special tokens"
                raise InputError(mismatch("max_length", max_length, expected))
            truncation = Truncation(max_length, 0, "only_first", self.truncation_side)
            backend = self._backends.with_settings(
                truncation, self.split_special_tokens, None if shell is own else shell
            )
        try:
            return backend.post_process(first, second, add_special_tokens=True)
        except Exception:  # the library's: there is no other than about the truncation
            found = f"{max_length} for a second part of {len(second)} tokens"
            raise InputError(mismatch("max_length", found, "more, as only the first part is cut")) from None

    def _limit(self) -> int | None:
        """How many tokens a row may have for tokenizer and model, None if neither has a limit."""
        limits = [self.max_positions] if self.max_positions is not None else []
        if self.model_max_length <= _LARGEST_LIMIT:
            limits.append(self.model_max_length)
        return min(limits, default=None)

    def _wants(self, field: str, argument: bool | None) -> bool:
        """Whether a call returns the field; `argument` is what the caller passed for it."""
        return field in self.model_input_names if argument is None else bool(argument)

    def _padding(self, options: EncodeOptions, lengths: list[int]) -> Padding | None:
        if options.padding == DO_NOT_PAD:
            return None
        if self.pad_token is None:
            found = f"{options.padding!r} for a tokenizer without pad_token"
            raise InputError(mismatch("padding", found, "a pad_token: assign tokenizer.pad_token"))
        width = padded_width(options, lengths)
        if width is None:
            return None
        return Padding(width, options.padding_side, self.pad_token_id, self.pad_token_type_id, self.pad_token)
