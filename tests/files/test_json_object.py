"""parse_object: its fast checks give the same result as full ones."""

from __future__ import annotations

import json
import random
import tracemalloc

import pytest

from roberta_c.errors import ModelFileError
from roberta_c.files.json_object import MAX_JSON_BYTES, parse_object, read_file

LONG = b"9" * 40


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":' + LONG + b"}",
        b'{"a":\t-' + LONG + b"}",
        b'{"a":\r\n[' + LONG + b"]}",
        b'{"a":[1,' + LONG + b"]}",
        b'{"a": 0.' + LONG + b"}",
        b'{"a": 1e' + LONG + b"}",
        LONG,
        b" " + LONG,
    ],
)
def test_long_numbers_are_refused_wherever_they_stand(data):
    with pytest.raises(ModelFileError, match="a number of 4"):
        parse_object(data, "file")


def test_strings_that_look_like_long_numbers():
    for text in ("-" * 64, " " + "0" * 64, "1," + "." * 64):
        assert parse_object(json.dumps({text: text, "b": [12, -1.5]}).encode(), "file") == {
            text: text,
            "b": [12, -1.5],
        }


def test_nesting_counts_brackets_outside_strings_only():
    """Random documents with brackets, quotes and backslashes in strings: refused exactly beyond the limit."""
    generator = random.Random(4)
    for _ in range(300):
        inner = generator.choice((60, 99, 100, 140))  # plus one level for the outer object
        opening, value = b"", b""
        for _ in range(inner):
            word = "".join(generator.choice('[]{}"\\a') for _ in range(generator.randrange(6)))
            opening += b'{"k' + json.dumps(word).encode()[1:] + b":"
            value += b"}"
        data = b'{"a":' + opening + b"1" + value + b"}"
        if inner + 1 > 100:
            with pytest.raises(ModelFileError, match="levels of nesting"):
                parse_object(data, "file")
        else:
            assert parse_object(data, "file")


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": "b", "a": 2, "b": "c"}',
        b'{"a": {"b": 1}, "a": 2}',
        rb'{"a": "\"", "\u0061": "\\"}',
        b'{"[": 1, "[": 2}',
    ],
)
def test_a_key_twice_is_refused(data):
    with pytest.raises(ModelFileError, match="twice, expected each key once"):
        parse_object(data, "file")


def test_flat_objects_of_strings_with_quotes_and_backslashes():
    flat = {'"': '"', "\\": '\\"', '\\"': "", "": None, "[": True, "n": 1.5}
    assert parse_object(json.dumps(flat).encode(), "file") == flat


@pytest.mark.parametrize(
    "size", [0, 1, 100_000, MAX_JSON_BYTES, MAX_JSON_BYTES + 1, MAX_JSON_BYTES + 100_000]
)
def test_a_file_is_read_up_to_one_byte_above_the_limit(tmp_path, size):
    data = random.Random(size).randbytes(size)
    (tmp_path / "config.json").write_bytes(data)
    assert read_file(tmp_path / "config.json") == data[: MAX_JSON_BYTES + 1]


def test_reading_a_small_file_takes_little_memory(tmp_path):
    """A buffer of the largest size that a file may have, for each read, left the heap in fragments."""
    (tmp_path / "config.json").write_bytes(b"{}")
    tracemalloc.start()
    try:
        read_file(tmp_path / "config.json")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MAX_JSON_BYTES / 8
