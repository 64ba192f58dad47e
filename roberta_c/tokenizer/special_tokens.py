"""Special tokens and options: special_tokens_map.json, tokenizer_config.json and added_tokens.json.

None of the files is required. As in transformers, a setting is taken from the first of these that has it:
1. the caller's arguments;
2. special_tokens_map.json, which is ignored if tokenizer_config.json has `added_tokens_decoder`;
3. tokenizer_config.json;
4. the defaults of the tokenizer class.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken

from ..errors import InputError, TokenizerFileError, mismatch, shown
from .arguments import is_encodable
from .own_backend import AnyBackend
from .tokenizer_files import (
    ADDED_TOKENS,
    SPECIAL_TOKENS_MAP,
    TOKENIZER_CONFIG,
    library_errors,
    read_json_object,
)
from .vocabulary_ids import check_added_ids

logger = logging.getLogger(__name__)

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
EXTRA = "extra_special_tokens"
_EXTRA_NAMES = (EXTRA, "additional_special_tokens")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass
class TokenizerSettings:
    """The settings in the files beside a vocabulary, checked, with a caller's overrides applied.

    roles: role of ROLES → token; None if the tokenizer has no token of that role. A plain str has no
        flags yet; see `resolve_roles`.
    extra: special tokens without a role.
    added_tokens: id → token, from `added_tokens_decoder` or added_tokens.json.
    options: only those with known names.
    flags_listed: whether the tokens of `added_tokens` have flags of their own.
    overridden: the names of the settings that the caller set.
    files: the files that were read.
    largest_id: the largest id in the model's vocabulary; None if it is to be looked up.
    """

    roles: dict[str, AddedToken | str | None] = field(default_factory=dict)
    extra: list[AddedToken] = field(default_factory=list)
    added_tokens: dict[int, AddedToken] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    flags_listed: bool = False
    tokenizer_class: str | None = None
    overridden: frozenset[str] = frozenset()
    files: list[Path] = field(default_factory=list)
    largest_id: int | None = None

    def resolve_roles(self, defaults: Mapping[str, AddedToken]) -> dict[str, AddedToken | None]:
        """Role → token with flags, also stored in `roles`.

        A plain str or a default token takes the flags that `added_tokens_decoder` lists for it; otherwise
        those of the class's default. defaults: role → default token of the class.
        """
        listed = {token.content: token for token in self.added_tokens.values()} if self.flags_listed else {}
        resolved: dict[str, AddedToken | None] = {}
        for role in ROLES:
            token = self.roles.get(role, defaults.get(role))
            if token is not None and not isinstance(token, AddedToken):
                token = listed.get(token) or _with_flags_of(defaults.get(role), token)
            elif token is not None and role not in self.roles:
                token = listed.get(token.content, token)
            resolved[role] = token
        self.roles = dict(resolved)
        return resolved

    def add_tokens_to(self, backend: AnyBackend, roles: Mapping[str, AddedToken | None], path: Path) -> None:
        """Add the tokens of these settings to a backend that was made from the file `path`.

        Tokens that the backend has stay as they are. Raises TokenizerFileError if a role's token is not in
        the vocabulary (InputError if the caller named that token), or if a token would get another id than
        the one it is listed with.
        """
        by_content = {token.content: token for token in roles.values() if token is not None}
        present = {token.content for token in backend.get_added_tokens_decoder().values()}
        with library_errors(path):
            missing = {
                token.content: by_content.get(token.content, token)
                for _, token in sorted(self.added_tokens.items())
                if token.content not in present
            }
            backend.add_tokens(list(missing.values()))  # at once: each call takes time for all tokens
            present |= missing.keys()
            for index, token in sorted(self.added_tokens.items()):
                given = backend.token_to_id(token.content)
                if given != index:
                    raise TokenizerFileError(
                        mismatch(f"{path}: added token {shown(token.content)}", f"id {given}", f"id {index}")
                    )
            for role, role_token in roles.items():
                if role_token is None or role_token.content in present:
                    continue
                if backend.token_to_id(role_token.content) is None:
                    found, expected = shown(role_token.content), "a token of the vocabulary"
                    if role in self.overridden:
                        raise InputError(mismatch(role, found, expected))
                    raise TokenizerFileError(mismatch(f"{path}: {role}", found, expected))
                backend.add_tokens([role_token])
                present.add(role_token.content)
            backend.add_tokens([token for token in self.extra if token.content not in present])
        check_added_ids(backend, path)


def _with_flags_of(default: AddedToken | None, content: str) -> AddedToken:
    if default is None:
        return AddedToken(content, normalized=False, special=True)
    flags = {name: getattr(default, name) for name in _FLAGS}
    return AddedToken(content, **flags)


def read_settings(folder: Path, overrides: Mapping[str, Any]) -> TokenizerSettings:
    """The settings in the folder's files and the caller's `overrides`.

    Raises TokenizerFileError for a malformed file, InputError for an unknown override or a bad value.
    """
    settings = TokenizerSettings(overridden=frozenset(overrides))
    decoder = None
    path = folder / TOKENIZER_CONFIG
    if path.exists():
        config = read_json_object(path)
        settings.files.append(path)
        decoder = config.get("added_tokens_decoder")
        _apply_file(settings, config, path)
    if decoder is not None:
        settings.added_tokens = _read_added_tokens_decoder(decoder, path)
        settings.flags_listed = True
    else:
        path = folder / SPECIAL_TOKENS_MAP
        if path.exists():
            _apply_file(settings, read_json_object(path), path)
            settings.files.append(path)
        path = folder / ADDED_TOKENS
        if path.exists():
            settings.added_tokens = _read_added_tokens(path, settings)
            settings.files.append(path)
    _apply_overrides(settings, overrides)
    return settings


def as_added_token(name: str, value: Any, *, special: bool | None = None) -> AddedToken:
    """`value` as an AddedToken; `name` is what messages call it.

    value: a str, an AddedToken, a dict of the fields of one, or an object with its attributes.
    special: overrides that flag, if given. A special token is matched in the text before normalization,
        unless `value` says otherwise.

    Raises InputError for any other value.
    """
    if isinstance(value, str) and is_encodable(str.__str__(value)):
        is_special = bool(special)
        return AddedToken(str.__str__(value), special=is_special, normalized=not is_special)
    if isinstance(value, Mapping):
        content, flags = value.get("content"), {name: value[name] for name in _FLAGS if name in value}
    else:
        content = getattr(value, "content", None)
        flags = {name: getattr(value, name) for name in _FLAGS if hasattr(value, name)}
    if (
        not isinstance(content, str)
        or not is_encodable(content)
        or not all(isinstance(flag, bool) for flag in flags.values())
    ):
        raise InputError(mismatch(name, shown(value), "a token: str or AddedToken"))
    if special is not None:
        flags["special"] = special
    if "normalized" not in flags:
        flags["normalized"] = not flags.get("special", False)
    return AddedToken(content, **flags)


# The model_max_length that transformers gives a tokenizer without a length limit.
UNLIMITED = int(1e30)


def check_side(name: str, value: Any) -> str:
    """`value`, which must be "right" or "left"; otherwise InputError, whose message calls it `name`."""
    if not isinstance(value, str) or value not in ("right", "left"):
        raise InputError(mismatch(name, shown(value), "'right' or 'left'"))
    return str(value)


def _check_length(name: str, value: Any) -> int:
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not value >= 1:
        raise InputError(mismatch(name, shown(value), "a positive number of tokens"))
    return UNLIMITED if value == float("inf") else int(value)


def _check_bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(mismatch(name, shown(value), "true or false"))
    return value


def _check_clean_up(name: str, value: Any) -> bool:
    return value is not None and _check_bool(name, value)  # files written by transformers may have null


def _check_type_id(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < 2**32:
        raise InputError(mismatch(name, shown(value), "an integer of at least 0"))
    return int(value)


def _check_names(name: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value) or not value:
        raise InputError(mismatch(name, shown(value), "a list of names"))
    return list(value)


_OPTION_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "model_max_length": _check_length,
    "padding_side": check_side,
    "truncation_side": check_side,
    "add_prefix_space": _check_bool,
    "trim_offsets": _check_bool,
    "clean_up_tokenization_spaces": _check_clean_up,
    "split_special_tokens": _check_bool,
    "model_input_names": _check_names,
}
_IGNORED_OVERRIDES = ("use_fast",)  # every tokenizer here is a fast one


# Attributes of a tokenizer that are no settings of its files, or that may also be None.
_ATTRIBUTE_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "pad_token_type_id": _check_type_id,
    "max_positions": lambda name, value: None if value is None else _check_length(name, value),
    "add_prefix_space": lambda name, value: None if value is None else _check_bool(name, value),
}


def checked_attribute(name: str, value: Any) -> Any:
    """`value` as the tokenizer's attribute `name`. Raises InputError for a value that it cannot have."""
    check = _ATTRIBUTE_CHECKS.get(name) or _OPTION_CHECKS.get(name)
    return value if check is None else check(name, value)


def _apply(settings: TokenizerSettings, name: str, value: Any) -> bool:
    """Set the setting called `name`; False if there is no setting of that name."""
    if name in ROLES:
        is_plain = value is None or (isinstance(value, str) and is_encodable(value))
        settings.roles[name] = value if is_plain else as_added_token(name, value, special=True)
    elif name in _EXTRA_NAMES:
        if isinstance(value, dict):  # named extra tokens, as multimodal tokenizers write them
            value = list(value.values())
        if not isinstance(value, list | tuple | None):
            raise InputError(mismatch(name, shown(value), "a list of tokens"))
        settings.extra = [as_added_token(name, token, special=True) for token in value or []]
    elif name in _OPTION_CHECKS:
        if value is not None:
            settings.options[name] = _OPTION_CHECKS[name](name, value)
    else:
        return False
    return True


def _apply_file(settings: TokenizerSettings, entries: dict[str, Any], path: Path) -> None:
    if "model_max_length" not in entries and "max_len" in entries:  # the option's name before 2020
        entries["model_max_length"] = entries["max_len"]
    for name, value in entries.items():
        try:
            known = _apply(settings, name, value)
        except InputError as error:
            raise TokenizerFileError(f"{path}: {error}") from error
        if not known and name not in ("tokenizer_class", "added_tokens_decoder", "max_len"):
            logger.debug("%s: %s is ignored", path, name)
    tokenizer_class = entries.get("tokenizer_class")
    if tokenizer_class is not None:
        if not isinstance(tokenizer_class, str):
            raise TokenizerFileError(mismatch(f"{path}: tokenizer_class", shown(tokenizer_class), "a name"))
        settings.tokenizer_class = tokenizer_class


def _apply_overrides(settings: TokenizerSettings, overrides: Mapping[str, Any]) -> None:
    for name, value in overrides.items():
        if not _apply(settings, name, value) and name not in _IGNORED_OVERRIDES:
            expected = ", ".join([*_OPTION_CHECKS, *ROLES, EXTRA])
            raise InputError(mismatch("tokenizer options", shown(name), f"one of {expected}"))


def _read_added_tokens_decoder(decoder: Any, path: Path) -> dict[int, AddedToken]:
    """tokenizer_config.json's `added_tokens_decoder`: id (as a string) → token with its flags."""
    if not isinstance(decoder, dict):
        raise TokenizerFileError(mismatch(f"{path}: added_tokens_decoder", shown(decoder), "an object"))
    tokens = {}
    for index, value in decoder.items():
        if not index.isascii() or not index.isdecimal() or len(index) > 10 or not isinstance(value, dict):
            found = f"{shown(index)}: {shown(value)}"
            raise TokenizerFileError(
                mismatch(f"{path}: added_tokens_decoder", found, "an id in digits: an object")
            )
        if int(index) in tokens:
            raise TokenizerFileError(
                mismatch(f"{path}: added_tokens_decoder", f"id {int(index)} twice", "once")
            )
        try:
            tokens[int(index)] = as_added_token(f"added_tokens_decoder[{index}]", value)
        except InputError as error:
            raise TokenizerFileError(f"{path}: {error}") from error
    return tokens


def _read_added_tokens(path: Path, settings: TokenizerSettings) -> dict[int, AddedToken]:
    """added_tokens.json: token → id."""
    special = {str(token) for token in [*settings.roles.values(), *settings.extra] if token is not None}
    tokens: dict[int, AddedToken] = {}
    for content, index in read_json_object(path).items():
        if type(index) is not int or index < 0:
            raise TokenizerFileError(
                mismatch(f"{path}: the id of {shown(content)}", shown(index), "an integer of at least 0")
            )
        if index in tokens:
            found = f"{shown(str(tokens[index]))} and {shown(content)}"
            raise TokenizerFileError(mismatch(f"{path}: id {index}", found, "one token"))
        try:
            tokens[index] = as_added_token(f"id {index}", content, special=content in special)
        except InputError as error:
            raise TokenizerFileError(f"{path}: {error}") from error
    return tokens
