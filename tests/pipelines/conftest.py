"""The trained checkpoint as a pipeline, and real texts."""

from __future__ import annotations

import json

import pytest
from samples.task_models import ENTITIES, NLI_LABELS, make_task_model, sharpen

from roberta_c import pipeline

# A task → the head and the labels of its model.
HEAD_OF = {
    "token-classification": ("ForTokenClassification", ENTITIES),
    "question-answering": ("ForQuestionAnswering", None),
    "fill-mask": ("ForMaskedLM", None),
    "zero-shot-classification": ("ForSequenceClassification", NLI_LABELS),
    "feature-extraction": ("Model", None),
}

LABELS = ["sports", "politics", "the weather of tomorrow"]
# A task → the options of its calls in the tests of long texts.
CALLS = {
    "text-classification": {"top_k": None},
    "token-classification": {"aggregation_strategy": "simple"},
    "fill-mask": {"top_k": 2},
    "zero-shot-classification": {"candidate_labels": LABELS},
    "feature-extraction": {},
}
# How the warning about truncated texts ends.
ADVICE = '; long_text="windows" reads all of them'


@pytest.fixture(scope="module")
def classify(tweet_sentiment_small):
    return pipeline("text-classification", tweet_sentiment_small, num_threads=1)


@pytest.fixture(scope="module")
def tweets(test_data):
    text = test_data("data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n")


@pytest.fixture(scope="session")
def task_folder(tweet_sentiment_small, tmp_path_factory):
    """`task_folder(task)` holds a small random model for it, with the trained checkpoint's tokenizer."""
    made = {}

    def folder_of(task):
        if task not in made:
            head, labels = HEAD_OF[task]
            made[task] = tmp_path_factory.mktemp(task)
            sharpen(make_task_model(made[task], tweet_sentiment_small, "roberta", head, labels), 2.0)
        return made[task]

    return folder_of


@pytest.fixture(scope="session")
def task_pipeline(task_folder):
    """`task_pipeline(task, **options)` is its pipeline."""
    return lambda task, **options: pipeline(task, task_folder(task), num_threads=1, **options)


@pytest.fixture(scope="module")
def reviews(test_data, tweets):
    """Texts of 150 to 500 tokens."""
    if not test_data.has_real("data/docs/imdb_test_sample.jsonl"):
        return [" ".join(tweets[first : first + 12]) for first in range(0, 72, 12)]
    lines = test_data("data/docs/imdb_test_sample.jsonl").read_text("utf-8").split("\n")
    texts = [json.loads(line)["text"] for line in lines[-200:] if line]
    return [" ".join(text.split(" ")[:320]) for text in texts if len(text) > 1000][:6]


@pytest.fixture(scope="module")
def run_of(classify, task_pipeline):
    """`run_of(task)` is its pipeline."""
    made = {"text-classification": classify}

    def run(task):
        if task not in made:
            made[task] = task_pipeline(task, **CALLS[task])
        return made[task]

    return run
