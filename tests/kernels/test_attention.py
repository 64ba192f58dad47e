"""attention: softmax(Q K^T / sqrt(D)) V within each sequence of a packed batch, against float64."""

from __future__ import annotations

from itertools import pairwise

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
    starts_of,
)

from roberta_c.kernels import Kernels

KC = 192  # csrc/dot.inc: multiply-adds in one chain
KEY_BLOCK = 512  # csrc/internal.h: keys whose scores are held at a time
RAGGED = [1, 17, 2, 33, 1, 12, 64, 5]
HEAD_SIZES = (1, 5, 12, 64, 65)


def attention_and_bound(qkv: np.ndarray, starts: np.ndarray, heads: int) -> tuple[np.ndarray, np.ndarray]:
    """The float64 result, and a bound of the float32 result's error, to first order, derived as follows.

    Softmax does not change when its row is shifted, so let c be the computed maximum. A score's error is at
    most (D + 1) u sum|q||k|; with the subtraction of c, the rounded scale and the product that makes
    delta = scale (D + 1) u sum|q||k| + 3 u |score - c|. A numerator is then off by delta + 2 u relatively
    (exp: within one ULP, test_activation.py), their sum by that and len u, a quotient by twice that, and the
    weighted sum over the values adds its own chains: min(len, KC) + ceil(len / KC) + 3. Every block of keys
    but the first rescales the sums so far: 4 for its factor, two products and the sum.
    """
    hidden = qkv.shape[1] // 3
    size = hidden // heads
    q, k, v = (qkv[:, i * hidden : (i + 1) * hidden].astype(np.float64) for i in range(3))
    context, bound = np.empty((len(qkv), hidden)), np.empty((len(qkv), hidden))
    for begin, end in pairwise(starts):
        for head in range(heads):
            here = np.s_[begin:end, head * size : (head + 1) * size]
            scores = q[here] @ k[here].T / np.sqrt(size)
            shifted = scores - scores.max(axis=1, keepdims=True)
            numerators = np.exp(shifted)
            weights = numerators / numerators.sum(axis=1, keepdims=True)
            context[here] = weights @ v[here]

            length = end - begin
            magnitudes = np.abs(q[here]) @ np.abs(k[here]).T / np.sqrt(size)
            delta = U * ((size + 1) * magnitudes + 3 * np.abs(shifted)).max(axis=1, keepdims=True)
            sums = min(length, KC) + -(-length // KC) + 3 + 4 * (length // KEY_BLOCK)
            relative = 2 * np.expm1(delta + 2 * U) + (length + sums) * U
            # exp is clamped to 2^-126 or above, so that each value adds at least that.
            bound[here] = relative * (weights @ np.abs(v[here])) + 2.0**-125 * np.abs(v[here]).sum(axis=0)
    return context, bound


def assert_close(kernels: Kernels, qkv: np.ndarray, starts: np.ndarray, heads: int, threads: int = 1) -> None:
    expected, bound = attention_and_bound(qkv, starts, heads)
    error = np.abs(kernels.attention(qkv, starts, heads, num_threads=threads) - expected)
    assert (error <= bound).all(), f"{(error / bound).max():.2f} of the bound"


@each_isa
@pytest.mark.parametrize("size", HEAD_SIZES)
def test_error_is_within_its_bound(kernels, size):
    rng = np.random.default_rng(size)
    for heads in (1, 3):
        qkv = normal(rng, sum(RAGGED), 3 * heads * size, scale=1.5)
        assert_close(kernels, qkv, starts_of(RAGGED), heads, threads=2)


@each_isa
def test_every_length_around_the_tile_size(kernels):
    rng = np.random.default_rng(1)
    mr, nr = kernels.tile
    for length in {*range(1, mr + 2), nr - 1, nr, nr + 1, 2 * nr + 1} - {0}:
        assert_close(kernels, normal(rng, length, 3 * 7), starts_of([length]), heads=1)


@each_fast_isa
@pytest.mark.parametrize("length", [KC, KC + 1, 389, KEY_BLOCK, KEY_BLOCK + 1, 3 * KEY_BLOCK - 1])
def test_long_sequences(kernels, length):
    rng = np.random.default_rng(length)
    assert_close(kernels, normal(rng, length + 3, 3 * 2 * 64), starts_of([length, 3]), heads=2, threads=2)


@each_fast_isa
@pytest.mark.parametrize("falling", [False, True])
def test_the_maximum_may_be_in_any_block_of_keys(kernels, falling):
    """Scores rise along the keys, so that every block raises the maximum, or fall, so that none but the first
    does."""
    length, size = 4 * KEY_BLOCK + 5, 8
    rng = np.random.default_rng(5)
    qkv = normal(rng, length, 3 * size)
    qkv[:, :size] = 1.0
    slope = np.linspace(-6, 6, length, dtype=np.float32)[:, None]
    qkv[:, size : 2 * size] += slope[::-1] if falling else slope
    assert_close(kernels, qkv, starts_of([length]), heads=1, threads=2)


@each_isa
def test_one_token_attends_to_itself_exactly(kernels):
    qkv = normal(np.random.default_rng(2), 4, 3 * 10)
    context = kernels.attention(qkv, starts_of([1, 1, 1, 1]), 2)
    np.testing.assert_array_equal(context, qkv[:, 20:])


@each_fast_isa
def test_extreme_scores_give_one_hot_weights(kernels):
    """Scores of +-1e30 do not overflow, since the row's maximum is subtracted before exp."""
    length, size = 19, 4
    qkv = np.zeros((length, 3 * size), np.float32)
    qkv[:, 0] = 1e20
    qkv[:, size] = -1e10 * np.arange(length)
    qkv[7, size] = 1e10
    qkv[:, 2 * size :] = normal(np.random.default_rng(3), length, size)
    context = kernels.attention(qkv, starts_of([length]), 1)
    np.testing.assert_array_equal(context, np.broadcast_to(qkv[7, 2 * size :], (length, size)))


@each_isa
def test_nan_stays_in_its_sequence_and_head(kernels):
    rng = np.random.default_rng(4)
    lengths, heads, size = [5, 9, 3], 2, 6
    qkv, starts, hidden = normal(rng, 17, 3 * heads * size), starts_of(lengths), heads * size
    clean = kernels.attention(qkv, starts, heads)
    qkv[8, hidden + 2] = np.nan  # one key of the second sequence's first head
    context = kernels.attention(qkv, starts, heads)
    affected = np.zeros(context.shape, bool)
    affected[5:14, :size] = True
    assert np.isnan(context[affected]).all()
    assert same_bits(context[~affected], clean[~affected])


@each_fast_isa
def test_a_sequence_has_the_same_bits_in_any_batch(kernels):
    """Alone, in any order, among others, with any number of threads: 120 random batches."""
    rng = np.random.default_rng(5)
    for case in range(120):
        heads, size = int(rng.integers(1, 4)), int(rng.integers(1, 20))
        lengths = rng.integers(1, 50, rng.integers(1, 9)).tolist()
        starts = starts_of(lengths)
        qkv = normal(rng, int(starts[-1]), 3 * heads * size)
        rows = [slice(begin, end) for begin, end in pairwise(starts)]
        alone = [kernels.attention(qkv[r], starts_of([r.stop - r.start]), heads) for r in rows]
        order = rng.permutation(len(rows))
        shuffled = np.concatenate([qkv[rows[i]] for i in order])
        context = kernels.attention(
            shuffled, starts_of([lengths[i] for i in order]), heads, num_threads=THREADS[case % len(THREADS)]
        )
        assert same_bits(context, np.concatenate([alone[i] for i in order]))


@each_fast_isa
def test_a_head_has_the_same_bits_alone(kernels):
    rng = np.random.default_rng(6)
    heads, size = 3, 13
    qkv = normal(rng, 40, 3 * heads * size)
    starts = starts_of([22, 18])
    together = kernels.attention(qkv, starts, heads, num_threads=5)
    parts = qkv.reshape(40, 3, heads, size)
    for head in range(heads):
        alone = kernels.attention(np.ascontiguousarray(parts[:, :, head]).reshape(40, -1), starts, 1)
        assert same_bits(np.ascontiguousarray(together[:, head * size : (head + 1) * size]), alone)


@each_isa
@pytest.mark.parametrize("lengths", [[], [0], [0, 3, 0, 0, 2, 0]])
def test_empty_sequences_are_skipped(kernels, lengths):
    rng = np.random.default_rng(7)
    qkv = normal(rng, sum(lengths), 3 * 8)
    for threads in THREADS:
        context = kernels.attention(qkv, starts_of(lengths), 2, num_threads=threads)
        full = kernels.attention(qkv, starts_of([n for n in lengths if n]), 2)
        assert same_bits(context, full)


@each_isa
@each_place
def test_touches_nothing_around_its_arrays(kernels, first_byte, monkeypatch):
    rng = np.random.default_rng(8)
    for size in (1, 5, 33, 64):
        for lengths in ([1], [RAGGED[1], 3], RAGGED):
            qkv, starts = normal(rng, sum(lengths), 3 * 2 * size), starts_of(lengths)
            expected = kernels.attention(qkv, starts, 2)
            given, given_starts = guarded(qkv, first_byte), guarded(starts, first_byte)
            with guarded_outputs(monkeypatch, first_byte):
                context = kernels.attention(given, given_starts, 2, num_threads=3)
            assert same_bits(context, expected)
            assert_canaries(given)
            assert_canaries(given_starts)
