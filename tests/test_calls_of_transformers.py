"""docs/from-transformers.md, "Call by call": each call of the table does what the table says."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import roberta_c
from roberta_c.errors import RobertaCError

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "from-transformers.md"
SECTION = DOCUMENT.read_text("utf-8").partition("## Call by call")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| `(.+?)` \| (.+?) \|$", SECTION, flags=re.MULTILINE)


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
    assert SECTION.count("\n| `") == len(ROWS)


@pytest.mark.parametrize(("call", "outcome"), ROWS, ids=[call for call, _ in ROWS])
def test_call(call, outcome, names):
    def run():
        if call.startswith("from "):
            return exec(call, dict(names))
        return eval(call, dict(names))

    if outcome.startswith("error: "):
        message = re.escape(outcome.removeprefix("error: "))
        with pytest.raises((RobertaCError, ImportError), match=message) as caught:
            run()
        assert "\n" not in str(caught.value)
        return
    found = run()
    if outcome in ("the model", "the encoding"):
        assert found is names[{"the model": "model", "the encoding": "encoded"}[outcome]]
    elif outcome in ("float32", "bfloat16"):
        assert getattr(found, "model", found).dtype == outcome
    elif outcome == "None":
        assert found is None
