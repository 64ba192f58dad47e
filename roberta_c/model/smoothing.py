"""Smoothing factors for int8 (SmoothQuant, Xiao et al. 2022), computed from the weights alone."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..kernels import Norm

# A column of activations is an outlier, and is smoothed, if its size exceeds OUTLIER times the median;
# benchmarks/accuracy.py measures the effect on a model of base size.
OUTLIER = 2.0


def has_outliers(norm: Norm) -> bool:
    """Whether `smoothing` has columns to smooth, so that it needs the weights."""
    return _columns(norm) is not None


def smoothing(norm: Norm, column_sizes: np.ndarray) -> np.ndarray | None:
    """Smoothing factors s of a linear layer whose input rows a LayerNorm makes: float32 (H), or None for no
    outliers.

    Before quantization, activation column k is multiplied by s[k] and weight column k divided by s[k].
    column_sizes: float32 (H), the largest absolute value of each column of all matrices (n, H) that read the
    rows (`Kernels.column_sizes`).

    Trained checkpoints have a few activation columns that are tens of times larger than the others (Kovaleva
    et al. 2021); with one scale a row, the others would be quantized to nearly 0. Smoothing moves a part of
    the outlier to the weights: s[k] = 1 / sqrt(a / w), where a and w are the sizes of activation column k and
    of weight column k relative to the typical column. The size of an activation column is estimated as
    hypot(weight[k], bias[k]) of the LayerNorm, so no calibration data are needed. Factors are powers of two,
    since multiplying by these is exact.
    """
    columns = _columns(norm)
    if columns is None:
        return None
    size, outliers, others = columns
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = others[:: math.ceil(len(others) / 64)]  # at most 64 columns: a median needs no more
        weight_ratio = column_sizes[outliers] / np.median(column_sizes[sample])
        ratio = size[outliers] / weight_ratio
    if np.isnan(ratio).any():
        return None
    smooth = np.ones(len(size), np.float32)
    smooth[outliers] = np.exp2(-np.round(0.5 * np.log2(np.clip(ratio, 1, 2.0**40))))
    return smooth


def _columns(norm: Norm) -> tuple[np.ndarray, npt.NDArray[np.intp], npt.NDArray[np.intp]] | None:
    """The sizes of the activation columns relative to the typical one, which are outliers, and which are not.

    None if there are no outliers, or nothing to compare them with.
    """
    size = np.hypot(norm.weight.astype(np.float64), norm.bias)
    typical = np.median(size)
    outliers, others = np.flatnonzero(size > OUTLIER * typical), np.flatnonzero(size <= OUTLIER * typical)
    if not (len(outliers) and len(others) and np.isfinite(size).all() and typical > 0):
        return None
    return size / typical, outliers, others
