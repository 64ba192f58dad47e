"""Vectors of the windows of a long text → those of the text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..pipelines.long_texts import combined_scores
from ..pipelines.windows import Window
from .bge_m3_outputs import LexicalWeights
from .similarity import normalized


def mean_vector(windows: Sequence[Window], vectors: Sequence[np.ndarray], normalizes: bool) -> np.ndarray:
    """Σ w_i v_i / Σ w_i over the windows' vectors v_i, float32 (D), where w_i is how many of the text's
    tokens are the window's own; of one window, its vector.

    normalizes: whether the mean is divided by its length, as vectors of the model are.
    """
    if len(windows) == 1:
        return vectors[0]
    mean_d = combined_scores(windows, vectors, None).astype(np.float32)
    return normalized(mean_d) if normalizes else mean_d


def largest_weights(weights: Sequence[LexicalWeights]) -> LexicalWeights:
    """The largest weight of each token in any window, in the order of the text."""
    largest: LexicalWeights = {}
    for of_window in weights:
        for token, weight in of_window.items():
            largest[token] = max(weight, largest.get(token, 0.0))
    return largest


def merged_token_vectors(windows: Sequence[Window], vectors: Sequence[np.ndarray]) -> np.ndarray:
    """The vectors (t - 1, D) of a text's t tokens but its first, each from the window whose own the token is.

    vectors: those of each window's tokens but its first.
    """
    kept = (range(max(window.own.start - 1, 0), window.own.stop - 1) for window in windows)
    return np.concatenate([of_w[rows.start : rows.stop] for of_w, rows in zip(vectors, kept, strict=True)])
