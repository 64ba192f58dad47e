"""Sentence embeddings: models of sentence-transformers, and what is computed with their vectors."""

from __future__ import annotations

from .dense import Dense
from .modules import Normalize, Pooling
from .quantization import quantize_embeddings
from .sentence_transformer import SentenceTransformer
from .similarity import (
    SimilarityFunction,
    cos_sim,
    dot_score,
    euclidean_sim,
    manhattan_sim,
    pairwise_cos_sim,
    pairwise_dot_score,
    pairwise_euclidean_sim,
    pairwise_manhattan_sim,
)
from .transformer import Transformer

__all__ = [
    "Dense",
    "Normalize",
    "Pooling",
    "SentenceTransformer",
    "SimilarityFunction",
    "Transformer",
    "cos_sim",
    "dot_score",
    "euclidean_sim",
    "manhattan_sim",
    "pairwise_cos_sim",
    "pairwise_dot_score",
    "pairwise_euclidean_sim",
    "pairwise_manhattan_sim",
    "quantize_embeddings",
]
