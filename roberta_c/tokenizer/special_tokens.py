"""Special tokens and options: special_tokens_map.json, tokenizer_config.json and added_tokens.json.

None of the three files is required. Where they differ, the caller's own arguments come first, then
special_tokens_map.json (unless tokenizer_config.json lists `added_tokens_decoder`, which makes the
former a leftover), then tokenizer_config.json, then the class's defaults: transformers' order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from ..errors import InputError, TokenizerFileError, shown
from .tokenizer_files import (
    ADDED_TOKENS,
    SPECIAL_TOKENS_MAP,
    TOKENIZER_CONFIG,
    library_errors,
    read_json_object,
)

logger = logging.getLogger(__name__)

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
EXTRA = "extra_special_tokens"
_EXTRA_NAMES = (EXTRA, "additional_special_tokens")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass
class TokenizerSettings:
    """What the small files beside a vocabulary say, checked, with a caller's overrides applied.

    `roles` maps a role of ROLES to its token, None where it is switched off; a plain str takes its
    class's default flags. `options` holds only known option names. `overridden` names what the
    caller set. `files` are those that were read.
    """

    roles: dict[str, AddedToken | str | None] = field(default_factory=dict)
    extra: list[AddedToken] = field(default_factory=list)
    added_tokens: dict[int, AddedToken] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    flags_listed: bool = False  # whether `added_tokens` come with flags of their own
    tokenizer_class: str | None = None
    overridden: frozenset[str] = frozenset()
    files: list[Path] = field(default_factory=list)

    def resolve_roles(self, defaults: Mapping[str, AddedToken]) -> dict[str, AddedToken | None]:
        """Role → token with flags; a plain str takes those of `added_tokens_decoder` or the default."""
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

    def add_tokens_to(self, backend: Tokenizer, roles: Mapping[str, AddedToken | None], path: Path) -> None:
        """Register these settings' tokens with a backend made from `path`; those it has stay as they are.

        Raises TokenizerFileError where a role's token is not in the vocabulary (InputError if the
        caller named it), or a token listed with an id would get another.
        """
        by_content = {token.content: token for token in roles.values() if token is not None}
        present = {token.content for token in backend.get_added_tokens_decoder().values()}
        with library_errors(path):
            for index, token in sorted(self.added_tokens.items()):
                if token.content not in present:
                    backend.add_tokens([by_content.get(token.content, token)])
                    present.add(token.content)
                given = backend.token_to_id(token.content)
                if given != index:
                    raise TokenizerFileError(
                        f"{path}: added token {shown(token.content)} has id {given}, expected {index}"
                    )
            for role, role_token in roles.items():
                if role_token is None or role_token.content in present:
                    continue
                if backend.token_to_id(role_token.content) is None:
                    problem = f"{role} {shown(role_token.content)} is not in the vocabulary"
                    if role in self.overridden:
                        raise InputError(problem)
                    raise TokenizerFileError(f"{path}: {problem}")
                backend.add_tokens([role_token])
                present.add(role_token.content)
            backend.add_tokens([token for token in self.extra if token.content not in present])


def _with_flags_of(default: AddedToken | None, content: str) -> AddedToken:
    if default is None:
        return AddedToken(content, normalized=False, special=True)
    flags = {name: getattr(default, name) for name in _FLAGS}
    return AddedToken(content, **flags)


def read_settings(folder: Path, overrides: Mapping[str, Any]) -> TokenizerSettings:
    """Settings from the folder's files and the caller's `overrides`.

    Raises TokenizerFileError for a malformed file, InputError for an unknown or wrong override.
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


def as_added_token(value: Any, *, special: bool | None = None) -> AddedToken:
    """A str, AddedToken, dict of its fields or object with the same attributes, as an AddedToken.

    `special` overrides the flag; a plain str is then not matched in normalized text when special.
    Raises InputError for anything else.
    """
    if isinstance(value, str):
        is_special = bool(special)
        return AddedToken(str.__str__(value), special=is_special, normalized=not is_special)
    if isinstance(value, Mapping):
        content, flags = value.get("content"), {name: value[name] for name in _FLAGS if name in value}
    else:
        content = getattr(value, "content", None)
        flags = {name: getattr(value, name) for name in _FLAGS if hasattr(value, name)}
    if not isinstance(content, str) or not all(isinstance(flag, bool) for flag in flags.values()):
        raise InputError(f"expected a token as str or AddedToken, found {shown(value)}")
    if special is not None:
        flags["special"] = special
    if "normalized" not in flags:
        flags["normalized"] = not flags.get("special", False)
    return AddedToken(content, **flags)


def check_side(value: Any) -> str:
    """`value` if it is "right" or "left"."""
    if value not in ("right", "left"):
        raise InputError(f"expected 'right' or 'left', found {shown(value)}")
    return str(value)


def _check_length(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < float("inf"):
        raise InputError(f"expected a positive number of tokens, found {shown(value)}")
    return int(value)


def _check_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"expected true or false, found {shown(value)}")
    return value


def _check_names(value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value) or not value:
        raise InputError(f"expected a list of names, found {shown(value)}")
    return list(value)


_OPTION_CHECKS: dict[str, Callable[[Any], Any]] = {
    "model_max_length": _check_length,
    "padding_side": check_side,
    "truncation_side": check_side,
    "add_prefix_space": _check_bool,
    "trim_offsets": _check_bool,
    "clean_up_tokenization_spaces": _check_bool,
    "split_special_tokens": _check_bool,
    "model_input_names": _check_names,
}
_IGNORED_OVERRIDES = ("use_fast",)  # every tokenizer here is a fast one


def _apply(settings: TokenizerSettings, name: str, value: Any) -> bool:
    """Set one entry; False if nothing here goes by that name."""
    if name in ROLES:
        is_plain = value is None or isinstance(value, str)
        settings.roles[name] = value if is_plain else as_added_token(value, special=True)
    elif name in _EXTRA_NAMES:
        if isinstance(value, dict):  # named extra tokens, as multimodal tokenizers write them
            value = list(value.values())
        if not isinstance(value, list | tuple | None):
            raise InputError(f"expected a list of tokens, found {shown(value)}")
        settings.extra = [as_added_token(token, special=True) for token in value or []]
    elif name in _OPTION_CHECKS:
        if value is not None:
            settings.options[name] = _OPTION_CHECKS[name](value)
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
            raise TokenizerFileError(f"{path}: {name}: {error}") from error
        if not known and name not in ("tokenizer_class", "added_tokens_decoder", "max_len"):
            logger.debug("%s: %s is of no use here", path, name)
    tokenizer_class = entries.get("tokenizer_class")
    if tokenizer_class is not None:
        if not isinstance(tokenizer_class, str):
            raise TokenizerFileError(f"{path}: tokenizer_class is {shown(tokenizer_class)}, expected a name")
        settings.tokenizer_class = tokenizer_class


def _apply_overrides(settings: TokenizerSettings, overrides: Mapping[str, Any]) -> None:
    for name, value in overrides.items():
        try:
            known = _apply(settings, name, value) or name in _IGNORED_OVERRIDES
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        if not known:
            expected = ", ".join([*_OPTION_CHECKS, *ROLES, EXTRA])
            raise InputError(f"unknown tokenizer option {shown(name)}, expected one of {expected}")


def _read_added_tokens_decoder(decoder: Any, path: Path) -> dict[int, AddedToken]:
    """tokenizer_config.json's `added_tokens_decoder`: id (as a string) → token with its flags."""
    if not isinstance(decoder, dict):
        raise TokenizerFileError(f"{path}: added_tokens_decoder is {shown(decoder)}, expected an object")
    tokens = {}
    for index, value in decoder.items():
        if not index.isascii() or not index.isdecimal() or len(index) > 10 or not isinstance(value, dict):
            raise TokenizerFileError(f"{path}: added_tokens_decoder: malformed entry {shown(index)}")
        try:
            tokens[int(index)] = as_added_token(value)
        except InputError as error:
            raise TokenizerFileError(f"{path}: added_tokens_decoder[{index}]: {error}") from error
    return tokens


def _read_added_tokens(path: Path, settings: TokenizerSettings) -> dict[int, AddedToken]:
    """added_tokens.json: token → id."""
    special = {str(token) for token in [*settings.roles.values(), *settings.extra] if token is not None}
    tokens: dict[int, AddedToken] = {}
    for content, index in read_json_object(path).items():
        if type(index) is not int or index < 0:
            raise TokenizerFileError(f"{path}: {shown(content)} has id {shown(index)}, expected an integer")
        if index in tokens:
            raise TokenizerFileError(
                f"{path}: id {index} is used twice, by {shown(str(tokens[index]))} and {shown(content)}"
            )
        tokens[index] = as_added_token(content, special=content in special)
    return tokens
