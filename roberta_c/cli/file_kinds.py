"""The kinds of files that commands read and write, by the endings of their names."""

from __future__ import annotations

import os

LINES, CSV, TSV, JSONL, JSON, PARQUET = "lines", "csv", "tsv", "jsonl", "json", "parquet"
INPUT_KINDS = (LINES, CSV, TSV, JSONL, JSON, PARQUET)
# The files of these kinds have one set of columns, which is known before the rows.
TABLE_KINDS = (CSV, TSV, PARQUET)

_KIND_OF_ENDING = {
    ".csv": CSV,
    ".tsv": TSV,
    ".tab": TSV,
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".json": JSON,
    ".parquet": PARQUET,
}
ENDINGS = ", ".join(_KIND_OF_ENDING)


def kind_of(path: str) -> str | None:
    """The kind that the ending of a file's name tells; None for any other ending."""
    return _KIND_OF_ENDING.get(os.path.splitext(path)[1].lower())
