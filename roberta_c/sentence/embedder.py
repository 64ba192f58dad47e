"""Texts → embeddings in batches: the part of a call that it shares with the pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..model import RobertaModel
from ..model.auto import AutoModel
from ..pipelines.base import Pipeline
from ..pipelines.options import PipelineOptions
from ..pipelines.rows import TextRow, plain_text
from ..pipelines.windows import Window
from .chain import Chain
from .modules import TOKENS, VECTORS
from .similarity import normalized


@dataclass(frozen=True)
class EmbedderOptions(PipelineOptions):
    """The options of PipelineOptions and these.

    prompt: what stands before each text. prompt_tokens: how many tokens at the beginning are not pooled.
    output: VECTORS, TOKENS, or None for all features. width: how many numbers of a vector are kept, None for
    all. normalize: whether what is kept is divided by its length.
    """

    prompt: str = ""
    prompt_tokens: int = 0
    output: str | None = VECTORS
    width: int | None = None
    normalize: bool = False


@dataclass(frozen=True)
class Embedding:
    """What was computed of one text: a vector (D), rows of tokens (len, H), or a dict of features.

    text: without its prompt.
    """

    text: str
    value: Any
    truncated: bool


class Embedder(Pipeline[EmbedderOptions, TextRow, Embedding]):
    """The pipeline below SentenceTransformer.encode."""

    task = "sentence-embedding"
    options_class = EmbedderOptions
    auto_class = AutoModel
    model_class = RobertaModel

    def __init__(self, chain: Chain, options: EmbedderOptions) -> None:
        super().__init__(chain.encoder.auto_model, chain.encoder.tokenizer, options)
        self.chain = chain

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return self.chain.dimension if self.options.width is None else self.options.width

    def embeddings(
        self, texts: Iterable[Any], name_of: Callable[[int], str], across_blocks: bool
    ) -> Iterator[Any]:
        """The result of each text, in order, a block at a time; see Pipeline._predictions.

        Texts of a list are checked before the first is computed. Raises InputError.
        """
        rows: Iterable[TextRow] = (
            self._row(text, name_of(index), self.options) for index, text in enumerate(texts)
        )
        rows = list(rows) if isinstance(texts, Sequence) else rows
        found = self._predictions(rows, self.options, self.max_tokens, name_of, across_blocks)
        return (self._result(one, self.options) for one in found)

    def _row(self, text: Any, name: str, options: EmbedderOptions) -> TextRow:
        return TextRow(options.prompt + plain_text(text, name))

    def _outputs(self, windows: Sequence[Window], options: EmbedderOptions) -> Sequence[Any] | np.ndarray:
        ids = [window.ids for window in windows]
        if options.output == VECTORS:
            vectors_sd = self.chain.vectors(ids, options.prompt_tokens)
            self._check_finite(vectors_sd)
            vectors_sd = vectors_sd[:, : options.width]
            return normalized(vectors_sd) if options.normalize else vectors_sd
        features = self.chain.features(ids, options.prompt_tokens)
        for one in features:
            self._check_finite(one[TOKENS])
            one[VECTORS] = one[VECTORS][: options.width]
        return [one[TOKENS] for one in features] if options.output == TOKENS else features

    def _prediction(
        self, row: TextRow, windows: Sequence[Window], outputs: Sequence[Any], options: EmbedderOptions
    ) -> Embedding:
        text = row.text[len(options.prompt) :]
        return Embedding(text, outputs[0], windows[0].truncated)

    def _result(self, prediction: Embedding, options: EmbedderOptions) -> Any:
        """A copy, since equal texts share one embedding, and callers may change it."""
        value = prediction.value
        if isinstance(value, dict):
            return {name: array.copy() for name, array in value.items()}
        return value.copy()


class TokenEmbedder(Embedder):
    """An Embedder whose results are the rows of all tokens: fewer are computed ahead."""

    block_batches: ClassVar[int] = 1  # base size: 1.5 MB for a text of 512 tokens
