"""The tokenizer that users call: transformers' names for what a tokenizers.Tokenizer, the backend, does.

Here are its attributes, loading and saving; text_calls.py has the calls. Only `add_tokens`,
`add_special_tokens` and assignments to attributes change a tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tokenizers import AddedToken, Tokenizer

from ..config.load_keywords import TOKENIZER_KEYWORDS, TOKENIZER_SAVE_KEYWORDS, without_foreign
from ..errors import InputError, TokenizerFileError, mismatch, shown
from ..files.hub_options import HubOptions
from ..files.new_file import as_folder, is_file_name
from ..missing_names import HasMissingNames
from .arguments import check_keywords, check_pickle_protocol
from .call_backends import CallBackends
from .missing_names import MISSING_NAMES
from .own_backend import AnyBackend, OwnBackend
from .special_tokens import ROLES, UNLIMITED, TokenizerSettings, checked_attribute, read_settings
from .text_calls import TextCalls
from .tokenizer_files import TOKENIZER_CONFIG, TOKENIZER_JSON, library_errors
from .tokenizer_folder import ModelFacts, check_place, locate_tokenizer
from .tokenizer_json import (
    add_lower_case,
    backend_traits,
    read_tokenizer_json,
)

_Tokenizer = TypeVar("_Tokenizer", bound="PreTrainedTokenizerFast")


class PreTrainedTokenizerFast(TextCalls, HasMissingNames):
    """A tokenizer made from tokenizer.json; its subclasses are made from other files too.

    Attributes: `name_or_path`; `model_max_length` (1e30 if no file sets it); `max_positions` (how many tokens
    the model in the same folder takes, None if unknown); `padding_side`, `truncation_side` ("right" or
    "left"); `add_prefix_space`; `model_input_names`; `clean_up_tokenization_spaces`; `vocabulary_paths` and
    `settings_paths`, the files that the tokenizer was made from.
    """

    missing_names = MISSING_NAMES
    vocabulary_files: ClassVar[tuple[str, ...]] = ()
    default_roles: ClassVar[dict[str, AddedToken]] = {}
    default_add_prefix_space: ClassVar[bool] = False
    # What transformers' tokenizers have too, and what changes nothing here.
    is_fast = True
    chat_template = None
    verbose = False
    SPECIAL_TOKENS_ATTRIBUTES: ClassVar[list[str]] = list(ROLES)

    def __init__(
        self,
        backend: AnyBackend | None = None,
        settings: TokenizerSettings | None = None,
        *,
        name_or_path: str = "",
        facts: ModelFacts | None = None,
        **foreign: Any,
    ) -> None:
        """Takes `backend` without a copy; its vocabulary must have the special tokens of `settings`."""
        if (
            not isinstance(backend, Tokenizer | OwnBackend)
            or not isinstance(settings, TokenizerSettings)
            or foreign
        ):
            given = [shown(one) for one in (backend, settings) if one is not None]
            given += [f"{name}={shown(value)}" for name, value in foreign.items()]
            expected = f"{type(self).__name__}.from_pretrained(folder), which reads the folder's files"
            place = f"{type(self).__name__}({', '.join(given)})"
            raise InputError(mismatch(place, "a call with no files read", expected))
        if isinstance(backend, OwnBackend) and not backend.is_own:
            backend = backend.library
        roles = {role: None if token is None else str(token) for role, token in settings.roles.items()}
        super().__init__(backend, roles, [str(token) for token in settings.extra])
        self._largest_id = settings.largest_id
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
        self.deprecation_warnings: dict[str, bool] = {}  # those that callers switch off; none are given here
        self._backends = CallBackends(backend)

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign an attribute; InputError for a value that this setting cannot have."""
        if name == "chat_template" and value is not None:
            raise InputError(
                mismatch(name, shown(value), "None: the models of this family have no templates")
            )
        super().__setattr__(name, checked_attribute(name, value))

    @property
    def trim_offsets(self) -> bool | None:
        """Whether offsets leave out a token's leading space; None for a tokenizer without that setting."""
        return backend_traits(self._backend).get("trim_offsets")

    def lower_case(self) -> None:
        """Lower-case texts from now on; added tokens, such as `<mask>`, are found before."""
        add_lower_case(self._use_library())
        self._backends = CallBackends(self._backend)

    def _use_library(self) -> Tokenizer:
        """As its base does, and calls too."""
        before = self._backend
        library = super()._use_library()
        if library is not before:
            self._backends = CallBackends(library)
        return library

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
        check_place(pretrained_model_name_or_path)
        hub_options = HubOptions(revision, token, cache_dir, local_files_only)
        overrides = without_foreign(overrides, TOKENIZER_KEYWORDS)
        folder, facts = locate_tokenizer(pretrained_model_name_or_path, hub_options)
        return cls.from_folder(folder, str(pretrained_model_name_or_path), facts, **overrides)

    @classmethod
    def from_folder(
        cls: type[_Tokenizer],
        folder: Path,
        name_or_path: str | None = None,
        facts: ModelFacts | None = None,
        /,  # callers' overrides may have any name
        **overrides: Any,
    ) -> _Tokenizer:
        """The tokenizer of a local folder. If it has a tokenizer.json, other vocabulary files are ignored."""
        settings = read_settings(folder, overrides)
        roles = settings.resolve_roles(cls.default_roles)
        path = folder / TOKENIZER_JSON
        vocabulary = [path]
        if path.exists():
            given = settings.options if "add_prefix_space" in settings.overridden else {}
            found = read_tokenizer_json(path, given.get("add_prefix_space"))
            backend: AnyBackend = found.backend
            settings.largest_id = found.largest_id
            settings.options = {**found.options, **settings.options}
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
    ) -> AnyBackend:
        """The backend made from `vocabulary_files`, all of which are in the folder."""
        raise NotImplementedError

    def save_pretrained(
        self,
        save_directory: str | Path,
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
        **keywords: Any,
    ) -> tuple[str, str]:
        """Write tokenizer.json and tokenizer_config.json into the folder, which is made if it does not exist.

        filename_prefix: the files' names begin with it and "-". The other arguments are transformers', with
        the values that need nothing done. Returns the paths of tokenizer_config.json and tokenizer.json. This
        package and transformers load the same tokenizer from them. Raises InputError, and TokenizerFileError
        if they cannot be written.
        """
        given = {"legacy_format": legacy_format, "push_to_hub": push_to_hub, **keywords}
        check_keywords(given, TOKENIZER_SAVE_KEYWORDS, ("save_directory", "filename_prefix"))
        folder = as_folder(save_directory)
        if filename_prefix is not None and (
            not is_file_name(filename_prefix) or set("/\\") & {*filename_prefix}
        ):
            raise InputError(mismatch("filename_prefix", shown(filename_prefix), "the beginning of a name"))
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        config = {
            "tokenizer_class": type(self).__name__.removesuffix("Fast"),
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
            "truncation_side": self.truncation_side,
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
            "model_input_names": self.model_input_names,
            "split_special_tokens": self.split_special_tokens,
            **backend_traits(self._backend),
            **self.special_tokens_map,
        }
        if type(self) is PreTrainedTokenizerFast:
            config["tokenizer_class"] = "PreTrainedTokenizerFast"
        if self._extra:
            config["extra_special_tokens"] = self._extra
        paths = folder / (prefix + TOKENIZER_CONFIG), folder / (prefix + TOKENIZER_JSON)
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

    def __reduce_ex__(self, protocol: Any) -> Any:
        check_pickle_protocol(protocol)
        return super().__reduce_ex__(protocol)

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
