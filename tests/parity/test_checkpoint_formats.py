"""One checkpoint saved in every published file format: the tensors are torch's bit for bit, the logits
equal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from samples.models import make_random_model, padded_batch

import roberta_c
from roberta_c.checkpoint import open_checkpoint
from roberta_c.model import weights

SIZES = {
    "hidden_size": 44,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "intermediate_size": 90,
    "vocab_size": 400,
    "max_position_embeddings": 60,
}


@pytest.fixture(scope="module")
def made(model_folder):
    return make_random_model(model_folder / "published", **SIZES)


def save_safetensors(state, folder):
    safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def save_sharded(state, folder, suffix, index_name, save):
    names = list(state)
    thirds = [names[i::3] for i in range(3)]
    weight_map = {}
    for number, third in enumerate(thirds, 1):
        shard = f"{index_name.split('.')[0]}-{number:05}-of-00003.{suffix}"
        save({name: state[name] for name in third}, folder / shard)
        weight_map |= dict.fromkeys(third, shard)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / index_name).write_text(json.dumps(index))


def save_legacy(state, folder):
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


FORMS = {
    "torch-zip": lambda state, folder: torch.save(state, folder / "pytorch_model.bin"),
    "torch-legacy": save_legacy,
    "safetensors": save_safetensors,
    "safetensors-sharded": lambda state, folder: save_sharded(
        state, folder, "safetensors", "model.safetensors.index.json", safetensors.torch.save_file
    ),
    "torch-sharded": lambda state, folder: save_sharded(
        state, folder, "bin", "pytorch_model.bin.index.json", torch.save
    ),
}


def saved(made, tmp_path: Path, form: str, dtype: torch.dtype) -> tuple[Path, dict[str, torch.Tensor]]:
    state = {name: tensor.to(dtype) for name, tensor in made.model.state_dict().items()}
    made.config.save_pretrained(tmp_path)
    FORMS[form](state, tmp_path)
    return tmp_path, state


def bits(tensor: torch.Tensor) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return tensor.numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("form", FORMS)
def test_word_rows_read_from_the_file_are_those_in_memory(made, tmp_path, form, dtype, monkeypatch):
    """A large word table's rows are read from the file for each call; a small table is copied into memory."""
    folder, _ = saved(made, tmp_path, form, dtype)
    batch = [[0, 5, 399, 2], [0, 17, 2]]
    copied = roberta_c.RobertaForSequenceClassification.from_pretrained(folder)
    assert copied.roberta.embeddings.tables.stored_rows is None
    monkeypatch.setattr(weights, "READ_ROWS_FROM", 0)
    read = roberta_c.RobertaForSequenceClassification.from_pretrained(folder)
    assert read.roberta.embeddings.tables.stored_rows is not None
    assert np.array_equal(read(batch).logits, copied(batch).logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("form", FORMS)
def test_tensors_equal_torch_bitwise(form, dtype, made, tmp_path):
    folder, state = saved(made, tmp_path, form, dtype)
    checkpoint = open_checkpoint(folder)
    assert checkpoint.format == form
    assert set(checkpoint.tensors) == set(state)
    for name, tensor in state.items():
        found = checkpoint.read(name)
        assert checkpoint.tensors[name].dtype == str(dtype).removeprefix("torch.")
        assert found.shape == tuple(tensor.shape)
        assert found.tobytes() == bits(tensor).tobytes(), name
        assert checkpoint.read_float32(name).tobytes() == tensor.float().numpy().tobytes(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_logits_are_the_same_from_every_form(dtype, made, tmp_path):
    """Bit for bit the logits of a float32 file that holds the same values."""
    ids, mask = padded_batch(np.random.default_rng(0), [50, 7, 21], 400)
    as_float32 = tmp_path / "as_float32"
    as_float32.mkdir()
    made.config.save_pretrained(as_float32)
    torch.save(
        {n: t.to(dtype).float() for n, t in made.model.state_dict().items()}, as_float32 / "pytorch_model.bin"
    )
    load = roberta_c.RobertaForSequenceClassification.from_pretrained
    expected = load(as_float32)(ids, mask).logits
    for form in FORMS:
        (tmp_path / form).mkdir()
        folder, _ = saved(made, tmp_path / form, form, dtype)
        assert np.array_equal(load(folder)(ids, mask).logits, expected), form


def test_names_with_and_without_prefix_and_old_layer_norms(made, tmp_path):
    ids, mask = padded_batch(np.random.default_rng(1), [20, 9], 400)
    load = roberta_c.RobertaForSequenceClassification.from_pretrained
    expected = load(made.folder)(ids, mask).logits
    state = made.model.state_dict()
    renamings = {
        "bare": lambda name: name.removeprefix("roberta."),
        "module": lambda name: "module." + name,
        "gamma": lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ),
    }
    for kind, rename in renamings.items():
        folder = tmp_path / kind
        made.config.save_pretrained(folder)
        torch.save({rename(name): tensor for name, tensor in state.items()}, folder / "pytorch_model.bin")
        assert np.array_equal(load(folder)(ids, mask).logits, expected), kind


def test_safetensors_are_preferred_and_buffers_ignored(made, tmp_path):
    made.config.save_pretrained(tmp_path)
    state = made.model.state_dict()
    torch.save({name: torch.zeros_like(t) for name, t in state.items()}, tmp_path / "pytorch_model.bin")
    buffers = {
        "roberta.embeddings.position_ids": torch.arange(60).reshape(1, 60),
        "roberta.embeddings.token_type_ids": torch.zeros(1, 60, dtype=torch.int64),
    }
    save_safetensors({**state, **buffers}, tmp_path)
    ids, mask = padded_batch(np.random.default_rng(2), [20], 400)
    load = roberta_c.RobertaForSequenceClassification.from_pretrained
    ours = load(tmp_path)
    assert np.array_equal(ours(ids, mask).logits, load(made.folder)(ids, mask).logits)
    assert ours.load_report == roberta_c.model.weights.LoadReport()


def test_masked_lm_file_reports_ties_and_names_its_head(tmp_path):
    """A base model loaded from a masked-LM file reports the tied decoder as tied, and the head as
    unexpected."""
    import transformers

    model = transformers.RobertaForMaskedLM(transformers.RobertaConfig(**SIZES, type_vocab_size=1)).eval()
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    report = roberta_c.RobertaModel.from_pretrained(tmp_path).load_report
    assert report.tied == (
        ("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"),
        ("lm_head.decoder.bias", "lm_head.bias"),
    )
    assert set(report.unexpected) == {
        "lm_head.bias",
        "lm_head.dense.weight",
        "lm_head.dense.bias",
        "lm_head.layer_norm.weight",
        "lm_head.layer_norm.bias",
    }
    with pytest.raises(
        roberta_c.errors.ModelFileError,
        match=r"pytorch_model.bin: sequence classification head: tensors not found: "
        r"classifier.dense.weight, .*"
        r"heads found in the file: masked language modelling",
    ):
        roberta_c.RobertaForSequenceClassification.from_pretrained(tmp_path)
