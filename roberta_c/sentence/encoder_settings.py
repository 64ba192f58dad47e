"""Settings of an encoder beside its config.json: sentence_bert_config.json, which older models have under the
name of another model type. Those of embeddings and of cross-encoders differ in their task alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..config.load_keywords import CONFIG_KEYWORDS, MODEL_KEYWORDS, TOKENIZER_KEYWORDS
from ..errors import InputError, ModelFileError, mismatch, shown
from ..files.file_sets import SENTENCE_SETTINGS
from ..files.hub_options import KEYWORDS
from ..files.json_object import is_there, read_object

# A model's parts, as callers name the keywords of each part's `from_pretrained`.
PARTS = ("model_kwargs", "processor_kwargs", "config_kwargs")
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
_CALLERS = ("dtype", "torch_dtype", "num_threads", "isa", "allow_nonfinite")
_LEFT_OUT = {*MODEL_KEYWORDS, *CONFIG_KEYWORDS, *TOKENIZER_KEYWORDS, *KEYWORDS, *_CALLERS}
# Among TOKENIZER_KEYWORDS, as it says nothing to a tokenizer; a config's changes the model's head.
_OF_OTHERS = {"num_labels"}

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class EncoderSettings:
    """max_seq_length: tokens of a text, None for the tokenizer's own. do_lower_case: whether texts are
    lower-cased. parts: keywords of the model, the tokenizer and the config, by the names of PARTS. path: of
    the file; None for settings that a caller gave."""

    max_seq_length: int | None = None
    do_lower_case: bool = False
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    path: Path | None = None

    def applied(
        self, part: str, given: Mapping[str, Any], apply: Callable[[dict[str, Any]], _Result]
    ) -> _Result:
        """What `apply` makes of a part's keywords: a caller's, `given`, and those of the file that the caller
        has not given.

        An InputError that the file's keywords cause by themselves is a ModelFileError, which names the file.
        """
        of_file = {name: value for name, value in self.parts.get(part, {}).items() if name not in given}
        try:
            return apply({**of_file, **given})
        except InputError:
            if of_file:
                try:
                    apply(of_file)
                except InputError as error:
                    raise ModelFileError(f"{self.path}: {error}") from None
                except Exception:  # of another kind: the caller's error stands
                    pass
            raise

    def check_room(self, tokenizer: Any, given: Mapping[str, Any], pair: bool = False) -> None:
        """Raise an error if a limit that was set is less than the special tokens of a text, or of a pair.

        given: a caller's keywords of the tokenizer, whose model_max_length replaces the file's, and that one
        max_seq_length. The file's is a ModelFileError, a caller's an InputError.
        """
        name, is_callers = "model_max_length", self.path is None or "model_max_length" in given
        if name not in given and name not in self.parts.get("processor_kwargs", {}):
            if self.max_seq_length is None:
                return
            name = "max_seq_length"
        least, length = tokenizer.num_special_tokens_to_add(pair), tokenizer.model_max_length
        if length < least:
            message = mismatch(name, length, f"at least {least}, the special tokens")
            raise InputError(message) if is_callers else ModelFileError(f"{self.path}: {message}")


DEFAULT_SETTINGS = EncoderSettings()


def read_encoder_settings(folder: Path, task: str) -> EncoderSettings:
    """The settings in an encoder's folder; the defaults without such a file.

    task: EMBEDDING or CLASSIFICATION. Raises ModelFileError for a malformed file, or for a setting with which
    results would be others.
    """
    path = next((folder / name for name in SENTENCE_SETTINGS if is_there(folder / name)), None)
    if path is None:
        return DEFAULT_SETTINGS
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
