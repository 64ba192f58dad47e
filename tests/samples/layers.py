"""Shared by the tests of products and encoder layers: sizes off the tile, a layer in one call and in
parts."""

from __future__ import annotations

import numpy as np

from roberta_c.kernels import Kernels, PackedLayer, Workspace
from samples.kernels import THREADS, lanes, normal, same_bits, starts_of

KC = 192  # csrc/dot.inc: the length of one chain of multiply-adds
ACTIVATIONS = ("gelu", "gelu_new", "relu", "tanh")
SHAPES = [(1, 1, 1), (12, 3, 7), (36, 3, 80), (64, 4, 256), (130, 2, 33)]  # hidden, heads, feed-forward


def run(
    kernels: Kernels, layer: PackedLayer, x: np.ndarray, lengths: list[int], threads: int = 1
) -> np.ndarray:
    y = x.copy()
    kernels.encoder_layer(layer, y, starts_of(lengths), Workspace(), num_threads=threads)
    return y


def in_parts(kernels: Kernels, layer: PackedLayer, x: np.ndarray, lengths: list[int]) -> np.ndarray:
    context = kernels.attention(
        kernels.linear(x, layer.qkv), starts_of(lengths), layer.heads, dtype=layer.qkv.dtype
    )
    attended = kernels.linear(context, layer.attention_output, residual=x)
    attended = kernels.layer_norm(attended, layer.attention_norm)
    up = kernels.linear(attended, layer.up, layer.activation)
    return kernels.layer_norm(kernels.linear(up, layer.down, residual=attended), layer.output_norm)


def tile_edges(kernels: Kernels) -> tuple[list[int], list[int]]:
    """Numbers of rows and columns: multiples of the register tile, and others near them."""
    mr, nr = kernels.tile
    vl = lanes(kernels)
    heights = {*range(1, 2 * mr + 2), 37, 61}
    if kernels.isa == "amx":  # whose tiles have 16 rows, two of them a block
        heights |= {31, 32, 33, 47, 48, 49, 64, 65}
    widths = {1, 2, vl - 1, vl, vl + 1, nr - 1, nr, nr + 1, 2 * nr - 1, 2 * nr + vl + 1, 97}
    return sorted(heights - {0}), sorted(widths - {0})


def check_rows_are_independent(kernels: Kernels, dtype: str, longest: int) -> None:
    """A row of less than `longest` values has the same bits alone, among others, in another order, and
    with any number of threads."""
    rng = np.random.default_rng(6)
    mr, nr = kernels.tile
    for case in range(60):
        n, k = int(rng.integers(1, 3 * nr)), int(rng.integers(1, longest))
        m = 18 * mr if case % 10 == 0 else int(rng.integers(1, 4 * mr))  # every tenth has several work units
        packed = kernels.pack_linear([normal(rng, n, k)], [normal(rng, n)], dtype=dtype)
        x = normal(rng, m, k)
        full = kernels.linear(x, packed, "gelu")
        alone = np.concatenate([kernels.linear(x[i : i + 1], packed, "gelu") for i in range(m)])
        assert same_bits(full, alone)
        chosen = rng.permutation(m)[: rng.integers(1, m + 1)]
        threads = THREADS[case % len(THREADS)]
        assert same_bits(kernels.linear(x[chosen], packed, "gelu", num_threads=threads), full[chosen])
