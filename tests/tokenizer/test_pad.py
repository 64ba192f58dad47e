"""`tokenizer.pad` against transformers', and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
import transformers

from roberta_c import AutoTokenizer
from roberta_c.errors import InputError, ResourceError
from roberta_c.tokenizer import encode_options

TEXTS = ["a", "a rather longer text", "two words"]


@pytest.fixture(scope="module")
def tokenizer(tweet_sentiment_small):
    return AutoTokenizer.from_pretrained(tweet_sentiment_small)


@pytest.fixture(scope="module")
def theirs(tweet_sentiment_small):
    return transformers.AutoTokenizer.from_pretrained(tweet_sentiment_small)


def plain(encoded):
    return {
        name: values.tolist() if isinstance(values, np.ndarray) else values
        for name, values in encoded.items()
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"return_tensors": "np"},
        {"pad_to_multiple_of": 8},
        {"padding": "max_length", "max_length": 12, "return_tensors": "np"},
        {"padding_side": "left"},
        {"padding": False},
    ],
    ids=str,
)
def test_as_transformers(arguments, tokenizer, theirs):
    options = {"return_special_tokens_mask": True, "return_token_type_ids": True}
    rows = [dict(tokenizer(text, **options)) for text in TEXTS]
    if arguments.get("padding") is False:
        rows = rows[:1]
    for encoded in (rows, {name: [row[name] for row in rows] for name in rows[0]}):
        assert plain(tokenizer.pad(encoded, **arguments)) == plain(theirs.pad(encoded, **arguments))
    one = dict(tokenizer("a"))
    assert plain(tokenizer.pad(one, padding="max_length", max_length=9)) == plain(
        theirs.pad(one, padding="max_length", max_length=9)
    )


def test_attention_mask_is_made_or_not(tokenizer, theirs):
    rows = [{"input_ids": tokenizer(text)["input_ids"]} for text in TEXTS]
    for wanted in (None, True, False):
        found = plain(tokenizer.pad(rows, return_attention_mask=wanted))
        assert found == plain(theirs.pad(rows, return_attention_mask=wanted))
        assert ("attention_mask" in found) == (wanted is not False)


def test_batch_encodings_arrays_and_other_fields(tokenizer):
    rows = [tokenizer(text) for text in TEXTS]
    for index, row in enumerate(rows):
        row["label"] = index
        row["input_ids"] = np.array(row["input_ids"])
    padded = tokenizer.pad(rows, return_tensors="np")
    assert padded["label"].tolist() == [0, 1, 2]
    assert padded["input_ids"].shape == padded["attention_mask"].shape
    assert np.array_equal(
        padded["input_ids"], tokenizer(TEXTS, padding=True, return_tensors="np")["input_ids"]
    )


def test_other_fields_keep_their_numbers(tokenizer):
    rows = [{"input_ids": [0, 2], "label": 0.7}, {"input_ids": [0], "label": 0.25}]
    assert tokenizer.pad(rows, return_tensors="np")["label"].tolist() == [0.7, 0.25]


def test_refusals(tokenizer):
    for encoded, message in (
        ([], "encoded_inputs: found an empty list"),
        ([[0, 2]], "encoded_inputs: found a list of other things"),
        ("text", "encoded_inputs: found str"),
        ({"ids": [[0]]}, "encoded_inputs: found .*, expected a field input_ids"),
        (
            [{"input_ids": [0], "x": 1}, {"input_ids": [0]}],
            r"encoded_inputs\[1\]: found .*, expected 'x' in each",
        ),
        ({"input_ids": [[0, 2]], "attention_mask": [[1]]}, "attention_mask: found rows of other lengths"),
        ({"input_ids": 3}, "encoded_inputs: input_ids: found int, expected a list"),
    ):
        with pytest.raises(InputError, match=message):
            tokenizer.pad(encoded)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"input_ids": [[0, 1.5]]}, r"input_ids\[0\]\[1\]: found 1.5"),
        ({"input_ids": [[0], [True]]}, r"input_ids\[1\]\[0\]: found True"),
        ({"input_ids": [["a"]]}, r"input_ids\[0\]\[0\]: found 'a'"),
        ({"input_ids": [0, None]}, r"input_ids\[1\]: found None"),
        ({"input_ids": np.array([[0.5]])}, r"input_ids\[0\]\[0\]: found 0.5"),
        ({"input_ids": [[0, 2]], "attention_mask": [[1, 0.5]]}, r"attention_mask\[0\]\[1\]: found 0.5"),
        ({"input_ids": [[0, 2]], "token_type_ids": [[0, "0"]]}, r"token_type_ids\[0\]\[1\]: found '0'"),
    ],
)
def test_fields_of_tokens_are_integers(tokenizer, fields, place):
    for arguments in ({}, {"return_tensors": "np"}):
        with pytest.raises(InputError, match=f"^encoded_inputs: {place}, expected an integer$"):
            tokenizer.pad(fields, **arguments)


def test_masks_may_be_flags(tokenizer, theirs):
    def rows():
        return {"input_ids": [[0, 2], [0]], "attention_mask": [[True, False], [True]]}

    for arguments in ({}, {"return_tensors": "np"}):
        assert plain(tokenizer.pad(rows(), **arguments)) == plain(theirs.pad(rows(), **arguments))
    assert tokenizer.pad(rows(), return_tensors="np")["attention_mask"].dtype == np.int64


# Padding that no memory holds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"padding": "max_length", "max_length": 10**9},
            "max_length: found 1000000000 with padding='max_length', expected at most 16777216",
        ),
        (
            {"padding": True, "pad_to_multiple_of": 10**9},
            "pad_to_multiple_of: found 1000000000 with padding='longest', expected at most 16777216",
        ),
    ],
    ids=str,
)
def test_width_has_a_limit(tokenizer, arguments, message):
    for call in (
        lambda: tokenizer("a", **arguments),
        lambda: tokenizer(["a", "b"], return_tensors="np", **arguments),
        lambda: tokenizer.pad({"input_ids": [[0, 2]]}, **arguments),
    ):
        with pytest.raises(InputError) as raised:
            call()
        assert str(raised.value) == message
    assert tokenizer("a", truncation=True, max_length=10**9).input_ids == tokenizer("a").input_ids
    assert tokenizer([], **arguments).input_ids == []


def test_a_model_max_length_without_meaning_is_named(tweet_sentiment_small, tmp_path):
    AutoTokenizer.from_pretrained(tweet_sentiment_small, model_max_length=10**9).save_pretrained(tmp_path)
    with pytest.raises(
        InputError, match=r"^the tokenizer's limit: found 1000000000 with padding='max_length'"
    ):
        AutoTokenizer.from_pretrained(tmp_path)("a", padding="max_length")


def test_rows_must_fit_into_memory(tokenizer, monkeypatch):
    monkeypatch.setattr(encode_options, "_SURELY_FITTING", 100)
    monkeypatch.setattr(encode_options, "memory_bytes", lambda: 16 * 1000)
    assert len(tokenizer("a", padding="max_length", max_length=1000).input_ids) == 1000
    message = "padding='max_length': found 3 rows of 500 tokens, expected at most 1000 tokens in all"
    for call in (
        lambda: tokenizer(["a"] * 3, padding="max_length", max_length=500),
        lambda: tokenizer.pad({"input_ids": [[0]] * 3}, padding="max_length", max_length=500),
    ):
        with pytest.raises(ResourceError, match=message):
            call()


def test_memory_is_that_of_this_machine():
    assert 2**24 < encode_options.memory_bytes() <= 2**60


def test_a_mask_may_hold_floats_without_a_fraction(tokenizer):
    row = {"input_ids": [0, 5, 2], "attention_mask": [1.0, np.float32(1), 1.0]}
    assert tokenizer.pad([row], return_tensors="np").attention_mask.tolist() == [[1, 1, 1]]
    with pytest.raises(InputError, match=r"attention_mask\[0\]\[1\]: found 0\.5, expected an integer"):
        tokenizer.pad([{"input_ids": [0, 5], "attention_mask": [1.0, 0.5]}])


def test_every_field_has_as_many_rows(tokenizer):
    with pytest.raises(
        InputError, match=r"^encoded_inputs: labels: found 1 rows, expected 2, as in input_ids"
    ):
        tokenizer.pad({"input_ids": [[1], [2]], "labels": [1]})
