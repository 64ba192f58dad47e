"""Texts, labels, options and paths that raise or lie: as the plain ones, or an error says what is wrong."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from samples.hostile import (
    Index,
    LyingInteger,
    LyingList,
    LyingText,
    OwnError,
    RaisingIndex,
    RaisingList,
    RaisingShape,
    RaisingText,
)

from roberta_c import pipeline
from roberta_c.errors import InputError, RobertaCError

TEXT = "I love it"


@pytest.mark.parametrize("kind", [RaisingText, LyingText])
def test_texts_are_their_characters(kind, classify):
    expected = classify([TEXT, {"text": "I love", "text_pair": "it"}])
    assert classify(kind(TEXT)) == [expected[0]]
    assert classify([kind(TEXT), {"text": kind("I love"), "text_pair": kind("it")}]) == expected
    assert list(classify(iter([kind(TEXT)]))) == expected[:1]
    for texts in (kind("\udc00"), [kind("\udc00")]):
        with pytest.raises(InputError, match="the lone surrogate"):
            classify(texts)


@pytest.mark.parametrize("kind", [RaisingText, LyingText])
def test_texts_of_every_task_are_their_characters(kind, task_pipeline):
    answer, fill = task_pipeline("question-answering"), task_pipeline("fill-mask")
    recognize, score = task_pipeline("token-classification"), task_pipeline("zero-shot-classification")
    assert answer(kind("Who?"), kind("Ada did it.")) == answer("Who?", "Ada did it.")
    mask = "I <mask> it"
    assert fill(kind(mask), targets=[kind("love"), kind("hate")]) == fill(mask, targets=["love", "hate"])
    assert recognize(kind(TEXT)) == recognize(TEXT)
    named = {"ignore_labels": ["O"], "aggregation_strategy": "simple"}
    of_kind = {"ignore_labels": [kind("O")], "aggregation_strategy": kind("simple")}
    assert recognize(TEXT, **of_kind) == recognize(TEXT, **named)
    template, labels = "This is {}.", ["good", "bad"]
    expected = score(TEXT, labels, hypothesis_template=template)
    assert (
        score(kind(TEXT), [kind(label) for label in labels], hypothesis_template=kind(template)) == expected
    )
    assert score(TEXT, kind("good,bad"), hypothesis_template=template) == expected


@pytest.mark.parametrize("kind", [RaisingText, LyingText])
def test_options_are_what_they_hold(kind, classify, tweet_sentiment_small):
    expected = classify(TEXT)
    assert classify(TEXT, function_to_apply=kind("softmax"), truncation=kind("longest_first")) == expected
    assert classify(TEXT, batch_size=LyingInteger(2), max_length=Index(9), top_k=LyingInteger(1)) == expected
    for name in ("function_to_apply", "truncation", "long_text", "padding", "window_scores"):
        with pytest.raises(InputError, match=f"^{name}: found 'x'"):
            classify(TEXT, **{name: kind("x")})
    for name in ("batch_size", "max_length", "top_k"):
        with pytest.raises(InputError, match=f"^{name}: found -3"):
            classify(TEXT, **{name: LyingInteger(-3)})
        with pytest.raises(OwnError):
            classify(TEXT, **{name: RaisingIndex()})
    with pytest.raises(InputError, match=r"^max_length: found 1000000, expected at most 512"):
        classify(TEXT, max_length=LyingInteger(10**6))
    loaded = pipeline("text-classification", tweet_sentiment_small, num_threads=1, dtype=kind("float32"))
    assert loaded(TEXT) == expected
    with contextlib.suppress(RobertaCError, OwnError):  # a path is used in many ways, and messages show it
        assert pipeline("text-classification", kind(tweet_sentiment_small), num_threads=1)(TEXT) == expected


def test_lists_of_texts_that_raise_or_lie(classify):
    for texts in (RaisingList([TEXT]), LyingList([TEXT]), RaisingShape(), [RaisingList([TEXT])]):
        with contextlib.suppress(InputError, OwnError):
            assert classify(texts) == classify([TEXT])


def test_predictions_take_several_texts(classify):
    """The characters of a text and the keys of a dict are not taken for texts."""
    for one in (TEXT, LyingText(TEXT), b"I love it", {"text": TEXT}, 5, None, object(), np.array(TEXT)):
        with pytest.raises(InputError, match=r"^texts: found \w+, expected a list or an iterator of a str"):
            classify.predictions(one)
    assert len(list(classify.predictions((TEXT, TEXT)))) == 2
    assert len(list(classify.predictions(np.array([TEXT])))) == 1


def test_options_of_any_type_are_refused_by_name(classify):
    """An array is neither equal nor unequal to anything."""
    for name in ("long_text", "truncation", "padding", "batch_size", "top_k", "function_to_apply", "stride"):
        with pytest.raises(InputError, match=f"^{name}: found a ndarray of shape"):
            classify(TEXT, **{name: np.zeros(2)})
    with pytest.raises(InputError, match=r"^long_text: found a ndarray"):
        pipeline("text-classification", classify.model, tokenizer=classify.tokenizer, long_text="windows")(
            TEXT, long_text=np.zeros(2)
        )


@pytest.mark.parametrize("kind", [RaisingText, LyingText])
def test_names_of_devices_are_their_characters(kind, tweet_sentiment_small):
    assert pipeline("text-classification", tweet_sentiment_small, device=kind("cpu"))
    with pytest.raises(InputError, match=r"^device: found .*, expected 'cpu', -1 or None"):
        pipeline("text-classification", tweet_sentiment_small, device=kind("cuda"))
