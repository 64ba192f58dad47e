"""Tests that bfloat16 and int8 share: a row's bits do not depend on other rows, a layer equals its parts,
memory around arrays stays as it is, activations. test_bfloat16.py and test_int8.py test the numbers of
each type."""

from __future__ import annotations

import numpy as np
import pytest
from samples.kernels import (
    THREADS,
    assert_canaries,
    each_lower,
    each_place,
    guarded,
    guarded_outputs,
    normal,
    random_layer,
    same_bits,
    starts_of,
)
from samples.layers import ACTIVATIONS, KC, SHAPES, check_rows_are_independent, in_parts, run, tile_edges

from roberta_c.errors import InputError
from roberta_c.kernels import Kernels, Workspace

# Besides the sizes of float32: odd widths with heads that share a word, and several chains and blocks of K.
LAYERS = [*SHAPES, (15, 3, 101), (1030, 2, 99)]


@each_lower
def test_a_row_has_the_same_bits_among_any_others(kernels, dtype):
    check_rows_are_independent(kernels, dtype, 4 * 2 * KC + 40)


@each_lower
@pytest.mark.parametrize(("hidden", "heads", "up"), LAYERS)
def test_a_layer_equals_its_parts_bit_for_bit(kernels, dtype, hidden, heads, up):
    """LayerNorm, attention and activation convert the rows that they make; the parts convert them before a
    product."""
    rng = np.random.default_rng(hidden)
    for activation in ("gelu", "relu") if hidden < 1000 else ("gelu",):
        layers = [random_layer(kernels, rng, hidden, heads, up, activation, dtype) for _ in range(2)]
        for lengths in ([1], [5, 1, 18], [2, 33, 1, 60]):
            x, starts = normal(rng, sum(lengths), hidden), starts_of(lengths)
            one = in_parts(kernels, layers[0], x, lengths)
            expected = in_parts(kernels, layers[1], one, lengths)
            for threads in THREADS:
                assert same_bits(run(kernels, layers[0], x, lengths, threads), one)
                last = kernels.encoder(layers, x, starts, Workspace(), num_threads=threads)
                assert same_bits(last, expected)


@each_lower
@each_place
def test_touches_nothing_around_its_arrays(kernels, dtype, first_byte, monkeypatch):
    rng = np.random.default_rng(8)
    heights, widths = tile_edges(kernels)
    for n in widths:
        for k in (28, 29):
            x, w, b = normal(rng, heights[-1], k), normal(rng, n, k), normal(rng, n)
            for m in heights[:: max(1, len(heights) // 6)]:
                expected = kernels.linear(x[:m], kernels.pack_linear([w], [b], dtype=dtype))
                inputs = [guarded(a, first_byte) for a in (x[:m], w, b)]
                with guarded_outputs(monkeypatch, first_byte):
                    packed = kernels.pack_linear([inputs[1]], [inputs[2]], 2, dtype)
                    y = kernels.linear(inputs[0], packed, num_threads=2)
                assert same_bits(y, expected)
                for array in inputs:
                    assert_canaries(array)


@each_lower
@each_place
def test_a_layer_touches_nothing_around_its_arrays(kernels, dtype, first_byte, monkeypatch):
    rng = np.random.default_rng(9)
    for hidden, heads, up in LAYERS[:-1]:
        layer = random_layer(kernels, rng, hidden, heads, up, dtype=dtype)
        x = normal(rng, 24, hidden)
        expected = run(kernels, layer, x, [5, 1, 18])
        with guarded_outputs(monkeypatch, first_byte):
            found = run(kernels, layer, guarded(x, first_byte), [5, 1, 18], 2)
        assert same_bits(found, expected)


@each_lower
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fused_activation_is_the_activation_of_the_product(kernels, dtype, activation):
    """Bit for bit, except for GELU of converted rows, which csrc/activation.inc computes with an error of
    up to 3.5e-5."""
    rng = np.random.default_rng(5)
    packed, x = kernels.pack_linear([normal(rng, 70, 20)], dtype=dtype), normal(rng, 200, 20)
    product = kernels.linear(x, packed)
    found, exact = kernels.linear(x, packed, activation), kernels.activate(product, activation)
    if activation == "gelu" and not same_bits(found, exact):
        assert dtype != "bfloat16 weights"
        assert np.abs(found - exact).max() <= 3.5e-5
        small = (np.abs(product) < 1) & (product != 0)
        assert (np.abs(found - exact)[small] <= 1.3e-4 * np.abs(exact[small])).all()
    else:
        assert same_bits(found, exact)


@each_lower
def test_the_short_gelu_over_its_range(kernels, dtype):
    """Products of one row value by weight 1 give any finite value."""
    x = np.concatenate([np.linspace(-6, 6, 4001), [-3e38, -100, -13, 13, 100, 3e38]]).astype(np.float32)
    packed = kernels.pack_linear([np.ones((1, 1), np.float32)], dtype=dtype)
    product = kernels.linear(x[:, None], packed)
    found, exact = kernels.linear(x[:, None], packed, "gelu"), kernels.activate(product, "gelu")
    limit = 3.5e-5 + 2.0**-23 * np.abs(exact)
    assert (np.abs(found - exact) <= limit).all()


def test_an_unknown_dtype_is_an_error():
    with pytest.raises(InputError, match=r"^dtype: found 'float16', expected one of float32, bfloat16"):
        Kernels().pack_linear([np.ones((2, 2), np.float32)], dtype="float16")
