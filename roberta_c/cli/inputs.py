"""Where commands get their texts: arguments, standard input, or a file of lines or of rows with columns."""

from __future__ import annotations

import codecs
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, BinaryIO, NamedTuple

from ..errors import InputError, mismatch, shown
from .decoded_text import MAX_LINE_BYTES, decoded_lines
from .file_kinds import LINES, PARQUET
from .names import listed
from .table_readers import Table, check_text_column, read_table

STANDARD_INPUT = "standard input"
UTF_8 = "utf-8"
# The only column of a CSV file with one of these in its name is most likely several, in another form of CSV.
_DELIMITERS = frozenset(",;\t|")


# ---- lines ---------------------------------------------------------------------------------------------


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
            yield divided(text, f"{self.name}: {self.unit} {number}")


def divided(text: str, place: str) -> dict[str, str]:
    """The two texts with a tab between them. Raises InputError unless there is exactly one tab."""
    parts = text.split("\t")
    if len(parts) != 2:
        raise InputError(mismatch(place, f"{len(parts) - 1} tabs", "1 between two texts"))
    return {"text": parts[0], "text_pair": parts[1]}


@contextmanager
def open_source(
    arguments: tuple[str, ...],
    path: str | None,
    count_lines: bool,
    option: str = "--file",
    encoding: str = UTF_8,
) -> Iterator[TextSource]:
    """The arguments as texts; or the lines of the file `path`; or those of standard input (path "-" or None).

    With `count_lines` a regular file is read once beforehand to count its lines. Raises InputError, which
    names `option`, if the file cannot be opened.
    """
    if path is None and arguments:
        yield TextSource("arguments", "text", decodable(arguments), len(arguments))
        return
    with _opened(path, option) as (file, name):
        total = _line_count(file) if count_lines and _is_regular(file) else None
        hint = " (--encoding names another)" if option == "--file" else ""
        yield TextSource(name, "line", _lines(file, name, encoding, hint), total)


@contextmanager
def _opened(path: str | None, option: str) -> Iterator[tuple[BinaryIO, str]]:
    """The file, or standard input for "-" or None, and its name. Raises InputError, which names `option`."""
    if path is None or path == "-":
        if sys.stdin is None:
            raise InputError(mismatch(STANDARD_INPUT, "a closed stream", "an open one"))
        yield sys.stdin.buffer, STANDARD_INPUT
        return
    try:
        # Closed by the `with` below: this `except` must not catch errors of the caller's block.
        file = open(path, "rb")  # noqa: SIM115
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{option}: {shown(path, 200)}: cannot be read: {reason}") from error
    with file:
        yield file, path


def _is_regular(file: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:  # no file of the operating system
        return False


def decodable(arguments: tuple[str, ...]) -> Iterator[str]:
    """The arguments. Raises InputError for one that was not UTF-8 on the command line."""
    for number, text in enumerate(arguments, start=1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(mismatch(f"arguments: text {number}", shown(text), "UTF-8")) from None
        yield text


def _lines(file: BinaryIO, name: str, encoding: str, hint: str) -> Iterator[str]:
    r"""The lines of `file`, without their ends.

    A line ends at \n or \r\n, and at no other character. A byte order mark at the start of the file is
    removed. Nothing else is changed. hint: what the message about a byte that is not UTF-8 ends with.
    """
    if encoding != UTF_8:
        for text in decoded_lines(file, encoding, name):
            yield text[:-1].removesuffix("\r") if text.endswith("\n") else text
        return
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
            raise InputError(mismatch(place, byte, f"UTF-8{hint}")) from None
        yield text


def _line_count(file: BinaryIO) -> int | None:
    """The number of lines; None if they cannot be read. Moves back to the start of the file."""
    lines, last = 0, b"\n"
    try:
        while chunk := file.read(1 << 20):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
        return lines + (last != b"\n")
    except OSError:
        return None
    finally:
        file.seek(0)


# ---- items: texts with the columns they came with ------------------------------------------------------


class Item(NamedTuple):
    """What a pipeline is given, `text`; what messages call it; and the columns that results are added to."""

    place: str
    fields: dict[str, Any]
    text: Any


@dataclass(frozen=True)
class ItemSource:
    """Items that are read while `items` is iterated over, once.

    columns: None where each row has its own. schema: pyarrow's, of a Parquet file. total: the number of
    items; None: unknown. adds: whether results are added to the columns of the input file.
    """

    name: str
    items: Iterator[Item]
    total: int | None
    columns: list[str] | None
    schema: Any = None
    adds: bool = False


class Part(NamedTuple):
    """A text of each item: its key, the column that `option` chose, and the column without that option."""

    key: str
    option: str
    column: str | None
    default: str | None


@dataclass(frozen=True)
class Wanted:
    """Which texts an item has, and what the pipeline is given.

    parts: its texts, in a file with columns. line_columns: the columns of an item from a line.
    from_line: a line and its place → these columns' values. as_text: texts by key → what the pipeline is
    given. is_pair: whether each item has two texts, also where the second is empty.
    """

    parts: tuple[Part, ...]
    line_columns: tuple[str, ...]
    from_line: Callable[[str, str], dict[str, str]]
    as_text: Callable[[dict[str, str]], Any]
    is_pair: bool = False


@contextmanager
def open_items(
    arguments: tuple[str, ...],
    path: str | None,
    kind: str,
    encoding: str,
    wanted: Wanted,
    count_items: bool = False,
) -> Iterator[ItemSource]:
    """The items of the arguments, of the file `path`, or of standard input (path "-" or None).

    With `count_items` a regular file is read once beforehand to count them. Raises InputError.
    """
    if kind == LINES or (path is None and arguments):
        with open_source(arguments, path, count_items, encoding=encoding) as source:
            items = _items_of_lines(source, wanted)
            yield ItemSource(source.name, items, source.total, list(wanted.line_columns))
        return
    with _opened(path, "--file") as (file, name):
        is_regular = _is_regular(file)
        if kind == PARQUET and not is_regular:  # its columns are described at the end
            try:
                file = io.BytesIO(file.read())
            except OSError as error:
                raise InputError(f"{name}: cannot be read: {error.strerror or error}") from error
        table = read_table(file, name, kind, encoding, count_items and is_regular)
        items = _items_of_table(table, wanted.parts, name, wanted.as_text)
        if table.columns is not None:
            for column in chosen_columns(wanted.parts, table.columns, name, table.schema is None).values():
                check_text_column(table, column, name)
        yield ItemSource(name, items, table.total, table.columns, table.schema, adds=True)


def _items_of_lines(source: TextSource, wanted: Wanted) -> Iterator[Item]:
    for number, line in enumerate(source.texts, start=1):
        place = f"{source.name}: {source.unit} {number}"
        texts = wanted.from_line(line, place)
        # Unless all are pairs, an empty second text is none.
        fields = {key: text for key, text in texts.items() if text or wanted.is_pair or key != "text_pair"}
        yield Item(place, fields, wanted.as_text(texts))


def _items_of_table(
    table: Table, parts: tuple[Part, ...], name: str, as_text: Callable[[dict[str, str]], Any]
) -> Iterator[Item]:
    chosen: dict[str, str] | None = None
    for place, fields in table.records:
        if chosen is None:  # the first row decides where each row has its own columns
            names = table.columns
            if names is None:
                chosen = chosen_columns(parts, list(fields), place)
            else:
                chosen = chosen_columns(parts, names, name, table.schema is None)
        texts = {}
        for key, column in chosen.items():
            if column not in fields:
                found, expected = f"the columns {listed(fields)}", f"{shown(column)}, as in the first row"
                raise InputError(mismatch(place, found, expected))
            if not isinstance(fields[column], str):
                found = "null" if fields[column] is None else shown(fields[column], 40)
                raise InputError(mismatch(f"{place}: column {shown(column)}", found, "a string"))
            texts[key] = fields[column]
        yield Item(place, fields, as_text(texts))


def chosen_columns(
    parts: tuple[Part, ...], columns: list[str], name: str, is_delimited: bool = False
) -> dict[str, str]:
    """The column of each part: the one that its option names; else its default; else the only one there is.

    is_delimited: whether the file is CSV or TSV.
    Raises InputError, which lists the columns, if there is no such column.
    """
    chosen = {}
    used = [part for part in parts if part.column is not None or part.default is not None]
    is_alone = len(used) == 1
    for key, option, column, default in used:
        if column is not None:
            if column not in columns:
                found = f"the columns {listed(columns)}"
                raise InputError(mismatch(name, found, f"{shown(column)}, which {option} names"))
        elif default in columns:
            column = default
        elif len(columns) == 1 and is_alone and not (is_delimited and _DELIMITERS & set(columns[0])):
            column = columns[0]
        else:
            found = f"the columns {listed(columns)}"
            raise InputError(mismatch(name, found, f"{default!r} among them, or {option}"))
        assert column is not None
        chosen[key] = column
    return chosen


def text_of_file(path: str, option: str, encoding: str) -> str:
    """The complete text of a file, without the line end at its end. Raises InputError."""
    with _opened(path, option) as (file, name):
        return "".join(decoded_lines(file, encoding, name)).removesuffix("\n").removesuffix("\r")
