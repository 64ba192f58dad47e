"""The trained checkpoint as a pipeline, and real texts."""

from __future__ import annotations

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
