"""The kinds of files that commands read and write, by the endings of their names."""

from __future__ import annotations

import os

LINES, CSV, TSV, JSONL, JSON, PARQUET = "lines", "csv", "tsv", "jsonl", "json", "parquet"
INPUT_KINDS = (LINES, CSV, TSV, JSONL, JSON, PARQUET)
NPY, NPZ = "npy", "npz"
VECTOR_KINDS = (NPY, NPZ)  # NumPy's, of commands whose results are vectors
BINARY_KINDS = (PARQUET, *VECTOR_KINDS)
# Files of these kinds appear under their names when they are complete.
WHOLE_KINDS = (JSON, *BINARY_KINDS)
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
_VECTOR_KIND_OF_ENDING = {".npy": NPY, ".npz": NPZ}
ENDINGS = ", ".join(_KIND_OF_ENDING)
VECTOR_ENDINGS = ", ".join((*_KIND_OF_ENDING, *_VECTOR_KIND_OF_ENDING))


def kind_of(path: str, has_vectors: bool = False) -> str | None:
    """The kind that the ending of a file's name tells; None for any other ending.

    has_vectors: whether it may be one of VECTOR_KINDS.
    """
    ending = os.path.splitext(path)[1].lower()
    return _KIND_OF_ENDING.get(ending) or (_VECTOR_KIND_OF_ENDING.get(ending) if has_vectors else None)
