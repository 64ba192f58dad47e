"""What sentence-transformers 6 reads of a cross-encoder beside config.json, written."""

from __future__ import annotations

from pathlib import Path

from ..files.file_sets import MODULES, SENTENCE_SETTINGS, SETTINGS
from .modules import write_json
from .score_activations import ScoreActivation

_MODULE_TYPE = "sentence_transformers.base.modules.transformer.Transformer"


def write_settings(
    folder: Path, activation: ScoreActivation, prompts: dict[str, str], default_prompt_name: str | None
) -> None:
    """Write the activation and the prompts, and that the model is all there is. Raises ModelFileError."""
    settings = {
        "model_type": "CrossEncoder",
        "prompts": prompts,
        "default_prompt_name": default_prompt_name,
        "activation_fn": activation.dotted_name,
    }
    module = {
        "transformer_task": "sequence-classification",
        "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
        "module_output_name": "scores",
    }
    write_json(folder / SETTINGS, settings)
    write_json(folder / SENTENCE_SETTINGS[0], module)
    # Last: a folder without it is a model of transformers alone.
    write_json(folder / MODULES, [{"idx": 0, "name": "0", "path": "", "type": _MODULE_TYPE}])
