"""Embeddings of texts and scores of pairs, under the names of sentence-transformers and FlagEmbedding."""

from __future__ import annotations

from typing import NoReturn

from ..missing_names import MISSING_CLASSES, missing_import
from .bge_m3 import BGEM3FlagModel
from .communities import community_detection
from .cross_encoder import CrossEncoder
from .dense import Dense
from .flag_auto import FlagAutoModel, FlagAutoReranker
from .flag_model import FlagModel
from .flag_reranker import FlagReranker
from .modules import Normalize
from .pooling import Pooling
from .quantization import quantize_embeddings
from .retrieval import (
    information_retrieval,
    paraphrase_mining,
    paraphrase_mining_embeddings,
    semantic_search,
)
from .sentence_transformer import SentenceTransformer
from .similarity import (
    SimilarityFunction,
    cos_sim,
    dot_score,
    euclidean_sim,
    manhattan_sim,
    normalize_embeddings,
    pairwise_angle_sim,
    pairwise_cos_sim,
    pairwise_dot_score,
    pairwise_euclidean_sim,
    pairwise_manhattan_sim,
    pytorch_cos_sim,
)
from .transformer import Transformer
from .vector_rows import truncate_embeddings

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
    "community_detection",
    "cos_sim",
    "dot_score",
    "euclidean_sim",
    "information_retrieval",
    "manhattan_sim",
    "normalize_embeddings",
    "pairwise_angle_sim",
    "pairwise_cos_sim",
    "pairwise_dot_score",
    "pairwise_euclidean_sim",
    "pairwise_manhattan_sim",
    "paraphrase_mining",
    "paraphrase_mining_embeddings",
    "pytorch_cos_sim",
    "quantize_embeddings",
    "semantic_search",
    "truncate_embeddings",
]


def __getattr__(name: str) -> NoReturn:
    missing = missing_import(__name__, name, MISSING_CLASSES)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}") if missing is None else missing
