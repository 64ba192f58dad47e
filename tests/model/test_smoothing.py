"""smoothing.py: the factors by which int8 scales outlier columns of rows down and of weights up."""

from __future__ import annotations

import numpy as np
import pytest

from roberta_c.kernels import Norm
from roberta_c.model.smoothing import has_outliers, smoothing


def norm_of(weight, bias=None) -> Norm:
    weight = np.asarray(weight, np.float32)
    return Norm(weight, np.zeros_like(weight) if bias is None else np.asarray(bias, np.float32), 1e-5)


def test_smoothing_leaves_ordinary_dimensions_alone():
    rng = np.random.default_rng(0)
    sizes = rng.uniform(1, 4, 96).astype(np.float32)
    ordinary = norm_of(rng.uniform(0.6, 1.4, 96))
    assert smoothing(ordinary, sizes) is None
    assert not has_outliers(ordinary)
    weight = np.ones(96)
    weight[7] = 64
    assert has_outliers(norm_of(weight))
    smooth = smoothing(norm_of(weight), sizes)
    assert (np.delete(smooth, 7) == 1).all()


def test_smoothing_splits_an_outlier_between_rows_and_weights():
    """A column that is 64 times as large as the others, by LayerNorm's weight or bias, of either sign.
    With weights like the others' the factor is 1/8: then rows and weights are both 8 times as large as
    elsewhere. With weights that are 16 times smaller it is 4 times smaller. With weights that are 64 times
    larger or more it is 1."""
    ones = np.ones(96, np.float32)
    for value in (64.0, -64.0):
        large = np.ones(96)
        large[7] = value
        for norm in (norm_of(large), norm_of(np.ones(96), np.where(large == 1, 0, value))):
            for factor, expected in ((1, 1 / 8), (1 / 16, 1 / 32), (64, 1), (1000, 1)):
                sizes = ones.copy()
                sizes[7] *= factor
                smooth = smoothing(norm, sizes)
                assert smooth.dtype == np.float32
                assert smooth[7] == expected
    sizes[7] = 0
    assert smoothing(norm_of(large), sizes)[7] == 2.0**-20


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_not_smoothed(value):
    weight = np.ones(96)
    weight[[3, 4]] = 50
    for norm in (norm_of(np.where(np.arange(96) == 5, value, weight)), norm_of(np.zeros(96))):
        assert smoothing(norm, np.ones(96, np.float32)) is None
    wrong = np.ones(96, np.float32)
    wrong[3] = value
    smooth = smoothing(norm_of(weight), wrong)
    if np.isnan(value):
        assert smooth is None
    else:  # infinite weights must not become larger
        assert smooth[3] == 1
        assert smooth[4] < 1
    assert smoothing(norm_of(np.full(96, 7.0)), wrong) is None
