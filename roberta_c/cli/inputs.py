"""Where commands get their texts: arguments, or the lines of a file or of standard input."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO

from ..errors import InputError, mismatch, shown

# A file with a longer line is taken for something other than text.
MAX_LINE_BYTES = 1 << 27
STANDARD_INPUT = "standard input"


@dataclass(frozen=True)
class TextSource:
    """Texts that are read while `texts` is iterated over, once.

    name, unit: what messages call the source and one text of it. total: the number of texts; None: unknown.
    """

    name: str
    unit: str
    texts: Iterator[str]
    total: int | None

    def pairs(self) -> Iterator[dict[str, str]]:
        """Each text divided at its tab. Raises InputError for a text without exactly one tab."""
        for number, text in enumerate(self.texts, start=1):
            parts = text.split("\t")
            if len(parts) != 2:
                place = f"{self.name}: {self.unit} {number}"
                raise InputError(mismatch(place, f"{len(parts) - 1} tabs", "1 between two texts"))
            yield {"text": parts[0], "text_pair": parts[1]}


@contextmanager
def open_source(
    arguments: tuple[str, ...], path: str | None, count_lines: bool, option: str = "--file"
) -> Iterator[TextSource]:
    """The arguments as texts; or the lines of the file `path`; or those of standard input (path "-" or None).

    With `count_lines` a regular file is read once beforehand to count its lines. Raises InputError, which
    names `option`, if the file cannot be opened.
    """
    if path is None and arguments:
        yield TextSource("arguments", "text", _decodable(arguments), len(arguments))
    elif path is None or path == "-":
        yield TextSource(STANDARD_INPUT, "line", _lines(sys.stdin.buffer, STANDARD_INPUT), None)
    else:
        try:
            # Closed by the `with` below: this `except` must not catch errors of the caller's block.
            file = open(path, "rb")  # noqa: SIM115
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{option}: {shown(path, 200)}: cannot be read: {reason}") from error
        with file:
            total = (
                _line_count(file) if count_lines and stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
            )
            yield TextSource(path, "line", _lines(file, path), total)


def _decodable(arguments: tuple[str, ...]) -> Iterator[str]:
    """The arguments. Raises InputError for one that was not UTF-8 on the command line."""
    for number, text in enumerate(arguments, start=1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(mismatch(f"arguments: text {number}", shown(text), "UTF-8")) from None
        yield text


def _lines(file: BinaryIO, name: str) -> Iterator[str]:
    r"""The lines of `file`, without their ends.

    A line ends at \n or \r\n, and at no other character. A UTF-8 byte order mark at the start of the file is
    removed. Nothing else is changed.
    """
    for number in count(1):
        try:
            line = file.readline(MAX_LINE_BYTES + 2)
        except OSError as error:
            raise InputError(f"{name}: cannot be read: {error.strerror or error}") from error
        if not line:
            return
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line.endswith(b"\n"):
            line = line[:-1].removesuffix(b"\r")
        place = f"{name}: line {number}"
        if len(line) > MAX_LINE_BYTES:
            raise InputError(mismatch(place, f"more than {MAX_LINE_BYTES} bytes", "text"))
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = f"the byte 0x{line[error.start]:02x} at position {error.start}"
            raise InputError(mismatch(place, byte, "UTF-8")) from None
        yield text


def _line_count(file: BinaryIO) -> int:
    """The number of lines from here to the end; moves back to the start of the file."""
    lines, last = 0, b"\n"
    while chunk := file.read(1 << 20):
        lines += chunk.count(b"\n")
        last = chunk[-1:]
    file.seek(0)
    return lines + (last != b"\n")
