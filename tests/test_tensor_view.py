"""Tensors read into a caller's buffer: the same values as mapped, and a file cut short meanwhile."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from checkpoint_samples import plain_state_dict, woven_state_dict
from safetensors.torch import save_file

from roberta_c.checkpoint import open_checkpoint
from roberta_c.checkpoint.mapped_file import MappedFile
from roberta_c.errors import ModelFileError


@pytest.mark.parametrize("zipped", [True, False])
def test_a_buffer_changes_no_value(tmp_path, zipped):
    path = tmp_path / "weights.bin"
    torch.save(plain_state_dict() | woven_state_dict(), path, _use_new_zipfile_serialization=zipped)
    checkpoint = open_checkpoint(path)
    in_buffer = 0
    for name, info in checkpoint.tensors.items():
        if not info.dtype.startswith(("float", "bfloat")):
            continue
        buffer = np.full(checkpoint.nbytes(name) + 64, 0xA5, np.uint8)
        mapped, read = checkpoint.read_float32(name), checkpoint.read_float32(name, buffer)
        assert read.dtype == np.float32
        assert read.shape == mapped.shape
        assert read.tobytes() == mapped.tobytes()
        assert not read.flags.writeable
        assert (buffer[-64:] == 0xA5).all()
        in_buffer += np.shares_memory(read, buffer)
    assert in_buffer


def test_a_file_cut_short_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.ones(64, 64)}, path)
    checkpoint = open_checkpoint(path)
    monkeypatch.setattr(MappedFile, "check_unchanged", lambda self: os.truncate(path, 4000))
    with pytest.raises(ModelFileError, match=r"model\.safetensors: became shorter while it was being read"):
        checkpoint.read_float32("w", np.empty(checkpoint.nbytes("w"), np.uint8))


def test_a_read_that_comes_in_parts(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    expected = np.arange(4096, dtype=np.float32)
    save_file({"w": torch.from_numpy(expected)}, path)
    checkpoint = open_checkpoint(path)
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, parts, at: whole(file, [parts[0][:1000]], at))
    assert np.array_equal(checkpoint.read_float32("w", np.empty(16384, np.uint8)), expected)
