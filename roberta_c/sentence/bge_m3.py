"""BGEM3FlagModel: dense, sparse and multi-vector representations of texts, under FlagEmbedding's names.

Of the last states h of a text's tokens (Chen et al. 2024, "M3-Embedding"): dense is h of `<s>`, normalized;
sparse, for each token id, the largest relu(sparse_linear(h)) of its occurrences; multi-vector,
colbert_linear(h) of each token but `<s>`, normalized. All three come from one pass of the encoder.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from ..files.hub_options import HubOptions
from ..model.batch import PackedBatch
from ..pipelines.base import check_finite
from ..pipelines.options import check_choice, check_count
from ..pipelines.windows import Window
from .bge_m3_heads import COLBERT, SPARSE, BGEM3Heads
from .bge_m3_outputs import M3Output, Wanted, largest_positive_weights, unshared
from .bge_m3_scores import BGEM3Scores, checked_mode_weights, mixed_scores, pair_scores
from .flag_embedder_base import FlagEmbedder
from .keywords import FLAG_CALL_KEYWORDS
from .loading import checked_keywords
from .long_vectors import largest_weights, merged_token_vectors
from .pair_encoding import pair_rows
from .progress import is_shown_for_many, with_progress_bar
from .text_encoding import BlockEncoding, LimitedText

_MOST_COLUMNS = 2**31 - 1  # of a token's vector


class BGEM3FlagModel(BGEM3Scores, FlagEmbedder):
    """bge-m3, or a model fine-tuned from it: `BGEM3FlagModel(folder or Hub repository).encode(sentences)`."""

    poolings = ("cls", "mean", "last_token")

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
        colbert_dim: int = -1,
        batch_size: int = 256,
        query_max_length: int | None = None,
        passage_max_length: int | None = None,
        return_dense: bool = True,
        return_sparse: bool = False,
        return_colbert_vecs: bool = False,
        truncate_dim: int | None = None,
        **keywords: Any,
    ) -> None:
        """Loads the model, and its heads if their files are there.

        colbert_dim: how many numbers a token's vector has; -1: as many as a text's.
        return_dense, return_sparse, return_colbert_vecs: what calls compute by default.
        pooling_method: "cls", "mean" or "last_token", for dense vectors. truncate_dim: how many numbers of
            dense and of tokens' vectors `encode` keeps; None: all. compute_score uses all of them.
        The rest, and the keywords, are as in FlagModel; so are the errors. A head of another shape is a
        ModelFileError.
        """
        expected = f"an integer from 1 to {_MOST_COLUMNS}, or -1 for the model's"
        colbert_dim = check_count("colbert_dim", colbert_dim, expected, least=-1)
        if colbert_dim > _MOST_COLUMNS:
            raise InputError(mismatch("colbert_dim", shown(colbert_dim), expected))
        self.return_dense, self.return_sparse = return_dense, return_sparse
        self.return_colbert_vecs = return_colbert_vecs
        self._wanted(None, None, None)
        super().__init__(
            model_name_or_path,
            normalize_embeddings=normalize_embeddings,
            use_fp16=use_fp16,
            use_bf16=use_bf16,
            query_instruction_for_retrieval=query_instruction_for_retrieval,
            query_instruction_format=query_instruction_format,
            devices=devices,
            pooling_method=pooling_method,
            trust_remote_code=trust_remote_code,
            cache_dir=cache_dir,
            batch_size=batch_size,
            query_max_length=query_max_length,
            passage_max_length=passage_max_length,
            truncate_dim=truncate_dim,
            **keywords,
        )
        hub_options = HubOptions.of_keywords({**keywords, "cache_dir": cache_dir})
        self._heads = BGEM3Heads(self.model, hub_options, colbert_dim)

    # ---- representations -----------------------------------------------------------------------------

    def encode(
        self,
        sentences: Any,
        batch_size: int | None = None,
        max_length: int | None = None,
        return_dense: bool | None = None,
        return_sparse: bool | None = None,
        return_colbert_vecs: bool | None = None,
        **keywords: Any,
    ) -> dict[str, Any]:
        """The representations of sentences, in their order; None for those that are not asked for.

        "dense_vecs": float32 (S, H). "lexical_weights": for each text {token id as str: weight}, without the
        ids of `<s>`, `</s>`, `<pad>` and `<unk>` and without weights of 0. "colbert_vecs": for each text of t
        tokens float32 (t - 1, colbert_dim). For one str, its own; for an empty list, empty ones.

        max_length: tokens of a text, at most the model's limit (8192 for bge-m3); None: passage_max_length.
        The other arguments are those of FlagModel.encode. With long_text="windows", a text has the weighted
        mean of its windows' dense vectors, normalized if they are; the largest weight of each token id; and
        each token's vector from the window where it has most context. With return_lengths, "lengths" is a
        key, too. Raises InputError; ModelFileError without the head
        that is needed, or if outputs are not numbers.
        """
        wanted = self._wanted(return_dense, return_sparse, return_colbert_vecs)
        outputs, lengths, is_single = self._outputs_of(
            sentences,
            lambda batch, last_rh: self._representations(batch, last_rh, wanted, self.truncate_dim),
            self.pooling_method == "cls" and not wanted.sparse and not wanted.colbert,
            batch_size,
            max_length,
            self._merged,
            keywords,
        )
        dense = [output.dense_h for output in outputs]
        weights = [dict(output.lexical_weights) for output in outputs] if wanted.sparse else None
        vectors = unshared([output.colbert_th for output in outputs]) if wanted.colbert else None
        if is_single:
            of_one = {
                "dense_vecs": dense[0],
                "lexical_weights": weights and weights[0],
                "colbert_vecs": vectors and vectors[0],
            }
            return of_one if lengths is None else {**of_one, "lengths": lengths[0]}
        empty = np.empty((0, self.vector_size), np.float32)
        dense_sh = (np.stack(dense) if dense else empty) if wanted.dense else None
        of_all = {"dense_vecs": dense_sh, "lexical_weights": weights, "colbert_vecs": vectors}
        return of_all if lengths is None else {**of_all, "lengths": lengths}

    def _wanted(self, dense: bool | None, sparse: bool | None, colbert: bool | None) -> Wanted:
        """What a call computes. Raises InputError if that is nothing."""
        names = ("return_dense", "return_sparse", "return_colbert_vecs")
        given = zip(names, (dense, sparse, colbert), strict=True)
        chosen = {name: getattr(self, name) if value is None else value for name, value in given}
        for name, value in chosen.items():
            check_choice(name, value, (True, False))
        if not any(chosen.values()):
            raise InputError(mismatch(", ".join(names), "all False", "at least one of them True"))
        return Wanted(*chosen.values())

    def _representations(
        self, batch: PackedBatch, last_rh: np.ndarray, wanted: Wanted, width: int | None
    ) -> Sequence[M3Output]:
        """width: how many numbers of vectors are kept; None: all."""
        spans = list(pairwise(batch.seq_starts_s.tolist()))
        nothing: list[Any] = [None] * len(spans)
        dense = list(self._dense(batch, last_rh, width)) if wanted.dense else nothing
        weights, vectors = nothing, nothing
        if wanted.sparse:
            weights_t = self._heads.needed(SPARSE)(last_rh)[:, 0]
            check_finite(weights_t, self.model)
            unused = self._unused_ids()
            weights = [
                largest_positive_weights(batch.token_ids_t[begin:end], weights_t[begin:end], unused)
                for begin, end in spans
            ]
        if wanted.colbert:
            vectors_tc = self._heads.needed(COLBERT)(last_rh)
            check_finite(vectors_tc, self.model)
            vectors_tc = self._finished(vectors_tc, width)
            vectors = [vectors_tc[begin + 1 : end].copy() for begin, end in spans]
        return [M3Output(*of_text) for of_text in zip(dense, weights, vectors, strict=True)]

    def _merged(self, windows: Sequence[Window], outputs: Sequence[M3Output]) -> M3Output:
        """The representations of a text from those of its windows."""
        if len(windows) == 1:
            return outputs[0]
        dense, weights, vectors = zip(*outputs, strict=True)
        return M3Output(
            None if dense[0] is None else self._mean(windows, dense),
            None if weights[0] is None else largest_weights(weights),
            None if vectors[0] is None else merged_token_vectors(windows, vectors),
        )

    def _unused_ids(self) -> set[int]:
        """The ids of tokens that have no lexical weight."""
        names = ("cls_token_id", "eos_token_id", "pad_token_id", "unk_token_id")
        return {getattr(self.tokenizer, name) for name in names}

    # ---- scores --------------------------------------------------------------------------------------

    def compute_score(
        self,
        sentence_pairs: Any,
        batch_size: int | None = None,
        max_query_length: int | None = None,
        max_passage_length: int | None = None,
        weights_for_different_modes: Sequence[float] | None = None,
        *,
        show_progress_bar: bool | None = None,
        long_text: str | None = None,
        stride: int | None = None,
        **keywords: Any,
    ) -> Any:
        """The scores of pairs of a query and a passage: {"colbert", "sparse", "dense", "sparse+dense",
        "colbert+sparse+dense": list of float}; of one pair, floats; of an empty list, an empty list.

        batch_size: how many pairs are held in memory together; equal texts of these are encoded once.
        max_query_length, max_passage_length: None: those of the constructor. weights_for_different_modes:
        weights of dense, sparse and colbert in the mixed scores, which are weighted means; None: 1 each.
        show_progress_bar, long_text, stride: as in `encode`, for both texts. Raises as `encode` does.
        """
        checked_keywords(keywords, FLAG_CALL_KEYWORDS, "compute_score")
        rows, is_single = pair_rows(sentence_pairs, "sentence_pairs")
        count = self.batch_size if batch_size is None else batch_size
        count = check_count("batch_size", count, "an integer of at least 1")
        weights = checked_mode_weights(weights_for_different_modes)
        bar = is_shown_for_many(show_progress_bar, len(rows), count)
        query_limit = self.query_max_length if max_query_length is None else max_query_length
        passage_limit = self.passage_max_length if max_passage_length is None else max_passage_length
        limits = (
            self._length("max_query_length", query_limit),
            self._length("max_passage_length", passage_limit),
        )
        if not rows:
            return []
        everything = Wanted(True, True, True)
        encoding = BlockEncoding(
            self.model,
            self.tokenizer,
            2 * count,  # texts
            limits,
            lambda batch, last_rh: self._representations(batch, last_rh, everything, None),
            merge=self._merged,
            long_text=long_text,
            stride=stride,
        )
        texts = (LimitedText(*sided) for row in rows for sided in zip(row, limits, strict=True))
        encoded = encoding.encoded(texts, _name_in_pair, across_blocks=False)
        outputs = (one.output for one in encoded)
        pairs = with_progress_bar(zip(outputs, outputs, strict=True), len(rows), "pair", bar)
        of_pairs = np.array([pair_scores(query, passage) for query, passage in pairs], np.float64)
        check_finite(of_pairs, self.model)
        dense_s, sparse_s, colbert_s = of_pairs.T
        scores = mixed_scores(dense_s, sparse_s, colbert_s, weights)
        return {name: values[0] for name, values in scores.items()} if is_single else scores

    def convert_id_to_token(self, lexical_weights: Any) -> Any:
        """Lexical weights with tokens in place of ids: of a list of texts, or of one (also in a list).

        Raises InputError.
        """
        listed = [lexical_weights] if isinstance(lexical_weights, Mapping) else lexical_weights
        if not isinstance(listed, (list, tuple)) or not all(isinstance(one, Mapping) for one in listed):
            expected = "a dict of token ids and weights, or a list of these"
            raise InputError(mismatch("lexical_weights", shown(lexical_weights), expected))
        named = [
            {self.tokenizer.decode([self._token_id(key)]): weight for key, weight in weights.items()}
            for weights in listed
        ]
        return named[0] if len(named) == 1 else named

    def _token_id(self, key: Any) -> int:
        """The id that a key of lexical weights is. Raises InputError."""
        try:
            token_id = int(key) if isinstance(key, str) else operator.index(key)
        except (TypeError, ValueError):
            token_id = -1
        count = len(self.tokenizer)
        if not 0 <= token_id < count:
            expected = f"an id of the vocabulary, from 0 to {count - 1}"
            raise InputError(mismatch("lexical_weights: a key", shown(key), expected))
        return token_id


def _name_in_pair(index: int) -> str:
    return f"sentence_pairs[{index // 2}][{index % 2}]"
