"""AutoTokenizer: chooses the tokenizer class from the files of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..config.load_keywords import TOKENIZER_KEYWORDS, without_foreign
from ..errors import InputError, TokenizerFileError, mismatch, shown
from ..files.hub_options import HubOptions
from .own_backend import model_kind
from .pretrained import PreTrainedTokenizerFast
from .roberta_tokenizers import RobertaTokenizerFast, XLMRobertaTokenizerFast
from .special_tokens import read_settings
from .tokenizer_files import (
    MERGES,
    MODEL_CONFIG,
    SENTENCEPIECE,
    TOKENIZER_CONFIG,
    TOKENIZER_JSON,
    VOCAB,
)
from .tokenizer_folder import ModelFacts, check_place, locate_tokenizer
from .tokenizer_json import read_tokenizer_json

_BY_NAME: dict[str, type[PreTrainedTokenizerFast]] = {
    "RobertaTokenizer": RobertaTokenizerFast,
    "XLMRobertaTokenizer": XLMRobertaTokenizerFast,
    "PreTrainedTokenizer": PreTrainedTokenizerFast,
    "TokenizersBackend": PreTrainedTokenizerFast,
}
_BY_MODEL_TYPE: dict[str, type[PreTrainedTokenizerFast]] = {
    "roberta": RobertaTokenizerFast,
    "xlm-roberta": XLMRobertaTokenizerFast,
}


class AutoTokenizer:
    """Loads the right tokenizer for a checkpoint; see `from_pretrained`."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        given = [*map(shown, arguments), *(f"{name}={shown(value)}" for name, value in keywords.items())]
        expected = "AutoTokenizer.from_pretrained(folder), which chooses the class"
        raise InputError(
            mismatch(f"AutoTokenizer({', '.join(given)})", "a call with no files read", expected)
        )

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **overrides: Any,
    ) -> PreTrainedTokenizerFast:
        """The tokenizer of a local folder or Hub repository; arguments and errors as for
        PreTrainedTokenizerFast.from_pretrained.

        >>> from roberta_c import bundled_model_path
        >>> tokenizer = AutoTokenizer.from_pretrained(bundled_model_path())
        >>> tokenizer.decode(tokenizer("What a day, @jane_doe!")["input_ids"])
        '<s> what a day, @user!</s>'
        >>> tokenizer(["so so", "what a day"], padding=True, return_tensors="np")["attention_mask"].shape[0]
        2

        The class is chosen by the first of these that is there: `tokenizer_class` in tokenizer_config.json,
        `tokenizer_class` in config.json, `model_type` in config.json, the kind of the vocabulary files.
        """
        check_place(pretrained_model_name_or_path)
        overrides = without_foreign(overrides, TOKENIZER_KEYWORDS)
        return cls.load(
            pretrained_model_name_or_path,
            HubOptions(revision, token, cache_dir, local_files_only),
            **overrides,
        )

    @classmethod
    def load(
        cls, path_or_id: str | Path, hub_options: HubOptions, /, **overrides: Any
    ) -> PreTrainedTokenizerFast:
        """As `from_pretrained`, with the Hub's options in one object."""
        folder, facts = locate_tokenizer(path_or_id, hub_options)
        tokenizer_class = choose_class(folder, facts)
        return tokenizer_class.from_folder(folder, str(path_or_id), facts, **overrides)


def choose_class(folder: Path, facts: ModelFacts) -> type[PreTrainedTokenizerFast]:
    """The class of the folder's tokenizer. Raises TokenizerFileError if its files or a class are missing."""
    has_bpe = (folder / VOCAB).exists() and (folder / MERGES).exists()
    has_sentencepiece = (folder / SENTENCEPIECE).exists()
    has_json = (folder / TOKENIZER_JSON).exists()
    if not (has_bpe or has_sentencepiece or has_json):
        _check_model_type(folder, facts)  # of another kind of model, the files have other names
        expected = f"{TOKENIZER_JSON}, {VOCAB} with {MERGES} or {SENTENCEPIECE}"
        raise TokenizerFileError(mismatch(folder, "no tokenizer file", expected))
    for name, source in (
        (read_settings(folder, {}).tokenizer_class, TOKENIZER_CONFIG),
        (facts.tokenizer_class, MODEL_CONFIG),
    ):
        if name is not None:
            found = _BY_NAME.get(name.removesuffix("Fast"))
            if found is None:
                place = f"{folder / source}: tokenizer_class"
                raise TokenizerFileError(mismatch(place, shown(name), f"one of {', '.join(_BY_NAME)}"))
            return found
    if facts.model_type is not None:
        _check_model_type(folder, facts)
        return _BY_MODEL_TYPE[facts.model_type]
    if has_sentencepiece or has_bpe:
        return XLMRobertaTokenizerFast if has_sentencepiece else RobertaTokenizerFast
    is_unigram = model_kind(read_tokenizer_json(folder / TOKENIZER_JSON).backend) == "Unigram"
    return XLMRobertaTokenizerFast if is_unigram else RobertaTokenizerFast


def _check_model_type(folder: Path, facts: ModelFacts) -> None:
    """Raise TokenizerFileError if config.json names a type of model that is not supported."""
    if facts.model_type is not None and facts.model_type not in _BY_MODEL_TYPE:
        place = f"{folder / MODEL_CONFIG}: model_type"
        raise TokenizerFileError(mismatch(place, shown(facts.model_type), " or ".join(_BY_MODEL_TYPE)))
