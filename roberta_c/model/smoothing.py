"""By how much int8 smooths the dimensions that outgrow the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..kernels import Norm

# A dimension of int8 rows that is so many times the typical one is smoothed; benchmarks/accuracy.py has what
# that does to a model of base size.
OUTLIER = 2.0


def smoothing(norm: Norm, weights: Sequence[np.ndarray]) -> np.ndarray | None:
    """What int8 rows that a LayerNorm makes are multiplied by before these weights (n, H) read them, and the
    weights divided by: float32 (H), or None for nothing.

    Trained checkpoints have a few dimensions tens of times larger than the rest (Kovaleva et al. 2021), by
    which the others would be rounded to nothing. The weights that read them take over a part, so that both
    exceed the rest by as much (SmoothQuant, Xiao et al. 2022). How large a dimension gets is known without
    any text: what a LayerNorm gives goes by its weight and its bias. Powers of two, by which multiplying is
    exact.
    """
    size = np.hypot(norm.weight.astype(np.float64), norm.bias)
    typical = np.median(size)
    outliers, others = np.flatnonzero(size > OUTLIER * typical), np.flatnonzero(size <= OUTLIER * typical)
    if not (len(outliers) and len(others) and np.isfinite(size).all() and typical > 0):
        return None

    def largest(columns: np.ndarray) -> np.ndarray:
        return np.max([np.abs(weight[:, columns]).max(axis=0) for weight in weights], axis=0)

    with np.errstate(divide="ignore", invalid="ignore"):
        beside_weights = largest(outliers) / np.median(largest(others[:: -(-len(others) // 64)]))
        ratio = size[outliers] / typical / beside_weights
    if np.isnan(ratio).any():
        return None
    smooth = np.ones(len(size), np.float32)
    smooth[outliers] = np.exp2(-np.round(0.5 * np.log2(np.clip(ratio, 1, 2.0**40))))
    return smooth
