"""The directory of a zip archive as torch.save writes it: entries back to back, and nothing else.

Much stricter than zip itself, because every lenience of a zip reader has been somebody's way of showing one
file to a scanner and another to the loader (RELIABILITY: bad flags, overlapping ranges, prepended bytes,
local and central headers that differ). Every byte must belong to exactly one entry or to the directory.

torch's local headers leave CRC and sizes zero and set flag bit 3; the true values stand in the central
directory and again in a descriptor after the data, of 16 bytes, or of 24 for an entry with a zip64 field.
Empty entries have neither bit 3 nor a descriptor. (Record layouts: PKWARE's APPNOTE, sections 4.3 and 4.5.3.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NoReturn

from ..errors import ModelFileError, shown
from .mapped_file import MappedFile

MAX_ENTRIES = 20_000
MAX_DIRECTORY_BYTES = 4 << 20

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_DESCRIPTOR = {16: struct.Struct("<4s3I"), 24: struct.Struct("<4sI2Q")}

_STORED = 0  # the only compression method of torch's weights
_HAS_DESCRIPTOR = 1 << 3
_ALLOWED_FLAGS = _HAS_DESCRIPTOR | 1 << 11  # bit 11: names are UTF-8
_IN_ZIP64_32 = 0xFFFFFFFF
_IN_ZIP64_16 = 0xFFFF


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One entry: where its bytes lie in the file, as they are stored (or compressed: then not `is_stored`).

    A `crc` of 0 may mean that none was computed.
    """

    name: str
    offset: int
    size: int
    crc: int
    is_stored: bool


@dataclass(frozen=True, slots=True)
class _CentralHeader:
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    local_offset: int


class _Fail:
    """Raises this archive's errors."""

    def __init__(self, file: MappedFile) -> None:
        self.path = file.path

    def __call__(self, problem: str) -> NoReturn:
        raise ModelFileError(f"{self.path}: zip archive {problem}")


def read_directory(file: MappedFile) -> dict[str, ZipEntry]:
    """Every entry of the archive, by name, in the order of the central directory.

    Reads headers only, never an entry's data. Raises ModelFileError for anything that torch.save's writer
    would not have written (see the head of this file).
    """
    fail = _Fail(file)
    directory_offset, directory_size, count = _find_directory(file, fail)
    data = file.read(directory_offset, directory_size, "the zip directory")
    headers = _central_headers(data, count, fail)

    entries = {}
    positions = {}
    by_offset = sorted(headers, key=lambda header: header.local_offset)
    ends = [header.local_offset for header in by_offset[1:]] + [directory_offset]
    if by_offset and by_offset[0].local_offset != 0:
        fail(f"has {by_offset[0].local_offset} bytes before its first entry")
    for header, end in zip(by_offset, ends, strict=True):
        positions[header.name] = _data_offset(file, header, end, fail)
    for header in headers:
        name = _checked_name(header.name, fail)
        entries[name] = ZipEntry(
            name, positions[header.name], header.packed, header.crc, header.method == _STORED
        )
    if len(entries) != len(headers):
        fail("names an entry twice")
    return entries


def _find_directory(file: MappedFile, fail: _Fail) -> tuple[int, int, int]:
    """Offset, size and entry count of the central directory, from the records that end the file."""
    end_offset = file.size - _END.size
    end = _END.unpack(file.read(end_offset, _END.size, "the zip end record"))
    signature, disk, directory_disk, count_here, count, size, offset, comment_bytes = end
    if signature != b"PK\x05\x06" or comment_bytes:
        fail("does not end with a zip end record: it is truncated, or bytes follow it")
    if disk or directory_disk or count_here != count:
        fail("is split over several disks")

    locator_offset = end_offset - _LOCATOR64.size
    locator = b""
    if locator_offset >= 0:
        locator = file.read(locator_offset, _LOCATOR64.size, "the zip64 locator")
    if locator.startswith(b"PK\x06\x07"):
        end_offset, wide = _read_end64(file, locator, locator_offset, fail)
        wide_size, wide_offset, wide_count = wide
        if (
            size not in (wide_size, _IN_ZIP64_32)
            or offset not in (wide_offset, _IN_ZIP64_32)
            or count not in (wide_count, _IN_ZIP64_16)
        ):
            fail("has an end record and a zip64 end record that differ")
        size, offset, count = wide
    if offset + size != end_offset:
        fail(f"has a directory from byte {offset} to {offset + size}, expected its end at {end_offset}")
    if count > MAX_ENTRIES or size > MAX_DIRECTORY_BYTES:
        fail(
            f"has a directory of {count} entries and {size} bytes, expected at most {MAX_ENTRIES} "
            f"and {MAX_DIRECTORY_BYTES}"
        )
    return offset, size, count


def _read_end64(
    file: MappedFile, locator: bytes, locator_offset: int, fail: _Fail
) -> tuple[int, tuple[int, int, int]]:
    """Offset of the zip64 end record, and the directory's size, offset and entry count from it."""
    _, disk, offset, disks = _LOCATOR64.unpack(locator)
    if disk or disks != 1:
        fail("is split over several disks")
    if offset + _END64.size != locator_offset:
        fail("has a zip64 end record that is not where it belongs")
    record = _END64.unpack(file.read(offset, _END64.size, "the zip64 end record"))
    signature, record_bytes, _, _, disk, directory_disk, count_here, count, size, directory_offset = record
    if signature != b"PK\x06\x06" or record_bytes != _END64.size - 12:
        fail("has a malformed zip64 end record")
    if disk or directory_disk or count_here != count:
        fail("is split over several disks")
    return offset, (size, directory_offset, count)


def _central_headers(data: bytes, count: int, fail: _Fail) -> list[_CentralHeader]:
    headers = []
    position = 0
    for _ in range(count):
        if position + _CENTRAL.size > len(data):
            fail(f"has a directory that is too short for its {count} entries")
        fields = _CENTRAL.unpack_from(data, position)
        signature, _, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes = fields[:12]
        comment_bytes, disk, _, _, local_offset = fields[12:]
        position += _CENTRAL.size
        name = data[position : position + name_bytes]
        extra = data[position + name_bytes : position + name_bytes + extra_bytes]
        position += name_bytes + extra_bytes
        if signature != b"PK\x01\x02" or position > len(data):
            fail("has a malformed directory")
        where = f"entry {shown(name)}"
        if flags & ~_ALLOWED_FLAGS:
            fail(f"{where} has the flags {flags:#06x}: encrypted or otherwise not as torch writes them")
        if disk or comment_bytes:
            fail(f"{where} lies on another disk or has a comment")
        size, packed, local_offset = _widened(extra, [size, packed, local_offset], f"{where}", fail)
        if method == _STORED and packed != size:
            fail(f"{where} is stored but has two sizes, {packed} and {size}")
        headers.append(_CentralHeader(name, flags, method, crc, packed, size, local_offset))
    if position != len(data):
        fail("has bytes in its directory that belong to no entry")
    return headers


def _widened(extra: bytes, values: list[int], where: str, fail: _Fail) -> list[int]:
    """`values` with each 0xFFFFFFFF replaced, in order, by the next number of the zip64 extra field."""
    if _IN_ZIP64_32 not in values:
        return values
    fields = []
    position = 0
    while position + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, position)
        field = extra[position + 4 : position + 4 + length]
        if tag == 1 and len(field) == length:
            fields.append(field)
        position += 4 + length
    wide = values.count(_IN_ZIP64_32)
    if len(fields) != 1 or len(fields[0]) < 8 * wide:
        fail(f"{where} lacks its zip64 sizes")
    numbers = iter(struct.unpack_from(f"<{wide}Q", fields[0]))
    return [next(numbers) if value == _IN_ZIP64_32 else value for value in values]


def _data_offset(file: MappedFile, header: _CentralHeader, end: int, fail: _Fail) -> int:
    """Where the entry's data lies, once its local header and descriptor agree and nothing else is there."""
    where = f"entry {shown(header.name)}"
    name_offset = header.local_offset + _LOCAL.size
    fields = _LOCAL.unpack(file.read(header.local_offset, _LOCAL.size, f"the header of zip {where}"))
    signature, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes = fields
    if signature != b"PK\x03\x04":
        fail(f"{where} has no local header at byte {header.local_offset}")
    if file.read(name_offset, name_bytes, where) != header.name:
        fail(f"{where} has another name in its local header")
    if flags != header.flags or method != header.method:
        fail(f"{where} has other flags or another method in its local header")
    if _IN_ZIP64_32 in (size, packed):
        extra = file.read(name_offset + name_bytes, extra_bytes, where)
        size, packed = _widened(extra, [size, packed], where, fail)

    later = bool(flags & _HAS_DESCRIPTOR)
    unset = (0,) if later else ()
    if size not in (header.size, *unset) or packed not in (header.packed, *unset):
        fail(f"{where} has {size} bytes by its local header, {header.size} by the directory")
    if crc not in (header.crc, *unset):
        fail(f"{where} has another CRC in its local header")

    data_offset = name_offset + name_bytes + extra_bytes
    rest = end - data_offset - header.packed
    if rest < 0:
        fail(f"{where} overlaps what follows at byte {end}")
    if not later:
        if rest:
            fail(f"{where} ends at byte {data_offset + header.packed}, expected {end}")
        return data_offset
    if rest not in _DESCRIPTOR:
        fail(f"{where} has {rest} bytes after its data, expected a descriptor of 16 or 24")
    descriptor = _DESCRIPTOR[rest].unpack(file.read(end - rest, rest, f"the descriptor of {where}"))
    if descriptor != (b"PK\x07\x08", header.crc, header.packed, header.size):
        fail(f"{where} has a descriptor that differs from the directory")
    return data_offset


def _checked_name(raw: bytes, fail: _Fail) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        fail(f"entry {shown(raw)} has a name that is not UTF-8")
    parts = name.split("/")
    if "\\" in name or not name.isprintable() or any(part in ("", ".", "..") for part in parts):
        fail(f"entry {shown(name)} has an unsafe name")
    return name
