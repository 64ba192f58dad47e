"""quantize_embeddings gives exactly the numbers of sentence-transformers."""

from __future__ import annotations

import logging
import tracemalloc

import numpy as np
import pytest
import torch
from samples.tokenizers import assert_one_line
from sentence_transformers.util.quantization import quantize_embeddings as original

from roberta_c import quantize_embeddings
from roberta_c.errors import InputError, ResourceError
from roberta_c.sentence.quantization import PRECISIONS

RNG = np.random.default_rng(0)
MANY = RNG.standard_normal((150, 21)).astype(np.float32)
MANY[:, 5] = 0.25  # a column without a range
MANY[7, :4] = 0
RANGES = np.stack([MANY.min(axis=0) / 2, MANY.max(axis=0) / 2])  # values beyond them are clipped
DAMAGED = np.where(np.arange(21) == 9, np.float32(np.nan), MANY)
FORMS = [MANY, MANY.astype(np.float64), MANY.astype(np.float16), list(MANY), torch.from_numpy(MANY), MANY[:3]]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "options", [{}, {"ranges": RANGES}, {"calibration_embeddings": MANY[:50]}], ids=["", "ranges", "others"]
)
@pytest.mark.parametrize("form", range(len(FORMS)))
def test_equal(precision, options, form):
    ours, theirs = (
        quantize_embeddings(FORMS[form], precision, **options),
        original(FORMS[form], precision, **options),
    )
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_single_vectors_lists_of_matrices_and_none_at_all(precision):
    for given in (MANY[0], MANY[:1]):
        np.testing.assert_array_equal(
            quantize_embeddings(given, precision, RANGES), original(given, precision, RANGES)
        )
    matrices = [MANY[:5], MANY[5:6], MANY[6:6], MANY[6:140]]
    ours, theirs = quantize_embeddings(matrices, precision), original(matrices, precision)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    empty = quantize_embeddings(MANY[:0], precision)
    assert (empty.shape, empty.dtype) == (
        original(MANY[:0], precision).shape,
        original(MANY[:0], precision).dtype,
    )
    assert quantize_embeddings([], precision) == []


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_extra_memory_is_bounded(precision):
    """Beside the argument, 31 MB, and the result."""
    embeddings = np.random.default_rng(0).standard_normal((10_000, 768)).astype(np.float32)
    tracemalloc.start()
    result = quantize_embeddings(embeddings, precision)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - result.nbytes < 5e6


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_ranges_whose_step_float32_cannot_hold():
    """Too wide, or too narrow; the other columns stay as they are."""
    wide = np.array([[-3e38], [3e38], [0], [1e38]], np.float32)
    for column, expected in (
        (wide, [0, 255, 127, 169]),
        (np.array([[0], [1], [2], [4]], np.float32) * np.float32(1e-44), [0, 63, 127, 255]),
    ):
        both = np.hstack([MANY[:4, :1], column])
        with np.errstate(all="raise"):
            found = quantize_embeddings(both, "uint8")
            signed = quantize_embeddings(both, "int8")
        np.testing.assert_array_equal(found[:, 1], expected)
        np.testing.assert_array_equal(signed[:, 1], np.array(expected) - 128)
        np.testing.assert_array_equal(found[:, :1], quantize_embeddings(MANY[:4, :1], "uint8"))


def test_numbers_that_are_small_in_float32_raise_nothing():
    small = MANY.astype(np.float64) * 1e-44
    with np.errstate(all="raise"):
        for precision in PRECISIONS:
            assert len(quantize_embeddings(small, precision)) == len(small)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [(3, 1 << 40), (1 << 40, 3)])
def test_results_that_memory_cannot_hold(precision, shape):
    wide = np.broadcast_to(np.float32(1), shape)
    for given in (wide, [wide, wide]):
        with pytest.raises(ResourceError) as caught:
            quantize_embeddings(given, precision)
        assert_one_line(caught.value, "embeddings", "bytes in memory, expected at most")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_vectors_without_numbers(precision):
    none = np.zeros((1 << 40, 0), np.float32)
    assert quantize_embeddings(none, precision).shape == none.shape


def test_few_embeddings_are_warned_of(caplog):
    with caplog.at_level(logging.WARNING):
        quantize_embeddings(MANY[:9], "int8")
    (record,) = caplog.records
    assert record.getMessage() == (
        "int8: ranges of only 9 embeddings, expected ranges= or calibration_embeddings= of many embeddings"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((MANY, "int4"), "precision: found 'int4', expected one of float32, int8, uint8, binary, ubinary"),
        ((MANY, None), "precision: found None"),
        ((MANY[0], "int8"), "embeddings for int8: found one embedding, expected ranges= or"),
        ((MANY[:1], "uint8"), "embeddings for uint8: found one embedding"),
        ((MANY.astype(np.int8), "binary"), "embeddings: found dtype int8, expected floats"),
        ((["a"], "binary"), "embeddings[0]: found dtype <U1, expected floats"),
        (([MANY[0], MANY[0, :3]], "binary"), "embeddings: found vectors of different widths"),
        (([MANY, MANY[:, :3]], "int8"), "embeddings: found matrices of different widths"),
        ((MANY, "int8", RANGES[:, :3]), "ranges: found shape (2, 3), expected (2, 21)"),
        ((MANY, "int8", None, MANY[0]), "calibration_embeddings: found shape (21,)"),
        ((DAMAGED, "int8", RANGES), "embeddings: found numbers that are NaN or infinite, expected finite"),
        ((list(DAMAGED), "binary"), "embeddings: found numbers that are NaN or infinite"),
        (([MANY, DAMAGED], "uint8"), "embeddings[1]: found numbers that are NaN or infinite"),
        ((MANY, "int8", np.inf * RANGES), "ranges: found numbers that are NaN or infinite"),
        ((MANY, "int8", None, DAMAGED), "calibration_embeddings: found numbers that are NaN or infinite"),
        ((np.full((2, 2), 1e300), "float32"), "embeddings: found numbers beyond the range of float32"),
        ((np.full((2, 2), -1e39), "ubinary"), "embeddings: found numbers beyond the range of float32"),
        (
            (MANY, "int8", RANGES.astype(np.float64) * 1e300),
            "ranges: found numbers beyond the",
        ),
        (
            (MANY, "int8", None, MANY.astype(np.float64) * 1e300),
            "calibration_embeddings: found numbers b",
        ),
        ((MANY[:, :1], "int8", [[1.0], [0.0]]), "ranges of column 0: found the least value 1.0 above the"),
        (([MANY, MANY[0]], "binary"), "embeddings[1]: found shape (21,), expected a matrix (tokens, width)"),
        ((0.5, "binary"), "embeddings: found 0.5, expected an array (n, width)"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(InputError) as caught:
        quantize_embeddings(*arguments)
    assert_one_line(caught.value, message)
