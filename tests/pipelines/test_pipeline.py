"""`pipeline(…)`: how it finds model and tokenizer, and which arguments it refuses."""

from __future__ import annotations

import pytest

import roberta_c
from roberta_c import pipeline
from roberta_c.errors import HubError, InputError, ModelFileError, TokenizerFileError


def test_ways_to_name_model_and_tokenizer(classify, tweet_sentiment_small):
    expected = classify("I love it")
    for arguments in (
        ("sentiment-analysis", str(tweet_sentiment_small)),
        ("text-classification", tweet_sentiment_small, str(tweet_sentiment_small)),
        ("text-classification", classify.model, tweet_sentiment_small),
        ("text-classification", classify.model, classify.tokenizer),
    ):
        assert pipeline(*arguments, device="cpu")("I love it") == expected
    assert (
        roberta_c.pipeline("sentiment-analysis", classify.model, classify.tokenizer, device=-1).task
        == "text-classification"
    )


def test_bad_arguments_of_pipeline(classify, tmp_path):
    model, tokenizer = classify.model, classify.tokenizer
    for arguments, message in (
        (
            ("translation", model),
            "task: found 'translation', expected one of text-classification, sentiment-analysis",
        ),
        ((None, model), "task: found None"),
        ((["text-classification"], model), "task: found"),
        (("text-classification", 3), "model: found int"),
        (("text-classification", model.roberta, tokenizer), "model: found RobertaModel"),
        (("text-classification", model), "tokenizer: found None"),
        (("text-classification", model, 3), "tokenizer: found 3"),
    ):
        with pytest.raises(InputError, match=message):
            pipeline(*arguments)
    for options, message in (
        ({"dtype": "float8"}, "dtype: found 'float8'"),
        ({"num_threads": 7}, "num_threads: found 7"),
        ({"device": 0}, "device: found 0"),
        ({"device": "cuda"}, "device: found 'cuda'"),
        ({"device": [0]}, "device: found"),
    ):
        with pytest.raises(InputError, match=message):
            pipeline("text-classification", model, tokenizer, **options)
    with pytest.raises(InputError, match="dtype: found 'float8'"):
        pipeline("text-classification", model.name_or_path, dtype="float8")
    half = type(model).from_pretrained(model.name_or_path, dtype="bfloat16")
    with pytest.raises(InputError, match="dtype: found 'float32', expected None or 'bfloat16'"):
        pipeline("text-classification", half, tokenizer, dtype="float32")
    assert pipeline("text-classification", half, tokenizer, dtype="bfloat16").model is half
    with pytest.raises((HubError, ModelFileError, TokenizerFileError), match=str(tmp_path)):
        pipeline("text-classification", tmp_path)
    with pytest.raises(HubError, match="no such folder"):
        pipeline("text-classification", str(tmp_path / "none"), local_files_only=True)
