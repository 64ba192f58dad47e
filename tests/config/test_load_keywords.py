"""Keywords of transformers' from_pretrained and pipeline: accepted where they cannot change the answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

import roberta_c
from roberta_c import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from roberta_c.errors import InputError, ModelFileError
from roberta_c.model import dtype_name

ACCEPTED = [
    {"attn_implementation": "sdpa"},
    {"attn_implementation": "eager"},
    {"device_map": "auto"},
    {"device_map": "cpu"},
    {"device_map": {"": "cpu"}},
    {"low_cpu_mem_usage": True},
    {"use_safetensors": False},
    {"trust_remote_code": False},
    {"dtype": "auto"},
    {"dtype": torch.float32},
    {"dtype": np.float32},
    {"dtype": np.dtype("float32")},
    {"torch_dtype": torch.float32},
    {"torch_dtype": "auto"},
    {"dtype": "float32", "torch_dtype": torch.float32},
]
REFUSED = [
    (
        {"attn_implementation": "flash_attention_2"},
        "attn_implementation: found 'flash_attention_2', expected None",
    ),
    ({"device_map": "cuda:0"}, "device_map: found 'cuda:0', expected None, 'cpu' or 'auto'"),
    ({"device_map": {"": 0}}, "device_map: found"),
    ({"trust_remote_code": True}, "trust_remote_code: found True, expected False"),
    ({"load_in_8bit": True}, 'load_in_8bit: found True, expected it to be left out, and dtype="int8"'),
    ({"dtype": torch.float16}, "dtype: found torch.float16, expected 'bfloat16'"),
    ({"dtype": "float8"}, "dtype: found 'float8', expected one of float32, bfloat16, int8"),
    ({"dtype": 32}, "dtype: found 32"),
    ({"dtype": "int8", "torch_dtype": torch.float32}, "torch_dtype: found torch.float32 beside dtype='int8'"),
    ({"use_safetensors": "yes"}, "use_safetensors: found 'yes', expected True, False or None"),
    ({"low_cpu_mem_usage": "yes"}, "low_cpu_mem_usage: found 'yes', expected True or False"),
    ({"subfolder": "onnx"}, "subfolder: found 'onnx'"),
]


@pytest.mark.parametrize("keywords", ACCEPTED, ids=str)
def test_accepted_for_a_model(keywords, tweet_sentiment_small):
    plain = AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small)
    model = AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small, **keywords)
    assert model.dtype == "float32"
    assert np.array_equal(model([[0, 7, 2]]).logits, plain([[0, 7, 2]]).logits)


@pytest.mark.parametrize(("keywords", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_refused_for_a_model(keywords, message, tweet_sentiment_small):
    with pytest.raises(InputError, match=message) as caught:
        AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small, **keywords)
    assert "\n" not in str(caught.value)


def test_safetensors_alone_or_not_at_all(tweet_sentiment_small, tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small)
    with pytest.raises(ModelFileError, match=r"only 'pytorch_model.bin', expected one of model.safetensors"):
        AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small, use_safetensors=True)
    model.save_pretrained(tmp_path)
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path, use_safetensors=True)
    with pytest.raises(ModelFileError, match=r"only 'model.safetensors', expected one of pytorch_model.bin"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path, use_safetensors=False)


def test_dtypes_by_object():
    assert dtype_name(torch.bfloat16) == dtype_name(None, torch.bfloat16) == "bfloat16"
    assert dtype_name("int8") == dtype_name(np.int8) == dtype_name(torch.int8) == "int8"
    assert dtype_name() == dtype_name("auto") == dtype_name(None, "auto") == "float32"


def test_torch_is_not_imported_by_its_objects(tweet_sentiment_small):
    """A dtype or device is recognized by its type's name."""
    from roberta_c.config import load_keywords
    from roberta_c.model import dtypes

    for module in (load_keywords, dtypes):
        assert not hasattr(module, "torch")


def test_keywords_of_tokenizers_and_configs(tweet_sentiment_small):
    for keywords in ({"use_fast": True}, {"use_fast": False}, {"trust_remote_code": False}):
        assert AutoTokenizer.from_pretrained(tweet_sentiment_small, **keywords)("a")["input_ids"]
    assert roberta_c.AutoConfig.from_pretrained(tweet_sentiment_small, trust_remote_code=False)
    with pytest.raises(InputError, match="trust_remote_code: found True, expected False"):
        AutoTokenizer.from_pretrained(tweet_sentiment_small, trust_remote_code=True)
    config = roberta_c.AutoConfig.from_pretrained(tweet_sentiment_small)
    for given in (None, config, transformers.RobertaConfig()):
        assert AutoTokenizer.from_pretrained(tweet_sentiment_small, config=given)("a")["input_ids"]
    with pytest.raises(InputError, match=r"^config: found 5, expected a config, or None"):
        AutoTokenizer.from_pretrained(tweet_sentiment_small, config=5)


@pytest.mark.parametrize("load", [AutoTokenizer, roberta_c.RobertaTokenizerFast])
@pytest.mark.parametrize("name", ["name_or_path", "facts", "folder"])
def test_keywords_with_the_names_of_inner_arguments(load, name, tweet_sentiment_small):
    with pytest.raises(InputError, match=f"^tokenizer options: found '{name}', expected one of "):
        load.from_pretrained(tweet_sentiment_small, **{name: "x"})


def test_keywords_of_pipelines(tweet_sentiment_small):
    expected = pipeline("text-classification", tweet_sentiment_small)("so good")
    for keywords in (
        {"device": torch.device("cpu")},
        {"device_map": "auto"},
        {"torch_dtype": torch.float32},
        {"framework": "pt"},
        {"use_fast": True},
        {"model_kwargs": {"low_cpu_mem_usage": True}},
        {"config": roberta_c.AutoConfig.from_pretrained(tweet_sentiment_small)},
    ):
        assert pipeline("text-classification", tweet_sentiment_small, **keywords)("so good") == expected
    for keywords, message in (
        ({"device": torch.device("meta")}, "device: found .*, expected 'cpu', -1 or None"),
        ({"framework": "tf"}, "framework: found 'tf'"),
        ({"torch_dtype": torch.float16}, "torch_dtype: found torch.float16, expected 'bfloat16'"),
        (
            {"model_kwargs": {"dtype": "int8"}, "dtype": "int8"},
            "model_kwargs: dtype: found it as a keyword of pipeline too, expected it once",
        ),
        ({"model_kwargs": {"revision": "main"}, "revision": "v1"}, "model_kwargs: revision: found it as"),
        ({"config": 5}, "config: found 5, expected a RobertaConfig, a folder"),
        ({"model_kwargs": 3}, "model_kwargs: found 3, expected a dict of keywords"),
    ):
        with pytest.raises(InputError, match=message):
            pipeline("text-classification", tweet_sentiment_small, **keywords)
