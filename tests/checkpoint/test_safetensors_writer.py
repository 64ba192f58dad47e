"""Written safetensors files: read by the safetensors library and by this package, of every float type."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from roberta_c.checkpoint import open_checkpoint, tensor_loading
from roberta_c.checkpoint.safetensors_writer import write_safetensors
from roberta_c.errors import ModelFileError

TENSORS = {
    "odd": torch.randn(3, generator=torch.Generator().manual_seed(0)).half(),
    "double": torch.randn(2, 3, dtype=torch.float64),
    "brain": torch.randn(5, 1).bfloat16(),
    "empty": torch.zeros(0, 4),
    "scalar": torch.tensor(2.5),
    "ümlaut": torch.randn(4, 4).t(),  # not in C order
    "special": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
}


def entries():
    for name, tensor in TENSORS.items():
        bits = tensor.view(torch.uint16) if tensor.dtype is torch.bfloat16 else tensor
        yield name, str(tensor.dtype).removeprefix("torch."), bits.numpy()


def test_both_readers_find_the_same_bits(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(path, entries())
    loaded, checkpoint = load_file(path), open_checkpoint(path)
    assert set(loaded) == set(checkpoint.tensors) == set(TENSORS)
    for name, _, array in entries():
        bits = loaded[name].view(torch.uint16) if TENSORS[name].dtype is torch.bfloat16 else loaded[name]
        assert bits.numpy().tobytes() == np.ascontiguousarray(array).tobytes(), name
        assert checkpoint.read(name).tobytes() == np.ascontiguousarray(array).tobytes(), name
        assert checkpoint.stored(name).offset % array.itemsize == 0
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_tensors_of_another_file_are_copied_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_loading, "PIECE_BYTES", 16)
    torch.save(TENSORS, tmp_path / "weights.bin")
    source = open_checkpoint(tmp_path / "weights.bin")
    path = tmp_path / "model.safetensors"
    stored = [(name, info.dtype, source.stored(name)) for name, info in source.tensors.items()]
    write_safetensors(path, stored)
    checkpoint = open_checkpoint(path)
    assert set(checkpoint.tensors) == set(TENSORS)
    for name in TENSORS:
        assert checkpoint.read(name).tobytes() == source.read(name).tobytes(), name
    before = path.read_bytes()
    os.truncate(tmp_path / "weights.bin", 500)
    with pytest.raises(ModelFileError, match=r"weights\.bin: the file (became shorter|was changed)"):
        write_safetensors(path, stored)
    assert path.read_bytes() == before


@pytest.mark.parametrize("tensor", [torch.ones(4, 4), torch.ones(4, 4).t()], ids=["in C order", "strides"])
def test_another_file_that_changes_is_an_error(tmp_path, tensor):
    torch.save({"w": tensor}, tmp_path / "weights.bin")
    stored = open_checkpoint(tmp_path / "weights.bin").stored("w")
    os.utime(tmp_path / "weights.bin", ns=(0, 10**18))
    with pytest.raises(ModelFileError, match="was changed after it was opened"):
        write_safetensors(tmp_path / "model.safetensors", [("w", "float32", stored)])
    assert os.listdir(tmp_path) == ["weights.bin"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(path, entries())
    before = path.read_bytes()

    def fails():
        yield next(entries())
        raise ValueError("broken source")

    with pytest.raises(ValueError, match="broken source"):
        write_safetensors(path, fails())
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.safetensors"]
    with pytest.raises(ModelFileError, match="cannot be written"):
        write_safetensors(tmp_path / "missing" / "model.safetensors", entries())
