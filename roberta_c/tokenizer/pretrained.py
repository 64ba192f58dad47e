"""The tokenizer that users call: transformers' names for what a tokenizers.Tokenizer, the backend, does.

A call does not change the backend, so that threads can share a tokenizer. Padding is done in
batch_encoding.py, not by the backend. Truncation is done by a second backend with the same vocabulary, made
once for each truncation setting. Only `add_tokens`, `add_special_tokens` and assignments to attributes change
a tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

from tokenizers import AddedToken, Encoding, Tokenizer

from ..config.load_keywords import TOKENIZER_KEYWORDS, without_foreign
from ..errors import InputError, MissingNameError, TokenizerFileError, mismatch, shown
from ..files.hub import HubOptions
from .batch_encoding import BatchEncoding, Fields, Padding, build_batch_encoding
from .encode_options import (
    DO_NOT_PAD,
    EncodeOptions,
    padded_width,
    resolve_options,
)
from .encoded_rows import EncodedRows
from .special_tokens import TokenizerSettings, read_settings
from .text_input import TextInput, collect_texts, find_lone_surrogate
from .tokenizer_files import (
    TOKENIZER_CONFIG,
    TOKENIZER_JSON,
    is_panic,
    library_errors,
)
from .tokenizer_folder import ModelFacts, locate_tokenizer
from .tokenizer_json import (
    add_lower_case,
    backend_traits,
    read_tokenizer_json,
    set_add_prefix_space,
)
from .vocabulary import TokenVocabulary

# The model_max_length that transformers gives a tokenizer without a length limit.
UNLIMITED = int(1e30)
# A model_max_length above this means that there is no limit.
_LARGEST_LIMIT = 10**20
# How many truncating backends a tokenizer keeps.
_MAX_TRUNCATING = 8

# Methods that transformers' tokenizers have or had, and these have not → what to do instead.
MISSING_NAMES = {
    "encode_plus": "tokenizer(text, …)",
    "batch_encode_plus": "tokenizer(texts, …)",
    "prepare_for_model": "tokenizer(text, …)",
    "save_vocabulary": "save_pretrained(folder)",
    "push_to_hub": "save_pretrained(folder), which huggingface_hub uploads",
    "train_new_from_iterator": "transformers or tokenizers, and from_pretrained of what they save",
}

_Tokenizer = TypeVar("_Tokenizer", bound="PreTrainedTokenizerFast")


class PreTrainedTokenizerFast(TokenVocabulary):
    """A tokenizer made from tokenizer.json; its subclasses are made from other files too.

    Attributes: `name_or_path`; `model_max_length` (1e30 if no file sets it); `max_positions` (how many tokens
    the model in the same folder takes, None if unknown); `padding_side`, `truncation_side` ("right" or
    "left"); `add_prefix_space`; `model_input_names`; `clean_up_tokenization_spaces`; `vocabulary_paths` and
    `settings_paths`, the files that the tokenizer was made from.
    """

    vocabulary_files: ClassVar[tuple[str, ...]] = ()
    default_roles: ClassVar[dict[str, AddedToken]] = {}
    default_add_prefix_space: ClassVar[bool] = False
    is_fast = True

    def __init__(
        self,
        backend: Tokenizer | None = None,
        settings: TokenizerSettings | None = None,
        *,
        name_or_path: str = "",
        facts: ModelFacts | None = None,
        **foreign: Any,
    ) -> None:
        """Takes `backend` without a copy; its vocabulary must have the special tokens of `settings`."""
        if not isinstance(backend, Tokenizer) or not isinstance(settings, TokenizerSettings) or foreign:
            found = f"a call with {shown([*foreign] or backend)}"
            expected = f"{type(self).__name__}.from_pretrained(folder), which reads the folder's files"
            raise InputError(mismatch(f"{type(self).__name__}(…)", found, expected))
        roles = {role: None if token is None else str(token) for role, token in settings.roles.items()}
        super().__init__(backend, roles, [str(token) for token in settings.extra])
        options = settings.options
        self.name_or_path = name_or_path
        self.model_max_length: int = options.get("model_max_length", UNLIMITED)
        self.max_positions: int | None = (facts or ModelFacts()).max_positions(self.pad_token_id)
        self.padding_side: str = options.get("padding_side", "right")
        self.truncation_side: str = options.get("truncation_side", "right")
        self.clean_up_tokenization_spaces: bool = options.get("clean_up_tokenization_spaces", False)
        self.model_input_names: list[str] = options.get("model_input_names", ["input_ids", "attention_mask"])
        self.add_prefix_space: bool | None = backend_traits(backend).get("add_prefix_space")
        backend.encode_special_tokens = options.get("split_special_tokens", False)
        self.vocabulary_paths: tuple[Path, ...] = ()
        self.settings_paths: tuple[Path, ...] = ()
        # The truncating backends: (length, stride, strategy, side, size of the vocabulary) → backend.
        self._truncating: dict[tuple[Any, ...], Tokenizer] = {}

    # Loading and saving

    @classmethod
    def from_pretrained(
        cls: type[_Tokenizer],
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **overrides: Any,
    ) -> _Tokenizer:
        """The tokenizer of a local folder or a Hub repository.

        `overrides` take precedence over the settings in the files: model_max_length, padding_side,
        truncation_side, add_prefix_space, special tokens by role, …

        Raises TokenizerFileError for missing or malformed files, InputError for an unknown override, HubError
        if the files cannot be downloaded.
        """
        hub_options = HubOptions(revision, token, cache_dir, local_files_only)
        overrides = without_foreign(overrides, TOKENIZER_KEYWORDS)
        folder, facts = locate_tokenizer(pretrained_model_name_or_path, hub_options)
        return cls.from_folder(
            folder, name_or_path=str(pretrained_model_name_or_path), facts=facts, **overrides
        )

    @classmethod
    def from_folder(
        cls: type[_Tokenizer],
        folder: Path,
        *,
        name_or_path: str | None = None,
        facts: ModelFacts | None = None,
        **overrides: Any,
    ) -> _Tokenizer:
        """The tokenizer of a local folder. If it has a tokenizer.json, other vocabulary files are ignored."""
        settings = read_settings(folder, overrides)
        roles = settings.resolve_roles(cls.default_roles)
        path = folder / TOKENIZER_JSON
        vocabulary = [path]
        if path.exists():
            backend, sides = read_tokenizer_json(path)
            settings.options = {**sides, **settings.options}
            if "add_prefix_space" in settings.overridden:
                set_add_prefix_space(backend, settings.options["add_prefix_space"], path)
        elif cls.vocabulary_files and all((folder / name).exists() for name in cls.vocabulary_files):
            vocabulary = [folder / name for name in cls.vocabulary_files]
            path = vocabulary[0]
            backend = cls._build_backend(folder, roles, settings)
        else:
            known = [TOKENIZER_JSON, *([" with ".join(cls.vocabulary_files)] * bool(cls.vocabulary_files))]
            raise TokenizerFileError(mismatch(folder, "no tokenizer file", " or ".join(known)))
        settings.add_tokens_to(backend, roles, path)
        tokenizer = cls(backend, settings, name_or_path=name_or_path or str(folder), facts=facts)
        tokenizer.vocabulary_paths = tuple(vocabulary)
        tokenizer.settings_paths = tuple(settings.files)
        return tokenizer

    @classmethod
    def _build_backend(
        cls, folder: Path, roles: dict[str, AddedToken | None], settings: TokenizerSettings
    ) -> Tokenizer:
        """The backend made from `vocabulary_files`, all of which are in the folder."""
        raise NotImplementedError

    def save_pretrained(self, save_directory: str | Path) -> tuple[str, str]:
        """Write tokenizer.json and tokenizer_config.json into the folder, which is made if it does not exist.

        Returns the paths of tokenizer_config.json and tokenizer.json. This package and transformers load the
        same tokenizer from them. Raises TokenizerFileError if they cannot be written.
        """
        folder = Path(save_directory)
        config = {
            "tokenizer_class": type(self).__name__.removesuffix("Fast"),
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
            "truncation_side": self.truncation_side,
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
            "model_input_names": self.model_input_names,
            "split_special_tokens": self._backend.encode_special_tokens,
            **backend_traits(self._backend),
            **self.special_tokens_map,
        }
        if type(self) is PreTrainedTokenizerFast:
            config["tokenizer_class"] = "PreTrainedTokenizerFast"
        if self._extra:
            config["extra_special_tokens"] = self._extra
        paths = folder / TOKENIZER_CONFIG, folder / TOKENIZER_JSON
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths[0].write_text(
                json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8"
            )
        except OSError as error:
            raise TokenizerFileError(f"{folder}: cannot be written: {error.strerror or error}") from error
        with library_errors(paths[1]):
            self._backend.save(str(paths[1]))
        return str(paths[0]), str(paths[1])

    def __repr__(self) -> str:
        tokens = "".join(
            f"        {index}: {token!r},\n" for index, token in self.added_tokens_decoder.items()
        )
        return (
            f"{type(self).__name__}(name_or_path='{self.name_or_path}', vocab_size={self.vocab_size},"
            f" model_max_length={self.model_max_length}, is_fast={self.is_fast},"
            f" padding_side='{self.padding_side}', truncation_side='{self.truncation_side}',"
            f" special_tokens={self.special_tokens_map},"
            f" clean_up_tokenization_spaces={self.clean_up_tokenization_spaces},"
            f" added_tokens_decoder={{\n{tokens}}}\n)"
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name in MISSING_NAMES:
            raise MissingNameError(mismatch(f"tokenizer.{name}", "no such method", MISSING_NAMES[name]))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_truncating": {}}

    # Encoding

    def __call__(
        self,
        text: Any,
        text_pair: Any = None,
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

        Raises InputError; the message names the argument and, for a batch, the index.
        """
        batch = collect_texts(text, text_pair, is_split_into_words)
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
        encodings = self._encode(batch, options, add_special_tokens, is_split_into_words)
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
        Raises InputError.
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

    def encode(self, text: Any, text_pair: Any = None, **arguments: Any) -> Any:
        """The `input_ids` of a call with the same arguments."""
        return self(text, text_pair, **arguments)["input_ids"]

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **arguments: Any
    ) -> list[str]:
        """The tokens of a text or pair as strings."""
        return self(text, pair, add_special_tokens, **arguments).tokens()

    def encode_parts(self, texts: list[str]) -> list[Encoding]:
        """Each text without special tokens, for `join_parts`. Raises InputError as a call does."""
        return self._run(self._backend, collect_texts(texts, None, False), add_special_tokens=False)

    def join_parts(self, first: Encoding, second: Encoding, max_length: int | None = None) -> Encoding:
        """The pair of two parts, as a call on both texts encodes it; with `max_length` the first is cut."""
        backend = self._backend
        if max_length is not None:
            backend = self._truncating_backend(max_length, 0, "only_first")
        return backend.post_process(first, second, add_special_tokens=True)

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for each special token and 0 for each other token of a row that has its special tokens."""
        if token_ids_1 is not None or already_has_special_tokens is not True:
            expected = "one row of ids, and already_has_special_tokens=True"
            raise InputError(mismatch("get_special_tokens_mask", "other arguments", expected))
        special = set(self.all_special_ids)
        return [int(token in special) for token in token_ids_0]

    @property
    def max_len_single_sentence(self) -> int:
        """`model_max_length` without the special tokens of a text."""
        return self.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        """`model_max_length` without the special tokens of a pair."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    def lower_case(self) -> None:
        """Lower-case texts from now on; added tokens, such as `<mask>`, are found before."""
        add_lower_case(self._backend)
        self._truncating = {}

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens are added to a text (or pair)."""
        return self._backend.num_special_tokens_to_add(pair)

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The ids of a text or pair with special tokens: `<s> A </s>` or `<s> A </s></s> B </s>`."""
        cls, sep = [self.cls_token_id], [self.sep_token_id]
        if cls[0] is None or sep[0] is None:
            found, expected = "a tokenizer without cls_token or sep_token", "one with both"
            raise InputError(mismatch("build_inputs_with_special_tokens", found, expected))
        first = cls + list(token_ids_0) + sep
        return first if token_ids_1 is None else first + sep + list(token_ids_1) + sep

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

    def _encode(
        self, batch: TextInput, options: EncodeOptions, add_special_tokens: bool, is_split_into_words: bool
    ) -> list[Encoding]:
        if not batch.items:
            return []
        backend = self._backend
        if options.truncate_to is not None:
            specials = backend.num_special_tokens_to_add(batch.is_pair) if add_special_tokens else 0
            most = options.truncate_to - specials
            if most < 0 or options.stride >= max(most, 1):
                place = f"truncation to {options.truncate_to} tokens"
                if most < 0:
                    raise InputError(mismatch(place, f"{specials} special tokens", "fewer"))
                expected = f"less than {max(most, 1)}, the number of tokens without the special ones"
                raise InputError(mismatch(place, f"stride={options.stride}", expected))
            backend = self._truncating_backend(options.truncate_to, options.stride, options.truncation)
        cut = f" (truncation={options.truncation!r} to {options.truncate_to})"
        cut = "" if options.truncate_to is None else cut
        return self._run(backend, batch, add_special_tokens, is_split_into_words, cut)

    def _run(
        self,
        backend: Tokenizer,
        batch: TextInput,
        add_special_tokens: bool,
        is_split_into_words: bool = False,
        cut: str = "",
    ) -> list[Encoding]:
        """The encodings of a batch; the library's errors as InputError, in which `cut` names a truncation."""
        try:
            return backend.encode_batch(
                batch.items, is_pretokenized=is_split_into_words, add_special_tokens=add_special_tokens
            )
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            surrogate = find_lone_surrogate(batch)
            if surrogate is not None:
                raise InputError(mismatch(*surrogate, "text that UTF-8 can encode")) from error
            raise InputError(
                f"the tokenizers library refuses the text{cut}: {shown(str(error), 200)}"
            ) from error

    def _truncating_backend(self, max_length: int, stride: int, strategy: str) -> Tokenizer:
        """A backend that shares the vocabulary and truncates; making one takes microseconds."""
        size = len(self)  # it grows when tokens are added, also when they are added to the backend directly
        key = (max_length, stride, strategy, self.truncation_side, size)
        truncating = self._truncating.get(key)
        if truncating is None:
            if len(self._truncating) >= _MAX_TRUNCATING:
                self._truncating = {}
            truncating = _shallow_copy(self._backend)
            try:
                truncating.enable_truncation(
                    max_length, stride=stride, strategy=strategy, direction=self.truncation_side
                )
            except ValueError as error:
                raise InputError(f"truncation to {max_length} with stride={stride}: {error}") from error
            self._truncating[key] = truncating
        return truncating


def _shallow_copy(backend: Tokenizer) -> Tokenizer:
    """Another tokenizer with the same component objects as `backend`, and its added tokens."""
    copy = Tokenizer(backend.model)
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        component = getattr(backend, part)
        if component is not None:
            setattr(copy, part, component)
    added = sorted(backend.get_added_tokens_decoder().items())
    copy.add_tokens([token for _, token in added])
    copy.encode_special_tokens = backend.encode_special_tokens
    return copy
