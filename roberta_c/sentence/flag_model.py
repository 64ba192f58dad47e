"""FlagModel: one vector for each text, under FlagEmbedding's names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..files.hub import HubOptions
from ..model.batch import PackedBatch
from .flag_embedding import FlagEmbedder

POOLINGS = ("cls", "mean")


class FlagModel(FlagEmbedder):
    """A model that makes a vector of a text, such as a bge model on an XLM-RoBERTa encoder.

    `FlagModel(folder or Hub repository).encode(sentences)`.
    """

    def __init__(
        self,
        model_name_or_path: str | Path,
        normalize_embeddings: bool = True,
        use_fp16: bool = True,
        use_bf16: bool = False,
        query_instruction_for_retrieval: str | None = None,
        query_instruction_format: str = "{}{}",
        devices: Any = None,
        pooling_method: str = "cls",
        trust_remote_code: bool = False,
        cache_dir: str | Path | None = None,
        batch_size: int = 256,
        query_max_length: int | None = None,
        passage_max_length: int | None = None,
        convert_to_numpy: bool = True,
        truncate_dim: int | None = None,
        *,
        passage_instruction_for_retrieval: str | None = None,
        passage_instruction_format: str = "{}{}",
        dtype: Any = None,
        num_threads: int | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **keywords: Any,
    ) -> None:
        """Loads the model.

        normalize_embeddings: whether vectors have length 1. pooling_method: "cls", the first token's state,
            or "mean", that of all tokens. truncate_dim: how many numbers of a vector are kept; None: all.
        use_fp16, use_bf16: accepted, without an effect: weights are used as they are in the file. (On a CPU
            FlagEmbedding rounds them, and computes in float32.) dtype chooses the arithmetic here.
        query_instruction_for_retrieval, passage_instruction_for_retrieval: what the formats put before the
            texts of encode_queries and encode_corpus.
        query_max_length, passage_max_length: tokens of a text; None: 512, or the model's limit if it is less.
        The rest is as in AutoModel.from_pretrained.

        Raises InputError, ModelFileError, TokenizerFileError, HubError.
        """
        keywords |= {"use_fp16": use_fp16, "use_bf16": use_bf16, "trust_remote_code": trust_remote_code}
        super().__init__(
            model_name_or_path,
            HubOptions(revision, token, cache_dir, local_files_only),
            poolings=POOLINGS,
            pooling_method=pooling_method,
            normalize_embeddings=normalize_embeddings,
            query_instruction_for_retrieval=query_instruction_for_retrieval,
            query_instruction_format=query_instruction_format,
            passage_instruction_for_retrieval=passage_instruction_for_retrieval,
            passage_instruction_format=passage_instruction_format,
            query_max_length=query_max_length,
            passage_max_length=passage_max_length,
            truncate_dim=truncate_dim,
            dtype=dtype,
            num_threads=num_threads,
            batch_size=batch_size,
            keywords={**keywords, "devices": devices, "convert_to_numpy": convert_to_numpy},
        )

    def encode(
        self,
        sentences: Any,
        batch_size: int | None = None,
        max_length: int | None = None,
        convert_to_numpy: bool | None = None,
        instruction: str | None = None,
        instruction_format: str | None = None,
        **keywords: Any,
    ) -> np.ndarray:
        """The vectors of sentences, float32 (S, H), in their order; of one str, (H).

        sentences: a list of str, or a column of them; an empty list gives (0, H). max_length: tokens of a
        text; None: passage_max_length. batch_size: results do not depend on it. convert_to_numpy: True.
        instruction, instruction_format: what is put before each text. Raises InputError; ModelFileError if
        vectors are not numbers.
        """
        vectors, is_single = self._outputs_of(
            sentences,
            self._vectors,
            self.pooling_method == "cls",
            batch_size,
            max_length,
            instruction,
            instruction_format,
            {**keywords, "convert_to_numpy": convert_to_numpy},
        )
        if is_single:
            vector: np.ndarray = vectors[0]
            return vector
        return np.stack(vectors) if vectors else np.empty((0, self.vector_size), np.float32)

    def encode_queries(
        self,
        queries: Any,
        batch_size: int | None = None,
        max_length: int | None = None,
        convert_to_numpy: bool | None = None,
        **keywords: Any,
    ) -> np.ndarray:
        """`encode` with the instruction for queries and query_max_length."""
        length = self.query_max_length if max_length is None else max_length
        return self.encode(
            queries,
            batch_size,
            length,
            convert_to_numpy,
            self.query_instruction_for_retrieval,
            self.query_instruction_format,
            **keywords,
        )

    def encode_corpus(
        self,
        corpus: Any,
        batch_size: int | None = None,
        max_length: int | None = None,
        convert_to_numpy: bool | None = None,
        **keywords: Any,
    ) -> np.ndarray:
        """`encode` with the instruction for passages and passage_max_length."""
        return self.encode(
            corpus,
            batch_size,
            max_length,
            convert_to_numpy,
            self.passage_instruction_for_retrieval,
            self.passage_instruction_format,
            **keywords,
        )

    def _vectors(self, batch: PackedBatch, last_rh: np.ndarray) -> Sequence[np.ndarray]:
        return list(self._dense(batch, last_rh))
