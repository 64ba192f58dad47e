"""The names that sentence-transformers' model has: each is here, or says what to do instead."""

from __future__ import annotations

import numpy as np
import pytest
from samples.embeddings import assert_near
from samples.tokenizers import assert_one_line

from roberta_c import SentenceTransformer
from roberta_c.errors import InputError, MissingNameError
from roberta_c.sentence.missing_names import MISSING_NAMES

PROMPTS = (("query", "query: "),)


@pytest.fixture(scope="module")
def models(saved_model):
    folder, theirs = saved_model("mean", "cls", then=("dense",), prompts=PROMPTS)
    return SentenceTransformer(folder), theirs


@pytest.fixture(scope="module")
def model(models):
    return models[0]


def test_names_that_are_missing_say_what_to_do(model):
    for name in MISSING_NAMES:
        with pytest.raises(MissingNameError) as caught:
            getattr(model, name)
        assert_one_line(caught.value, f"SentenceTransformer.{name}: found no such name, expected ")
        assert not hasattr(model, name)
    with pytest.raises(AttributeError, match="'SentenceTransformer' object has no attribute 'nonsense'"):
        _ = model.nonsense


def test_every_public_name_of_the_original(models):
    ours, theirs = models
    for name in dir(theirs):
        if name.startswith("_"):
            continue
        try:
            getattr(ours, name)
        except MissingNameError:
            assert name in MISSING_NAMES
    # transformers gives torch's modules this one when it first loads a model.
    assert set(MISSING_NAMES) - set(dir(theirs)) <= {"smart_apply"}


def test_what_a_model_says_of_itself(models):
    models[1].eval()
    for model in models:
        assert model.modalities == ["text"]
        assert model.supports("text")
        assert not model.supports("image")
        assert not model.supports(("text", "image"))
        assert model.get_model_kwargs() == []
        assert model.get_backend() == model.backend == "torch"
        assert model.config is model[0].auto_model.config
        assert model.processor is model.tokenizer
        assert model.model_type == "SentenceTransformer"
        assert not model.training
        assert model.is_singular_input("a")
        assert model.is_singular_input({"text": "a"})
        assert not model.is_singular_input(["a"])
        assert not model.is_singular_input(np.array(["a"]))
        assert model.SUPPORTED_SIMILARITY_FN_NAMES == ("cosine", "dot", "euclidean", "manhattan")
    assert isinstance(SentenceTransformer.load(models[0][0].auto_model.name_or_path), SentenceTransformer)


def test_a_call_on_features(models, sentences):
    ours, theirs = models
    texts = sentences[-12:]
    for model_name in ("tokenize", "preprocess"):
        found = ours(getattr(ours, model_name)(texts))
        expected = theirs(getattr(theirs, model_name)(texts))
        assert {"input_ids", "attention_mask", "token_embeddings", "sentence_embedding"} <= set(found)
        assert_near(found["sentence_embedding"], expected["sentence_embedding"].detach().numpy())
        is_token = expected["attention_mask"].numpy().astype(bool)
        rows, other_rows = found["token_embeddings"], expected["token_embeddings"].detach().numpy()
        assert_near(rows[is_token], other_rows[is_token])
        np.testing.assert_array_equal(found["input_ids"], expected["input_ids"].numpy())
    np.testing.assert_array_equal(found["sentence_embedding"], ours.encode(texts))
    tensors = theirs.preprocess(texts)
    np.testing.assert_array_equal(ours.forward(tensors)["sentence_embedding"], ours.encode(texts))
    ragged = ours({"input_ids": [[0, 5, 2], [0, 5, 6, 2]]})
    assert [len(rows) for rows in ragged["token_embeddings"]] == [3, 4]


@pytest.mark.parametrize("include_prompt", [True, False])
def test_a_call_on_features_with_a_prompt(include_prompt, models, sentences):
    ours, theirs = models
    texts = sentences[-12:]
    for model in models:
        model.set_pooling_include_prompt(include_prompt)
    found = ours(ours.preprocess(texts, prompt="query: "))["sentence_embedding"]
    expected = theirs(theirs.preprocess(texts, prompt="query: "))["sentence_embedding"]
    assert_near(found, expected.detach().numpy())
    np.testing.assert_array_equal(found, ours.encode_query(texts))
    for model in models:
        model.set_pooling_include_prompt(True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model("a"), "input: found str, expected a mapping with input_ids"),
        (
            lambda model: model({"text": "a"}),
            "input: found the keys ['text'], expected a mapping",
        ),
        (lambda model: model({"input_ids": [[10**6]]}), "input_ids: found 1000000, expected 0 to"),
        (
            lambda model: model({"input_ids": [[5]], "prompt_length": -1}),
            "prompt_length: found -1, expected an",
        ),
        (lambda model: model.preprocess(3, prompt="a"), "inputs: found int, expected a str or a list of str"),
        (lambda model: model.preprocess([("a", "b")], prompt="a"), "inputs[0]: found tuple"),
        (lambda model: model.preprocess(["a"], prompt=3), "prompt: found 3, expected a str or None"),
        (lambda model: setattr(model, "config", 3), "config: found 3, expected a RobertaConfig"),
    ],
)
def test_errors_of_calls_on_features(call, message, model):
    with pytest.raises(InputError) as caught:
        call(model)
    assert_one_line(caught.value, message)
