"""The bundled model gives the ids and logits that transformers gives, and the score stated in its model
card."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import transformers

import roberta_c

ODD_TEXTS = [
    "",
    " ",
    "@Jane_Doe99 look: https://example.org/x?y=1, www.example.org and me@example.org!!",
    "DON\u2019T \u201cshout\u201d \u2026 I\u0307stanbul STRASSE \u00df \u1e9e",
    "so happy \U0001f602\u2764\ufe0f \U0001f469\u200d\U0001f4bb #Blessed",
    "\u6771\u4eac\u306f\u4eca\u65e5\u3082\u96e8 caf\u00e9 cafe\u0301",
    "tabs\tand\r\nlines   and\u00a0spaces\u2003",
    "<s> </s> <pad> <unk> <mask> @user http",
    "word " * 700,
]


@pytest.fixture(scope="module")
def folder():
    return roberta_c.bundled_model_path()


@pytest.fixture(scope="module")
def tokenizers(folder):
    return roberta_c.AutoTokenizer.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def tweets(test_data):
    return test_data("data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8").split("\n")[:-1]


@pytest.fixture(scope="module")
def labelled_tweets(test_data):
    """The texts that the card's score is of, and their labels."""
    folder = test_data.real("data/tweeteval/sentiment")
    lines = (folder / "test_text.txt").read_text(encoding="utf-8").split("\n")[:-1]
    return lines, np.loadtxt(folder / "test_labels.txt", dtype=int)


def test_the_same_ids_and_offsets(tokenizers, test_data):
    ours, theirs = tokenizers
    raw = test_data("data/semeval2017_4a/twitter-2016dev-A.tsv").read_text(encoding="utf-8").split("\n")
    for texts in (ODD_TEXTS, raw[:1000]):
        options = {"truncation": True, "return_offsets_mapping": True}
        found, expected = ours(texts, **options), theirs(texts, **options)
        assert found["input_ids"] == expected["input_ids"]
        assert found["attention_mask"] == expected["attention_mask"]
        assert found["offset_mapping"] == [
            [tuple(pair) for pair in row] for row in expected["offset_mapping"]
        ]
    assert (
        max(map(len, found["input_ids"]))
        < max(map(len, ours(ODD_TEXTS, truncation=True)["input_ids"]))
        == 512
    )


def test_the_same_logits(folder, tokenizers, tweets):
    """Errors against transformers in float64: at most twice those of transformers in float32, or 1e-5."""
    _, tokenizer = tokenizers
    ours = roberta_c.AutoModelForSequenceClassification.from_pretrained(folder)

    def theirs(dtype: torch.dtype):
        return transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype).eval()

    models = [theirs(torch.float32), theirs(torch.float64)]
    for texts in (ODD_TEXTS, tweets[:64]):
        encoded = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            single, exact = (model(**encoded).logits.double().numpy() for model in models)
        found = ours(encoded["input_ids"].numpy(), encoded["attention_mask"].numpy()).logits
        bound = max(2 * np.abs(single - exact).max(), 1e-5)
        assert np.abs(found - exact).max() <= bound
        assert np.ptp(exact, axis=0).min() > 1  # the logits differ, so that equality proves something


def test_the_card_states_its_score(folder, labelled_tweets):
    texts, labels = labelled_tweets
    classify = roberta_c.pipeline("text-classification", folder)
    found = np.array([classify.labels.index(result["label"]) for result in classify(texts)])
    recalls = [(found[labels == label] == label).mean() for label in range(3)]
    card = (folder / "README.md").read_text(encoding="utf-8")
    (stated,) = re.findall(r"\*\*this model\*\* \| \*\*(0\.\d{3})\*\*", card)
    assert stated == f"{np.mean(recalls):.3f}"
    assert float(stated) >= 0.60
    for label, recall in zip(classify.labels, recalls, strict=True):
        assert f"{label} {recall:.3f}" in card
    assert f"accuracy {(found == labels).mean():.3f}" in card
