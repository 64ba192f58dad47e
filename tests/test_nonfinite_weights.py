"""Every class that loads a model refuses weights that are NaN, and passes allow_nonfinite."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from samples.rerankers import make_reranker_of_bundled

import roberta_c
from roberta_c import SentenceTransformer, pipeline
from roberta_c.errors import InputError, ModelFileError
from roberta_c.sentence.transformer import Transformer

SPOILT = "roberta.encoder.layer.0.output.dense.bias"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The bundled model with one label, as a reranker has, and with a NaN."""
    folder = make_reranker_of_bundled(tmp_path_factory.mktemp("spoilt") / "model")
    tensors = {name: values.copy() for name, values in load_file(folder / "model.safetensors").items()}
    tensors[SPOILT][3] = np.nan
    save_file(tensors, folder / "model.safetensors")
    return folder


LOADS = {
    "AutoModel": roberta_c.AutoModel.from_pretrained,
    "AutoModelForSequenceClassification": roberta_c.AutoModelForSequenceClassification.from_pretrained,
    "pipeline": lambda folder, **keywords: pipeline("text-classification", folder, **keywords),
    "pipeline's model_kwargs": lambda folder, **keywords: pipeline(model=folder, model_kwargs=keywords),
    "SentenceTransformer": SentenceTransformer,
    "its Transformer": Transformer,
    "CrossEncoder": roberta_c.CrossEncoder,
    "FlagModel": roberta_c.FlagModel,
    "BGEM3FlagModel": roberta_c.BGEM3FlagModel,
    "FlagReranker": roberta_c.FlagReranker,
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_nan_is_an_error_unless_it_is_allowed(load, folder):
    with pytest.raises(ModelFileError, match=f"tensor '{SPOILT}': .3.: found nan"):
        load(folder)
    load(folder, allow_nonfinite=True)


def test_a_pickled_model_that_was_allowed_loads_again(folder):
    model = roberta_c.AutoModel.from_pretrained(folder, allow_nonfinite=True)
    assert np.isnan(pickle.loads(pickle.dumps(model))([[0, 5, 2]]).last_hidden_state).any()


def test_a_loaded_model_takes_no_allow_nonfinite(folder):
    model = roberta_c.AutoModelForSequenceClassification.from_pretrained(folder, allow_nonfinite=True)
    with pytest.raises(InputError, match="allow_nonfinite: found True"):
        pipeline("text-classification", model, tokenizer=str(folder), allow_nonfinite=True)
