"""RoBERTa-base with random weights, saved as a checkpoint, and the number of operations that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import transformers

HIDDEN, FEED_FORWARD, HEADS, LAYERS = 768, 3072, 12, 12
VOCABULARY = 50265

# Weights and biases of the encoder's linear layers: even the shortest text reads all of them once.
ENCODER_WEIGHTS = LAYERS * (4 * HIDDEN * (HIDDEN + 1) + 2 * HIDDEN * FEED_FORWARD + HIDDEN + FEED_FORWARD)

# The largest allowed difference between two engines' logits, which are of order 1 here. Different orders of
# float32 sums change them by about 2e-6 over twelve layers; bfloat16 anywhere, a wrong mask or a wrong
# position, by 1e-3 and more. Computing in bfloat16 changes them by about 1e-2, and int8 by about 1e-1, so in
# these types the bound finds gross errors only.
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.2, "int8": 0.5}

# For save_outlier_base_model. STEADY: dimension → value. LOUD: dimension → gain relative to other
# dimensions'.
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
    spread_weights(model)
    return model


def spread_weights(model: transformers.PreTrainedModel) -> None:
    """Draws the matrices of a model's layers again, large enough that attention is not uniform."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "embeddings" not in name:
                parameter.normal_(0.0, 1.2 / parameter.shape[1] ** 0.5)


def save_random_base_model(
    folder: Path, layers: int = LAYERS
) -> transformers.RobertaForSequenceClassification:
    """Saves RoBERTa-base with random weights, large enough that attention is not uniform, in `folder`."""
    model = random_base_model(layers)
    model.save_pretrained(folder)
    return model


def save_outlier_base_model(folder: Path) -> transformers.RobertaForSequenceClassification:
    """Saves the same model with a few dimensions of the hidden states far larger than all others.

    Trained models have such outlier dimensions. In RoBERTa-base they are dimensions 77 and 588, in nearly
    every layer and for most tokens (Puccetti et al. 2022, Outlier dimensions that disrupt transformers are
    driven by frequency). Gains and biases of the LayerNorms cause them (Kovaleva et al. 2021, BERT Busters;
    Wei et al. 2022, Outlier Suppression). They widen the range of a linear layer's input, which makes int8
    less accurate (Bondarenko et al. 2021). In larger models they are up to 20 times as large as the largest
    other dimensions (Dettmers et al. 2022, LLM.int8()).

    The values here follow these papers; they are not taken from a model. The LayerNorm biases set a STEADY
    dimension near one value for all tokens. A LOUD dimension has a larger gain after every layer and varies
    from token to token. All other dimensions have a root mean square of 1. Matrices have weights for a large
    dimension that are smaller by the same factor, so that it carries no more information than others, and
    attention is distributed as in the random model.
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
        """Sets a LayerNorm's gain and bias from its input in the model's first batch."""
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
    """Floating-point operations of the encoder's products (two per multiply-add), over real tokens only."""
    return flops_of_lengths([len(row) for batch in batches for row in batch])


def flops_of_lengths(tokens: Sequence[int], layers: int = LAYERS, first_row_only: bool = False) -> float:
    """The same for texts of so many tokens each, in `layers` layers of base size. With `first_row_only`, only
    each text's first row of the result is wanted: the last layer needs all keys and values, but one query."""
    lengths = np.array(tokens, dtype=float)

    def layer(queries: np.ndarray) -> float:
        key_value, rest = 4 * HIDDEN**2, 4 * HIDDEN**2 + 4 * HIDDEN * FEED_FORWARD
        return float(key_value * lengths.sum() + (queries * (rest + 4 * HIDDEN * lengths)).sum())

    return (layers - 1) * layer(lengths) + layer(np.ones_like(lengths) if first_row_only else lengths)
