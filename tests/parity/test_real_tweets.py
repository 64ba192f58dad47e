"""All 12,284 labelled tweets of TweetEval: the command line's score on them, and its labels against those of
transformers on the same checkpoint: of every eighth tweet by default, of all of them with `-m slow`."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers

import roberta_c

LABELS = ["negative", "neutral", "positive"]
CLOSE_CALL = 1e-4  # labels may differ where the two best logits of transformers differ by less


@pytest.fixture(scope="module")
def tweets(test_data):
    text = test_data("data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n")


def reference_logits(tweets, tweet_sentiment_small):
    """The logits of transformers in float32. Batches hold texts of similar length, so that little is
    padding."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(tweet_sentiment_small)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small).eval()
    order = sorted(range(len(tweets)), key=lambda i: len(tweets[i]))
    logits = np.empty((len(tweets), 3), dtype=np.float32)
    for begin in range(0, len(order), 128):
        batch = order[begin : begin + 128]
        encoded = tokenizer([tweets[i] for i in batch], padding=True, return_tensors="pt")
        with torch.inference_mode():
            logits[batch] = model(**encoded).logits.numpy()
    return logits


def macro_recall(found, expected):
    return np.mean([(found[expected == label] == label).mean() for label in range(3)])


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_labels_and_macro_recall(step, tweets, tweet_sentiment_small, test_data):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "roberta_c", "classify", "--format", "jsonl"),
            *("--model", str(tweet_sentiment_small)),
            *("--file", str(test_data("data/tweeteval/sentiment/test_text.txt"))),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert [row["text"] for row in rows] == tweets
    found = np.array([LABELS.index(row["label"]) for row in rows])
    truth = np.loadtxt(test_data("data/tweeteval/sentiment/test_labels.txt"), dtype=int)
    if test_data.has_real("models/tweet-sentiment-small") and test_data.has_real("data/tweeteval"):
        assert round(macro_recall(found, truth), 4) == 0.5540  # stated in the checkpoint's README

    compared = slice(None, None, step)
    found, truth = found[compared], truth[compared]
    logits = reference_logits(tweets[compared], tweet_sentiment_small)
    expected, ranked = logits.argmax(axis=1), np.sort(logits, axis=1)
    clear = ranked[:, 2] - ranked[:, 1] >= CLOSE_CALL
    assert np.array_equal(found[clear], expected[clear])
    assert round(macro_recall(found, truth), 4) == round(macro_recall(expected, truth), 4)
    scores = np.array([row["score"] for row in rows[compared]])
    softmax = np.exp(ranked[:, 2]) / np.exp(ranked).sum(axis=1)
    assert np.abs(scores - softmax).max() < 1e-5


def test_logits_stated_by_the_checkpoint(real_checkpoint):
    """Logits of three sentences, stated with six decimals in the checkpoint's README."""
    stated = {
        "I love using the Transformers library!": (-1.921845, 1.118219, 0.669894),
        "this is the worst service ever": (2.746027, -1.453249, -1.541172),
        "The match starts at 9pm.": (-1.717798, 0.906301, 0.805569),
    }
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(real_checkpoint)
    model = roberta_c.AutoModelForSequenceClassification.from_pretrained(real_checkpoint)
    for text, logits in stated.items():
        found = model(**tokenizer(text, return_tensors="np")).logits
        np.testing.assert_allclose(found, [logits], atol=3e-6)  # sixth decimal, float32 errors
