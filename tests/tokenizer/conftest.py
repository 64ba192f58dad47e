"""Tokenizers that several tests of this folder use."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples.tokenizers import make_bpe_folder, make_unigram_folder

from roberta_c.tokenizer import AutoTokenizer, RobertaTokenizerFast


@pytest.fixture(scope="module")
def roberta(tweet_sentiment_small) -> RobertaTokenizerFast:
    """RoBERTa's vocabulary. All tests of a file share it: those that change a tokenizer make their own."""
    return AutoTokenizer.from_pretrained(tweet_sentiment_small)


@pytest.fixture
def bpe_folder(tmp_path) -> Path:
    """A folder with a small byte-level BPE."""
    return make_bpe_folder(tmp_path / "bpe")


@pytest.fixture
def unigram_folder(tmp_path) -> Path:
    """A folder with a small sentencepiece model."""
    return make_unigram_folder(tmp_path / "unigram")
