"""open_checkpoint: which file is chosen, what it is, shards, and the arrays that come out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tarfile
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file
from samples.checkpoints import (
    assert_equals_torch,
    is_read,
    make_safetensors,
    mutations,
    plain_state_dict,
    torch_bytes,
    woven_state_dict,
)

from roberta_c.checkpoint import WEIGHT_FILES, Checkpoint, TensorInfo, choose_file, open_checkpoint
from roberta_c.errors import InputError, ModelFileError

ROOT = Path(__file__).resolve().parents[2]


def small(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.full((2, 2), float(value))}


def write_index(folder: Path, weight_map: object, name: str = "pytorch_model.bin.index.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return path


# The choice among files.


def test_order_of_preference(tmp_path):
    """The better file wins, whatever else lies there; taking it away promotes the next."""
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


def test_the_better_file_is_not_passed_over_when_damaged(tmp_path):
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
        f"{tmp_path}: found no weights at all, expected one of model.safetensors, "
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
    with pytest.raises(ModelFileError, match=r"^pytorch_model\.bin: is empty"):
        open_checkpoint("pytorch_model.bin")
    with pytest.raises(ModelFileError, match=r"^pytorch_model\.bin: is empty"):
        open_checkpoint(".")


# What a file is.

NOT_WEIGHTS = {
    "empty": (b"", "is empty"),
    "git-LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 498679497\n",
        "is a git-LFS pointer, not weights",
    ),
    "HTML page": (b"<!DOCTYPE html>\n<html><head><title>404</title>", "is an HTML page, not weights"),
    "HTML page in lower case": (b"\n  <html lang=en>", "is an HTML page, not weights"),
    "XML page": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is an XML page"),
    "JSON message": (
        b'{"error": "Repository not found"}',
        "is JSON but no shard index: weight_map is missing",
    ),
    "JSON list": (b'["weight_map"]', "is no weight file"),
    "text": (b"Entry not found", "is no weight file: begins with b'Entry not found'"),
    "one byte": (b"P", "is no weight file: begins with b'P'"),
    "eight bytes": (b"\x10" + bytes(7), "is no weight file"),
    "zeros": (bytes(1000), "is no weight file"),
    "empty zip": (b"PK\x05\x06" + bytes(18), "is an empty zip archive"),
    "split zip": (b"PK\x07\x08PK\x03\x04", "one part of a split zip"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 (TensorFlow) file"),
    "GGUF": (b"GGUF\x03" + bytes(99), "is a GGUF file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "is gzip-compressed"),
    "other pickle": (
        b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.",
        "a pickle, but not one that torch.save",
    ),
    "zip inside something": (b"MZ" + b"PK\x03\x04" * 20, "is no weight file: begins with b'MZPK"),
    "hostile bytes": (b"\x1b[31m\x07\n\r\xff" * 40, r"b'\x1b[31m\x07\n\r\xff"),
}


@pytest.mark.parametrize("case", NOT_WEIGHTS)
def test_names_what_a_file_is_instead(tmp_path, case):
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
        with pytest.raises(ModelFileError, match=r"pytorch_model\.bin: is a tar archive"):
            open_checkpoint(tmp_path)


def test_the_extension_says_nothing(tmp_path):
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
        os.mkfifo(path)  # nobody writes to it: opening it must not wait
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ModelFileError) as caught:
        open_checkpoint(tmp_path)
    expected = "cannot be opened" if kind == "socket" else f"is a {kind}, expected a weight file"
    assert str(caught.value).startswith(f"{path}: {expected}")


# Shards.


@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_shards_by_huggingface_hub(tmp_path, safe):
    tensors = OrderedDict(plain_state_dict(), large=torch.randn(400, 9), larger=torch.randn(500, 9))
    save_torch_state_dict(tensors, tmp_path, max_shard_size=2000, safe_serialization=safe)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.format == ("safetensors-sharded" if safe else "torch-sharded")
    index = "model.safetensors.index.json" if safe else "pytorch_model.bin.index.json"
    weight_map = json.loads((tmp_path / index).read_text())["weight_map"]
    assert len(set(weight_map.values())) > 2
    assert checkpoint.files[0] == tmp_path / index
    assert {path.name for path in checkpoint.files[1:]} == set(weight_map.values())
    for name, info in checkpoint.tensors.items():
        assert info.file == tmp_path / weight_map[name]
    assert_equals_torch(checkpoint, {name: tensors[name] for name in weight_map})


@pytest.fixture(scope="module")
def tiny_model() -> transformers.RobertaForSequenceClassification:
    config = transformers.RobertaConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    return transformers.RobertaForSequenceClassification(config).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shard_size", ["1GB", "40KB"])
def test_models_by_save_pretrained(tmp_path, tiny_model, dtype, shard_size):
    """All formats of one model hold the same bits."""
    model = transformers.RobertaForSequenceClassification(tiny_model.config).to(dtype)
    tensors = model.state_dict()
    model.save_pretrained(tmp_path / "safe", max_shard_size=shard_size)
    checkpoint = open_checkpoint(tmp_path / "safe")
    assert checkpoint.format == ("safetensors" if shard_size == "1GB" else "safetensors-sharded")
    assert checkpoint.tensors.keys() == tensors.keys()
    assert_equals_torch(checkpoint, {name: tensors[name] for name in checkpoint.tensors})

    for zipped in (True, False):
        folder = tmp_path / f"zip-{zipped}"
        folder.mkdir()
        torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        assert_equals_torch(open_checkpoint(folder), tensors)


def sharded(folder: Path) -> dict[str, torch.Tensor]:
    """A checkpoint of two shards, one zip and one legacy, whose index is in an order of its own."""
    first, second = plain_state_dict(), woven_state_dict()
    torch.save(first, folder / "part-1.bin")
    torch.save(second, folder / "part-2.bin", _use_new_zipfile_serialization=False)
    weight_map = {}
    for one, other in zip(sorted(first), sorted(second), strict=True):
        weight_map |= {other: "part-2.bin", one: "part-1.bin"}
    write_index(folder, weight_map)
    return {name: (first | second)[name] for name in weight_map}


def test_shards_by_hand_come_in_the_indexs_order(tmp_path):
    expected = sharded(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.format == "torch-sharded"
    assert [path.name for path in checkpoint.files] == [
        "pytorch_model.bin.index.json",
        "part-2.bin",
        "part-1.bin",
    ]
    assert_equals_torch(checkpoint, expected)


def test_tensors_that_the_index_does_not_list_are_reported(tmp_path, caplog):
    sharded(tmp_path)
    write_index(tmp_path, {"scalar": "part-1.bin"})
    checkpoint = open_checkpoint(tmp_path)
    assert list(checkpoint.tensors) == ["scalar"]
    assert (
        "part-1.bin: ignored 14 tensors that pytorch_model.bin.index.json does not list there" in caplog.text
    )


BAD_SHARD_NAMES = [
    "../part-1.bin",
    "sub/part-1.bin",
    "/etc/passwd",
    "..",
    ".",
    "",
    "..\\part-1.bin",
    "C:part-1.bin",
    "p" * 256,
    "part-1.bin\0",
    "part-1.bin\n",
    "\x1b[31m",
    None,
    1,
    ["part-1.bin"],
    {"file": "part-1.bin"},
]


@pytest.mark.parametrize("shard", BAD_SHARD_NAMES, ids=repr)
def test_shard_names_must_be_plain(tmp_path, shard):
    sharded(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "part-1.bin").write_bytes((tmp_path / "part-1.bin").read_bytes())
    write_index(tmp_path, {"scalar": shard})
    with pytest.raises(ModelFileError) as caught:
        open_checkpoint(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/pytorch_model.bin.index.json: tensor 'scalar' is in shard ")
    assert "expected the plain name of a file in the same folder" in message
    assert message.isprintable()


def test_an_index_of_shards_elsewhere_reads_nothing_there(tmp_path):
    """The folder's own parent holds the very file that the index asks for."""
    (tmp_path / "inner").mkdir()
    sharded(tmp_path)
    write_index(tmp_path / "inner", {"scalar": "../part-1.bin"})
    with pytest.raises(ModelFileError, match="plain name"):
        open_checkpoint(tmp_path / "inner")


def test_a_missing_shard_is_named(tmp_path):
    sharded(tmp_path)
    (tmp_path / "part-1.bin").unlink()
    with pytest.raises(ModelFileError) as caught:
        open_checkpoint(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/part-1.bin: cannot be opened: No such file or directory "
        "(a shard that pytorch_model.bin.index.json lists)"
    )


def test_a_promised_tensor_is_missed(tmp_path):
    sharded(tmp_path)
    write_index(tmp_path, {"scalar": "part-1.bin", "promised": "part-1.bin"})
    with pytest.raises(
        ModelFileError, match=r"part-1\.bin: lacks the tensor 'promised' that pytorch_model\.bin\."
    ):
        open_checkpoint(tmp_path)


def test_a_tensor_in_another_shard_than_promised(tmp_path):
    sharded(tmp_path)
    write_index(tmp_path, {"scalar": "part-2.bin", "table": "part-2.bin"})
    with pytest.raises(ModelFileError, match=r"part-2\.bin: lacks the tensor 'scalar'"):
        open_checkpoint(tmp_path)


def test_shards_of_two_kinds(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "a.bin")
    save_file({"b": torch.ones(1)}, tmp_path / "b.safetensors")
    write_index(tmp_path, {"a": "a.bin", "b": "b.safetensors"})
    with pytest.raises(ModelFileError, match="lists both safetensors and torch shards"):
        open_checkpoint(tmp_path)


def test_an_index_is_no_shard(tmp_path):
    path = write_index(tmp_path, {"w": "pytorch_model.bin.index.json"})
    with pytest.raises(ModelFileError, match="is a JSON file, expected a shard"):
        open_checkpoint(path)


def test_a_damaged_shard_is_named(tmp_path):
    sharded(tmp_path)
    (tmp_path / "part-2.bin").write_bytes((tmp_path / "part-2.bin").read_bytes()[:-1])
    with pytest.raises(ModelFileError, match=r"part-2\.bin: truncated"):
        open_checkpoint(tmp_path)


BAD_INDICES = {
    "weight_map missing": ('{"metadata": {}}', "weight_map is missing"),
    "weight_map is a list": ('{"weight_map": ["a"]}', "weight_map is a JSON list"),
    "weight_map is empty": ('{"weight_map": {}}', "weight_map is empty"),
    "cut short": ('{"weight_map": {"a": "b', "not JSON at line"),
    "tensor twice": ('{"weight_map": {"a": "b", "a": "c"}}', "the key 'a' appears twice"),
    "unprintable tensor": ('{"weight_map": {"a\\n": "b"}}', r"the tensor name 'a\n'"),
    "too large": ('{"weight_map": {}' + " " * (8 << 20) + "}", "expected at most 8388608"),
    "too many": (json.dumps({"weight_map": {str(n): "a" for n in range(20_001)}}), "lists 20001 tensors"),
    "deep": ('{"weight_map": ' + "[" * 100_000, "nested deeper"),
    "not UTF-8": (b'{"weight_map": {"\xff": "a"}}', "not UTF-8"),
}


@pytest.mark.parametrize("case", BAD_INDICES)
def test_refuses_malformed_indices(tmp_path, case):
    content, fragment = BAD_INDICES[case]
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelFileError) as caught:
        open_checkpoint(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert fragment in str(caught.value)


def test_mutated_indices_are_read_or_refused(tmp_path):
    sharded(tmp_path)
    path = tmp_path / "pytorch_model.bin.index.json"
    for data in mutations(path.read_bytes(), 500, seed=5):
        path.write_bytes(data)
        is_read(lambda: open_checkpoint(path))


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
        with pytest.raises(ModelFileError, match=r"model\.safetensors: has no tensor 'v'"):
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
                f"tensor {name!r} has dtype {checkpoint.tensors[name].dtype!r}, expected one of float32"
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
        if tensor.dtype == torch.float32 and tensor.numel():
            assert array.ctypes.data == checkpoint.read(name).ctypes.data


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_every_half_is_widened_as_torch_does(tmp_path, dtype):
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


def test_fp32_of_the_small_checkpoint_lies_in_the_map(tweet_sentiment_small):
    checkpoint = open_checkpoint(tweet_sentiment_small)
    for name, info in checkpoint.tensors.items():
        if info.dtype == "float32":
            array = checkpoint.read_float32(name)
            assert not array.flags.owndata
            assert array.ctypes.data % 64 == 0


RESIDENT_SCRIPT = """
import re, sys, time
from roberta_c.checkpoint import open_checkpoint
open_checkpoint(sys.argv[1])  # modules and code are warm
started = time.perf_counter()
checkpoint = open_checkpoint(sys.argv[1])
opened_ms = (time.perf_counter() - started) * 1e3
arrays = [checkpoint.read(name) for name in checkpoint.tensors]
def resident_kb():
    smaps = open("/proc/self/smaps").read()
    block = smaps[smaps.index("pytorch_model.bin"):]
    return int(re.search(r"Rss: +(\\d+) kB", block).group(1))
before = resident_kb()
sum(float(array.sum(dtype="float64")) for array in arrays)
print(opened_ms, before, resident_kb())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/smaps is Linux's")
def test_opening_and_reading_touch_no_data(tweet_sentiment_small):
    command = [sys.executable, "-c", RESIDENT_SCRIPT, str(tweet_sentiment_small)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    opened_ms, before_kb, after_kb = (float(word) for word in run.stdout.split())
    assert before_kb == 0
    assert after_kb > 0.95 * (tweet_sentiment_small / "pytorch_model.bin").stat().st_size / 1024
    assert opened_ms < 100  # measured: 3; the rest is for busy machines


# Files that change.


def test_a_changed_file_is_noticed(tmp_path):
    path = tmp_path / "weights.bin"
    torch.save({"w": torch.ones(1000)}, path)
    checkpoint = open_checkpoint(path)
    checkpoint.read("w")
    os.utime(path, ns=(0, time.time_ns() + 10**9))
    for read in (checkpoint.read, checkpoint.read_float32):
        with pytest.raises(
            ModelFileError, match=r"weights\.bin: was changed by someone else since it was opened"
        ):
            read("w")


def test_a_truncated_file_is_noticed_and_kills_nobody(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.ones(100_000)}, path)
    checkpoint = open_checkpoint(path)
    os.truncate(path, 4096)
    with pytest.raises(ModelFileError, match="was changed"):
        checkpoint.read("w")


def test_a_replaced_file_does_not_matter(tmp_path):
    """Written beside and renamed, as careful programs do: the open one lives on."""
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


def test_no_unsafe_reader_is_within_reach():
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
