"""A text's result has the same bits in any batch, order and padding, and on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from samples.models import make_random_model

import roberta_c
from roberta_c.kernels import available_isas
from roberta_c.machine import threads
from roberta_c.model import DTYPES

PAD = 1


def padded(rows, rng):
    """The rows in an array, padded on the left or right at random, and its attention mask."""
    width = max(map(len, rows)) + int(rng.integers(0, 5))
    ids, mask = np.full((len(rows), width), PAD), np.zeros((len(rows), width), dtype=np.int64)
    left = rng.random() < 0.5
    for index, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[index, place], mask[index, place] = row, 1
    return ids, mask


@pytest.fixture(scope="module")
def tweets(test_data, tweet_sentiment_small):
    """80 random tweets as ids."""
    path = test_data("data/tweeteval/sentiment/test_text.txt")
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    chosen = np.random.default_rng(0).choice(len(lines), 80, replace=False)
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(tweet_sentiment_small)
    return tokenizer([lines[i] for i in chosen])["input_ids"]


def check_same_bits(folder, rows, isa, sizes=(2, 3, 5, 8, 13, 32, 64), dtype="float32"):
    models = [
        roberta_c.AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=dtype, isa=isa, num_threads=count
        )
        for count in (1, 2)
    ]
    alone = np.concatenate([models[0]([row]).logits for row in rows])
    assert np.array_equal(np.concatenate([models[1]([row]).logits for row in rows]), alone)
    rng = np.random.default_rng(1)
    for size in sizes:
        order = rng.permutation(len(rows))
        for begin in range(0, len(rows), size):
            batch = order[begin : begin + size]
            chosen = [rows[i] for i in batch]
            model = models[int(rng.integers(2))]
            found = model(*padded(chosen, rng)) if rng.random() < 0.5 else model(chosen)
            assert np.array_equal(found.logits, alone[batch]), (isa, size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", available_isas())
def test_trained_model(isa, dtype, tweet_sentiment_small, tweets):
    # The portable kernels take five times as long as the others.
    chosen = tweets[:40] if isa == "generic" else tweets
    check_same_bits(tweet_sentiment_small, chosen, isa, dtype=dtype)


def test_base_size(base_model, tweets):
    check_same_bits(base_model("roberta").folder, tweets[:24], None, sizes=(3, 13, 24))


def number_of_cases(isa):
    """A tenth of 10^5 for the portable kernels, which take five times as long; the others share the rest."""
    others = len(available_isas()) - 1
    if not others:
        return 100_000
    return 10_000 if isa == "generic" else 90_000 // others


@pytest.mark.parametrize("isa", available_isas())
def test_a_hundred_thousand_random_batches(isa, model_folder, monkeypatch):
    """10^5 cases over all instruction sets together. A case is a text in a batch of random texts, order,
    padding and number of threads, compared with the same text alone."""
    monkeypatch.setattr(threads, "SERIAL_WORK", 0)  # small batches run on several threads too
    made = make_random_model(
        model_folder / "random batches",
        hidden_size=32,
        num_attention_heads=2,
        num_hidden_layers=3,
        intermediate_size=400,
    )
    rng = np.random.default_rng(2)
    texts = [
        rng.integers(3, made.config.vocab_size, int(length)).tolist() for length in rng.integers(1, 35, 300)
    ]
    texts += [rng.integers(3, made.config.vocab_size, length).tolist() for length in (400, 500)]
    models = [
        roberta_c.AutoModelForSequenceClassification.from_pretrained(made.folder, isa=isa, num_threads=count)
        for count in (1, 2, 3)
    ]
    alone = np.concatenate([models[0]([text]).logits for text in texts])
    cases = 0
    while cases < number_of_cases(isa):
        batch = rng.integers(0, len(texts), int(rng.integers(1, 200)))
        chosen = [texts[i] for i in batch]
        # A team of threads is slow where other processes compute, so most batches have none.
        model = models[rng.choice(3, p=[0.8, 0.1, 0.1])]
        found = model(*padded(chosen, rng)) if rng.random() < 0.5 else model(chosen)
        assert np.array_equal(found.logits, alone[batch]), (isa, cases)
        cases += len(batch)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_to_64_threads_give_the_same_bits(dtype, model_folder, monkeypatch):
    """Also where that is more threads than CPUs."""
    monkeypatch.setattr(threads, "SERIAL_WORK", 0)
    monkeypatch.setenv("ROBERTA_C_OVERSUBSCRIBE", "1")
    made = make_random_model(
        model_folder / "many threads", hidden_size=64, num_attention_heads=2, intermediate_size=1200
    )
    rng = np.random.default_rng(3)
    rows = [rng.integers(3, made.config.vocab_size, length).tolist() for length in (40, 7, 120, 1, 33, 64)]
    answers = []
    for count in (1, 3, 8, 17, 64):
        model = roberta_c.AutoModelForSequenceClassification.from_pretrained(
            made.folder, dtype=dtype, num_threads=count
        )
        assert model.num_threads == count
        answers += [model(rows).logits for _ in range(3)]
    for answer in answers[1:]:
        assert np.array_equal(answer, answers[0])


def test_hidden_states_too(tweet_sentiment_small, tweets):
    model = roberta_c.RobertaModel.from_pretrained(tweet_sentiment_small, num_threads=2)
    together = model(tweets[:40], output_hidden_states=True).hidden_states
    for index, row in enumerate(tweets[:40]):
        alone = model([row], output_hidden_states=True).hidden_states
        for layer, state in enumerate(alone):
            assert np.array_equal(state[0], together[layer][index])
