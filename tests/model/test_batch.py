"""batch.py: the ids and masks that pack_batch accepts and those that it refuses, chunks, and pack_hidden."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.roberta.modeling_roberta import RobertaEmbeddings

from roberta_c.errors import InputError
from roberta_c.model.batch import BatchLimits, PackedBatch, pack_batch, pack_hidden

PAD = 1
LIMITS = BatchLimits(vocab_size=1000, pad_token_id=PAD, max_position_embeddings=514, type_vocab_size=2)
PADDED = np.array([[0, 11, 12, 2], [0, 21, 2, PAD], [0, 2, PAD, PAD]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]])
RAGGED = [[0, 11, 12, 2], [0, 21, 2], [0, 2]]
TOKENS = [0, 11, 12, 2, 0, 21, 2, 0, 2]
POSITIONS = [2, 3, 4, 5, 2, 3, 4, 2, 3]


def pack(ids, mask=None, types=None, positions=None, limits: BatchLimits = LIMITS) -> PackedBatch:
    return pack_batch(ids, mask, types, positions, limits)


def assert_packed(batch: PackedBatch) -> None:
    assert batch.token_ids_t.tolist() == TOKENS
    assert batch.position_ids_t.tolist() == POSITIONS
    assert batch.seq_starts_s.tolist() == [0, 4, 7, 9]
    assert batch.first_tokens_s.tolist() == [0, 4, 7]
    assert len(batch) == 3
    for array in (batch.token_ids_t, batch.position_ids_t, batch.seq_starts_s):
        assert array.dtype == np.int64
        assert array.dtype.isnative
        assert array.flags.c_contiguous
        assert array.flags.aligned


# ---- accepted ------------------------------------------------------------------------------------------


def read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    view = memory.view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


ARRAY_FORMS = {
    **{
        dtype: (lambda a, dtype=dtype: a.astype(dtype))
        for dtype in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
    },
    "byte-swapped": lambda a: a.astype(">i4"),
    "byte-swapped 8": lambda a: a.astype(">u8"),
    "column-major": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "negative strides": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "unaligned": unaligned,
    "numpy matrix": lambda a: a.view(np.matrix),
    "torch int64": torch.tensor,
    "torch int32, transposed": lambda a: torch.tensor(a.T.copy(), dtype=torch.int32).T,
}
LIST_FORMS = {
    "lists": lambda rows: rows,
    "tuples": lambda rows: tuple(tuple(row) for row in rows),
    "arrays": lambda rows: [np.array(row) for row in rows],
    "uint8 arrays": lambda rows: [np.array(row, np.uint8) for row in rows],
    "strided arrays": lambda rows: [np.repeat(row, 2)[::2] for row in rows],
    "lists of numpy ints": lambda rows: [[np.int32(value) for value in row] for row in rows],
}
MASK_FORMS = {
    "int": lambda a: a,
    "bool": lambda a: a.astype(bool),
    "float32": lambda a: a.astype(np.float32),
    "float16": lambda a: a.astype(np.float16),
    "uint8": lambda a: a.astype(np.uint8),
    "byte-swapped float": lambda a: a.astype(">f8"),
    "lists": lambda a: a.tolist(),
    "lists of bools": lambda a: a.astype(bool).tolist(),
    "lists of floats": lambda a: a.astype(float).tolist(),
    "torch bool": lambda a: torch.tensor(a).bool(),
    "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
}


@pytest.mark.parametrize("form", ARRAY_FORMS)
def test_arrays_of_any_integers(form):
    assert_packed(pack(ARRAY_FORMS[form](PADDED), ARRAY_FORMS[form](MASK)))


@pytest.mark.parametrize("form", LIST_FORMS)
def test_ragged_lists(form):
    rows = LIST_FORMS[form](RAGGED)
    ones = LIST_FORMS[form]([[1] * len(row) for row in RAGGED])
    assert_packed(pack(rows))
    assert_packed(pack(rows, ones))
    batch = pack(rows, None, LIST_FORMS[form]([[1] * len(row) for row in RAGGED]))
    assert batch.token_type_ids_t.tolist() == [1] * 9


@pytest.mark.parametrize("form", MASK_FORMS)
def test_masks_of_any_zeros_and_ones(form):
    assert_packed(pack(PADDED, MASK_FORMS[form](MASK)))
    assert_packed(pack(PADDED.tolist(), MASK_FORMS[form](MASK)))


@pytest.mark.parametrize(
    ("ids", "mask"),
    [
        ([[0, 5, 2, PAD, PAD]], [[1, 1, 1, 0, 0]]),
        ([[PAD, PAD, 0, 5, 2]], [[0, 0, 1, 1, 1]]),
        ([[PAD, 0, PAD, 5, 2]], [[0, 1, 0, 1, 1]]),
        ([[0, PAD, PAD, 5, 2]], [[True, False, False, True, True]]),
    ],
)
def test_padding_on_any_side_and_inside_is_dropped(ids, mask):
    for form in (list, np.array):
        batch = pack(form(ids), form(mask))
        assert batch.token_ids_t.tolist() == [0, 5, 2]
        assert batch.position_ids_t.tolist() == [2, 3, 4]


def test_pads_that_are_not_masked_are_tokens():
    """Position ids count the ids other than pad_token_id; a pad's position id is pad_token_id."""
    batch = pack([[0, PAD, 5, 2]])
    assert batch.token_ids_t.tolist() == [0, PAD, 5, 2]
    assert batch.position_ids_t.tolist() == [2, PAD, 3, 4]


def test_masked_tokens_that_are_not_pads_count_in_positions():
    batch = pack([[7, 8, 0, 5]], [[0, 0, 1, 1]])
    assert batch.token_ids_t.tolist() == [0, 5]
    assert batch.position_ids_t.tolist() == [4, 5]


@pytest.mark.parametrize("empty", [[], (), np.zeros((0, 0), np.int64), np.zeros((0, 7), np.uint8)])
def test_an_empty_batch_is_a_batch(empty):
    batch = pack(empty)
    assert len(batch) == 0
    assert batch.seq_starts_s.tolist() == [0]
    assert len(batch.token_ids_t) == 0
    assert list(batch.chunks(10)) == []
    back = batch.unpack(np.empty((0, 3), np.float32))
    assert len(back) == 0
    assert len(pack(empty, empty, empty, empty)) == 0


def test_given_types_and_positions_are_packed_like_ids():
    types, positions = np.array([[0, 1, 1, 0]] * 3), np.array([[9, 8, 7, 6], [5, 4, 3, 2], [13, 12, 11, 10]])
    batch = pack(PADDED, MASK, types, positions)
    assert batch.token_type_ids_t.tolist() == [0, 1, 1, 0, 0, 1, 1, 0, 1]
    assert batch.position_ids_t.tolist() == [9, 8, 7, 6, 5, 4, 3, 13, 12]


def test_the_batch_does_not_follow_later_changes_of_its_input():
    """Ids that were range-checked must not change while kernels read them."""
    for ids in (PADDED.copy(), [PADDED[0].copy()]):
        types, positions, mask = np.zeros((3, 4), np.int64), np.full((3, 4), 5), MASK.copy()
        if isinstance(ids, list):
            types, positions, mask = types[:1], positions[:1], np.ones((1, 4), np.int64)
        batch = pack(ids, mask, types, positions)
        before = [a.copy() for a in (batch.token_ids_t, batch.token_type_ids_t, batch.position_ids_t)]
        for array in (ids[0], types, positions, mask):
            array[...] = 10**9
        after = [batch.token_ids_t, batch.token_type_ids_t, batch.position_ids_t]
        assert all((one == other).all() for one, other in zip(before, after, strict=True))


# ---- position ids --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pad", [0, 1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_position_ids_equal_transformers(pad, dtype):
    """With pads anywhere, masked or not. In rows of more than 255 ids, a sum in uint8 would overflow."""
    rng = np.random.default_rng(pad)
    limits = BatchLimits(200, pad, 800, 1)
    for width in (1, 7, 300, 600):
        ids = rng.integers(0, 200, (5, width)).astype(dtype)
        ids[rng.random((5, width)) < 0.3] = pad
        ids[0] = 100
        theirs = RobertaEmbeddings.create_position_ids_from_input_ids(
            torch.tensor(ids.astype(np.int64)), pad
        ).numpy()
        assert pack(ids, limits=limits).position_ids_t.tolist() == theirs.reshape(-1).tolist()
        assert pack(list(ids), limits=limits).position_ids_t.tolist() == theirs.reshape(-1).tolist()
        mask = rng.random((5, width)) < 0.7
        mask[:, 0] = True
        assert pack(ids, mask, limits=limits).position_ids_t.tolist() == theirs[mask].tolist()


# ---- unpacking and chunks ---------------------------------------------------------------------------------


def test_unpack_puts_rows_back_where_their_tokens_were():
    ids = np.array([[PAD, 0, 5], [0, PAD, 2], [0, 5, 2]])
    batch = pack(ids, ids != PAD)
    x_th = batch.token_ids_t[:, None] + np.array([1.0, 100.0], np.float32)
    back = batch.unpack(x_th)
    assert back.shape == (3, 3, 2)
    expected = np.where((ids != PAD)[..., None], ids[..., None] + np.array([1.0, 100.0]), 0.0)
    np.testing.assert_array_equal(back, expected)


def test_unpack_of_ragged_lists_is_a_list():
    batch = pack(RAGGED)
    rows = batch.unpack(batch.token_ids_t[:, None].astype(np.float32))
    assert [row[:, 0].tolist() for row in rows] == RAGGED


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_packing_and_unpacking_lose_nothing(data):
    rows, width = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 12))
    matrix = st.lists(
        st.lists(st.integers(2, 999), min_size=width, max_size=width), min_size=rows, max_size=rows
    )
    ids = np.array(data.draw(matrix))
    mask = np.array(
        data.draw(
            st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=rows, max_size=rows)
        )
    )
    mask[np.arange(rows), data.draw(st.integers(0, width - 1))] = True
    batch = pack(ids, mask)
    assert batch.token_ids_t.tolist() == ids[mask].tolist()
    assert np.diff(batch.seq_starts_s).tolist() == mask.sum(axis=1).tolist()
    back = batch.unpack(batch.token_ids_t[:, None])[..., 0]
    np.testing.assert_array_equal(back, np.where(mask, ids, 0))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 60))
def test_chunks_cover_every_sequence_and_token_once(lengths, max_tokens):
    ids = np.arange(sum(lengths)) % 1000
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(int)
    batch = pack([ids[begin:end].tolist() for begin, end in pairwise(starts)])
    tokens, sequences = [], 0
    for part, chunk in batch.chunks(max_tokens):
        tokens += range(part.start, part.stop)
        assert (
            chunk.seq_starts_s.tolist()
            == (starts[sequences : sequences + len(chunk) + 1] - part.start).tolist()
        ), "offsets from the chunk's first token"
        assert chunk.token_ids_t.tolist() == ids[part].tolist()
        assert chunk.position_ids_t.tolist() == batch.position_ids_t[part].tolist()
        assert chunk.token_type_ids_t is None
        assert part.stop - part.start <= max_tokens or len(chunk) == 1
        sequences += len(chunk)
    assert sequences == len(lengths)
    assert tokens == list(range(sum(lengths)))


def test_chunks_are_as_full_as_they_can_be():
    batch = pack([[0] * length for length in (3, 3, 4, 1, 20, 2)])
    assert [part.stop - part.start for part, _ in batch.chunks(10)] == [10, 1, 20, 2]


def test_chunks_are_ragged_batches_of_their_own():
    types = MASK.copy()
    types[1, 2] = 0
    batch = pack(PADDED, MASK, types)
    (first, one), (second, other) = batch.chunks(8)
    assert (first, second) == (slice(0, 7), slice(7, 9))
    assert one.token_type_ids_t.tolist() == [1, 1, 1, 1, 1, 1, 0]
    assert other.seq_starts_s.tolist() == [0, 2]
    assert other.first_tokens_s.tolist() == [0]
    rows = other.unpack(np.array([[5.0], [6.0]], np.float32))
    assert [row.tolist() for row in rows] == [[[5.0], [6.0]]]


# ---- hidden states -------------------------------------------------------------------------------------


def test_pack_hidden_and_unpack_are_each_others_inverse():
    hidden = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    x_th, packing = pack_hidden(hidden, MASK)
    assert packing.seq_starts_s.tolist() == [0, 4, 7, 9]
    assert packing.seq_starts_s.dtype == np.int64
    assert len(packing) == 3
    np.testing.assert_array_equal(x_th, hidden[MASK == 1])
    np.testing.assert_array_equal(packing.unpack(x_th), hidden * MASK[..., None])
    x_th[...] = 0
    assert hidden[0, 0, 1] == 1, "x_th is new memory"

    x_th, packing = pack_hidden(hidden.tolist(), None)
    assert packing.seq_starts_s.tolist() == [0, 4, 8, 12]
    np.testing.assert_array_equal(packing.unpack(x_th), hidden)


def test_pack_hidden_with_rows_that_are_all_masked():
    x_th, packing = pack_hidden(np.ones((2, 3, 1)), [[0, 0, 0], [0, 1, 0]])
    assert packing.seq_starts_s.tolist() == [0, 0, 1]
    assert packing.unpack(x_th)[..., 0].tolist() == [[0, 0, 0], [0, 1, 0]]


def test_hidden_states_that_are_refused():
    hidden = np.zeros((3, 4, 2), np.float32)
    for states, mask, message in (
        (hidden[0], None, r"hidden_states: found shape \(4, 2\), expected \(batch, length, hidden\)"),
        (hidden.astype(str), None, "hidden_states: found dtype <U"),
        (hidden, MASK[:2], r"attention_mask: found shape \(2, 4\), expected \(3, 4\)"),
        (hidden, MASK * 2, "attention_mask: found 2, expected 0 and 1"),
        (hidden, [[1], [1, 0]], "attention_mask: found rows of different lengths"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            pack_hidden(states, mask)


# ---- refused -------------------------------------------------------------------------------------------


class FarAway:
    """A tensor of another library, in memory that numpy cannot read."""

    def __array__(self, *_args, **_options):
        raise RuntimeError("it is on the GPU\nof another machine")


REFUSED = {
    "floats": (np.array([[0.0, 2.0]]), r"input_ids: found dtype float64, expected integers"),
    "bools": (np.array([[True]]), r"input_ids: found dtype bool, expected integers"),
    "objects": (np.array([[0, None]]), r"input_ids: found dtype object, expected integers"),
    "complex": (np.array([[1j]]), r"input_ids: found dtype complex128, expected integers"),
    "dates": (np.array([[0]], "M8[s]"), r"input_ids: found dtype datetime64\[s\], expected integers"),
    "texts": (np.array([["a"]]), r"input_ids: found dtype <U1, expected integers"),
    "0-d": (np.array(5), r"input_ids: found shape \(\), expected 2 dimensions \(batch, length\)"),
    "numpy scalar": (np.int64(5), r"input_ids: found shape \(\), expected 2 dimensions"),
    "1-d": (np.array([0, 2]), r"input_ids: found shape \(2,\), expected 2 dimensions"),
    "3-d": (np.zeros((1, 1, 1), int), r"input_ids: found shape \(1, 1, 1\), expected 2 dimensions"),
    "torch 1-d": (torch.tensor([0, 2]), r"input_ids: found shape \(2,\), expected 2 dimensions"),
    "torch floats": (torch.zeros(1, 2), r"input_ids: found dtype float32, expected integers"),
    "torch elsewhere": (
        torch.zeros(1, 2, dtype=torch.int64, device="meta"),
        r"input_ids: found a Tensor that numpy cannot read, expected one in the CPU's memory",
    ),
    "elsewhere": (
        FarAway(),
        r"input_ids: found a FarAway that numpy cannot read, expected one in the CPU's memory",
    ),
    "int": (5, r"input_ids: found int, expected a numpy array or a list of lists"),
    "None": (None, r"input_ids: found NoneType, expected a numpy array or a list of lists"),
    "str": ("hello", r"input_ids: found str, expected a numpy array or a list of lists"),
    "dict": ({"input_ids": [[0]]}, r"input_ids: found dict, expected a numpy array or a list of lists"),
    "generator": (
        (row for row in RAGGED),
        r"input_ids: found generator, expected a numpy array or a list of lists",
    ),
    "flat list": ([0, 5, 2], r"input_ids\[0\]: found int, expected a list of ids"),
    "list of str": (["hello"], r"input_ids\[0\]: found str, expected a list of ids"),
    "None in a list": ([[0, 2], None], r"input_ids\[1\]: found NoneType, expected a list of ids"),
    "floats in a list": ([[0, 2], [0.0, 2.0]], r"input_ids\[1\]: found dtype float64, expected integers"),
    "None in a row": ([[0, None, 2]], r"input_ids\[0\]: found dtype object, expected integers"),
    "text in a row": ([["0", "2"]], r"input_ids\[0\]: found dtype <U1, expected integers"),
    "nested": ([[[0, 2], [0, 2]]], r"input_ids\[0\]: found shape \(2, 2\), expected a flat list of ids"),
    "nested ragged": (
        [[[0, 2], [0]]],
        r"input_ids\[0\]: found \[\[0, 2\], \[0\]\], expected a flat list of ids",
    ),
    "2**64": ([[0, 2**64]], r"input_ids\[0\]: found dtype object, expected integers"),
    "uint64 past int64": (
        np.array([[2**63]], np.uint64),
        r"input_ids: found 9223372036854775808, expected a token id",
    ),
    "negative": ([[0, -1, 2]], r"input_ids: found -1, expected 0 to 999 \(vocab_size 1000\)"),
    "past the vocabulary": (
        np.array([[0, 1000]]),
        r"input_ids: found 1000, expected 0 to 999 \(vocab_size 1000\)",
    ),
    "far past": ([[2**62]], r"input_ids: found 4611686018427387904, expected 0 to 999 \(vocab_size 1000\)"),
    "empty row": (
        [[0, 2], []],
        r"input_ids: found no tokens in row 1, expected at least one that is not masked",
    ),
    "empty rows": (np.zeros((2, 0), int), r"input_ids: found no tokens in row 0, expected at least one"),
    "too long": (
        [[0, 2], [5] * 513],
        r"input_ids: found 513 tokens in row 1, expected at most 512 \(max_position_embeddings 514\); "
        r"truncation=True cuts texts to fit",
    ),
    "too long array": (np.full((3, 600), 5), r"input_ids: found 600 tokens in row 0, expected at most 512 "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_ids_that_are_refused(case):
    ids, pattern = REFUSED[case]
    with pytest.raises(InputError, match=f"^{pattern}") as caught:
        pack(ids)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


REFUSED_MASKS = {
    "2": (MASK * 2, r"attention_mask: found 2, expected 0 and 1"),
    "-1": (-MASK, r"attention_mask: found -1, expected 0 and 1"),
    "half": (MASK * 0.5, r"attention_mask: found 0.5, expected 0 and 1"),
    "NaN": (np.where(MASK == 1, np.nan, 0), r"attention_mask: found nan, expected 0 and 1"),
    "additive": (np.where(MASK == 1, 0.0, -3e38), r"attention_mask: found -3e\+38, expected 0 and 1"),
    "texts": (MASK.astype(str), r"attention_mask: found dtype <U\d+, expected integers"),
    "complex": (MASK.astype(complex), r"attention_mask: found dtype complex128, expected integers"),
    "all masked row": (MASK * [[1], [0], [1]], r"input_ids: found no tokens in row 1, expected at least one"),
    "nothing": (np.zeros_like(MASK), r"input_ids: found no tokens in row 0, expected at least one"),
    "fewer rows": (MASK[:2], r"attention_mask: found 2 rows, expected 3 as in input_ids"),
    "fewer columns": (MASK[:, :3], r"attention_mask: found 3 values in row 0, expected 4 as in input_ids"),
    "transposed": (MASK.T, r"attention_mask: found 4 rows, expected 3 as in input_ids"),
    "1-d": (MASK[0], r"attention_mask: found shape \(4,\), expected 2 dimensions"),
    "4-d": (MASK[:, None, None], r"attention_mask: found shape \(3, 1, 1, 4\), expected 2 dimensions"),
    "ragged": (
        [[1] * 4, [1] * 3, [1] * 4],
        r"attention_mask: found 3 values in row 1, expected 4 as in input_ids",
    ),
    "2 in lists": ([[1] * 4, [1, 1, 2, 0], [1] * 4], r"attention_mask: found 2, expected 0 and 1"),
    "half in lists": (
        [[1] * 4, [1, 0.5, 1, 0], [1] * 4],
        r"attention_mask\[1\]: found 0.5, expected 0 and 1",
    ),
    "str": ("mask", r"attention_mask: found str, expected a numpy array or a list of lists"),
}


@pytest.mark.parametrize("case", REFUSED_MASKS)
def test_masks_that_are_refused(case):
    mask, pattern = REFUSED_MASKS[case]
    with pytest.raises(InputError, match=f"^{pattern}") as caught:
        pack(PADDED, mask)
    assert "\n" not in str(caught.value)


def test_types_and_positions_that_are_refused():
    for name, keyword, limit, field in (
        ("token_type_ids", "types", 2, "type_vocab_size"),
        ("position_ids", "positions", 514, "max_position_embeddings"),
    ):
        for wrong in (-1, limit, 2**40):
            with pytest.raises(
                InputError, match=rf"^{name}: found {wrong}, expected 0 to {limit - 1} \({field} {limit}\)$"
            ):
                pack([[0, 2]], **{keyword: [[0, wrong]]})
        with pytest.raises(InputError, match=rf"^{name}: found 1 rows, expected 2 as in input_ids$"):
            pack([[0, 2], [0]], **{keyword: [[0, 0]]})
        with pytest.raises(
            InputError, match=rf"^{name}: found 1 values in row 0, expected 2 as in input_ids$"
        ):
            pack([[0, 2]], **{keyword: np.zeros((1, 1), int)})
        with pytest.raises(InputError, match=rf"^{name}: found dtype (bool|float64), expected integers$"):
            pack([[0, 2]], **{keyword: np.zeros((1, 2), bool)})
        with pytest.raises(InputError, match=rf"^{name}: found dtype float64, expected integers$"):
            pack([[0, 2]], **{keyword: np.zeros((1, 2))})


def test_masked_ids_may_be_anything():
    """Masked ids are not looked up, so they are not checked."""
    batch = pack([[0, 2, -100]], [[1, 1, 0]], [[0, 0, 99]], [[2, 3, 10**6]])
    assert batch.token_ids_t.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("pad", "positions", "longest"), [(1, 514, 512), (1, 8194, 8192), (3, 514, 510), (0, 512, 511)]
)
def test_the_longest_row_that_fits(pad, positions, longest):
    """It has max_position_embeddings - pad_token_id - 1 tokens."""
    limits = BatchLimits(1000, pad, positions, 1)
    assert limits.max_tokens == longest
    batch = pack([[7] * longest, [7]], limits=limits)
    assert batch.position_ids_t.max() == positions - 1
    with pytest.raises(
        InputError, match=rf"^input_ids: found {longest + 1} tokens in row 1, expected at most {longest} "
    ):
        pack([[7], [7] * (longest + 1)], limits=limits)
