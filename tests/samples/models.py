"""Random checkpoints made by transformers itself, saved the way their users save them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers

FAMILIES = {"roberta": "Roberta", "xlm-roberta": "XLMRoberta"}
CONFIGS = {"roberta": transformers.RobertaConfig, "xlm-roberta": transformers.XLMRobertaConfig}


def spread_weights(model: torch.nn.Module, seed: int) -> None:
    """Replaces the weights by random ones as widely distributed as trained weights. With transformers'
    initial standard deviation of 0.02 attention is uniform and logits are nearly constant, so that wrong
    code would pass."""
    generator = torch.Generator().manual_seed(seed)

    def normal(parameter: torch.Tensor, mean: float, deviation: float) -> None:
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation + mean)

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "LayerNorm.weight" in name:
                normal(parameter, 1.0, 0.2)
            elif parameter.dim() == 1:
                normal(parameter, 0.0, 0.3)
            elif "embeddings" in name:
                normal(parameter, 0.0, 1.0)
            else:
                normal(parameter, 0.0, 1.5 / parameter.shape[1] ** 0.5)


@dataclass
class RandomModel:
    folder: Path
    model: torch.nn.Module
    config: transformers.PretrainedConfig


def make_random_model(
    folder: Path, family: str = "roberta", seed: int = 0, head: str = "ForSequenceClassification", **sizes
) -> RandomModel:
    """A random model with a head (or head "Model") in `folder` as pytorch_model.bin and config.json."""
    sizes = {
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "num_labels": 2 if head == "ForQuestionAnswering" else 3,
        **sizes,
    }
    config = CONFIGS[family](**sizes)
    model = getattr(transformers, FAMILIES[family] + head)(config).eval()
    spread_weights(model, seed)
    folder.mkdir(parents=True, exist_ok=True)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return RandomModel(folder, model, config)


def make_model_of_shape(
    folder: Path, shape: tuple, family: str = "roberta", head: str = "ForSequenceClassification", **sizes
) -> RandomModel:
    """`make_random_model` of `shape`: (hidden, heads, layers, feed-forward, positions, …)."""
    hidden, heads, layers, feed_forward, positions = shape[:5]
    return make_random_model(
        folder,
        family,
        head=head,
        hidden_size=hidden,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        intermediate_size=feed_forward,
        max_position_embeddings=positions,
        vocab_size=997,
        **sizes,
    )


def padded_batch(rng: np.random.Generator, lengths: list[int], vocab_size: int, side: str = "right"):
    """Random ids of these lengths, padded on `side` ("right", "left" or "inside"), and their attention
    mask."""
    width = max(lengths)
    ids, mask = np.full((len(lengths), width), 1), np.zeros((len(lengths), width), dtype=np.int64)
    for row, length in enumerate(lengths):
        places = np.arange(length)
        if side == "left":
            places += width - length
        elif side == "inside" and length > 1:
            places = np.sort(
                np.concatenate(([0], rng.choice(np.arange(1, width), length - 1, replace=False)))
            )
        ids[row, places] = rng.integers(3, vocab_size, length)
        ids[row, places[0]] = 0
        mask[row, places] = 1
    return ids, mask
