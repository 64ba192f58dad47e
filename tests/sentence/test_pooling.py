"""Pooling of packed rows: against its formula in float64, and the same bits alone and in any batch."""

from __future__ import annotations

import numpy as np
import pytest

from roberta_c.errors import InputError
from roberta_c.sentence.pooling import MODES, checked_modes, pool, pool_rows_read, rows_read

LENGTHS = [1, 7, 2, 33, 128, 3]


def packed(width, seed=0):
    rng = np.random.default_rng(seed)
    starts_s = np.concatenate(([0], np.cumsum(LENGTHS))).astype(np.int64)
    return rng.standard_normal((starts_s[-1], width)).astype(np.float32), starts_s


def expected(rows_th, mode, prompt_tokens):
    """One text's vector in float64."""
    rows = rows_th.astype(np.float64)
    kept = rows[prompt_tokens:]
    if mode == "lasttoken":
        return rows[-1]
    if not len(kept):
        return rows[0] if mode == "cls" else np.zeros(rows.shape[1])
    if mode == "cls":
        return kept[0]
    if mode == "max":
        return kept.max(axis=0)
    if mode == "weightedmean":
        weights = np.arange(1, len(rows) + 1)[prompt_tokens:, None]
        return (kept * weights).sum(axis=0) / weights.sum()
    return kept.sum(axis=0) / (len(kept) if mode == "mean" else len(kept) ** 0.5)


@pytest.mark.parametrize("width", [1, 5, 64, 768])
@pytest.mark.parametrize("prompt_tokens", [0, 2, 7, 500])
@pytest.mark.parametrize("mode", MODES)
def test_the_formula(mode, prompt_tokens, width):
    rows_th, starts_s = packed(width)
    pooled_sh = pool(rows_th, starts_s, mode, prompt_tokens)
    assert pooled_sh.dtype == np.float32
    for vector, begin, end in zip(pooled_sh, starts_s[:-1], starts_s[1:], strict=True):
        wanted = expected(rows_th[begin:end], mode, prompt_tokens)
        np.testing.assert_allclose(vector, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("width", [1, 2, 5, 64, 768])
@pytest.mark.parametrize("prompt_tokens", [0, 2])
@pytest.mark.parametrize("mode", MODES)
def test_a_text_has_the_same_bits_alone(mode, prompt_tokens, width):
    rows_th, starts_s = packed(width)
    together = pool(rows_th, starts_s, mode, prompt_tokens)
    for vector, begin, end in zip(together, starts_s[:-1], starts_s[1:], strict=True):
        own = np.zeros((end - begin + 3, width), np.float32)[3:]  # elsewhere in memory
        own[:] = rows_th[begin:end]
        alone = pool(own, np.array([0, end - begin]), mode, prompt_tokens)
        assert alone.tobytes() == vector.tobytes()


@pytest.mark.parametrize("prompt_tokens", [0, 2])
@pytest.mark.parametrize("modes", [("cls",), ("lasttoken",), ("lasttoken", "cls"), ("cls", "mean")])
def test_rows_that_are_read_are_enough(modes, prompt_tokens):
    rows_th, starts_s = packed(16)
    rows_r = rows_read(starts_s, modes, prompt_tokens)
    assert (rows_r is None) == ("mean" in modes)
    read_rh = rows_th if rows_r is None else rows_th[rows_r]
    found = pool_rows_read(read_rh, rows_r, starts_s, modes, prompt_tokens)
    parts = [pool(rows_th, starts_s, mode, prompt_tokens) for mode in modes]
    np.testing.assert_array_equal(found, np.concatenate(parts, axis=1))


def test_no_texts():
    for mode in MODES:
        assert pool(np.empty((0, 4), np.float32), np.zeros(1, np.int64), mode).shape == (0, 4)


@pytest.mark.parametrize("value", ["average", 3, [], ["mean", "average"], [["mean"]], None])
def test_unknown_modes(value):
    with pytest.raises(InputError, match=r"pooling_mode: found .*, expected one of cls, max, mean"):
        checked_modes(value)
