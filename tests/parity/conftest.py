"""Fixtures of the parity tests: models of base size, tokenizers of both families, and texts for them."""

from __future__ import annotations

import functools
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from samples.models import RandomModel, make_random_model
from sentencepiece import sentencepiece_model_pb2

from .both_tokenizers import give_mask_lstrip, load_both

TWEETS = ["sentiment/val", "sentiment/test", "irony/test", "offensive/test"]
LANGUAGES = ["arabic", "english", "french", "hindi"]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def base_model(tmp_path_factory) -> Callable[[str], RandomModel]:
    """`base_model("roberta")` is a random model of base size with RoBERTa's vocabulary size, made once."""
    folder = tmp_path_factory.mktemp("base")

    @functools.cache
    def make(family: str) -> RandomModel:
        size = {"roberta": 50265, "xlm-roberta": 250002}[family]
        return make_random_model(folder / family, family, vocab_size=size, max_position_embeddings=514)

    return make


def read_lines(path: Path) -> list[str]:
    return path.read_text("utf-8").split("\n")


@pytest.fixture(scope="session")
def tweets_of_four_languages(test_data) -> list[str]:
    """The lines of xlm-t, unchanged."""
    splits = itertools.product(LANGUAGES, ("train", "val", "test"))
    paths = [test_data(f"data/xlm-t/sentiment/{language}/{split}_text.txt") for language, split in splits]
    return [line for path in paths for line in read_lines(path)]


@pytest.fixture(scope="session")
def all_tweets(test_data, tweets_of_four_languages) -> list[str]:
    """TweetEval's lines of sentiment (val, test), irony (test) and offensive (test), then all of xlm-t."""
    paths = [test_data(f"data/tweeteval/{name}_text.txt") for name in TWEETS]
    return [line for path in paths for line in read_lines(path)] + tweets_of_four_languages


@pytest.fixture(scope="session")
def xquad(test_data) -> list[str]:
    """XQuAD's paragraphs and questions in Arabic, German and English."""
    texts = []
    for language in ("ar", "de", "en"):
        for article in json.loads(test_data(f"data/xquad/xquad.{language}.json").read_text("utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                texts += [paragraph["context"], *(qa["question"] for qa in paragraph["qas"])]
    return texts


@pytest.fixture(scope="session")
def xlmr_folder(test_data, tmp_path_factory) -> Path:
    """XLM-RoBERTa's sentencepiece model with a config.json."""
    folder = tmp_path_factory.mktemp("xlmr")
    shutil.copy(test_data("data/xlmr/sentencepiece.bpe.rebuilt.model"), folder / "sentencepiece.bpe.model")
    config = {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def small_xlmr_folder(xlmr_folder, tmp_path_factory) -> Path:
    """`xlmr_folder` with the first 20,000 pieces alone, which load faster."""
    folder = tmp_path_factory.mktemp("small")
    shutil.copy(xlmr_folder / "config.json", folder)
    model = sentencepiece_model_pb2.ModelProto.FromString(
        (xlmr_folder / "sentencepiece.bpe.model").read_bytes()
    )
    del model.pieces[20000:]
    (folder / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    return folder


@pytest.fixture(params=["roberta", "xlm-roberta"])
def tokenizer_folder(request, tweet_sentiment_small, small_xlmr_folder) -> Path:
    """A folder with a tokenizer of the family, for tests that load it with their own options."""
    return tweet_sentiment_small if request.param == "roberta" else small_xlmr_folder


@pytest.fixture(scope="session", params=["roberta", "xlm-roberta"])
def family(request, tweet_sentiment_small, xlmr_folder):
    """Our tokenizer and transformers' of the family. Tests share them and must leave them unchanged."""
    ours, theirs = load_both(tweet_sentiment_small if request.param == "roberta" else xlmr_folder)
    give_mask_lstrip(theirs)
    theirs.model_max_length = 512  # the model's limit: ours reads it from config.json, transformers does not
    return ours, theirs
