"""Calls of a tokenizer: padding, truncation, arrays and positions in the text as in transformers."""

from __future__ import annotations

import itertools
import logging
import warnings

import numpy as np
import pytest

from roberta_c.errors import InputError

from .both_tokenizers import as_lists

SENTENCE = "The quick brown fox jumps over the lazy dog and runs away from it. "
INPUTS = {
    "one": ("Hello there, world!",),
    "long": (SENTENCE * 2,),
    "empty": ("",),
    "pair": (SENTENCE * 2, "Is it short?"),
    "pair with long second": ("What?", SENTENCE * 2),
    "batch": (["a", SENTENCE * 2, ""],),
    "batch of pairs": (["Q one?", SENTENCE * 2, "x"], [SENTENCE * 2, "short", ""]),
    "tuples": ([("a b c", SENTENCE), (SENTENCE, "d")],),
    "words": (["Hello", "big world", "!"],),
    "batch of words": ([["Hello", "world"], ["a"], []],),
}


@pytest.mark.parametrize("name", INPUTS)
def test_padding_and_truncation(family, name, caplog):
    """Every 5th combination of the options: the result of transformers, and an error where it raises one.

    Two cases are errors here for every text, but in transformers only for some texts: a max_length below the
    number of special tokens (transformers then does not truncate), and a stride that leaves no token for the
    next part (transformers may panic).
    """
    caplog.set_level(logging.ERROR)  # silences the warnings of both about an ignored max_length
    ours, theirs = family
    is_pair = "pair" in name or name == "tuples"
    grid = itertools.product(
        [False, True, "max_length"],
        [None, False, True, "only_first", "only_second"],
        [None, 1, 2, 5, 8, 16, 24],
        [0, 2],
        [False, True],
        ["right", "left"],
        [None, 8],
        [True, False],
        ["right", "left"],
    )
    compared = errors = 0
    for number, combination in enumerate(grid):
        padding, truncation, max_length, stride, overflowing, side, multiple, specials, cut_side = combination
        if number % 5 or (multiple and not padding):
            continue
        arguments = {
            "padding": padding,
            "truncation": truncation,
            "max_length": max_length,
            "stride": stride,
            "return_overflowing_tokens": overflowing,
            "padding_side": side,
            "pad_to_multiple_of": multiple,
            "add_special_tokens": specials,
            "is_split_into_words": "words" in name,
            "return_offsets_mapping": True,
            "return_special_tokens_mask": True,
            "return_token_type_ids": True,
            "return_length": True,
        }
        ours.truncation_side = theirs.truncation_side = cut_side
        reference = call_reference(theirs, INPUTS[name], arguments)
        truncates = truncation or (truncation is None and max_length and not padding)
        if truncates and max_length:
            room = max_length - (0 if not specials else 4 if is_pair else 2)
            if room < 0 or stride >= max(room, 1):
                reference = None
        try:
            mine = ours(*INPUTS[name], **arguments)
        except InputError:
            mine = None
        compared += 1
        errors += mine is None
        assert (mine is None) == (reference is None), arguments
        if mine is not None:
            assert as_lists(mine) == as_lists(reference), arguments
            assert [row.tokens for row in mine.encodings] == [row.tokens for row in reference.encodings]
    ours.truncation_side = theirs.truncation_side = "right"
    assert compared > 500
    assert 0 < errors < compared / 2


def call_reference(theirs, inputs, arguments):
    """The result of transformers; None if it raises, also for a Rust panic, which is no Exception."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return theirs(*inputs, **arguments)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def test_arrays(family, all_tweets):
    ours, theirs = family
    texts, others = all_tweets[:24], all_tweets[100:124]
    for arguments in (
        {"padding": True},
        {"padding": "max_length", "max_length": 48, "truncation": True},
        {"padding": True, "padding_side": "left", "pad_to_multiple_of": 8},
        {
            "padding": True,
            "truncation": True,
            "max_length": 12,
            "stride": 3,
            "return_overflowing_tokens": True,
        },
    ):
        arguments |= {"return_tensors": "np", "return_offsets_mapping": True, "return_token_type_ids": True}
        for inputs in ((texts,), (texts, others)):
            mine, reference = ours(*inputs, **arguments), theirs(*inputs, **arguments)
            assert mine.keys() == reference.keys()
            for key in reference:
                assert mine[key].dtype == np.int64
                assert np.array_equal(mine[key], reference[key])
    single = ours("one text", return_tensors="np")
    assert single["input_ids"].shape == theirs("one text", return_tensors="np")["input_ids"].shape


def test_places_in_text(family):
    texts = ["Hello  wörld, <mask> 日本語!", "a b"], ["second text", "x <s> y"]
    mine, reference = (tokenizer(*texts, padding=True) for tokenizer in family)
    for row in range(2):
        count = len(reference["input_ids"][row])
        for token in range(count):
            assert mine.token_to_chars(row, token) == reference.token_to_chars(row, token)
            assert mine.token_to_word(row, token) == reference.token_to_word(row, token)
            assert mine.token_to_sequence(row, token) == reference.token_to_sequence(row, token)
        for text, place in itertools.product((0, 1), range(12)):
            for method in ("char_to_token", "char_to_word", "word_to_tokens"):
                found = getattr(mine, method)(row, place, text)
                assert found == getattr(reference, method)(row, place, text)
            if reference.word_to_tokens(row, place, text) is not None:
                assert mine.word_to_chars(row, place, text) == reference.word_to_chars(row, place, text)
    assert mine.token_to_chars(1) == reference.token_to_chars(1)
    assert mine.n_sequences == reference.n_sequences == 2
    assert mine[0].ids == reference[0].ids
    assert len(mine[0:2]) == len(reference[0:2]) == 2
