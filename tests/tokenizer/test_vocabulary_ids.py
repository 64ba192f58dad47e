"""Ids that are missing, of two tokens, or beyond a model's embeddings; added tokens that overlap."""

from __future__ import annotations

import json
import logging

import pytest
from samples.models import make_random_model
from samples.tokenizers import VOCAB, assert_one_line, write

from roberta_c import SentenceTransformer, pipeline
from roberta_c.errors import TokenizerFileError
from roberta_c.tokenizer import AutoTokenizer

IDS = {token: index for index, token in enumerate(VOCAB)}


def with_vocab(folder, form, vocab, added=()):
    """The folder of a byte-level BPE with `vocab`, as vocab.json or in tokenizer.json."""
    if form == "vocab.json":
        write(folder, "vocab.json", vocab)
        return folder
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    content["model"]["vocab"] = vocab
    content["added_tokens"] += [{**content["added_tokens"][-1], **token} for token in added]
    write(folder, "tokenizer.json", content)
    return folder


@pytest.mark.parametrize("form", ["vocab.json", "tokenizer.json"])
def test_missing_ids_are_a_warning(bpe_folder, form, caplog):
    with caplog.at_level(logging.WARNING):
        tokenizer = AutoTokenizer.from_pretrained(with_vocab(bpe_folder, form, {**IDS, "x": 14}))
    assert f"{bpe_folder / form}: 12 tokens have ids up to 14; id 11 is missing" in caplog.messages
    assert tokenizer.convert_tokens_to_ids("x") == 14
    tokenizer.check_fits(15)
    with pytest.raises(TokenizerFileError, match=r"found token 'x' with id 14, expected ids below 14"):
        tokenizer.check_fits(14)


@pytest.mark.parametrize("form", ["vocab.json", "tokenizer.json"])
def test_two_tokens_of_one_id_are_an_error(bpe_folder, form):
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(with_vocab(bpe_folder, form, {**IDS, "x": 4}))
    assert_one_line(raised.value, f"{bpe_folder / form}: id 4: found 'a' and 'x', expected one token")


def test_an_added_token_with_the_id_of_another(bpe_folder):
    added = [{"id": 12, "content": "<new>"}]
    with_vocab(bpe_folder, "tokenizer.json", {**IDS, "x": 12}, added)
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, "id 12: found 'x' and '<new>', expected one token")


def test_added_tokens_that_overlap(bpe_folder):
    """The first and longest is found."""
    names = ["<x><y>", "<y><x>", "<x>", "<y>"]
    added = [{"id": 11 + index, "content": name} for index, name in enumerate(names)]
    tokenizer = AutoTokenizer.from_pretrained(with_vocab(bpe_folder, "tokenizer.json", IDS, added))
    assert tokenizer("<x><y><x><y><x>", add_special_tokens=False).input_ids == [11, 11, 13]
    assert tokenizer("<y><x><y>", add_special_tokens=False).input_ids == [12, 14]


def test_the_largest_id_of_each_kind(bpe_folder, unigram_folder):
    for folder, size in ((bpe_folder, 11), (unigram_folder, 8)):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert len(tokenizer) == size
        tokenizer.check_fits(size)
        tokenizer.check_fits(size + 1000)
        with pytest.raises(TokenizerFileError, match=f"with id {size - 1}, expected ids below {size - 1}"):
            tokenizer.check_fits(size - 1)
        tokenizer.add_tokens(["<new>"])
        with pytest.raises(TokenizerFileError, match=f"token '<new>' with id {size}"):
            tokenizer.check_fits(size)


def test_a_tokenizer_with_more_tokens_than_the_model_has_embeddings(bpe_folder):
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 64}
    folder = make_random_model(bpe_folder, vocab_size=11, max_position_embeddings=20, **sizes).folder
    pipeline("feature-extraction", folder)
    SentenceTransformer(folder)
    write(folder, "added_tokens.json", {"<new>": 11})
    for load in (lambda: pipeline("feature-extraction", folder), lambda: SentenceTransformer(folder)):
        with pytest.raises(TokenizerFileError) as raised:
            load()
        assert_one_line(raised.value, str(folder), "found token '<new>' with id 11, expected ids below 11")
