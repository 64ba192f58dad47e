"""safetensors: valid files as torch and the reference reader read them; malformed headers are refused."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from samples.checkpoints import (
    assert_equals_torch,
    check_every_truncation,
    check_mutations,
    is_read,
    make_safetensors,
    plain_state_dict,
)

from roberta_c.checkpoint import open_checkpoint
from roberta_c.errors import ModelFileError
from roberta_c.files.json_object import MAX_JSON_BYTES, parse_object

SIX_FLOATS = np.arange(6, dtype="<f4").tobytes()


def entry(dtype: object = "F32", shape: object = (2, 3), begin: object = 0, end: object = 24) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


# Valid files.


def test_equals_torch(tmp_path):
    tensors = plain_state_dict()
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.format == "safetensors"
    in_file_order = {name: tensors[name] for name in checkpoint.tensors}
    assert in_file_order.keys() == tensors.keys()
    assert_equals_torch(checkpoint, in_file_order)


def test_names_come_in_the_headers_order(tmp_path):
    header = {"z": entry(end=4, shape=[1]), "a": entry(begin=4, shape=[5], end=24)}
    (tmp_path / "weights").write_bytes(make_safetensors(header, SIX_FLOATS))
    assert list(open_checkpoint(tmp_path / "weights").tensors) == ["z", "a"]


def test_arrays_are_aligned_whatever_the_file(tmp_path):
    header = json.dumps({"w": entry()})
    for padding in range(4):
        path = tmp_path / f"{padding}.safetensors"
        path.write_bytes(make_safetensors(header + " " * padding, SIX_FLOATS))
        array = open_checkpoint(path).read("w")
        assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
        assert array.flags.aligned
        assert array.flags.c_contiguous
        assert not array.flags.writeable


def test_empty_tensors_may_lie_anywhere_between(tmp_path):
    header = {
        "w": entry(shape=[4], end=16),
        "first": entry(shape=[0], end=0),
        "between": entry(shape=[3, 0], begin=16, end=16),
        "v": entry(shape=[2], begin=16),
        "last": entry(shape=[0, 7], begin=24),
        "none": entry("BF16", shape=[0], begin=24),
    }
    path = tmp_path / "weights.safetensors"
    path.write_bytes(make_safetensors(header, SIX_FLOATS))
    checkpoint = open_checkpoint(path)
    with safe_open(path, "pt") as reference:
        assert_equals_torch(checkpoint, {name: reference.get_tensor(name) for name in header})


def test_no_tensors_at_all(tmp_path):
    save_file({}, tmp_path / "model.safetensors")
    assert open_checkpoint(tmp_path).tensors == {}


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (torch.uint16, "uint16"),
        (torch.uint32, "uint32"),
        (torch.uint64, "uint64"),
        (torch.complex64, "complex64"),
        (torch.float8_e4m3fn, "float8_e4m3"),
        (torch.float8_e5m2, "float8_e5m2"),
    ],
)
def test_other_dtypes_are_listed_but_not_read(tmp_path, dtype, name):
    save_file({"w": torch.ones(2, 3).to(dtype), "v": torch.ones(2)}, tmp_path / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.tensors["w"].dtype == name
    assert checkpoint.tensors["w"].shape == (2, 3)
    assert checkpoint.read("v").tolist() == [1, 1]
    for read in (checkpoint.read, checkpoint.read_float32):
        with pytest.raises(ModelFileError, match=f"'w': dtype: found '{name}', expected one of float"):
            read("w")


def test_unknown_dtypes_are_listed_but_not_read(tmp_path):
    (tmp_path / "weights").write_bytes(make_safetensors({"w": entry("F4_NEW", [2, 3], end=3)}, b"abc"))
    checkpoint = open_checkpoint(tmp_path / "weights")
    assert checkpoint.tensors["w"].dtype == "F4_NEW"
    with pytest.raises(ModelFileError, match="'w': dtype: found 'F4_NEW', expected one of"):
        checkpoint.read("w")


# Forged files.

HEADER = {"w": entry()}
REFUSED_BY_US_ALONE = {
    # The reference reader accepts these; they are useless or need too much memory.
    "extra key",
    "unprintable name",
    "header beyond 8 MiB",
    "rank 9",
    "metadata key twice",
    "key twice",
    "shape overflows beside zero",
    "unknown dtype of terminal codes",
}

FORGED = {
    # Header length.
    "length beyond the file": (make_safetensors(HEADER, SIX_FLOATS, length=1000), "truncated"),
    "length beyond 8 MiB": (
        make_safetensors(HEADER, SIX_FLOATS, length=MAX_JSON_BYTES + 1),
        "at most 8388608",
    ),
    "length of terabytes": (make_safetensors(HEADER, SIX_FLOATS, length=1 << 40), "at most 8388608"),
    "header beyond 8 MiB": (
        make_safetensors(json.dumps(HEADER) + " " * (8 << 20), SIX_FLOATS),
        "expected at most 8388608",
    ),
    "length too short": (make_safetensors(HEADER, SIX_FLOATS, length=30), "not JSON"),
    "length too long": (make_safetensors(HEADER, SIX_FLOATS, length=len(json.dumps(HEADER)) + 4), "not JSON"),
    # JSON.
    "not UTF-8": (make_safetensors(b'{"\xff": 1}'), "byte 2 is not UTF-8"),
    "UTF-8 cut": (make_safetensors(b'{"\xe2\x82'), "is not UTF-8"),
    "deep": (make_safetensors('{"a":' + "[" * 100_000), "levels of nesting"),
    "two objects": (make_safetensors("{}{}"), "not JSON"),
    "key twice": (
        make_safetensors('{"w":' + json.dumps(entry()) + "," + json.dumps(HEADER)[1:], SIX_FLOATS),
        "'w' twice",
    ),
    "metadata key twice": (make_safetensors('{"__metadata__":{"a":"","a":""}}'), "'a' twice"),
    "NaN": (make_safetensors('{"w": NaN}'), "found the number 'NaN'"),
    "minus infinity": (make_safetensors('{"w": -Infinity}'), "found the number '-Infinity'"),
    "number of 33 digits": (make_safetensors('{"w": ' + "1" * 33 + "}"), "33 digits"),
    "number of a million digits": (make_safetensors('{"w": ' + "1" * 1_000_000 + "}"), "1000000 digits"),
    "fraction of a million digits": (make_safetensors('{"w": 0.' + "1" * 1_000_000 + "}"), "digits"),
    # Entries.
    "entry is null": (make_safetensors({"w": None}), "expected exactly dtype, shape and data_offsets"),
    "entry is a list": (make_safetensors({"w": []}), "expected exactly dtype, shape and data_offsets"),
    "no dtype": (
        make_safetensors({"w": {"shape": [], "data_offsets": [0, 0]}}),
        "expected exactly dtype, shape and data_offsets",
    ),
    "no shape": (
        make_safetensors({"w": {"dtype": "F32", "data_offsets": [0, 0]}}),
        "expected exactly dtype, shape and data_offsets",
    ),
    "no offsets": (
        make_safetensors({"w": {"dtype": "F32", "shape": []}}),
        "expected exactly dtype, shape and data_offsets",
    ),
    "extra key": (
        make_safetensors({"w": entry() | {"strides": [1]}}, SIX_FLOATS),
        "expected exactly dtype, shape and data_offsets",
    ),
    "dtype is null": (make_safetensors({"w": entry(None)}, SIX_FLOATS), "dtype: found None"),
    "dtype is a list": (make_safetensors({"w": entry(["F32"])}, SIX_FLOATS), "dtype: found ['F32']"),
    "dtype is empty": (make_safetensors({"w": entry("")}, SIX_FLOATS), "dtype: found ''"),
    "unknown dtype of terminal codes": (
        make_safetensors({"w": entry("\x1b[31m")}, SIX_FLOATS),
        r"'\x1b[31m'",
    ),
    "dtype too long": (make_safetensors({"w": entry("F" * 33)}, SIX_FLOATS), "dtype: found"),
    "shape is a number": (make_safetensors({"w": entry(shape=6)}, SIX_FLOATS), "expected a list of integers"),
    "size is a float": (
        make_safetensors({"w": entry(shape=[6.0])}, SIX_FLOATS),
        "expected a list of integers",
    ),
    "size is true": (
        make_safetensors({"w": entry(shape=[True, 6])}, SIX_FLOATS),
        "expected a list of integers",
    ),
    "size is text": (make_safetensors({"w": entry(shape=["6"])}, SIX_FLOATS), "expected a list of integers"),
    "negative size": (make_safetensors({"w": entry(shape=[-2, -3])}, SIX_FLOATS), "negative size -3"),
    "rank 9": (make_safetensors({"w": entry(shape=[1] * 8 + [6])}, SIX_FLOATS), "9 dimensions"),
    "shape overflows": (
        make_safetensors({"w": entry(shape=[1 << 62, 4])}, SIX_FLOATS),
        "fewer elements: no file",
    ),
    "shape wraps to its range": (
        make_safetensors({"w": entry(shape=[(1 << 62) + 6])}, SIX_FLOATS),
        "fewer elements: no file",
    ),
    "shape overflows beside zero": (
        make_safetensors({"w": entry(shape=[0, 1 << 62, 4], end=0)}),
        "fewer elements: no file",
    ),
    "shape too large": (
        make_safetensors({"w": entry(shape=[7])}, SIX_FLOATS),
        "found 24 bytes of data, expected 28",
    ),
    "shape too small": (
        make_safetensors({"w": entry(shape=[5])}, SIX_FLOATS),
        "found 24 bytes of data, expected 20",
    ),
    "other dtype": (make_safetensors({"w": entry("F64")}, SIX_FLOATS), "expected 48"),
    "listed dtype checked too": (make_safetensors({"w": entry("F8_E4M3")}, SIX_FLOATS), "expected 6"),
    "three offsets": (
        make_safetensors({"w": entry() | {"data_offsets": [0, 24, 24]}}, SIX_FLOATS),
        "expected two integers",
    ),
    "offset is a float": (make_safetensors({"w": entry(end=24.0)}, SIX_FLOATS), "expected two integers"),
    "offset is false": (make_safetensors({"w": entry(begin=False)}, SIX_FLOATS), "expected two integers"),
    "negative offset": (
        make_safetensors({"w": entry(begin=-24, end=0)}, SIX_FLOATS),
        "data_offsets: found [-24, 0]",
    ),
    "reversed offsets": (
        make_safetensors({"w": entry(begin=24, end=0)}, SIX_FLOATS),
        "data_offsets: found [24, 0]",
    ),
    "offsets beyond the file": (
        make_safetensors(HEADER, SIX_FLOATS[:-1]),
        "truncated: found 23 bytes of data, expected the 24",
    ),
    "unprintable name": (make_safetensors({"a\nb": entry()}, SIX_FLOATS), r"tensor name: found 'a\nb'"),
    "surrogate name": (make_safetensors('{"\\ud800":' + json.dumps(entry()) + "}", SIX_FLOATS), r"'\ud800'"),
    "metadata is a list": (make_safetensors(HEADER | {"__metadata__": []}, SIX_FLOATS), "__metadata__"),
    "metadata of numbers": (
        make_safetensors(HEADER | {"__metadata__": {"a": 1}}, SIX_FLOATS),
        "__metadata__",
    ),
    # Ranges.
    "bytes after": (make_safetensors(HEADER, SIX_FLOATS + b"\x00"), "1 bytes after the last tensor"),
    "bytes before": (make_safetensors({"w": entry(begin=4, end=28)}, bytes(28)), "a gap before it"),
    "gap": (
        make_safetensors({"w": entry(), "v": entry(begin=28, end=52)}, bytes(52)),
        "'v': found a gap before it: a start at byte 28 of the data, expected byte 24",
    ),
    "overlap": (
        make_safetensors({"w": entry(), "v": entry(begin=20, end=44)}, bytes(44)),
        "'v': found an overlap",
    ),
    "same range twice": (
        make_safetensors({"w": entry(), "v": entry()}, SIX_FLOATS),
        "an overlap with the tensor before it",
    ),
    "overlap behind an empty tensor": (
        make_safetensors(
            {"w": entry(), "empty": entry(shape=[0], begin=20, end=20), "v": entry(begin=20, end=44)},
            bytes(44),
        ),
        "'empty': found an overlap",
    ),
    "empty tensor beyond": (
        make_safetensors({"w": entry(), "empty": entry(shape=[0], begin=99, end=99)}, SIX_FLOATS),
        "'empty': found a gap",
    ),
    "no data for tensors": (make_safetensors(HEADER), "truncated"),
    "data without tensors": (make_safetensors({}, SIX_FLOATS), "24 bytes after the last tensor"),
}


@pytest.mark.parametrize("case", FORGED)
def test_refuses_forged_files(tmp_path, case):
    data, fragment = FORGED[case]
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        open_checkpoint(path)
    message = str(caught.value)
    assert fragment in message
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 250 + len(str(path))
    if case not in REFUSED_BY_US_ALONE:
        with pytest.raises(SafetensorError), safe_open(path, "np"):
            pass


def test_refuses_too_many_tensors(tmp_path):
    header = {str(number): entry(shape=[0], end=0) for number in range(20_001)}
    (tmp_path / "weights").write_bytes(make_safetensors(header))
    with pytest.raises(ModelFileError, match="found 20001 tensors, expected at most 20000"):
        open_checkpoint(tmp_path / "weights")


GREEDY = {
    "empty lists": '{"a":[' + "[]," * 2_700_000 + "[]]}",
    "empty objects": '{"a":[' + "{}," * 2_700_000 + "{}]}",
    "zeros": '{"a":[' + "0," * 4_000_000 + "0]}",
    "numbers": '{"a":[' + "999," * 2_000_000 + "0]}",
    "fractions": '{"a":[' + "1.5," * 2_000_000 + "0]}",
    "short keys": "{" + ",".join(f'"{number:x}":0' for number in range(700_000)) + "}",
    "one name": '{"' + "a" * 8_000_000 + '":0}',
    "one wide name": '{"' + "a" * 8_000_000 + '\U0001f642":0}',
    "many tensors": "{"
    + ",".join(f'"{n:x}":{json.dumps(entry(shape=[0], end=0))}' for n in range(90_000))
    + "}",
    # Just below the limit of the estimated memory, so that all objects are really built.
    "lists within": '{"a":[' + "[]," * 90_000 + "[]]}",
    "objects within": '{"a":[' + "{}," * 90_000 + "{}]}",
    "keys within": "{" + ",".join(f'"{number:x}":1.5' for number in range(170_000)) + "}",
    "fractions within": '{"a":[' + "1.5," * 190_000 + "0]}",
    "wide name within": '{"' + "a" * 5_000_000 + 'é":0}',
    "tensors within": "{"
    + ",".join(f'"{n:x}":{json.dumps(entry(shape=[0], end=0))}' for n in range(19_999))
    + "}",
}


@pytest.mark.untraced
@pytest.mark.parametrize("case", GREEDY)
def test_memory_and_time_stay_bounded(tmp_path, case):
    """At most 64 MiB and 1 s per megabyte, whatever the header."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(make_safetensors(GREEDY[case]))
    tracemalloc.start()
    try:
        is_read(lambda: open_checkpoint(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 64 << 20

    def seconds() -> float:
        started = time.process_time()
        is_read(lambda: open_checkpoint(path))
        return time.process_time() - started

    # The least of five runs: other processes make a run slower, and none makes it faster.
    limit = max(1, path.stat().st_size / 1e6)
    assert any(seconds() < limit for _ in range(5))


def test_parse_object_takes_what_json_takes(tmp_path):
    document = {"a": [1, -2, 3.5, True, False, None, "ü\U0001f642"], "b": {"c": {}}, "d": 10**31}
    assert parse_object(json.dumps(document).encode(), tmp_path) == document
    assert parse_object(json.dumps(document, ensure_ascii=False).encode(), tmp_path) == document


def test_truncation_at_every_byte(tmp_path):
    save_file({"weight": torch.arange(5.0), "bias": torch.zeros(0)}, tmp_path / "original")
    check_every_truncation(
        (tmp_path / "original").read_bytes(), tmp_path / "model.safetensors", open_checkpoint
    )


def test_mutated_files_are_read_or_refused(tmp_path):
    save_file(
        {"weight": torch.arange(5.0).half(), "bias": torch.zeros(0), "v": torch.ones(2, 2)},
        tmp_path / "original",
    )
    check_mutations((tmp_path / "original").read_bytes(), tmp_path / "weights", 2000, seed=3)


def test_the_header_length_is_little_endian(tmp_path):
    raw = json.dumps(HEADER).encode()
    (tmp_path / "weights").write_bytes(struct.pack(">Q", len(raw)) + raw + SIX_FLOATS)
    with pytest.raises(ModelFileError, match="a file that begins with"):
        open_checkpoint(tmp_path / "weights")


def test_a_dtype_is_a_short_ascii_name(tmp_path):
    for code in ("é", "F\n", "", "F" * 33, 32, None):
        header = {"w": {**entry(), "dtype": code}}
        (tmp_path / "weights").write_bytes(make_safetensors(header, SIX_FLOATS))
        with pytest.raises(ModelFileError, match=r"dtype: found .*, expected a short name such as F32"):
            open_checkpoint(tmp_path / "weights")
