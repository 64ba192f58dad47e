"""What a tokenizer call accepts as text and arguments, which errors it raises, and what it returns."""

from __future__ import annotations

import numpy as np
import pytest
from samples.tokenizers import assert_one_line, write

from roberta_c.errors import InputError
from roberta_c.tokenizer import AutoTokenizer

# Text


BAD_TEXT = {
    "None": ((None,), "text: found None, expected str"),
    "bytes": ((b"abc",), "text: found bytes b'abc', expected str"),
    "NaN": ((float("nan"),), "text: found float nan, expected str"),
    "int": ((5,), "text: found int 5, expected str"),
    "array": ((np.array("a"),), "text: found ndarray"),
    "generator": ((iter("ab"),), "text: found str_"),
    "dict": (({"text": "a"},), "text: found dict"),
    "None in a batch": ((["a", None],), "text[1]: found None, expected str"),
    "NaN in a batch": ((["a", "b", float("nan")],), "text[2]: found float nan"),
    "bytes in a batch": (([b"a"],), "text[0]: found bytes"),
    "empty list in a batch": (([[]],), "text[0]: found a list of 0"),
    "three in a row": (([["a", "b", "c"]],), "text[0]: found a list of 3"),
    "half a pair": (([("a", None)],), "text[0]: found a tuple of 2"),
    "pair among texts": ((["a", ("b", "c")],), "text[1]: found a tuple of 2, expected str"),
    "text among pairs": (([("b", "c"), "a"],), "text[1]: found str 'a', expected a pair"),
    "None as text of a pair": ((None, "b"), "text: found None"),
    "int as text_pair": (("a", 5), "text_pair: found int 5, expected str"),
    "list as text_pair of a text": (("a", ["b"]), "text_pair: found a list of 1, expected str"),
    "text as text_pair of a list": ((["a"], "b"), "text_pair: found str 'b', expected a list"),
    "fewer text_pairs": ((["a", "b"], ["c"]), "text_pair: found 1 texts, expected 2, as many as in text"),
    "None in text_pair": ((["a", "b"], ["c", None]), "text_pair[1]: found None"),
    "pairs with text_pair": (([("a", "b")], ["c"]), "text[0]: found a tuple of 2"),
    "surrogate": (("ab\ud800c",), "text: found the lone surrogate U+D800 at position 2"),
    "surrogate in a batch": ((["a", "\udfff"],), "text[1]: found the lone surrogate U+DFFF at position 0"),
    "surrogate in a text_pair": (
        (["a", "b"], ["c", "d\ud8ab"]),
        "text_pair[1]: found the lone surrogate U+D8AB",
    ),
}


@pytest.mark.parametrize("name", BAD_TEXT)
def test_bad_text(roberta, name):
    arguments, fragment = BAD_TEXT[name]
    for call in (roberta, roberta.encode):
        with pytest.raises(InputError) as raised:
            call(*arguments)
        assert_one_line(raised.value, fragment)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (
            "not split",
            "text: found str 'not split', expected a list of words (is_split_into_words=True), or a list",
        ),
        (
            ["a", 5],
            "text[1]: found int 5, expected str: with is_split_into_words=True, a list that begins with a",
        ),
        ([["a"], "b"], "text[1]: found str 'b'"),
        ([["a"], ["b", None]], "text[1]: found a list of 2"),
        ([["a"], ["b\ud800"]], "text[1]: found the lone surrogate"),
    ],
)
def test_bad_words(roberta, text, fragment):
    with pytest.raises(InputError) as raised:
        roberta(text, is_split_into_words=True)
    assert_one_line(raised.value, fragment)


class Hostile(str):
    """A str whose methods return wrong values or raise."""

    def __len__(self):
        raise RuntimeError("len")

    def __str__(self):
        return "something else"

    def __eq__(self, other):
        raise RuntimeError("eq")

    def __iter__(self):
        raise RuntimeError("iter")

    def encode(self, *arguments):
        raise RuntimeError("encode")

    __hash__ = None


def test_accepted_text(roberta):
    """Empty texts, empty batches, subclasses of str and NUL characters are encoded."""
    assert roberta("").input_ids == [0, 2]
    space = roberta.convert_tokens_to_ids("Ġ")
    assert roberta(["", " "]).input_ids == [[0, 2], [0, space, 2]]
    assert roberta([]).data == {"input_ids": [], "attention_mask": []}
    assert roberta([], [], padding=True).data == {"input_ids": [], "attention_mask": []}
    for arguments in ({}, {"padding": True}, {"truncation": True}, {"padding": "max_length"}):
        empty = roberta([], return_tensors="np", return_offsets_mapping=True, **arguments)
        assert empty["input_ids"].shape == empty["attention_mask"].shape == (0, 0) or arguments
        assert empty["input_ids"].dtype == np.int64
    assert roberta(Hostile("Hello world")).input_ids == roberta("Hello world").input_ids
    assert roberta([Hostile("a"), "b"]).input_ids == roberta(["a", "b"]).input_ids
    assert roberta([("a", Hostile("b"))]).input_ids == roberta([("a", "b")]).input_ids
    assert roberta([Hostile("a")], is_split_into_words=True).input_ids == roberta("a").input_ids
    long_text, cut = "a b " * 9000, {"truncation": True, "max_length": 9}
    assert roberta(Hostile(long_text), **cut).input_ids == roberta(long_text, **cut).input_ids
    assert roberta.convert_tokens_to_ids(Hostile("a")) == roberta.convert_tokens_to_ids("a")
    with pytest.raises(InputError, match=r"text\[1\]: found the lone surrogate U\+D800 at position 1"):
        roberta(["a", Hostile("a\ud800")])
    assert roberta(np.str_("abc")).input_ids == roberta("abc").input_ids
    assert roberta.decode(roberta("a\x00b").input_ids, skip_special_tokens=True) == "a\x00b"
    assert roberta(("a", "b")).input_ids == roberta(["a", "b"]).input_ids
    assert roberta([["a", "b"]]).input_ids == roberta([("a", "b")]).input_ids == [roberta("a", "b").input_ids]


def test_an_empty_second_text_is_a_second_text(roberta):
    """Alone and in a batch; transformers ignores it alone."""
    expected = [0, roberta.convert_tokens_to_ids("a"), 2, 2, 2]
    assert roberta("a", "").input_ids == expected
    assert roberta(["a"], [""]).input_ids == roberta([("a", "")]).input_ids == [expected]


def test_long_text(roberta):
    text = "word " * 200_000
    assert len(roberta(text, truncation=True).input_ids) == 512
    assert len(roberta("\u0301" * 100_000, truncation=True).input_ids) == 512


# Arguments


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({"padding": "longst"}, "padding: found 'longst', expected True, False or one of longest"),
        ({"padding": 1}, "padding: found 1"),
        ({"padding": None}, "padding: found None"),
        ({"truncation": "first"}, "truncation: found 'first', expected True, False or one of longest_first"),
        ({"truncation": 0}, "truncation: found 0"),
        ({"truncation": ""}, "truncation: found ''"),
        ({"max_length": 0}, "max_length: found 0, expected an integer from 1 to 2147483647"),
        ({"max_length": 10**30}, "max_length: found 1000000000000000000000000000000, expected an integer"),
        ({"max_length": -3}, "max_length: found -3"),
        ({"max_length": 7.5}, "max_length: found 7.5"),
        ({"max_length": "7"}, "max_length: found '7'"),
        ({"max_length": True}, "max_length: found True"),
        (
            {"max_length": 1},
            "max_length: found 1, expected at least 2, the number of special",
        ),
        ({"max_length": 6, "stride": 4}, "stride: found 4 with max_length 6, expected less than 4"),
        ({"add_special_tokens": "no"}, "add_special_tokens: found 'no', expected True or False"),
        ({"is_split_into_words": 1}, "is_split_into_words: found 1, expected True or False"),
        ({"stride": -1}, "stride: found -1"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of: found 0"),
        (
            {"padding": True, "truncation": True, "max_length": 9, "pad_to_multiple_of": 8},
            "pad_to_multiple_of: found 8, expected a divisor of 9",
        ),
        ({"padding_side": "middle"}, "padding_side: found 'middle', expected 'right' or 'left'"),
        ({"return_tensors": "pt"}, "return_tensors: found 'pt', expected 'np'"),
        ({"return_tensors": "tf"}, "return_tensors: found 'tf', expected 'np'"),
        ({"return_tensors": True}, "return_tensors: found True"),
    ],
)
def test_bad_argument(roberta, arguments, fragment):
    for texts in ("a", ["a", "b"], []):
        if texts == [] and ("number of special" in fragment or "stride: found 4" in fragment):
            continue
        with pytest.raises(InputError) as raised:
            roberta(texts, **arguments)
        assert_one_line(raised.value, fragment)


def test_truncation_that_would_cut_the_other_text(roberta):
    text = "one two three four five six seven eight"
    for arguments in (
        {"truncation": "only_second", "max_length": 5},
        {"text_pair": text, "truncation": "only_first", "max_length": 5},
    ):
        with pytest.raises(InputError) as raised:
            roberta(text, **arguments)
        cut = f"(truncation='{arguments['truncation']}' to 5): 'Truncation error: "
        assert_one_line(raised.value, "the tokenizers library refuses the text", cut)


def test_rows_of_different_length(roberta):
    with pytest.raises(InputError) as raised:
        roberta(["a", "a b c d"], return_tensors="np")
    assert_one_line(raised.value, "found rows of 3, 6 tokens", "padding=True")
    with pytest.raises(InputError) as raised:
        roberta(["a"] * 20 + ["a b"], return_tensors="np")
    assert_one_line(raised.value, "3, 3, 3, 3, 3, 3, 3, 3, … tokens")
    with pytest.raises(InputError):
        roberta(["a b c d e f", "a"], padding="max_length", max_length=4, return_tensors="np")


class HostileRows:
    """What looks like an array and raises."""

    @property
    def shape(self):
        raise RuntimeError("shape")


class HostileList:
    def __len__(self):
        raise RuntimeError("len")

    def __getitem__(self, index):
        raise RuntimeError("item")


@pytest.mark.parametrize("value", [HostileRows(), HostileList()])
def test_objects_whose_methods_raise(roberta, value):
    calls = (
        roberta,
        roberta.decode,
        roberta.convert_ids_to_tokens,
        roberta.convert_tokens_to_ids,
        roberta.pad,
    )
    several = (lambda one: roberta([one]), lambda one: roberta("a", one), roberta.encode_parts, roberta.pad)
    for call in (*calls, *several):
        with pytest.raises(InputError) as raised:
            call(value)
        assert_one_line(raised.value)


def test_padding_needs_a_pad_token(bpe_folder, tmp_path):
    AutoTokenizer.from_pretrained(bpe_folder).save_pretrained(tmp_path)
    write(tmp_path, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    with pytest.raises(InputError, match="pad_token"):
        AutoTokenizer.from_pretrained(tmp_path)(["a"], padding=True)


def test_decode_arguments(roberta):
    the, comma = roberta.convert_tokens_to_ids(["Ġthe", ","])
    ids = [the, comma]
    expected = " the,"
    for form in (ids, tuple(ids), np.array(ids), {"input_ids": ids}, [np.int32(the), np.uint16(comma)]):
        assert roberta.decode(form) == expected
    assert roberta.decode(the) == roberta.decode(np.int64(the)) == " the"
    assert roberta.decode([]) == ""
    rows = [ids, [the]]
    assert roberta.decode(rows) == roberta.batch_decode(rows) == [" the,", " the"]
    assert roberta.batch_decode(np.array([ids])) == roberta.batch_decode([np.array(ids)]) == [expected]
    assert roberta.batch_decode(ids) == [expected]
    assert roberta.decode([the, 10**6]) == " the"  # as transformers, which has no text for it either
    assert roberta.convert_ids_to_tokens(np.int64(the)) == "Ġthe"
    for bad in (-1, [-100], [5.0], ["5"], "5", None, [None], 2**32, np.array([0.5])):
        for method in (roberta.decode, roberta.convert_ids_to_tokens):
            with pytest.raises(InputError) as raised:
                method(bad)
            assert_one_line(raised.value)
    for bad in (5, None, [5], b"a"):
        with pytest.raises(InputError):
            roberta.convert_tokens_to_ids(bad)
        with pytest.raises(InputError):
            roberta.convert_tokens_to_string(bad if isinstance(bad, list) else "text")
