"""A model of one small layer, made without torch: for processes that must start fast or stay small."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from roberta_c.checkpoint.names import encoder_shapes
from roberta_c.checkpoint.safetensors_writer import write_safetensors
from roberta_c.config import RobertaConfig

SIZES = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "intermediate_size": 12,
    "max_position_embeddings": 12,
    "type_vocab_size": 2,
}


def make_tiny_model(folder: Path, **sizes: int) -> Path:
    """config.json and model.safetensors of a RobertaModel without a pooler. Its weights never change."""
    config = RobertaConfig(**{**SIZES, **sizes})
    config.save_pretrained(folder)
    rng = np.random.default_rng(0)
    write_safetensors(
        folder / "model.safetensors",
        [
            (name, "float32", rng.standard_normal(shape).astype(np.float32))
            for name, shape in encoder_shapes(config).items()
        ],
    )
    return folder
