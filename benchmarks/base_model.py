"""RoBERTa-base with random weights, saved as a published checkpoint is, and how much arithmetic it takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import transformers

HIDDEN, FEED_FORWARD, HEADS, LAYERS = 768, 3072, 12, 12
VOCABULARY = 50265

# What every short text must read at least once: weights and biases of the encoder's linear layers.
ENCODER_WEIGHTS = LAYERS * (4 * HIDDEN * (HIDDEN + 1) + 2 * HIDDEN * FEED_FORWARD + HIDDEN + FEED_FORWARD)

# How far apart two engines' logits may be, which are of order 1 here. Twelve layers of float32 rounding in
# different orders move them by some 2e-6; bfloat16 anywhere, a wrong mask or a wrong position by 1e-3 and
# more. bfloat16 moves them by some 1e-2 and int8 by some 1e-1, on purpose: then only gross errors can be told
# from it.
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.2, "int8": 0.5}


def save_random_base_model(
    folder: Path, layers: int = LAYERS
) -> transformers.RobertaForSequenceClassification:
    """RoBERTa-base with weights spread as trained ones are, so that attention is not uniform, in `folder`."""
    import torch
    import transformers

    config = transformers.RobertaConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_hidden_layers=layers,
        layer_norm_eps=1e-5,
        num_labels=3,
    )
    torch.manual_seed(0)
    model = transformers.RobertaForSequenceClassification(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "embeddings" not in name:
                parameter.normal_(0.0, 1.2 / parameter.shape[1] ** 0.5)
    model.save_pretrained(folder)
    return model


def useful_flops(batches: list[list[list[int]]]) -> float:
    """Multiply-adds times two of the encoder's products, over real tokens only."""
    lengths = np.array([len(row) for batch in batches for row in batch], dtype=float)
    per_token = 2 * (4 * HIDDEN**2 + 2 * HIDDEN * FEED_FORWARD)
    return float(LAYERS * (per_token * lengths.sum() + 4 * HIDDEN * (lengths**2).sum()))
