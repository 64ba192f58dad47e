"""What sentence-transformers 6 reads of a cross-encoder beside config.json, written."""

from __future__ import annotations

from pathlib import Path

from .modules import write_json
from .score_activations import ScoreActivation

SETTINGS = "config_sentence_transformers.json"
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
    write_json(folder / "sentence_bert_config.json", module)
    # Last: a folder without it is a model of transformers alone.
    write_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": _MODULE_TYPE}])
