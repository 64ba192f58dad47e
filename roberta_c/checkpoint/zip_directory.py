"""The directory of a zip archive as torch.save writes it: entries without gaps, then the directory.

This reader is much stricter than the zip format. Attackers have used every tolerance of zip readers (unknown
flags, overlapping entries, bytes before the archive, local and central headers that differ) to show one file
to a scanner and another one to the loader. Every byte must belong to exactly one entry or to the directory.

In torch's local headers CRC and sizes are zero and flag bit 3 is set. The true values are in the central
directory, and in a descriptor after the data: 16 bytes, or 24 for an entry with a zip64 field. Empty entries
have neither bit 3 nor a descriptor. (Record layouts: PKWARE's APPNOTE, sections 4.3 and 4.5.3.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NoReturn

from ..errors import ModelFileError, mismatch, shown
from .weight_file import WeightFile

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
# These values mean: the number is in the zip64 record or field.
_IN_ZIP64_32 = 0xFFFFFFFF
_IN_ZIP64_16 = 0xFFFF


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One entry of the archive.

    offset, size  location of its data in the file, in bytes
    crc           its CRC-32; 0 may mean that torch computed none
    is_stored     False: the data is compressed
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
    """Raises the errors of one archive, or of one entry in it."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __call__(self, found: str, expected: str) -> NoReturn:
        raise ModelFileError(mismatch(self.place, found, expected))

    def entry(self, name: bytes | str) -> _Fail:
        return _Fail(f"{self.place}: entry {shown(name)}")


def read_directory(file: WeightFile) -> dict[str, ZipEntry]:
    """Every entry of the archive, by name, in the order of the central directory.

    Reads headers only, never an entry's data. Raises ModelFileError for anything that torch.save does not
    write (see the head of this file).
    """
    fail = _Fail(f"{file.path}: zip archive")
    directory_offset, directory_size, count = _find_directory(file, fail)
    data = file.read(directory_offset, directory_size, "the zip directory")
    headers = _central_headers(data, count, fail)

    if not headers:
        fail("no entries", "those that torch.save writes")
    entries = {}
    positions = {}
    by_offset = sorted(headers, key=lambda header: header.local_offset)
    ends = [header.local_offset for header in by_offset[1:]] + [directory_offset]
    if by_offset[0].local_offset != 0:
        fail(f"{by_offset[0].local_offset} bytes before the first entry", "none")
    for header, end in zip(by_offset, ends, strict=True):
        positions[header.name] = _data_offset(file, header, end, fail)
    for header in headers:
        name = _checked_name(header.name, fail)
        entries[name] = ZipEntry(
            name, positions[header.name], header.packed, header.crc, header.method == _STORED
        )
    if len(entries) != len(headers):
        fail("two entries of the same name", "each name once")
    return entries


def _find_directory(file: WeightFile, fail: _Fail) -> tuple[int, int, int]:
    """Offset, size and entry count of the central directory, from the records at the end of the file."""
    end_offset = file.size - _END.size
    end = _END.unpack(file.read(end_offset, _END.size, "the zip end record"))
    signature, disk, directory_disk, count_here, count, size, offset, comment_bytes = end
    if signature != b"PK\x05\x06" or comment_bytes:
        fail("no zip end record at the end of the file", "one: the file is truncated, or bytes follow it")
    if disk or directory_disk or count_here != count:
        fail("an archive that is split over several disks", "one in a single file")

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
            fail("an end record and a zip64 end record that differ", "equal ones")
        size, offset, count = wide
    if offset + size != end_offset:
        fail(f"a directory from byte {offset} to {offset + size}", f"its end at {end_offset}")
    if count > MAX_ENTRIES or size > MAX_DIRECTORY_BYTES:
        limits = f"at most {MAX_ENTRIES} and {MAX_DIRECTORY_BYTES}"
        fail(f"a directory of {count} entries and {size} bytes", limits)
    return offset, size, count


def _read_end64(
    file: WeightFile, locator: bytes, locator_offset: int, fail: _Fail
) -> tuple[int, tuple[int, int, int]]:
    """Offset of the zip64 end record, and the directory's size, offset and entry count from it."""
    _, disk, offset, disks = _LOCATOR64.unpack(locator)
    if disk or disks != 1:
        fail("an archive that is split over several disks", "one in a single file")
    if offset + _END64.size != locator_offset:
        found = f"a zip64 end record at byte {offset}"
        fail(found, f"byte {locator_offset - _END64.size}, directly before its locator")
    record = _END64.unpack(file.read(offset, _END64.size, "the zip64 end record"))
    signature, record_bytes, _, _, disk, directory_disk, count_here, count, size, directory_offset = record
    if signature != b"PK\x06\x06" or record_bytes != _END64.size - 12:
        fail("a malformed zip64 end record", f"signature PK 06 06 and {_END64.size - 12} bytes")
    if disk or directory_disk or count_here != count:
        fail("an archive that is split over several disks", "one in a single file")
    return offset, (size, directory_offset, count)


def _central_headers(data: bytes, count: int, fail: _Fail) -> list[_CentralHeader]:
    headers = []
    position = 0
    for _ in range(count):
        if position + _CENTRAL.size > len(data):
            fail(f"a directory of {len(data)} bytes", f"more, for its {count} entries")
        fields = _CENTRAL.unpack_from(data, position)
        signature, _, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes = fields[:12]
        comment_bytes, disk, _, _, local_offset = fields[12:]
        position += _CENTRAL.size
        name = data[position : position + name_bytes]
        extra = data[position + name_bytes : position + name_bytes + extra_bytes]
        position += name_bytes + extra_bytes
        if signature != b"PK\x01\x02" or position > len(data):
            fail("a malformed directory", f"{count} central headers")
        fail_entry = fail.entry(name)
        if flags & ~_ALLOWED_FLAGS:
            fail_entry(f"the flags {flags:#06x}", "those that torch writes: not encrypted")
        if disk or comment_bytes:
            fail_entry("another disk or a comment", "neither")
        size, packed, local_offset = _widened(extra, [size, packed, local_offset], fail_entry)
        if method == _STORED and packed != size:
            fail_entry(f"a stored entry with two sizes, {packed} and {size}", "one size")
        headers.append(_CentralHeader(name, flags, method, crc, packed, size, local_offset))
    if position != len(data):
        fail("bytes in the directory that belong to no entry", "none")
    return headers


def _widened(extra: bytes, values: list[int], fail: _Fail) -> list[int]:
    """`values`, with each 0xFFFFFFFF replaced by the next 64-bit number of the zip64 extra field."""
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
        fail("no zip64 sizes", "a zip64 extra field with a number for each size of 0xFFFFFFFF")
    numbers = iter(struct.unpack_from(f"<{wide}Q", fields[0]))
    return [next(numbers) if value == _IN_ZIP64_32 else value for value in values]


def _data_offset(file: WeightFile, header: _CentralHeader, end: int, fail: _Fail) -> int:
    """The offset of the entry's data in the file.

    Checks that local header and descriptor agree with the directory, and that the entry ends at byte `end`,
    where the next one begins.
    """
    entry = f"zip entry {shown(header.name)}"
    fail = fail.entry(header.name)
    name_offset = header.local_offset + _LOCAL.size
    fields = _LOCAL.unpack(file.read(header.local_offset, _LOCAL.size, f"the header of {entry}"))
    signature, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes = fields
    if signature != b"PK\x03\x04":
        fail(f"no local header at byte {header.local_offset}", "one")
    name = file.read(name_offset, name_bytes, entry)
    if name != header.name:
        fail(f"the name {shown(name)} in the local header", "the directory's name")
    if flags != header.flags or method != header.method:
        found = f"flags {flags:#06x} and method {method} in the local header"
        fail(found, f"{header.flags:#06x} and {header.method}, as in the directory")
    if _IN_ZIP64_32 in (size, packed):
        extra = file.read(name_offset + name_bytes, extra_bytes, entry)
        size, packed = _widened(extra, [size, packed], fail)

    has_descriptor = bool(flags & _HAS_DESCRIPTOR)
    allowed_zero = (0,) if has_descriptor else ()  # the true numbers are then in the descriptor
    if size not in (header.size, *allowed_zero) or packed not in (header.packed, *allowed_zero):
        fail(f"{size} bytes by the local header", f"{header.size}, as in the directory")
    if crc not in (header.crc, *allowed_zero):
        fail(f"the CRC {crc:08x} in the local header", f"{header.crc:08x}, as in the directory")

    data_offset: int = name_offset + name_bytes + extra_bytes
    rest = end - data_offset - header.packed
    if rest < 0:
        fail(f"an overlap with what follows at byte {end}", "an end before it")
    if not has_descriptor:
        if rest:
            fail(f"its end at byte {data_offset + header.packed}", f"{end}")
        return data_offset
    if rest not in _DESCRIPTOR:
        fail(f"{rest} bytes after the data", "a descriptor of 16 or 24")
    descriptor = _DESCRIPTOR[rest].unpack(file.read(end - rest, rest, f"the descriptor of {entry}"))
    if descriptor != (b"PK\x07\x08", header.crc, header.packed, header.size):
        fail("a descriptor that differs from the directory", "equal CRC and sizes")
    return data_offset


def _checked_name(raw: bytes, fail: _Fail) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        fail.entry(raw)("a name that is not UTF-8", "UTF-8")
    parts = name.split("/")
    if "\\" in name or not name.isprintable() or any(part in ("", ".", "..") for part in parts):
        fail.entry(name)("an unsafe name", "a relative path of printable characters")
    return name
