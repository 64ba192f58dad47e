"""Embeddings of texts and scores of pairs, under the names of sentence-transformers and FlagEmbedding."""

from __future__ import annotations

from .bge_m3 import BGEM3FlagModel
from .cross_encoder import CrossEncoder
from .flag_model import FlagModel
from .flag_reranker import FlagReranker

__all__ = ["BGEM3FlagModel", "CrossEncoder", "FlagModel", "FlagReranker"]
