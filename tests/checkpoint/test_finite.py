"""finite.py: what all_finite says of every pattern of bits."""

from __future__ import annotations

import numpy as np
import pytest

from roberta_c.checkpoint.finite import all_finite

HALVES = {"float16": 0x7C00, "bfloat16": 0x7F80}


@pytest.mark.parametrize("dtype", HALVES)
def test_every_half(dtype):
    every = np.arange(1 << 16, dtype=np.uint16)
    expected = (every & HALVES[dtype]) != HALVES[dtype]
    values = every if dtype == "bfloat16" else every.view(np.float16)
    assert [all_finite(values[i : i + 1], dtype) for i in range(1 << 16)] == expected.tolist()
    assert all_finite(values[expected], dtype)


@pytest.mark.parametrize(("dtype", "integer", "exponent"), [("float32", "u4", 8), ("float64", "u8", 11)])
def test_every_exponent_and_the_edges_of_each(dtype, integer, exponent):
    fraction = np.dtype(integer).itemsize * 8 - 1 - exponent
    heads = np.arange(2 << exponent, dtype=integer) << np.array(fraction, integer)
    one, last = np.array(1, integer), np.array((1 << fraction) - 1, integer)
    every = np.concatenate([heads, heads + one, heads + last])
    values = every.view(dtype)
    assert [all_finite(values[i : i + 1], dtype) for i in range(len(values))] == np.isfinite(values).tolist()
    assert all_finite(values[np.isfinite(values)], dtype)


def test_one_among_many():
    values = np.linspace(-1, 1, 1001, dtype=np.float32)
    for value in (np.nan, -np.nan, np.inf, -np.inf):
        for place in (0, 500, 1000):
            spoilt = values.copy()
            spoilt[place] = value
            assert not all_finite(spoilt, "float32")
    assert all_finite(values, "float32")
    assert all_finite(values[:0], "float32")
