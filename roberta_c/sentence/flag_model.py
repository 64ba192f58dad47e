"""FlagModel: one vector for each text, under FlagEmbedding's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..model.batch import PackedBatch
from .flag_embedder_base import FlagEmbedder


class FlagModel(FlagEmbedder):
    """A model that makes a vector of a text, such as a bge model on an XLM-RoBERTa encoder.

    `FlagModel(folder or Hub repository).encode(sentences)`.
    """

    poolings = ("cls", "mean")

    def encode(
        self,
        sentences: Any,
        batch_size: int | None = None,
        max_length: int | None = None,
        convert_to_numpy: bool | None = None,
        **keywords: Any,
    ) -> Any:
        """The vectors of sentences, float32 (S, H), in their order; of one str, (H).

        sentences: a list of str, or a column of them; an empty list gives (0, H). max_length: tokens of a
        text; None: passage_max_length. batch_size: results do not depend on it. convert_to_numpy: True.
        keywords: instruction and instruction_format, what is put before each text; show_progress_bar, by
        default True on a terminal for more texts than a batch; long_text, stride and return_lengths, as of
        SentenceTransformer.encode. With "windows", each begins with the instruction, and the weighted mean of
        their vectors is normalized if vectors are. Raises InputError; ModelFileError if vectors are not
        numbers.
        """
        vectors, lengths, is_single = self._outputs_of(
            sentences,
            self._vectors,
            self.pooling_method == "cls",
            batch_size,
            max_length,
            self._mean,
            {**keywords, "convert_to_numpy": convert_to_numpy},
        )
        if is_single:
            return vectors[0] if lengths is None else (vectors[0], lengths[0])
        vectors_sh = np.stack(vectors) if vectors else np.empty((0, self.vector_size), np.float32)
        return vectors_sh if lengths is None else (vectors_sh, lengths)

    def _vectors(self, batch: PackedBatch, last_rh: np.ndarray) -> Sequence[np.ndarray]:
        return list(self._dense(batch, last_rh, self.truncate_dim))
