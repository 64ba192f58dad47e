"""Texts → what a function computes of an encoder's last states, in batches: for FlagEmbedding's embedders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..model import RobertaModel
from ..model.auto import AutoModel
from ..model.batch import PackedBatch, pack_batch
from ..pipelines.base import Pipeline, logger, text_name
from ..pipelines.long_texts import Prompt, encode_texts
from ..pipelines.options import PipelineOptions
from ..pipelines.rows import TextRow
from ..pipelines.windows import Coverage, TextPrediction, Window, coverage

# From a batch and the last states of its tokens, (T, H), or of its first ones, (S, H): what is wanted of each
# of its S texts.
StatesToOutputs = Callable[[PackedBatch, np.ndarray], Sequence[Any]]
# From the windows of a text and the outputs of each: the output of the text.
WindowsToOutput = Callable[[Sequence[Window], Sequence[Any]], Any]


class LimitedText(NamedTuple):
    """A text, and how many tokens of it are used, special tokens included.

    before: how many of its characters are an instruction, with which each window begins.
    """

    text: str
    max_tokens: int
    before: int = 0


@dataclass(frozen=True)
class EncodedText(TextPrediction):
    """What was computed of one text."""

    output: Any
    coverage: Coverage


class TextEncoding(Pipeline[PipelineOptions, LimitedText, EncodedText]):
    """The encoding of the texts of one call: batches, equal texts once, and order are those of Pipeline."""

    task = "text-encoding"
    options_class = PipelineOptions
    auto_class = AutoModel
    model_class = RobertaModel
    model: RobertaModel
    reads_windows: ClassVar[bool] = True

    def __init__(
        self,
        model: RobertaModel,
        tokenizer: Any,
        batch_size: int,
        limits: tuple[int, ...],
        compute: StatesToOutputs,
        first_only: bool = False,
        merge: WindowsToOutput = lambda windows, outputs: outputs[0],
        **reading: Any,
    ) -> None:
        """limits: those that the texts have. first_only: whether `compute` gets the states of first tokens
        alone, which is less work. merge: makes the output of a text from those of its windows. reading:
        long_text, stride and return_lengths. Raises InputError."""
        options = PipelineOptions().changed({"batch_size": batch_size, "max_length": max(limits), **reading})
        super().__init__(model, tokenizer, options)
        self.limits, self._compute, self._first_only, self._merge = limits, compute, first_only, merge

    def encoded(
        self,
        texts: Iterable[LimitedText],
        name_of: Callable[[int], str] = text_name,
        across_blocks: bool = True,
    ) -> Iterator[EncodedText]:
        """What is computed of each text, in order; of equal texts it is one object, of those of one block or,
        with `across_blocks`, of all. One warning counts truncated texts. Raises InputError, ModelFileError.
        """
        return self._predictions(texts, self.options, self.max_tokens, name_of, across_blocks)

    def _windows(
        self,
        rows: Sequence[LimitedText],
        options: PipelineOptions,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> list[list[Window]]:
        windows: dict[int, list[Window]] = {}
        for limit, before in sorted({(row.max_tokens, row.before) for row in rows}):
            chosen = [
                index for index, row in enumerate(rows) if (row.max_tokens, row.before) == (limit, before)
            ]
            texts, names = (
                [TextRow(rows[index].text) for index in chosen],
                [name_of(index) for index in chosen],
            )
            found = encode_texts(self.tokenizer, texts, limit, options, names.__getitem__, Prompt(before))
            windows |= zip(chosen, found, strict=True)
        return [windows[index] for index in range(len(rows))]

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
        return EncodedText(self._merge(windows, outputs), coverage(windows))

    def _result(self, prediction: EncodedText, options: PipelineOptions) -> Any:
        return prediction.output

    def _warn_of_truncated(self, truncated: int, count: int, max_tokens: int) -> None:
        if truncated:
            limits = " or ".join(map(str, dict.fromkeys(self.limits)))
            message = "%d of %d texts truncated: longer than %s tokens%s"
            logger.warning(message, truncated, count, limits, self._advice)


class BlockEncoding(TextEncoding):
    """A TextEncoding that reads one batch ahead: for outputs of which few are held in memory together."""

    block_batches = 1
