"""docs/from-transformers.md, "Call by call": each call of the table does what the table says."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from samples.call_tables import check_call, rows_of

import roberta_c

ROWS = rows_of("from-transformers.md")


@pytest.fixture(scope="module")
def names(tweet_sentiment_small, tmp_path_factory):
    """The names that the calls use."""
    model = roberta_c.AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small)
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(tweet_sentiment_small)
    public = {name: getattr(roberta_c, name) for name in roberta_c.__all__}
    return {
        **public,
        "C": str(tweet_sentiment_small),
        "D": tmp_path_factory.mktemp("saved"),
        "model": model,
        "tokenizer": tokenizer,
        "classify": roberta_c.pipeline("text-classification", tweet_sentiment_small),
        "encoded": tokenizer(["so good"], return_tensors="np"),
        "np": np,
        "torch": torch,
        "copy": copy,
        "pickle": pickle,
    }


def test_the_table_was_found():
    assert len(ROWS) > 50


@pytest.mark.parametrize(("call", "outcome"), ROWS, ids=[call for call, _ in ROWS])
def test_call(call, outcome, names):
    if "add_tokens" in call:  # the other calls use the tokenizer as it was
        names = {**names, "tokenizer": copy.deepcopy(names["tokenizer"])}
    check_call(call, outcome, names)
