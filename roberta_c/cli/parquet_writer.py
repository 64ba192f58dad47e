"""Rows into a Parquet file, through pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InputError
from .table_readers import pyarrow_parquet

_ROWS_AT_ONCE = 1024


def write_parquet(
    path: str,
    rows: Iterable[dict[str, Any]],
    columns: list[str],
    schema: Any,
    are_strings: bool,
    results: Mapping[str, Any],
    name: str,
) -> None:
    """Write the `columns` of the rows, and the results, whose types `results` tells, to the file `path`.

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
            kept = {column: pyarrow.array([row.get(column) for row in rows]) for column in columns}
            schema = pyarrow.schema([(column, values.type) for column, values in kept.items()])
        for field in fields:
            schema = schema.append(field)
        with parquet.ParquetWriter(path, schema) as writer:
            group: list[dict[str, Any]] = []
            for row in rows:
                group.append(row)
                if len(group) == _ROWS_AT_ONCE:
                    writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
                    group = []
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
    except pyarrow.ArrowException as error:
        raise InputError(f"{name}: cannot be written: {' '.join(str(error).split())}") from error


def arrow_type(pyarrow: Any, kind: Any) -> Any:
    """The type of a column of results: a name such as "float64", or [of] or {name: of} for nested values."""
    if isinstance(kind, list):
        return pyarrow.list_(arrow_type(pyarrow, kind[0]))
    if isinstance(kind, dict):
        return pyarrow.struct([(name, arrow_type(pyarrow, part)) for name, part in kind.items()])
    return pyarrow.type_for_alias(kind)
