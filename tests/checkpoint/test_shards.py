"""Checkpoints in several files: the shards that an index lists, and malformed indexes."""

from __future__ import annotations

import json
from collections import OrderedDict

import pytest
import torch
import transformers
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file
from samples.checkpoints import (
    assert_equals_torch,
    is_read,
    mutations,
    plain_state_dict,
)
from samples.sharded import sharded, write_index

from roberta_c.checkpoint import open_checkpoint
from roberta_c.errors import ModelFileError

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


def test_tensors_come_in_the_order_of_the_index(tmp_path):
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
        "part-1.bin: ignored 14 tensors that pytorch_model.bin.index.json does not list for this file"
        in caplog.text
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
    assert message.startswith(
        f"{tmp_path}/pytorch_model.bin.index.json: shard index: shard of tensor 'scalar': found "
    )
    assert "expected a plain file name, of letters, digits and . _ - only" in message
    assert message.isprintable()


def test_shards_outside_of_the_folder_are_not_read(tmp_path):
    """The parent folder holds the file that the index names."""
    (tmp_path / "inner").mkdir()
    sharded(tmp_path)
    write_index(tmp_path / "inner", {"scalar": "../part-1.bin"})
    with pytest.raises(ModelFileError, match="plain file name"):
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


def test_a_shard_without_a_tensor_that_the_index_lists(tmp_path):
    sharded(tmp_path)
    write_index(tmp_path, {"scalar": "part-1.bin", "promised": "part-1.bin"})
    with pytest.raises(
        ModelFileError,
        match=r"part-1\.bin: found no tensor 'promised', expected every tensor that pytorch_model\.bin\.",
    ):
        open_checkpoint(tmp_path)


def test_a_tensor_in_another_shard_than_the_index_lists(tmp_path):
    sharded(tmp_path)
    write_index(tmp_path, {"scalar": "part-2.bin", "table": "part-2.bin"})
    with pytest.raises(ModelFileError, match=r"part-2\.bin: found no tensor 'scalar'"):
        open_checkpoint(tmp_path)


def test_shards_of_two_kinds(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "a.bin")
    save_file({"b": torch.ones(1)}, tmp_path / "b.safetensors")
    write_index(tmp_path, {"a": "a.bin", "b": "b.safetensors"})
    with pytest.raises(ModelFileError, match="found both safetensors and torch shards"):
        open_checkpoint(tmp_path)


def test_an_index_is_no_shard(tmp_path):
    path = write_index(tmp_path, {"w": "pytorch_model.bin.index.json"})
    with pytest.raises(ModelFileError, match="found a JSON file, expected a shard"):
        open_checkpoint(path)


def test_a_damaged_shard_is_named(tmp_path):
    sharded(tmp_path)
    (tmp_path / "part-2.bin").write_bytes((tmp_path / "part-2.bin").read_bytes()[:-1])
    with pytest.raises(ModelFileError, match=r"part-2\.bin: truncated"):
        open_checkpoint(tmp_path)


BAD_INDICES = {
    "weight_map missing": ('{"metadata": {}}', "weight_map: found nothing"),
    "weight_map is a list": ('{"weight_map": ["a"]}', "weight_map: found a JSON list"),
    "weight_map: found an empty object": ('{"weight_map": {}}', "weight_map: found an empty object"),
    "cut short": ('{"weight_map": {"a": "b', "not JSON at line"),
    "tensor twice": ('{"weight_map": {"a": "b", "a": "c"}}', "the key 'a' twice"),
    "unprintable tensor": ('{"weight_map": {"a\\n": "b"}}', r"tensor name: found 'a\n'"),
    "too large": ('{"weight_map": {}' + " " * (8 << 20) + "}", "expected at most 8388608"),
    "too many": (json.dumps({"weight_map": {str(n): "a" for n in range(20_001)}}), "found 20001 tensors"),
    "deep": ('{"weight_map": ' + "[" * 100_000, "levels of nesting"),
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
