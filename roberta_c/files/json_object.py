"""JSON from untrusted files: parsed strictly, and refused before they cost much memory or time."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Collection
from itertools import accumulate
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ModelFileError, RobertaCError, mismatch, shown

MAX_JSON_BYTES = 8 << 20
_PIECE_BYTES = 1 << 16  # of a file, read together
# The json module recurses in C. The depth that it survives depends on the interpreter's settings: beyond it,
# the process crashes.
MAX_DEPTH = 100
_MAX_MEMORY = 40 << 20
# Upper estimates of the memory that CPython needs while parsing, in bytes, measured with tracemalloc.
_BYTES_PER_BRACKET = 200
_BYTES_PER_COMMA = 200
_MAX_DIGITS = 32  # of a number; its sign, point and exponent count too
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
# Each byte value as "n" (may be part of a number), "b" (may stand before a number) or "-" (neither).
_BYTE_KINDS = bytes(
    b"nb-"[0 if byte in b"0123456789+-.eE" else 1 if byte in b" \t\r\n:,[" else 2] for byte in range(256)
)


def _marks(data: bytes) -> bytes:
    """The brackets and quotes of `data`, in order, without escaped quotes."""
    return data.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NO_MARKS)


def _bare_brackets(marks: bytes) -> bytes:
    """The brackets outside strings, from the result of `_marks`."""
    # A bracket is outside strings if the number of quotes before it is even. Removing pairs of quotes keeps
    # that property. For a vocabulary this takes 1 ms, a regular expression over the complete text 8 ms (AMD
    # Zen 5 server core, 2026-11-22).
    return re.sub(rb'"[^"]*"', b"", marks.replace(b'""', b"")).replace(b'"', b"")


def _depth(brackets: bytes) -> int:
    """The deepest nesting of `brackets`."""
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def _holds_long_number(data: bytes) -> bool:
    """Whether a number may have more than _MAX_DIGITS digits. Digits inside strings count too."""
    kinds = data.translate(_BYTE_KINDS)
    long_one = b"n" * (_MAX_DIGITS + 1)
    return kinds.startswith(long_one) or b"b" + long_one in kinds


def parse_object(
    data: bytes,
    place: str | Path,
    error_class: type[RobertaCError] = ModelFileError,
    max_bytes: int = MAX_JSON_BYTES,
    max_memory: int | None = _MAX_MEMORY,
    error_of_twice: type[RobertaCError] | None = None,
    shows_text: bool = True,
) -> dict[str, Any]:
    """Parse `data` as a JSON object. Raises `error_class`, beginning with `place`, for anything else.

    error_of_twice: the class of the error about a key that is there twice; None: error_class. shows_text:
    whether messages may have parts of the text.

    It also refuses duplicate keys, NaN and infinities, numbers of more than 32 digits, deep nesting, and text
    from which the parser would build more than about `max_memory` bytes of objects (None: no such limit).
    """
    twice = error_of_twice or error_class
    value: dict[str, Any] = _parse(data, place, error_class, max_bytes, max_memory, dict, twice, shows_text)
    return value


def _parse(
    data: bytes,
    place: str | Path,
    error_class: type[RobertaCError],
    max_bytes: int,
    max_memory: int | None,
    kind: type[dict[str, Any]] | type[list[Any]],
    error_of_twice: type[RobertaCError],
    shows_text: bool = True,
) -> Any:
    """The object or, with `kind` list, the array that `data` is; see `parse_object`."""
    wanted = "an object" if kind is dict else "an array"

    def fail(found: str, expected: str) -> NoReturn:
        raise error_class(mismatch(place, found, expected))

    if len(data) > max_bytes:
        fail(f"more than {max_bytes} bytes", "a smaller JSON file")
    if not data.strip():
        fail("an empty file", "a JSON object" if kind is dict else "a JSON array")
    # Memory for the decoded text and for the strings in it. One character outside ASCII makes CPython spend
    # up to four bytes on every character of a string.
    text_bytes = 2 * len(data) * (1 if data.isascii() else 4)
    brackets = data.count(b"{") + data.count(b"[")
    estimate = text_bytes + brackets * _BYTES_PER_BRACKET + data.count(b",") * _BYTES_PER_COMMA
    if max_memory is not None and estimate > max_memory:
        fail(f"values that need more than {max_memory} bytes of memory", "fewer values")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            key = f"the key {shown(counts.most_common(1)[0][0])}" if shows_text else "a key"
            found = f"{key} twice"
            raise error_of_twice(mismatch(place, found, "each key once"))
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
            fail(f"a number of {len(digits)} digits", f"at most {_MAX_DIGITS} digits")
        return digits

    def constant(name: str) -> NoReturn:
        fail(f"the number {shown(name)}", "a finite one")

    marks = _marks(data)
    bare = _bare_brackets(marks)
    if len(bare) > MAX_DEPTH and _depth(bare) > MAX_DEPTH:
        fail(f"more than {MAX_DEPTH} levels of nesting", f"at most {MAX_DEPTH} levels")
    hooks: dict[str, Any] = {"parse_float": real, "parse_constant": constant}
    # Hooks are set only if the text may need them. For a vocabulary of 50,000 entries, `integer` and `unique`
    # each make loading a tokenizer 10 % slower (AMD Zen 5 server core, 2026-11-22).
    if _holds_long_number(data):
        hooks["parse_int"] = integer
    try:
        text = data.decode("utf-8")
        # A flat object without repeated keys has one string for each key and one for each string value. Other
        # text is parsed again with `unique`, which refuses repeated keys.
        value = json.loads(text, **hooks) if bare == b"{}" else None
        if value is None or len(value) + list(map(type, value.values())).count(str) != marks.count(b'"') // 2:
            value = json.loads(text, object_pairs_hook=unique, **hooks)
    except UnicodeDecodeError as error:
        fail(f"text whose byte {error.start} is not UTF-8", "UTF-8 JSON")
    except json.JSONDecodeError as error:
        start = f", beginning with {shown(data[:30].decode('utf-8', 'replace'))}" if shows_text else ""
        fail(f"text not JSON at line {error.lineno} column {error.colno}{start}", wanted)
    if not isinstance(value, kind):
        fail(f"a JSON {type(value).__name__}", wanted)
    return value


def is_there(path: Path) -> bool:
    """Whether there is a file or a link of this name. A link to nothing is damage, which `read_file` refuses;
    a model without the file would be another one."""
    return os.path.lexists(path)


def read_file(path: Path) -> bytes:
    """The first MAX_JSON_BYTES + 1 bytes of a JSON file: `parse_object` refuses a longer one.

    Raises ModelFileError if the file is missing, not a regular file, or cannot be read.
    """
    if not os.path.isfile(path):  # opening a FIFO would wait for a writer
        found = "a link to no file" if is_there(path) else "no such file"
        if os.path.exists(path):
            found = "something that is not a regular file"
        raise ModelFileError(mismatch(path, found, "a JSON file"))
    try:
        with open(path, "rb") as file:
            # In pieces: read(MAX_JSON_BYTES + 1) takes that much memory for a moment, whatever the file's
            # size, and thousands of loads then leave the heap in fragments.
            data = bytearray()
            while len(data) <= MAX_JSON_BYTES and (piece := file.read(_PIECE_BYTES)):
                data += piece
            return bytes(data[: MAX_JSON_BYTES + 1])
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in the file `path`. Raises ModelFileError as `read_file` and `parse_object` do."""
    return parse_object(read_file(path), path)


def read_array(path: Path) -> list[Any]:
    """The JSON array in the file `path`. Raises ModelFileError as `read_file` and `parse_object` do."""
    array: list[Any] = _parse(
        read_file(path), path, ModelFileError, MAX_JSON_BYTES, _MAX_MEMORY, list, ModelFileError
    )
    return array


def check_keys(settings: dict[str, Any], known: Collection[str], path: Path) -> None:
    """Raise ModelFileError for the first key of a file's `settings` that is not `known`."""
    for name, value in settings.items():
        if name not in known:
            raise ModelFileError(mismatch(f"{path}: {name}", shown(value), "no such setting"))
