"""`tokenizer.pad` against transformers', and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
import transformers

from roberta_c import AutoTokenizer
from roberta_c.errors import InputError

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
