"""Checkpoint files for the tests of roberta_c.checkpoint: honest ones, and ones forged byte by byte."""

from __future__ import annotations

import json
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from roberta_c.checkpoint import Checkpoint, open_checkpoint
from roberta_c.errors import ModelFileError, RobertaCError

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "int32": torch.int32,
    "int16": torch.int16,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


# Honest files.


def plain_state_dict() -> OrderedDict[str, torch.Tensor]:
    """One tensor of each dtype, a scalar, two empty ones and odd sizes; all contiguous, nothing shared."""
    torch.manual_seed(7)
    tensors = OrderedDict()
    for name, dtype in DTYPES.items():
        values = torch.randn(3, 5) * 40
        tensors[f"encoder.{name}"] = values > 0 if dtype is torch.bool else values.to(dtype)
    tensors["scalar"] = torch.tensor(2.5)
    tensors["empty"] = torch.zeros(0)
    tensors["empty.rows"] = torch.zeros(0, 7, dtype=torch.float16)
    tensors["odd"] = torch.randn(1, 1, 13)
    tensors["special"] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    return tensors


def woven_state_dict() -> OrderedDict[str, torch.Tensor]:
    """Tied, overlapping, transposed, strided and expanded tensors, and parameters."""
    torch.manual_seed(8)
    table = torch.randn(12, 8)
    long_row = torch.randn(64)
    return OrderedDict(
        table=table,
        tied=table,
        transposed=table.t(),
        window=table[3:7],
        columns=table[:, 2:5],
        every_third=long_row[1::3],
        grid=long_row.as_strided((4, 5), (3, 7), 2),
        overlapping=long_row.as_strided((3, 4), (2, 1), 5),
        permuted=torch.randn(2, 3, 4).permute(2, 0, 1),
        positions=torch.arange(9).expand((1, -1)),
        half_window=torch.randn(6, 6).half()[2:, 1:4],
        parameter=torch.nn.Parameter(torch.randn(4, 3)),
        frozen=torch.nn.Parameter(torch.randn(3), requires_grad=False),
        parameter_view=torch.nn.Parameter(torch.randn(4, 3)).detach().t(),
        none_left=table[4:4],
    )


def torch_bytes(tensor: torch.Tensor) -> bytes:
    """The elements in C order, as they lie in memory."""
    tensor = tensor.detach()
    return (tensor.view(torch.int16) if tensor.dtype is torch.bfloat16 else tensor).numpy().tobytes()


def assert_equals_torch(checkpoint: Checkpoint, expected: dict[str, torch.Tensor]) -> None:
    """Same names in the same order; same dtype, shape and bits; arrays as the contract says."""
    assert list(checkpoint.tensors) == list(expected)
    for name, tensor in expected.items():
        info = checkpoint.tensors[name]
        assert (info.name, info.shape) == (name, tuple(tensor.shape))
        assert DTYPES[info.dtype] is tensor.dtype
        array = checkpoint.read(name)
        assert array.shape == info.shape
        assert array.dtype == np.dtype("uint16" if info.dtype == "bfloat16" else info.dtype)
        assert array.tobytes() == torch_bytes(tensor), name
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert not array.flags.writeable


def check_every_truncation(complete: bytes, path: Path, read: Callable[[Path], object]) -> None:
    """`read` must read `complete`, and raise ModelFileError naming the file for each shorter prefix."""
    for length in range(len(complete)):
        path.write_bytes(complete[:length])
        with pytest.raises(ModelFileError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    path.write_bytes(complete)
    read(path)


def is_read(read: Callable[[], object]) -> bool:
    """Whether `read()` succeeds. If not, it must fail in the one way allowed: a short RobertaCError."""
    try:
        read()
    except RobertaCError as error:
        message = str(error)
    else:
        return True
    assert message.isprintable()
    assert len(message) < 500
    return False


def read_all(path: Path) -> None:
    """Open a checkpoint and read every tensor that has one of the dtypes above."""
    checkpoint = open_checkpoint(path)
    for name, info in checkpoint.tensors.items():
        if info.dtype in DTYPES:
            assert checkpoint.read(name).shape == info.shape


def check_mutations(complete: bytes, path: Path, count: int, seed: int) -> None:
    """Mutations of `complete` must be read or refused, and some of each must occur."""
    outcomes = []
    for data in mutations(complete, count, seed):
        path.write_bytes(data)
        outcomes.append(is_read(lambda: read_all(path)))
    assert count // 100 < sum(outcomes) < count - count // 100


def mutations(complete: bytes, count: int, seed: int) -> Iterator[bytes]:
    """`complete` with one to four bytes changed, dropped, doubled or swapped for a telling value."""
    random = np.random.default_rng(seed)
    telling = (0x00, 0x01, 0x7F, 0x80, 0xFF, ord("("), ord("h"), ord("R"), ord("Q"), ord("t"), ord("b"))
    for _ in range(count):
        mutated = bytearray(complete)
        for _ in range(int(random.integers(1, 5))):
            at = int(random.integers(len(mutated)))
            match int(random.integers(6)):
                case 0 | 1:
                    mutated[at] = int(random.integers(256))
                case 2:
                    mutated[at] = telling[int(random.integers(len(telling)))]
                case 3:
                    mutated[at] ^= 1 << int(random.integers(8))
                case 4:
                    del mutated[at : at + int(random.integers(1, 9))]
                case 5:
                    mutated[at:at] = mutated[at : at + int(random.integers(1, 9))]
            if not mutated:
                break
        yield bytes(mutated)


# Forged pickles: each function gives the opcodes that push one value.

PROTO = b"\x80\x02"
STOP = b"."


def pickled(body: bytes) -> bytes:
    return PROTO + body + STOP


def text(value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def list_of(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def integers(*values: int) -> bytes:
    return tuple_of(*(integer(value) for value in values))


def name_of(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def call(called: bytes, *arguments: bytes) -> bytes:
    return called + tuple_of(*arguments) + b"R"


def ordered_dict() -> bytes:
    return name_of("collections", "OrderedDict") + b")R"


def dict_of(*pairs: tuple[str | bytes, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in pairs) + b"u"


def storage(
    kind: str = "Float", key: str = "0", count: int = 6, *, location: str = "cpu", view: bytes | None = None
) -> bytes:
    """A persistent id; `view` (opcodes) makes it a legacy one."""
    fields = [text("storage"), name_of("torch", f"{kind}Storage"), text(key), text(location), integer(count)]
    return tuple_of(*fields, *([] if view is None else [view])) + b"Q"


def tensor(
    stored: bytes | None = None,
    first: int = 0,
    shape: tuple[int, ...] = (2, 3),
    strides: tuple[int, ...] = (3, 1),
) -> bytes:
    return call(
        name_of("torch._utils", "_rebuild_tensor_v2"),
        storage() if stored is None else stored,
        integer(first),
        integers(*shape),
        integers(*strides),
        b"\x89",
        ordered_dict(),
    )


# Forged zip archives.

_LOCAL_FIELDS = ("signature", "version", "flags", "method", "time", "date", "crc", "packed", "size")
_CENTRAL_FIELDS = ("signature", "made_by", *_LOCAL_FIELDS[1:])


@dataclass
class Entry:
    """One zip entry as torch writes it, but for the header fields that `local` and `central` override.

    `local` and `central` may also hold `name` and `extra` (bytes), `central` also `comment` (bytes), `disk`
    and `offset`. `descriptor` replaces the 16 bytes after the data.
    """

    name: str
    data: bytes
    local: dict = field(default_factory=dict)
    central: dict = field(default_factory=dict)
    descriptor: bytes | None = None

    def both(self, **fields: object) -> Entry:
        self.local.update(fields)
        self.central.update(fields)
        return self


def torch_entries(
    pickle: bytes,
    storages: dict[str, bytes] | None = None,
    *,
    prefix: str = "archive",
    byteorder: str = "little",
) -> list[Entry]:
    """The entries of a small archive; `storages` defaults to key "0" with the floats 0 to 5."""
    if storages is None:
        storages = {"0": np.arange(6, dtype="<f4").tobytes()}
    parts = {"data.pkl": pickle, "byteorder": byteorder.encode()}
    parts |= {f"data/{key}": data for key, data in storages.items()} | {"version": b"3\n"}
    return [Entry(f"{prefix}/{name}", data) for name, data in parts.items()]


def make_zip(
    entries: list[Entry],
    *,
    end: dict | None = None,
    end64: dict | None = None,
    gaps: dict[int, bytes] | None = None,
) -> bytes:
    """The archive. `end`, `end64` override fields of the end records; `gaps` puts bytes before an entry."""
    archive, directory = bytearray(), bytearray()
    for number, entry in enumerate(entries):
        archive += (gaps or {}).get(number, b"")
        offset = len(archive)
        name, crc, size = entry.name.encode(), zlib.crc32(entry.data), len(entry.data)
        common = {"version": 0, "flags": 0x0808, "method": 0, "time": 0, "date": 0}
        local = common | {"signature": b"PK\x03\x04", "crc": 0, "packed": 0, "size": 0}
        local |= {"name": name, "extra": b""} | entry.local
        archive += struct.pack("<4s5H3I", *(local[key] for key in _LOCAL_FIELDS))
        archive += (
            struct.pack("<2H", len(local["name"]), len(local["extra"])) + local["name"] + local["extra"]
        )
        archive += entry.data
        descriptor = struct.pack("<4s3I", b"PK\x07\x08", crc, size, size)
        archive += descriptor if entry.descriptor is None else entry.descriptor

        central = common | {
            "signature": b"PK\x01\x02",
            "made_by": 0,
            "crc": crc,
            "packed": size,
            "size": size,
        }
        central |= {"name": name, "extra": b"", "comment": b"", "disk": 0, "offset": offset} | entry.central
        directory += struct.pack("<4s6H3I", *(central[key] for key in _CENTRAL_FIELDS))
        lengths = (len(central["name"]), len(central["extra"]), len(central["comment"]))
        directory += struct.pack("<5H2I", *lengths, central["disk"], 0, 0, central["offset"])
        directory += central["name"] + central["extra"] + central["comment"]
    archive += (gaps or {}).get(len(entries), b"")
    return bytes(archive + directory) + _zip_end(len(archive), len(directory), len(entries), end, end64)


def _zip_end(offset: int, size: int, count: int, end: dict | None, end64: dict | None) -> bytes:
    fields64 = {
        "disk": 0,
        "directory_disk": 0,
        "count_here": count,
        "count": count,
        "size": size,
        "offset": offset,
    }
    fields32 = fields64 | {"comment": b""} | (end or {})
    fields64 |= {
        "signature": b"PK\x06\x06",
        "record": 44,
        "at": offset + size,
        "locator_disk": 0,
        "disks": 1,
    } | (end64 or {})
    keys = ("disk", "directory_disk", "count_here", "count", "size", "offset")
    record = struct.pack("<4sQ2H", fields64["signature"], fields64["record"], 0, 0)
    record += struct.pack("<2I4Q", *(fields64[key] for key in keys))
    record += struct.pack(
        "<4sIQI", b"PK\x06\x07", fields64["locator_disk"], fields64["at"], fields64["disks"]
    )
    record += b"PK\x05\x06" + struct.pack("<4H2I", *(fields32[key] for key in keys))
    return record + struct.pack("<H", len(fields32["comment"])) + fields32["comment"]


# Forged legacy streams and safetensors files.

LEGACY_HEAD = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + pickled(b"M\xe9\x03")


def machine(little_endian: bytes = b"\x88") -> bytes:
    return dict_of(("protocol_version", b"M\xe9\x03"), ("little_endian", little_endian), ("type_sizes", b"}"))


def make_legacy(
    root: bytes,
    storages: list[tuple[str, int, bytes]] | None = None,
    *,
    keys: bytes | None = None,
    head: bytes = LEGACY_HEAD,
    about: bytes | None = None,
) -> bytes:
    """A legacy stream of the pickle body `root`; `storages` lists key, count and data."""
    if storages is None:
        storages = [("0", 6, np.arange(6, dtype="<f4").tobytes())]
    if keys is None:
        keys = list_of(*(text(key) for key, _, _ in storages))
    stream = head + pickled(machine() if about is None else about) + pickled(root) + pickled(keys)
    return stream + b"".join(struct.pack("<q", count) + data for _, count, data in storages)


def make_safetensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """`header` as JSON text (a str or bytes is taken as it is), then the data."""
    raw = header if isinstance(header, bytes) else None
    if raw is None:
        raw = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def check_refused(folder: Path, data: bytes, fragment: str) -> None:
    """A file of these bytes is refused with one line that names it and holds `fragment`."""
    path = folder / "weights.bin"
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        open_checkpoint(path)
    message = str(caught.value)
    assert fragment in message
    assert str(path) in message
    assert "\n" not in message
