"""Standard output of the commands: text for people, or JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
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
        for row in rows:
            self._write(f"{_json_text(row)}\n".encode())

    def array(self, rows: Iterable[Any]) -> None:
        """Writes one JSON array, each value as soon as `rows` yields it."""
        before = "[\n"
        for row in rows:
            self._write(f"{before}{_json_text(row)}".encode())
            before = ",\n"
        self._write(b"[]\n" if before == "[\n" else b"\n]\n")

    def _write(self, data: bytes) -> None:
        with self._hide_progress():
            while data:  # an unbuffered stream (python -u) may write only a part
                data = data[self._stream.write(data) or 0 :]
            self._stream.flush()


def _json_text(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).translate(_JSON_LINE_ENDS)
