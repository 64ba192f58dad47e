"""How many numbers a model's vectors have, and how they are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import InputError, ModelFileError, mismatch, shown
from .sequence import ModuleSequence
from .similarity import ALL_PAIRS, PAIRWISE, similarity_name


class VectorSettings(ModuleSequence):
    """The settings that sentence-transformers keeps beside the modules: truncate_dim, similarity_fn_name."""

    SUPPORTED_SIMILARITY_FN_NAMES = tuple(ALL_PAIRS)

    _similarity_fn_name: str | None
    _truncate_dim: int | None

    def _set_vector_settings(
        self, given: Mapping[str, Any], in_file: Mapping[str, Any], file_name: str
    ) -> None:
        """Set both settings: a caller's; the file's for those that are None; else the defaults.

        Raises InputError, and ModelFileError, which names the file, for one of the file's.
        """
        self._similarity_fn_name, self._truncate_dim = None, None
        for name, value in given.items():
            try:
                setattr(self, name, in_file.get(name) if value is None else value)
            except InputError as error:
                if value is not None:
                    raise
                raise ModelFileError(f"{file_name}: {error}") from None

    # ---- comparing vectors ---------------------------------------------------------------------------

    @property
    def similarity_fn_name(self) -> str:
        """The name of the similarity: "cosine" unless the model or the caller says another."""
        return self._similarity_fn_name or "cosine"

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: Any) -> None:
        self._similarity_fn_name = None if value is None else similarity_name(value)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """The similarity of each of embeddings1 (n, D) and each of embeddings2 (m, D): float32 (n, m)."""
        return ALL_PAIRS[self.similarity_fn_name](embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        """The similarity of the vectors of equal index, (n, D) each: float32 (n)."""
        return PAIRWISE[self.similarity_fn_name](embeddings1, embeddings2)

    # ---- widths --------------------------------------------------------------------------------------

    @property
    def embedding_dimension(self) -> int:
        """The width of the vectors before truncate_dim."""
        return self._chain.dimension

    def get_embedding_dimension(self) -> int:
        """The width of the vectors."""
        return self.embedding_dimension if self.truncate_dim is None else self.truncate_dim

    get_sentence_embedding_dimension = get_embedding_dimension

    @property
    def truncate_dim(self) -> int | None:
        """How many numbers of a vector are kept; None: all."""
        return self._truncate_dim

    @truncate_dim.setter
    def truncate_dim(self, value: int | None) -> None:
        self._truncate_dim = self._checked_width(value)

    def _checked_width(self, value: Any) -> int | None:
        most = self.embedding_dimension
        is_width = not isinstance(value, bool) and isinstance(value, (int, np.integer)) and 1 <= value <= most
        if value is not None and not is_width:
            expected = f"an integer from 1 to {most}, the width of the vectors, or None"
            raise InputError(mismatch("truncate_dim", shown(value), expected))
        return None if value is None else int(value)

    @contextmanager
    def truncate_embeddings(self, truncate_dim: int | None) -> Iterator[None]:
        """A context in which the model's truncate_dim is this one."""
        before = self.truncate_dim
        self.truncate_dim = truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = before

    truncate_sentence_embeddings = truncate_embeddings
