"""Standard output or a file: text for people, or JSON, CSV or TSV for programs."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, BinaryIO

from ..errors import InputError, mismatch

# Some programs end a line at these characters as well. In JSON strings they may be escaped.
_JSON_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def open_output(hide_progress: Callable[[], AbstractContextManager[Any]] = nullcontext) -> Output:
    """Standard output. Raises InputError if it is closed."""
    if sys.stdout is None:
        raise InputError(mismatch("standard output", "a closed stream", "an open one"))
    return Output(sys.stdout.buffer, sys.stdout.encoding or "utf-8", hide_progress)


def is_terminal(stream: Any) -> bool:
    """Whether `stream` (None: closed) is a terminal."""
    return stream is not None and bool(stream.isatty())


class Output:
    """A byte stream, flushed after every result, so that the reader of a pipe gets each one at once.

    JSON is UTF-8 on every stream. Text for people is in `encoding`, with characters that it lacks escaped.
    `hide_progress` is entered around each write: it clears a progress bar on the same terminal.
    """

    def __init__(
        self,
        stream: BinaryIO,
        encoding: str,
        hide_progress: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._stream = stream
        self._encoding = encoding
        self._hide_progress = hide_progress

    def text(self, text: str) -> None:
        """Writes one or more lines for people."""
        self._write(f"{text}\n".encode(self._encoding, "backslashreplace"))

    def document(self, value: Any) -> None:
        """Writes one JSON value, indented. Bytes of a path that are not UTF-8 are escaped."""
        self._write(f"{_json_text(value, indent=2)}\n".encode("utf-8", "backslashreplace"))

    def lines(self, rows: Iterable[Any]) -> None:
        """Writes each JSON value on a line of its own, as soon as `rows` yields it."""
        self.encoded(map(json_line, rows))

    def encoded(self, lines: Iterable[bytes]) -> None:
        """Writes lines of `json_line` or `csv_line`, each as soon as `lines` yields it."""
        for line in lines:
            self._write(line)

    def array(self, rows: Iterable[Any]) -> None:
        """Writes one JSON array, each value as soon as `rows` yields it."""
        before = "[\n"
        for row in rows:
            self._write(f"{before}{_json_text(row)}".encode("utf-8", "backslashreplace"))
            before = ",\n"
        self._write(b"[]\n" if before == "[\n" else b"\n]\n")

    def _write(self, data: bytes) -> None:
        with self._hide_progress():
            while data:  # an unbuffered stream (python -u) may write only a part
                data = data[self._stream.write(data) or 0 :]
            self._stream.flush()


def json_line(value: Any) -> bytes:
    """One line of JSON. Half of a surrogate pair, which UTF-8 cannot encode, is escaped."""
    return f"{_json_text(value)}\n".encode("utf-8", "backslashreplace")


def csv_line(values: Sequence[Any], delimiter: str) -> bytes:
    """One row of CSV. Fields with quotes, delimiters or line ends are in quotes; the row ends with \\n.

    A value that is no string is written as in JSON, and null as nothing.
    """
    line = io.StringIO(newline="")
    # The writer puts fields with characters of its line end in quotes: \\r must be among them.
    csv.writer(line, delimiter=delimiter, lineterminator="\r\n").writerow(map(csv_cell, values))
    return f"{line.getvalue().removesuffix(chr(13) + chr(10))}\n".encode("utf-8", "backslashreplace")


def csv_cell(value: Any) -> str:
    """A value as the text of a field."""
    if value is None:
        return ""
    if not isinstance(value, (str, Mapping, list, tuple)):
        value = _json_value(value)
    return value if isinstance(value, str) else "" if value is None else _json_text(value)


def _json_text(value: Any, indent: int | None = None) -> str:
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # values that JSON does not have, from a Parquet file
        text = json.dumps(_json_value(value), indent=indent, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise InputError(mismatch("results", "too deep nesting", "values that JSON can hold")) from None
    return text.translate(_JSON_LINE_ENDS)


def _json_value(value: Any) -> Any:
    """`value` in JSON's types: NaN and infinity as null, bytes in base64, dates in ISO 8601, else text."""
    if isinstance(value, Mapping):
        return {str(key): _json_value(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
