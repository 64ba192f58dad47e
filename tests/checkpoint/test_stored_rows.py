"""stored_rows.py: rows read from a file are those of the complete matrix, and finite."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
import torch

from roberta_c.checkpoint import open_checkpoint, stored_rows, tensor_loading
from roberta_c.errors import ModelFileError

IDS = np.array([[3, 0, 3], [39, 17, 1]])


def opened(tmp_path, **tensors):
    torch.save(tensors, tmp_path / "weights.bin")
    return open_checkpoint(tmp_path / "weights.bin")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_rows_are_those_of_the_matrix(tmp_path, dtype):
    checkpoint = opened(tmp_path, before=torch.ones(3), w=torch.randn(40, 7).to(dtype))
    rows, matrix = checkpoint.rows("w"), checkpoint.read("w")
    assert rows.shape == (40, 7)
    for ids in (IDS, IDS[0], IDS[0, 0], IDS[:0]):
        assert np.array_equal(rows[ids], matrix[ids])
        assert rows[ids].dtype == matrix.dtype == rows.dtype


def test_only_matrices_of_floats_in_c_order_have_rows(tmp_path):
    matrix = torch.randn(4, 6)
    checkpoint = opened(
        tmp_path, vector=matrix[0], strided=matrix.t(), ids=torch.arange(6).reshape(2, 3), w=matrix
    )
    assert [name for name in checkpoint if checkpoint.rows(name) is not None] == ["w"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_row_that_is_not_finite_is_named(tmp_path, dtype, value, monkeypatch):
    monkeypatch.setattr(stored_rows, "_CHECKED_ROWS", 2)
    matrix = torch.randn(40, 7).to(dtype)
    matrix[17, 6] = value
    rows = opened(tmp_path, w=matrix).rows("w")
    rows.check_finite(np.array([3, 0, 3, 39]))
    for _ in range(2):
        with pytest.raises(ModelFileError, match=rf"tensor 'w': \[17, 6\]: found {value}"):
            rows.check_finite(IDS.reshape(-1))
    rows.check_finite(np.array([1, 0]))


def test_a_value_that_is_finite_when_it_is_read_again(tmp_path):
    """The kernels have found NaN in a tensor, and the file has another value there by now."""
    checkpoint = opened(tmp_path, w=torch.ones(4, 3))
    with pytest.raises(ModelFileError, match=r"weights\.bin: tensor 'w': changes while it is read"):
        tensor_loading.raise_nonfinite(checkpoint.stored("w"))


def test_rows_are_checked_once(tmp_path, monkeypatch):
    rows = opened(tmp_path, w=torch.randn(40, 7)).rows("w")
    rows.check_finite(IDS.reshape(-1))
    monkeypatch.setattr(stored_rows.StoredRows, "__getitem__", None)  # not to be called
    rows.check_finite(IDS.reshape(-1))
    rows.check_finite(IDS[0, :0])


def test_a_file_that_has_changed(tmp_path):
    rows = opened(tmp_path, w=torch.randn(40, 7)).rows("w")
    os.utime(tmp_path / "weights.bin", ns=(0, time.time_ns() + 10**9))
    with pytest.raises(ModelFileError, match="was changed after it was opened"):
        rows[IDS]
    os.truncate(tmp_path / "weights.bin", 100)
    with pytest.raises(ModelFileError, match="became shorter"):
        rows[IDS]
