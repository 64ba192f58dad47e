"""Embeddings of texts and scores of pairs, under the names of sentence-transformers and FlagEmbedding."""

from __future__ import annotations

from typing import NoReturn

from ..missing_names import missing_class
from .bge_m3 import BGEM3FlagModel
from .cross_encoder import CrossEncoder
from .dense import Dense
from .flag_auto import FlagAutoModel, FlagAutoReranker
from .flag_model import FlagModel
from .flag_reranker import FlagReranker
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
    "BGEM3FlagModel",
    "CrossEncoder",
    "Dense",
    "FlagAutoModel",
    "FlagAutoReranker",
    "FlagModel",
    "FlagReranker",
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


def __getattr__(name: str) -> NoReturn:
    missing = missing_class(__name__, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}") if missing is None else missing
