"""Ids, masks and numbers that raise or lie: the right result, an error of ours, or the object's own."""

from __future__ import annotations

import numpy as np
import pytest
from samples.hostile import (
    EndlessSequence,
    ForeignArray,
    Index,
    LyingArray,
    LyingInteger,
    LyingList,
    LyingText,
    OwnError,
    RaisingArray,
    RaisingIndex,
    RaisingList,
    RaisingShape,
    RaisingText,
)

import roberta_c
from roberta_c import RobertaConfig
from roberta_c.config.plain_values import plain_value
from roberta_c.errors import InputError, ResourceError

IDS = [0, 300, 2]


@pytest.fixture(scope="module")
def model():
    path = roberta_c.bundled_model_path()
    return roberta_c.AutoModelForSequenceClassification.from_pretrained(path, num_threads=1)


def lying(rows):
    return np.ndarray.view(np.array(rows), LyingArray)


SAME_IDS = {
    "a list that raises": RaisingList([IDS]),
    "a list that lies": LyingList([IDS]),
    "a row that raises": [RaisingList(IDS)],
    "a row that lies": [LyingList(IDS)],
    "an array that lies": lying([IDS]),
    "a row that is an array that lies": [lying(IDS)],
    "an array of another library": ForeignArray(np.array([IDS])),
}


@pytest.mark.parametrize("case", SAME_IDS)
def test_ids_are_what_a_list_or_an_array_holds(model, case):
    expected = model([IDS]).logits
    assert (model(SAME_IDS[case]).logits == expected).all()
    ones = RaisingList([RaisingList([1, 1, 1])])
    assert (model(SAME_IDS[case], attention_mask=ones).logits == expected).all()


REFUSED = {
    "a shape that raises": (RaisingShape(), InputError),
    "an array that raises": (RaisingArray(), InputError),
    "an array that is none": (ForeignArray("no array"), InputError),
    "an array of objects": (ForeignArray(np.array([[0, None]])), InputError),
    "an endless sequence": (EndlessSequence(), InputError),
    "an endless sequence as a row": ([EndlessSequence()], InputError),
    "an endless sequence in a row": ([[EndlessSequence()]], ResourceError),
    "an integer of another library": ([[0, Index(300), 2]], InputError),
    "an index that raises": ([[0, RaisingIndex(), 2]], InputError),
    "a text that lies": ([LyingText("0 300 2")], InputError),
    "a masked array": (np.ma.masked_array([IDS], [[False, True, False]]), InputError),
    "an array that raises in a row": ([[RaisingArray(), 0]], OwnError),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_neither_is_refused(model, case):
    value, error = REFUSED[case]
    with pytest.raises(error) as caught:
        model(value)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        model([IDS, IDS], attention_mask=value)
    for part in (model.roberta.encoder, model.classifier, model.roberta.embeddings.word_embeddings):
        with pytest.raises((InputError, ResourceError, OwnError)):
            part(value)


def test_numbers_are_read_once():
    """What was checked is what is used."""
    assert plain_value([LyingInteger(3), (Index(4), "x"), LyingText("y"), None, True, 0.5]) == [
        3,
        (4, "x"),
        "y",
        None,
        True,
        0.5,
    ]
    for value in (Index(6), LyingInteger(6)):
        config = RobertaConfig(hidden_size=value, num_attention_heads=2, num_labels=value)
        assert (type(config.hidden_size), config.hidden_size, config.num_labels) == (int, 6, 6)
    for value in (Index(-6), LyingInteger(-6), Index(10**30), LyingInteger(2**63)):
        for name in ("hidden_size", "num_labels"):
            with pytest.raises(InputError, match=name):
                RobertaConfig(**{name: value})
    with pytest.raises(OwnError):
        RobertaConfig(hidden_size=RaisingIndex())
    config = RobertaConfig(layer_norm_eps=np.float32(0.5), hidden_dropout_prob=np.float64(0.25))
    assert {type(config.layer_norm_eps), type(config.hidden_dropout_prob)} == {float}
    assert '"layer_norm_eps": 0.5' in config.to_json_string()


@pytest.mark.parametrize("kind", [RaisingText, LyingText])
def test_texts_of_a_config_are_their_characters(kind):
    config = RobertaConfig(id2label={0: kind("a"), 1: "b"}, hidden_act=kind("gelu"))
    assert {type(config.id2label[0]), type(config.hidden_act)} == {str}
    assert (config.id2label, config.activation) == ({0: "a", 1: "b"}, "gelu")
    with pytest.raises(InputError, match="a label in id2label"):
        RobertaConfig(id2label={0: kind("\udc00"), 1: "b"})
    for name in ("hidden_act", "problem_type", "position_embedding_type"):
        with pytest.raises(InputError, match=name):
            RobertaConfig(**{name: kind("x")})


def test_an_activation_that_lies(model):
    dense = model.classifier.dense
    x = np.ones((1, dense.in_features), np.float32)
    assert (dense(x, activation=LyingText("relu")) == dense(x, activation="relu")).all()
    with pytest.raises(InputError, match="activation"):
        dense(x, activation=LyingText("x"))
