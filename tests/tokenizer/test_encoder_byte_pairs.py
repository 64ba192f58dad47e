"""Byte-level BPE texts encoded here: the same rows, in every field, as those of the tokenizers library."""

from __future__ import annotations

import itertools
import json
import random

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
from samples.tokenizers import write

from roberta_c.errors import InputError
from roberta_c.tokenizer import RobertaTokenizerFast
from roberta_c.tokenizer.byte_level_bpe import CHARACTER_OF_BYTE
from roberta_c.tokenizer.own_backend import OwnBackend

SETTINGS = [
    {},
    {"add_prefix_space": True},
    {"trim_offsets": False},
    {"add_prefix_space": True, "trim_offsets": False},
]


@pytest.fixture(scope="module", params=SETTINGS, ids=str)
def both(request, tweet_sentiment_small):
    """RoBERTa's vocabulary twice: encoded here, and by the library. No test changes them."""
    own, other = (RobertaTokenizerFast.from_folder(tweet_sentiment_small, **request.param) for _ in range(2))
    assert isinstance(own._backend, OwnBackend)
    return own, other.backend_tokenizer


@pytest.mark.slow
def test_all_real_texts(both, test_data):
    assert_same_rows(*both, real_texts(test_data), 0.99)


def test_some_real_texts_of_each_language(both, test_data):
    assert_same_rows(*both, random.Random(1).sample(real_texts(test_data), 800), 0.98)


def test_odd_texts(both):
    assert_same_rows(*both, ODD_TEXTS)


AROUND = ["{}", "a{}b", " {} c", "1 {}'s", "\n{}\n"]


@pytest.mark.parametrize("around", AROUND)
def test_some_code_points(both, around):
    assert_same_code_points(*both, around, False, 1)


@pytest.mark.slow
@pytest.mark.parametrize("around", AROUND)
def test_every_code_point(both, around):
    """One text for each, in which it stands alone or beside others."""
    assert_same_code_points(*both, around, True, 1)


def test_mixtures(both):
    assert_same_rows(*both, mixtures(random.Random(2), 1500), 0.5)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text(both, text):
    assert_same_rows(*both, [text])


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=" \t\n\u00a0'abstrevmld019.!é日\u3000", max_size=40))
def test_any_text_of_few_characters(both, text):
    assert_same_rows(*both, [text])


def test_long_texts(both):
    rng = random.Random(3)
    texts = ["ab" * 20_000, "a b " * 9000, " \n" * 9000, "é日" * 5000, "'s" * 9000, "!" * 20_000]
    texts += ["".join(rng.choices("etaoinshr", k=size)) for size in (46, 47, 48, 49, 50, 96, 5000)]
    assert_same_rows(*both, texts, 1)


@pytest.mark.parametrize("options", CALLS, ids=str)
@pytest.mark.parametrize("form", ["text", "pair"])
def test_calls(tweet_sentiment_small, both, options, form):
    """Single texts, pairs and batches: the fields, and the library's Encodings of the rows."""
    own, library = both
    twin = RobertaTokenizerFast.from_folder(
        tweet_sentiment_small, add_prefix_space=own.add_prefix_space, trim_offsets=own.trim_offsets
    )
    assert twin.backend_tokenizer.to_str() == library.to_str()
    texts = [
        "Hello world,  what a day it was! ",
        "a",
        "",
        "\u00a0first line\r\n x ™ y",
        "<mask> for <s> it",
        "日本語 😀",
    ]
    pairs = None
    if form == "pair":
        pairs = ["b c" for _ in texts]
        texts = [f"a long enough text, of many {one}" for one in texts]
    found, expected = (one(texts, pairs, **FIELDS, **options) for one in (own, twin))
    assert dict(found) == dict(expected)
    assert as_states(found) == as_states(expected)
    assert found.n_sequences == expected.n_sequences


def make_bpe(folder, merges):
    """A vocabulary of the bytes and what the merges make of them."""
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *CHARACTER_OF_BYTE.values()]
    tokens += [
        token for token in dict.fromkeys(left + right for left, right in merges) if token not in tokens
    ]
    write(folder, "vocab.json", {token: index for index, token in enumerate([*tokens, "<mask>"])})
    write(folder, "merges.txt", "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges))
    return folder


@pytest.mark.parametrize("seed", range(12))
def test_random_merges(seed, tmp_path):
    """Merges in any order: also those that make a token in several ways, or from tokens that come later."""
    rng = random.Random(seed)
    tokens, merges = list("abcĠ"), []
    for _ in range(rng.randint(1, 60)):
        left, right = rng.choice(tokens), rng.choice(tokens)
        if len(left + right) <= 12 and (left, right) not in merges:
            merges.append((left, right))
            tokens.append(left + right)
    rng.shuffle(merges)
    own, other = (RobertaTokenizerFast.from_folder(make_bpe(tmp_path, merges)) for _ in range(2))
    assert isinstance(own._backend, OwnBackend)
    texts = ["".join(rng.choices("abc ", k=rng.choice((3, 8, 20, 47, 60, 200)))) for _ in range(300)]
    assert_same_rows(own, other.backend_tokenizer, texts, 1)


def test_vocabularies_that_the_library_encodes(tmp_path, bpe_folder):
    """Without a token for each byte, and with a pair that has two ranks."""
    assert not isinstance(RobertaTokenizerFast.from_folder(bpe_folder)._backend, OwnBackend)
    folder = make_bpe(tmp_path, [("a", "b"), ("b", "c"), ("a", "b")])
    assert not isinstance(RobertaTokenizerFast.from_folder(folder)._backend, OwnBackend)


def test_a_vocabulary_with_gaps_and_foreign_tokens(tmp_path):
    folder = make_bpe(tmp_path, [("a", "b"), ("ab", "c")])
    vocab = json.loads((folder / "vocab.json").read_text("utf-8"))
    write(folder, "vocab.json", {**vocab, "日本": 1000, " ": 1001, "a\u00ad": 1003})
    own, other = (RobertaTokenizerFast.from_folder(folder) for _ in range(2))
    assert isinstance(own._backend, OwnBackend)
    library = other.backend_tokenizer
    assert_same_rows(own, library, ["abc 日本", "a\u00ad ab", " ", "abcabc\n"], 1)
    assert (len(own), own.vocab_size) == (len(other), other.vocab_size)
    for index in (0, 5, len(vocab) - 1, len(vocab), 1000, 1001, 1002, 1003, 1004):
        assert own.convert_ids_to_tokens(index) == library.id_to_token(index)
    ids = [0, *own("abc 日本").input_ids, 1000, 1001, 1002, len(vocab) - 1]
    for skip in (False, True):
        assert own.decode(ids, skip) == library.decode(ids, skip)


def test_what_is_left_to_the_library(both):
    own = both[0]._backend
    for text in ("a<mask>b", "<s>", "x</s>", "\ud800", "a\u0378", "\U00010efd"):
        assert own.encoder.encode(text, own._added_strings) is None, text
    with pytest.raises(InputError, match=r"text\[1\]: found the lone surrogate U\+D800 at position 1"):
        both[0](["a", "b\ud800"])


def test_threads_share_an_encoder(both):
    """Several find out at the same time what it remembers of its vocabulary."""
    from concurrent.futures import ThreadPoolExecutor

    own, library = both
    texts = mixtures(random.Random(5), 300)
    backend = own._backend
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda text: backend.encoder.encode(text, backend._added_strings), texts * 8)
    expected = [one.ids for one in library.encode_batch(texts, add_special_tokens=False)]
    for ids, other in zip(found, itertools.cycle(expected), strict=False):
        assert ids is None or ids == other
