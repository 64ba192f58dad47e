"""packing.py: layers packed from files are, bit for bit, those packed from complete matrices."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from roberta_c.checkpoint import open_checkpoint, tensor_loading
from roberta_c.errors import InputError, ModelFileError
from roberta_c.kernels import Kernels, available_isas
from roberta_c.model.packing import Stack, column_sizes, pack

EVERY_HALF = torch.arange(2**16, dtype=torch.int32).to(torch.uint16)
HALVES = EVERY_HALF[(EVERY_HALF.int() & 0x7C00) != 0x7C00].view(torch.float16)  # but for NaN and infinity

# Rows off the tile, columns off the vector. "wide" takes several pieces to pack, "large" several units.
MATRICES = {
    "query": torch.randn(130, 37),
    "key": torch.randn(130, 37).bfloat16(),
    "value": torch.randn(37, 130).t(),  # strides
    "up": torch.randn(67, 90).double(),
    "halves": HALVES.reshape(62, 1024),
    "wide": torch.randn(150, 3000),
    "large": torch.randn(1300, 1025).bfloat16(),
    "in memory": torch.randn(51, 64),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("packing") / "weights.bin"
    torch.save(MATRICES, path)
    return open_checkpoint(path)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("isa", available_isas())
def test_pieces_are_packed_as_complete_matrices_are(isa, dtype, checkpoint, monkeypatch):
    monkeypatch.setattr(tensor_loading, "THREAD_BYTES", 1024)
    kernels, arrays = Kernels(isa), {name: checkpoint.read_float32(name) for name in MATRICES}
    biases = {name: np.arange(len(array), dtype=np.float32) for name, array in arrays.items()}
    smooth = np.exp2(np.arange(90) % 3 - 1).astype(np.float32) if dtype == "int8" else None
    groups = [(("query", "key", "value"), None), (("up",), smooth), (("in memory",), None)]
    groups += [((name,), None) for name in ("halves", "large", "up", "wide")]
    stacks, complete = [], []
    for names, factors in groups:
        sources = [arrays[name] if name == "in memory" else checkpoint.stored(name) for name in names]
        stacks.append(Stack(sources, [biases[name] for name in names], factors))
        complete.append(([arrays[name] for name in names], [biases[name] for name in names], factors))
    expected = kernels.pack_linears(complete, 1, dtype)
    for threads in (1, 3):
        for found, wanted in zip(pack(kernels, stacks, threads, dtype, False), expected, strict=True):
            assert found.panels.tobytes() == wanted.panels.tobytes()
            assert found.bias.tobytes() == wanted.bias.tobytes()
            assert (found.sections, found.n, found.k, found.dtype) == (
                wanted.sections,
                wanted.n,
                wanted.k,
                wanted.dtype,
            )
            assert (found.smooth is None) == (wanted.smooth is None)


@pytest.mark.parametrize("isa", [*available_isas(), "reference"])
def test_sizes_of_columns_are_those_of_complete_matrices(isa, checkpoint, monkeypatch):
    monkeypatch.setattr(tensor_loading, "THREAD_BYTES", 1024)
    kernels, arrays = Kernels(isa), {name: checkpoint.read_float32(name) for name in MATRICES}
    for group in (("query", "key", "value"), *((name,) for name in MATRICES)):
        expected = np.max([np.abs(arrays[name]).max(axis=0) for name in group], axis=0)
        for sources in ([checkpoint.stored(name) for name in group], [arrays[name] for name in group]):
            for threads in (1, 3):
                found = column_sizes(kernels, Stack(sources, []), threads, False)
                assert found.dtype == np.float32
                assert found.tobytes() == expected.tobytes()


def test_sizes_of_columns_that_are_not_finite():
    """NaN, of either sign, is larger than infinity, wherever it stands."""
    kernels = Kernels()
    weight = np.zeros((5, 19), np.float32)
    weight[0, 3], weight[4, 3], weight[2, 18], weight[2, 0] = np.nan, np.inf, -np.inf, -1e-45
    weight[1, 5], weight[3, 5] = np.inf, -np.float32(np.nan)
    for order in (weight, weight[::-1].copy()):
        sizes = kernels.column_sizes([order], 2)
        assert np.isnan(sizes[[3, 5]]).all()
        assert sizes[18] == np.inf
        assert sizes[0] == np.float32(1e-45)
        assert not sizes[[1, 2, 4]].any()
    with pytest.raises(InputError, match="weights: found none"):
        kernels.column_sizes([])
    with pytest.raises(InputError, match=r"weight: found shape \(2, 3\), expected rows of 19 values"):
        kernels.column_sizes([weight, np.zeros((2, 3), np.float32)])
    with pytest.raises(InputError, match=r"weight: found shape \(0, 19\)"):
        kernels.column_sizes([weight[:0]])


def test_a_piece_with_nan_is_an_error(tmp_path):
    values = torch.zeros(130, 37)
    values[129, 36] = float("nan")
    torch.save({"w": values}, tmp_path / "weights.bin")
    stored = open_checkpoint(tmp_path / "weights.bin").stored("w")
    stack = Stack([stored], [np.zeros(130, np.float32)])
    with pytest.raises(ModelFileError, match=r"tensor 'w': \[129, 36\]: found nan"):
        pack(Kernels(), [stack], 2, "float32", False)
    pack(Kernels(), [stack], 2, "float32", True)


def test_a_file_is_read_by_stacks_of_several_types(checkpoint, monkeypatch):
    """A piece of a float32 matrix has the most values, one of a float64 matrix the most bytes in its file."""
    monkeypatch.setattr(tensor_loading, "THREAD_BYTES", 1)
    kernels = Kernels()
    for order in (("up", "halves", "wide"), ("wide", "halves", "up")):
        stacks = [
            Stack([checkpoint.stored(name)], [np.zeros(len(MATRICES[name]), np.float32)]) for name in order
        ]
        for threads in (1, 4):
            for name, packed in zip(order, pack(kernels, stacks, threads, "float32", False), strict=True):
                alone = kernels.pack_linear([checkpoint.read_float32(name)])
                assert packed.panels.tobytes() == alone.panels.tobytes()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (torch.full((3, 5), 1e300, dtype=torch.float64), "inf"),
        (torch.full((5, 3), float("nan")).t(), "nan"),
        (torch.full((3, 5), float("-inf")).bfloat16(), "-inf"),
    ],
)
def test_what_no_number_of_float32_is(values, found, tmp_path):
    torch.save({"w": values}, tmp_path / "weights.bin")
    stack = Stack([open_checkpoint(tmp_path / "weights.bin").stored("w")], [np.zeros(3, np.float32)])
    with pytest.raises(ModelFileError, match=rf"tensor 'w': \[0, 0\]: found {found}"):
        pack(Kernels(), [stack], 1, "float32", False)


@pytest.mark.parametrize("change", ["truncated", "overwritten", "closed", "unreadable"])
def test_a_file_that_changes_before_it_is_packed(change, tmp_path, monkeypatch):
    path = tmp_path / "weights.bin"
    torch.save({"w": torch.zeros(130, 370)}, path)
    stored = open_checkpoint(path).stored("w")
    stack = Stack([stored], [np.zeros(130, np.float32)])
    message = r"weights\.bin: the file was changed after it was opened"
    if change == "truncated":
        os.truncate(path, 5000)
    elif change == "overwritten":
        path.write_bytes(b"\xff" * path.stat().st_size)  # every value is NaN
    else:
        if change == "closed":
            message = r"weights\.bin: other code closed the file's descriptor"
        else:  # the check says that nothing has changed
            message = r"weights\.bin: tensor 'w': cannot be read: Bad file descriptor"
            monkeypatch.setattr(type(stored.file), "check_unchanged", lambda file: None)
        writable = os.open(tmp_path, os.O_RDONLY) if change == "closed" else os.open(path, os.O_WRONLY)
        os.dup2(writable, stored.file.descriptor)
        os.close(writable)
    with pytest.raises(ModelFileError, match=message):
        pack(Kernels(), [stack], 2, "float32", False)
    with pytest.raises(ModelFileError, match=message):
        column_sizes(Kernels(), stack, 2, False)
