"""torch's zip archives, forged or damaged: every one is refused, in bounded time and memory."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples.checkpoints import (
    Entry,
    assert_equals_torch,
    call,
    check_every_truncation,
    check_mutations,
    check_refused,
    dict_of,
    integer,
    is_read,
    list_of,
    make_zip,
    name_of,
    ordered_dict,
    pickled,
    storage,
    tensor,
    text,
    torch_entries,
    tuple_of,
)
from samples.torch_writer import writer_options

from roberta_c.checkpoint import open_checkpoint
from roberta_c.errors import ModelFileError, UnsafeFileError

# Forged files.

ROOT = dict_of(("w", tensor()))
EIGHT_BYTES = np.arange(2, dtype="<f4").tobytes()


def entries(pickle: bytes | None = None, **options: object) -> list[Entry]:
    return torch_entries(pickled(ROOT) if pickle is None else pickle, **options)


def changed(number: int, **changes: object) -> list[Entry]:
    """The valid entries, one of them (0: data.pkl, 2: the storage) altered."""
    altered = entries()
    for name, value in changes.items():
        if name == "both":
            altered[number].both(**value)
        else:
            setattr(altered[number], name, value)
    return altered


def tensor_of(count: int, **view: object) -> bytes:
    return make_zip(entries(pickled(dict_of(("w", tensor(storage(count=count), **view))))))


FORGED = {
    # The entries that torch writes.
    "no data.pkl": (make_zip(entries()[1:]), "without data.pkl"),
    "TorchScript": (make_zip([*entries(), Entry("archive/constants.pkl", b"")]), "TorchScript"),
    "big-endian": (make_zip(entries(byteorder="big")), "byte order: found 'big', expected 'little'"),
    "odd byte order": (make_zip(entries(byteorder="little\x00")), "byte order"),
    "long byte order": (make_zip(entries(byteorder="l" * 65)), "expected a text of at most 64"),
    "version 11": (make_zip(changed(3, data=b"11\n")), "version: found '11', expected 1 to 10"),
    "version x": (make_zip(changed(3, data=b"x")), "version: found 'x'"),
    "bytes after the pickle": (make_zip(entries(pickled(ROOT) + b"N")), "bytes after the pickle"),
    "pickle too long": (make_zip(entries(pickled(text("a" * (8 << 20))))), "expected at most 8388608"),
    "no such storage": (make_zip(entries(storages={"1": bytes(24)})), "no storage '0'"),
    "storage too short": (make_zip(entries(storages={"0": bytes(20)})), "found 20 bytes, expected 24"),
    "storage too long": (make_zip(entries(storages={"0": bytes(28)})), "found 28 bytes, expected 24"),
    "storage size wraps": (tensor_of((1 << 62) + 6), "elements"),
    "storage key of a path": (
        make_zip(entries(pickled(dict_of(("w", tensor(storage(key="../version"))))))),
        "no storage '../version'",
    ),
    # Tensors that do not fit their storages.
    "negative size": (tensor_of(6, shape=(-2, 3)), "negative size -2"),
    "negative stride": (tensor_of(6, first=5, strides=(-3, 1)), "expected no negative ones"),
    "negative offset": (tensor_of(6, first=-1), "expected no negative ones"),
    "stride of 64 bits that no element needs": (
        tensor_of(6, shape=(1, 3), strides=(1 << 63, 1)),
        "expected smaller ones",
    ),
    "offset beyond the storage": (tensor_of(6, first=1), "a last element 6, expected one of the 6"),
    "stride beyond the storage": (tensor_of(6, strides=(4, 1)), "a last element 6, expected one of the 6"),
    "last step beyond by one": (
        tensor_of(6, shape=(7,), strides=(1,)),
        "a last element 6, expected one of the 6",
    ),
    "empty beyond the storage": (
        tensor_of(6, first=7, shape=(0,), strides=(1,)),
        "a start at element 7, expected the 6",
    ),
    "rank 9": (tensor_of(6, shape=(1,) * 9, strides=(1,) * 9), "9 dimensions"),
    "ranks differ": (tensor_of(6, shape=(6,), strides=(1, 1)), "2 strides, expected 1"),
    "expansion": (tensor_of(6, shape=(7,), strides=(0,)), "found 7 elements, expected at most the 6"),
    "expansion bomb": (
        tensor_of(6, shape=(1 << 40, 6), strides=(0, 1)),
        "expected at most the 6 elements of its storage",
    ),
    "shape overflows": (
        tensor_of(6, shape=(1 << 31, 1 << 31, 4), strides=(0, 0, 0)),
        "fewer elements: no file",
    ),
    "shape overflows beside zero": (
        tensor_of(6, shape=(0, 1 << 62), strides=(0, 0)),
        "fewer elements: no file",
    ),
    "stride overflows": (tensor_of(6, shape=(2,), strides=(1 << 100,)), "expected smaller ones"),
}


@pytest.mark.parametrize("case", FORGED)
def test_refuses_forged_archives(tmp_path, case):
    check_refused(tmp_path, *FORGED[case])


def test_the_unaltered_file_is_valid(tmp_path):
    """Without the forged files' changes, the archive is valid for torch, zipfile and this reader."""
    path = tmp_path / "weights.bin"
    path.write_bytes(make_zip(entries()))
    assert zipfile.ZipFile(path).testzip() is None
    assert torch.load(path, weights_only=True)["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert open_checkpoint(path).read("w").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_refuses_a_damaged_pickle_by_its_checksum(tmp_path):
    """Without the checksum, a changed stride would be read without an error."""
    torch.save({"w": torch.arange(12.0).reshape(3, 4)}, tmp_path / "weights.bin")
    original = bytearray((tmp_path / "weights.bin").read_bytes())
    at = original.index(b"K\x04K\x01\x86")  # the strides (4, 1)
    original[at + 1] = 2
    (tmp_path / "weights.bin").write_bytes(original)
    with pytest.raises(ModelFileError, match=r"data\.pkl: damaged: found CRC"):
        open_checkpoint(tmp_path / "weights.bin")


def test_unused_entries_are_reported(tmp_path, caplog):
    path = tmp_path / "weights.bin"
    path.write_bytes(
        make_zip([*entries(storages={"0": bytes(24), "9": b"hidden"}), Entry("archive/extra", b"x")])
    )
    assert list(open_checkpoint(path).tensors) == ["w"]
    assert "weights.bin: ignored 2 zip entries, such as 'data/9'" in caplog.text


def test_expanded_tensors_of_torch_are_refused(tmp_path):
    torch.save({"w": torch.ones(1).expand(1000)}, tmp_path / "weights.bin")
    with pytest.raises(
        ModelFileError, match="tensor 'w': found 1000 elements, expected at most the 1 elements"
    ):
        open_checkpoint(tmp_path / "weights.bin")


def test_opening_allocates_nothing_for_the_tensors(tmp_path):
    """A tensor of a gigabyte in a sparse file: opening it allocates almost no memory."""
    count = 1 << 28
    root = dict_of(("w", tensor(storage(count=count), shape=(count,), strides=(1,))), ("n", integer(1)))
    parts = entries(pickled(root), storages={"0": b""})
    with open(tmp_path / "weights.bin", "wb") as file:
        # The storage's entry gets its true size but no data: the data becomes a hole in the sparse file.
        parts[2].central |= {"size": count * 4, "packed": count * 4}
        parts[2].descriptor = b""
        parts[2].local["extra"] = bytes(-len(make_zip(parts[:3]).partition(b"PK\x01\x02")[0]) % 64)
        head = make_zip(parts[:3])
        offset = head.index(b"PK\x01\x02")
        file.write(head[:offset])
        file.seek(count * 4, os.SEEK_CUR)
        file.write(struct.pack("<4s3I", b"PK\x07\x08", 0, count * 4, count * 4))
        start = file.tell()
        directory = head[offset : head.index(b"PK\x06\x06")]
        file.write(directory)
        file.write(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 3, 3, len(directory), start, 0))
    tracemalloc.start()
    try:
        checkpoint = open_checkpoint(tmp_path / "weights.bin")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert checkpoint.tensors["w"].shape == (count,)


def test_truncation_at_every_byte(tmp_path):
    torch.save({"weight": torch.arange(5.0), "bias": torch.zeros(0)}, tmp_path / "original.bin")
    check_every_truncation(
        (tmp_path / "original.bin").read_bytes(), tmp_path / "weights.bin", open_checkpoint
    )


def test_mutated_archives_are_read_or_refused(tmp_path):
    with writer_options(crc32=False):  # with checksums, most changes of data.pkl would end at the checksum
        torch.save(
            OrderedDict(weight=torch.arange(6.0).reshape(2, 3).t(), bias=torch.zeros(1)), tmp_path / "m"
        )
    for seed, original in enumerate([(tmp_path / "m").read_bytes(), make_zip(entries())]):
        check_mutations(original, tmp_path / "weights.bin", 2000, seed)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 12),
    first=st.integers(-1, 12),
    dimensions=st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 7)), max_size=4),
)
def test_views_equal_torch_or_are_refused(tmp_path, count, first, dimensions):
    """For any offset, shape and strides: the same elements as in torch, or an error."""
    shape, strides = zip(*dimensions, strict=True) if dimensions else ((), ())
    data = np.arange(count, dtype="<i8").tobytes()
    root = dict_of(("w", tensor(storage("Long", count=count), first, shape, strides)))
    path = tmp_path / "weights.bin"
    path.write_bytes(make_zip(entries(pickled(root), storages={"0": data})))
    try:
        expected = torch.load(path, weights_only=True)["w"]
    except RuntimeError:
        expected = None
    if is_read(lambda: open_checkpoint(path)):
        assert expected is not None
        assert_equals_torch(open_checkpoint(path), {"w": expected})
    else:
        # This reader is stricter than torch, which reads sizes such as (0, -1) and expanded tensors.
        elements = expected.numel() if expected is not None else 0
        stricter = min(shape, default=0) < 0 or elements > count or (elements == 0 and first > count)
        assert expected is None or stricter or min(strides, default=0) < 0


def test_unknown_calls_in_an_archive_are_refused(tmp_path):
    """From open_checkpoint down, with a handmade pickle: os.system is never called."""
    evil = call(name_of("os", "system"), text("touch /tmp/roberta_c_was_here"))
    for body in (evil, dict_of(("w", evil)), list_of(evil), tuple_of(ordered_dict(), evil)):
        (tmp_path / "weights.bin").write_bytes(make_zip(entries(pickled(body))))
        with pytest.raises(UnsafeFileError, match=r"the global 'os\.system'"):
            open_checkpoint(tmp_path / "weights.bin")
    assert not os.path.exists("/tmp/roberta_c_was_here")
