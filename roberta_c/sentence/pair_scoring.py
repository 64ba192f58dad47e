"""Pairs of texts → logits of a model with a classification head: what cross-encoders and rerankers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..model import RobertaForSequenceClassification
from ..model.auto import AutoModelForSequenceClassification
from ..pipelines.base import Pipeline
from ..pipelines.options import PipelineOptions, check_count
from ..pipelines.rows import plain_text
from ..pipelines.windows import Coverage, TextPrediction, Window, coverage, lengths_of
from .pair_encoding import PairEncoder, PairRow
from .progress import with_progress_bar


@dataclass(frozen=True, kw_only=True)
class PairOptions(PipelineOptions):
    """How pairs are read and batched: the options of PipelineOptions and these.

    cut: "longest_first" or "only_second", what is cut of a pair that is too long.
    first_max_length: how many tokens of a first text are used; None: as many as fit.
    """

    cut: str = "longest_first"
    first_max_length: int | None = None

    def _check(self) -> None:
        super()._check()
        if self.first_max_length is not None:
            expected = "an integer of at least 1, or None"
            length = check_count("query_max_length", self.first_max_length, expected)
            object.__setattr__(self, "first_max_length", length)


@dataclass(frozen=True)
class PairLogits(TextPrediction):
    """The logits of one pair, float32 (C): of several windows, the highest of each label."""

    row: PairRow
    logits_c: np.ndarray
    coverage: Coverage


class PairScoring(Pipeline[PairOptions, PairRow, PairLogits]):
    """The scoring of the pairs of one call: batches, equal pairs once, and order are those of Pipeline."""

    task = "pair-scoring"
    options_class = PairOptions
    auto_class = AutoModelForSequenceClassification
    model_class = RobertaForSequenceClassification
    needs_own_tokenizer = True
    reads_windows: ClassVar[bool] = True
    model: RobertaForSequenceClassification

    def __init__(
        self,
        model: RobertaForSequenceClassification,
        tokenizer: Any,
        options: PairOptions,
        pairs: Sequence[PairRow],
    ) -> None:
        """Raises InputError for a `max_length` that the model cannot take or that leaves no room."""
        super().__init__(model, tokenizer, options)
        self.pairs = pairs
        max_tokens = self._max_tokens(options)
        self._encoder = PairEncoder(
            self.tokenizer, pairs, max_tokens, options.cut, options.first_max_length, options
        )

    def logits_sc(self, shows_bar: bool | None = False) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """The logits of the pairs, float32 (S, C), in their order; one warning counts truncated pairs. With
        `return_lengths` also how much of each was read, else an empty list.

        shows_bar: whether a progress bar is shown; None: where standard error is a terminal.
        Raises ModelFileError if they are not numbers, InputError for a text that cannot be tokenized.
        """
        predictions = self._of_rows(self.pairs, across_blocks=True)
        counted = with_progress_bar(predictions, len(self.pairs), "pair", shows_bar)
        logits, lengths = [], []
        for prediction in counted:
            logits.append(prediction.logits_c)
            if self.options.return_lengths:
                lengths.append(lengths_of(prediction))
        empty_0c = np.empty((0, self.model.config.num_labels), np.float32)
        return (np.stack(logits) if logits else empty_0c), lengths

    def stream(self, pairs: Iterable[PairRow]) -> Iterator[PairLogits]:
        """The logits of each pair, read and computed a block at a time, in bounded memory. As `logits_sc`."""
        return self._of_rows(pairs, across_blocks=False)

    def _of_rows(self, pairs: Iterable[PairRow], across_blocks: bool) -> Iterator[PairLogits]:
        return self._predictions(
            pairs, self.options, self._encoder.max_tokens, lambda index: f"pairs[{index}]", across_blocks
        )

    def _row(self, text: Any, name: str, options: PairOptions) -> PairRow:
        """A pair of a stream, as `predictions` reads it."""
        first, second = text
        return PairRow(plain_text(first, f"{name}['query']"), plain_text(second, f"{name}['document']"))

    def _windows(
        self,
        rows: Sequence[PairRow],
        options: PairOptions,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> list[list[Window]]:
        return self._encoder.windows(rows, name_of)

    def _outputs(self, windows: Sequence[Window], options: PairOptions) -> np.ndarray:
        logits_sc: np.ndarray = self.model(
            [window.ids for window in windows],
            output_hidden_states=False,
            output_attentions=False,
            return_dict=True,
        ).logits
        self._check_finite(logits_sc)
        return logits_sc

    def _prediction(
        self, row: PairRow, windows: Sequence[Window], outputs: Sequence[Any], options: PairOptions
    ) -> PairLogits:
        return PairLogits(row, np.max(outputs, axis=0), coverage(windows))

    def _result(self, prediction: PairLogits, options: PairOptions) -> np.ndarray:
        return prediction.logits_c
