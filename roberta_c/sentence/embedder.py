"""Texts → embeddings in batches: the part of a call that it shares with the pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, mismatch, shown
from ..model import RobertaModel
from ..model.auto import AutoModel
from ..pipelines.base import Pipeline
from ..pipelines.long_texts import Prompt, encode_texts, merged_rows
from ..pipelines.options import WINDOWS, PipelineOptions
from ..pipelines.rows import TextRow, blocks, plain_text
from ..pipelines.windows import Coverage, TextPrediction, Window, coverage, lengths_of
from .chain import Chain
from .long_vectors import mean_vector
from .modules import TOKENS, VECTORS, Normalize
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

    def _check(self) -> None:
        super()._check()
        if not isinstance(self.output, str | None) or self.output not in (VECTORS, TOKENS, None):
            expected = f"{VECTORS!r}, {TOKENS!r} or None"
            raise InputError(mismatch("output_value", shown(self.output), expected))
        if not isinstance(self.normalize, bool):
            raise InputError(mismatch("normalize_embeddings", shown(self.normalize), "True or False"))


@dataclass(frozen=True)
class Embedding(TextPrediction):
    """What was computed of one text: a vector (D), rows of tokens (len, H), or a dict of features.

    text: without its prompt, whose tokens count in `n_tokens`.
    """

    text: str
    value: Any
    coverage: Coverage


class Embedder(Pipeline[EmbedderOptions, TextRow, Embedding]):
    """The pipeline below SentenceTransformer.encode."""

    task = "sentence-embedding"
    options_class = EmbedderOptions
    auto_class = AutoModel
    model_class = RobertaModel
    reads_windows: ClassVar[bool] = True

    def __init__(self, chain: Chain, options: EmbedderOptions) -> None:
        super().__init__(chain.encoder.auto_model, chain.encoder.tokenizer, options)
        self.chain = chain

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return self.chain.dimension if self.options.width is None else self.options.width

    def of_list(
        self,
        texts: Sequence[Any],
        name_of: Callable[[int], str],
        counted: Callable[[Iterable[int]], Iterable[int]] = iter,
    ) -> tuple[np.ndarray | list[Any], list[dict[str, Any]]]:
        """The result of each text: float32 (n, width) of vectors, or a list of n other outputs. With
        `return_lengths` also how much of each was read, else an empty list.

        Equal texts are computed once. Beside the result there are one block of batches and the first
        index of each text. name_of(index): what messages call a text. counted: a progress bar around the
        indices. Texts are checked before the first is computed. Raises InputError, ModelFileError.
        """
        first_of: dict[str, int] = {}
        firsts = [
            first_of.setdefault(plain_text(text, name_of(index)), index) for index, text in enumerate(texts)
        ]
        is_array = self.options.output == VECTORS
        results: np.ndarray | list[Any] = [None] * len(texts)
        if is_array:
            results = np.empty((len(texts), self.width), np.float32)
        truncated_n = np.zeros(len(texts), bool)
        lengths: list[dict[str, Any]] = []
        computed = self._first_results(first_of, name_of)
        count = 0
        try:
            for index in counted(range(len(texts))):
                first = firsts[index]
                if first == index:
                    embedding = next(computed)
                    results[index], truncated_n[index] = embedding.value, embedding.truncated
                    if self.options.return_lengths:
                        lengths.append(lengths_of(embedding))
                else:
                    results[index] = results[first] if is_array else _copied(results[first])
                    truncated_n[index] = truncated_n[first]
                    if self.options.return_lengths:
                        lengths.append(deepcopy(lengths[first]))
                count = index + 1
        finally:
            self._warn_of_truncated(int(truncated_n.sum()), count, self.max_tokens)
        return results, lengths

    def of_iterator(
        self, texts: Iterable[Any], name_of: Callable[[int], str]
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The result of each text, in order, read and computed a block at a time. With `return_lengths` also
        how much of it was read, else an empty dict. Raises InputError."""
        rows = (self._row(text, name_of(index), self.options) for index, text in enumerate(texts))
        found = self._predictions(rows, self.options, self.max_tokens, name_of)
        measures = self.options.return_lengths
        return ((self._result(one, self.options), lengths_of(one) if measures else {}) for one in found)

    def _first_results(self, first_of: dict[str, int], name_of: Callable[[int], str]) -> Iterator[Embedding]:
        """The embeddings of distinct texts, in order; none is held here once it has been returned."""
        rows = (TextRow(self.options.prompt + text) for text in first_of)
        firsts = iter(first_of.values())
        read = (
            (block, dict(zip(block, firsts, strict=False)))
            for block in blocks(rows, self.options.batch_size, self.block_batches)
        )
        for block, found in self._computed(read, self.options, self.max_tokens, name_of):
            for row in block:
                yield found.pop(row)

    def _row(self, text: Any, name: str, options: EmbedderOptions) -> TextRow:
        return TextRow(options.prompt + plain_text(text, name))

    def _windows(
        self,
        rows: Sequence[TextRow],
        options: EmbedderOptions,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> list[list[Window]]:
        # Tokens that are not pooled are the prompt's in every window.
        prompt = Prompt(len(options.prompt), options.prompt_tokens)
        return encode_texts(self.tokenizer, rows, max_tokens, options, name_of, prompt)

    def _outputs(self, windows: Sequence[Window], options: EmbedderOptions) -> Sequence[Any] | np.ndarray:
        ids = [window.ids for window in windows]
        if options.output == VECTORS:
            vectors_sd = self.chain.vectors(ids, options.prompt_tokens)
            self._check_finite(vectors_sd)
            # The mean of windows is made of complete vectors, so that Normalize has its meaning for it.
            return vectors_sd if options.long_text == WINDOWS else _finished(vectors_sd, options)
        features = self.chain.features(ids, options.prompt_tokens)
        for one in features:
            self._check_finite(one[TOKENS])
            if options.output is None:
                self._check_finite(one[VECTORS])
            if options.long_text != WINDOWS:
                one[VECTORS] = one[VECTORS][: options.width]
        # Views would keep the batch in memory.
        return [_copied(one[TOKENS] if options.output == TOKENS else one) for one in features]

    def _prediction(
        self, row: TextRow, windows: Sequence[Window], outputs: Sequence[Any], options: EmbedderOptions
    ) -> Embedding:
        text = row.text[len(options.prompt) :]
        value = outputs[0] if options.long_text != WINDOWS else self._of_windows(windows, outputs, options)
        return Embedding(text, value, coverage(windows))

    def _of_windows(self, windows: Sequence[Window], outputs: Sequence[Any], options: EmbedderOptions) -> Any:
        """The output of a text from those of its windows."""
        if options.output == TOKENS:
            return merged_rows(windows, outputs)
        modules = self.chain.on_vectors
        normalizes = bool(modules) and isinstance(modules[-1], Normalize)
        if options.output == VECTORS:
            return _finished(mean_vector(windows, outputs, normalizes), options)
        vector_d = mean_vector(windows, [one[VECTORS] for one in outputs], normalizes)
        merged = {name: merged_rows(windows, [one[name] for one in outputs]) for name in outputs[0]}
        return {**merged, VECTORS: vector_d[: options.width]}

    def _result(self, prediction: Embedding, options: EmbedderOptions) -> Any:
        """A copy, since equal texts share one embedding, and callers may change it."""
        return _copied(prediction.value)


class TokenEmbedder(Embedder):
    """An Embedder whose results are the rows of all tokens: fewer are computed ahead."""

    block_batches: ClassVar[int] = 1  # base size: 1.5 MB for a text of 512 tokens


def _finished(vectors_sd: np.ndarray, options: EmbedderOptions) -> np.ndarray:
    """Vectors (…, D) cut to `options.width` numbers, then normalized if they are to be."""
    # A view would keep the complete width in memory.
    vectors_sd = np.ascontiguousarray(vectors_sd[..., : options.width])
    return normalized(vectors_sd) if options.normalize else vectors_sd


def _copied(value: Any) -> Any:
    """An array, or a dict of arrays, as a copy."""
    if isinstance(value, dict):
        return {name: array.copy() for name, array in value.items()}
    return value.copy()
