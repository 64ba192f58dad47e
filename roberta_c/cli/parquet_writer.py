"""Rows into a Parquet file, through pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import BufferedWriter, RawIOBase
from itertools import islice
from typing import Any

from ..errors import InputError, shown
from .table_readers import pyarrow_parquet

_ROWS_AT_ONCE = 1024


def write_parquet(
    file: RawIOBase,
    rows: Iterable[dict[str, Any]],
    columns: list[str],
    schema: Any,
    are_strings: bool,
    results: Mapping[str, Any],
    name: str,
) -> None:
    """Write the `columns` of the rows, and the results, whose types `results` tells, to `file`.

    schema: pyarrow's schema of the columns, or None. are_strings: without a schema, all columns are strings;
    otherwise their types are those of the values, for which all rows are held in memory. Raises InputError,
    which calls the file `name`, if the values of a column are of different types.
    """
    pyarrow, parquet = pyarrow_parquet()
    fields = [pyarrow.field(column, arrow_type(pyarrow, kind)) for column, kind in results.items()]
    try:
        if schema is None and are_strings:
            schema = pyarrow.schema([(column, pyarrow.string()) for column in columns])
        if schema is None:
            rows = list(rows)
            schema = pyarrow.schema(
                [(column, _column_type(pyarrow, column, rows, name)) for column in columns]
            )
        schema = pyarrow.schema([*schema, *fields], metadata=schema.metadata)
        # Through a buffer, which writes all bytes or raises: pyarrow ignores how many were written.
        with BufferedWriter(file) as buffer, parquet.ParquetWriter(buffer, schema) as writer:
            remaining, first = iter(rows), 1
            while group := list(islice(remaining, _ROWS_AT_ONCE)):
                writer.write_table(_table(pyarrow, group, schema, name, first))
                first += len(group)
    except pyarrow.ArrowException as error:
        raise _not_writable(name, error) from error


def _column_type(pyarrow: Any, column: str, rows: Iterable[dict[str, Any]], name: str) -> Any:
    """The type of the values of a column. Raises InputError if there is none that holds all of them."""
    try:
        return pyarrow.array([row.get(column) for row in rows]).type
    except (pyarrow.ArrowException, ValueError, OverflowError) as error:
        raise _not_writable(f"{name}: column {shown(column)}", error) from error


def _table(pyarrow: Any, rows: list[dict[str, Any]], schema: Any, name: str, first: int) -> Any:
    """The rows, `first` on, for pyarrow. Raises InputError for a value that Parquet cannot hold."""
    try:
        return pyarrow.Table.from_pylist(rows, schema=schema)
    except (pyarrow.ArrowException, ValueError, OverflowError) as error:
        if len(rows) > 1:  # find the row
            for number, row in enumerate(rows, start=first):
                _table(pyarrow, [row], schema, name, number)
            raise _not_writable(name, error) from error
        raise _not_writable(f"{name}: row {first}", error) from error


def _not_writable(place: str, error: Exception) -> InputError:
    reason = " ".join(str(error).encode("ascii", "backslashreplace").decode().split())
    return InputError(f"{place}: cannot be written: {reason}")


def arrow_type(pyarrow: Any, kind: Any) -> Any:
    """The type of a column of results: a name such as "float64", or [of] or {name: of} for nested values."""
    if isinstance(kind, list):
        return pyarrow.list_(arrow_type(pyarrow, kind[0]))
    if isinstance(kind, dict):
        return pyarrow.struct([(name, arrow_type(pyarrow, part)) for name, part in kind.items()])
    return pyarrow.type_for_alias(kind)
