"""Rows of CSV, TSV, JSON lines, JSON and Parquet files, read one at a time, with the place of each.

A bad row is an InputError that names the file and the row; the rows before it have been read by then.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from ..errors import InputError, mismatch, shown
from .decoded_text import MAX_LINE_BYTES, decoded_lines
from .file_kinds import CSV, JSON, JSONL, PARQUET, TSV
from .names import repeated

DELIMITERS = {CSV: ",", TSV: "\t"}
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class Record(NamedTuple):
    """One row: what messages call it, and its values by the names of their columns."""

    place: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """The rows of a file, which are read while `records` is iterated over, once.

    columns: None where each row has its own, in JSON. schema: pyarrow's, of a Parquet file. total: the number
    of rows; None: unknown.
    """

    columns: list[str] | None
    records: Iterator[Record]
    total: int | None = None
    schema: Any = None


def read_table(file: BinaryIO, name: str, kind: str, encoding: str, count_rows: bool = False) -> Table:
    """The rows of `file`, which messages call `name`. count_rows: reads a file beforehand to count them."""
    if kind in DELIMITERS:
        total = _row_count(file, encoding, DELIMITERS[kind]) if count_rows else None
        return _delimited(decoded_lines(file, encoding, name), name, DELIMITERS[kind], total)
    if kind == JSONL:
        total = _line_count(file) if count_rows else None
        return Table(None, _json_lines(decoded_lines(file, encoding, name), name), total)
    if kind == JSON:
        return _json_array(decoded_lines(file, encoding, name), name)
    assert kind == PARQUET, kind
    return _parquet(file, name)


# ---- CSV and TSV ---------------------------------------------------------------------------------------


def csv_rows(lines: Iterable[str], delimiter: str) -> Any:
    """A csv.reader that is strict about quotes and takes long fields."""
    csv.field_size_limit(MAX_LINE_BYTES)
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _delimited(lines: Iterator[str], name: str, delimiter: str, total: int | None) -> Table:
    reader = csv_rows(_without_nul(lines, name), delimiter)
    rows = _rows(reader, name)
    header = next(rows, None)
    if header is None:
        raise InputError(mismatch(name, "no rows", "a row with the names of the columns"))
    columns = header[1]
    _check_columns(columns, name)

    def records() -> Iterator[Record]:
        for number, (line, row) in enumerate(rows, start=1):
            place = f"{name}: row {number} (line {line})"
            if len(row) != len(columns):
                fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
                found, expected = fields, f"{len(columns)}, as in the first row"
                raise InputError(mismatch(place, found, expected))
            yield Record(place, dict(zip(columns, row, strict=True)))

    return Table(columns, records(), total)


def _rows(reader: Any, name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank lines, and the line where each begins."""
    number = 0
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            place = f"{name}: row {number} (line {line})" if number else f"{name}: line {line}"
            reason = "a quote that never ends" if str(error) == "unexpected end of data" else str(error)
            raise InputError(f"{place}: cannot be read: {reason}") from None
        if row:
            yield line, row
            number += 1


def _without_nul(lines: Iterator[str], name: str) -> Iterator[str]:
    """The lines, divided at carriage returns too. Raises InputError for NUL, which no text file has."""
    for number, line in enumerate(lines, start=1):
        _check_nul(line, f"{name}: line {number}")
        if "\r" in line.removesuffix("\n").removesuffix("\r"):
            yield from _LINE.findall(line)
        else:
            yield line


def _check_nul(line: str, place: str) -> None:
    if "\0" in line:
        raise InputError(mismatch(place, f"a NUL byte as character {line.index(chr(0)) + 1}", "text"))


def _check_columns(columns: list[str], name: str) -> None:
    column = repeated(columns)
    if column is not None:
        raise InputError(mismatch(f"{name}: columns", f"{shown(column)} twice", "different names"))


def _row_count(file: BinaryIO, encoding: str, delimiter: str) -> int | None:
    """The number of rows below the header; None if they cannot be read. Moves back to the file's start."""
    try:
        rows = sum(1 for row in csv_rows(decoded_lines(file, encoding, ""), delimiter) if row)
        return max(0, rows - 1)
    except (InputError, csv.Error):
        return None
    finally:
        file.seek(0)


# ---- JSON ----------------------------------------------------------------------------------------------


def _json_lines(lines: Iterator[str], name: str) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        place = f"{name}: line {number}"
        _check_nul(line, place)
        if line.strip():
            yield _object(_parsed(line, place), place)


def _json_array(lines: Iterator[str], name: str) -> Table:
    rows = _parsed("".join(lines), name)
    if not isinstance(rows, list):
        raise InputError(mismatch(name, f"{_json_type(rows)}", "an array of objects"))
    records = (_object(row, f"{name}: item {number}") for number, row in enumerate(rows, start=1))
    return Table(None, records, len(rows))


class _BadValue(ValueError):
    """A repeated key, or a number that JSON does not have. Its message is what was found."""


def _parsed(text: str, place: str) -> Any:
    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(members)
        if len(found) < len(members):
            key = repeated(name for name, _ in members)
            beginning = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in members[:4])
            raise _BadValue(f"the key {shown(key)} twice in {{{beginning[:160]}…")
        return found

    def constant(text: str) -> Any:
        raise _BadValue(text)

    def number(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else constant(shown(text))

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_float=number)
    except _BadValue as error:
        raise InputError(mismatch(place, error, "JSON")) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}" if "\n" in text[:-1] else f"column {error.colno}"
        raise InputError(f"{place}: not JSON: {error.msg.removesuffix(' at')} at {where}") from None
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        raise InputError(mismatch(place, "too deep nesting or too long a number", "JSON")) from None


def _object(value: Any, place: str) -> Record:
    if not isinstance(value, dict):
        raise InputError(mismatch(place, _json_type(value), "an object"))
    return Record(place, value)


def _json_type(value: Any) -> str:
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return "null" if value is None else shown(value, 40)


def _line_count(file: BinaryIO) -> int | None:
    """The number of lines that are not blank; None if they cannot be read. Moves back to the file's start."""
    try:
        return sum(1 for line in file if line.strip())
    except OSError:
        return None
    finally:
        file.seek(0)


# ---- Parquet -------------------------------------------------------------------------------------------


def pyarrow_parquet() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet. Raises InputError if pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        expected = "it installed: pip install 'roberta_c[parquet]'"
        raise InputError(mismatch("Parquet", "no package pyarrow", expected)) from None
    return pyarrow, pyarrow.parquet


def _parquet(file: BinaryIO, name: str) -> Table:
    pyarrow, parquet = pyarrow_parquet()
    try:
        opened = parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{name}: not a Parquet file: {' '.join(str(error).split())}") from None
    schema = opened.schema_arrow
    _check_columns(schema.names, name)

    def records() -> Iterator[Record]:
        number = 0
        try:
            for batch in opened.iter_batches(batch_size=1024):
                for fields in _rows_of_batch(pyarrow, batch):
                    number += 1
                    yield Record(f"{name}: row {number}", fields)
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
            raise InputError(f"{name}: row {number + 1}: cannot be read: {error}") from None

    return Table(list(schema.names), records(), opened.metadata.num_rows, schema)


def _rows_of_batch(pyarrow: Any, batch: Any) -> Iterator[dict[str, Any]]:
    """The rows of a record batch; if Python has no value for one of them, the rows before it first."""

    def rows(part: Any) -> list[dict[str, Any]]:
        _check_times(pyarrow, part)
        found: list[dict[str, Any]] = part.to_pylist()
        return found

    try:
        of_batch = rows(batch)
    except (pyarrow.ArrowException, ValueError, OverflowError):  # such as a date after the year 9999
        for start in range(batch.num_rows):
            yield from rows(batch.slice(start, 1))
        return
    yield from of_batch


def _check_times(pyarrow: Any, batch: Any) -> None:
    """ValueError, which names the column, if a time of day has nanoseconds: Python's have microseconds."""
    nanoseconds = pyarrow.time64("ns")
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if str(nanoseconds) not in str(field.type):  # nested types show what is in them
            continue
        for array in _plain_arrays(pyarrow, column):
            try:
                if array.type == nanoseconds:
                    array.cast(pyarrow.time64("us"))
            except pyarrow.ArrowInvalid as error:
                raise ValueError(f"column {shown(field.name)}: {error}") from None


def _plain_arrays(pyarrow: Any, array: Any) -> Iterator[Any]:
    """The arrays of plain values that an array of nested values consists of."""
    types, kind = pyarrow.types, array.type
    if isinstance(array, pyarrow.ExtensionArray):
        parts = [array.storage]
    elif types.is_dictionary(kind):
        parts = [array.dictionary_decode()]
    elif types.is_struct(kind):
        parts = array.flatten()
    elif types.is_map(kind):  # of a part of a map, the keys and items are those of the complete map
        first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
        parts = [part.slice(first, last - first) for part in (array.keys, array.items)]
    elif types.is_nested(kind):  # a list
        parts = [array.flatten()]
    else:
        yield array
        return
    for part in parts:
        yield from _plain_arrays(pyarrow, part)


def check_text_column(table: Table, column: str, name: str) -> None:
    """Raise InputError unless `column` of a Parquet file holds text. The text may be dictionary-encoded."""
    if table.schema is None:
        return
    found = table.schema.field(column).type
    value_type = found.value_type if str(found).startswith("dictionary") else found
    if str(value_type) not in ("string", "large_string", "string_view"):
        raise InputError(mismatch(f"{name}: column {shown(column)}", str(found), "string"))
