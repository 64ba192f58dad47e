"""The only package that calls C: checks arguments, opens threads, turns a status into an exception."""

from __future__ import annotations

from ._kernels import (
    HAS_THREADS,
    LAYOUT_VERSION,
    ConvertedRows,
    EmbeddingTables,
    Kernels,
    Norm,
    PackedLayer,
    PackedLinear,
    Workspace,
    available_isas,
    cpu_features,
    digests,
    known_isas,
)
from .memory import aligned_empty, large_empty

__all__ = [
    "HAS_THREADS",
    "LAYOUT_VERSION",
    "ConvertedRows",
    "EmbeddingTables",
    "Kernels",
    "Norm",
    "PackedLayer",
    "PackedLinear",
    "Workspace",
    "aligned_empty",
    "available_isas",
    "cpu_features",
    "digests",
    "known_isas",
    "large_empty",
]
