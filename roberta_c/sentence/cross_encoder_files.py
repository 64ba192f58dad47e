"""A cross-encoder's repository → its model and tokenizer, its activation and prompts.

sentence-transformers 6 writes them into config_sentence_transformers.json and sentence_bert_config.json, with
a modules.json; 4 and 5 into config.json, as `sentence_transformers.activation_fn`; before 4, into config.json
as `sbert_ce_default_activation_function`.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError, mismatch, shown
from ..files.file_sets import (
    ENCODER_SETTINGS,
    MODEL_SETTINGS,
    MODULE_LIST,
    MODULES,
    SETTINGS,
)
from ..files.hub_options import HubOptions
from ..files.json_object import is_there, read_object
from ..files.module_list import read_module_list
from ..model.auto import AutoModelForSequenceClassification
from ..tokenizer import PreTrainedTokenizerFast
from .encoder_settings import CLASSIFICATION, DEFAULT_SETTINGS, read_encoder_settings
from .loading import load_model_and_tokenizer, model_files
from .prompts import prompts_of_file
from .score_activations import ScoreActivation, as_activation, is_known

if TYPE_CHECKING:
    from ..config import RobertaConfig
    from ..model import RobertaForSequenceClassification

logger = logging.getLogger(__name__)

# The type of a model whose settings name none.
_EMBEDDINGS = "SentenceTransformer"


@dataclass(frozen=True)
class SavedSettings:
    """activation: None where nothing is saved.

    default_prompt_name: as it is in the file, unchecked: prompts may be a caller's.
    """

    activation: ScoreActivation | None = None
    prompts: dict[str, str | None] = field(default_factory=dict)
    default_prompt_name: Any = None


def load_cross_encoder(
    path_or_id: Any, hub_options: HubOptions, **parts: dict[str, Any]
) -> tuple[RobertaForSequenceClassification, PreTrainedTokenizerFast, SavedSettings]:
    """The model, its tokenizer and the settings of a folder or of one commit of a Hub repository.

    parts: model_kwargs, processor_kwargs and config_kwargs, a caller's keywords, which come before those of
    the files. Raises InputError, HubError, TokenizerFileError, and ModelFileError, also for modules beside
    the model and for settings with which scores would be others.
    """
    files = model_files(path_or_id, hub_options, parts)
    folder = files.fetch(MODULE_LIST)
    settings: dict[str, Any] = {}
    encoder, saved = DEFAULT_SETTINGS, SavedSettings()
    if is_there(folder / MODULES):
        path = files.fetch(MODEL_SETTINGS) / SETTINGS
        settings = read_object(path) if is_there(path) else {}
        model_type = settings.get("model_type", _EMBEDDINGS)
        if not isinstance(model_type, str):
            raise ModelFileError(mismatch(f"{path}: model_type", shown(model_type), "a str"))
        if model_type == _EMBEDDINGS:
            _check_head(folder)
        else:
            _check_modules(folder / MODULES)
            saved = _saved_settings(settings, path)
            encoder = read_encoder_settings(files.fetch(ENCODER_SETTINGS), CLASSIFICATION)
    model, tokenizer = load_model_and_tokenizer(
        AutoModelForSequenceClassification, files, parts, encoder, pair=True
    )
    if saved.activation is None:
        activation = _config_activation(model.config, folder / "config.json")
        saved = dataclasses.replace(saved, activation=activation)
    return model, tokenizer, saved


def _check_head(folder: Path) -> None:
    """Raise ModelFileError if config.json names no classification head beside the modules of embeddings."""
    architectures = read_object(folder / "config.json").get("architectures") or []
    if not any("ForSequenceClassification" in str(name) for name in architectures):
        found = "a model of embeddings: load it with SentenceTransformer"
        raise ModelFileError(mismatch(folder / MODULES, found, "a cross-encoder"))


def _check_modules(path: Path) -> None:
    """Raise ModelFileError unless the model is all there is: scores are then its logits."""
    modules = read_module_list(path)
    if [(module.kind, module.folder) for module in modules] != [("Transformer", "")]:
        found = shown(", ".join(module.type_name for module in modules))
        expected = "one sentence_transformers Transformer, whose files are beside this one"
        raise ModelFileError(mismatch(path, found, expected))


def _saved_settings(settings: dict[str, Any], path: Path) -> SavedSettings:
    activation = _activation(settings.get("activation_fn"), f"{path}: activation_fn")
    return SavedSettings(activation, prompts_of_file(settings, path), settings.get("default_prompt_name"))


def _config_activation(config: RobertaConfig, path: Path) -> ScoreActivation | None:
    newer = getattr(config, "sentence_transformers", None)
    if isinstance(newer, dict) and "activation_fn" in newer:
        return _activation(newer["activation_fn"], f"{path}: sentence_transformers.activation_fn")
    key = "sbert_ce_default_activation_function"
    return _activation(getattr(config, key, None), f"{path}: {key}")


def _activation(name: Any, setting: str) -> ScoreActivation | None:
    """The activation of this dotted name. None for None and, with a warning, for code outside torch."""
    if name is None:
        return None
    if not isinstance(name, str) or (name.startswith("torch.") and not is_known(name)):
        raise ModelFileError(
            mismatch(setting, shown(name), "a function such as torch.nn.…Sigmoid or Identity")
        )
    if not name.startswith("torch."):
        # As in sentence-transformers, which runs such code only if it is told to trust it.
        logger.warning("%s: found %s, which is not run: using the default activation", setting, shown(name))
        return None
    activation = as_activation(name)
    return activation if isinstance(activation, ScoreActivation) else None
