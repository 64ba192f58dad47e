"""Scores of a stream of pairs, each with its texts and whether they were cut: for the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, mismatch
from ..pipelines.windows import Coverage, TextPrediction
from .cross_encoder import CrossEncoder
from .prompts import chosen_prompt
from .score_activations import apply_activation


@dataclass(frozen=True)
class ScoredPair(TextPrediction):
    """A query, a document, their score, and how much of the document was read."""

    query: str
    document: str
    score: float
    coverage: Coverage


class PairScores:
    """A model of one label that scores pairs as `encoder.predict` does.

    batch_size: results do not depend on it. prompt_name, prompt: what is put before queries. reading:
    long_text, stride and return_lengths of `predict`. Raises InputError, also for a model of several labels.
    """

    def __init__(
        self,
        encoder: CrossEncoder,
        batch_size: int = 32,
        prompt_name: str | None = None,
        prompt: str | None = None,
        **reading: Any,
    ) -> None:
        if encoder.num_labels != 1:
            found = f"a model of {encoder.num_labels} labels"
            raise InputError(mismatch(encoder.model.name_or_path, found, "a reranker, a model of 1 label"))
        self.encoder = encoder
        self._scoring = encoder.scoring([], batch_size, **reading)
        self._before = chosen_prompt(encoder.prompts, encoder.default_prompt_name, prompt, prompt_name)

    def predictions(self, texts: Iterable[dict[str, str]]) -> Iterator[ScoredPair]:
        """The score of each pair {"query": …, "document": …}. Raises InputError; ModelFileError."""
        before = self._before
        pairs = ((before + pair["query"], pair["document"]) for pair in texts)
        for one in self._scoring.predictions(pairs):
            score = apply_activation(self.encoder.activation_fn, one.logits_c[None]).ravel()[0]
            yield ScoredPair(one.row.first[len(before) :], one.row.second, float(score), one.coverage)
