"""What an earlier run has written: the complete rows of a CSV, TSV or JSON lines file.

A run that was killed may have left a part of its last row. That part is cut off before more rows are added,
if it is the beginning of the row that this run writes there.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import InputError, mismatch
from .file_kinds import JSONL
from .outputs import csv_cell, json_line
from .table_readers import DELIMITERS, csv_rows


@dataclass(frozen=True)
class Written:
    """size: of the complete rows, in bytes. rows: their number, without the header.

    header: the names of the columns; None: no row yet, or JSON lines. last: the last row. line: its bytes.
    """

    size: int
    rows: int
    header: list[str] | None
    last: Any
    line: bytes

    def check(self, fields: dict[str, Any], names: list[str], place: str, name: str) -> None:
        """Raise InputError unless the last row has these `fields`, of `place` of the input, and results.

        names: of the results; in CSV all of them, in JSON lines those that a row may have.
        """
        other = f"{name}: row {self.rows}"
        if self.header is not None:
            before = dict(zip(self.header, self.last, strict=True))
            is_same = all(
                _encoded(before.get(column)) == _encoded(csv_cell(value), "backslashreplace")
                for column, value in fields.items()
            )
        else:
            before = self.last if isinstance(self.last, dict) else {}
            rest = list(before)[len(fields) :]
            is_same = list(before.items())[: len(fields)] == list(json.loads(json_line(fields)).items())
            is_same = is_same and bool(rest) and set(rest) <= set(names)
        if not is_same:
            raise InputError(mismatch(other, "another row", f"the one of {place}, with its results"))

    def check_line(self, line: bytes, place: str, name: str) -> None:
        """Raise InputError unless the last row is `line`, which this run writes for `place` of the input."""
        if self.line != line:
            expected = f"those of this run for {place}: the same model and options"
            raise InputError(mismatch(f"{name}: row {self.rows}", "other results", expected))

    def move_to_end(self, file: BinaryIO, following: bytes, name: str) -> None:
        """Cut off what is after the complete rows. following: the bytes that this run writes first.

        Raises InputError, and changes nothing, unless the part that is cut off is their beginning.
        """
        file.seek(self.size)
        if not following.startswith(file.read(len(following) + 1)):
            found = f"something else after {self.rows} rows"
            raise InputError(mismatch(name, found, "the end, or a part of the next row of this run"))
        file.truncate(self.size)
        file.seek(self.size)


def _encoded(cell: str | None, errors: str = "surrogateescape") -> bytes | None:
    return None if cell is None else cell.encode("utf-8", errors)


def written_rows(path: str, kind: str) -> Written:
    """The complete rows of the file. Raises InputError if it cannot be read, or holds something else."""
    try:
        with open(path, "rb") as file:
            return _json_rows(file, path) if kind == JSONL else _csv_rows(file, path, DELIMITERS[kind])
    except OSError as error:
        raise InputError(f"--output: {path}: cannot be read: {error.strerror or error}") from error


def _json_rows(file: BinaryIO, path: str) -> Written:
    size, rows, last = 0, 0, b""
    for line in file:
        if not line.endswith(b"\n"):
            break
        size, rows, last = size + len(line), rows + 1, line
        _check_line_end(line, f"{path}: line {rows}")
    try:
        return Written(size, rows, None, json.loads(last) if rows else None, last)
    except ValueError:
        raise InputError(mismatch(f"{path}: line {rows}", "no JSON", "a row of an earlier run")) from None


def _check_line_end(line: bytes, place: str) -> None:
    """Raise InputError if a row ends with CRLF, which no run writes."""
    if line.endswith(b"\r\n"):
        raise InputError(mismatch(place, "a line end of \\r\\n", "\\n, as this run writes"))


def _csv_rows(file: BinaryIO, path: str, delimiter: str) -> Written:
    read, is_complete = 0, True  # of the lines that the reader has taken
    taken: list[bytes] = []  # the lines of one row

    def lines() -> Iterator[str]:
        nonlocal read, is_complete
        for line in file:
            read, is_complete = read + len(line), line.endswith(b"\n")
            taken.append(line)
            yield line.decode("utf-8", "surrogateescape")

    size, rows, header, last, last_line = 0, -1, None, None, b""
    reader = csv_rows(lines(), delimiter)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            if str(error) != "unexpected end of data":  # that is a torn row
                place = f"{path}: line {reader.line_num}"
                raise InputError(f"{place}: cannot be read: {error}") from None
            break
        if row is None or not is_complete:
            break
        _check_line_end(taken[-1], f"{path}: line {reader.line_num}")
        if header is None:
            header = row
        elif len(row) != len(header):
            found, expected = f"{len(row)} fields", f"{len(header)}, as in the first row"
            raise InputError(mismatch(f"{path}: row {rows + 1}", found, expected))
        size, rows, last, last_line = read, rows + 1, row, b"".join(taken)
        taken.clear()
    return Written(size, max(rows, 0), header, last, last_line)
