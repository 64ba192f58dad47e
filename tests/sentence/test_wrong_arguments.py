"""Values that no argument is for, as every argument of FlagEmbedding's constructors: a typed error of one
line, a model that loads, or what the value itself raises."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from samples.hostile import LyingText, OwnError, RaisingText
from samples.rerankers import make_bge_m3, make_cross_encoder

from roberta_c import BGEM3FlagModel, FlagAutoModel, FlagAutoReranker, FlagModel, FlagReranker
from roberta_c.errors import RobertaCError


class Raising:
    """An object of which everything that is asked raises."""

    def _raise(self, *_):
        raise ValueError("asked")

    __bool__ = __eq__ = __hash__ = __repr__ = __str__ = __len__ = _raise
    value = shape = property(_raise)


WRONG = {
    "a large integer": 10**5000,
    "a surrogate": "\ud800",
    "a brace": "{",
    "bytes": b"x",
    "an array": np.array([1, 2]),
    "an empty array": np.array([]),
    "a lying text": LyingText("cls"),
    "a text that raises": RaisingText("cls"),
    "an object that raises": Raising(),
}
MAKERS = {
    "FlagModel": FlagModel,
    "BGEM3FlagModel": BGEM3FlagModel,
    "FlagReranker": FlagReranker,
    "FlagAutoModel": FlagAutoModel.from_finetuned,
    "FlagAutoReranker": FlagAutoReranker.from_finetuned,
}


@pytest.fixture(scope="module")
def folders(tweet_sentiment_small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    embedder = make_bge_m3(folder / "m3", tweet_sentiment_small, "roberta").folder
    reranker = make_cross_encoder(folder / "reranker", tweet_sentiment_small).folder
    return {name: reranker if "Reranker" in name else embedder for name in MAKERS}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_argument_of_every_constructor(kind, folders, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    make = MAKERS[kind]
    names = [name for name in inspect.signature(make).parameters if name not in ("self", "keywords")]
    if kind.startswith("FlagAuto"):  # what they do not pass on unread
        names = [one for one in names if one in ("model_name_or_path", "model_class", "trust_remote_code")]
    for name in names:
        for value in WRONG.values():
            given = {"model_name_or_path": folders[kind], name: value}
            message = refusal(lambda given=given: make(**given))
            assert "\n" not in message, name
            assert len(message) < 1100, name


def refusal(call) -> str:
    """The message of a typed error; empty without one."""
    try:
        call()
    except RobertaCError as error:
        return str(error)
    except OwnError:
        return ""
    return ""
