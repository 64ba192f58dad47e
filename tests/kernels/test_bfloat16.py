"""Products in bfloat16: rounding against torch's, products of rounded operands against float64.

"bfloat16" is the fastest arithmetic that this CPU has for bfloat16 weights; where the CPU multiplies
bfloat16 fast, rows are rounded too. "bfloat16 weights" leaves rows float32 on every CPU.
test_lower_dtypes.py has the tests that bfloat16 shares with int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples.kernels import (
    THREADS,
    U,
    each_fast_isa,
    each_isa,
    lanes,
    normal,
    random_layer,
    rounds_rows,
    same_bits,
    starts_of,
)
from samples.layers import run, tile_edges

from roberta_c.kernels import Kernels, available_isas, cpu_features

CHAIN = 2 * 192  # values in one chain of csrc/dot.inc, two in a word
each_dtype = pytest.mark.parametrize("dtype", ["bfloat16", "bfloat16 weights"])


# Ties to even in both directions, a number that rounds up to infinity, the largest that does not, zeros.
SPECIALS = np.array(
    [
        0x3F808000,
        0x3F818000,
        0xBF808000,
        0x3F808001,
        0x3F807FFF,
        0x7F7FFFFF,
        0x7F7F7FFF,
        0x80000000,
        0x00800000,
    ],
    np.uint32,
).view(np.float32)


def rounded(x: np.ndarray) -> np.ndarray:
    """x rounded to the nearest bfloat16, ties to even, in integer arithmetic."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    up = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return np.where(np.isnan(x), x, up.astype(np.uint32).view(np.float32))


def test_the_expected_rounding_is_torchs():
    import torch

    bits = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint64).astype(np.uint32)
    x = np.concatenate([bits.view(np.float32), SPECIALS])
    np.testing.assert_array_equal(rounded(x), torch.tensor(x).to(torch.bfloat16).to(torch.float32).numpy())


def test_rows_are_rounded_where_the_cpu_multiplies_bfloat16_fast():
    """On AMX, and on AMD cores with AVX512-BF16 (csrc/dispatch.c). Elsewhere rows stay float32."""
    cpu = Path("/proc/cpuinfo")
    if not cpu.exists():
        pytest.skip("no /proc/cpuinfo to tell this CPU's maker by")
    fast = "AuthenticAMD" in cpu.read_text(encoding="utf-8") and cpu_features().get("avx512bf16", False)
    for isa in available_isas():
        assert rounds_rows(Kernels(isa), "bfloat16") == (isa == "amx" or (fast and isa == "avx512")), isa
        assert not rounds_rows(Kernels(isa), "bfloat16 weights")


def specials_in_every_column(width: int) -> np.ndarray:
    """Rows with every special value in every one of `width` columns, among random normal numbers."""
    x = np.random.default_rng(1).standard_normal((len(SPECIALS) * width, width)).astype(np.float32)
    for index, value in enumerate(SPECIALS):
        x[index * width : (index + 1) * width][np.diag_indices(width)] = value
    return x


@each_isa
@each_dtype
def test_operands_are_rounded_to_the_nearest(kernels, dtype):
    """In every lane of full vectors and of the tail behind them; a product with an identity shows the
    operand."""
    width = 2 * lanes(kernels) + 3
    values, identity = specials_in_every_column(width), np.eye(width, dtype=np.float32)
    values[np.isinf(rounded(values))] = 1  # infinity * 0 is NaN; tested below
    y = kernels.linear(identity, kernels.pack_linear([values], dtype=dtype))
    np.testing.assert_array_equal(y.T, rounded(values))
    y = kernels.linear(values, kernels.pack_linear([identity], dtype=dtype))
    np.testing.assert_array_equal(y, rounded(values) if rounds_rows(kernels, dtype) else values)


@each_isa
@each_dtype
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3.4e38])
def test_infinity_nan_and_overflow(kernels, dtype, value):
    width = 2 * lanes(kernels) + 3
    special, ones = np.full((3, width), value, np.float32), np.ones((2, width), np.float32)
    expected = rounded(np.float32([[value]]))[0, 0]
    y = kernels.linear(ones, kernels.pack_linear([special], dtype=dtype))
    np.testing.assert_array_equal(y, np.full((2, 3), expected))
    if rounds_rows(kernels, dtype):
        y = kernels.linear(special, kernels.pack_linear([ones], dtype=dtype))
        np.testing.assert_array_equal(y, np.full((3, 2), expected))


@each_isa
@each_dtype
@pytest.mark.parametrize("k", [1, 2, 7, 31, 32, 33, CHAIN - 1, CHAIN, CHAIN + 1, 2 * CHAIN + 3])
def test_small_integers_are_exact_on_every_tile_edge(kernels, dtype, k):
    rng = np.random.default_rng(k)
    heights, widths = tile_edges(kernels)
    for n in widths:
        w, b = rng.integers(-4, 5, (n, k)), rng.integers(-99, 100, n)
        packed = kernels.pack_linear([w.astype(np.float32)], [b.astype(np.float32)], dtype=dtype)
        for m in heights:
            x, residual = rng.integers(-4, 5, (m, k)), rng.integers(-99, 100, (m, n))
            y = kernels.linear(x.astype(np.float32), packed, residual=residual.astype(np.float32))
            np.testing.assert_array_equal(y, x @ w.T + b + residual)


@each_fast_isa
@each_dtype
@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 1, 1), (13, 33, 383), (7, 17, 1009), (25, 768, 768), (3, 50, 3072)]
)
def test_error_is_within_the_bound_of_its_sums(kernels, dtype, m, n, k):
    """The bound of float32 sums (test_linear.py), for rounded operands; their products are exact."""
    rng = np.random.default_rng(m + n + k)
    x, w, b = normal(rng, m, k), normal(rng, n, k), normal(rng, n)
    y = kernels.linear(x, kernels.pack_linear([w], [b], dtype=dtype))
    x64 = (rounded(x) if rounds_rows(kernels, dtype) else x).astype(np.float64)
    w64 = rounded(w).astype(np.float64)
    bound = (min(k, CHAIN) + -(-k // CHAIN) + 3) * U * (np.abs(x64) @ np.abs(w64).T + np.abs(b))
    assert (np.abs(y - (x64 @ w64.T + b)) <= bound).all()


@each_fast_isa
@pytest.mark.parametrize("size", [80, 64, 6, 5])
def test_attention_rounds_its_operands(kernels, size):
    """Against float64 on rounded queries, keys and values. Rounding changes a probability by 2^-8 of
    itself at most, so the weighted mean of values changes by 2^-8 of the weighted mean of |v| at most.
    Heads of odd size stay float32."""
    rng = np.random.default_rng(size)
    lengths = [1, 2, 33, 512, 513, 1100] if size < 10 else [1, 2, 33, 513]
    qkv = normal(rng, sum(lengths), 3 * 2 * size)
    found = kernels.attention(qkv, starts_of(lengths), 2, dtype="bfloat16")
    if not rounds_rows(kernels, "bfloat16") or size % 2:
        assert same_bits(found, kernels.attention(qkv, starts_of(lengths), 2))
        return
    reference = Kernels("reference")
    expected = reference.attention(rounded(qkv), starts_of(lengths), 2)
    sizes = rounded(qkv)
    sizes[:, 4 * size :] = np.abs(sizes[:, 4 * size :])
    bound = 2.0**-8 * reference.attention(sizes, starts_of(lengths), 2) + 1e-5
    assert (np.abs(found - expected) <= bound).all()
    assert np.abs(found - expected).max() > 1e-5, "nothing was rounded"
    for threads in THREADS:
        again = kernels.attention(qkv, starts_of(lengths), 2, threads, "bfloat16")
        assert same_bits(again, found)


@each_fast_isa
def test_a_layer_of_rounded_weights_agrees_with_the_reference(kernels):
    """As closely as a layer of float32 weights (test_encoder_layer.py), since rows are float32."""
    for seed in range(10):
        layers = [
            random_layer(of, np.random.default_rng(seed), 64, 4, 256, dtype="bfloat16 weights")
            for of in (kernels, Kernels("reference"))
        ]
        x = normal(np.random.default_rng(100 + seed), 50, 64)
        found, expected = (run(layer.qkv.kernels, layer, x, [1, 9, 40]) for layer in layers)
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-5)


def test_memory_is_half():
    kernels, weights = Kernels(), [np.ones((96, 96), np.float32)]
    assert 2 * kernels.pack_linear(weights, dtype="bfloat16").nbytes == kernels.pack_linear(weights).nbytes
