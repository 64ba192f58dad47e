"""Heads: what a task computes from the encoder's output, one class for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels import Norm, PackedLinear
from .arrays import first_tokens
from .leaves import Dropout, LayerNorm, Linear
from .module import Module

if TYPE_CHECKING:
    from ..config import RobertaConfig


class ClassificationHead(Module):
    """out_proj(tanh(dense(first token))), without the pooler: (S, width, H) → logits (S, C)."""

    kind = "ClassificationHead"

    def __init__(
        self,
        family: str,
        config: RobertaConfig,
        dense: PackedLinear,
        out_proj: PackedLinear,
        num_threads: int,
    ) -> None:
        super().__init__(family)
        self.dense = Linear(dense, num_threads)
        dropout = config.classifier_dropout
        self.dropout = Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        self.out_proj = Linear(out_proj, num_threads)

    def classify(self, first_sh: np.ndarray) -> np.ndarray:
        """From the first tokens alone, (S, H) → (S, C)."""
        return self.out_proj.of_rows(self.dense.of_rows(first_sh, activation="tanh"))

    def __call__(self, hidden_states: Any) -> np.ndarray:
        return self.classify(first_tokens(hidden_states))


class LMHead(Module):
    """decoder(layer_norm(gelu(dense(x)))): (…, H) → logits (…, V). gelu is the exact one for every config."""

    kind = "LMHead"

    def __init__(
        self, family: str, dense: PackedLinear, norm: Norm, decoder: PackedLinear, num_threads: int
    ) -> None:
        super().__init__(family)
        self.dense = Linear(dense, num_threads)
        self.layer_norm = LayerNorm(norm, dense.kernels, num_threads)
        self.decoder = Linear(decoder, num_threads)

    def __call__(self, hidden_states: Any) -> np.ndarray:
        return self.decoder(self.layer_norm(self.dense(hidden_states, activation="gelu")))

    @property
    def bias(self) -> np.ndarray:
        """The decoder's bias (V) as in the model's file: read-only, of the file's dtype, bfloat16 as float32.

        Raises ModelFileError if the file has been changed.
        """
        return self._parameter("bias")
