"""Scores of pairs of texts, under sentence-transformers' names."""

from __future__ import annotations

from .cross_encoder import CrossEncoder

__all__ = ["CrossEncoder"]
