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

from ..errors import InputError, shown

# A longer line is not text but some other kind of file.
MAX_LINE_BYTES = 1 << 27
STANDARD_INPUT = "standard input"


@dataclass(frozen=True)
class TextSource:
    """Texts, read as they are taken. `total` is None where only reading would tell."""

    name: str
    unit: str
    texts: Iterator[str]
    total: int | None

    def pairs(self) -> Iterator[dict[str, str]]:
        """Each text as two, divided by a tab. Raises InputError for one without just one tab."""
        for number, text in enumerate(self.texts, start=1):
            parts = text.split("\t")
            if len(parts) != 2:
                place = f"{self.name}: {self.unit} {number}"
                raise InputError(f"{place}: found {len(parts) - 1} tabs, expected 1 between two texts")
            yield {"text": parts[0], "text_pair": parts[1]}


@contextmanager
def open_source(
    arguments: tuple[str, ...], path: str | None, count_lines: bool, option: str = "--file"
) -> Iterator[TextSource]:
    """The texts of the command line, or of the file at `path`, or with neither of standard input.

    `path` may be "-" for standard input. With `count_lines` a regular file is read once ahead, so that its
    total is known. Raises InputError for a file that cannot be read, naming the `option` that named it.
    """
    if path is None and arguments:
        yield TextSource("arguments", "text", _decodable(arguments), len(arguments))
    elif path is None or path == "-":
        yield TextSource(STANDARD_INPUT, "line", _lines(sys.stdin.buffer, STANDARD_INPUT), None)
    else:
        try:
            file = open(path, "rb")  # noqa: SIM115  (closed below; errors while it is in use are not its own)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{option}: {shown(path, 200)}: cannot be read: {reason}") from error
        with file:
            total = (
                _line_count(file) if count_lines and stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
            )
            yield TextSource(path, "line", _lines(file, path), total)


def _decodable(arguments: tuple[str, ...]) -> Iterator[str]:
    for number, text in enumerate(arguments, start=1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(f"arguments: text {number}: found {shown(text)}, expected UTF-8") from None
        yield text


def _lines(file: BinaryIO, name: str) -> Iterator[str]:
    r"""The lines, split at \n alone, without \n or \r\n and a UTF-8 mark at the start, else as they are."""
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
        if len(line) > MAX_LINE_BYTES:
            raise InputError(f"{name}: line {number}: found more than {MAX_LINE_BYTES} bytes, expected text")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}: line {number}: found the byte 0x{line[error.start]:02x} at position {error.start}, "
                "expected UTF-8"
            ) from None
        yield text


def _line_count(file: BinaryIO) -> int:
    lines, last = 0, b"\n"
    while chunk := file.read(1 << 20):
        lines += chunk.count(b"\n")
        last = chunk[-1:]
    file.seek(0)
    return lines + (last != b"\n")
