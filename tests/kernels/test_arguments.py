"""arguments.py: each check returns what it is given, or raises an InputError of one line that names it."""

from __future__ import annotations

import numpy as np
import pytest
from samples.kernels import starts_of

from roberta_c.errors import InputError
from roberta_c.kernels.arguments import (
    checked_array,
    checked_floats,
    checked_indices,
    checked_name,
    checked_output,
    checked_rows_wanted,
    checked_smooth,
    checked_starts,
)

FLOATS = np.arange(12, dtype=np.float32).reshape(3, 4)


def strided(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, 2, axis=-1)[..., ::2]


def unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    return memory.view(array.dtype).reshape(array.shape)


def refused(message: str):
    return pytest.raises(InputError, match=f"^{message}")


# ---- arrays --------------------------------------------------------------------------------------------

OTHER_KINDS = {
    "found list, expected a numpy array": FLOATS.tolist(),
    "found NoneType, expected a numpy array": None,
    "found dtype float64, expected float32": FLOATS.astype(np.float64),
    "found dtype >f4, expected float32": FLOATS.astype(">f4"),
    "found dtype int32, expected float32": FLOATS.view(np.int32),
    "found dtype object, expected float32": FLOATS.astype(object),
    "found a strided or unaligned array, expected a C-contiguous one": strided(FLOATS),
    "found a strided or unaligned array, expected a C-contiguous": unaligned(FLOATS),
}


@pytest.mark.parametrize("message", OTHER_KINDS)
def test_arrays_of_another_kind(message):
    for check in (
        lambda value: checked_array(value, "weight", np.float32, (None, 4)),
        lambda value: checked_floats(value, "weight"),
        lambda value: checked_output(value, "weight", (None, 4)),
    ):
        with refused(f"weight: {message}"):
            check(OTHER_KINDS[message])


@pytest.mark.parametrize("shape", [(3, 4), (None, 4), (3, None), (None, None)])
def test_none_in_a_shape_admits_any_length(shape):
    assert checked_array(FLOATS, "x", np.float32, shape) is FLOATS
    assert checked_output(FLOATS, "x", shape) is FLOATS


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 5), "3, 5"),
        ((None, 3), "any, 3"),
        ((12,), "12"),
        ((None,), "any"),
        ((), ""),
        ((1, None, 4), "1, any, 4"),
    ],
)
def test_arrays_of_another_shape(shape, expected):
    with refused(rf"x: found shape \(3, 4\), expected \({expected}\)$"):
        checked_array(FLOATS, "x", np.float32, shape)


def test_an_array_that_may_lie_at_any_address():
    value = unaligned(FLOATS)
    assert checked_array(value, "word embeddings", np.float32, (3, 4), any_alignment=True) is value
    with refused("word embeddings: found a strided or unaligned array"):
        checked_array(strided(FLOATS), "word embeddings", np.float32, (3, 4), any_alignment=True)


@pytest.mark.parametrize("shape", [(), (0,), (12,), (2, 0, 3), (1, 2, 3, 2)])
def test_floats_of_any_shape(shape):
    value = np.zeros(shape, np.float32)
    assert checked_floats(value, "x") is value


def test_an_output_must_be_writable():
    value = FLOATS.copy()
    value.flags.writeable = False
    assert checked_array(value, "x", np.float32, (3, 4)) is value
    with refused("x: found a read-only array, expected a writable one"):
        checked_output(value, "x", (3, 4))


# ---- names and factors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["RELU", "", None, 3, [], b"relu", "x" * 999])
def test_names_are_taken_from_a_list(value):
    assert checked_name("relu", "activation", ("gelu", "relu")) == "relu"
    with refused("activation: found .{1,80}, expected one of gelu, relu$"):
        checked_name(value, "activation", ("gelu", "relu"))


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, -np.inf])
def test_smoothing_factors_are_positive_and_finite(value):
    smooth = np.array([1, 0.25, 4], np.float32)
    assert checked_smooth(None, 3) is None
    assert checked_smooth(smooth, 3) is smooth
    smooth[1] = value
    with refused("smooth: found values that are not finite or not positive, expected positive factors$"):
        checked_smooth(smooth, 3)
    with refused(r"smooth: found shape \(3,\), expected \(2\)$"):
        checked_smooth(smooth, 2)
    with refused("smooth: found list, expected a numpy array$"):
        checked_smooth([1.0, 1.0], 2)


# ---- sequences and indices -----------------------------------------------------------------------------

WRONG_STARTS = {
    "empty": [],
    "not from 0": [1, 3],
    "negative": [-1, 3],
    "short of the end": [0, 2],
    "past the end": [0, 4],
    "falling": [0, 2, 1, 3],
    "far out": [0, 2**62, 3],
    "differences that wrap around": [0, 2**63 - 1, -2, 3],
}


@pytest.mark.parametrize("starts", WRONG_STARTS.values(), ids=WRONG_STARTS)
def test_sequence_offsets_rise_from_0_to_the_number_of_tokens(starts):
    with refused(r"seq_starts: found \[.*\], expected offsets that rise from 0 to 3$"):
        checked_starts(np.array(starts, np.int64), 3)


@pytest.mark.parametrize("lengths", [[3], [1, 2], [0, 3, 0, 0], [1, 1, 1]])
def test_sequences_may_be_empty(lengths):
    starts = starts_of(lengths)
    assert checked_starts(starts, 3) is starts
    assert checked_starts(np.array([0]), 0).tolist() == [0]
    assert checked_starts(np.array([0, 0]), 0).tolist() == [0, 0]


INTEGER_CHECKS = {
    "seq_starts": lambda value: checked_starts(value, 3),
    "input_ids": lambda value: checked_indices(value, "input_ids", 2, 4),
    "rows_wanted": lambda value: checked_rows_wanted(value, 4),
}


@pytest.mark.parametrize("name", INTEGER_CHECKS)
def test_offsets_and_indices_are_int64_arrays_of_one_dimension(name):
    good = np.array([0, 3])
    check = INTEGER_CHECKS[name]
    assert check(good) is good
    for wrong, found in (
        (good.astype(np.int32), "dtype int32"),
        (good.astype(np.uint64), "dtype uint64"),
        (good.astype(float), "dtype float64"),
        (good.astype(bool), "dtype bool"),
        (good.astype(">i8"), "dtype >i8"),
        (good[None], r"shape \(1, 2\)"),
        (np.array(0), r"shape \(\)"),
        (strided(good), "a strided or unaligned array"),
        (unaligned(good), "a strided or unaligned array"),
        ([0, 3], "list"),
        (None, "NoneType"),
    ):
        with refused(f"{name}: found {found}, expected "):
            check(wrong)


def test_indices_lie_within_their_table():
    good = np.array([0, 6, 3, 6])
    assert checked_indices(good, "input_ids", 4, 7) is good
    assert len(checked_indices(good[:0], "input_ids", 0, 0)) == 0
    for wrong in (-1, -(2**63), 7, 2**63 - 1):
        with refused(f"input_ids: found {wrong}, expected 0 to 6$"):
            checked_indices(np.array([0, wrong, 6]), "input_ids", 3, 7)
    with refused(r"position_ids: found shape \(4,\), expected \(3\)$"):
        checked_indices(good, "position_ids", 3, 7)
    with refused("input_ids: found 0, expected 0 to -1$"):
        checked_indices(np.array([0]), "input_ids", 1, 0)


@pytest.mark.parametrize("rows", [[], [0], [4], [0, 1, 2, 3, 4], [1, 3]])
def test_rows_wanted_ascend(rows):
    rows = np.array(rows, np.int64)
    assert checked_rows_wanted(rows, 5) is rows


@pytest.mark.parametrize("rows", [[1, 0], [0, 0], [0, 2, 2, 4], [4, 3, 2, 1, 0], [0, 3, 1]])
def test_rows_wanted_that_fall_or_repeat(rows):
    with refused(r"rows_wanted: found \[[0-9, ]*\], expected ascending row numbers$"):
        checked_rows_wanted(np.array(rows), 5)


@pytest.mark.parametrize("wrong", [-1, 5, -(2**63), 2**63 - 1])
def test_rows_wanted_outside_the_tokens(wrong):
    with refused(f"rows_wanted: found {wrong}, expected 0 to 4$"):
        checked_rows_wanted(np.array(sorted((wrong, 2))), 5)
    with refused("rows_wanted: found 0, expected 0 to -1$"):
        checked_rows_wanted(np.array([0]), 0)


def test_a_long_list_does_not_make_a_long_message():
    for check in (
        lambda: checked_rows_wanted(np.zeros(9999, np.int64), 5),
        lambda: checked_starts(np.arange(9999), 5),
    ):
        with pytest.raises(InputError) as caught:
            check()
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)
