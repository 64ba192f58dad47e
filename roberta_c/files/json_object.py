"""JSON objects from untrusted files: strict, and refused before they can cost much memory or time."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ModelFileError, RobertaCError, shown

MAX_JSON_BYTES = 8 << 20
# json recurses in C, and how deep it may go depends on the interpreter's settings: it can crash.
MAX_DEPTH = 100
_MAX_MEMORY = 40 << 20
# Upper estimates of what CPython spends while parsing, measured with tracemalloc.
_BYTES_PER_BRACKET = 200
_BYTES_PER_COMMA = 200
_MAX_DIGITS = 32
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
# What a byte may be: part of a number, what stands before one, neither.
_BYTE_KINDS = bytes(
    b"nb-"[0 if byte in b"0123456789+-.eE" else 1 if byte in b" \t\r\n:,[" else 2] for byte in range(256)
)


def _marks(data: bytes) -> bytes:
    """The brackets and quotes of `data`, without quotes that are escaped."""
    return data.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NO_MARKS)


def _bare_brackets(marks: bytes) -> bytes:
    """The brackets outside strings."""
    # Whether quotes before a bracket are even or odd survives leaving out two. A regular expression over the
    # text itself takes 8 ms for a vocabulary, this 1 (AMD Zen 5 server core, 2026-11-22).
    return re.sub(rb'"[^"]*"', b"", marks.replace(b'""', b"")).replace(b'"', b"")


def _depth(brackets: bytes) -> int:
    """How deep they nest."""
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def _holds_long_number(data: bytes) -> bool:
    """Whether a number may have more than _MAX_DIGITS digits; what stands in a string can look like one."""
    kinds = data.translate(_BYTE_KINDS)
    long_one = b"n" * (_MAX_DIGITS + 1)
    return kinds.startswith(long_one) or b"b" + long_one in kinds


def parse_object(
    data: bytes,
    place: str | Path,
    error_class: type[RobertaCError] = ModelFileError,
    max_bytes: int = MAX_JSON_BYTES,
    max_memory: int | None = _MAX_MEMORY,
) -> dict[str, Any]:
    """`data` as a JSON object. Raises `error_class`, naming `place`, for anything else.

    Refused too: duplicate keys, NaN and infinities, numbers beyond 32 digits, deep nesting, and text from
    which the parser would build more than about `max_memory` bytes of objects (None: no such limit).
    """

    def fail(problem: str) -> NoReturn:
        raise error_class(f"{place}: {problem}")

    if len(data) > max_bytes:
        fail(f"more than {max_bytes} bytes, expected a smaller JSON file")
    if not data.strip():
        fail("the file is empty, expected a JSON object")
    # The text, and once more the strings in it; one wide character widens all of a string.
    text_bytes = 2 * len(data) * (1 if data.isascii() else 4)
    brackets = data.count(b"{") + data.count(b"[")
    estimate = text_bytes + brackets * _BYTES_PER_BRACKET + data.count(b",") * _BYTES_PER_COMMA
    if max_memory is not None and estimate > max_memory:
        fail(f"holds more values than {max_memory} bytes of memory are enough for")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            fail(f"the key {shown(counts.most_common(1)[0][0])} appears twice, expected once")
        return result

    def integer(digits: str) -> int:
        return int(bounded(digits))

    def real(digits: str) -> float:
        value = float(bounded(digits))
        if not math.isfinite(value):
            constant(digits)
        return value

    def bounded(digits: str) -> str:
        if len(digits) > _MAX_DIGITS:
            fail(f"a number of {len(digits)} digits, expected one that fits 64 bits")
        return digits

    def constant(name: str) -> NoReturn:
        fail(f"holds the number {shown(name)}, expected a finite one")

    marks = _marks(data)
    bare = _bare_brackets(marks)
    if len(bare) > MAX_DEPTH and _depth(bare) > MAX_DEPTH:
        fail(f"nested deeper than {MAX_DEPTH} levels, expected a flat JSON object")
    hooks: dict[str, Any] = {"parse_float": real, "parse_constant": constant}
    # Hooks only where they may be needed: a vocabulary's 50,000 calls of `integer`, and as many pairs for
    # `unique`, each make loading a tokenizer 10 % slower (AMD Zen 5 server core, 2026-11-22).
    if _holds_long_number(data):
        hooks["parse_int"] = integer
    try:
        text = data.decode("utf-8")
        value = json.loads(text, **hooks) if bare == b"{}" else None
        if value is None or len(value) + list(map(type, value.values())).count(str) != marks.count(b'"') // 2:
            value = json.loads(text, object_pairs_hook=unique, **hooks)  # not flat, or a key is there twice
    except UnicodeDecodeError as error:
        fail(f"byte {error.start} is not UTF-8, expected UTF-8 JSON")
    except json.JSONDecodeError as error:
        start = shown(data[:30].decode("utf-8", "replace"))
        fail(f"not JSON at line {error.lineno} column {error.colno}; it starts with {start}")
    if not isinstance(value, dict):
        fail(f"holds a JSON {type(value).__name__}, expected an object")
    return value
