"""Heads: what a task computes from the encoder's output, one class for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels import PackedLinear
from .arrays import first_tokens
from .leaves import Dropout, Linear
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
        return self.out_proj(self.dense(first_sh, activation="tanh"))

    def __call__(self, hidden_states: Any) -> np.ndarray:
        return self.classify(first_tokens(hidden_states))
