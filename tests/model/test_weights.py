"""weights.py: what a loaded model holds of its files, and what becomes of it when they change."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from samples.models import make_random_model

from roberta_c import RobertaForSequenceClassification, RobertaModel
from roberta_c.checkpoint import open_checkpoint
from roberta_c.errors import ModelFileError
from roberta_c.model import weights
from roberta_c.model.encoder import Encoder

IDS = [[0, 100, 657, 2], [0, 7, 2]]
SIZES = {
    "vocab_size": 997,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}
# Where the word table is → its size in bytes from which rows stay in the file.
PLACES = {"in memory": 1 << 30, "in the file": 0}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return make_random_model(tmp_path_factory.mktemp("made"), **SIZES).folder


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "pytorch_model.bin", weights_only=True)


def write(tensors: dict[str, torch.Tensor], kind: str, made: Path, folder: Path) -> Path:
    """A model folder of that kind of file; returns the file of its weights."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(made / "config.json", folder / "config.json")
    if kind == "safetensors":
        path = folder / "model.safetensors"
        save_file(tensors, path)
    else:
        path = folder / "pytorch_model.bin"
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    return path


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_are_packed_as_float32(made, tmp_path, dtype):
    """The same logits as from a float32 file with the same values."""
    rounded = {name: tensor.to(dtype) for name, tensor in tensors_of(made).items()}
    logits = []
    for folder, tensors in (
        ("rounded", rounded),
        ("widened", {name: tensor.float() for name, tensor in rounded.items()}),
    ):
        write(tensors, "zip", made, tmp_path / folder)
        model = RobertaForSequenceClassification.from_pretrained(tmp_path / folder)
        logits.append(model(IDS).logits)
    assert np.array_equal(*logits)


# ---- files that change while a model uses them -----------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_file_that_changes_is_an_error_or_changes_nothing(made, tmp_path, kind, place, monkeypatch):
    monkeypatch.setattr(weights, "READ_ROWS_FROM", PLACES[place])
    path = write(tensors_of(made), kind, made, tmp_path)
    content = path.read_bytes()
    model = RobertaForSequenceClassification.from_pretrained(tmp_path)
    expected, row = model(IDS).logits, model.roberta.embeddings.word_embeddings([7])
    table = open_checkpoint(tmp_path).read("roberta.embeddings.word_embeddings.weight")
    assert np.array_equal(row, table[[7]])
    if os.path.exists("/proc/self/maps"):
        assert str(path) not in Path("/proc/self/maps").read_text()

    def check_answers(model) -> None:
        assert np.array_equal(model(IDS).logits, expected)
        assert np.array_equal(model.roberta.embeddings.word_embeddings([7]), row)

    # A new file that takes the name of the old one: the model goes on with the old one.
    path.with_name("new").write_bytes(bytes(len(content)))
    os.replace(path.with_name("new"), path)
    check_answers(model)

    for changed, message in (
        (bytes(len(content)), "was changed"),  # in place, of the same size
        (content[: len(content) // 2], "became shorter|was changed"),
        (b"", "became shorter|was changed"),
    ):
        path.write_bytes(content)
        model = RobertaForSequenceClassification.from_pretrained(tmp_path)
        model(IDS)
        time.sleep(0.02)  # the system's clock of files ticks every few milliseconds
        path.write_bytes(changed)
        if place == "in memory":
            check_answers(model)
        else:
            embeddings = model.roberta.embeddings
            for call, ids in ((model, IDS), (embeddings, IDS), (embeddings.word_embeddings, [7])):
                with pytest.raises(ModelFileError, match=message):
                    call(ids)
        with pytest.raises(ModelFileError, match=r"became shorter|was changed"):
            model.state_dict()


@pytest.mark.parametrize("change", ["truncated", "overwritten"])
def test_a_file_that_changes_while_it_is_loaded(made, tmp_path, change, monkeypatch):
    path = write(tensors_of(made), "safetensors", made, tmp_path)
    time.sleep(0.02)
    layer = weights.WeightSource.layer

    def changing(self, index):
        if change == "truncated":
            os.truncate(path, 5000)
        else:
            path.write_bytes(bytes(path.stat().st_size))
        return layer(self, index)

    monkeypatch.setattr(weights.WeightSource, "layer", changing)
    with pytest.raises(ModelFileError, match=r"model\.safetensors: the file (became shorter|was changed)"):
        RobertaModel.from_pretrained(tmp_path)


def test_a_file_that_changes_during_a_call(made, tmp_path, monkeypatch):
    """Rows that the call read may be of the new file."""
    monkeypatch.setattr(weights, "READ_ROWS_FROM", 0)
    path = write(tensors_of(made), "safetensors", made, tmp_path)
    model = RobertaModel.from_pretrained(tmp_path)
    model(IDS)

    def changing(self, tokens):
        os.utime(path, ns=(0, time.time_ns() + 10**9))
        return 1

    monkeypatch.setattr(Encoder, "_threads_for", changing)
    with pytest.raises(ModelFileError, match="was changed"):
        model(IDS)


# ---- NaN and infinity ------------------------------------------------------------------------------------

SPOILT = {
    "roberta.embeddings.word_embeddings.weight": (657, 31),
    "roberta.embeddings.position_embeddings.weight": (39, 0),
    "roberta.embeddings.LayerNorm.bias": (3,),
    "roberta.encoder.layer.0.attention.self.key.weight": (0, 0),
    "roberta.encoder.layer.1.output.dense.bias": (31,),
    "classifier.dense.weight": (31, 31),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("name", "place"), SPOILT.items())
def test_weights_that_are_no_numbers_are_an_error_that_names_them(made, tmp_path, name, place, dtype):
    tensors = {each: tensor.to(dtype) for each, tensor in tensors_of(made).items()}
    for value in (float("nan"), float("inf"), float("-inf")):
        tensors[name][place] = value
        path = write(tensors, "safetensors", made, tmp_path)
        with pytest.raises(ModelFileError) as caught:
            RobertaForSequenceClassification.from_pretrained(tmp_path)
        where = ", ".join(map(str, place))
        assert str(caught.value) == (
            f"{path}: tensor {name!r}: [{where}]: found {value}, "
            "expected a finite number (allow_nonfinite=True loads such weights)"
        )
    loaded = RobertaForSequenceClassification.from_pretrained(tmp_path, allow_nonfinite=True)
    assert loaded.get_parameter(name)[place] == float("-inf")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_rows_that_stay_in_the_file_are_checked_when_they_are_read(made, tmp_path, dtype, monkeypatch):
    monkeypatch.setattr(weights, "READ_ROWS_FROM", 0)
    tensors = {name: tensor.to(dtype) for name, tensor in tensors_of(made).items()}
    tensors["roberta.embeddings.word_embeddings.weight"][657, 30] = float("nan")
    write(tensors, "safetensors", made, tmp_path)
    model = RobertaModel.from_pretrained(tmp_path)
    for _ in range(2):
        assert np.isfinite(model([[0, 5, 2]]).last_hidden_state).all()
        for call in (model, model.embeddings):
            with pytest.raises(ModelFileError, match=r"word_embeddings\.weight': \[657, 30\]: found nan"):
                call(IDS)
    model = RobertaModel.from_pretrained(tmp_path, allow_nonfinite=True)
    assert np.isnan(model(IDS).last_hidden_state[0]).all()


def test_numbers_too_large_for_float32_are_an_error(made, tmp_path):
    tensors = {name: tensor.double() for name, tensor in tensors_of(made).items()}
    tensors["classifier.dense.bias"][4] = 1e300
    write(tensors, "zip", made, tmp_path)
    with pytest.raises(ModelFileError, match=r"classifier\.dense\.bias': \[4\]: found inf"):
        RobertaForSequenceClassification.from_pretrained(tmp_path)


def test_tensors_that_the_model_does_not_use_are_not_checked(made, tmp_path):
    tensors = tensors_of(made)
    tensors["lm_head.bias"] = torch.tensor([float("nan")])
    write(tensors, "zip", made, tmp_path)
    RobertaForSequenceClassification.from_pretrained(tmp_path)


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_allow_nonfinite_is_true_or_false(made, value):
    with pytest.raises(ValueError, match=r"allow_nonfinite: found .*, expected True or False"):
        RobertaModel.from_pretrained(made, allow_nonfinite=value)
