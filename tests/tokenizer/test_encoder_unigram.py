"""Unigram texts encoded here: the same rows, in every field, as those of the tokenizers library."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.encoders import (
    CALLS,
    FIELDS,
    as_states,
    assert_same_code_points,
    assert_same_rows,
    real_texts,
)
from samples.odd_texts import ODD_TEXTS, mixtures
from samples.tokenizers import unigram_proto
from tokenizers import Encoding

from roberta_c.errors import InputError
from roberta_c.tokenizer import AddedToken, XLMRobertaTokenizerFast, own_backend

MODEL = "data/xlmr/sentencepiece.bpe.rebuilt.model"


@pytest.fixture(scope="module")
def xlmr_folder(test_data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("xlmr")
    (folder / "sentencepiece.bpe.model").write_bytes(test_data(MODEL).read_bytes())
    return folder


@pytest.fixture(scope="module")
def xlmr(xlmr_folder) -> XLMRobertaTokenizerFast:
    """XLM-R's vocabulary. No test changes it."""
    return XLMRobertaTokenizerFast.from_folder(xlmr_folder)


@pytest.fixture(scope="module")
def oracle(xlmr_folder):
    """The library's tokenizer of the same file."""
    return XLMRobertaTokenizerFast.from_folder(xlmr_folder).backend_tokenizer


@pytest.mark.slow
def test_all_real_texts(xlmr, oracle, test_data):
    assert_same_rows(xlmr, oracle, real_texts(test_data), 0.99)


def test_some_real_texts_of_each_language(xlmr, oracle, test_data):
    texts = real_texts(test_data)
    assert_same_rows(xlmr, oracle, random.Random(1).sample(texts, 1500), 0.98)


def test_odd_texts(xlmr, oracle):
    assert_same_rows(xlmr, oracle, ODD_TEXTS, 0.9)


AROUND = [
    *("{}", "a{}b", " {} c", "é{}é", "日{}\u0301本", "{0}{0}\u200d{0}", "क{}क"),
    *("{}\u0340\u0341", "{}\u200d\u0357"),
]


@pytest.mark.parametrize("around", AROUND)
def test_some_code_points(xlmr, oracle, around):
    assert_same_code_points(xlmr, oracle, around, False, 0.99)


@pytest.mark.slow
@pytest.mark.parametrize("around", AROUND)
def test_every_code_point(xlmr, oracle, around):
    """One text for each, in which it stands alone or beside others."""
    assert_same_code_points(xlmr, oracle, around, True, 0.99)


def test_mixtures(xlmr, oracle):
    assert_same_rows(xlmr, oracle, mixtures(random.Random(2), 4000), 0.6)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text(xlmr, oracle, text):
    assert_same_rows(xlmr, oracle, [text])


def test_long_texts(xlmr, oracle):
    for text in (
        "ab" * 40_000,
        "a b " * 30_000,
        "ﷺ" * 9000,
        "e\u0301" * 20_000,
        "\u3000 x" * 9000,
        "▁" * 5000,
    ):
        assert_same_rows(xlmr, oracle, [text], 1)


def test_what_is_left_to_the_library(xlmr):
    own = xlmr._backend
    for text in ("a<mask>b", "<s>", "x</s>", "\ud800", "\u1100\u1161", "\u0600a", "©\u200d©", chr(0x11F02)):
        assert own.encoder.encode(text, own._added_strings) is None, text
    for text in ("", " ", "a\0b", "e\u0301", "\r\n", "한국어", "👍🏽", "🏳️‍🌈", "क्षि", "a\u200db"):
        assert own.encoder.encode(text, own._added_strings) is not None, text


TEXTS = [
    "Hello world, what a day it was!",
    "a",
    "",
    "ﬁrst line\r\nx ™ y",
    "<mask> for <s> it",
    "日本語のテキスト ☃☃ 😀",
]


def library_twin(folder):
    """The same tokenizer, all of whose texts the library encodes."""
    tokenizer = XLMRobertaTokenizerFast.from_folder(folder)
    assert tokenizer.backend_tokenizer is tokenizer._backend
    return tokenizer


@pytest.fixture(scope="module")
def twin(xlmr_folder):
    return library_twin(xlmr_folder)


@pytest.mark.parametrize("options", CALLS, ids=str)
@pytest.mark.parametrize("form", ["text", "pair", "left"])
def test_calls(xlmr, twin, options, form):
    """Single texts, pairs and batches: the fields, and the library's Encodings of the rows."""
    texts, pairs = TEXTS, None
    if form == "pair":
        texts, pairs = [one for one in TEXTS for _ in TEXTS], TEXTS * len(TEXTS)
        if options.get("truncation") == "only_first":  # an error for some pairs
            pairs = ["b c"] * len(texts)
            texts = ["a long enough text, of many words"] * len(texts)
    side = "left" if form == "left" else "right"
    try:
        xlmr.truncation_side = twin.truncation_side = side
        found, expected = (one(texts, pairs, **FIELDS, **options) for one in (xlmr, twin))
        assert dict(found) == dict(expected)
        assert as_states(found) == as_states(expected)
        for text, pair in zip(texts[:4], pairs[:4] if pairs else [None] * 4, strict=True):
            if "padding" not in options:
                assert dict(xlmr(text, pair, **FIELDS, **options)) == dict(
                    twin(text, pair, **FIELDS, **options)
                )
    finally:
        xlmr.truncation_side = twin.truncation_side = "right"
    assert found.n_sequences == expected.n_sequences
    if options.get("padding"):
        arrays = [one(texts, pairs, return_tensors="np", **options) for one in (xlmr, twin)]
        for name in arrays[0]:
            np.testing.assert_array_equal(arrays[0][name], arrays[1][name])


def test_errors_are_the_same(xlmr, twin):
    for arguments in (
        (["a", "b\ud800"], None, {}),
        (["a", "<s>b\ud800"], None, {}),
        (["a"], ["b"], {"truncation": "only_first", "max_length": 5}),
        (["a b c d"], None, {"truncation": "only_second", "max_length": 4}),
        (["a"], None, {"truncation": True, "max_length": 1}),
        (["a b c"], None, {"truncation": True, "max_length": 2}),
        (["a b c d e"], ["b"], {"truncation": "only_second", "max_length": 7}),
    ):
        messages = []
        for tokenizer in (xlmr, twin):
            try:
                messages.append(tokenizer(*arguments[:2], **arguments[2]).input_ids)
            except InputError as error:
                messages.append(str(error))
        assert messages[0] == messages[1]


def test_vocabulary(xlmr, twin):
    assert len(xlmr) == len(twin) == xlmr.vocab_size
    for index in (0, 1, 2, 3, 4, 5, 1000, len(twin) - 2, len(twin) - 1, len(twin), 2**32 - 1):
        token = twin.convert_ids_to_tokens(index)
        assert xlmr.convert_ids_to_tokens(index) == token
        if token is not None:
            assert xlmr.convert_tokens_to_ids(token) == index
    assert xlmr.convert_tokens_to_ids("no such token ☃") == 3
    assert xlmr.added_tokens_decoder == twin.added_tokens_decoder
    assert repr(xlmr).split("(", 1)[1].split(",", 1)[1] == repr(twin).split("(", 1)[1].split(",", 1)[1]
    ids = [0, 3, 8, len(twin) - 1, 9, 10, 2, 1, len(twin) + 5, 4]
    for skip in (False, True):
        assert xlmr.decode(ids, skip) == twin.decode(ids, skip)
    assert xlmr.num_special_tokens_to_add(pair=True) == 4
    assert xlmr._backend._library is None or xlmr._backend.is_own


def test_the_library_is_made_only_when_it_is_needed(unigram_folder, monkeypatch):
    built = []
    of = own_backend.OwnBackend.library
    monkeypatch.setattr(
        own_backend.OwnBackend, "library", property(lambda self: built.append(1) or of.fget(self))
    )
    tokenizer = XLMRobertaTokenizerFast.from_folder(unigram_folder)
    for options in ({}, {"truncation": True, "max_length": 6}, {"padding": True, "return_tensors": "np"}):
        encoded = tokenizer(["a b", "b a b a"], ["a", "b"], **options)
        encoded.encodings, encoded.word_ids(1)
    tokenizer.decode([0, 4, 5])
    tokenizer.encode("\ta")
    tokenizer.join_parts(*tokenizer.encode_parts(["a", "b"]), 9)
    tokenizer.text_beginning("a b " * 9000, 5)
    assert not built
    tokenizer("a<mask>")
    assert built


def test_a_changed_tokenizer_is_the_library_s(unigram_folder):
    for change in (
        lambda one: one.add_tokens(["new"]),
        lambda one: one.add_tokens([AddedToken("b", normalized=True)]),
        lambda one: one.add_special_tokens({"extra_special_tokens": ["[x]"]}),
        lambda one: one.lower_case(),
        lambda one: one.backend_tokenizer.add_tokens(["new"]),
    ):
        tokenizer, same = (XLMRobertaTokenizerFast.from_folder(unigram_folder) for _ in range(2))
        library = same.backend_tokenizer
        change(tokenizer)
        change(same)
        for text in ("a new b", "A [x] b", "ab"):
            assert tokenizer(text).input_ids == library.encode(text).ids
        assert len(tokenizer) == len(same)


def test_splitting_special_tokens_is_a_setting_of_both(unigram_folder):
    tokenizer = XLMRobertaTokenizerFast.from_folder(unigram_folder)
    before = tokenizer("a <mask>").input_ids
    tokenizer.split_special_tokens = True
    twin = library_twin(unigram_folder)
    twin.split_special_tokens = True
    assert tokenizer("a <mask>").input_ids == twin("a <mask>").input_ids != before


def odd_models():
    """Small models in which ties, unknown characters and user-defined pieces matter."""
    yield unigram_proto([("aa", -1, 1), ("a", -3, 1), ("aab", -0.5, 1)])
    yield unigram_proto([("aa", -2, 1), ("a", -1, 1), ("ab", -3, 1), ("▁aa", -4, 1)])
    yield unigram_proto([("x", 100, 1), ("y", 90, 1), ("zw", 95, 1), ("▁▁", 3, 1)])
    yield unigram_proto([("[user]", 0, 4), ("a▁b", -0.5, 1)])
    yield unigram_proto([("日", -1, 1), ("本", -1, 1), ("日本", -2, 1), ("e\u0301", -1, 1)])


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("add_prefix_space", [True, False])
def test_small_models(index, add_prefix_space, tmp_path):
    model = list(odd_models())[index]
    (tmp_path / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    tokenizer, other = (
        XLMRobertaTokenizerFast.from_folder(tmp_path, add_prefix_space=add_prefix_space) for _ in range(2)
    )
    rng = random.Random(index)
    letters = [
        "a",
        "b",
        "x",
        "z",
        "w",
        "▁",
        " ",
        "日",
        "本",
        "e",
        "\u0301",
        "<unk>",
        "☃",
        "[user]",
        "\u3000",
        "\n",
    ]
    texts = ["".join(rng.choices(letters, k=rng.randint(0, 14))) for _ in range(3000)]
    assert_same_rows(tokenizer, other.backend_tokenizer, texts, 0.3)


def test_a_model_that_the_library_is_left_with(unigram_folder):
    """Malformed ones raise what they did; what the encoder does not take goes to the library."""
    path = unigram_folder / "sentencepiece.bpe.model"
    path.write_bytes(unigram_proto([("<mask>", -1, 1)]).SerializeToString())
    with pytest.raises(Exception, match="special token '<mask>': found two ids, expected one"):
        XLMRobertaTokenizerFast.from_folder(unigram_folder)
    path.write_bytes(unigram_proto([("b", -1, 1)]).SerializeToString())
    with pytest.raises(Exception, match="pieces 5 and 6: found the same text"):
        XLMRobertaTokenizerFast.from_folder(unigram_folder)


def test_a_long_added_token(tmp_path):
    """It would be looked for at each place of a text."""
    model = unigram_proto([("ab" * 33, -1, 4)])
    (tmp_path / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    tokenizer = XLMRobertaTokenizerFast.from_folder(tmp_path)
    assert not isinstance(tokenizer._backend, own_backend.OwnBackend)
    assert tokenizer("b" + "ab" * 33).input_ids[-2] == 7


def test_states_of_encodings():
    """What `OwnRow.encoding` writes is what the library reads: all of its fields."""
    assert set(json.loads(Encoding().__getstate__())) == {
        *("ids", "type_ids", "tokens", "words", "offsets", "special_tokens_mask", "attention_mask"),
        *("overflowing", "sequence_ranges"),
    }
