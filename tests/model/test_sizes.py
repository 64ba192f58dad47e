"""Sizes and lengths of a call are checked before anything is copied: inputs that no memory holds."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest

import roberta_c
from roberta_c.errors import InputError, ResourceError
from roberta_c.kernels import memory as aligned
from roberta_c.machine import memory
from roberta_c.model import batch as batch_file
from roberta_c.model.batch import NO_RESULTS, BatchLimits, ResultSize, pack_batch

LIMITS = BatchLimits(vocab_size=1000, pad_token_id=1, max_position_embeddings=514, type_vocab_size=2)
FREE = 1 << 30


@pytest.fixture(scope="module")
def model():
    return roberta_c.AutoModel.from_pretrained(roberta_c.bundled_model_path(), num_threads=1)


@pytest.fixture
def small_machine(monkeypatch):
    """A machine with 1 GiB left."""
    monkeypatch.setattr(memory, "free_memory", lambda: FREE)


def ids_of(*shape, dtype=np.int64):
    """An array of this shape, all of whose values are one number in memory."""
    return np.broadcast_to(np.array(5, dtype), shape)


def packed(ids, mask=None, results=NO_RESULTS):
    return pack_batch(ids, mask, None, None, LIMITS, results)


def refused(call, error, message):
    """`call` raises this error, and allocates next to nothing before."""
    tracemalloc.start()
    try:
        with pytest.raises(error, match=message) as caught:
            call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert peak < 32 << 20, "allocated before it was refused"


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2**31, 2**31), np.int8),
        ((2**20, 2**20), np.int64),
        ((2**31, 4), np.int64),
        ((0, 2**59), np.int64),  # without a row: numpy has no array of shape (0, 2**59, 8) either
    ],
)
def test_more_ids_than_memory_holds(model, small_machine, shape, dtype):
    ids = ids_of(*shape, dtype=dtype)
    size = rf"{re.escape(str(shape))}, [\d,]+ bytes in memory"
    found = rf"^input_ids: found shape {size}, expected at most {FREE:,} bytes, the free memory$"
    refused(lambda: model(ids), ResourceError, found)
    refused(lambda: model.embeddings(ids), ResourceError, found)
    refused(lambda: model.embeddings.word_embeddings(ids), ResourceError, r"ids: found shape")


def test_more_rows_than_memory_holds(small_machine):
    no_ids = np.lib.stride_tricks.as_strided(np.empty(0, int), (2**40, 0), (0, 8))
    refused(lambda: packed(no_ids), ResourceError, r"shape \(1099511627776, 0\)")
    lists = [[5] * 500] * 100_000
    refused(lambda: packed(lists), ResourceError, "100,000 rows of 50,000,000")


def test_results_that_memory_does_not_hold(model, small_machine):
    """The ids alone would fit."""
    ids = ids_of(2000, 500)
    shape = r"input_ids: found shape \(2000, 500\) and results, [\d,]+ bytes in memory, expected at most"
    pack_batch(ids, None, None, None, model.embeddings.limits)
    refused(lambda: model(ids, output_hidden_states=True), ResourceError, shape)
    refused(lambda: model(ids, output_attentions=True), ResourceError, shape)
    refused(lambda: model(ids.tolist(), output_attentions=True), ResourceError, "2,000 rows of 1,000,000 ")
    refused(lambda: model(ids_of(5000, 500)), ResourceError, "and results")


def test_results_count_real_tokens_alone(monkeypatch):
    """Rows of padding take memory only where the output has places for them."""
    seen = []
    monkeypatch.setattr(batch_file, "check_memory", lambda size, *_: seen.append(size))
    ids, mask = ids_of(10, 100), np.zeros((10, 100), bool)
    mask[:, :3] = True
    for results in (NO_RESULTS, ResultSize(token=10**6), ResultSize(place=10**6), ResultSize(pair=10**6)):
        packed(ids, mask, results)
    packing, *_ = seen
    assert [size - packing for size in seen] == [0, 0, 30 * 10**6, 0, 10**9, 0, 10**11]
    seen.clear()
    packed(ids, results=ResultSize(token=1, place=10**6))
    assert seen[1] - seen[0] == 1000, "without padding there are no other places"
    seen.clear()
    packed([[5] * 3, [5] * 4], results=ResultSize(token=100, place=10**6, pair=10**6))
    assert seen[1] - seen[0] == 700 + 25 * 10**6


def estimated_and_peak(call):
    """The largest estimate that a call makes, and what it allocates, in bytes."""
    call()
    sizes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_file, "check_memory", lambda size, *_: sizes.append(size))
        tracemalloc.start()
        call()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return max(sizes), peak


@pytest.mark.unsanitized  # it measures memory
def test_the_estimate_is_that_of_what_is_allocated(model):
    """Ids packed in each form, and the results of a call on them. The estimate leaves out the workspace,
    whose size is bounded: there are so many ids that it is small beside the results."""
    ids, ones = np.full((2000, 50), 5), np.ones((2000, 50), int)
    for given in ([ids, None, None], [ids, ones, ones * 0], [ids.tolist(), ones.tolist(), None]):
        estimate, peak = estimated_and_peak(lambda given=given: pack_batch(*given, None, LIMITS))
        assert 0.7 * estimate < peak < 1.05 * estimate
    for options in ({}, {"output_hidden_states": True}, {"output_attentions": True}):
        estimate, peak = estimated_and_peak(lambda options=options: model(ids[:200], **options))
        assert 0.5 * estimate < peak < 1.3 * estimate, options


def test_a_row_that_is_too_long_is_refused_before_it_is_copied():
    found = "input_ids: found 4000000 tokens in row {}, expected at most 512"
    ids = ids_of(2, 4_000_000)
    refused(lambda: packed(ids), InputError, found.format(0))
    refused(
        lambda: packed(ids, np.broadcast_to(True, ids.shape)),
        InputError,
        found.format(0),
    )
    rows = [[5], [5] * 4_000_000]
    refused(lambda: packed(rows), InputError, found.format(1))


def test_the_first_row_that_is_too_long_is_named(monkeypatch):
    monkeypatch.setattr(batch_file, "_IDS_TOGETHER", 2048)  # two rows
    ids, mask = np.full((7, 600), 1), np.ones((7, 600), int)
    ids[:, :500] = 5
    ids[5], mask[5, 590:] = 5, 0
    with pytest.raises(InputError, match="found 600 tokens in row 5, expected at most 512"):
        packed(ids)
    with pytest.raises(InputError, match="found 590 tokens in row 5, expected at most 512"):
        packed(ids, mask)
    mask[5, 512:] = 0
    assert len(packed(ids, mask).token_ids_t) == 6 * 600 + 512


def test_rows_may_be_longer_than_the_limit_with_padding():
    """Tokens count, wherever they are: the first ids alone do not tell."""
    late = [1] * 2000 + [5] * 513
    with pytest.raises(InputError, match="found 2513 tokens in row 0"):
        packed([late])
    with pytest.raises(InputError, match="found 2513 tokens in row 0"):
        packed(np.array([late]))
    for ids in ([late[:-1]], np.array([late[:-1]])):
        assert packed(ids).position_ids_t.max() == 513


@pytest.mark.parametrize("name", ["attention_mask", "token_type_ids", "position_ids"])
@pytest.mark.parametrize(
    ("shape", "found"), [((2**31, 2**31), "2147483648 rows"), ((1, 2**40), "1099511627776 values")]
)
def test_other_arguments_are_compared_before_they_are_copied(model, name, shape, found):
    other = ids_of(*shape, dtype=np.int8)
    refused(lambda: model([[0, 2]], **{name: other}), InputError, f"{name}: found {found}")
    refused(lambda: model(np.array([[0, 2]]), **{name: other}), InputError, f"{name}: found {found}")


def test_hidden_states_that_memory_does_not_hold(model, small_machine):
    hidden = np.broadcast_to(np.float32(1), (2**20, 2**10, model.config.hidden_size))
    layer = model.encoder.layer[0]
    for part in (model.encoder, layer, layer.attention, layer.attention.self, layer.intermediate):
        refused(lambda part=part: part(hidden), ResourceError, r"found shape \(1048576, 1024, \d+\)")
    empty = np.lib.stride_tricks.as_strided(np.empty(0, np.float32), (2**20, 2**20, 0), (0, 0, 4))
    refused(
        lambda: model.encoder(empty), ResourceError, r"hidden_states: found shape \(1048576, 1048576, 0\)"
    )
    no_row = np.broadcast_to(np.int8(1), (0, 2**55, model.config.hidden_size))  # of float32, numpy has none
    for part in (layer, layer.output.LayerNorm, layer.intermediate.dense):
        refused(lambda part=part: part(no_row), ResourceError, r"found shape \(0, 36028797018963968, \d+\)")


def test_no_memory_to_join_what_several_passes_give(model, monkeypatch):
    """A pass takes 4,096 tokens; their rows fit, but not all in one."""
    ids, hidden = np.full((500, 10), 5), model.config.hidden_size
    monkeypatch.setattr(aligned, "fits", lambda size: size != 5000 * hidden * 4)
    refused(lambda: model(ids), ResourceError, rf"memory: found too little free, .* shape \(5000, {hidden}\)")


def test_only_first_tokens_of_hidden_states_are_copied(small_machine):
    path = roberta_c.bundled_model_path()
    head = roberta_c.AutoModelForSequenceClassification.from_pretrained(path, num_threads=1).classifier
    hidden = np.broadcast_to(np.float32(1), (2, 2**30, head.dense.in_features))
    assert head(hidden).shape == (2, 3)


def test_a_list_that_changes_during_the_call():
    class Row(list):
        """Another thread's work: the list is longer when it is read again."""

        def __iter__(self):
            self.append(7)
            return super().__iter__()

    rows = [[5, 6], [7]]
    given = batch_file.Rows.of(rows, "input_ids")
    rows[0].append(8)
    with pytest.raises(InputError, match=r"^input_ids: found lists that change during the call"):
        given.flat()
    assert packed([Row([5, 6])]).token_ids_t.tolist() == [5, 6]
