"""torch's zip archives: valid ones as torch reads them, and foreign content in them refused."""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from samples.checkpoints import (
    assert_equals_torch,
    dict_of,
    make_zip,
    pickled,
    plain_state_dict,
    storage,
    tensor,
    torch_entries,
    woven_state_dict,
)
from samples.torch_writer import writer_options

from roberta_c.checkpoint import open_checkpoint
from roberta_c.errors import ModelFileError, UnsafeFileError

STATE_DICTS = {"plain": plain_state_dict, "woven": woven_state_dict, "nothing": OrderedDict}


# Valid files.


@pytest.mark.parametrize("which", STATE_DICTS)
@pytest.mark.parametrize(
    "options", [{}, {"crc32": False}, {"alignment": 1}, {"alignment": 4096}], ids=lambda options: str(options)
)
def test_equals_torch(tmp_path, which, options):
    tensors = STATE_DICTS[which]()
    path = tmp_path / "weights.bin"
    with writer_options(**options):
        torch.save(tensors, path)
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "torch-zip"
    assert checkpoint.files == [path]
    assert_equals_torch(checkpoint, torch.load(path, weights_only=True))


def test_equals_torch_when_saved_to_a_stream(tmp_path):
    path = tmp_path / "weights.bin"
    with open(path, "wb") as stream:
        torch.save(plain_state_dict(), stream)
    assert_equals_torch(open_checkpoint(path), plain_state_dict())


def test_equals_torch_for_a_module_with_metadata(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3), torch.nn.BatchNorm1d(3))
    tensors = module.state_dict()
    assert tensors._metadata
    torch.save(tensors, tmp_path / "weights.bin")
    assert_equals_torch(open_checkpoint(tmp_path / "weights.bin"), tensors)


def test_equals_torch_with_parameters_kept(tmp_path):
    tensors = torch.nn.Linear(4, 3).state_dict(keep_vars=True)
    assert isinstance(tensors["weight"], torch.nn.Parameter)
    torch.save(tensors, tmp_path / "weights.bin")
    assert_equals_torch(open_checkpoint(tmp_path / "weights.bin"), tensors)


@pytest.mark.parametrize(
    "relative", ["models/tweet-sentiment-small/pytorch_model.bin", "data/xlm-t/adapter/pytorch_adapter.bin"]
)
def test_equals_torch_on_published_files(test_data, relative):
    path = test_data(relative)
    expected = torch.load(path, map_location="cpu", weights_only=True)
    checkpoint = open_checkpoint(path)
    assert_equals_torch(checkpoint, expected)


@pytest.mark.parametrize("name", ["roberta/outputs/roberta.base", "xlmr/outputs/xlmr.large"])
def test_a_bare_tensor_is_no_checkpoint(test_data, name):
    path = test_data.real(f"data/{name}.output.pt")
    with pytest.raises(ModelFileError, match=r"output\.pt: found a tensor, expected a dict of named tensors"):
        open_checkpoint(path)


def test_tensors_that_are_not_aligned_in_the_file(tmp_path):
    archive = make_zip(
        torch_entries(
            pickled(dict_of(("a", tensor()), ("b", tensor(shape=(6,), strides=(1,))), ("c", tensor()))),
            prefix="arc",
        )
    )
    assert archive.index(np.arange(6, dtype="<f4").tobytes()) % 4
    path = tmp_path / "weights.bin"
    path.write_bytes(archive)
    checkpoint = open_checkpoint(path)
    arrays = [checkpoint.read(name) for name in "abc"]
    for array in arrays:
        assert array.flags.aligned
        assert array.reshape(-1).tolist() == [0, 1, 2, 3, 4, 5]


def test_arrays_outlive_the_checkpoint(tmp_path):
    torch.save({"w": torch.arange(1000.0)}, tmp_path / "weights.bin")
    array = open_checkpoint(tmp_path / "weights.bin").read("w")
    os.unlink(tmp_path / "weights.bin")
    assert array.sum() == 499500


def test_values_other_than_tensors_are_reported(tmp_path, caplog):
    tensors = {"w": torch.ones(2), "epoch": 3, "name": "x\ny", "config": {"a": 1}, "nothing": None}
    torch.save(tensors, tmp_path / "weights.bin")
    checkpoint = open_checkpoint(tmp_path / "weights.bin")
    assert list(checkpoint.tensors) == ["w"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    for words in ("weights.bin: ignored 4 entries", "'epoch' (int)", "'config' (dict)", "'nothing' (None)"):
        assert words in record.message


@pytest.mark.parametrize(
    ("value", "fragment"),
    [
        ({"state_dict": {"w": torch.ones(2)}, "epoch": 3}, "only 'state_dict' (dict), 'epoch' (int)"),
        ({"model": OrderedDict(w=torch.ones(2))}, "only 'model' (OrderedDict)"),
        ([torch.ones(2)], "found a list"),
        ((1, 2), "found a tuple"),
        ("text", "found a str"),
        (None, "found a None"),
        ({0: torch.ones(2)}, "tensor name: found int, expected str"),
        ({"a\nb": torch.ones(2)}, r"tensor name: found 'a\nb'"),
        ({"a\x1b[31m": torch.ones(2)}, r"'a\x1b[31m'"),
        ({str(number): 1 for number in range(20)}, "'7' (int), …"),
    ],
    ids=str,
)
def test_refuses_what_is_no_state_dict(tmp_path, value, fragment):
    torch.save(value, tmp_path / "weights.bin")
    with pytest.raises(ModelFileError) as caught:
        open_checkpoint(tmp_path / "weights.bin")
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("/tmp/roberta_c_was_here",)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Malicious(), "posix.mkdir"),
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"w": torch.zeros(2, dtype=torch.complex64)}, "torch.ComplexFloatStorage"),
        ({"w": torch.zeros(2, dtype=torch.float8_e4m3fn)}, "torch._utils._rebuild_tensor_v3"),
        ({"w": torch.zeros(2).to_sparse()}, "torch._utils._rebuild_sparse_tensor"),
        ({"w": torch.ones(2), "device": torch.device("cpu")}, "torch.device"),
        ({"w": torch.ones(2), "n": np.float64(1)}, "numpy._core.multiarray.scalar"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses_foreign_objects_by_name(tmp_path, value, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sparse tensors are "beta"
        torch.save(value, tmp_path / "weights.bin")
    with pytest.raises(UnsafeFileError) as caught:
        open_checkpoint(tmp_path / "weights.bin")
    assert repr(name) in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'weights.bin'}: data.pkl: refused")
    assert not os.path.exists("/tmp/roberta_c_was_here")


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_refuses_other_pickle_protocols(tmp_path, protocol):
    torch.save({"w": torch.ones(2)}, tmp_path / "weights.bin", pickle_protocol=protocol)
    with pytest.raises(ModelFileError, match="protocol 2"):
        open_checkpoint(tmp_path / "weights.bin")


def test_refuses_torchscript(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "weights.bin")
    with pytest.raises(ModelFileError, match="found a TorchScript archive"):
        open_checkpoint(tmp_path / "weights.bin")


def test_reads_old_archives_and_any_prefix(tmp_path):
    """Archives before torch 2.1 have no `byteorder`. The prefix is the file's stem, or `archive`."""
    path = tmp_path / "weights.bin"
    for prefix in ("archive", "pytorch_model", "größe", "..weights"):
        entries = torch_entries(pickled(dict_of(("w", tensor()))), prefix=prefix)
        path.write_bytes(make_zip([entry for entry in entries if not entry.name.endswith("byteorder")]))
        assert open_checkpoint(path).read("w").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_reads_an_archive_repacked_by_python(tmp_path):
    """Uncompressed, without data descriptors and zip64 records."""
    torch.save(plain_state_dict(), tmp_path / "by_torch.bin")
    with (
        zipfile.ZipFile(tmp_path / "by_torch.bin") as source,
        zipfile.ZipFile(tmp_path / "by_python.bin", "w", zipfile.ZIP_STORED) as target,
    ):
        for name in source.namelist():
            with target.open(name, "w", force_zip64="data/0" in name) as entry:
                entry.write(source.read(name))
    assert_equals_torch(open_checkpoint(tmp_path / "by_python.bin"), plain_state_dict())


def test_refuses_a_compressed_archive(tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "by_torch.bin")
    with (
        zipfile.ZipFile(tmp_path / "by_torch.bin") as source,
        zipfile.ZipFile(tmp_path / "weights.bin", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(ModelFileError, match="found a compressed entry"):
        open_checkpoint(tmp_path / "weights.bin")


def test_reads_beyond_four_gigabytes(tmp_path):
    """As torch 2.13 writes large archives: zip64 fields and descriptors of 24 bytes."""
    large, behind = 0x1_0000_0040, np.arange(3, dtype="<f4").tobytes()
    root = dict_of(
        ("large", tensor(storage("Byte", "big", large), shape=(large,), strides=(1,))),
        ("behind", tensor(storage("Float", "small", 3), shape=(3,), strides=(1,))),
    )
    path = tmp_path / "weights.bin"
    offsets = []
    with open(path, "wb") as file:

        def local(name: bytes, extra: bytes) -> None:
            offsets.append(file.tell())
            file.write(
                struct.pack("<4s5H3I2H", b"PK\x03\x04", 0, 0x808, *[0] * 6, len(name), len(extra))
                + name
                + extra
            )

        local(b"a/data.pkl", b"")
        pickle = pickled(root)
        file.write(pickle + struct.pack("<4s3I", b"PK\x07\x08", 0, len(pickle), len(pickle)))
        local(b"a/data/big", struct.pack("<2H2Q", 1, 16, large, 0))
        file.seek(large, os.SEEK_CUR)  # a hole
        file.write(struct.pack("<4sI2Q", b"PK\x07\x08", 0, large, large))
        local(b"a/data/small", struct.pack("<2HQ", 1, 8, file.tell()))
        file.write(behind + struct.pack("<4sI2Q", b"PK\x07\x08", 0, len(behind), len(behind)))
        start = file.tell()
        for name, size, offset in (
            (b"a/data.pkl", len(pickle), offsets[0]),
            (b"a/data/big", large, offsets[1]),
            (b"a/data/small", len(behind), offsets[2]),
        ):
            wide = [number for number in (size, offset) if number > 0xFFFFFFFF]
            wide = wide * 2 if size > 0xFFFFFFFF else wide
            extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
            size, offset = min(size, 0xFFFFFFFF), min(offset, 0xFFFFFFFF)
            file.write(struct.pack("<4s6H3I", b"PK\x01\x02", 0, 0, 0x808, 0, 0, 0, 0, size, size))
            file.write(struct.pack("<5H2I", len(name), len(extra), 0, 0, 0, 0, offset) + name + extra)
        end = file.tell()
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 0, 0, 0, 0, 3, 3, end - start, start))
        file.write(struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1))
        file.write(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 3, 3, end - start, 0xFFFFFFFF, 0))
    assert set(zipfile.ZipFile(path).namelist()) == {"a/data.pkl", "a/data/big", "a/data/small"}
    checkpoint = open_checkpoint(path)
    assert checkpoint.read("behind").tolist() == [0, 1, 2]
    assert checkpoint.tensors["large"].shape == (large,)
    last = np.ones(64, np.uint8)
    checkpoint.stored("large").read_elements(large - 64, last)  # all of it would be four gigabytes of memory
    assert not last.any()
