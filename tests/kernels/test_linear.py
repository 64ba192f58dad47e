"""linear: y = activation(x W^T + b), or residual + x W^T + b: against exact sums, against float64, and
against the order of summation that csrc/tile.inc defines."""

from __future__ import annotations

import numpy as np
import pytest
from samples.kernels import (
    THREADS,
    U,
    assert_canaries,
    each_fast_isa,
    each_isa,
    each_place,
    guarded,
    guarded_outputs,
    normal,
    same_bits,
)
from samples.layers import ACTIVATIONS, KC, check_rows_are_independent, tile_edges

from roberta_c.errors import InputError
from roberta_c.kernels import Kernels

INNER = (1, 2, 7, KC - 1, KC, KC + 1, 2 * KC + 1)


@each_isa
@pytest.mark.parametrize("k", INNER)
def test_small_integers_are_exact_on_every_tile_edge(kernels, k):
    """Sums of small integers are exact in float32 in any order, so every bit must be right."""
    rng = np.random.default_rng(k)
    heights, widths = tile_edges(kernels)
    for n in widths:
        w, b = rng.integers(-4, 5, (n, k)), rng.integers(-99, 100, n)
        with_bias = kernels.pack_linear([w.astype(np.float32)], [b.astype(np.float32)])
        without = kernels.pack_linear([w.astype(np.float32)])
        for m in heights:
            x, residual = rng.integers(-4, 5, (m, k)), rng.integers(-99, 100, (m, n))
            x32, residual32, product = x.astype(np.float32), residual.astype(np.float32), x @ w.T
            np.testing.assert_array_equal(kernels.linear(x32, without), product)
            np.testing.assert_array_equal(
                kernels.linear(x32, with_bias, residual=residual32), product + b + residual
            )


@each_isa
def test_small_integers_are_exact_for_every_remainder(kernels):
    """All widths to two register tiles and one column, with all inner sizes to 65: whatever an inner loop or
    a panel leaves over."""
    rng = np.random.default_rng(0)
    mr, nr = kernels.tile
    for k in range(1, 66):
        x = rng.integers(-4, 5, (mr + 1, k)).astype(np.float32)
        w = rng.integers(-4, 5, (2 * nr + 1, k)).astype(np.float32)
        product = x @ w.T
        for n in range(1, 2 * nr + 2):
            found = kernels.linear(x, kernels.pack_linear([w[:n]]))
            np.testing.assert_array_equal(found, product[:, :n], f"n={n} k={k}")


@each_fast_isa
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(1, 1, 1), (13, 33, 191), (5, 31, 193), (7, 17, 1009), (25, 768, 768), (3, 3072, 768), (11, 768, 3072)],
)
def test_error_is_within_the_bound_of_its_sums(kernels, m, n, k):
    """|error| <= (min(K, KC) + ceil(K / KC) + 3) u sum |a||b|, to first order, as Higham (Accuracy and
    Stability of Numerical Algorithms, section 3.1) derives it: each term passes through at most KC
    multiply-adds of its chain and one addition for every chain; 3 for bias, residual and second order."""
    rng = np.random.default_rng(m + n + k)
    x, w, b, residual = normal(rng, m, k), normal(rng, n, k), normal(rng, n), normal(rng, m, n)
    y = kernels.linear(x, kernels.pack_linear([w], [b]), residual=residual)

    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    magnitudes = np.abs(x64) @ np.abs(w64).T + np.abs(b) + np.abs(residual)
    bound = (min(k, KC) + -(-k // KC) + 3) * U * magnitudes
    error = np.abs(y - (x64 @ w64.T + b + residual))
    assert (error <= bound).all(), f"{(error / bound).max():.2f} of the bound"


def fused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """float32 fma(a, b, c), rounded once. The product is exact in float64. The sum is rounded to odd there
    (Boldo & Melquiond 2008), so that rounding it again to float32 cannot go wrong."""
    product, c = a.astype(np.float64) * b, c.astype(np.float64)
    total = product + c
    part = total - product
    lost = (product - (total - part)) + (c - part)  # Knuth's TwoSum: total + lost is exact
    even = total.view(np.int64) & 1 == 0
    towards = np.where(lost > 0, np.inf, -np.inf)
    return np.where((lost != 0) & even, np.nextafter(total, towards), total).astype(np.float32)


def chained(x: np.ndarray, w: np.ndarray, has_fma: bool) -> np.ndarray:
    """x W^T summed in the order of csrc/tile.inc: chains of KC multiply-adds, then the sum of the chains."""
    y = None
    for begin in range(0, x.shape[1], KC):
        chain = np.zeros((len(x), len(w)), np.float32)
        for k in range(begin, min(begin + KC, x.shape[1])):
            a, b = np.broadcast_arrays(x[:, k, None], w[None, :, k])
            chain = fused(a, b, chain) if has_fma else a * b + chain
        y = chain if y is None else y + chain
    assert y is not None
    return y


@each_fast_isa
@pytest.mark.parametrize("k", [1, 5, KC, KC + 1, 500, 6 * KC + 1, 13 * KC])
def test_every_element_is_summed_in_one_order(kernels, k):
    """So that results depend neither on tiles, nor on other rows, nor on threads, nor on blocks of K."""
    rng = np.random.default_rng(k)
    mr, nr = kernels.tile
    x, w = normal(rng, 2 * mr + 1, k), normal(rng, nr + 3, k)
    y = kernels.linear(x, kernels.pack_linear([w]), num_threads=2)
    assert same_bits(y, chained(x, w, has_fma=kernels.isa != "generic"))


@each_fast_isa
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fused_activation_equals_the_activation_of_the_product(kernels, activation):
    rng = np.random.default_rng(5)
    mr, nr = kernels.tile
    for n in (1, nr - 1, nr, 2 * nr + 3):
        packed = kernels.pack_linear([normal(rng, n, 20)], [normal(rng, n)])
        for m in (1, mr, mr + 1):
            x = normal(rng, m, 20)
            product = kernels.linear(x, packed)
            assert same_bits(kernels.linear(x, packed, activation), kernels.activate(product, activation))


def test_reference_is_rounded_once():
    """It computes in float64, so it is within half a ULP of numpy's float64 result."""
    rng = np.random.default_rng(1)
    reference = Kernels("reference")
    x, w, b = normal(rng, 4, 300), normal(rng, 6, 300), normal(rng, 6)
    exact = x.astype(np.float64) @ w.T.astype(np.float64) + b
    y = reference.linear(x, reference.pack_linear([w], [b]))
    np.testing.assert_allclose(y, exact, rtol=1.01 * U, atol=0)


@each_isa
def test_a_section_equals_its_columns_of_the_stacked_product(kernels):
    rng = np.random.default_rng(3)
    mr, nr = kernels.tile
    for n in {1, nr, nr + 1, 2 * nr + 5}:
        weights, biases = [normal(rng, n, 30) for _ in range(3)], [normal(rng, n) for _ in range(3)]
        stacked = kernels.pack_linear(weights, biases, num_threads=3)
        x = normal(rng, mr + 2, 30)
        y = kernels.linear(x, stacked)
        assert y.shape == (mr + 2, 3 * n)
        for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            columns = np.ascontiguousarray(y[:, index * n : (index + 1) * n])
            assert same_bits(kernels.linear(x, stacked.section(index)), columns)
            assert same_bits(kernels.linear(x, kernels.pack_linear([weight], [bias])), columns)
            assert stacked.section(index).nbytes < stacked.nbytes


@each_isa
def test_panels_hold_the_weights_and_zeros(kernels):
    """In the layout of csrc/roberta_c.h: (panels, K, NR), a section's last panel padded with zeros."""
    rng = np.random.default_rng(4)
    nr = kernels.tile[1]
    n, k = 2 * nr + 3, 35
    w = normal(rng, n, k)
    for threads in THREADS:
        panels = kernels.pack_linear([w, -w], num_threads=threads).panels
        per_section = -(-n // nr)
        assert panels.shape == (2 * per_section, k, nr)
        assert panels.ctypes.data % 64 == 0
        for section, expected in ((0, w), (1, -w)):
            flat = (
                panels[section * per_section : (section + 1) * per_section].transpose(0, 2, 1).reshape(-1, k)
            )
            np.testing.assert_array_equal(flat[:n], expected)
            assert not flat[n:].any()


@each_fast_isa
def test_a_row_has_the_same_bits_among_any_others(kernels):
    check_rows_are_independent(kernels, "float32", 2 * KC + 40)


@each_fast_isa
def test_a_row_has_the_same_bits_in_several_work_units(kernels):
    """A work unit has 16 tiles of rows, and a long K is cut into blocks (csrc/panel.inc)."""
    rng = np.random.default_rng(7)
    packed = kernels.pack_linear([normal(rng, 40, 3072)])
    x = normal(rng, 3 * 16 * kernels.tile[0] + 1, 3072)
    full = kernels.linear(x, packed)
    for threads in THREADS[1:]:
        assert same_bits(kernels.linear(x, packed, num_threads=threads), full)
    assert same_bits(kernels.linear(x[50:60], packed), full[50:60])


@each_isa
def test_out_receives_the_result(kernels):
    rng = np.random.default_rng(9)
    packed, x, residual = kernels.pack_linear([normal(rng, 7, 5)]), normal(rng, 20, 5), normal(rng, 20, 7)
    expected, out = kernels.linear(x, packed, residual=residual), np.full((20, 7), np.nan, np.float32)
    assert kernels.linear(x, packed, residual=residual, out=out) is out
    assert same_bits(out, expected)
    assert same_bits(kernels.linear(x, packed, residual=residual, out=residual), expected)


@each_isa
def test_matrices_packed_together_equal_those_packed_alone(kernels):
    rng = np.random.default_rng(10)
    nr = kernels.tile[1]
    stacks = [
        ([normal(rng, n, k) for _ in range(sections)], [normal(rng, n) for _ in range(sections)], None)
        for sections, n, k in ((3, nr + 1, 9), (1, 2 * nr, 5), (2, 3, 33))
    ]
    for threads in THREADS:
        for together, (weights, biases, _) in zip(kernels.pack_linears(stacks, threads), stacks, strict=True):
            alone = kernels.pack_linear(weights, biases)
            assert same_bits(together.panels, alone.panels)
            assert same_bits(together.bias, alone.bias)
            x = normal(rng, 3, together.k)
            assert same_bits(kernels.linear(x, together), kernels.linear(x, alone))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@each_isa
def test_nan_and_infinity_are_found_when_they_are_packed(kernels, dtype):
    rng = np.random.default_rng(11)
    for n, k in ((1, 1), (kernels.tile[1] + 3, 37), (2, 200)):
        w = normal(rng, n, k)
        w[0, 0], w[-1, -1] = 2.0**-149, np.finfo(np.float32).max
        kernels.pack_linears([([w], None, None)], 2, dtype, allow_nonfinite=False)
        for place in ((0, 0), (n // 2, k // 2), (n - 1, k - 1)):
            for value in (np.nan, np.inf, -np.inf):
                wrong = w.copy()
                wrong[place] = value
                with pytest.raises(InputError, match=r"^weight: found NaN or infinity"):
                    kernels.pack_linears([([w, wrong], None, None)], 2, dtype, allow_nonfinite=False)
                kernels.pack_linears([([wrong], None, None)], 2, dtype)


@each_isa
@each_place
def test_touches_nothing_around_its_arrays(kernels, first_byte, monkeypatch):
    rng = np.random.default_rng(8)
    heights, widths = tile_edges(kernels)
    for n in widths:
        x, w, b = normal(rng, heights[-1], 29), normal(rng, n, 29), normal(rng, n)
        residual = normal(rng, heights[-1], n)
        for m in heights[:: max(1, len(heights) // 6)]:
            expected = kernels.linear(x[:m], kernels.pack_linear([w], [b]), residual=residual[:m])
            inputs = [guarded(a, first_byte) for a in (x[:m], w, b, residual[:m])]
            with guarded_outputs(monkeypatch, first_byte):
                packed = kernels.pack_linear([inputs[1]], [inputs[2]], num_threads=2)
                y = kernels.linear(inputs[0], packed, residual=inputs[3], num_threads=2)
            assert same_bits(y, expected)
            for array in inputs:
                assert_canaries(array)


@each_isa
def test_nan_and_infinity_stay_in_their_rows_and_columns(kernels):
    rng = np.random.default_rng(9)
    mr, nr = kernels.tile
    m, n, k = mr + 1, nr + 1, 9
    x, w = normal(rng, m, k), normal(rng, n, k)
    clean = kernels.linear(x, kernels.pack_linear([w]))
    x[1, 4], w[-1, 2] = np.nan, np.inf
    y = kernels.linear(x, kernels.pack_linear([w]))
    assert np.isnan(y[1]).all()
    assert not np.isfinite(y[:, -1]).any()
    untouched = np.arange(m) != 1
    assert same_bits(np.ascontiguousarray(y[untouched, :-1]), np.ascontiguousarray(clean[untouched, :-1]))


@each_isa
def test_no_rows_give_no_rows(kernels):
    packed = kernels.pack_linear([np.ones((5, 3), np.float32)])
    assert kernels.linear(np.empty((0, 3), np.float32), packed).shape == (0, 5)
