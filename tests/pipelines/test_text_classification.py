"""Text classification with the trained checkpoint: results, score functions, options.

parity/test_pipeline_parity.py compares results with transformers'.
"""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from roberta_c import pipeline
from roberta_c.errors import InputError, ModelFileError
from roberta_c.pipelines.rows import TextRow
from roberta_c.pipelines.text_classification import (
    ClassifyOptions,
    Prediction,
    TextClassificationPipeline,
    apply_function,
    choose_function,
)

LABELS = ["negative", "neutral", "positive"]


# ---- results -----------------------------------------------------------------------------------------


def test_reference_scores_of_the_checkpoint(classify, real_checkpoint):
    """The logits in the checkpoint's README, which transformers computed."""
    for text, logits in {
        "I love using the Transformers library!": [-1.921845, 1.118219, 0.669894],
        "this is the worst service ever": [2.746027, -1.453249, -1.541172],
        "The match starts at 9pm.": [-1.717798, 0.906301, 0.805569],
    }.items():
        found = {one["label"]: one["score"] for one in classify(text, top_k=None, function_to_apply="none")}
        assert [found[label] for label in LABELS] == pytest.approx(logits, abs=2e-5)
        exponentials = np.exp(logits)
        best = int(np.argmax(logits))
        assert classify(text) == [
            {"label": LABELS[best], "score": pytest.approx(exponentials[best] / exponentials.sum(), abs=1e-5)}
        ]


def test_forms_of_results(classify):
    one, pair = "I love it", {"text": "I love it", "text_pair": "so much"}
    best = classify([one])[0]
    assert set(best) == {"label", "score"}
    assert type(best["score"]) is float
    assert classify(one) == [best]
    assert classify({"text": one}) == best
    assert classify([one, {"text": one}, {"text": one, "text_pair": None}]) == [best] * 3
    assert classify([]) == []
    assert classify([pair]) == [classify(pair)]
    assert classify([[["I love it", "so much"]]]) == [classify(pair)]
    assert classify(pair) != best
    every = classify(one, top_k=None)
    assert [type(row) for row in every] == [dict] * 3
    assert every[0] == best
    assert sorted((row["score"] for row in every), reverse=True) == [row["score"] for row in every]
    assert sum(row["score"] for row in every) == pytest.approx(1)
    assert classify(one, top_k=1) == [best]
    assert classify([one, one], top_k=2) == [every[:2]] * 2
    assert classify([one], top_k=7) == [every]
    assert classify(pair, top_k=1) == [classify(pair)]


def test_options_of_the_pipeline_are_defaults_of_its_calls(classify):
    every = classify("I love it", top_k=None)
    listing = TextClassificationPipeline(
        classify.model, classify.tokenizer, ClassifyOptions().changed({"top_k": None})
    )
    assert listing("I love it") == [every]
    assert listing(["I love it"]) == [every]
    assert listing("I love it", top_k=1) == every[:1]
    assert "negative" in repr(listing)


def test_results_are_separate_objects(classify):
    first, second = classify(["I love it", "I love it"])
    first["label"] = "changed"
    assert second["label"] == "positive"


def test_return_all_scores(classify):
    with pytest.warns(DeprecationWarning, match="top_k=None") as caught:
        assert classify("I love it", return_all_scores=True) == classify("I love it", top_k=None)
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="no top_k"):
        assert classify(["I love it"], return_all_scores=False) == classify(["I love it"])
    with pytest.warns(DeprecationWarning, match="top_k=None") as caught:
        listing = pipeline(
            "text-classification", classify.model, tokenizer=classify.tokenizer, return_all_scores=True
        )
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert listing(["I love it"]) == classify(["I love it"], top_k=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classify("I love it", return_all_scores=None)
        listing(["I love it"])
    with pytest.raises(InputError, match="return_all_scores: found together with top_k"):
        classify("I love it", return_all_scores=True, top_k=2)


# ---- score functions ---------------------------------------------------------------------------------


def test_score_functions_against_their_formulas():
    logits = np.array([[0.5, -2.0, 3.0], [-1e4, 0.0, 1e4], [88.0, 89.0, -104.0]], dtype=np.float32)
    with np.errstate(all="raise", under="ignore"):
        found = {name: apply_function(name, logits) for name in ("none", "sigmoid", "softmax")}
    assert np.array_equal(found["none"], logits)
    wide = logits.astype(np.longdouble)
    with np.errstate(over="ignore", under="ignore"):
        sigmoid = (1 / (1 + np.exp(-wide))).astype(np.float64)
        assert np.allclose(found["sigmoid"], sigmoid, rtol=1e-14, atol=0)
        exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
        assert np.allclose(
            found["softmax"], exponentials / exponentials.sum(axis=1, keepdims=True), rtol=1e-14
        )
    assert all(scores.dtype == np.float64 for scores in found.values())


def test_equal_scores_keep_the_labels_order():
    scores = np.array([0.0, 1.0, 0.0] * 50)
    order = Prediction(TextRow("a"), scores, False).best_first()
    assert order == sorted(range(150), key=lambda index: -scores[index])


def test_a_config_with_an_unknown_function():
    config = SimpleNamespace(problem_type=None, num_labels=0, name_or_path="here", function_to_apply="max")
    with pytest.raises(ModelFileError, match="function_to_apply: found 'max'"):
        choose_function(config)


def test_outputs_that_are_not_numbers(classify):
    def broken(ids, **options):
        return SimpleNamespace(logits=np.array([[0.0, np.nan, 1.0]] * len(ids), dtype=np.float32))

    broken.config, broken.name_or_path = classify.model.config, "some/model"
    with pytest.raises(ModelFileError, match="some/model: found outputs that are NaN or infinite"):
        TextClassificationPipeline(broken, classify.tokenizer)("a")


# ---- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k: found 0"),
        ({"top_k": -1}, "top_k: found -1"),
        ({"top_k": "all"}, "top_k: found 'all', expected an integer of at least 1, or None"),
        ({"top_k": 1.0}, "top_k: found 1.0"),
        ({"top_k": True}, "top_k: found True"),
        (
            {"function_to_apply": "max"},
            "function_to_apply: found 'max', expected one of None, default, sigmoid",
        ),
        ({"function_to_apply": 3}, "function_to_apply: found 3"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"batch_size": None}, "batch_size: found None"),
        ({"truncation": "middle"}, "truncation: found 'middle'"),
        ({"truncation": None}, "truncation: found None"),
        ({"max_length": 0}, "max_length: found 0"),
        ({"max_length": 513}, "max_length: found 513, expected at most 512"),
        ({"max_length": 1}, "max_length: found 1, expected at least 2"),
        ({"max_length": 10, "truncation": False}, "max_length: found 10 with truncation=False"),
        ({"padding": "widest"}, "padding: found 'widest'"),
        ({"return_all_scores": 1}, "return_all_scores: found 1"),
        ({"topk": 1}, "topk: found an unknown keyword, expected top_k"),
        ({"top": 1}, "top: found an unknown keyword, expected one of batch_size, "),
        ({"as_list": True}, "as_list: found an unknown keyword"),
    ],
)
def test_bad_options(classify, options, message):
    with pytest.raises(InputError, match=message):
        classify(["a b c"], **options)
    if options != {"max_length": 1}:  # which only a text shows to be too little
        with pytest.raises(InputError, match=message):
            pipeline("text-classification", classify.model, tokenizer=classify.tokenizer, **options)
        with pytest.raises(InputError, match=message):  # at once, not with the first result
            classify(iter(["a b c"]), **options)


def test_renamed_labels_are_those_of_the_next_results(tweet_sentiment_small):
    run = pipeline("text-classification", tweet_sentiment_small, num_threads=1)
    (before,) = run("I love it")
    run.model.config.id2label = {0: "NEG", 1: "NEU", 2: "POS"}
    assert run("I love it") == [{**before, "label": "POS"}]
    assert run.labels == ["NEG", "NEU", "POS"]


def test_no_function_in_a_call_leaves_the_pipelines_own(tweet_sentiment_small):
    run = pipeline("text-classification", tweet_sentiment_small, function_to_apply="SIGMOID", num_threads=1)
    assert run("so so", function_to_apply=None) == run("so so")
    assert (
        run("so so") == run("so so", function_to_apply="sigmoid") != run("so so", function_to_apply="softmax")
    )
