"""Where the results of a run go: standard output or a file, in the form that people or programs read.

A file of rows is written row by row, so that an interrupted run leaves complete rows, which --resume keeps. A
JSON array and a Parquet file are written beside their place and moved there when they are complete.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol

import click

from ..errors import InputError, ResourceError, mismatch, shown
from .file_kinds import CSV, ENDINGS, JSON, JSONL, PARQUET, TABLE_KINDS, TSV, kind_of
from .inputs import Item, ItemSource, listed
from .outputs import Output, csv_line, is_terminal, json_line, open_output
from .parquet_writer import write_parquet
from .resume import Written, written_rows
from .signals import unfinished_files
from .table_readers import DELIMITERS, pyarrow_parquet

HUMAN, AUTO = "human", "auto"
FORMS = (AUTO, HUMAN, JSON, JSONL, CSV, TSV, PARQUET)


class PredictionForm(Protocol):
    """How a command shows what the pipeline computed of one text.

    columns: the columns in CSV, TSV and Parquet, and their types as parquet_writer.arrow_type takes them.
    names: all members that an object in JSON may have.
    """

    @property
    def columns(self) -> dict[str, Any]:
        """The names and types of the columns of results."""

    @property
    def names(self) -> list[str]:
        """The names of the members of results."""

    def members(self, prediction: Any) -> dict[str, Any]:
        """The members of an object in JSON."""

    def cells(self, prediction: Any) -> dict[str, Any]:
        """The value of each column."""

    def lines(self, prediction: Any) -> str:
        """The result for people, one line or more."""


@dataclass(frozen=True)
class OutputOptions:
    """--output, --format, --prefix, --resume and --overwrite."""

    output: str | None
    form: str
    prefix: str
    resume: bool
    overwrite: bool

    def kind(self) -> str:
        """The form of the results. Raises UsageError for options that do not go together."""
        form = self.form
        if self.output is None:
            for option in ("resume", "overwrite"):
                if getattr(self, option):
                    raise click.UsageError(mismatch(f"--{option}", "no --output", "the file to write"))
            if form == PARQUET:
                raise click.UsageError(mismatch("--format", "parquet without --output", "a file to write"))
            if form != AUTO:
                return form
            return HUMAN if is_terminal(sys.stdout) else JSONL
        if form == AUTO:
            form = kind_of(self.output) or AUTO
        if form in (AUTO, HUMAN):
            found = shown(self.output, 200) if form == AUTO else "--format human"
            expected = f"a name that ends with {ENDINGS}, or another --format"
            raise click.UsageError(mismatch("--output", found, expected))
        if self.resume and self.overwrite:
            raise click.UsageError(mismatch("--resume, --overwrite", "both", "one of them"))
        if self.resume and form in (JSON, PARQUET):
            expected = "csv, tsv or jsonl: only these can be resumed"
            raise click.UsageError(mismatch("--resume", f"the format {form}", expected))
        return form

    def check_file(self, read: Iterable[str]) -> None:
        """Raise UsageError if the file exists and was not to be changed, or InputError if it cannot be.

        read: the files that the run reads, which are not to be changed; "-": standard input.
        """
        path = self.output
        if path is None:
            return
        if self.kind() == PARQUET:
            pyarrow_parquet()
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise InputError(f"--output: {shown(path, 200)}: cannot be written: no such folder")
        if os.path.isdir(path):
            raise InputError(f"--output: {shown(path, 200)}: cannot be written: it is a folder")
        if not self._is_file():
            if self.kind() == PARQUET and os.path.exists(path):
                found = f"{shown(path, 200)}, a device or a pipe"
                raise InputError(mismatch("--output", found, "a regular file for Parquet"))
            return
        if any(_is_same(path, input_path) for input_path in read):
            raise click.UsageError(mismatch("--output", f"the input file {shown(path, 200)}", "another file"))
        if not (self.resume or self.overwrite):
            raise click.UsageError(_exists_already(path))

    def place(self) -> str | None:
        """The path that a file is created at or replaced at; None: a device or a pipe is written to."""
        assert self.output is not None
        if os.path.exists(self.output) and not self._is_file():
            return None
        return os.path.realpath(self.output)  # of a symbolic link, the file that it leads to

    def _is_file(self) -> bool:
        """Whether there is such a file; not for a device or a pipe, which holds nothing to be lost."""
        assert self.output is not None
        return os.path.exists(self.output) and stat.S_ISREG(os.stat(self.output).st_mode)

    def written(self, kind: str) -> Written | None:
        """What an earlier run has written and this one is to keep."""
        if self.output is None or not self.resume or not self._is_file():
            return None
        return written_rows(self.output, kind)


@dataclass
class Results:
    """The results of the items of a source, in one form.

    done: how many items at its beginning have been done by an earlier run, and are not computed again.
    """

    source: ItemSource
    form: PredictionForm
    options: OutputOptions
    kind: str
    done: int = 0

    def __post_init__(self) -> None:
        """Raises InputError if the file of an earlier run does not fit the input."""
        self._items = iter(self.source.items)
        # The columns of a table are needed before its rows; where each row has its own, the first decides.
        self._columns = list(self.source.columns or [])
        if self.source.columns is None and self.kind in TABLE_KINDS:
            first = next(self._items, None)
            self._columns = [] if first is None else list(first.fields)
            self._items = chain([] if first is None else [first], self._items)
        in_table = self.kind in TABLE_KINDS
        self._names = [
            self.options.prefix + name for name in (self.form.columns if in_table else self.form.names)
        ]
        if self.source.adds and self.kind != HUMAN:
            self._check_names(self._columns, self.source.name)
        self._written = self.options.written(self.kind)
        if self._written is not None:
            self._skip(self._written)

    def _skip(self, written: Written) -> None:
        """Leave out the items whose results an earlier run has written. Raises InputError."""
        path, columns = str(self.options.output), [*self._columns, *self._names]
        if written.header is not None and written.header != columns:
            found = f"the columns {listed(written.header)}"
            raise InputError(mismatch(path, found, f"{listed(columns)}, as this run writes"))
        skipped, last = 0, None  # the last one is computed again, to compare the results
        for item in islice(self._items, written.rows):
            skipped, last = skipped + 1, item
        if skipped < written.rows:
            found = f"{written.rows} rows"
            raise InputError(mismatch(path, found, f"at most {skipped}, as in {self.source.name}"))
        if last is not None:
            written.check(last.fields, self._names, last.place, path)
            self._items = chain([last], self._items)
        self.done = max(0, skipped - 1)

    def items(self) -> Iterator[Item]:
        """The items to do. Raises InputError for one that has a column of the name of a result."""
        for item in self._items:
            if self.source.adds and self.source.columns is None and self.kind != HUMAN:
                self._check_names(item.fields, item.place)
                if self.kind in TABLE_KINDS:
                    self._check_keys(item)
            yield item

    def _check_names(self, columns: Iterable[str], place: str) -> None:
        for column in columns:
            if column in self._names:
                expected = "other names than those of the results; --prefix changes these"
                raise InputError(mismatch(place, f"the column {shown(column)}", expected))

    def _check_keys(self, item: Item) -> None:
        for key in item.fields:
            if key not in self._columns:
                expected = f"the columns of the first row: {listed(self._columns)}"
                raise InputError(mismatch(item.place, f"the key {shown(key)}", expected))

    def row(self, item: Item, prediction: Any) -> dict[str, Any]:
        """The columns of an item and its results."""
        form = self.form
        results = form.cells(prediction) if self.kind in TABLE_KINDS else form.members(prediction)
        if self.options.prefix:
            results = {self.options.prefix + name: value for name, value in results.items()}
        return {**item.fields, **results}

    def write(
        self,
        computed: Iterable[tuple[Item, Any]],
        hide_progress: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Writes the results of the computed items. hide_progress: see Output."""
        if self.options.output is None:
            self._write(open_output(hide_progress), computed)
        elif self.kind in (JSON, PARQUET):
            self._write_complete(self.options.output, computed)
        else:
            self._append(self.options.output, computed)

    def _append(self, path: str, computed: Iterable[tuple[Item, Any]]) -> None:
        """Writes rows to the file `path`, after those of an earlier run.

        The file is opened when the first result is there: a run that fails before does not change it.
        """
        results, written = iter(computed), self._written
        if written is not None and written.rows:
            for item, prediction in islice(results, 1):
                written.check_line(self._line(item, prediction), item.place, path)
        first = list(islice(results, 1))
        place = self.options.place()
        if written is not None:
            mode = "r+b"
        else:
            mode = "wb" if place is None or self.options.overwrite else "xb"
        with _opened(place or path, mode, path) as file, _disk_errors(path):
            if written is not None:
                following = b"".join(self._line(*result) for result in first)
                written.move_to_end(file, self._header() + following, path)
            self._write(Output(file, "utf-8"), chain(first, _errors_kept(results)))

    def _has_header(self) -> bool:
        """Whether this run writes the names of the columns."""
        return self.kind in DELIMITERS and (self._written is None or self._written.header is None)

    def _header(self) -> bytes:
        if not self._has_header():
            return b""
        return csv_line([*self._columns, *self._names], DELIMITERS[self.kind])

    def _line(self, item: Item, prediction: Any) -> bytes:
        """The bytes of a row of CSV, TSV or JSON lines."""
        row = self.row(item, prediction)
        if self.kind == JSONL:
            return json_line(row)
        return csv_line([row.get(name) for name in [*self._columns, *self._names]], DELIMITERS[self.kind])

    def _write_complete(self, path: str, computed: Iterable[tuple[Item, Any]]) -> None:
        """Writes the file beside its place and moves it there when it is complete."""
        place = self.options.place()
        if place is None:
            with _opened(path, "wb", path) as file, _disk_errors(path):
                self._write(Output(file, "utf-8"), _errors_kept(computed))
            return
        beside = os.path.join(os.path.dirname(place), f".roberta-c-{os.urandom(8).hex()}.part")
        file = _opened(beside, "xb", path)
        unfinished_files.add(beside)
        try:
            with file, _disk_errors(path):
                if self.kind == PARQUET:
                    rows = _errors_kept(self.row(item, prediction) for item, prediction in computed)
                    results = {self.options.prefix + name: kind for name, kind in self.form.columns.items()}
                    are_strings = self.source.columns is not None
                    schema = self.source.schema
                    write_parquet(beside, rows, self._columns, schema, are_strings, results, path)
                else:
                    self._write(Output(file, "utf-8"), _errors_kept(computed))
            with _disk_errors(path):
                _move(beside, place, self.options.overwrite, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            unfinished_files.discard(beside)

    def _write(self, output: Output, computed: Iterable[tuple[Item, Any]]) -> None:
        if self.kind == HUMAN:
            for _, prediction in computed:
                output.text(self.form.lines(prediction))
            return
        rows = (self.row(item, prediction) for item, prediction in computed)
        if self.kind in (CSV, TSV):
            columns = [*self._columns, *self._names]
            output.table(rows, columns, DELIMITERS[self.kind], self._has_header())
        else:
            write = output.array if self.kind == JSON else output.lines
            write(rows)


def _opened(path: str, mode: str, name: str) -> Any:
    """The file `path`, unbuffered: each row is written at once. Raises InputError, which calls it `name`."""
    try:
        return open(path, mode, buffering=0)
    except FileExistsError:
        raise InputError(_exists_already(name)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--output: {shown(name, 200)}: cannot be written: {reason}") from error


def _exists_already(path: str) -> str:
    found = f"{shown(path, 200)}, which exists already"
    return mismatch("--output", found, "a new file, --resume or --overwrite")


def _is_same(path: str, read: str) -> bool:
    """Whether the file `path` is the one that is read ("-": standard input)."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(0) if read == "-" else os.stat(read))
    except (OSError, ValueError):  # there is no such file, or standard input is closed
        return False


def _move(beside: str, place: str, overwrite: bool, name: str) -> None:
    """Move the file `beside` to `place`. Raises InputError, which calls it `name`, if a file is there."""
    if overwrite:
        with contextlib.suppress(FileNotFoundError):
            os.chmod(beside, stat.S_IMODE(os.stat(place).st_mode))
        os.replace(beside, place)
        return
    try:
        os.link(beside, place)  # unlike a replacement, fails if there is a file
    except FileExistsError:
        raise InputError(_exists_already(name)) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(place):
            raise InputError(_exists_already(name)) from None
        os.replace(beside, place)


class _KeptError(Exception):
    """An error of reading or computing, on its way through the code that writes."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


def _errors_kept(computed: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from computed
    except OSError as error:
        raise _KeptError(error) from error


@contextlib.contextmanager
def _disk_errors(path: str) -> Iterator[None]:
    """An OSError here is one of writing the file `path`: reported as a ResourceError."""
    try:
        yield
    except _KeptError as kept:
        raise kept.error from None
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written: {error.strerror or error}") from error
