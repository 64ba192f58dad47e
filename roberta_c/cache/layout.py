"""The form of a cache file: the arrays, a JSON header, and an end of 64 bytes.

    payload  the arrays, each at a multiple of ALIGNMENT, with zeros between them and up to a page's end
    header   an object: "key" (the text of identity.key_text), "facts" (for people), "entries" (name → type,
             shape, first byte), "payload_bytes", "digests" (of the pieces of the payload)
    end      MAGIC; as little-endian integers FORMAT (4 bytes), 0 (4), bytes of the header (8); the digest of
             the header as 16 hexadecimal digits; zeros

Every byte counts: those of the end are compared, the others digested. A file of any other size than these
parts have is damaged. The payload comes first, in pieces that are written as a huge page each: so file
systems that can keep them in huge pages of memory, and map them so, which spares the kernels TLB misses.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import RobertaCError, shown
from ..files.json_object import MAX_JSON_BYTES, parse_object
from .errors import DamagedError
from .identity import FORMAT, digest_of

MAGIC = b"roberta_c packed"
END = struct.Struct("<16sIIQ16s16x")
PAGE_BYTES = 4096
ALIGNMENT = 64  # a cache line, where panels begin
PIECE_BYTES = 2 << 20  # of the payload, each with a digest of its own: a huge page
DTYPES = {name: np.dtype(code) for name, code in (("float32", "=f4"), ("float16", "=f2"), ("uint16", "=u2"))}


@dataclass(frozen=True)
class Place:
    """Where an array lies in the payload."""

    dtype: str
    shape: tuple[int, ...]
    begin: int

    @property
    def nbytes(self) -> int:
        """The array's size in bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class Header:
    """What the header says; `digests` as 16 hexadecimal digits for each piece."""

    key: str
    facts: dict[str, Any]
    places: dict[str, Place]
    payload_bytes: int
    digests: str

    def encoded(self) -> bytes:
        """The header and the end."""
        entries = {name: [place.dtype, place.shape, place.begin] for name, place in self.places.items()}
        text = json.dumps(
            {
                "key": self.key,
                "facts": self.facts,
                "entries": entries,
                "payload_bytes": self.payload_bytes,
                "digests": self.digests,
            }
        ).encode()
        return text + END.pack(MAGIC, FORMAT, 0, len(text), digest_of(text).encode())


def places_of(arrays: dict[str, np.ndarray]) -> tuple[dict[str, Place], int]:
    """Where each array is to lie, and the size of the payload."""
    places, end = {}, 0
    for name, array in arrays.items():
        begin = -(-end // ALIGNMENT) * ALIGNMENT
        places[name] = Place(array.dtype.name, array.shape, begin)
        end = begin + array.nbytes
    return places, -(-end // PAGE_BYTES) * PAGE_BYTES


def number_of_pieces(payload_bytes: int) -> int:
    """How many digests a payload has."""
    return -(-payload_bytes // PIECE_BYTES)


def header_bytes(end: bytes, file_bytes: int) -> int:
    """The length of the header, from the last bytes of the file. Raises DamagedError for any other bytes."""
    if len(end) != END.size:
        raise DamagedError(f"a file of {file_bytes} bytes")
    magic, version, zero, length, digest = END.unpack(end)
    if (magic, version, zero) != (MAGIC, FORMAT, 0) or END.pack(magic, version, zero, length, digest) != end:
        raise DamagedError("another end")
    if not 0 < length <= min(MAX_JSON_BYTES, file_bytes - END.size):
        raise DamagedError(f"a header of {length} bytes in a file of {file_bytes}")
    return int(length)


def parse_header(text: bytes, end: bytes, file_bytes: int) -> Header:
    """The header, all of whose numbers fit the file. Raises DamagedError."""
    if digest_of(text).encode() != END.unpack(end)[-1]:
        raise DamagedError("a header that differs from its digest")
    try:
        found = parse_object(text, "header")
    except RobertaCError as error:
        raise DamagedError(str(error)) from None
    if found.keys() != {"key", "facts", "entries", "payload_bytes", "digests"}:
        raise DamagedError("a header with other keys")
    key, facts, entries, payload_bytes, digests = (
        found[name] for name in ("key", "facts", "entries", "payload_bytes", "digests")
    )
    are_typed = (
        (isinstance(key, str) and isinstance(facts, dict) and isinstance(entries, dict))
        and (type(payload_bytes) is int and isinstance(digests, str))
    )  # fmt: skip
    if not are_typed or payload_bytes < 0 or payload_bytes + len(text) + END.size != file_bytes:
        raise DamagedError(f"a payload of {shown(payload_bytes)} bytes in a file of {file_bytes}")
    if len(digests) != 16 * number_of_pieces(payload_bytes):
        raise DamagedError("too many or too few digests")
    places = {name: _place(name, entry, payload_bytes) for name, entry in entries.items()}
    return Header(key, facts, places, payload_bytes, digests)


def _place(name: str, entry: Any, payload_bytes: int) -> Place:
    is_entry = isinstance(entry, list) and len(entry) == 3 and isinstance(entry[1], list)
    if not is_entry or not isinstance(entry[0], str) or entry[0] not in DTYPES:
        raise DamagedError(f"the entry {shown(name)}: {shown(entry)}")
    numbers = [*entry[1], entry[2]]
    if len(numbers) > 4 or not all(type(one) is int and 0 <= one <= payload_bytes for one in numbers):
        raise DamagedError(f"the entry {shown(name)}: {shown(entry)}")
    place = Place(entry[0], tuple(entry[1]), entry[2])
    if place.begin % ALIGNMENT or place.begin + place.nbytes > payload_bytes:
        raise DamagedError(f"the entry {shown(name)}: {shown(entry)}")
    return place
