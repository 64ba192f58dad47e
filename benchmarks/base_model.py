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

# Of save_outlier_base_model: dimension → its value; dimension → its gain, in other dimensions'.
STEADY = {77: -25.0, 588: 50.0}
LOUD = {217: 20.0, 453: 15.0}
OUTLIER_DIMENSIONS = [*STEADY, *LOUD]


def random_base_model(layers: int) -> transformers.RobertaForSequenceClassification:
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
    return model


def save_random_base_model(
    folder: Path, layers: int = LAYERS
) -> transformers.RobertaForSequenceClassification:
    """RoBERTa-base with weights spread as trained ones are, so that attention is not uniform, in `folder`."""
    model = random_base_model(layers)
    model.save_pretrained(folder)
    return model


def save_outlier_base_model(folder: Path) -> transformers.RobertaForSequenceClassification:
    """The same model, but a few dimensions of its hidden states are far larger than all others.

    As in trained ones. Of RoBERTa-base it is dimensions 77 and 588, in nearly every layer and for most tokens
    (Puccetti et al. 2022, Outlier dimensions that disrupt transformers are driven by frequency). They come
    from gains and biases of the LayerNorms (Kovaleva et al. 2021, BERT Busters; Wei et al. 2022, Outlier
    Suppression) and stretch the ranges of what linear layers read, which is what int8 suffers from
    (Bondarenko et al. 2021). In larger models they are up to 20 times what the others reach (Dettmers et al.
    2022, LLM.int8()).

    The numbers are chosen after these, not taken from a model: STEADY dimensions are near one value for all
    tokens behind every LayerNorm, by its bias; LOUD ones have a gain behind a layer that is so much larger
    than the others', and differ from token to token. All others have a root mean square of 1. Matrices read
    the large dimensions with weights as much smaller, so that these say no more than others do and attention
    is spread as in the random model.
    """
    import torch

    model = random_base_model(LAYERS)
    steady, loud = (torch.tensor(list(of)) for of in (STEADY, LOUD))
    ordinary = torch.ones(HIDDEN, dtype=torch.bool)
    ordinary[OUTLIER_DIMENSIONS] = False
    sizes = torch.ones(HIDDEN)
    sizes[steady] = torch.tensor(list(STEADY.values())).abs()
    sizes[loud] = torch.tensor(list(LOUD.values()))
    spread = torch.empty(HIDDEN).normal_(1.0, 0.1)

    def settle(norm: torch.nn.LayerNorm, inputs: tuple[torch.Tensor]) -> None:
        """Sets a LayerNorm by what comes to it in the model's first batch."""
        rows = torch.nn.functional.layer_norm(inputs[0], (HIDDEN,)).flatten(0, 1)
        gain = 1 / rows[:, ordinary].square().mean().sqrt()
        norm.weight.copy_(gain * spread)
        norm.bias.normal_(0.0, 0.1)
        norm.weight[loud] = gain * (sizes[loud] if norm in behind_layers else 1 / sizes[loud])
        norm.weight[steady] = gain
        norm.bias[steady] = torch.tensor(list(STEADY.values())) - gain * rows[:, steady].mean(0)

    norms = [module for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]
    behind_layers = {layer.output.LayerNorm for layer in model.roberta.encoder.layer}
    hooks = [norm.register_forward_pre_hook(settle) for norm in norms]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if (
                parameter.shape[1:] == (HIDDEN,)
                and "embeddings" not in name
                and "attention.output" not in name
            ):
                parameter /= sizes
        model(torch.randint(3, VOCABULARY - 1, (8, 64)))
    for hook in hooks:
        hook.remove()
    model.save_pretrained(folder)
    return model


def useful_flops(batches: list[list[list[int]]]) -> float:
    """Multiply-adds times two of the encoder's products, over real tokens only."""
    lengths = np.array([len(row) for batch in batches for row in batch], dtype=float)
    per_token = 2 * (4 * HIDDEN**2 + 2 * HIDDEN * FEED_FORWARD)
    return float(LAYERS * (per_token * lengths.sum() + 4 * HIDDEN * (lengths**2).sum()))
