"""JSON objects from untrusted files: strict, and refused before they can cost much memory or time."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ModelFileError, shown

MAX_JSON_BYTES = 8 << 20
_MAX_MEMORY = 40 << 20
# Upper estimates of what CPython spends while parsing, measured with tracemalloc.
_BYTES_PER_BRACKET = 200
_BYTES_PER_COMMA = 200
_MAX_DIGITS = 32


def parse_object(data: bytes, path: Path, what: str) -> dict[str, Any]:
    """`data` as a JSON object. Raises ModelFileError, naming `path` and `what`, for anything else.

    Refused too: duplicate keys, NaN and infinities, numbers beyond 32 digits, deep nesting, and text from
    which the parser would build more than about 40 MiB of objects.
    """

    def fail(problem: str) -> NoReturn:
        raise ModelFileError(f"{path}: {what} {problem}")

    if len(data) > MAX_JSON_BYTES:
        fail(f"has {len(data)} bytes, expected at most {MAX_JSON_BYTES}")
    # The text, and once more the strings in it; one wide character widens all of a string.
    text_bytes = 2 * len(data) * (1 if data.isascii() else 4)
    brackets = data.count(b"{") + data.count(b"[")
    estimate = text_bytes + brackets * _BYTES_PER_BRACKET + data.count(b",") * _BYTES_PER_COMMA
    if estimate > _MAX_MEMORY:
        fail(f"holds more values than {_MAX_MEMORY} bytes of memory are enough for")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            fail(f"has the key {shown(counts.most_common(1)[0][0])} twice")
        return result

    def integer(digits: str) -> int:
        return int(bounded(digits))

    def real(digits: str) -> float:
        return float(bounded(digits))

    def bounded(digits: str) -> str:
        if len(digits) > _MAX_DIGITS:
            fail(f"has a number of {len(digits)} digits")
        return digits

    def constant(name: str) -> NoReturn:
        fail(f"holds {name}, which is not JSON")

    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique,
            parse_int=integer,
            parse_float=real,
            parse_constant=constant,
        )
    except UnicodeDecodeError as error:
        fail(f"is not UTF-8 (byte {error.start})")
    except RecursionError:
        fail("is nested too deeply")
    except json.JSONDecodeError as error:
        fail(f"is not JSON: {error.msg} (character {error.pos})")
    if not isinstance(value, dict):
        fail(f"is a JSON {type(value).__name__}, expected an object")
    return value
