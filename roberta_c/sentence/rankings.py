"""Scores of documents → their rankings, as CrossEncoder.rank returns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def rankings_of(
    of_queries: Sequence[tuple[str, list[str]]],
    scores_s: np.ndarray,
    lengths: list[dict[str, Any]] | None,
    return_documents: bool,
    top_k: int | None,
) -> list[list[dict[str, Any]]]:
    """The ranking of each query's documents.

    of_queries: each query and its documents. scores_s: of all documents, in this order. lengths: what each
    result says of how its document was read; None: nothing. return_documents: whether it has the document.
    """
    rankings, start = [], 0
    for _, texts in of_queries:
        of_query = slice(start, start + len(texts))
        added: list[dict[str, Any]] = [{} for _ in texts]
        if return_documents:
            added = [{"text": text} for text in texts]
        if lengths is not None:
            added = [one | of_text for one, of_text in zip(added, lengths[of_query], strict=True)]
        rankings.append(_ranking(scores_s[of_query], added, top_k))
        start += len(texts)
    return rankings


def _ranking(scores_s: np.ndarray, added: list[dict[str, Any]], top_k: int | None) -> list[dict[str, Any]]:
    """The indices of the best scores, equal ones in order, each with what is `added` of its document."""
    order = np.argsort(-scores_s, kind="stable")[:top_k].tolist()
    return [{"corpus_id": index, "score": float(scores_s[index]), **added[index]} for index in order]
