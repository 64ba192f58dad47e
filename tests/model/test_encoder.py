"""encoder.py and `RobertaModel.encode`: packed ids to rows of the last layer, in one pass or in several."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from roberta_c import RobertaForSequenceClassification, RobertaModel
from roberta_c.kernels import Workspace
from roberta_c.model import roberta
from roberta_c.model.batch import pack_batch
from roberta_c.model.encoder import Encoder

DTYPES = ("float32", "bfloat16", "int8")


@pytest.fixture(scope="module", params=DTYPES)
def model(request, tweet_sentiment_small):
    return RobertaModel.from_pretrained(tweet_sentiment_small, dtype=request.param, num_threads=2)


def batch_of(model: RobertaModel, lengths: list[int]):
    ids = np.random.default_rng(0).integers(4, model.config.vocab_size, sum(lengths))
    rows = np.split(ids, np.cumsum(lengths)[:-1])
    return pack_batch([row.tolist() for row in rows], None, None, None, model.embeddings.limits)


LENGTHS = [7, 1, 12, 30, 2, 2, 9]
FIRST = np.concatenate(([0], np.cumsum(LENGTHS)[:-1]))
ROWS = {
    "no row": [],
    "first of each sequence": FIRST,
    "last of each sequence": np.cumsum(LENGTHS) - 1,
    "several of some sequences": [1, 2, 6, 20, 21, 48, 54],
    "one sequence": np.arange(20, 50),
    "every row": np.arange(sum(LENGTHS)),
}


@pytest.mark.parametrize("chunk_tokens", [1, 10, 32, 1000])
@pytest.mark.parametrize("name", ROWS)
def test_rows_wanted_have_the_bits_of_the_full_computation(model, name, chunk_tokens, monkeypatch):
    """In one pass, and in passes of which some have no wanted rows."""
    batch, rows = batch_of(model, LENGTHS), np.array(ROWS[name], np.int64)
    full, states = model.encode(batch)
    assert states is None
    assert full.shape == (sum(LENGTHS), model.config.hidden_size)
    monkeypatch.setattr(roberta, "CHUNK_TOKENS", chunk_tokens)
    found, states = model.encode(batch, rows_wanted_r=rows)
    assert states is None
    assert np.array_equal(found, full[rows])
    assert np.array_equal(model.encode(batch)[0], full)


@pytest.mark.parametrize("chunk_tokens", [10, 1000])
def test_states_are_the_embeddings_and_every_layers_output(model, chunk_tokens, monkeypatch):
    batch, count = batch_of(model, LENGTHS), model.config.num_hidden_layers
    full, _ = model.encode(batch)
    x_th = model.embeddings.embed(batch)
    expected = [x_th.copy()]
    for layer in model.encoder.layer:
        layer.packed.qkv.kernels.encoder_layer(layer.packed, x_th, batch.seq_starts_s, Workspace())
        expected.append(x_th.copy())
    monkeypatch.setattr(roberta, "CHUNK_TOKENS", chunk_tokens)
    last, states = model.encode(batch, with_states=True)
    assert len(states) == count + 1
    assert all(np.array_equal(one, other) for one, other in zip(states, expected, strict=True))
    assert np.array_equal(last, full)
    rows = np.array([0, 3, 50])
    last, states = model.encode(batch, True, rows)
    assert np.array_equal(last, full[rows])
    assert np.array_equal(states[-1], full)


def test_an_empty_batch_has_no_rows(model):
    batch = pack_batch([], None, None, None, model.embeddings.limits)
    hidden = model.config.hidden_size
    for rows in (None, np.array([], np.int64)):
        last, _ = model.encode(batch, rows_wanted_r=rows)
        assert last.shape == (0, hidden)
        assert last.dtype == np.float32
    _, states = model.encode(batch, with_states=True)
    assert [state.shape for state in states] == [(0, hidden)] * (model.config.num_hidden_layers + 1)


def test_an_encoder_without_layers_gives_the_embeddings(model):
    encoder, batch, rows = Encoder("Roberta", []), batch_of(model, LENGTHS), np.array([0, 7, 61])
    x_th = model.embeddings.embed(batch)
    states = np.full((1, *x_th.shape), np.nan, np.float32)
    assert np.array_equal(encoder.encode(model.embeddings, batch), x_th)
    assert np.array_equal(encoder.encode(model.embeddings, batch, rows), x_th[rows])
    assert np.array_equal(encoder.encode(model.embeddings, batch, states_lth=states), x_th)
    assert np.array_equal(states[0], x_th)
    assert np.array_equal(encoder(x_th[:7][None]), x_th[:7][None])


def test_calls_at_the_same_time_have_workspaces_of_their_own(model):
    batch = batch_of(model, LENGTHS)
    rows = [np.array(sorted(rows), np.int64) for rows in ROWS.values()]
    full, _ = model.encode(batch)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda some: model.encode(batch, rows_wanted_r=some)[0], rows * 5)
        assert all(np.array_equal(one, full[some]) for one, some in zip(found, rows * 5, strict=True))
    assert 1 <= len(model.encoder._workspaces) <= 4


def test_a_workspace_returns_after_an_error(tweet_sentiment_small):
    model = RobertaModel.from_pretrained(tweet_sentiment_small)
    batch = batch_of(model, LENGTHS)
    expected, _ = model.encode(batch)
    with pytest.raises(ValueError, match="rows_wanted"):
        model.encode(batch, rows_wanted_r=np.array([3, 2]))
    assert len(model.encoder._workspaces) == 1
    assert np.array_equal(model.encode(batch)[0], expected)


def test_a_classifier_computes_first_rows_alone(tweet_sentiment_small, monkeypatch):
    """Its logits are those of the full computation."""
    model = RobertaForSequenceClassification.from_pretrained(tweet_sentiment_small)
    batch = batch_of(model.roberta, LENGTHS)
    ids = np.split(batch.token_ids_t, FIRST[1:])
    asked = []
    encode = model.roberta.encode

    def recorded(batch, with_states=False, rows_wanted_r=None):
        asked.append(rows_wanted_r)
        return encode(batch, with_states, rows_wanted_r)

    monkeypatch.setitem(vars(model.roberta), "encode", recorded)
    logits = model([row.tolist() for row in ids]).logits
    assert asked[0].tolist() == FIRST.tolist()
    full, _ = encode(batch)
    assert np.array_equal(logits, model.classifier.classify(full[FIRST]))
    assert np.array_equal(model([row.tolist() for row in ids], output_hidden_states=True).logits, logits)
