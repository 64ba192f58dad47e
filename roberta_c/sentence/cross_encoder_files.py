"""What a cross-encoder's repository says beside its weights: activation, prompts, length.

sentence-transformers 6 writes it into config_sentence_transformers.json and sentence_bert_config.json; 4 and
5 into config.json, as `sentence_transformers.activation_fn`; before 4, into config.json as
`sbert_ce_default_activation_function`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError, mismatch, shown
from ..files import hub
from ..files.json_object import parse_object, read_file, read_object
from .prompts import is_prompts
from .score_activations import ScoreActivation, as_activation, is_known

if TYPE_CHECKING:
    from ..config import RobertaConfig

logger = logging.getLogger(__name__)

SETTINGS, MODULES, MODULE_SETTINGS = (
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
)
FILES = hub.FileSet("configuration", ("config.json", SETTINGS, MODULES, MODULE_SETTINGS), (("config.json",),))


@dataclass(frozen=True)
class SavedSettings:
    """activation: None where nothing is saved. max_length: in tokens, None for the model's own.

    default_prompt_name: as it is in the file, unchecked: prompts may be a caller's.
    """

    activation: ScoreActivation | None = None
    prompts: dict[str, str | None] = field(default_factory=dict)
    default_prompt_name: Any = None
    max_length: int | None = None


def saved_settings(path_or_id: str | Path, options: hub.HubOptions, config: RobertaConfig) -> SavedSettings:
    """What the files say. Raises ModelFileError for malformed ones or modules beside the model, HubError."""
    folder = hub.resolve(path_or_id, FILES, options)
    path = folder / SETTINGS
    settings = read_object(path) if path.exists() else {}
    if settings.get("model_type") != "CrossEncoder":  # of a model that makes embeddings, or of none
        return SavedSettings(_config_activation(config, folder / "config.json"))
    _check_modules(folder / MODULES)
    prompts = settings.get("prompts") or {}
    if not is_prompts(prompts):
        raise ModelFileError(mismatch(f"{path}: prompts", shown(prompts), "an object of names and texts"))
    name = settings.get("default_prompt_name")
    activation = _activation(settings.get("activation_fn"), f"{path}: activation_fn")
    if activation is None:
        activation = _config_activation(config, folder / "config.json")
    return SavedSettings(activation, prompts, name, _max_length(folder / MODULE_SETTINGS))


def _config_activation(config: RobertaConfig, path: Path) -> ScoreActivation | None:
    newer = getattr(config, "sentence_transformers", None)
    if isinstance(newer, dict) and "activation_fn" in newer:
        return _activation(newer["activation_fn"], f"{path}: sentence_transformers.activation_fn")
    key = "sbert_ce_default_activation_function"
    return _activation(getattr(config, key, None), f"{path}: {key}")


def _activation(name: Any, place: str) -> ScoreActivation | None:
    """The activation of this dotted name. None for None and, with a warning, for code outside torch."""
    if name is None:
        return None
    if not isinstance(name, str) or (name.startswith("torch.") and not is_known(name)):
        raise ModelFileError(mismatch(place, shown(name), "a function such as torch.nn.…Sigmoid or Identity"))
    if not name.startswith("torch."):
        # As in sentence-transformers, which runs such code only if it is told to trust it.
        logger.warning("%s: found %s, which is not run: using the default activation", place, shown(name))
        return None
    activation = as_activation(name)
    return activation if isinstance(activation, ScoreActivation) else None


def _check_modules(path: Path) -> None:
    """Raise ModelFileError unless the model is all there is: scores are then its logits."""
    if not path.exists():
        return
    modules = parse_object(b'{"modules":' + read_file(path) + b"}", path)["modules"]
    is_list = isinstance(modules, list) and all(isinstance(module, dict) for module in modules)
    types = [str(module.get("type")).rpartition(".")[2] for module in modules] if is_list else []
    if types != ["Transformer"] or modules[0].get("path") not in ("", None):
        found = shown(", ".join(types)) if types else shown(modules)
        raise ModelFileError(mismatch(path, found, "one Transformer, whose files are beside this one"))


def _max_length(path: Path) -> int | None:
    found = read_object(path).get("max_seq_length") if path.exists() else None
    if found is not None and (not isinstance(found, int) or isinstance(found, bool) or found < 1):
        raise ModelFileError(mismatch(f"{path}: max_seq_length", shown(found), "an integer of at least 1"))
    return found
