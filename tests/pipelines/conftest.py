"""The trained checkpoint as a pipeline, and real texts."""

from __future__ import annotations

import pytest

from roberta_c import pipeline


@pytest.fixture(scope="module")
def classify(tweet_sentiment_small):
    return pipeline("text-classification", tweet_sentiment_small, num_threads=1)


@pytest.fixture(scope="module")
def tweets(test_data):
    text = test_data("data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n")
