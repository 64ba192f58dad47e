"""Settings of an encoder beside its config.json: sentence_bert_config.json, which older models have under the
name of another model type. Those of embeddings and of cross-encoders differ in their task alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config.load_keywords import CONFIG_KEYWORDS, MODEL_KEYWORDS, TOKENIZER_KEYWORDS
from ..errors import InputError, ModelFileError, mismatch, shown
from ..files.file_sets import SENTENCE_SETTINGS
from ..files.hub_options import KEYWORDS
from ..files.json_object import read_object
from .loading import PARTS

EMBEDDING, CLASSIFICATION = "feature-extraction", "sequence-classification"

# What a task reads of the encoder, and sentence-transformers' name of it.
_OUTPUTS = {EMBEDDING: ("last_hidden_state", "token_embeddings"), CLASSIFICATION: ("logits", "scores")}
# Older names of the keywords for a model's parts.
OLDER_NAMES = {
    "model_args": "model_kwargs",
    "tokenizer_args": "processor_kwargs",
    "config_args": "config_kwargs",
}
# Keywords that a file may have for the parts, and that are left out: those that need nothing done here, those
# that name files, as in sentence-transformers, and the arithmetic, which is the caller's choice.
_LEFT_OUT = {*MODEL_KEYWORDS, *CONFIG_KEYWORDS, *TOKENIZER_KEYWORDS, *KEYWORDS, "dtype", "torch_dtype"}


@dataclass(frozen=True)
class EncoderSettings:
    """max_seq_length: tokens of a text, None for the tokenizer's own. parts: keywords of the model, the
    tokenizer and the config, by "model_kwargs", "processor_kwargs" and "config_kwargs"."""

    max_seq_length: int | None = None
    do_lower_case: bool = False
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def below(self, given: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """A caller's keywords of the three parts, and those of the file that the caller has not given."""
        return {part: {**self.parts.get(part, {}), **keywords} for part, keywords in given.items()}


def read_encoder_settings(folder: Path, task: str) -> EncoderSettings:
    """The settings in an encoder's folder; the defaults without such a file.

    task: EMBEDDING or CLASSIFICATION. Raises ModelFileError for a malformed file, or for a setting with which
    results would be others.
    """
    path = next((folder / name for name in SENTENCE_SETTINGS if (folder / name).exists()), None)
    if path is None:
        return EncoderSettings()
    settings = read_object(path)
    length, lower = settings.pop("max_seq_length", None), settings.pop("do_lower_case", None)
    if length is not None and (type(length) is not int or length < 1):
        raise ModelFileError(mismatch(f"{path}: max_seq_length", shown(length), "an integer of at least 1"))
    if not isinstance(lower, bool | None):
        raise ModelFileError(mismatch(f"{path}: do_lower_case", shown(lower), "True or False"))
    parts: dict[str, dict[str, Any]] = {}
    for name, part in (*OLDER_NAMES.items(), *zip(PARTS, PARTS, strict=True)):
        keywords = settings.pop(name, None) or {}
        if not isinstance(keywords, dict):
            raise ModelFileError(mismatch(f"{path}: {name}", shown(keywords), "an object"))
        kept = {key: value for key, value in keywords.items() if key not in _LEFT_OUT}
        parts[part] = {**parts.get(part, {}), **kept}
    try:
        check_other_settings(settings, task)
    except InputError as error:
        raise ModelFileError(f"{path}: {error}") from None
    return EncoderSettings(length, bool(lower), parts)


def check_other_settings(settings: Mapping[str, Any], task: str) -> None:
    """Raise InputError for the first setting that is unknown, or with which results would be others."""
    output, name_of_output = _OUTPUTS[task]
    unchanging: dict[str, tuple[Any, ...]] = {
        "transformer_task": (None, task),
        "module_output_name": (None, name_of_output),
        "modality_config": (None, {"text": {"method": "forward", "method_output_name": output}}),
        "processing_kwargs": (None, {}),
        "unpad_inputs": (None, True, False),
        **dict.fromkeys(
            ("query_length", "document_length", "query_expansion", "tokenizer_name_or_path"), (None,)
        ),
    }
    for name, value in settings.items():
        if name not in unchanging or value not in unchanging[name]:
            expected = repr(unchanging[name][-1]) if name in unchanging else "no such setting"
            raise InputError(mismatch(name, shown(value), expected))
