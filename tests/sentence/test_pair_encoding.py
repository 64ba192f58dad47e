"""Pairs → ids: those of transformers' call on both texts, with each text tokenized once."""

from __future__ import annotations

import random

import numpy as np
import pytest
import transformers
from samples.rerankers import make_cross_encoder, make_small_xlmr_tokenizer, sentence_pairs

from roberta_c import AutoTokenizer
from roberta_c.errors import InputError
from roberta_c.sentence.pair_encoding import PairEncoder, PairRow, pair_rows
from roberta_c.tokenizer.text_beginnings import LONG_TEXT


@pytest.fixture(scope="module", params=["roberta", "xlm-roberta"])
def tokenizers(request, tweet_sentiment_small, test_data, tmp_path_factory):
    """Ours and transformers'."""
    source = tweet_sentiment_small
    if request.param == "xlm-roberta":
        source = make_small_xlmr_tokenizer(tmp_path_factory.mktemp("xlmr"), test_data)
    folder = tmp_path_factory.mktemp("model")
    make_cross_encoder(folder, source, family=request.param)
    return AutoTokenizer.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def words(test_data):
    return [word for pair in sentence_pairs(test_data, 100) for text in pair for word in text.split()]


def pairs_of_random_lengths(words, count, longest):
    rng = random.Random(7)
    return [
        PairRow(*(" ".join(rng.choices(words, k=rng.randint(0, longest))) for _ in range(2)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("max_length", [4, 5, 17, 40, 63, 64])
def test_longest_first_cuts_as_transformers_does(max_length, side, tokenizers, words):
    ours, theirs = tokenizers
    pairs = pairs_of_random_lengths(words, 80, 60)
    ours.truncation_side = theirs.truncation_side = side
    try:
        windows = PairEncoder(ours, pairs, max_length, "longest_first", None).windows(pairs, str)
        ids, whole = (
            theirs(*map(list, zip(*pairs, strict=True)), **options)["input_ids"]
            for options in ({"truncation": "longest_first", "max_length": max_length}, {})
        )
    finally:
        ours.truncation_side = theirs.truncation_side = "right"
    assert [window.ids for (window,) in windows] == ids
    assert [window.truncated for (window,) in windows] == [len(row) > max_length for row in whole]


@pytest.mark.parametrize("query_length", [1, 12, 30])
def test_only_second_cuts_the_query_first_and_then_the_document(query_length, tokenizers, words):
    ours, theirs = tokenizers
    pairs = pairs_of_random_lengths(words, 80, 60)
    for pair, (window,) in zip(
        pairs, PairEncoder(ours, pairs, 40, "only_second", query_length).windows(pairs, str), strict=True
    ):
        query, document = (theirs(text, add_special_tokens=False)["input_ids"] for text in pair)
        cut = query[:query_length]
        start, end = theirs.cls_token_id, theirs.sep_token_id
        assert window.ids == [start, *cut, end, end, *document[: 40 - 4 - len(cut)], end]
        assert window.truncated == (len(cut) < len(query) or len(cut) + len(document) + 4 > 40)


def test_a_query_without_room_for_its_passage_is_refused_and_no_other_is(tokenizers):
    ours, _ = tokenizers
    nine = " ".join(["a"] * 9)
    pairs = [PairRow("a", "b"), PairRow(nine, ""), PairRow(nine, "b")]
    encoder = PairEncoder(ours, pairs, 13, "only_second", 20)
    assert [window.truncated for (window,) in encoder.windows(pairs[:2], str)] == [False, False]
    with pytest.raises(InputError, match=r"^number 2: found a query that leaves no room for its passage"):
        encoder.windows(pairs, lambda index: f"number {index}")


@pytest.mark.parametrize("max_length", [511, 512])
def test_very_long_texts_have_the_ids_of_complete_ones(max_length, tokenizers, words):
    ours, theirs = tokenizers
    long_ones = [" ".join((words * 3)[start : start + count]) for start, count in ((0, 2500), (5, 2400))]
    assert min(map(len, long_ones)) > LONG_TEXT
    pairs = [PairRow(one, other) for one in [*long_ones, "a few words"] for other in long_ones]
    windows = PairEncoder(ours, pairs, max_length, "longest_first", None).windows(pairs, str)
    ids = theirs(*map(list, zip(*pairs, strict=True)), truncation=True, max_length=max_length)["input_ids"]
    assert [window.ids for (window,) in windows] == ids


def test_a_text_of_several_pairs_is_tokenized_once(tokenizers, monkeypatch):
    ours, _ = tokenizers
    texts = []
    encode = type(ours).encode_parts
    monkeypatch.setattr(
        type(ours), "encode_parts", lambda self, some: texts.extend(some) or encode(self, some)
    )
    pairs = [PairRow(query, document) for query in ("who", "what") for document in ("it", "that", "who")]
    encoder = PairEncoder(ours, pairs, 64, "longest_first", None)
    texts.clear()  # those that showed where special tokens go
    for pair in pairs:  # one call for each, as if each were a block of its own
        encoder.windows([pair], str)
    assert sorted(texts) == ["it", "that", "what", "who"]


def test_forms_of_pairs():
    expected = [PairRow("a", "b"), PairRow("c", "d")]
    for form in ([("a", "b"), ("c", "d")], [["a", "b"], ["c", "d"]], (("a", "b"), ["c", "d"])):
        assert pair_rows(form, "pairs") == (expected, False)
        assert pair_rows(np.array(form), "pairs") == (expected, False)
        assert pair_rows(np.array(form, dtype=object), "pairs") == (expected, False)
    for form in (("a", "b"), ["a", "b"], np.array(["a", "b"])):
        assert pair_rows(form, "pairs") == (expected[:1], True)
    assert pair_rows([], "pairs") == ([], False)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("a text", "pairs: found str 'a text', expected a list of pairs of str, or one pair"),
        (None, "pairs: found None, expected a list of pairs"),
        (["a", "b", "c"], "pairs: found a list of 3, expected a pair of str"),
        ([("a", "b"), "c"], r"pairs\[1\]: found str 'c', expected a pair of str"),
        ([("a", "b", "c")], r"pairs\[0\]: found a list of 3, expected a pair"),
        ([("a", "b"), None], r"pairs\[1\]: found None, expected a pair of str"),
        ([("a", None)], r"pairs\[0\]\[1\]: found None, expected str"),
        ([("a", 3)], r"pairs\[0\]\[1\]: found int 3"),
        (("a", b"b"), r"pairs\[1\]: found bytes b'b'"),
        ([("a", "\ud800")], r"pairs\[0\]\[1\]: found the lone surrogate"),
        ({"a": "b"}, "pairs: found dict"),
        (iter([("a", "b")]), "pairs: found list_iterator"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_pair_is_an_error_of_one_line(pairs, message):
    with pytest.raises(InputError, match=message) as raised:
        pair_rows(pairs, "pairs")
    assert "\n" not in str(raised.value)
