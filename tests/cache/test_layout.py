"""Headers of cache files that have their right digest and still do not fit: each number is checked before it
is believed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from roberta_c.cache.errors import DamagedError
from roberta_c.cache.identity import FORMAT, digest_of
from roberta_c.cache.layout import (
    ALIGNMENT,
    END,
    MAGIC,
    PAGE_BYTES,
    Header,
    header_bytes,
    number_of_pieces,
    parse_header,
    places_of,
)
from roberta_c.files.json_object import MAX_JSON_BYTES

ARRAYS = {"one": np.ones((3, 5), np.float32), "two": np.ones(7, np.uint16)}
PLACES, PAYLOAD_BYTES = places_of(ARRAYS)
HEADER = Header("key", {"model": "m"}, PLACES, PAYLOAD_BYTES, "0" * 16 * number_of_pieces(PAYLOAD_BYTES))


def parsed(text: bytes, file_bytes: int | None = None) -> Header:
    """The header of this text, in a file of that size; by default of the one that it asks for."""
    end = END.pack(MAGIC, FORMAT, 0, len(text), digest_of(text).encode())
    return parse_header(text, end, PAYLOAD_BYTES + len(text) + END.size if file_bytes is None else file_bytes)


def changed(**values) -> bytes:
    fields = json.loads(HEADER.encoded()[: -END.size])
    return json.dumps({**fields, **values}).encode()


def with_entry(entry) -> bytes:
    return changed(entries={"one": ["float32", [3, 5], 0], "two": entry})


def test_a_header_is_what_was_encoded():
    assert parsed(changed()) == HEADER
    assert parsed(with_entry(["uint16", [7], ALIGNMENT])) == HEADER


@pytest.mark.parametrize("length", [0, MAX_JSON_BYTES + 1, 10**6 - END.size + 1, 2**63])
def test_the_length_of_a_header(length):
    end = END.pack(MAGIC, FORMAT, 0, length, b"0" * 16)
    file_bytes = 10**6 if length != MAX_JSON_BYTES + 1 else 10**9
    with pytest.raises(DamagedError, match=f"a header of {length} bytes in a file of {file_bytes}"):
        header_bytes(end, file_bytes)
    assert header_bytes(END.pack(MAGIC, FORMAT, 0, 10**6 - END.size, b"0" * 16), 10**6) == 10**6 - END.size


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"\xff", b'{"key": NaN}', b'{"a": 1, "a": 2}'])
def test_a_header_that_is_no_object(text):
    with pytest.raises(DamagedError):
        parsed(text)


def test_other_keys_of_a_header():
    fields = json.loads(changed())
    without = [json.dumps({k: v for k, v in fields.items() if k != name}).encode() for name in fields]
    for text in (changed(more=1), *without):
        with pytest.raises(DamagedError, match="a header with other keys"):
            parsed(text)


@pytest.mark.parametrize(
    "values",
    [
        {"key": 1},
        {"facts": []},
        {"entries": []},
        {"payload_bytes": str(PAYLOAD_BYTES)},
        {"payload_bytes": float(PAYLOAD_BYTES)},
        {"payload_bytes": True},
        {"digests": 0},
        {"payload_bytes": PAYLOAD_BYTES + 1},
    ],
)
def test_values_of_a_header(values):
    with pytest.raises(DamagedError, match=r"a payload of .* bytes in a file of"):
        parsed(changed(**values))


def test_a_payload_of_less_than_nothing():
    text = changed(payload_bytes=-PAGE_BYTES, entries={}, digests="")
    with pytest.raises(DamagedError, match=f"a payload of {-PAGE_BYTES} bytes"):
        parsed(text, len(text) + END.size - PAGE_BYTES)


@pytest.mark.parametrize("digests", ["", "0" * 15, "0" * 17, "0" * 32])
def test_the_number_of_digests(digests):
    with pytest.raises(DamagedError, match="too many or too few digests"):
        parsed(changed(digests=digests))


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {"uint16": 1},
        ["uint16", [7]],
        ["uint16", [7], ALIGNMENT, 0],
        ["uint16", 7, ALIGNMENT],
        [["uint16"], [7], ALIGNMENT],
        [5, [7], ALIGNMENT],
        ["int64", [7], ALIGNMENT],
        ["uint16", [1, 1, 1, 1], ALIGNMENT],
        ["uint16", ["7"], ALIGNMENT],
        ["uint16", [7.0], ALIGNMENT],
        ["uint16", [True], ALIGNMENT],
        ["uint16", [-7], ALIGNMENT],
        ["uint16", [PAYLOAD_BYTES + 1], ALIGNMENT],
        ["uint16", [7], float(ALIGNMENT)],
        ["uint16", [7], -ALIGNMENT],
        ["uint16", [7], ALIGNMENT + 2],
        ["uint16", [7], PAYLOAD_BYTES],
        ["uint16", [PAYLOAD_BYTES], ALIGNMENT],
    ],
)
def test_entries(entry):
    with pytest.raises(DamagedError, match="the entry 'two': "):
        parsed(with_entry(entry))
