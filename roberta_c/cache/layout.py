"""The form of a cache file: a prefix of 64 bytes, a JSON header, and the arrays.

    prefix   MAGIC; as little-endian integers FORMAT (4 bytes), 0 (4), bytes of the header (8); the
             digest of the header as 16 hexadecimal digits; zeros
    header   an object: "key" (the text of identity.key_text), "facts" (for people), "entries" (name → type,
             shape, first byte of the payload), "payload_bytes", "digests" (of the pieces of the payload),
             then spaces up to a page's end
    payload  the arrays, each at a multiple of ALIGNMENT, with zeros between them

Every byte counts: those of the prefix are compared, the others digested. A file of any other size than these
parts have is damaged.
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
PREFIX = struct.Struct("<16sIIQ16s16x")
PAGE_BYTES = 4096
ALIGNMENT = 64  # a cache line, where panels begin
PIECE_BYTES = 1 << 20  # of the payload, each with a digest of its own
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
        """The prefix and the header, in complete pages. Their length does not depend on the digests' values."""
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
        text += b" " * (-(PREFIX.size + len(text)) % PAGE_BYTES)
        return PREFIX.pack(MAGIC, FORMAT, 0, len(text), digest_of(text).encode()) + text


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


def header_bytes(prefix: bytes, file_bytes: int) -> int:
    """The length of the header, from the prefix. Raises DamagedError for anything that is no prefix."""
    if len(prefix) != PREFIX.size:
        raise DamagedError(f"{len(prefix)} bytes in place of a prefix")
    magic, version, zero, length, digest = PREFIX.unpack(prefix)
    if (magic, version, zero) != (MAGIC, FORMAT, 0) or PREFIX.pack(magic, version, zero, length, digest) != prefix:
        raise DamagedError("another prefix")
    if not 0 < length <= min(MAX_JSON_BYTES, file_bytes - PREFIX.size) or (PREFIX.size + length) % PAGE_BYTES:
        raise DamagedError(f"a header of {length} bytes in a file of {file_bytes}")
    return int(length)


def parse_header(prefix: bytes, text: bytes, file_bytes: int) -> Header:
    """The header, all of whose numbers fit the file. Raises DamagedError."""
    if digest_of(text).encode() != PREFIX.unpack(prefix)[-1]:
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
    if not are_typed or payload_bytes < 0 or PREFIX.size + len(text) + payload_bytes != file_bytes:
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
