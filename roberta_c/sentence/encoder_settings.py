"""Settings of an encoder beside its config.json: sentence_bert_config.json, which older models have under the
name of another model type. Those of embeddings and of cross-encoders differ in their task alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config.load_keywords import CONFIG_KEYWORDS, MODEL_KEYWORDS, TOKENIZER_KEYWORDS
from ..errors import InputError, ModelFileError, mismatch, shown
from ..files.file_sets import SENTENCE_SETTINGS
from ..files.hub_options import KEYWORDS
from ..files.json_object import is_there, read_object
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
# that name files, as in sentence-transformers, and the arithmetic and the threads, which are the caller's
# choice.
_CALLERS = ("dtype", "torch_dtype", "num_threads", "isa")
_LEFT_OUT = {*MODEL_KEYWORDS, *CONFIG_KEYWORDS, *TOKENIZER_KEYWORDS, *KEYWORDS, *_CALLERS}
# Among TOKENIZER_KEYWORDS, as it says nothing to a tokenizer; a config's changes the model's head.
_OF_OTHERS = {"num_labels"}


@dataclass(frozen=True)
class EncoderSettings:
    """max_seq_length: tokens of a text, None for the tokenizer's own. parts: keywords of the model, the
    tokenizer and the config, by "model_kwargs", "processor_kwargs" and "config_kwargs". path: of the file."""

    max_seq_length: int | None = None
    do_lower_case: bool = False
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    path: Path | None = None

    def below(self, given: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """A caller's keywords of the three parts, and those of the file that the caller has not given."""
        return {part: {**self.parts.get(part, {}), **keywords} for part, keywords in given.items()}

    @contextmanager
    def named_in_errors(self, given: Mapping[str, dict[str, Any]]) -> Iterator[None]:
        """Within this context, in which the model is loaded with them, an InputError about a setting of the
        file that is not among a caller's `given` keywords is a ModelFileError, which names the file."""
        own = {name for part, keywords in self.parts.items() for name in keywords.keys() - given[part].keys()}
        if self.max_seq_length is not None:
            own.add("max_seq_length")
        try:
            yield
        except InputError as error:
            # What is expected may list names that are not at fault.
            about, _, _ = str(error).partition(", expected ")
            if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", about) for name in own):
                raise ModelFileError(f"{self.path}: {error}") from None
            raise


def read_encoder_settings(folder: Path, task: str) -> EncoderSettings:
    """The settings in an encoder's folder; the defaults without such a file.

    task: EMBEDDING or CLASSIFICATION. Raises ModelFileError for a malformed file, or for a setting with which
    results would be others.
    """
    path = next((folder / name for name in SENTENCE_SETTINGS if is_there(folder / name)), None)
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
        left_out = _LEFT_OUT if part == "processor_kwargs" else _LEFT_OUT - _OF_OTHERS
        kept = {key: value for key, value in keywords.items() if key not in left_out}
        parts[part] = {**parts.get(part, {}), **kept}
    try:
        check_other_settings(settings, task)
    except InputError as error:
        raise ModelFileError(f"{path}: {error}") from None
    return EncoderSettings(length, bool(lower), parts, path)


def check_room(
    tokenizer: Any, max_seq_length: int | None, of_tokenizer: Mapping[str, Any], pair: bool = False
) -> None:
    """Raise InputError if a limit that was given is less than the special tokens of a text, or of a pair.

    of_tokenizer: the tokenizer's keywords, whose model_max_length replaces max_seq_length.
    """
    name = "model_max_length" if "model_max_length" in of_tokenizer else "max_seq_length"
    if name in of_tokenizer or max_seq_length is not None:
        least, length = tokenizer.num_special_tokens_to_add(pair), tokenizer.model_max_length
        if length < least:
            raise InputError(mismatch(name, length, f"at least {least}, the special tokens"))


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
