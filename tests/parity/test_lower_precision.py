"""bfloat16 arithmetic: its error against float64 beside torch's own, and what it costs on labelled tweets."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import roberta_c
from roberta_c._kernels import available_isas

from .conftest import make_model_of_shape, padded_batch
from .test_model_parity import run_transformers
from .test_real_tweets import macro_recall

SHAPES = {
    "hidden 36, 3 heads": (36, 3, 2, 50, 64, [62, 1, 5, 17, 33]),
    "hidden 100, 5 heads": (100, 5, 3, 77, 130, [128, 64, 31, 1]),
    "24 layers": (48, 4, 24, 96, 64, [30, 7, 62]),
    "12 layers": (192, 3, 12, 768, 514, [500, 20, 100]),
}


def distance(found, expected, mask=None) -> float:
    """Root mean square, over real tokens."""
    apart = np.asarray(found, dtype=np.float64) - expected
    return float(np.sqrt(np.mean((apart if mask is None else apart[mask > 0]) ** 2)))


@pytest.mark.parametrize("shape", SHAPES)
def test_closer_to_float64_than_torch(shape, model_folder):
    """torch in bfloat16 rounds the residual stream, LayerNorm and softmax too; ours keeps them in float32."""
    made = make_model_of_shape(model_folder / shape, SHAPES[shape])
    ids, mask = padded_batch(np.random.default_rng(1), SHAPES[shape][-1], 997)
    double = run_transformers(copy.deepcopy(made.model).double(), ids, mask)
    theirs = run_transformers(copy.deepcopy(made.model).bfloat16(), ids, mask)
    for isa in available_isas():
        ours = roberta_c.AutoModelForSequenceClassification.from_pretrained(
            made.folder, dtype="bfloat16", isa=isa, num_threads=2
        )
        assert ours.dtype == "bfloat16"
        output = ours(ids, attention_mask=mask, output_hidden_states=True)
        ratios = []
        for found, other, state in zip(
            output.hidden_states[1:], theirs.hidden_states[1:], double.hidden_states[1:], strict=True
        ):
            own = distance(found, state.numpy(), mask)
            assert own > 1e-4, "the arithmetic is not bfloat16's"
            ratios.append(own / distance(other.float().numpy(), state.numpy(), mask))
        # Deep random networks amplify what the first layers round, by chance more of one than of the other:
        # of 16 models single states of 2 came out worse, up to 1.28.
        assert ratios[0] < 0.8, isa
        assert np.mean(ratios) < 1, isa


@pytest.fixture(scope="module")
def labelled(test_data, tweet_sentiment_small):
    """All labelled tweets as ids, in order of length, with their labels."""
    text = test_data("data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8")
    labels = np.loadtxt(test_data("data/tweeteval/sentiment/test_labels.txt"), dtype=int)
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(tweet_sentiment_small)
    ids = tokenizer(text.removesuffix("\n").split("\n"))["input_ids"]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    return [ids[i] for i in order], labels[order]


def labels_of(folder, ids, **options) -> np.ndarray:
    model = roberta_c.AutoModelForSequenceClassification.from_pretrained(folder, **options)
    return np.concatenate([model(ids[i : i + 256]).logits.argmax(axis=1) for i in range(0, len(ids), 256)])


@pytest.mark.parametrize("isa", available_isas()[:1])
def test_labels_and_macro_recall(isa, labelled, tweet_sentiment_small):
    """The issue's: at least 99.5 % of float32's labels, macro recall within 0.3 points."""
    ids, labels = labelled
    full = labels_of(tweet_sentiment_small, ids, isa=isa)
    half = labels_of(tweet_sentiment_small, ids, isa=isa, dtype="bfloat16")
    assert (full == half).mean() >= 0.995
    assert abs(macro_recall(full, labels) - macro_recall(half, labels)) <= 0.003
    print(
        f"{isa}: {(full == half).mean():.2%} of labels, macro recall {macro_recall(full, labels):.4f} and "
        f"{macro_recall(half, labels):.4f}"
    )
