"""pool: the rows of each sequence as one row, against float64; alone and inside `encode`."""

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
    lanes,
    normal,
    random_layer,
    same_bits,
    starts_of,
)

from roberta_c.errors import InputError
from roberta_c.kernels import EmbeddingTables, Norm, Workspace

POOLINGS = ("cls", "lasttoken", "mean", "mean_sqrt_len_tokens", "weightedmean", "max")
BLOCK = 64  # POOL_BLOCK of pool.inc


def pooled_and_bound(x_th: np.ndarray, pooling: str, skipped: int) -> tuple[np.ndarray, np.ndarray]:
    """The float64 result of one sequence, and a bound of the float32 result's error, derived as follows.

    A value passes through at most min(T, BLOCK) additions of its block and T / BLOCK + 1 of blocks, each off
    by u of the sum of magnitudes at most; a weight's product adds 1, and divisor and division 2.
    """
    x64 = x_th[skipped:].astype(np.float64)
    t = len(x64)
    if pooling in ("cls", "lasttoken"):
        return x64[0 if pooling == "cls" else -1], np.zeros(x_th.shape[1])
    if pooling == "max":
        return x64.max(axis=0), np.zeros(x_th.shape[1])
    weights = np.arange(skipped + 1, skipped + t + 1.0) if pooling == "weightedmean" else np.ones(t)
    divisor = np.sqrt(t) if pooling == "mean_sqrt_len_tokens" else weights.sum()
    roundings = min(t, BLOCK) + t / BLOCK + 4
    bound = roundings * U * (weights @ np.abs(x64)) / divisor
    return weights @ x64 / divisor, bound * 1.01 + 1e-37


@each_isa
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("skipped", [0, 1, 3])
def test_error_is_within_its_bound(kernels, pooling, skipped):
    rng = np.random.default_rng(1)
    lengths = [4, 5, 63, 64, 65, 128, 131, 700]
    starts = starts_of(lengths)
    for hidden in (1, 3, 7, 8, 15, 16, 17, 33, 96):
        x = normal(rng, starts[-1], hidden) + np.float32(0.3)
        found = kernels.pool(x, starts, (pooling,), skipped)
        for index, row in enumerate(found):
            expected, bound = pooled_and_bound(x[starts[index] : starts[index + 1]], pooling, skipped)
            assert (np.abs(row - expected) <= bound).all(), (hidden, lengths[index])


@each_fast_isa
def test_several_poolings_stand_side_by_side(kernels):
    rng = np.random.default_rng(2)
    starts = starts_of([3, 9, 70])
    x = normal(rng, starts[-1], 21)
    alone = [kernels.pool(x, starts, (pooling,), 1) for pooling in POOLINGS]
    assert same_bits(kernels.pool(x, starts, POOLINGS, 1), np.concatenate(alone, axis=1))


@each_fast_isa
def test_a_sequence_has_the_same_bits_among_any_others(kernels):
    rng = np.random.default_rng(3)
    for case in range(60):
        lengths = rng.integers(1, 200, int(rng.integers(1, 8))).tolist()
        starts, hidden = starts_of(lengths), int(rng.integers(1, 80))
        x, skipped = normal(rng, starts[-1], hidden), int(rng.integers(0, 3))
        parts = [x[begin:end] for begin, end in pairwise(starts)]
        alone = [kernels.pool(part, starts_of([len(part)]), POOLINGS, skipped) for part in parts]
        order = rng.permutation(len(parts))
        together = np.concatenate([parts[index] for index in order])
        threads = THREADS[case % len(THREADS)]
        found = kernels.pool(together, starts_of([lengths[i] for i in order]), POOLINGS, skipped, threads)
        assert same_bits(found, np.concatenate([alone[index] for index in order]))


@each_isa
def test_nothing_left(kernels):
    x = normal(np.random.default_rng(4), 5, 9)
    found = kernels.pool(x, starts_of([2, 3]), POOLINGS, 2)
    assert same_bits(found[0, :18], x[:2].reshape(-1))
    assert not found[0, 18:].any()
    # One row, weighted by 3: a product and a division.
    np.testing.assert_allclose(found[1], np.tile(x[4], len(POOLINGS)), rtol=3 * U)
    assert kernels.pool(x[:0], starts_of([]), ("mean",)).shape == (0, 9)


@each_fast_isa
def test_encode_pools_the_rows_that_it_would_return(kernels):
    rng = np.random.default_rng(5)
    hidden, lengths = 24, [3, 1, 40, 7]
    layers = [random_layer(kernels, rng, hidden, 4, 50) for _ in range(2)]
    norm = Norm(np.ones(hidden, np.float32), np.zeros(hidden, np.float32), 1e-5)
    tables = EmbeddingTables(
        normal(rng, 30, hidden), "float32", normal(rng, 50, hidden), normal(rng, 1, hidden), norm
    )
    starts = starts_of(lengths)
    ids = rng.integers(0, 30, starts[-1])
    positions = np.concatenate([np.arange(length) for length in lengths])
    rows = kernels.encode(tables, layers, ids, positions, None, starts, Workspace())
    for threads in (1, 2, 3):
        found = kernels.encode(
            tables, layers, ids, positions, None, starts, Workspace(), None, None, threads, POOLINGS, 1
        )
        assert same_bits(found, kernels.pool(rows, starts, POOLINGS, 1))


@each_isa
@each_place
def test_touches_nothing_around_its_arrays(kernels, first_byte, monkeypatch):
    rng = np.random.default_rng(6)
    starts = starts_of([2, 5])
    for hidden in {1, 2, *range(lanes(kernels) - 1, 2 * lanes(kernels) + 2), 77} - {0}:
        x = normal(rng, 7, hidden)
        given = guarded(x, first_byte)
        with guarded_outputs(monkeypatch, first_byte):
            found = kernels.pool(given, starts, ("mean", "max"), 1, 2)
        assert same_bits(found, kernels.pool(x, starts, ("mean", "max"), 1))
        assert_canaries(given)


@each_fast_isa
def test_bad_arguments(kernels):
    x, starts = np.zeros((3, 6), np.float32), starts_of([3])
    for arguments, message in (
        ((x, starts, ()), r"pooling: found \(\), expected a tuple of names"),
        ((x, starts, "mean"), "pooling: found 'mean', expected a tuple"),
        ((x, starts, ("median",)), "pooling: found 'median', expected one of cls, "),
        ((x, starts, ("mean",), -1), "skipped: found -1"),
        ((x, starts, ("mean",), 2**31), "skipped: found 2147483648"),
        ((x, starts_of([4]), ("mean",)), "seq_starts"),
    ):
        with pytest.raises(InputError, match=message):
            kernels.pool(*arguments)
