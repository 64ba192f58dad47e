"""Products in int8: quantized rows and weights and their exact sums are the same on every instruction set and
in every arithmetic.

"int8" is the fastest arithmetic that this CPU has. "int8 pairs" (AVX2) and "int8 weights" (multiplied in
float32) are the arithmetics of CPUs without a dot-product instruction."""

from __future__ import annotations

import numpy as np
import pytest
from samples.kernels import (
    THREADS,
    each_fast_isa,
    each_isa,
    lanes,
    normal,
    random_layer,
    same_bits,
    starts_of,
)
from samples.layers import run, tile_edges

from roberta_c.errors import InputError
from roberta_c.kernels import Kernels, PackedLinear, Workspace, available_isas

CHAIN, SHORT_CHAIN = 4 * 192, 4 * 128  # values in a chain of csrc/dot.inc, four in a word
LONGEST = (2**31 - 1) // (255 * 127)  # most products of 255 by 127 whose sum fits into int32


def int8_dtypes(kernels: Kernels) -> list[str]:
    """The int8 arithmetics of these kernels."""
    return ["int8", "int8 weights", *(["int8 pairs"] if kernels.isa == "avx2" else [])]


def quantized(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows as integers q - zero_point and scales, with x ≈ scale * (q - zero_point), every step in
    float32: 254 steps from the smallest to the largest value, or to 0 where all values have one sign."""
    largest = np.maximum(x.max(axis=1), np.float32(2.0**-100)) / np.float32(254)
    smallest = np.maximum(-x.min(axis=1), np.float32(0)) / np.float32(254)
    scales = largest + smallest
    return np.rint(x * (np.float32(1) / scales)[:, None]).astype(np.int64), scales


def quantized_weights(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Output columns as integers q and scales, with w ≈ scale * q: the largest |w| is 127 times the scale."""
    scales = np.maximum(np.abs(w).max(axis=1), np.float32(2.0**-100)) / np.float32(127)
    return np.rint(w * (np.float32(1) / scales)[:, None]).astype(np.int64), scales


def product(x, w, b=None, residual=None, smooth=None) -> np.ndarray:
    """The product that int8 defines: exact sums, times the column's and the row's scale, plus bias and
    residual, each step in float32."""
    x_integers, x_scales = quantized(x if smooth is None else x * smooth)
    w_integers, w_scales = quantized_weights(w if smooth is None else w / smooth)
    # The sums are below 2^53, so exact in float64.
    sums = x_integers.astype(np.float64) @ w_integers.T.astype(np.float64)
    with np.errstate(over="ignore"):
        y = sums.astype(np.float32) * w_scales * x_scales[:, None]
    if b is not None:
        y = y + b
    return y if residual is None else y + residual


@each_isa
@pytest.mark.parametrize(
    "k", [1, 2, 3, 4, 5, 31, 64, 65, SHORT_CHAIN, SHORT_CHAIN + 1, CHAIN, CHAIN + 1, 2 * CHAIN + 3]
)
def test_every_bit_is_known_on_every_tile_edge(kernels, k):
    rng = np.random.default_rng(k)
    heights, widths = tile_edges(kernels)
    for n in widths[:: 1 if k < SHORT_CHAIN else 3]:
        w, b = normal(rng, n, k), normal(rng, n)
        for dtype in int8_dtypes(kernels):
            with_bias, without = (kernels.pack_linear([w], of, dtype=dtype) for of in ([b], None))
            for m in heights[:: 1 if k < SHORT_CHAIN else 4]:
                x, residual = normal(rng, m, k), normal(rng, m, n)
                np.testing.assert_array_equal(kernels.linear(x, with_bias), product(x, w, b))
                found = kernels.linear(x, without, residual=residual)
                np.testing.assert_array_equal(found, product(x, w, residual=residual))


@each_isa
@pytest.mark.parametrize("k", [1, 6, 7, 33, 770])
def test_integers_scales_and_zero_points_are_the_same_on_every_isa(kernels, k):
    """Of rows, which `convert_rows` shows, and of weights, which a product with an identity shows."""
    rng = np.random.default_rng(k)
    x, w, smooth = normal(rng, 9, k), normal(rng, 5, k), np.exp2(rng.integers(-3, 1, k)).astype(np.float32)
    expected, scales = quantized(x * smooth)
    for dtype in int8_dtypes(kernels):
        packed = kernels.pack_linear([w], dtype=dtype, smooth=smooth)
        for threads in THREADS:
            converted = kernels.convert_rows(x, packed, threads)
            assert converted.packed is packed
            zero_points = converted.quantizations[:, 1:].copy().view(np.int32)
            # One uint8 or one float32 a value; without negative values or with float32, zero points are 0.
            as_bytes = converted.rows.shape[1] == -(-k // 4)
            numbers = converted.rows.view(np.uint8).astype(np.int64) if as_bytes else converted.rows
            assert as_bytes or not zero_points.any()
            assert (numbers[:, k:] == 0).all(), "padding of the last word"
            np.testing.assert_array_equal(numbers[:, :k] - zero_points, expected)
            np.testing.assert_array_equal(converted.quantizations[:, 0], scales)
            assert same_bits(kernels.linear(converted, packed), kernels.linear(x, packed))
        integers, column_scales = quantized_weights(w / smooth)
        packed = kernels.pack_linear([w / smooth], dtype=dtype)
        found = kernels.linear(254 * np.eye(k, dtype=np.float32), packed).T
        np.testing.assert_array_equal(found, (254 * integers).astype(np.float32) * column_scales[:, None])


def test_rows_converted_for_other_weights_are_an_error():
    kernels, x = Kernels(), np.ones((2, 3), np.float32)
    w, smooth = [np.ones((4, 3), np.float32)], np.full(3, 2, np.float32)
    one, same = (kernels.pack_linear(w, dtype="int8") for _ in range(2))
    rows = kernels.convert_rows(x, one)
    assert same_bits(kernels.linear(rows, same), kernels.linear(x, one))
    others = [
        kernels.pack_linear(w, dtype="int8", smooth=smooth),
        kernels.pack_linear(w, dtype="int8 weights"),
        kernels.pack_linear(w),
        kernels.pack_linear([np.ones((4, 4), np.float32)], dtype="int8"),
        Kernels("generic").pack_linear(w, dtype="int8"),
    ]
    for other in others[: 5 if kernels.isa != "generic" else 1]:
        with pytest.raises(InputError, match=r"^x: found rows converted for other weights"):
            other.kernels.linear(rows, other)
    for dtype in ("float32", "bfloat16 weights"):
        with pytest.raises(
            InputError, match=f"^packed: found {dtype} weights, which read float32 rows, expected "
        ):
            kernels.convert_rows(x, kernels.pack_linear(w, dtype=dtype))


@each_isa
@pytest.mark.parametrize(("m", "n", "k"), [(3, 768, 768), (170, 100, 300), (25, 130, 3072), (70, 49, 7001)])
def test_every_bit_of_large_products_is_known(kernels, m, n, k):
    """Several work units and blocks of K, sections, smoothing and outliers."""
    rng = np.random.default_rng(m)
    x, w, b = normal(rng, m, k), [normal(rng, n, k) for _ in range(2)], [normal(rng, n) for _ in range(2)]
    x[:, 5] *= 100
    smooth = np.exp2(rng.integers(-5, 5, k)).astype(np.float32)
    expected = np.concatenate([product(x, *of, smooth=smooth) for of in zip(w, b, strict=True)], axis=1)
    for dtype in int8_dtypes(kernels):
        packed = kernels.pack_linear(w, b, dtype=dtype, smooth=smooth)
        assert packed.smooth is smooth
        for threads in THREADS:
            np.testing.assert_array_equal(kernels.linear(x, packed, num_threads=threads), expected)
        np.testing.assert_array_equal(kernels.linear(x, packed.section(1)), expected[:, n:])


@each_isa
def test_rounding_in_every_lane(kernels):
    """Ties to even, both signs, the largest values, and zeros, in every lane of full vectors and of the
    tail behind them. Rows reach from -127 to 127, so that their scale is 1."""
    width = 2 * lanes(kernels) + 5
    values = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 126.5, -126.5, 126.4999, -127, 0.0, -0.0, 3.25], np.float32)
    x = np.zeros((len(values) * (width - 2), width), np.float32)
    for index, value in enumerate(values):
        x[index * (width - 2) : (index + 1) * (width - 2)][np.diag_indices(width - 2)] = value
    x[:, -2:] = 127, -127
    identity = np.eye(width, dtype=np.float32)
    for dtype in int8_dtypes(kernels):
        as_rows = kernels.linear(x, kernels.pack_linear([127 * identity], dtype=dtype))
        np.testing.assert_array_equal(as_rows, 127 * np.rint(x))
        as_weights = kernels.linear(254 * identity, kernels.pack_linear([x], dtype=dtype))
        np.testing.assert_array_equal(as_weights.T, 254 * np.rint(x))


@each_isa
def test_the_largest_sums_are_exact(kernels):
    """Sums beyond 2^24, above which float32 does not hold every integer, up to the longest that fit into
    int32, of both signs. The start of a sum, -zero_point * ΣW, may wrap around on the way."""
    for k in (SHORT_CHAIN, CHAIN, 3072, LONGEST):
        x = np.ones((3, k), np.float32)
        x[1] = -1
        x[2, ::2] = -0.999
        w = np.ones((3, k), np.float32)
        w[1] = -1
        w[2, ::2] = -1
        for dtype in int8_dtypes(kernels):
            found = kernels.linear(x, kernels.pack_linear([w], dtype=dtype))
            np.testing.assert_array_equal(found, product(x, w))


def test_layers_with_longer_sums_are_an_error():
    with pytest.raises(InputError, match=f"expected at most {LONGEST} columns in int8"):
        Kernels().pack_linear([np.zeros((1, LONGEST + 1), np.float32)], dtype="int8")


@each_isa
def test_zeros_and_the_smallest_and_largest_numbers(kernels):
    """Zero stays zero. A row far below 2^-100 becomes zero. The largest values do not become infinite."""
    k = lanes(kernels) + 3
    rng = np.random.default_rng(0)
    x = np.stack([np.zeros(k), np.full(k, 1e-38), np.full(k, 3.4e38), normal(rng, k) * 1e-20]).astype(
        np.float32
    )
    w = normal(rng, 5, k)
    w[3] = 0
    for dtype in int8_dtypes(kernels):
        y = kernels.linear(x, kernels.pack_linear([w], dtype=dtype))
        np.testing.assert_array_equal(y, product(x, w))
        assert (y[0] == 0).all()
        assert (y[:, 3] == 0).all()


@each_isa
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_make_their_row_or_column_nan(kernels, value):
    """In every lane, since a vector maximum may lose NaN; other rows and columns stay as they are."""
    k = 2 * lanes(kernels) + 3
    rng = np.random.default_rng(1)
    x, w = normal(rng, k + 2, k), normal(rng, k + 2, k)
    expected = product(x, w)
    for dtype in int8_dtypes(kernels):
        wrong = x.copy()
        wrong[np.arange(k), np.arange(k)] = value
        y = kernels.linear(wrong, kernels.pack_linear([w], dtype=dtype))
        assert np.isnan(y[:k]).all()
        np.testing.assert_array_equal(y[k:], expected[k:])
        assert np.isnan(kernels.linear(wrong, kernels.pack_linear([w], dtype=dtype), "gelu")[:k]).all()
        wrong = w.copy()
        wrong[np.arange(k), np.arange(k)] = value
        y = kernels.linear(x, kernels.pack_linear([wrong], dtype=dtype))
        assert np.isnan(y[:, :k]).all()
        np.testing.assert_array_equal(y[:, k:], expected[:, k:])


@each_fast_isa
def test_a_layer_agrees_with_the_reference(kernels):
    """Except where the last bit of a float32 decides to which of two integers a value is rounded. That
    moves a result by a 127th of the row's largest value times a weight, some 0.02 here. Heads have an odd
    size, so that attention is float32 on every CPU."""
    for seed in range(10):
        layers = [
            random_layer(of, np.random.default_rng(seed), 63, 3, 256, dtype="int8 weights")
            for of in (kernels, Kernels("reference"))
        ]
        x = normal(np.random.default_rng(100 + seed), 50, 63)
        found, expected = (run(layer.qkv.kernels, layer, x, [1, 9, 40]) for layer in layers)
        assert np.abs(found - expected).max() < 0.05
        assert np.abs(found - expected).mean() < 0.001


@each_fast_isa
def test_a_layer_has_the_same_bits_in_every_int8_arithmetic(kernels):
    """Rows are computed by the same instructions, and the sums are exact."""
    lengths, threads = [5, 1, 18], 2
    x = normal(np.random.default_rng(3), sum(lengths), 36)
    found = []
    for dtype in int8_dtypes(kernels):
        layer = random_layer(kernels, np.random.default_rng(2), 36, 3, 80, dtype=dtype)
        found.append(run(kernels, layer, x, lengths, threads))
    assert all(same_bits(other, found[0]) for other in found[1:])


def test_memory_is_a_quarter():
    """Plus two words for each output column: -ΣW and the scale."""
    kernels, weights = Kernels(), [np.ones((96, 768), np.float32)]
    quarter = kernels.pack_linear(weights).nbytes // 4
    assert kernels.pack_linear(weights, dtype="int8").nbytes == quarter + 2 * 4 * 96


def test_an_arithmetic_that_an_instruction_set_lacks_is_an_error():
    for isa in available_isas():
        if isa != "avx2":
            with pytest.raises(InputError, match=f"found 'int8 pairs', expected one that {isa} kernels have"):
                Kernels(isa).pack_linear([np.ones((2, 2), np.float32)], dtype="int8 pairs")


@pytest.mark.parametrize("smooth", [[1, 0], [1, -1], [1, np.nan], [1, np.inf]])
def test_smoothing_factors_are_positive_and_finite(smooth):
    with pytest.raises(InputError, match="smooth: found values that are not finite or not positive"):
        Kernels().pack_linear(
            [np.ones((2, 2), np.float32)], dtype="int8", smooth=np.array(smooth, dtype=np.float32)
        )


def test_smoothing_factors_of_another_length_are_an_error():
    kernels = Kernels()
    with pytest.raises(InputError, match=r"smooth: found shape \(3,\), expected \(2\)"):
        kernels.pack_linear([np.ones((2, 2), np.float32)], dtype="int8", smooth=np.ones(3, np.float32))
    packed = kernels.pack_linear([np.ones((2, 2), np.float32)], dtype="int8")
    with pytest.raises(InputError, match="smooth: found list, expected a numpy array"):
        PackedLinear(kernels, packed.panels, None, 1, 2, 2, "int8", [1.0, 1.0])


def test_smoothing_factors_do_nothing_in_other_types():
    kernels, rng = Kernels(), np.random.default_rng(0)
    w, x, smooth = normal(rng, 7, 9), normal(rng, 3, 9), np.full(9, 4, np.float32)
    for dtype in ("float32", "bfloat16"):
        packed = kernels.pack_linear([w], dtype=dtype, smooth=smooth)
        assert packed.smooth is None
        assert same_bits(kernels.linear(x, packed), kernels.linear(x, kernels.pack_linear([w], dtype=dtype)))


@each_fast_isa
def test_layers_smoothed_differently_follow_each_other(kernels):
    """The output of a layer is quantized with the smoothing factors of the next layer."""
    rng, lengths = np.random.default_rng(4), [3, 20]
    layers = [random_layer(kernels, rng, 64, 4, 256, dtype="int8") for _ in range(3)]
    assert not same_bits(layers[0].qkv.smooth, layers[1].qkv.smooth)
    x = normal(rng, sum(lengths), 64)
    expected = x
    for layer in layers:
        expected = run(kernels, layer, expected, lengths)
    assert same_bits(kernels.encoder(layers, x, starts_of(lengths), Workspace(), num_threads=2), expected)
