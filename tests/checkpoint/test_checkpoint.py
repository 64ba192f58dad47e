"""open_checkpoint: the file that it chooses, its format, and the arrays that it reads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from samples.checkpoints import (
    make_safetensors,
    plain_state_dict,
    torch_bytes,
    woven_state_dict,
)
from samples.sharded import sharded, write_index

from roberta_c.checkpoint import (
    Checkpoint,
    TensorInfo,
    choose_file,
    open_checkpoint,
    tensor_loading,
    tensor_view,
)
from roberta_c.checkpoint.weight_file import WeightFile
from roberta_c.errors import InputError, ModelFileError, ResourceError
from roberta_c.files import tensor_names
from roberta_c.files.file_sets import WEIGHT_FILES

ROOT = Path(__file__).resolve().parents[2]


def small(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.full((2, 2), float(value))}


# The choice of the file.


def test_order_of_preference(tmp_path):
    """The first file in the order of preference is chosen, whatever other files are there."""
    save_file(small(1), tmp_path / "model.safetensors")
    save_file(small(2), tmp_path / "part.safetensors")
    write_index(tmp_path, {"w": "part.safetensors"}, "model.safetensors.index.json")
    torch.save(small(3), tmp_path / "pytorch_model.bin")
    torch.save(small(4), tmp_path / "part.bin")
    write_index(tmp_path, {"w": "part.bin"})
    formats = ("safetensors", "safetensors-sharded", "torch-zip", "torch-sharded")
    for number, (name, format_name) in enumerate(zip(WEIGHT_FILES, formats, strict=True), 1):
        assert choose_file(tmp_path) == tmp_path / name
        checkpoint = open_checkpoint(tmp_path)
        assert checkpoint.format == format_name
        assert checkpoint.read("w").tolist() == [[number] * 2] * 2
        assert open_checkpoint(str(tmp_path / name)).format == format_name
        (tmp_path / name).unlink()
    with pytest.raises(
        ModelFileError, match=r"found only 'part\.bin, part\.safetensors', expected one of model"
    ):
        open_checkpoint(tmp_path)


def test_a_damaged_file_is_an_error_even_beside_a_valid_one(tmp_path):
    torch.save(small(3), tmp_path / "pytorch_model.bin")
    for make_bad in (
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        lambda path: path.symlink_to(tmp_path / "gone"),
        lambda path: path.mkdir(),
    ):
        path = tmp_path / "model.safetensors"
        make_bad(path)
        with pytest.raises(ModelFileError, match=r"model\.safetensors: "):
            open_checkpoint(tmp_path)
        path.rmdir() if path.is_dir() else path.unlink()


def test_links_are_followed(tmp_path):
    """The Hub's cache keeps links in its snapshot folders."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    torch.save(small(1), tmp_path / "blobs" / "0123")
    (tmp_path / "snapshot" / "part-1.bin").symlink_to("../blobs/0123")
    write_index(tmp_path / "snapshot", {"w": "part-1.bin"})
    assert open_checkpoint(tmp_path / "snapshot").read("w").sum() == 4


def test_an_empty_folder(tmp_path):
    with pytest.raises(ModelFileError) as caught:
        open_checkpoint(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: found no weights, expected one of model.safetensors, "
        "model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json"
    )


@pytest.mark.parametrize("path", [None, b"model.bin", 3, ["a"]])
def test_paths_of_other_types(path):
    with pytest.raises(InputError, match="expected str or Path"):
        open_checkpoint(path)


@pytest.mark.parametrize("name", ["nowhere", "nowhere/at/all.bin", "with\0nul", "x" * 5000])
def test_paths_that_do_not_exist(tmp_path, name):
    with pytest.raises(ModelFileError, match="cannot be opened"):
        open_checkpoint(f"{tmp_path}/{name}")


def test_messages_give_the_path_as_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"^pytorch_model\.bin: found an empty file"):
        open_checkpoint("pytorch_model.bin")
    with pytest.raises(ModelFileError, match=r"^pytorch_model\.bin: found an empty file"):
        open_checkpoint(".")


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(ModelFileError, match="cannot be listed: Permission denied"):
        open_checkpoint(tmp_path)


# The format of a file.

NOT_WEIGHTS = {
    "empty": (b"", "found an empty file"),
    "git-LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 498679497\n",
        "found a git-LFS pointer, expected weights",
    ),
    "HTML page": (b"<!DOCTYPE html>\n<html><head><title>404</title>", "found an HTML page, expected weights"),
    "HTML page in lower case": (b"\n  <html lang=en>", "found an HTML page, expected weights"),
    "XML page": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "found an XML page"),
    "JSON message": (
        b'{"error": "Repository not found"}',
        "shard index: weight_map: found nothing",
    ),
    "JSON list": (b'["weight_map"]', "found a file that begins with"),
    "text": (b"Entry not found", "found a file that begins with b'Entry not found'"),
    "one byte": (b"P", "found a file that begins with b'P'"),
    "eight bytes": (b"\x10" + bytes(7), "found a file that begins with"),
    "zeros": (bytes(1000), "found a file that begins with"),
    "empty zip": (b"PK\x05\x06" + bytes(18), "found an empty zip archive"),
    "split zip": (b"PK\x07\x08PK\x03\x04", "one part of a split zip"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "found an HDF5 (TensorFlow) file"),
    "GGUF": (b"GGUF\x03" + bytes(99), "found a GGUF file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "found a gzip-compressed"),
    "other pickle": (
        b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.",
        "a pickle that torch.save did not write",
    ),
    "zip inside something": (b"MZ" + b"PK\x03\x04" * 20, "found a file that begins with b'MZPK"),
    "hostile bytes": (b"\x1b[31m\x07\n\r\xff" * 40, r"b'\x1b[31m\x07\n\r\xff"),
}


@pytest.mark.parametrize("case", NOT_WEIGHTS)
def test_messages_name_files_that_are_no_weights(tmp_path, case):
    content, fragment = NOT_WEIGHTS[case]
    for name in ("pytorch_model.bin", "model.safetensors"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ModelFileError) as caught:
            open_checkpoint(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert fragment in message
        assert "\n" not in message
        assert message.isprintable()


def test_names_a_tar_archive(tmp_path):
    (tmp_path / "w").write_bytes(b"weights")
    for format_number in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "pytorch_model.bin", "w", format=format_number) as archive:
            archive.add(tmp_path / "w", "storages")
        with pytest.raises(ModelFileError, match=r"pytorch_model\.bin: found a tar archive"):
            open_checkpoint(tmp_path)


def test_the_format_does_not_depend_on_the_extension(tmp_path):
    save_file(small(1), tmp_path / "pytorch_model.bin")
    assert open_checkpoint(tmp_path).format == "safetensors"
    torch.save(small(1), tmp_path / "model.safetensors", _use_new_zipfile_serialization=False)
    assert open_checkpoint(tmp_path).format == "torch-legacy"
    write_index(tmp_path, {"w": "model.safetensors"}, "anything.pt")
    assert open_checkpoint(tmp_path / "anything.pt").format == "torch-sharded"


@pytest.mark.parametrize("kind", ["directory", "FIFO", "socket", "character device"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / "model.safetensors"
    if kind == "directory":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)  # opening a FIFO without a writer must not wait
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ModelFileError) as caught:
        open_checkpoint(tmp_path)
    expected = "cannot be opened" if kind == "socket" else f"found a {kind}, expected a weight file"
    assert str(caught.value).startswith(f"{path}: {expected}")


# Arrays.


def test_a_checkpoint_describes_itself(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(small(1), path)
    checkpoint = open_checkpoint(path)
    assert isinstance(checkpoint, Checkpoint)
    assert checkpoint.tensors == {"w": TensorInfo("w", "float32", (2, 2), path)}
    assert repr(checkpoint) == f"<Checkpoint safetensors '{path}': 1 tensors>"
    assert list(checkpoint) == ["w"]
    assert len(checkpoint) == 1
    for read in (checkpoint.read, checkpoint.read_float32):
        with pytest.raises(
            ModelFileError, match=r"model\.safetensors: found no tensor 'v', expected one of its tensors$"
        ):
            read("v")


@pytest.mark.parametrize("zipped", [True, False])
def test_read_float32_equals_torch(tmp_path, zipped):
    tensors = plain_state_dict() | woven_state_dict()
    path = tmp_path / "weights.bin"
    torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
    checkpoint = open_checkpoint(path)
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            with pytest.raises(ModelFileError) as caught:
                checkpoint.read_float32(name)
            assert (
                f"tensor {name!r}: dtype: found {checkpoint.tensors[name].dtype!r}, expected one of float32"
                in str(caught.value)
            )
            continue
        array = checkpoint.read_float32(name)
        assert array.dtype == np.float32
        assert array.shape == tuple(tensor.shape)
        assert array.tobytes() == torch_bytes(tensor.float()), name
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert not array.flags.writeable


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_every_half_is_converted_as_torch_does(tmp_path, dtype):
    every = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(dtype)
    save_file({"w": every}, tmp_path / "model.safetensors")
    widened = open_checkpoint(tmp_path).read_float32("w")
    expected = every.float().numpy()
    assert np.array_equal(np.isnan(widened), np.isnan(expected))
    assert np.array_equal(
        widened.view(np.uint32)[~np.isnan(widened)], expected.view(np.uint32)[~np.isnan(widened)]
    )


def test_doubles_are_rounded_as_torch_does(tmp_path):
    torch.manual_seed(9)
    doubles = torch.randn(20_000, dtype=torch.float64) * torch.exp2(
        torch.randint(-160, 140, (20_000,)).double()
    )
    edges = [1e300, -1e300, 3.4028235677973366e38, 3.4028235e38, 7e-46, 7.1e-46, float("nan"), -0.0]
    doubles = torch.cat([doubles, torch.tensor(edges, dtype=torch.float64)])
    torch.save({"w": doubles}, tmp_path / "weights.bin")
    array = open_checkpoint(tmp_path / "weights.bin").read_float32("w")
    expected = doubles.float().numpy()
    assert np.isinf(expected).sum() > 3
    assert np.array_equal(array, expected, equal_nan=True)
    assert np.array_equal(np.signbit(array), np.signbit(expected))


def test_a_tensor_larger_than_the_memory(tmp_path, monkeypatch):
    save_file(small(1), tmp_path / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)

    def refusing(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np, "empty", refusing)
    for read in (checkpoint.read, checkpoint.read_float32):
        with pytest.raises(
            ResourceError, match=r"tensor 'w': memory: found too little free, expected 16 bytes"
        ):
            read("w")


def test_strides_are_read_in_parts(tmp_path, monkeypatch):
    """Of a tensor with strides no more than SPAN_BYTES of the file are in memory beside it."""
    monkeypatch.setattr(tensor_view, "SPAN_BYTES", 40)
    tensors = woven_state_dict() | {"strided and empty": torch.zeros(4, 3).t()[:0]}
    torch.save(tensors, tmp_path / "weights.bin")
    read_into, longest = WeightFile.read_into, 0

    def watched(self, target, offset):
        nonlocal longest
        longest = max(longest, len(target))
        read_into(self, target, offset)

    checkpoint = open_checkpoint(tmp_path / "weights.bin")
    monkeypatch.setattr(WeightFile, "read_into", watched)
    for name, tensor in tensors.items():
        if checkpoint.stored(name).strides is not None:
            assert checkpoint.read(name).tobytes() == torch_bytes(tensor), name
    assert 0 < longest <= 40


def test_opening_reads_headers_only(tweet_sentiment_small, monkeypatch):
    preadv, count = os.preadv, 0

    def counting(descriptor, buffers, offset):
        nonlocal count
        count += sum(len(buffer) for buffer in buffers)
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", counting)
    checkpoint = open_checkpoint(tweet_sentiment_small)
    assert 0 < count < 200_000 < (tweet_sentiment_small / "pytorch_model.bin").stat().st_size
    before = count
    array = checkpoint.read("roberta.embeddings.word_embeddings.weight")
    assert count - before == array.nbytes


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_threads_read_the_same_bits(tmp_path, monkeypatch, failing):
    """Also where the system gives fewer threads than were asked for."""
    monkeypatch.setattr(tensor_loading, "PIECE_BYTES", 4096)
    monkeypatch.setattr(tensor_loading, "THREAD_BYTES", 4096)
    tensors = {
        "whole": torch.randn(300, 70),
        "half": torch.randn(50, 90).half(),
        "strided": torch.randn(64, 64).t(),
        "empty": torch.zeros(0, 3),
    }
    torch.save(tensors, tmp_path / "weights.bin")
    arrays = {name: np.full(tensor.shape, np.nan, np.float32) for name, tensor in tensors.items()}
    start, started = threading.Thread.start, 0

    def limited(self):
        nonlocal started
        if started == failing:
            raise RuntimeError("can't start new thread")
        started += 1
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    open_checkpoint(tmp_path / "weights.bin").load(arrays, num_threads=8)
    assert started == failing
    for name, tensor in tensors.items():
        assert arrays[name].tobytes() == torch_bytes(tensor.float()), name


def test_an_error_in_any_thread_is_raised(tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_loading, "PIECE_BYTES", 4096)
    monkeypatch.setattr(tensor_loading, "THREAD_BYTES", 4096)
    values = torch.zeros(300, 70)
    values[299, 69] = float("nan")
    path = tmp_path / "model.safetensors"
    save_file({"w": values}, path)
    checkpoint, arrays = open_checkpoint(path), {"w": np.empty((300, 70), np.float32)}
    for threads in (1, 4):
        with pytest.raises(ModelFileError, match=r"tensor 'w': \[299, 69\]: found nan, expected a finite"):
            checkpoint.load(arrays, threads)
    checkpoint.load(arrays, 4, allow_nonfinite=True)
    assert np.isnan(arrays["w"][299, 69])


def test_same_values_are_the_same_bytes_of_the_file(tmp_path):
    tensors = woven_state_dict() | {"copy": woven_state_dict()["table"].clone()}
    torch.save(tensors, tmp_path / "weights.bin")
    checkpoint = open_checkpoint(tmp_path / "weights.bin")
    found = [name for name in tensors if checkpoint.same_values("table", name)]
    assert found == ["table", "tied"]


# Files that change.


def test_a_changed_file_is_an_error(tmp_path):
    path = tmp_path / "weights.bin"
    torch.save({"w": torch.ones(1000)}, path)
    checkpoint = open_checkpoint(path)
    checkpoint.read("w")
    os.utime(path, ns=(0, time.time_ns() + 10**9))
    for read in (checkpoint.read, checkpoint.read_float32):
        with pytest.raises(ModelFileError, match=r"weights\.bin: the file was changed after it was opened"):
            read("w")


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_file_that_changes_while_its_headers_are_read(tmp_path, kind, monkeypatch):
    path = tmp_path / "weights"
    if kind == "safetensors":
        save_file(small(1), path)
    else:
        torch.save(small(1), path, _use_new_zipfile_serialization=kind == "zip")
    read = WeightFile.read

    def changing(self, *arguments):
        os.utime(path, ns=(0, time.time_ns() + 10**9))
        return read(self, *arguments)

    monkeypatch.setattr(WeightFile, "read", changing)
    with pytest.raises(ModelFileError, match="was changed after it was opened"):
        open_checkpoint(path)


def test_a_state_dict_of_too_many_tensors(tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_names, "MAX_TENSORS", 2)
    torch.save({name: torch.ones(1) for name in "ab"}, tmp_path / "two.bin")
    torch.save({name: torch.ones(1) for name in "abc"}, tmp_path / "three.bin")
    open_checkpoint(tmp_path / "two.bin")
    with pytest.raises(ModelFileError, match="found 3 tensors, expected at most 2"):
        open_checkpoint(tmp_path / "three.bin")


def test_a_truncated_file_is_an_error_and_not_a_crash(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.ones(100_000)}, path)
    checkpoint = open_checkpoint(path)
    os.truncate(path, 4096)
    with pytest.raises(ModelFileError, match="became shorter"):
        checkpoint.read("w")


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    save_file(small(1), tmp_path / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(ModelFileError, match=r"model\.safetensors: cannot be read: Input/output error"):
        checkpoint.read("w")


@pytest.mark.parametrize("reused", [True, False])
def test_a_descriptor_that_other_code_closed(tmp_path, reused):
    save_file(small(1), tmp_path / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)
    file = checkpoint.stored("w").file
    kept = os.dup(file.descriptor)
    if reused:
        other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
        os.write(other, (tmp_path / "model.safetensors").read_bytes())
        os.dup2(other, file.descriptor)
        os.close(other)
        message = "other code closed the file's descriptor"
    else:
        os.close(file.descriptor)
        message = "cannot be read: Bad file descriptor"
    with pytest.raises(ModelFileError, match=message):
        checkpoint.read("w")
    with pytest.raises(ModelFileError, match="other code closed the file's descriptor"):
        file.check_still_open()
    os.dup2(kept, file.descriptor)
    os.close(kept)
    assert checkpoint.read("w").sum() == 4


def test_replacing_a_file_leaves_an_open_checkpoint_unchanged(tmp_path):
    """A new file is renamed over the old one: the open checkpoint still reads the old one."""
    path = tmp_path / "model.safetensors"
    save_file(small(1), path)
    checkpoint = open_checkpoint(path)
    save_file(small(2), tmp_path / "new")
    os.replace(tmp_path / "new", path)
    assert checkpoint.read("w").sum() == 4
    assert open_checkpoint(path).read("w").sum() == 8


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_files_are_closed_with_their_checkpoint(tmp_path):
    sharded(tmp_path)
    (tmp_path / "bad.bin").write_bytes(make_safetensors("{"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        checkpoint = open_checkpoint(tmp_path)
        checkpoint.read("scalar")
        with pytest.raises(ModelFileError):
            open_checkpoint(tmp_path / "bad.bin")
    del checkpoint
    assert len(os.listdir("/proc/self/fd")) <= before


def test_the_package_imports_no_unsafe_reader():
    """The package's readers import neither pickle nor torch, and importing them is cheap."""
    script = (
        "import sys; import roberta_c.checkpoint; "
        "print([name for name in ('pickle', 'torch', 'zipfile', 'marshal', 'safetensors', 'transformers') "
        "if name in sys.modules and name not in before])"
    )
    script = "import sys, numpy; before = set(sys.modules); " + script
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout.strip() == "[]"
    for source in (ROOT / "roberta_c" / "checkpoint").glob("*.py"):
        text = source.read_text()
        for module in ("pickle", "_pickle", "torch", "marshal", "zipfile", "tarfile"):
            assert f"import {module}\n" not in text
            assert f"from {module} import" not in text
