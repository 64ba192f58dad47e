"""Texts → what a function computes of an encoder's last states, in batches: for FlagEmbedding's embedders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..model import RobertaModel
from ..model.auto import AutoModel
from ..model.batch import PackedBatch, pack_batch
from ..pipelines.base import Pipeline, logger
from ..pipelines.options import PipelineOptions
from ..pipelines.rows import TextRow
from ..pipelines.windows import Window, encode_rows

# From a batch and the last states of its tokens, (T, H), or of its first ones, (S, H): what is wanted of each
# of its S texts.
StatesToOutputs = Callable[[PackedBatch, np.ndarray], Sequence[Any]]


class LimitedText(NamedTuple):
    """A text, and how many tokens of it are used, special tokens included."""

    text: str
    max_tokens: int


@dataclass(frozen=True)
class EncodedText:
    """What was computed of one text."""

    output: Any
    truncated: bool


class TextEncoding(Pipeline[PipelineOptions, LimitedText, EncodedText]):
    """The encoding of the texts of one call: batches, equal texts once, and order are those of Pipeline."""

    task = "text-encoding"
    options_class = PipelineOptions
    auto_class = AutoModel
    model_class = RobertaModel
    model: RobertaModel

    def __init__(
        self,
        model: RobertaModel,
        tokenizer: Any,
        batch_size: int,
        limits: tuple[int, ...],
        compute: StatesToOutputs,
        first_only: bool = False,
    ) -> None:
        """limits: those that the texts have. first_only: whether `compute` gets the states of first tokens
        alone, which is less work. Raises InputError."""
        options = PipelineOptions().changed({"batch_size": batch_size, "max_length": max(limits)})
        super().__init__(model, tokenizer, options)
        self.limits, self._compute, self._first_only = limits, compute, first_only

    def outputs(self, texts: Iterable[LimitedText], across_blocks: bool = True) -> Iterator[Any]:
        """What is computed of each text, in order; of equal texts it is one object, of those of one block or,
        with `across_blocks`, of all. One warning counts truncated texts. Raises InputError, ModelFileError.
        """
        predictions = self._predictions(texts, self.options, self.max_tokens, across_blocks=across_blocks)
        return (prediction.output for prediction in predictions)

    def _windows(
        self,
        rows: Sequence[LimitedText],
        options: PipelineOptions,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> list[list[Window]]:
        windows: list[list[Window]] = [[] for _ in rows]
        for limit in sorted(set(self.limits)):
            chosen = [index for index, row in enumerate(rows) if row.max_tokens == limit]
            texts = [TextRow(rows[index].text) for index in chosen]
            encoded = encode_rows(self.tokenizer, texts, limit, options.truncation_name, name_of)
            for index, window in zip(chosen, encoded, strict=True):
                windows[index].append(window)
        return windows

    def _outputs(self, windows: Sequence[Window], options: PipelineOptions) -> Sequence[Any]:
        ids = [window.ids for window in windows]
        batch = pack_batch(ids, None, None, None, self.model.embeddings.limits)
        wanted = batch.first_tokens_s if self._first_only else None
        last_rh, _ = self.model.encode(batch, rows_wanted_r=wanted)
        self._check_finite(last_rh)
        return self._compute(batch, last_rh)

    def _prediction(
        self, row: LimitedText, windows: Sequence[Window], outputs: Sequence[Any], options: PipelineOptions
    ) -> EncodedText:
        return EncodedText(outputs[0], windows[0].truncated)

    def _result(self, prediction: EncodedText, options: PipelineOptions) -> Any:
        return prediction.output

    def _warn_of_truncated(self, truncated: int, count: int, max_tokens: int) -> None:
        if truncated:
            limits = " or ".join(map(str, dict.fromkeys(self.limits)))
            logger.warning("%d of %d texts truncated: longer than %s tokens", truncated, count, limits)


class BlockEncoding(TextEncoding):
    """A TextEncoding that reads one batch ahead: for outputs of which few are held in memory together."""

    block_batches = 1
