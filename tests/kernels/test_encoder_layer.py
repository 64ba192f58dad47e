"""encoder_layer: one layer in one call, against its parts one by one and against float64. Several layers:
test_encoder.py."""

from __future__ import annotations

import numpy as np
import pytest
from samples.kernels import (
    THREADS,
    assert_canaries,
    each_fast_isa,
    each_isa,
    each_place,
    guarded,
    guarded_outputs,
    normal,
    random_layer,
    same_bits,
    starts_of,
)
from samples.layers import SHAPES, in_parts, run

from roberta_c.kernels import Kernels, Workspace


@each_isa
@pytest.mark.parametrize(("hidden", "heads", "up"), SHAPES)
def test_equals_its_parts_bit_for_bit(kernels, hidden, heads, up):
    rng = np.random.default_rng(hidden)
    for activation in ("gelu", "gelu_new", "relu", "tanh"):
        layer = random_layer(kernels, rng, hidden, heads, up, activation)
        for lengths in ([1], [5, 1, 18], [30]):
            x = normal(rng, sum(lengths), hidden)
            expected = in_parts(kernels, layer, x, lengths)
            for threads in THREADS:
                assert same_bits(run(kernels, layer, x, lengths, threads), expected)


@each_fast_isa
@pytest.mark.parametrize(("hidden", "heads", "up"), SHAPES[1:])
def test_agrees_with_the_reference(kernels, hidden, heads, up):
    """The reference computes every part in float64. The last step is a LayerNorm, so values are of order 1
    and the tolerance is absolute: four times the worst error of 100 seeds, 7e-6, where the variance that
    LayerNorm divides by is small."""
    lengths = [1, 9, 40]
    reference = Kernels("reference")
    ours, theirs = (
        random_layer(k, np.random.default_rng(hidden), hidden, heads, up) for k in (kernels, reference)
    )
    x = normal(np.random.default_rng(1), sum(lengths), hidden)
    np.testing.assert_allclose(
        run(kernels, ours, x, lengths), run(reference, theirs, x, lengths), rtol=0, atol=3e-5
    )


@each_fast_isa
def test_a_sequence_has_the_same_bits_in_any_batch(kernels):
    """Its result depends neither on the other sequences, nor on their order, nor on the number of threads."""
    rng = np.random.default_rng(2)
    hidden, heads, up = 40, 4, 72
    layer = random_layer(kernels, rng, hidden, heads, up)
    texts = [normal(rng, int(length), hidden) for length in rng.integers(1, 60, 24)]
    alone = [run(kernels, layer, text, [len(text)]) for text in texts]
    for case in range(200):
        chosen = rng.choice(len(texts), rng.integers(1, 9), replace=False)
        batch = np.concatenate([texts[i] for i in chosen])
        threads = THREADS[case % len(THREADS)]
        y = run(kernels, layer, batch, [len(texts[i]) for i in chosen], threads)
        assert same_bits(y, np.concatenate([alone[i] for i in chosen]))


@each_isa
def test_a_workspace_carries_nothing_from_call_to_call(kernels):
    """On entry it holds the remains of larger calls, smaller calls, and calls that made NaN."""
    rng = np.random.default_rng(3)
    layer = random_layer(kernels, rng, 12, 2, 20)
    workspace = Workspace()
    assert workspace.nbytes == 0
    sizes = []
    for lengths in ([40, 3], [2], [7, 7], [60]):
        x = normal(rng, sum(lengths), 12)
        y = x.copy()
        kernels.encoder_layer(layer, y, starts_of(lengths), workspace, num_threads=2)
        assert same_bits(y, run(kernels, layer, x, lengths))
        wrong = np.full_like(x, np.nan)
        kernels.encoder_layer(layer, wrong, starts_of(lengths), workspace)
        sizes.append(workspace.nbytes)
    assert sizes == sorted(sizes)
    assert sizes[0] == sizes[2] < sizes[3]


@each_isa
def test_no_tokens_give_no_rows(kernels):
    layer = random_layer(kernels, np.random.default_rng(4), 12, 2, 20)
    x = np.empty((0, 12), np.float32)
    for starts in ([0], [0, 0]):
        assert kernels.encoder_layer(layer, x, np.array(starts), Workspace()) is None


@each_isa
@each_place
def test_touches_nothing_around_its_arrays(kernels, first_byte, monkeypatch):
    rng = np.random.default_rng(5)
    for hidden, heads, up in SHAPES:
        for lengths in ([1], [3, 20, 1]):
            layer = random_layer(kernels, rng, hidden, heads, up)
            x = normal(rng, sum(lengths), hidden)
            given, starts = guarded(x, first_byte), guarded(starts_of(lengths), first_byte)
            with guarded_outputs(monkeypatch, first_byte):
                kernels.encoder_layer(layer, given, starts, Workspace(), num_threads=3)
            assert same_bits(np.ascontiguousarray(given), run(kernels, layer, x, lengths))
            assert_canaries(given)
            assert_canaries(starts)
