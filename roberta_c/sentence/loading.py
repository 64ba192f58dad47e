"""A model and its tokenizer, loaded together, and keywords of other packages checked."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..config import load_config
from ..config.load_keywords import CONFIG_KEYWORDS, TOKENIZER_KEYWORDS, Keyword, without_foreign
from ..errors import InputError, mismatch, shown
from ..files.file_sets import CONFIG
from ..files.hub import ModelFiles
from ..files.hub_options import KEYWORDS, HubOptions
from ..model import dtype_name
from ..tokenizer import AutoTokenizer, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from ..config import RobertaConfig
    from ..model.auto import AutoModelClass

# A model's parts, as callers name the keywords of each part's `from_pretrained`.
PARTS = ("model_kwargs", "processor_kwargs", "config_kwargs")
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
    *,
    model_keywords: Mapping[str, Any],
    tokenizer_keywords: Mapping[str, Any],
    config_keywords: Mapping[str, Any],
    max_seq_length: int | None = None,
    do_lower_case: bool = False,
) -> tuple[Any, PreTrainedTokenizerFast]:
    """The model of a folder or of one commit of a Hub repository, and its tokenizer.

    files: those of the model (`model_files`). model_keywords: those of the model's `from_pretrained`, such as
    dtype and num_threads. config_keywords replace keys of config.json. max_seq_length replaces the
    tokenizer's own limit, and tokenizer_keywords' model_max_length replaces both. do_lower_case: whether
    texts are lower-cased. Raises InputError, ModelFileError, TokenizerFileError, HubError.
    """
    of_tokenizer = without_foreign(dict(tokenizer_keywords), TOKENIZER_KEYWORDS)
    of_config = without_foreign(dict(config_keywords), CONFIG_KEYWORDS)
    for part, keywords in (("model_kwargs", model_keywords), ("processor_kwargs", of_tokenizer)):
        for name, expected in _TAKEN[part].items():
            if name in keywords:
                raise InputError(mismatch(part, f"the keyword {name!r}", expected))
    # Before anything is read: a bad name fails at once.
    dtype_name(model_keywords.get("dtype"), model_keywords.get("torch_dtype"))
    files.fetch(CONFIG)
    path_or_id, hub_options = files.path_or_id, files.hub_options
    config: RobertaConfig = load_config(path_or_id, hub_options, of_config)
    if max_seq_length is not None:
        of_tokenizer.setdefault("model_max_length", max_seq_length)
    tokenizer = AutoTokenizer.load(path_or_id, hub_options, **of_tokenizer)
    if do_lower_case:
        tokenizer.lower_case()
    return auto_class.load(path_or_id, hub_options, config=config, **model_keywords), tokenizer
