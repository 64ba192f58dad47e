"""The most similar of many embeddings: searches, and pairs of texts that say the same.

Names, arguments and results are those of sentence-transformers' util. Scores are computed and sorted a block
at a time, however large the chunks are that a caller asks for. Of equal scores the lowest indices count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from ..machine.memory import check_memory
from ..pipelines.options import check_count
from .similarity import Similarity, cos_sim
from .vector_rows import as_floats, as_vectors, check_finite, slices

# Scores that are sorted at once: 4 MB, and 8 MB of indices.
_SCORES = 1 << 20
# Queries of a block.
_QUERIES = 1 << 8
# Bytes of a hit, a dict with an int and a float, and those of a query's list beside its hits, at least.
_HIT_BYTES, _LIST_BYTES = 200, 56
# Bytes of a score and its index where the best of a block's queries are sorted.
_SORTED_BYTES = 32
# Rows of which each pair has a key in int64.
_MOST_ROWS = math.isqrt(2**63 - 1)


def semantic_search(
    query_embeddings: Any,
    corpus_embeddings: Any,
    query_chunk_size: int = 100,
    corpus_chunk_size: int = 500000,
    top_k: int = 10,
    score_function: Similarity = cos_sim,
) -> list[list[dict[str, Any]]]:
    """For each query (n, D), or a single one (D), the `top_k` rows of the corpus (m, D) of greatest score.

    query_chunk_size, corpus_chunk_size: the most rows that score_function gets at once. Scores are equal to
    rounding whatever these are; which of rows whose scores differ by rounding comes first may depend on them.
    score_function: arrays (r, D) and (c, D) → scores (r, c), where a greater one is more similar.

    Returns a list of {"corpus_id": int, "score": float} for each query, greatest score first. Raises
    InputError, also for embeddings that are NaN or infinite; ResourceError without memory for the result.
    """
    top_k = check_count("top_k", top_k, "an integer of at least 1")
    queries_nd = as_vectors(query_embeddings, "query_embeddings")
    corpus_md = as_vectors(corpus_embeddings, "corpus_embeddings")
    size = len(queries_nd) * (_LIST_BYTES + _HIT_BYTES * min(top_k, len(corpus_md)))
    check_memory(size, "query_embeddings", f"shape {queries_nd.shape} with top_k={shown(top_k)}")
    found: list[list[dict[str, Any]]] = []
    blocks = _nearest(queries_nd, corpus_md, query_chunk_size, corpus_chunk_size, top_k, score_function)
    for _, scores_rk, indices_rk in blocks:
        for scores, indices in zip(scores_rk.tolist(), indices_rk.tolist(), strict=True):
            found.append(
                [{"corpus_id": index, "score": score} for index, score in zip(indices, scores, strict=True)]
            )
    return found


information_retrieval = semantic_search


def paraphrase_mining(
    model: Any,
    sentences: list[str],
    show_progress_bar: bool = False,
    batch_size: int = 32,
    query_chunk_size: int = 5000,
    corpus_chunk_size: int = 100000,
    max_pairs: int = 500000,
    top_k: int = 100,
    score_function: Similarity = cos_sim,
    truncate_dim: int | None = None,
    prompt_name: str | None = None,
    prompt: str | None = None,
) -> list[list[Any]]:
    """`paraphrase_mining_embeddings` of the embeddings of `sentences` by `model`, a SentenceTransformer.

    show_progress_bar, batch_size, truncate_dim, prompt_name, prompt: as of its `encode`. Raises InputError,
    ModelFileError.
    """
    if isinstance(model, str) or not callable(getattr(model, "encode", None)):
        raise InputError(mismatch("model", shown(model), "a SentenceTransformer"))
    embeddings = model.encode(
        sentences,
        show_progress_bar=show_progress_bar,
        batch_size=batch_size,
        truncate_dim=truncate_dim,
        prompt_name=prompt_name,
        prompt=prompt,
    )
    return paraphrase_mining_embeddings(
        embeddings, query_chunk_size, corpus_chunk_size, max_pairs, top_k, score_function
    )


def paraphrase_mining_embeddings(
    embeddings: Any,
    query_chunk_size: int = 5000,
    corpus_chunk_size: int = 100000,
    max_pairs: int = 500000,
    top_k: int = 100,
    score_function: Similarity = cos_sim,
) -> list[list[Any]]:
    """The most similar pairs of rows of `embeddings` (n, D): lists [score, i, j] with i < j.

    The greatest score is first.
    max_pairs: how many are returned at most. top_k: with how many others each row forms pairs.
    score_function: as of `semantic_search`, symmetric: a pair has the score of one direction.
    query_chunk_size, corpus_chunk_size: as of `semantic_search`. Raises InputError, ResourceError.
    """
    max_pairs = check_count("max_pairs", max_pairs, "an integer of at least 1")
    top_k = check_count("top_k", top_k, "an integer of at least 1")
    rows_nd = as_vectors(embeddings, "embeddings")
    count = len(rows_nd)
    if count > _MOST_ROWS:
        raise InputError(mismatch("embeddings", f"{count:,} rows", f"at most {_MOST_ROWS:,}"))
    top_k = min(top_k, count)
    # (scores, keys i * count + j) of the best pairs and of those that were found since.
    best: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0, np.float32), np.empty(0, np.int64))]
    names = ("embeddings", "embeddings")
    blocks = _nearest(rows_nd, rows_nd, query_chunk_size, corpus_chunk_size, top_k + 1, score_function, names)
    for first, scores_rk, indices_rk in blocks:
        rows_rk = np.broadcast_to(np.arange(first, first + len(indices_rk))[:, None], indices_rk.shape)
        others_rk = indices_rk != rows_rk
        others_rk &= np.cumsum(others_rk, axis=1) <= top_k
        one, other = rows_rk[others_rk], indices_rk[others_rk]
        keys = np.minimum(one, other) * count + np.maximum(one, other)
        best.append((scores_rk[others_rk], keys))
        if sum(len(keys) for _, keys in best) > 2 * max_pairs:
            best = [_best_pairs(best, max_pairs)]
    scores, keys = _best_pairs(best, max_pairs)
    firsts, seconds = np.divmod(keys, max(1, count))
    pairs = zip(scores.tolist(), firsts.tolist(), seconds.tolist(), strict=True)
    return [[score, i, j] for score, i, j in pairs]


def _best_pairs(found: list[tuple[np.ndarray, np.ndarray]], max_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """The scores and keys of the `max_pairs` best pairs; of a pair that is there twice, the first score."""
    keys, kept = np.unique(np.concatenate([keys for _, keys in found]), return_index=True)
    scores = np.concatenate([scores for scores, _ in found])[kept]
    best = best_columns(scores[None], max_pairs)[0]
    return scores[best], keys[best]


def best_columns(scores_rc: np.ndarray, count: int) -> np.ndarray:
    """The columns of each row's `count` greatest scores, or of all, greatest first: int64 (r, count).

    Of equal scores the first columns are taken, and come first.
    """
    columns = scores_rc.shape[1]
    if count < columns:
        chosen_rk = np.argpartition(scores_rc, columns - count, axis=1)[:, columns - count :]
        least_r1 = np.take_along_axis(scores_rc, chosen_rk, axis=1).min(axis=1, keepdims=True)
        for row in np.flatnonzero((scores_rc >= least_r1).sum(axis=1) > count):  # equal ones were left out
            chosen_rk[row] = np.argsort(-scores_rc[row], kind="stable")[:count]
        chosen_rk.sort(axis=1)
    else:
        chosen_rk = np.broadcast_to(np.arange(columns), scores_rc.shape)
    order_rk = np.argsort(-np.take_along_axis(scores_rc, chosen_rk, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen_rk, order_rk, axis=1)


def _nearest(
    queries_nd: np.ndarray,
    corpus_md: np.ndarray,
    query_chunk_size: int,
    corpus_chunk_size: int,
    top_k: int,
    score_function: Similarity,
    names: tuple[str, str] = ("query_embeddings", "corpus_embeddings"),
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The first query, the greatest scores, (r, k), and their rows of the corpus, (r, k), of some queries.

    names: the two matrices in messages. Raises InputError, also for embeddings that are not finite.
    """
    query_chunk_size = check_count("query_chunk_size", query_chunk_size, "an integer of at least 1")
    corpus_chunk_size = check_count("corpus_chunk_size", corpus_chunk_size, "an integer of at least 1")
    if not callable(score_function):
        expected = "a function of two arrays of vectors, such as cos_sim"
        raise InputError(mismatch("score_function", shown(score_function), expected))
    if queries_nd.shape[1] != corpus_md.shape[1] and len(queries_nd) and len(corpus_md):
        expected = f"{queries_nd.shape[1]}, that of query_embeddings"
        raise InputError(mismatch("corpus_embeddings", f"width {corpus_md.shape[1]}", expected))
    size = min(len(queries_nd), query_chunk_size, _QUERIES) * min(top_k, len(corpus_md)) * _SORTED_BYTES
    check_memory(size, "top_k", shown(top_k))
    for queries in slices(len(queries_nd), min(query_chunk_size, _QUERIES)):
        count = queries.stop - queries.start
        scores_rk, indices_rk = np.empty((count, 0), np.float32), np.empty((count, 0), np.int64)
        for rows in slices(len(corpus_md), min(corpus_chunk_size, _SCORES // count)):
            scores_rc = _scores(score_function, queries_nd[queries], corpus_md[rows])
            if not np.isfinite(scores_rc).all():  # a look at all embeddings before would cost a pass
                check_finite(queries_nd[queries], names[0], queries.start)
                check_finite(corpus_md[rows], names[1], rows.start)
                if np.isnan(scores_rc).any():
                    raise InputError(mismatch("score_function", "scores that are NaN", "numbers"))
            columns_rk = best_columns(scores_rc, top_k)
            scores_rk = np.concatenate([scores_rk, np.take_along_axis(scores_rc, columns_rk, 1)], axis=1)
            indices_rk = np.concatenate([indices_rk, columns_rk + rows.start], axis=1)
            best_rk = best_columns(scores_rk, top_k)
            scores_rk = np.take_along_axis(scores_rk, best_rk, axis=1)
            indices_rk = np.take_along_axis(indices_rk, best_rk, axis=1)
        yield queries.start, scores_rk, indices_rk


def _scores(score_function: Similarity, queries_rd: np.ndarray, rows_cd: np.ndarray) -> np.ndarray:
    """score_function's array, or torch's tensor, checked: float32 (r, c)."""
    with np.errstate(all="ignore"):  # `_nearest` refuses what is not finite
        scores_rc = as_floats(score_function(queries_rd, rows_cd), "score_function's scores")
    if scores_rc.shape != (len(queries_rd), len(rows_cd)):
        found = f"scores of shape {scores_rc.shape}"
        raise InputError(mismatch("score_function", found, (len(queries_rd), len(rows_cd))))
    return scores_rc
