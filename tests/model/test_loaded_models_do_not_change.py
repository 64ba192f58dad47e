"""What is assigned to a loaded model would be lost, as the kernels have their own copies: it is an error."""

from __future__ import annotations

import pytest

import roberta_c
from roberta_c.errors import InputError
from roberta_c.model.leaves import Dropout

IDS = [[0, 100, 657, 2], [0, 713, 2]]


@pytest.fixture
def model(tweet_sentiment_small):
    return roberta_c.RobertaForSequenceClassification.from_pretrained(tweet_sentiment_small)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("", "classifier", Dropout(0.1)),
        ("", "roberta", None),
        ("", "num_threads", 7),
        ("", "dtype", "int8"),
        ("", "forward", lambda ids: ids),
        ("", "new_head", Dropout(0.1)),
        ("classifier.out_proj", "weight", 0),
        ("classifier.out_proj", "bias", None),
        ("roberta.encoder", "layer", []),
        ("roberta.embeddings.LayerNorm", "eps", 1.0),
        ("roberta.encoder.layer.0.attention.self", "query", None),
    ],
)
def test_assignments_to_parts(model, part, name, value):
    expected = r"found an assignment of .*, expected no change of a loaded model: change its config"
    with pytest.raises(InputError, match=rf"^\w+\.{name}: {expected}"):
        setattr(model.get_submodule(part), name, value)


def test_deletions(model):
    with pytest.raises(InputError, match=r"^del RobertaForSequenceClassification\.classifier: found"):
        del model.classifier
    with pytest.raises(AttributeError):
        del model.none_such


def test_what_may_be_assigned(model):
    model.name_or_path = "mine"
    model.training, model.classifier = False, model.classifier  # what they are already
    with pytest.raises(InputError, match=r"training: found an assignment of True"):
        model.training = True
    for note in ("a caller's own attribute", "another value"):
        model.note = note
    del model.note
    other = model.config.__copy__()
    other.output_hidden_states = True
    model.config = other
    assert len(model(IDS)) == 2
    for value in (5, None, {}):
        with pytest.raises(InputError, match=r"^config: found .*, expected a RobertaConfig"):
            model.config = value


def test_names_of_wrong_types(model):
    for name in ([], 5, None, "none.such"):
        with pytest.raises(InputError, match=r"^target: found"):
            model.get_submodule(name)
        with pytest.raises(InputError, match=r"^target: found"):
            model.get_parameter(name)
