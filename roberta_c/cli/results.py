"""Where the results of a run go: standard output or a file, in the form that people or programs read.

A file of rows is written row by row, so that an interrupted run leaves complete rows, which --resume keeps. A
JSON array, a Parquet file and a file of vectors are written beside their place and moved there when they are
complete.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol

from ..errors import InputError, ResourceError, mismatch, shown
from .file_kinds import JSON, JSONL, NPY, NPZ, PARQUET, TABLE_KINDS, WHOLE_KINDS
from .inputs import Item, ItemSource
from .names import check_encodable, listed
from .output_options import HUMAN, NAMELESS, OutputOptions, exists_already
from .outputs import Output, csv_line, json_line, open_output
from .parquet_writer import write_parquet
from .resume import Written
from .signals import unfinished_files
from .table_readers import DELIMITERS
from .vector_files import VectorForm, write_npy, write_npz


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
        self._known_names, self._known_columns = frozenset(self._names), frozenset(self._columns)
        if self.source.adds and self.kind not in NAMELESS:
            self._check_names(self._columns, self.source.name)
        if in_table:
            check_encodable(self._columns, f"{self.source.name}: columns")
            check_encodable(self._names, "results: columns")
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
            if self.source.adds and self.source.columns is None and self.kind not in NAMELESS:
                self._check_names(item.fields, item.place)
                if self.kind in TABLE_KINDS:
                    self._check_keys(item)
            yield item

    def _check_names(self, columns: Iterable[str], place: str) -> None:
        for column in columns:
            if column in self._known_names:
                expected = "other names than those of the results; --prefix changes these"
                raise InputError(mismatch(place, f"the column {shown(column)}", expected))

    def _check_keys(self, item: Item) -> None:
        for key in item.fields:
            if key not in self._known_columns:
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
        elif self.kind in WHOLE_KINDS:
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

    def _header(self) -> bytes:
        """The names of the columns, if this run writes them."""
        if self.kind not in DELIMITERS or (self._written is not None and self._written.header is not None):
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
        unfinished_files.add(beside)  # before it is there: a signal may come right after
        try:
            with _opened(beside, "xb", path) as file, _disk_errors(path):
                if self.kind in (NPY, NPZ):
                    assert isinstance(self.form, VectorForm)
                    kept = _errors_kept(computed)
                    if self.kind == NPY:
                        write_npy(file, (prediction.value for _, prediction in kept), self.form)
                    else:
                        texts = ((item.text, prediction.value) for item, prediction in kept)
                        write_npz(file, texts, self.form, os.path.dirname(place), path)
                elif self.kind == PARQUET:
                    rows = _errors_kept(self.row(item, prediction) for item, prediction in computed)
                    results = {self.options.prefix + name: kind for name, kind in self.form.columns.items()}
                    are_strings = self.source.columns is not None
                    schema = self.source.schema
                    write_parquet(file, rows, self._columns, schema, are_strings, results, path)
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
        if self.kind == JSON:
            output.array(self.row(item, prediction) for item, prediction in computed)
        else:
            lines = (self._line(item, prediction) for item, prediction in computed)
            output.encoded(chain([self._header()], lines))


def _opened(path: str, mode: str, name: str) -> Any:
    """The file `path`, unbuffered: each row is written at once. Raises InputError, which calls it `name`."""
    try:
        return open(path, mode, buffering=0)
    except FileExistsError:
        raise InputError(exists_already(name)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--output: {shown(name, 200)}: cannot be written: {reason}") from error


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
        raise InputError(exists_already(name)) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(place):
            raise InputError(exists_already(name)) from None
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
