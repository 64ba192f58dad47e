"""layer_norm: (x - mean) / sqrt(var + eps) * weight + bias over each row, against float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples.kernels import (
    THREADS,
    U,
    assert_canaries,
    each_fast_isa,
    each_isa,
    each_place,
    guarded,
    guarded_outputs,
    lanes,
    normal,
    same_bits,
)

from roberta_c.kernels import Norm

EPS = 1e-5


def layer_norm_and_bound(x: np.ndarray, norm: Norm, vector: int) -> tuple[np.ndarray, np.ndarray]:
    """The float64 result, and a bound of the float32 result's error, to first order, derived as follows.

    A sum of H values in `vector` lanes passes each through n = H / vector + vector additions at most, so with
    the division the mean is off by d = (n + 1) u mean|x|. A centred value is off by d + u |x - mean|. The
    squares add up to a variance that is off by (n + 4) u relatively (two for the centred factor, one each
    for product and division) and by d^2; the reciprocal root halves that and adds 3 u. The product with the
    weight and the addition of the bias round once each.
    """
    x64, weight, bias = x.astype(np.float64), norm.weight.astype(np.float64), norm.bias.astype(np.float64)
    n = x.shape[1] / vector + vector
    mean = x64.mean(axis=1, keepdims=True)
    centred = x64 - mean
    variance = (centred**2).mean(axis=1, keepdims=True) + np.float64(np.float32(norm.eps))
    unit = centred / np.sqrt(variance)
    d = (n + 1) * U * np.abs(x64).mean(axis=1, keepdims=True)
    relative = ((n + 4) * U + d**2 / variance) / 2 + 3 * U
    unit_error = d / np.sqrt(variance) + np.abs(unit) * (relative + 3 * U)
    bound = np.abs(weight) * unit_error + 2 * U * (np.abs(weight * unit) + np.abs(bias))
    return unit * weight + bias, bound * 1.01 + 1e-37


def random_norm(rng: np.random.Generator, hidden: int) -> Norm:
    return Norm(1 + normal(rng, hidden, scale=0.2), normal(rng, hidden, scale=0.2), EPS)


@each_isa
@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (0, 1e-4), (3, 1), (1e4, 1), (-1e6, 10), (0, 1e15)])
def test_error_is_within_its_bound(kernels, offset, scale):
    """Every row length up to 130, some of real models, and rows whose mean is large beside their spread."""
    rng = np.random.default_rng(1)
    for hidden in (*range(1, 131), 384, 768, 1024):
        x, norm = (offset + normal(rng, 3, hidden, scale=scale)).astype(np.float32), random_norm(rng, hidden)
        expected, bound = layer_norm_and_bound(x, norm, lanes(kernels))
        error = np.abs(kernels.layer_norm(x, norm) - expected)
        assert (error <= bound).all(), f"H {hidden}: {(error / bound).max():.2f} of the bound"


@each_fast_isa
def test_mean_squared_error_is_near_torchs(kernels):
    """The bound above is of the worst case. Measured over ten seeds, the mean squared error is 0.9 to 1.1
    times torch's with 16 lanes, up to 1.3 times with 8, and up to 2.4 times with 4, whose sums are the
    longest."""
    rng = np.random.default_rng(2)
    x, norm = normal(rng, 400, 768) + np.float32(0.5), random_norm(rng, 768)
    expected, _ = layer_norm_and_bound(x, norm, lanes(kernels))
    weight, bias = torch.from_numpy(norm.weight), torch.from_numpy(norm.bias)
    theirs = torch.nn.functional.layer_norm(torch.from_numpy(x), (768,), weight, bias, EPS).numpy()
    ours = kernels.layer_norm(x, norm)
    allowed = {16: 1.3, 8: 1.6, 4: 3.0}[lanes(kernels)]
    assert np.square(ours - expected).mean() <= allowed * np.square(theirs - expected).mean()


@each_fast_isa
def test_constant_rows_give_the_bias(kernels):
    """Sums of powers of two are exact, so x - mean is 0."""
    rng = np.random.default_rng(3)
    for hidden in range(1, 131):
        norm = random_norm(rng, hidden)
        x = np.repeat(np.array([[0], [1], [-0.125], [2.0**20]], np.float32), hidden, axis=1)
        np.testing.assert_array_equal(kernels.layer_norm(x, norm), np.repeat(norm.bias[None], 4, axis=0))


@each_isa
def test_nan_and_infinity_stay_in_their_row(kernels):
    rng = np.random.default_rng(4)
    for hidden in (2, lanes(kernels) + 1, 40):
        x, norm = normal(rng, 5, hidden), random_norm(rng, hidden)
        clean = kernels.layer_norm(x, norm)
        x[1, -1], x[3, 0] = np.nan, np.inf
        y = kernels.layer_norm(x, norm)
        assert np.isnan(y[1]).all()
        assert np.isnan(y[3]).any()
        assert same_bits(y[::2].copy(), clean[::2].copy())


@each_isa
def test_eps_is_used(kernels):
    x = np.array([[1e-3, -1e-3]], np.float32)
    for eps in (0.0, 1e-12, 1e-5, 1.0):
        y = kernels.layer_norm(x, Norm(np.ones(2, np.float32), np.zeros(2, np.float32), eps))
        np.testing.assert_allclose(y, x / np.sqrt(1e-6 + eps), rtol=1e-6)


@each_fast_isa
def test_a_row_has_the_same_bits_among_any_others(kernels):
    rng = np.random.default_rng(5)
    for case in range(150):
        hidden, rows = int(rng.integers(1, 100)), int(rng.integers(1, 20))
        x, norm = normal(rng, rows, hidden), random_norm(rng, hidden)
        alone = np.concatenate([kernels.layer_norm(x[i : i + 1], norm) for i in range(rows)])
        order = rng.permutation(rows)
        threads = THREADS[case % len(THREADS)]
        assert same_bits(kernels.layer_norm(x[order], norm, num_threads=threads), alone[order])


@each_isa
def test_no_rows_give_no_rows(kernels):
    norm = random_norm(np.random.default_rng(6), 5)
    assert kernels.layer_norm(np.empty((0, 5), np.float32), norm).shape == (0, 5)


@each_isa
@each_place
def test_touches_nothing_around_its_arrays(kernels, first_byte, monkeypatch):
    rng = np.random.default_rng(7)
    for hidden in {1, 2, *range(lanes(kernels) - 1, 2 * lanes(kernels) + 2), 77} - {0}:
        x, norm = normal(rng, 4, hidden), random_norm(rng, hidden)
        arrays = [guarded(a, first_byte) for a in (x, norm.weight, norm.bias)]
        given_norm = Norm(arrays[1], arrays[2], EPS)
        with guarded_outputs(monkeypatch, first_byte):
            y = kernels.layer_norm(arrays[0], given_norm, num_threads=2)
        assert same_bits(y, kernels.layer_norm(x, norm))
        for array in arrays:
            assert_canaries(array)
