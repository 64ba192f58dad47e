"""A model and its tokenizer, loaded together, and keywords of other packages checked."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..config import load_config
from ..config.load_keywords import CONFIG_KEYWORDS, TOKENIZER_KEYWORDS, Keyword, without_foreign
from ..errors import InputError, mismatch, shown
from ..files.file_sets import CONFIG
from ..files.hub import ModelFiles
from ..files.hub_options import KEYWORDS, HubOptions
from ..model import dtype_name
from ..tokenizer import AutoTokenizer, PreTrainedTokenizerFast
from .encoder_settings import DEFAULT_SETTINGS, PARTS, EncoderSettings

if TYPE_CHECKING:
    from ..config import RobertaConfig
    from ..model.auto import AutoModelClass

# Keywords of a part that this package itself gives → what a caller is to use.
_TAKEN = {
    "model_kwargs": {"config": "config_kwargs"},
    "processor_kwargs": dict.fromkeys(("name_or_path", "facts"), "the files' own"),
}


def checked_keywords(given: Mapping[str, Any], keywords: dict[str, Keyword], owner: str) -> None:
    """Raise InputError for the first of `given` that is not one of `keywords`, or that has a bad value.

    owner: the class or method whose keywords they are, in the message about an unknown one.
    """
    for name in without_foreign(dict(given), keywords):
        raise InputError(mismatch(name, "an unknown keyword", f"one of {owner}'s"))


def keyword_dict(name: str, value: Any) -> dict[str, Any]:
    """A caller's dict of keywords for another call, copied; None is an empty one. Raises InputError."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(mismatch(name, shown(value), "a dict of keywords or None"))
    return dict(value)


def keywords_of_parts(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The keywords of each of PARTS among a caller's, copied. Raises InputError."""
    return {part: keyword_dict(part, given.get(part)) for part in PARTS}


def model_files(path_or_id: Any, hub_options: HubOptions, parts: Mapping[str, dict[str, Any]]) -> ModelFiles:
    """The files of a model's folder or of one commit of a Hub repository.

    parts: keywords of the model's parts. The Hub's options among them hold for all files, and are removed
    there. Raises InputError, also for two values of one option, and HubError.
    """
    if not isinstance(path_or_id, (str, os.PathLike)):
        expected = "a folder or a Hub repository's name"
        raise InputError(mismatch("model_name_or_path", shown(path_or_id), expected))
    found: dict[str, Any] = {}
    for part, keywords in parts.items():
        for name in KEYWORDS:
            value = keywords.pop(name, None)
            if value is not None and found.setdefault(name, value) != value:
                expected = "one value for all files"
                raise InputError(mismatch(f"{part}: {name}", "another one than for other files", expected))
    return ModelFiles(path_or_id, dataclasses.replace(hub_options, **found))


def load_model_and_tokenizer(
    auto_class: type[AutoModelClass],
    files: ModelFiles,
    given: Mapping[str, Mapping[str, Any]],
    settings: EncoderSettings = DEFAULT_SETTINGS,
    pair: bool = False,
) -> tuple[Any, PreTrainedTokenizerFast]:
    """The model of a folder or of one commit of a Hub repository, and its tokenizer.

    files: those of the model (`model_files`). given: a caller's keywords of each of PARTS. model_kwargs are
    those of the model's `from_pretrained`, such as dtype and num_threads, and config_kwargs replace keys of
    config.json. settings: keywords that come after a caller's, and max_seq_length, which replaces the
    tokenizer's own limit; a model_max_length of processor_kwargs replaces both. pair: whether the limit is
    that of a pair. Raises InputError, ModelFileError, TokenizerFileError, HubError.
    """
    # Before anything is read: a bad name fails at once.
    for part, check in _CHECKS.items():
        settings.applied(part, given[part], check)
    files.fetch(CONFIG)
    path_or_id, hub_options = files.path_or_id, files.hub_options

    def config_with(keywords: dict[str, Any]) -> RobertaConfig:
        return load_config(path_or_id, hub_options, without_foreign(keywords, CONFIG_KEYWORDS))

    def tokenizer_with(keywords: dict[str, Any]) -> PreTrainedTokenizerFast:
        keywords = without_foreign(keywords, TOKENIZER_KEYWORDS)
        if settings.max_seq_length is not None:
            keywords.setdefault("model_max_length", settings.max_seq_length)
        return AutoTokenizer.load(path_or_id, hub_options, **keywords)

    def model_with(keywords: dict[str, Any]) -> Any:
        return auto_class.load(path_or_id, hub_options, config=config, **keywords)

    config = settings.applied("config_kwargs", given["config_kwargs"], config_with)
    tokenizer = settings.applied("processor_kwargs", given["processor_kwargs"], tokenizer_with)
    tokenizer.check_fits(config.vocab_size)
    if settings.do_lower_case:
        tokenizer.lower_case()
    model = settings.applied("model_kwargs", given["model_kwargs"], model_with)
    settings.check_room(tokenizer, given["processor_kwargs"], pair)
    return model, tokenizer


def _check_model_keywords(keywords: dict[str, Any]) -> None:
    _check_taken("model_kwargs", keywords)
    dtype_name(keywords.get("dtype"), keywords.get("torch_dtype"))


def _check_tokenizer_keywords(keywords: dict[str, Any]) -> None:
    _check_taken("processor_kwargs", without_foreign(keywords, TOKENIZER_KEYWORDS))


def _check_config_keywords(keywords: dict[str, Any]) -> None:
    without_foreign(keywords, CONFIG_KEYWORDS)


_CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "processor_kwargs": _check_tokenizer_keywords,
    "config_kwargs": _check_config_keywords,
    "model_kwargs": _check_model_keywords,
}


def _check_taken(part: str, keywords: Mapping[str, Any]) -> None:
    """Raise InputError for a keyword of a part that this package itself gives."""
    for name, expected in _TAKEN[part].items():
        if name in keywords:
            raise InputError(mismatch(part, f"the keyword {name!r}", expected))
