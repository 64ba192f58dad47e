"""The same batches through two models, one in float32 and one in a lower precision: outputs, times, errors.

Suffixes of arrays: 2 the two models (0: float32, 1: lower), s the text, c the label, b the batch, t the
token, h the hidden size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ModelFileError, mismatch
from ..model import RobertaForSequenceClassification
from ..model.batch import pack_batch
from ..model.encoder import CHUNK_TOKENS
from ..pipelines.batches import batches_by_length
from .finite import finite_or_none

# At most this many timed rounds over all texts. The first is always timed; the others only if they are
# expected to end within this many seconds.
ROUNDS, TIMED_SECONDS = 5, 10.0

ModelPair = tuple[RobertaForSequenceClassification, RobertaForSequenceClassification]
# Arguments: the name of the step, the number of texts just done, the number of texts in the step.
Progress = Callable[[str, int, int], None]


class PairedRun:
    """The outputs of both models for token ids.

    logits_2sc: float32 (2, S, C). cosines_s: float64 (S), the cosine of the angle between the two vectors
    that the models' heads read. Raises ModelFileError if a logit is not finite.
    """

    def __init__(
        self, models: ModelPair, ids: Sequence[list[int]], batch_size: int, progress: Progress
    ) -> None:
        self.models, self.ids, self.batch_size = models, ids, batch_size
        self.batches = list(batches_by_length([len(row) for row in ids], batch_size))
        self.logits_2sc = np.empty((2, len(ids), models[0].config.num_labels), np.float32)
        self.cosines_s = np.empty(len(ids))

        def keep(batch: list[int], pooled: list[np.ndarray], logits: list[np.ndarray]) -> None:
            for model, logits_sc, kept_sc in zip(self.models, logits, self.logits_2sc, strict=True):
                if not np.isfinite(logits_sc).all():
                    place = f"{model.name_or_path}: in {model.dtype}"
                    found = "outputs that are NaN or infinite"
                    raise ModelFileError(mismatch(place, found, "finite numbers"))
                kept_sc[batch] = logits_sc
            self.cosines_s[batch] = _cosines(*pooled)
            progress("outputs", len(batch), len(ids))

        # Not timed: the first call of a model allocates buffers and reads pages of its file.
        for model in self.models:
            _outputs(model, [ids[index] for index in self.batches[0]])
        self.rounds = [self._round(0, keep)]

    def _round(
        self, turn: int, take: Callable[[list[int], list[np.ndarray], list[np.ndarray]], None]
    ) -> np.ndarray:
        """Runs all batches through both models and passes each batch's outputs to `take`.

        Returns the seconds, (2, batches). The models take turns at being first with a batch, because the
        second one finds data in the caches that the first one had to load.
        """
        seconds_2b = np.empty((2, len(self.batches)))
        for number, batch in enumerate(self.batches):
            ids = [self.ids[index] for index in batch]
            pooled, logits = [np.empty(0)] * 2, [np.empty(0)] * 2
            for which in (0, 1) if (turn + number) % 2 else (1, 0):
                started = time.perf_counter()
                pooled[which], logits[which] = _outputs(self.models[which], ids)
                seconds_2b[which, number] = time.perf_counter() - started
            take(batch, pooled, logits)
        return seconds_2b

    def time_facts(self, progress: Progress) -> dict[str, Any]:
        """Milliseconds per text. Runs further rounds first, up to ROUNDS in all, if they are quick."""
        further = min(ROUNDS, int(TIMED_SECONDS / self.rounds[0].sum())) - 1
        total = further * len(self.ids)
        for turn in range(1, further + 1):
            self.rounds.append(self._round(turn, lambda batch, *_: progress("time", len(batch), total)))
        full, lower = np.median(self.rounds, axis=0).sum(axis=1).tolist()
        return {
            "float32_ms_per_text": full * 1e3 / len(self.ids),
            "lower_ms_per_text": lower * 1e3 / len(self.ids),
            "speedup": full / lower,
            "rounds": len(self.rounds),
            "batch_size": self.batch_size,
        }


def _outputs(model: RobertaForSequenceClassification, ids: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """What a call of the model computes: the vectors that its head reads, (S, H), and the logits, (S, C)."""
    base = model.base_model
    batch = pack_batch(ids, None, None, None, base.embeddings.limits)
    first_sh, _ = base.encode(batch, rows_wanted_r=batch.first_tokens_s)
    return first_sh, model.classifier.classify(first_sh)


def _cosines(one_sh: np.ndarray, other_sh: np.ndarray) -> np.ndarray:
    """The cosine of the angle between row s of both arrays, float64 (S); NaN if one of the rows is zero."""
    x_sh, y_sh = one_sh.astype(np.float64), other_sh.astype(np.float64)
    squares_s = np.square(x_sh).sum(axis=1) * np.square(y_sh).sum(axis=1)
    with np.errstate(invalid="ignore"):
        cosines_s: np.ndarray = np.clip((x_sh * y_sh).sum(axis=1) / np.sqrt(squares_s), -1, 1)
    return cosines_s


def layer_facts(
    models: ModelPair, ids: Sequence[list[int]], batch_size: int, progress: Progress
) -> dict[str, Any]:
    """The relative error of each hidden state: sqrt(Σ (lower - float32)² / Σ float32²) over all tokens."""
    states = len(models[0].base_model.encoder.layer) + 1
    # One element for each hidden state: after the embeddings and after each layer.
    error_squares, squares = np.zeros(states), np.zeros(states)
    lengths = [len(row) for row in ids]
    # Small batches, because all hidden states of a batch are in memory at the same time.
    for batch in batches_by_length(lengths, batch_size, CHUNK_TOKENS):
        full, lower = (_states(model, [ids[index] for index in batch]) for model in models)
        with np.errstate(invalid="ignore", over="ignore"):
            for level, (full_th, lower_th) in enumerate(zip(full, lower, strict=True)):
                x_th = full_th.astype(np.float64)
                error_squares[level] += np.square(lower_th - x_th).sum()
                squares[level] += np.square(x_th).sum()
        progress("layers", len(batch), len(ids))
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.sqrt(error_squares / squares)
    return {
        "texts": len(ids),
        "tokens": sum(lengths),
        "relative_error": [finite_or_none(error) for error in errors],
    }


def _states(model: RobertaForSequenceClassification, ids: list[list[int]]) -> list[np.ndarray]:
    """The hidden states of all tokens, (T, H) each: after the embeddings and after each layer."""
    base = model.base_model
    batch = pack_batch(ids, None, None, None, base.embeddings.limits)
    states = base.encode(batch, with_states=True)[1]
    assert states is not None
    return states
