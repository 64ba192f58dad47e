"""A model and its tokenizer, loaded together, and keywords of other packages checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import load_config
from ..config.load_keywords import TOKENIZER_KEYWORDS, Keyword, without_foreign
from ..errors import InputError, mismatch, shown
from ..files.hub import KEYWORDS, HubOptions
from ..model import dtype_name
from ..tokenizer import AutoTokenizer, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from ..config import RobertaConfig
    from ..model.auto import AutoModelClass


def checked_keywords(given: Mapping[str, Any], keywords: dict[str, Keyword], names: str) -> None:
    """Raise InputError for the first of `given` that is not one of `keywords`, or that has a bad value.

    names: what the message about an unknown keyword expects.
    """
    for name in without_foreign(dict(given), keywords):
        raise InputError(mismatch(name, "an unknown keyword", names))


def keyword_dict(name: str, value: Any) -> dict[str, Any]:
    """A caller's dict of keywords for another call, copied; None is an empty one. Raises InputError."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(mismatch(name, shown(value), "a dict of keywords or None"))
    return dict(value)


def load_model_and_tokenizer(
    auto_class: type[AutoModelClass],
    path_or_id: Any,
    hub_options: HubOptions,
    *,
    model_keywords: dict[str, Any],
    tokenizer_keywords: dict[str, Any],
    config_keywords: dict[str, Any],
) -> tuple[Any, PreTrainedTokenizerFast, HubOptions]:
    """The model, its tokenizer, and the Hub's options with those in `model_keywords`.

    model_keywords: those of the model's `from_pretrained`, such as dtype and num_threads. config_keywords
    replace keys of config.json. Raises InputError, ModelFileError, TokenizerFileError, HubError.
    """
    if not isinstance(path_or_id, (str, os.PathLike)):
        expected = "a folder or a Hub repository's name"
        raise InputError(mismatch("model_name_or_path", shown(path_or_id), expected))
    path_or_id = path_or_id if isinstance(path_or_id, str) else Path(path_or_id)
    from_hub = {name: model_keywords[name] for name in KEYWORDS if name in model_keywords}
    if from_hub:
        hub_options = HubOptions(**{**vars(hub_options), **from_hub})
    model_keywords = {name: value for name, value in model_keywords.items() if name not in from_hub}
    # Before anything is read: a bad name fails at once.
    dtype_name(model_keywords.get("dtype"), model_keywords.get("torch_dtype"))
    config: RobertaConfig = load_config(path_or_id, hub_options, config_keywords)
    chosen = without_foreign(tokenizer_keywords, TOKENIZER_KEYWORDS)
    tokenizer = AutoTokenizer.load(path_or_id, hub_options, **chosen)
    model = auto_class.load(path_or_id, hub_options, config=config, **model_keywords)
    return model, tokenizer, hub_options
