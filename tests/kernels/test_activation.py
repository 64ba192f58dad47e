"""activate and exponentiate: GELU, gelu_new, tanh, ReLU and the softmax's exp against float64, on a dense
grid and (slow) on all float32 values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from samples.kernels import (
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

from roberta_c.kernels import Kernels, available_isas

ACTIVATIONS = ("none", "gelu", "gelu_new", "relu", "tanh")
LEAST_NORMAL, GREATEST = 2.0**-126, float(np.finfo(np.float32).max)
EXP_RANGE = (-87.33654, 88.72283)  # csrc/activation.inc clamps exp outside it

# (ULP with FMA, ULP of generic): the largest errors over all float32 values, rounded up. generic has no FMA
# and rounds every product, so it may be worse. Where the exact value is below the least normal number, an
# error of up to that number is allowed.
BOUNDS = {"exp": (0.9, 1.2), "tanh": (1.4, 1.4), "gelu": (3.4, 3.6), "gelu_new": (3.3, 3.5)}

# Where a formula changes or a result leaves the range of float32; their neighbours are in the grid.
SEAMS = (0.625, 10.121, 10.15, 13.146, 13.185, 13.21, 87.33654, 88.72283)


def float32_grid() -> np.ndarray:
    """Two million finite float32 values: every 2633rd bit pattern, the seams, and evenly spaced from -14
    to 14."""
    by_bits = np.arange(0, 2**32, 2633, dtype=np.uint64).astype(np.uint32)
    seams = np.array([*SEAMS, *(-x for x in SEAMS)], np.float32).view(np.uint32)
    around = (seams[:, None] + np.arange(-2000, 2000)).astype(np.uint32).ravel()
    values = np.concatenate([by_bits, around]).view(np.float32)
    return np.unique(
        np.concatenate([values[np.isfinite(values)], np.linspace(-14, 14, 400_001, dtype=np.float32)])
    )


GRID = float32_grid()


def exact(function: str, x: np.ndarray) -> np.ndarray:
    """The function in float64, by a formula that keeps its relative accuracy in both tails."""
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


def worst_error(kernels: Kernels, function: str, x: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """The largest error in ULP, and its x. Infinite if a value below the least normal number is off by
    more than that number."""
    y = computed(kernels, function, x).astype(np.float64)
    error = np.abs(y - expected)
    normal = np.abs(expected) >= LEAST_NORMAL
    ulps = np.where(normal, error / ulp(expected), np.where(error <= LEAST_NORMAL, 0, np.inf))
    worst = ulps.argmax()  # NaN is the largest of all
    return float(ulps[worst]), float(x[worst])


def in_range(function: str, x: np.ndarray) -> np.ndarray:
    """The values of x for which the error is bounded: finite ones, and for exp those that are not clamped."""
    low, high = EXP_RANGE if function == "exp" else (-GREATEST, GREATEST)
    return x[(x >= low) & (x <= high)]


@each_fast_isa
@pytest.mark.parametrize("function", BOUNDS)
def test_error_on_a_dense_grid(kernels, function):
    x = in_range(function, GRID)
    worst, at = worst_error(kernels, function, x, exact(function, x))
    assert worst <= BOUNDS[function][kernels.isa == "generic"], f"{worst} ULP at {at!r}"


@pytest.mark.slow
@pytest.mark.parametrize("function", BOUNDS)
def test_error_over_all_of_float32(function):
    """All 2^32 values on every available instruction set; takes a quarter of an hour for each function."""
    worst = dict.fromkeys(available_isas(), (0.0, 0.0))
    for first in range(0, 2**32, 2**24):
        with np.errstate(invalid="ignore"):
            x = in_range(
                function, np.arange(first, first + 2**24, dtype=np.int64).astype(np.uint32).view(np.float32)
            )
        if not len(x):
            continue
        expected = exact(function, x)
        for isa in worst:
            worst[isa] = max(worst[isa], worst_error(Kernels(isa), function, x, expected))
    for isa, (ulps, at) in worst.items():
        print(f"{function} {isa}: {ulps:.3f} ULP at {at!r}")
    for isa, (ulps, at) in worst.items():
        assert ulps <= BOUNDS[function][isa == "generic"], f"{isa}: {ulps} ULP at {at!r}"


@pytest.mark.parametrize("function", BOUNDS)
def test_reference_is_float64_rounded_once(function):
    x = GRID[::7]
    x = x[(np.abs(x) < 80)]
    expected = exact(function, x)
    # 0.51 and not 0.5, since two float64 formulas differ by some float64 ULP.
    tolerance = 0.51 * ulp(expected) + 1e-13 * np.abs(expected)
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
def test_zeros_denormals_and_large_values(kernels):
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
            assert (kernels.activate(-large, activation) >= -LEAST_NORMAL).all()


@each_fast_isa
def test_activations_of_minus_infinity_are_their_limits(kernels):
    """Computed as 0 * -inf they would be NaN, which torch returns."""
    for activation in ("gelu", "gelu_new", "relu"):
        y = kernels.activate(np.array([-np.inf], np.float32), activation)[0]
        assert y == 0


@each_fast_isa
def test_exp_is_clamped_to_normal_finite_numbers(kernels):
    x = np.array([-np.inf, -GREATEST, -1e4, -104, -88, -87.34], np.float32)
    y = kernels.exponentiate(x)
    assert (y == y[0]).all()
    assert LEAST_NORMAL <= y[0] <= 1.0001 * LEAST_NORMAL
    y = kernels.exponentiate(np.array([88.8, 1e4, GREATEST, np.inf], np.float32))
    assert (y == y[0]).all()
    assert 0.9999 * GREATEST <= y[0] <= GREATEST
    x = np.array([0.0, -0.0, 2.0**-149, -(2.0**-149), 2.0**-30], np.float32)
    np.testing.assert_array_equal(kernels.exponentiate(x), 1)


@each_fast_isa
def test_exp2_short_is_as_exact_as_said(kernels):
    """Below -126 it is clamped to the least normal number; at 0, the largest score, it is exactly 1."""
    x = np.concatenate([GRID[(GRID <= 0) & (GRID >= -126)], np.linspace(-126, 0, 400_001, dtype=np.float32)])
    y = kernels.exp2_short(x).astype(np.float64)
    assert np.max(np.abs(y / np.exp2(x.astype(np.float64)) - 1)) < 3e-6
    assert (kernels.exp2_short(np.array([-np.inf, -1e30, -126.5], np.float32)) == LEAST_NORMAL).all()
    assert (kernels.exp2_short(np.array([0.0, -0.0], np.float32)) == 1).all()
    assert np.isnan(kernels.exp2_short(np.array([np.nan], np.float32))).all()


@each_isa
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_value_has_the_same_bits_wherever_it_stands(kernels, activation):
    """Alone, in a full vector or in the tail behind it, with any number of threads, in an array of any
    shape."""
    x = normal(np.random.default_rng(2), 61, scale=3)
    full = kernels.activate(x, activation)
    alone = np.concatenate([kernels.activate(x[i : i + 1], activation) for i in range(len(x))])
    assert same_bits(full, alone)
    for threads in THREADS:
        assert same_bits(kernels.activate(x, activation, num_threads=threads), full)
    assert same_bits(kernels.activate(x[:60].reshape(3, 4, 5), activation).reshape(-1), full[:60])
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
