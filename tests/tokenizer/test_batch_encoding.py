"""What a tokenizer call returns: a mapping with transformers' methods."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import transformers
from samples.tokenizers import assert_one_line

from roberta_c.errors import InputError
from roberta_c.tokenizer import BatchEncoding, call_fields


@pytest.mark.parametrize("return_tensors", [None, "np"])
def test_fields_that_are_not_returned_are_not_built(roberta, monkeypatch, return_tensors):
    def build(self):
        raise AssertionError("the attention mask was built")

    for layout in (call_fields._Lists, call_fields._Arrays):
        monkeypatch.setattr(layout, "mask", build)
    arguments = {"padding": True, "return_tensors": return_tensors}
    found = roberta(["a", "b c"], return_attention_mask=False, **arguments)
    assert list(found) == ["input_ids"]
    with pytest.raises(AssertionError, match="was built"):
        roberta(["a", "b c"], **arguments)


def test_batch_encoding_is_a_mapping(roberta):
    encoded = roberta(["a", "b c"], padding=True, return_tensors="np")
    assert isinstance(encoded, BatchEncoding)
    assert {**encoded}.keys() == {"input_ids", "attention_mask"}
    assert encoded.input_ids is encoded["input_ids"]
    assert encoded.to("cpu") is encoded
    assert encoded.tokens(0) == ["<s>", "a", "</s>", "<pad>"]
    assert encoded.encodings[0].attention_mask == [1, 1, 1, 0]
    assert encoded[1].ids == encoded["input_ids"][1].tolist()
    assert encoded.token_to_chars(1, -2) == (2, 3)
    lists = roberta(["a", "b"])
    assert lists.convert_to_tensors("np")["input_ids"].shape == (2, 3)
    for wrong in (
        lambda: encoded.to("cuda"),
        lambda: encoded.tokens(7),
        lambda: encoded.token_to_chars(0, 99),
        lambda: encoded.char_to_token(0, -1),
        lambda: roberta(["a", "b c"]).convert_to_tensors("np"),
        lambda: lists.convert_to_tensors("pt"),
        lambda: BatchEncoding({"input_ids": [1]}).tokens(),
    ):
        with pytest.raises(InputError) as raised:
            wrong()
        assert_one_line(raised.value)
    with pytest.raises(AttributeError):
        encoded.nothing  # noqa: B018
    with pytest.raises(KeyError):
        encoded["nothing"]


def test_batch_encoding_copies(roberta):
    encoded = roberta(["a", "b c"], padding=True)
    for other in (copy.copy(encoded), copy.deepcopy(encoded), pickle.loads(pickle.dumps(encoded))):
        assert other.data == encoded.data
        assert other.tokens(0) == ["<s>", "a", "</s>", "<pad>"]


def test_what_is_no_field_is_not_in_it(roberta):
    encoded = roberta(["a", "b"])
    for key in (0, 5, None, 1.5, "nothing"):
        assert key not in encoded
        assert encoded.get(key) is None
    assert "input_ids" in encoded
    assert 5 not in BatchEncoding({"input_ids": [1]})


def test_slices_as_transformers(roberta, tweet_sentiment_small):
    theirs = transformers.AutoTokenizer.from_pretrained(tweet_sentiment_small)(["a", "b", "c"])
    assert [row.ids for row in roberta(["a", "b", "c"])[1:3]] == [row.ids for row in theirs[1:3]]
    plain = {"input_ids": [[1], [2], [3]]}
    assert BatchEncoding(plain)[1:3] == transformers.BatchEncoding(plain)[1:3] == {"input_ids": [[2], [3]]}


@pytest.mark.parametrize("prepend", [False, True])
@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        [1.5, 2],
        [[1.5, 2.0], [1, 2]],
        [True],
        ["a"],
        [],
        [[]],
        [[(0, 1)], [(1, 2)]],
        [np.array([1, 2])],
    ],
    ids=str,
)
def test_arrays_as_transformers(values, prepend):
    options = {"tensor_type": "np", "prepend_batch_axis": prepend}
    found, expected = (
        cls({"x": values}, **options)["x"] for cls in (BatchEncoding, transformers.BatchEncoding)
    )
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


def test_constructor_as_transformers(roberta):
    rows = roberta(["a", "b c"]).encodings
    for arguments in (
        ({"input_ids": [1]}, rows),
        ({"input_ids": [1]}, rows[0]),
        ({"input_ids": [1]}, None, None, False, 2),
        (None,),
        (),
    ):
        found, expected = BatchEncoding(*arguments), transformers.BatchEncoding(*arguments)
        assert found.data == expected.data
        assert found.n_sequences == expected.n_sequences
        assert found.is_fast == expected.is_fast
    assert BatchEncoding({}, rows).tokens(1) == roberta(["a", "b c"]).tokens(1)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ((5,), "data: found 5, expected a mapping"),
        (({}, 5), "encoding: found 5, expected tokenizers.Encoding"),
        (({}, ["a"]), "encoding: found ['a'], expected tokenizers.Encoding"),
        (({"x": [1]}, None, "pt"), "tensor_type: found 'pt', expected 'np'"),
        (({"x": [1]}, None, 5), "tensor_type: found 5"),
        (({"x": [None]}, None, "np"), "x: found [None], expected numbers"),
        (({"x": [[1], [2, 3]]}, None, "np"), "x: found rows of 1, 2 tokens"),
        (({"x": [2**70]}, None, "np"), "x: found [1180591620717411303424], expected numbers"),
    ],
)
def test_constructor_refuses(arguments, fragment):
    with pytest.raises(InputError) as raised:
        BatchEncoding(*arguments)
    assert_one_line(raised.value, fragment)


@pytest.mark.parametrize("index", ["a", None, 1.5, [0], 10**30], ids=str)
def test_an_index_is_an_integer(roberta, index):
    encoded = roberta(["a", "b c"])
    for name in ("tokens", "sequence_ids", "word_ids"):
        with pytest.raises(InputError) as raised:
            getattr(encoded, name)(index)
        assert_one_line(raised.value, name)
    for name in ("token_to_chars", "token_to_word", "char_to_token", "char_to_word", "word_to_tokens"):
        with pytest.raises(InputError) as raised:
            getattr(encoded, name)(index)
        assert_one_line(raised.value, name)
        if index is not None:
            with pytest.raises(InputError):
                getattr(encoded, name)(0, index)
    with pytest.raises(InputError, match="char_to_token"):
        encoded.char_to_token(0, 0, index)
