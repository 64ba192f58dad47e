"""The models of sentence embeddings that `embed` and `similarity` load."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..sentence.sentence_transformer import SentenceTransformer


def load_sentence_transformer(
    model: str | None, max_length: int | None, keywords: dict[str, Any]
) -> SentenceTransformer:
    """A model by its name; None: the bundled one, with the mean of the tokens.

    keywords: dtype, num_threads, and those of the Hub. Raises what SentenceTransformer does.
    """
    from ..sentence.sentence_transformer import SentenceTransformer

    if model is None:
        from ..files.bundled import bundled_model_path
        from ..sentence.pooling import Pooling
        from ..sentence.transformer import Transformer

        own = {name: keywords[name] for name in ("dtype", "num_threads")}
        with _no_warnings("roberta_c.model.weights"):  # that its classifier is not used
            encoder = Transformer(bundled_model_path(), **own)
        loaded = SentenceTransformer(modules=[encoder, Pooling(encoder.get_embedding_dimension(), "mean")])
    else:
        loaded = SentenceTransformer(model, **keywords)
    if max_length is not None:
        loaded.max_seq_length = max_length
    return loaded


@contextmanager
def _no_warnings(name: str) -> Iterator[None]:
    """Within this context, the logger `name` logs errors alone."""
    logger = logging.getLogger(name)

    def is_error(record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING

    logger.addFilter(is_error)
    try:
        yield
    finally:
        logger.removeFilter(is_error)
