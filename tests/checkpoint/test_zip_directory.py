"""The zip directory: every archive that torch.save does not write is refused."""

from __future__ import annotations

import struct
import zlib

import pytest
from samples.checkpoints import Entry, check_refused, dict_of, make_zip, pickled, tensor, torch_entries

from roberta_c.checkpoint import open_checkpoint


def entries() -> list[Entry]:
    return torch_entries(pickled(dict_of(("w", tensor()))))


def zip64_field(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def changed(number: int, **changes: object) -> list[Entry]:
    """The valid entries, one of them (0: data.pkl, 2: the storage) altered."""
    altered = entries()
    for name, value in changes.items():
        if name == "both":
            altered[number].both(**value)
        else:
            setattr(altered[number], name, value)
    return altered


def renamed(name: str) -> bytes:
    return make_zip([*entries(), Entry(name, b"")])


def behind_directory(junk: bytes) -> bytes:
    at = make_zip(entries()).index(b"PK\x06\x06")
    archive = make_zip(entries(), end64={"at": at + len(junk)})
    return archive[:at] + junk + archive[at:]


FORGED = {
    "four bytes": (b"PK\x03\x04", "truncated: the zip end record: found a file of 4 bytes"),
    "an entry of the folder's name": (renamed("archive"), "outside of the folder of the others"),
    "no room for a locator": (
        b"PK\x03\x04" + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0),
        "a directory from byte 0 to 0, expected its end at 4",
    ),
    # Flags, methods, names.
    "encrypted": (make_zip(changed(2, both={"flags": 0x0809})), "flags 0x0809"),
    "patch data": (make_zip(changed(2, both={"flags": 0x0828})), "flags 0x0828"),
    "strong encryption": (make_zip(changed(2, both={"flags": 0x0848})), "flags 0x0848"),
    "masked headers": (make_zip(changed(2, both={"flags": 0x2808})), "flags 0x2808"),
    "deflated": (make_zip(changed(2, both={"method": 8})), "found a compressed entry"),
    "deflated in local header": (make_zip(changed(2, local={"method": 8})), "in the local header"),
    "dot dot": (renamed("archive/../data/1"), "unsafe name"),
    "dot": (renamed("archive/./data/1"), "unsafe name"),
    "absolute": (renamed("/archive/data/1"), "unsafe name"),
    "empty part": (renamed("archive//data/1"), "unsafe name"),
    "folder": (renamed("archive/data/"), "unsafe name"),
    "backslash": (renamed("archive\\data\\1"), "unsafe name"),
    "NUL": (renamed("archive/data/1\x00.txt"), "unsafe name"),
    "newline": (renamed("archive/data/1\n"), "unsafe name"),
    "not UTF-8": (make_zip(changed(3, both={"name": b"archive/versi\xffn"})), "not UTF-8"),
    "second prefix": (renamed("other/data/1"), "outside of the folder of the others"),
    "no prefix": (renamed("data.pkl"), "outside of the folder of the others"),
    "duplicate": (make_zip([*entries(), entries()[0]]), "two entries of the same name"),
    # Local headers that differ from the directory.
    "other local name": (make_zip(changed(2, local={"name": b"archive/data/9"})), "in the local header"),
    "longer local name": (make_zip(changed(2, local={"name": b"archive/data/00"})), "in the local header"),
    "other local flags": (make_zip(changed(2, local={"flags": 0x0008})), "in the local header"),
    "local size": (make_zip(changed(2, local={"size": 23})), "23 bytes by the local header"),
    "local packed size": (make_zip(changed(2, local={"packed": 1})), "by the local header"),
    "local CRC": (make_zip(changed(2, local={"crc": 1})), "the CRC 00000001 in the local header"),
    "local zip64 size missing": (make_zip(changed(2, local={"size": 0xFFFFFFFF})), "no zip64 sizes"),
    "local zip64 size": (
        make_zip(changed(2, local={"size": 0xFFFFFFFF, "extra": zip64_field(23)})),
        "23 bytes by the local header",
    ),
    "no local header": (make_zip(changed(2, local={"signature": b"PK\x03\x05"})), "no local header"),
    "descriptor size": (
        make_zip(changed(2, descriptor=struct.pack("<4s3I", b"PK\x07\x08", 0, 24, 23))),
        "descriptor that differs",
    ),
    "descriptor CRC": (
        make_zip(changed(2, descriptor=struct.pack("<4s3I", b"PK\x07\x08", 1, 24, 24))),
        "descriptor that differs",
    ),
    "descriptor without signature": (
        make_zip(changed(2, descriptor=struct.pack("<3I", 0, 24, 24))),
        "12 bytes after",
    ),
    "no descriptor": (make_zip(changed(2, descriptor=b"")), "0 bytes after"),
    "descriptor without its flag": (make_zip(changed(2, both={"flags": 0x0800})), "by the local header"),
    "no descriptor flag, bytes after": (
        make_zip(changed(2, both={"flags": 0x0800, "size": 24, "packed": 24, "crc": 0})),
        "its end at byte",
    ),
    # Sizes and offsets.
    "two sizes": (make_zip(changed(2, central={"packed": 23})), "two sizes"),
    "size too small": (make_zip(changed(2, central={"packed": 20, "size": 20})), "bytes after the data"),
    "size too large": (make_zip(changed(2, central={"packed": 28, "size": 28})), "12 bytes after the data"),
    "size beyond the file": (
        make_zip(changed(3, central={"packed": 1 << 30, "size": 1 << 30})),
        "an overlap with what follows",
    ),
    "zip64 size missing": (make_zip(changed(2, central={"size": 0xFFFFFFFF})), "no zip64 sizes"),
    "zip64 size twice": (
        make_zip(changed(2, central={"size": 0xFFFFFFFF, "extra": zip64_field(24) * 2})),
        "no zip64 sizes",
    ),
    "zip64 size cut short": (
        make_zip(changed(2, central={"size": 0xFFFFFFFF, "extra": struct.pack("<2HI", 1, 4, 24)})),
        "no zip64 sizes",
    ),
    "zip64 size enormous": (
        make_zip(
            changed(
                2, central={"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, "extra": zip64_field(1 << 63, 1 << 63)}
            )
        ),
        "an overlap with what follows",
    ),
    "offset of another entry": (make_zip(changed(2, central={"offset": 0})), "an overlap with what follows"),
    "offset beyond": (make_zip(changed(2, central={"offset": 1 << 30})), "bytes after the data"),
    "prepended bytes": (make_zip(entries(), gaps={0: b"PK\x03\x04MZ"}), "6 bytes before the first entry"),
    "gap": (make_zip(entries(), gaps={2: b"\x00"}), "bytes after the data"),
    "gap before the directory": (make_zip(entries(), gaps={4: b"\x00" * 8}), "descriptor that differs"),
    "appended bytes": (make_zip(entries()) + b"\x00", "no zip end record at the end"),
    "gap of zeros before the directory": (
        make_zip(entries(), gaps={4: b"\x00" * 99}),
        "bytes after the data",
    ),
    "appended archive": (make_zip(entries()) * 2, "directly before its locator"),
    "appended archive without zip64": (make_zip(entries())[:-98] * 2, "no zip end record"),
    "archive comment": (make_zip(entries(), end={"comment": b"hello"}), "no zip end record at the end"),
    "entry comment": (make_zip(changed(2, central={"comment": b"hello"})), "comment"),
    # End records.
    "entry on another disk": (make_zip(changed(2, central={"disk": 1})), "another disk"),
    "two disks": (make_zip(entries(), end={"disk": 1}), "several disks"),
    "directory on another disk": (make_zip(entries(), end={"directory_disk": 1}), "several disks"),
    "entries on other disks": (make_zip(entries(), end={"count_here": 3}), "several disks"),
    "comment promised": (make_zip(entries())[:-2] + b"\x05\x00", "no zip end record at the end"),
    "bytes behind the directory": (behind_directory(bytes(4)), "expected its end at"),
    "directory too long": (
        make_zip(
            entries() + [Entry(f"archive/{n}", b"", central={"extra": bytes(65_535)}) for n in range(65)]
        ),
        "expected at most 20000 and 4194304",
    ),
    "other disk by the locator": (make_zip(entries(), end64={"locator_disk": 1}), "several disks"),
    "two disks by zip64": (make_zip(entries(), end64={"disks": 2}), "several disks"),
    "other disk by zip64": (make_zip(entries(), end64={"disk": 1}), "several disks"),
    "directory on another disk by zip64": (make_zip(entries(), end64={"directory_disk": 1}), "several disks"),
    "entries on other disks by zip64": (make_zip(entries(), end64={"count_here": 3}), "several disks"),
    "zip64 record elsewhere": (make_zip(entries(), end64={"at": 0}), "directly before its locator"),
    "zip64 record malformed": (make_zip(entries(), end64={"signature": b"PK\x06\x05"}), "malformed zip64"),
    "zip64 record too long": (make_zip(entries(), end64={"record": 50}), "malformed zip64"),
    "end records differ in count": (make_zip(entries(), end={"count": 3, "count_here": 3}), "that differ"),
    "end records differ in offset": (make_zip(entries(), end={"offset": 0}), "that differ"),
    "end records differ in size": (make_zip(entries(), end={"size": 7}), "that differ"),
    "no entries": (make_zip([], gaps={0: b"PK\x03\x04MZ"}), "found no entries"),
    "too few entries": (
        make_zip(entries(), end={"count": 3, "count_here": 3}, end64={"count": 3, "count_here": 3}),
        "belong to no entry",
    ),
    "too many entries": (
        make_zip(entries(), end={"count": 5, "count_here": 5}, end64={"count": 5, "count_here": 5}),
        "more, for its 5 entries",
    ),
    "countless entries": (
        make_zip(
            entries(),
            end={"count": 0xFFFF, "count_here": 0xFFFF},
            end64={"count": 1 << 40, "count_here": 1 << 40},
        ),
        "expected at most",
    ),
    "central signature": (make_zip(changed(2, central={"signature": b"PK\x01\x03"})), "malformed directory"),
}


@pytest.mark.parametrize("case", FORGED)
def test_refuses_forged_archives(tmp_path, case):
    check_refused(tmp_path, *FORGED[case])


def test_reads_optional_fields(tmp_path):
    """Sizes and CRC in the local header, zip64 fields, an entry without a descriptor."""
    path = tmp_path / "weights.bin"
    pickle_entry, order, stored, version = entries()
    stored.both(flags=0x0800, size=24, packed=24, crc=zlib.crc32(stored.data))
    stored.descriptor = b""
    order.local |= {"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, "extra": zip64_field(6, 6)}
    version.central |= {"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, "extra": b"FB\x01\x00Z" + zip64_field(2, 2)}
    path.write_bytes(make_zip([pickle_entry, order, stored, version]))
    assert open_checkpoint(path).read("w").tolist() == [[0, 1, 2], [3, 4, 5]]
