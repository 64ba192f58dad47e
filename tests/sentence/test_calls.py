"""docs/from-sentence-transformers.md, "Call by call": each call of the table does what the table says."""

from __future__ import annotations

import copy
import pickle

import pytest
from samples.call_tables import check_call, rows_of

import roberta_c
from roberta_c import sentence, util

ROWS = rows_of("from-sentence-transformers.md")


@pytest.fixture
def names(saved_model, tmp_path):
    """The names that the calls use."""
    folder, _ = saved_model("mean", prompts=(("query", "query: "),))
    model, texts = roberta_c.SentenceTransformer(str(folder)), ["so good", "so bad"]
    return {
        **{name: getattr(sentence, name) for name in sentence.__all__},
        "C": str(folder),
        "D": str(tmp_path),
        "model": model,
        "texts": texts,
        "vectors": model.encode(texts),
        "util": util,
        "copy": copy,
        "pickle": pickle,
    }


def test_the_table_was_found():
    assert len(ROWS) > 40


@pytest.mark.parametrize(("call", "outcome"), ROWS, ids=[call for call, _ in ROWS])
def test_call(call, outcome, names):
    check_call(call, outcome, names)
