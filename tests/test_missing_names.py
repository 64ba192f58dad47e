"""Names of other packages that are not here: the errors that say what to do instead."""

from __future__ import annotations

import pickle
from typing import ClassVar

import pytest

import roberta_c
from roberta_c import sentence
from roberta_c.errors import MissingNameError
from roberta_c.missing_names import MISSING_CLASSES, HasMissingNames

sentence_transformers = pytest.importorskip("sentence_transformers")

# Of FlagEmbedding 1.4.2, __init__.py.
OF_FLAG_EMBEDDING = [
    *("AbsEmbedder", "AbsReranker", "FlagAutoModel", "FlagAutoReranker", "EmbedderModelClass"),
    *("RerankerModelClass", "FlagModel", "BGEM3FlagModel", "FlagICLModel", "FlagLLMModel"),
    *("FlagPseudoMoEModel", "FlagReranker", "FlagLLMReranker", "LayerWiseFlagLLMReranker"),
    "LightWeightFlagLLMReranker",
]


class Example(HasMissingNames):
    missing_names: ClassVar = {"fit": "another package"}


def test_a_missing_name_says_what_to_do_and_any_other_is_an_attribute_error():
    with pytest.raises(
        MissingNameError, match=r"^Example\.fit: found no such name, expected another package$"
    ):
        _ = Example().fit
    with pytest.raises(AttributeError, match="'Example' object has no attribute 'other'") as caught:
        _ = Example().other
    assert type(caught.value) is AttributeError
    assert not hasattr(Example(), "fit")
    assert isinstance(pickle.loads(pickle.dumps(Example())), Example)


@pytest.mark.parametrize("name", [*sentence_transformers.__all__, *OF_FLAG_EMBEDDING])
def test_every_name_of_the_originals_is_here_or_says_what_to_do(name):
    if name not in MISSING_CLASSES:
        assert hasattr(sentence, name)
        return
    for module in ("roberta_c", "roberta_c.sentence"):
        with pytest.raises(ImportError, match=f"^{module}: found no {name}, expected ") as caught:
            exec(f"from {module} import {name}", {})
        assert "\n" not in str(caught.value)


def test_no_other_name_is_said_to_be_missing():
    assert {*MISSING_CLASSES} <= {*sentence_transformers.__all__, *OF_FLAG_EMBEDDING}
    for module in (roberta_c, sentence):
        with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
            _ = module.nonsense
