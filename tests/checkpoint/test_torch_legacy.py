"""torch's legacy format: valid files as torch reads them; forged and damaged ones are refused."""

from __future__ import annotations

import struct
from collections import OrderedDict

import numpy as np
import pytest
import torch
from samples.checkpoints import (
    LEGACY_HEAD,
    assert_equals_torch,
    call,
    check_every_truncation,
    check_mutations,
    check_refused,
    dict_of,
    integer,
    list_of,
    machine,
    make_legacy,
    name_of,
    pickled,
    plain_state_dict,
    storage,
    tensor,
    text,
    tuple_of,
    woven_state_dict,
)

from roberta_c.checkpoint import open_checkpoint
from roberta_c.errors import ModelFileError, UnsafeFileError

SIX_FLOATS = np.arange(6, dtype="<f4").tobytes()


def save_legacy(value: object, path: object) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def legacy_storage(**options: object) -> bytes:
    return storage(view=b"N", **options)


ROOT = dict_of(("w", tensor(legacy_storage())))


# Valid files.


@pytest.mark.parametrize("make", [plain_state_dict, woven_state_dict, OrderedDict])
def test_equals_torch(tmp_path, make):
    path = tmp_path / "weights.bin"
    save_legacy(make(), path)
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "torch-legacy"
    assert checkpoint.files == [path]
    assert_equals_torch(checkpoint, torch.load(path, weights_only=True))


def test_equals_torch_for_a_module_with_metadata(tmp_path):
    tensors = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3)).state_dict()
    save_legacy(tensors, tmp_path / "weights.bin")
    assert_equals_torch(open_checkpoint(tmp_path / "weights.bin"), tensors)


def test_equals_torch_on_the_small_checkpoint(tmp_path, tweet_sentiment_small):
    tensors = torch.load(tweet_sentiment_small / "pytorch_model.bin", weights_only=True)
    save_legacy(tensors, tmp_path / "pytorch_model.bin")
    assert_equals_torch(open_checkpoint(tmp_path), tensors)


def test_reads_views_of_storages(tmp_path):
    """torch before 0.4 could write a storage that is a part of another one."""
    view = storage(view=tuple_of(text("part"), integer(2), integer(3)))
    again = storage(view=tuple_of(text("part"), integer(2), integer(3)))
    root = dict_of(
        ("original", tensor(legacy_storage())),
        ("part", tensor(view, shape=(3,), strides=(1,))),
        ("end", tensor(again, first=1, shape=(2,), strides=(1,))),
    )
    path = tmp_path / "weights.bin"
    path.write_bytes(make_legacy(root))
    expected = torch.load(path, weights_only=False)
    assert [expected[name].tolist() for name in ("part", "end")] == [[2, 3, 4], [3, 4]]
    assert_equals_torch(open_checkpoint(path), expected)


def test_reads_the_oldest_tensors(tmp_path):
    """`_rebuild_tensor` of torch 0.1 to 0.3, and Python 2's short strings."""
    old = call(
        name_of("torch._utils", "_rebuild_tensor"),
        legacy_storage(),
        b"K\x00",
        tuple_of(b"K\x06"),
        tuple_of(b"K\x01"),
    )
    path = tmp_path / "weights.bin"
    path.write_bytes(make_legacy(b"}U\x01w" + old + b"s"))
    assert_equals_torch(open_checkpoint(path), torch.load(path, weights_only=False))


# Forged files.


def stream(root: bytes = ROOT, **options: object) -> bytes:
    return make_legacy(root, **options)


TWO = dict_of(("w", tensor(legacy_storage())), ("v", tensor(legacy_storage(key="1"))))

FORGED = {
    # The pickles before the state dict.
    "protocol 1000": (stream(head=LEGACY_HEAD[:15] + pickled(b"M\xe8\x03")), "protocol version: found 1000"),
    "protocol is a float": (
        stream(head=LEGACY_HEAD[:15] + pickled(b"G" + struct.pack(">d", 1001))),
        "protocol version: found float",
    ),
    "protocol is a string": (
        stream(head=LEGACY_HEAD[:15] + pickled(text("1001"))),
        "protocol version: found str",
    ),
    "big-endian": (stream(about=pickled(machine(b"\x89"))[2:-1]), "a big-endian machine"),
    "endianness is 1": (stream(about=machine(b"K\x01")), "an unknown machine"),
    "endianness missing": (stream(about=b"}"), "an unknown machine"),
    "machine is a list": (stream(about=b"]"), "an unknown machine"),
    "machine with a storage": (stream(about=legacy_storage()), "little-endian"),
    # The state dict.
    "a bare tensor": (stream(tensor(legacy_storage())), "found a tensor, expected a dict"),
    "zip storage in a stream": (stream(dict_of(("w", tensor(storage())))), "5 fields"),
    "reaches beyond": (
        stream(dict_of(("w", tensor(legacy_storage(), first=1)))),
        "a last element 6, expected one of the 6",
    ),
    "reaches beyond its view": (
        stream(
            dict_of(
                (
                    "w",
                    tensor(
                        storage(view=tuple_of(text("v"), integer(0), integer(3))), shape=(4,), strides=(1,)
                    ),
                )
            )
        ),
        "a last element 3, expected one of the 3",
    ),
    "expands its view": (
        stream(
            dict_of(
                (
                    "w",
                    tensor(
                        storage(view=tuple_of(text("v"), integer(0), integer(3))), shape=(4,), strides=(0,)
                    ),
                )
            )
        ),
        "found 4 elements, expected at most the 3",
    ),
    # The keys.
    "keys are a tuple": (stream(keys=tuple_of(text("0"))), "storage keys: found a tuple"),
    "keys are a dict": (stream(keys=b"}"), "storage keys: found a dict"),
    "key is an integer": (stream(keys=list_of(b"K\x00")), "storage keys: found 1 keys"),
    "an integer beside the key": (stream(keys=list_of(text("0"), b"K\x00")), "storage keys: found 2 keys"),
    "key is a list": (stream(keys=list_of(b"]")), "storage keys: found 1 keys"),
    "key unknown": (stream(keys=list_of(text("1"))), "storage keys: found 1 keys"),
    "key missing": (stream(keys=b"]"), "storage keys: found 0 keys"),
    "key twice": (stream(keys=list_of(text("0"), text("0"))), "storage keys: found 2 keys"),
    "key too many": (stream(keys=list_of(text("0"), text("1"))), "storage keys: found 2 keys"),
    # The storages.
    "count too small": (stream(storages=[("0", 5, SIX_FLOATS[:20])]), "found 5 elements, expected 6"),
    "count too large": (stream(storages=[("0", 7, SIX_FLOATS + bytes(4))]), "found 7 elements, expected 6"),
    "count negative": (stream(storages=[("0", -6, SIX_FLOATS)]), "found -6 elements, expected 6"),
    "data too short": (stream(storages=[("0", 6, SIX_FLOATS[:-1])]), "truncated"),
    "data too long": (stream(storages=[("0", 6, SIX_FLOATS + b"\x00")]), "found 1 bytes after the last"),
    "second storage missing": (
        stream(TWO, storages=[("0", 6, SIX_FLOATS)], keys=list_of(text("0"), text("1"))),
        "trunc",
    ),
    "no storages at all": (stream(b"}", storages=[]) + b"\x00", "found 1 bytes after the last storage"),
    "count promises terabytes": (
        make_legacy(dict_of(("w", tensor(legacy_storage(count=1 << 50)))), storages=[("0", 1 << 50, b"")]),
        "truncated",
    ),
}


@pytest.mark.parametrize("case", FORGED)
def test_refuses_forged_streams(tmp_path, case):
    check_refused(tmp_path, *FORGED[case])


def test_the_unaltered_file_is_valid(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(stream())
    assert torch.load(path, weights_only=True)["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert open_checkpoint(path).read("w").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("place", ["about", "root", "keys"])
def test_refuses_code_in_every_pickle(tmp_path, place):
    evil = call(name_of("os", "system"), text("true"))
    (tmp_path / "weights.bin").write_bytes(stream(**{place: evil}))
    with pytest.raises(UnsafeFileError, match=r"the global 'os\.system'"):
        open_checkpoint(tmp_path / "weights.bin")


def test_refuses_pickled_modules(tmp_path):
    save_legacy(torch.nn.Linear(2, 2), tmp_path / "weights.bin")
    with pytest.raises(UnsafeFileError):
        open_checkpoint(tmp_path / "weights.bin")


def test_refuses_pickles_beyond_8_mib(tmp_path):
    (tmp_path / "weights.bin").write_bytes(
        stream(dict_of(("w", text("a" * (5 << 20))), ("v", text("a" * (5 << 20)))))
    )
    with pytest.raises(ModelFileError):
        open_checkpoint(tmp_path / "weights.bin")


def test_truncation_at_every_byte(tmp_path):
    save_legacy({"weight": torch.arange(5.0), "bias": torch.zeros(0)}, tmp_path / "original.bin")
    check_every_truncation(
        (tmp_path / "original.bin").read_bytes(), tmp_path / "weights.bin", open_checkpoint
    )


def test_mutated_streams_are_read_or_refused(tmp_path):
    save_legacy(OrderedDict(weight=torch.arange(6.0).reshape(2, 3).t(), bias=torch.zeros(1)), tmp_path / "m")
    two = stream(TWO, storages=[("0", 6, SIX_FLOATS), ("1", 6, SIX_FLOATS)])
    for seed, original in enumerate([(tmp_path / "m").read_bytes(), two]):
        check_mutations(original, tmp_path / "weights.bin", 2000, seed)


def test_storages_in_another_order_than_the_state_dict(tmp_path):
    """Storages are in the order of the key list, which may differ from the state dict's."""
    other = np.arange(10, 16, dtype="<f4").tobytes()
    (tmp_path / "weights.bin").write_bytes(stream(TWO, storages=[("1", 6, other), ("0", 6, SIX_FLOATS)]))
    checkpoint = open_checkpoint(tmp_path / "weights.bin")
    assert checkpoint.read("w")[0].tolist() == [0, 1, 2]
    assert checkpoint.read("v")[0].tolist() == [10, 11, 12]
