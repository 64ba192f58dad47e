"""GELU, gelu_new, tanh, ReLU and the softmax's exp, over all of float32 by strides, against float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from kernel_samples import (
    THREADS,
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

from roberta_c._kernels import Kernels

ACTIVATIONS = ("none", "gelu", "gelu_new", "relu", "tanh")
LEAST_NORMAL, GREATEST = 2.0**-126, float(np.finfo(np.float32).max)
EXP_RANGE = (-87.33654, 88.72283)  # where csrc/activation.inc does not hold exp at an end of the format

# (from, to, ULP with FMA, ULP of generic, absolute with FMA, absolute of generic): an error may reach the
# larger of ULP and absolute. All were measured on this grid at five times the density and rounded up; generic
# rounds every product, so it may be worse. Left of -1, GELU's value is the small difference that erf's tail
# leaves, next to which a model adds terms of order 1: there the absolute error counts.
BOUNDS = {
    "exp": [(*EXP_RANGE, 0.9, 1.2, 0, 0)],
    "tanh": [(-np.inf, np.inf, 1.4, 1.4, 0, 0)],
    "gelu": [
        (-np.inf, -6.5, 0, 0, 2.7e-10, 2.7e-10),
        (-6.5, -1.0, 0, 0, 2.1e-8, 3.0e-8),
        (-1.0, 0.0, 1.8, 2.0, 0, 0),
        (0.0, np.inf, 1.25, 1.5, 0, 0),
    ],
    "gelu_new": [
        (-np.inf, -10.0, 0, 0, 5e-38, 5e-38),
        (-10.0, -1.0, 0, 0, 4.6e-8, 4.6e-8),
        (-1.0, 0.0, 2.8, 2.8, 0, 0),
        (0.0, np.inf, 1.7, 1.9, 0, 0),
    ],
}


def float32_grid() -> np.ndarray:
    """All finite float32 values by a prime stride through their bits, and [-10, 10] by even steps."""
    by_bits = np.arange(0, 2**32, 4999, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return np.unique(
        np.concatenate([by_bits[np.isfinite(by_bits)], np.linspace(-10, 10, 400_001, dtype=np.float32)])
    )


GRID = float32_grid()


def exact(function: str, x: np.ndarray) -> np.ndarray:
    """In float64; each form keeps its relative accuracy in both tails."""
    x64 = torch.from_numpy(x.astype(np.float64))
    if function == "exp":
        return torch.exp(x64).numpy()
    if function == "tanh":
        return torch.tanh(x64).numpy()
    if function == "gelu":
        return (0.5 * x64 * torch.special.erfc(-x64 * math.sqrt(0.5))).numpy()
    u = math.sqrt(2 / math.pi) * (x64 + 0.044715 * x64**3)
    return (x64 * torch.special.expit(2 * u)).numpy()


def computed(kernels: Kernels, function: str, x: np.ndarray) -> np.ndarray:
    return kernels.exponentiate(x) if function == "exp" else kernels.activate(x, function)


def ulp(values: np.ndarray) -> np.ndarray:
    """The spacing of float32 at these values."""
    return 2.0 ** (np.floor(np.log2(np.maximum(np.abs(values), LEAST_NORMAL))) - 23)


def test_the_float64_oracle_agrees_with_libm():
    x = np.array([-12.5, -3.3, -0.7, -1e-9, 0.4, 2.9, 11.0], np.float32)
    libm = [0.5 * v * math.erfc(-v * math.sqrt(0.5)) for v in x.astype(float)]
    np.testing.assert_allclose(exact("gelu", x), libm, rtol=1e-14)


@each_fast_isa
@pytest.mark.parametrize("function", BOUNDS)
def test_error_over_all_of_float32(kernels, function):
    generic = kernels.isa == "generic"
    for low, high, *ulps_and_absolutes in BOUNDS[function]:
        ulps, absolute = ulps_and_absolutes[generic], ulps_and_absolutes[2 + generic]
        x = GRID[(low <= GRID) & (high >= GRID)]
        y = computed(kernels, function, x).astype(np.float64)
        expected = exact(function, x)
        error = np.abs(y - expected)
        excess = error - np.maximum(ulps * ulp(expected), absolute)
        worst = excess.argmax()
        assert excess[worst] <= 0, f"{function}({x[worst]!r}) = {y[worst]!r}, expected {expected[worst]!r}"


@pytest.mark.parametrize("function", BOUNDS)
def test_reference_is_float64_rounded_once(function):
    x = GRID[::7]
    x = x[(np.abs(x) < 80)]
    expected = exact(function, x)
    # Two float64 formulas differ by some float64 ULP, and 1 + tanh loses digits in the tail: hence not 0.5.
    tolerance = 0.51 * ulp(expected) + 1e-13 * np.abs(expected) + (1e-15 if function == "gelu_new" else 0)
    assert (np.abs(computed(Kernels("reference"), function, x) - expected) <= tolerance).all()


@each_isa
def test_relu_and_none_are_exact(kernels):
    assert same_bits(kernels.activate(GRID, "none"), GRID)
    np.testing.assert_array_equal(kernels.activate(GRID, "relu"), np.maximum(GRID, 0))


@each_isa
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_propagates_from_every_lane(kernels, activation):
    for length in range(1, 2 * lanes(kernels) + 2):
        for place in range(length):
            x = np.ones(length, np.float32)
            x[place] = np.nan
            nan = np.isnan(kernels.activate(x, activation))
            assert nan[place]
            assert nan.sum() == 1
            if activation == "none":
                nan = np.isnan(kernels.exponentiate(x))
                assert nan[place]
                assert nan.sum() == 1


@each_isa
def test_special_values(kernels):
    denormals = np.array([2.0**-149, -(2.0**-149), 2.0**-127, -(2.0**-127)], np.float32)
    for activation in ACTIVATIONS:
        assert (kernels.activate(np.array([0.0, -0.0], np.float32), activation) == 0).all()
        large = np.array([20, 1e4, 1e19, 1e30, GREATEST], np.float32)
        if activation == "tanh":
            np.testing.assert_array_equal(kernels.activate(large, "tanh"), 1)
            np.testing.assert_array_equal(kernels.activate(-large, "tanh"), -1)
            np.testing.assert_array_equal(kernels.activate(denormals, "tanh"), denormals)
            ends = kernels.activate(np.array([np.inf, -np.inf], np.float32), "tanh")
            np.testing.assert_array_equal(ends, [1, -1])
            continue
        np.testing.assert_array_equal(kernels.activate(large, activation), large)
        assert kernels.activate(np.array([np.inf], np.float32), activation)[0] == np.inf
        if activation.startswith("gelu"):
            halves = kernels.activate(denormals, activation)
            assert (np.abs(halves - denormals.astype(np.float64) / 2) <= 2.0**-150).all()
            assert (kernels.activate(-large, activation) <= 0).all()
            assert (kernels.activate(-large, activation) >= -2.7e-10).all()


@each_fast_isa
def test_at_minus_infinity_activations_keep_their_limits(kernels):
    """0 * -inf would be NaN, as torch has it; the fast bodies give the limit."""
    for activation in ("gelu", "gelu_new", "relu"):
        y = kernels.activate(np.array([-np.inf], np.float32), activation)[0]
        assert -2.7e-10 <= y <= 0


@each_fast_isa
def test_exp_is_held_at_the_ends_of_the_format(kernels):
    x = np.array([-np.inf, -GREATEST, -1e4, -104, -88, -87.34], np.float32)
    y = kernels.exponentiate(x)
    assert (y == y[0]).all()
    assert LEAST_NORMAL <= y[0] <= 1.0001 * LEAST_NORMAL
    y = kernels.exponentiate(np.array([88.8, 1e4, GREATEST, np.inf], np.float32))
    assert (y == y[0]).all()
    assert 0.9999 * GREATEST <= y[0] <= GREATEST
    x = np.array([0.0, -0.0, 2.0**-149, -(2.0**-149), 2.0**-30], np.float32)
    np.testing.assert_array_equal(kernels.exponentiate(x), 1)


@each_isa
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values_are_the_same_bits_in_any_company(kernels, activation):
    """In a vector or in the tail, on any number of threads, in any shape."""
    x = normal(np.random.default_rng(2), 61, scale=3)
    whole = kernels.activate(x, activation)
    alone = np.concatenate([kernels.activate(x[i : i + 1], activation) for i in range(len(x))])
    assert same_bits(whole, alone)
    for threads in THREADS:
        assert same_bits(kernels.activate(x, activation, num_threads=threads), whole)
    assert same_bits(kernels.activate(x[:60].reshape(3, 4, 5), activation).reshape(-1), whole[:60])
    assert kernels.activate(x[:0], activation).shape == (0,)
    assert kernels.activate(np.array(1.0, np.float32), activation).shape == ()


@each_isa
@each_place
def test_touches_nothing_around_its_arrays(kernels, first_byte, monkeypatch):
    rng = np.random.default_rng(3)
    for length in range(1, 2 * lanes(kernels) + 2):
        x = normal(rng, length)
        given = guarded(x, first_byte)
        for activation in ACTIVATIONS:
            with guarded_outputs(monkeypatch, first_byte):
                y = kernels.activate(given, activation, num_threads=2)
            assert same_bits(y, kernels.activate(x, activation))
        with guarded_outputs(monkeypatch, first_byte):
            y = kernels.exponentiate(given)
        assert same_bits(y, kernels.exponentiate(x))
        assert_canaries(given)
