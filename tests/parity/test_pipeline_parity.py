"""The pipeline and the command line give the results of transformers' text-classification pipeline."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import transformers
from samples.models import make_random_model
from transformers.pipelines.text_classification import TextClassificationPipeline as TheirPipeline

import roberta_c
from roberta_c.pipelines.text_classification import SCORE_FUNCTIONS, apply_function, choose_function

PROBLEM_TYPES = (None, "regression", "single_label_classification", "multi_label_classification")
GIVEN_FUNCTIONS = (
    {},
    {"function_to_apply": "sigmoid"},
    {"function_to_apply": "softmax"},
    {"function_to_apply": "none"},
)
TOP_KS = ({}, {"top_k": None}, {"top_k": 1}, {"top_k": 2}, {"top_k": 99})
PAIR = {"text": "A man is eating.", "text_pair": "Somebody eats food."}
INPUTS = (
    "I love it",
    ["I love it", "", " two  spaces ", "this is the worst"],
    ["one"],
    PAIR,
    [PAIR, {"text": "no pair"}, {"text": "", "text_pair": ""}, "a plain text"],
    [[["A man is eating.", "Somebody eats food."]]],
)


def assert_same(ours, theirs, tolerance):
    """The same nested lists and dicts of the same labels, and scores within the tolerance."""
    assert type(ours) is type(theirs)
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for our_part, their_part in zip(ours, theirs, strict=True):
            assert_same(our_part, their_part, tolerance)
    else:
        assert list(ours) == list(theirs) == ["label", "score"]
        assert ours["label"] == theirs["label"]
        assert type(ours["score"]) is float
        assert ours["score"] == pytest.approx(theirs["score"], abs=tolerance, rel=tolerance)


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread():
    """torch runs these small models faster on one thread than on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tweets(test_data):
    text = test_data("data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8")
    return text.split("\n")[:300]


@pytest.fixture(scope="module")
def their_tweets_results(tweets, tweet_sentiment_small):
    with torch.inference_mode():
        theirs = transformers.pipeline("text-classification", model=str(tweet_sentiment_small))
        return theirs(tweets, batch_size=16, top_k=None)


def test_real_tweets(tweets, tweet_sentiment_small, their_tweets_results):
    ours = roberta_c.pipeline("text-classification", tweet_sentiment_small, num_threads=1)
    assert_same(ours(tweets, top_k=None), their_tweets_results, 1e-5)
    assert_same(list(ours(iter(tweets))), [result[0] for result in their_tweets_results], 1e-5)


def test_real_tweets_through_the_command_line(tweets, tweet_sentiment_small, their_tweets_results):
    command = [sys.executable, "-m", "roberta_c", "classify", "--model", str(tweet_sentiment_small)]
    lines = "".join(f"{tweet}\n" for tweet in tweets).encode()
    done = subprocess.run([*command, "--all", "--threads", "1"], input=lines, capture_output=True, check=True)
    assert done.stderr == b""
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == tweets
    for row, theirs in zip(rows, their_tweets_results, strict=True):
        ours = [{"label": label, "score": score} for label, score in row["scores"].items()]
        assert_same(ours, theirs, 1e-5)
        assert {"label": row["label"], "score": row["score"]} == ours[0]


@pytest.fixture(scope="module", params=[1, 2, 4], ids=lambda count: f"{count}-labels")
def both_models(request, model_folder, tweet_sentiment_small):
    """A random checkpoint with the vocabulary of `tweet_sentiment_small`: the model of transformers, ours
    by problem type, transformers' tokenizer, and the folder."""
    folder = model_folder / f"labels-{request.param}"
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64}
    labels = {index: f"label {index}" for index in range(request.param)}
    made = make_random_model(
        folder, seed=request.param, vocab_size=50265, max_position_embeddings=130, id2label=labels, **sizes
    )
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        shutil.copy(tweet_sentiment_small / name, folder)
    ours = {
        kind: roberta_c.AutoModelForSequenceClassification.from_pretrained(
            folder, problem_type=kind, num_threads=1
        )
        for kind in PROBLEM_TYPES
    }
    return made.model, ours, transformers.AutoTokenizer.from_pretrained(folder), folder


@pytest.mark.parametrize("problem_type", PROBLEM_TYPES)
def test_every_combination(both_models, problem_type):
    """All combinations of problem type, number of labels, and function_to_apply and top_k as arguments of a
    call."""
    their_model, our_models, their_tokenizer, folder = both_models
    their_model.config.problem_type = problem_type
    theirs = TheirPipeline(model=their_model, tokenizer=their_tokenizer)
    ours = roberta_c.pipeline("text-classification", our_models[problem_type], tokenizer=folder)
    for function, top_k, texts in itertools.product(GIVEN_FUNCTIONS, TOP_KS, ("I love it", ["", PAIR])):
        assert_same(ours(texts, **function, **top_k), theirs(texts, **function, **top_k), 1e-5)


@pytest.mark.parametrize("options", [{}, *TOP_KS[1:], {"function_to_apply": "none", "top_k": None}])
def test_options_given_to_the_pipeline(both_models, options):
    their_model, our_models, their_tokenizer, folder = both_models
    their_model.config.problem_type = None
    theirs = TheirPipeline(model=their_model, tokenizer=their_tokenizer, **options)
    ours = roberta_c.pipeline("text-classification", our_models[None], tokenizer=folder, **options)
    for texts, given in itertools.product(INPUTS, ({}, {"top_k": 2})):
        assert_same(ours(texts, **given), theirs(texts, **given), 1e-5)
    generated = theirs(text for text in INPUTS[1])
    assert_same(list(ours(text for text in INPUTS[1])), list(generated), 1e-5)


def test_truncation(both_models, tweets):
    """Ours truncates by default to the tokens that transformers keeps with truncation=True."""
    their_model, our_models, their_tokenizer, folder = both_models
    their_model.config.problem_type = None
    theirs = TheirPipeline(model=their_model, tokenizer=their_tokenizer)
    ours = roberta_c.pipeline("text-classification", our_models[None], tokenizer=folder)
    long_text = " ".join(tweets[:40])
    texts = [
        long_text,
        "short",
        {"text": long_text, "text_pair": long_text[99:]},
        {"text": "a", "text_pair": long_text},
    ]
    assert_same(ours(texts), theirs(texts, truncation=True, max_length=128), 1e-5)
    for options in (
        {"truncation": True, "max_length": 17},
        {"truncation": "longest_first", "max_length": 64, "padding": True},
    ):
        assert_same(ours(texts, **options), theirs(texts, **options), 1e-5)
    options = {"truncation": "only_second", "max_length": 20}
    assert_same(ours(texts[3:], **options), theirs(texts[3:], **options), 1e-5)


def test_a_bare_list_pair_is_an_error_for_both(both_models):
    their_model, our_models, their_tokenizer, folder = both_models
    theirs = TheirPipeline(model=their_model, tokenizer=their_tokenizer)
    ours = roberta_c.pipeline("text-classification", our_models[None], tokenizer=folder)
    for classify in (theirs, ours):
        with pytest.raises(ValueError, match="text_pair"):
            classify([["A man is eating.", "Somebody eats food."]])


def test_choice_of_function_against_their_source():
    """All combinations of the values that the choice depends on, also those that no published model has."""
    logits = torch.tensor([[-1.5, 0.25, 2.0]])
    for kind, count, named in itertools.product(PROBLEM_TYPES, (0, 1, 2, 3), (None, *SCORE_FUNCTIONS)):
        config = SimpleNamespace(problem_type=kind, num_labels=count, id2label="abc", name_or_path="")
        if named is not None:
            config.function_to_apply = named
        pipeline = SimpleNamespace(model=SimpleNamespace(config=config))
        theirs = TheirPipeline.postprocess(pipeline, {"logits": logits}, top_k=None, _legacy=True)
        (scores,) = apply_function(choose_function(config), logits.numpy())
        assert scores == pytest.approx([result["score"] for result in theirs], abs=1e-6), (kind, count, named)
