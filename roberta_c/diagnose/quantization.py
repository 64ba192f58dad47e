"""What a lower precision costs on one's own texts, and what it gains: the same texts through both models.

    facts = quantize_report("path/or/id", texts, dtype="bfloat16")     # a dict that JSON can hold
    facts["agreement"]["share"], facts["time"]["speedup"]

texts → ids, once → batches → each through float32 and the lower precision, in turns → differences

A number that is not finite is None.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, ModelFileError, shown
from ..files.bundled import bundled_model_path
from ..files.hub import DEFAULT_OPTIONS, HubOptions
from ..model import RobertaForSequenceClassification, check_dtype
from ..model.auto import AutoModelForSequenceClassification
from ..model.batch import pack_batch
from ..model.encoder import CHUNK_TOKENS
from ..pipelines import load_pipeline
from ..pipelines.text_classification import ClassifyOptions, TextClassificationPipeline, apply_function
from ..pipelines.texts import TextRow, as_row, batches_by_length, encode_rows, windows

WORST_TEXTS = 10
# Hidden states of every layer are looked at for the first so many texts only: they cost more than the
# answers, and a mean over thousands of tokens hardly moves any more.
LAYER_TEXTS = 512
# Rounds over all texts that are timed, the first of them always; no further ones beyond so many seconds.
ROUNDS, TIMED_SECONDS = 5, 10.0

Place = Callable[[int], str]
# Called with what is being done, how many texts it was just done for, and for how many it will be.
Progress = Callable[[str, int, int], None]


def quantize_report(
    model: str | Path | None,
    texts: Iterable[Any],
    dtype: str = "int8",
    labels: Iterable[str | int] | None = None,
    *,
    batch_size: int = 32,
    max_length: int | None = None,
    num_threads: int | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> dict[str, Any]:
    """Compares a sequence classifier in `dtype` with itself in float32, on these texts.

    model: a folder or a Hub repository's name; None for the bundled one.
    texts: as `pipeline` takes them: str, or dicts of text and text_pair.
    dtype: the arithmetic to compare, as for from_pretrained.
    labels: what is right, a label's name or else id for each text; adds accuracy and macro recall of both.
    batch_size, max_length, num_threads and the rest: as for `pipeline`.

    >>> facts = quantize_report(None, ["I love this!", "so so", "I hate it"], dtype="bfloat16")
    >>> facts["agreement"]
    {'same': 3, 'share': 1.0}

    Returns facts: agreement of the best labels; score_difference over the scores of all labels; cosine of the
    vectors that the head reads (the first token's, of the last layer); worst, the texts whose scores differ
    most; layers (error relative to float32, embeddings first); time (tokenization not counted, medians of
    rounds in which both models take turns); memory (bytes of weights); and labelled, None without labels.
    Raises InputError; ModelFileError for a model without a classification head, or with outputs that are not
    numbers; else what loading raises.
    """
    rows = [as_row(text, f"texts[{index}]") for index, text in enumerate(_many(texts, "texts"))]
    known = None if labels is None else list(_many(labels, "labels"))
    if known is not None:
        check_label_count(known, rows, "labels")
    comparison = Comparison(
        model,
        dtype,
        HubOptions(revision, token, cache_dir, local_files_only),
        batch_size=batch_size,
        max_length=max_length,
        num_threads=num_threads,
    )
    right = None if known is None else comparison.label_ids(known, lambda index: f"labels[{index}]")
    return comparison.facts(rows, right)


def _many(values: Any, name: str) -> Iterable[Any]:
    if isinstance(values, (str, dict)) or not isinstance(values, Iterable):
        raise InputError(f"{name}: found {type(values).__name__}, expected a list")
    return values


def check_label_count(labels: Sequence[Any], texts: Sequence[Any], name: str) -> None:
    """InputError, calling the labels `name`, unless there is one for each text."""
    if len(labels) != len(texts):
        raise InputError(f"{name}: found {len(labels)} labels, expected {len(texts)}, one for each text")


class Comparison:
    """A model loaded twice, in float32 and in `dtype`, to be compared. Arguments: quantize_report's."""

    def __init__(
        self,
        model: str | Path | None,
        dtype: str,
        hub_options: HubOptions = DEFAULT_OPTIONS,
        *,
        batch_size: int,
        max_length: int | None,
        num_threads: int | None,
    ) -> None:
        check_dtype(dtype)  # before a model is fetched
        if not isinstance(model, (str, os.PathLike, type(None))):
            raise InputError(
                f"model: found {type(model).__name__}, expected a folder, a Hub repository's name or None"
            )
        name = bundled_model_path() if model is None else model
        self.full: TextClassificationPipeline = load_pipeline(
            name,
            None,
            hub_options,
            ClassifyOptions().changed({"batch_size": batch_size, "max_length": max_length}),
            num_threads=num_threads,
        )
        lower: RobertaForSequenceClassification = AutoModelForSequenceClassification.load(
            name, hub_options, dtype=dtype, num_threads=num_threads
        )
        self.models = (self.full.model, lower)

    def label_ids(self, labels: Iterable[Any], place: Place) -> list[int]:
        """Ids of labels given as names or as ids, which may be text. InputError, naming the place, else."""
        return [_label_id(label, self.full.labels, place(index)) for index, label in enumerate(labels)]

    def facts(
        self,
        rows: Sequence[TextRow],
        right: Sequence[int] | None = None,
        progress: Progress = lambda *_: None,
    ) -> dict[str, Any]:
        """What `quantize_report` returns; `right`: the ids of the rows' right labels, if these are known."""
        if not rows:
            raise InputError("texts: found none, expected at least one")
        ids, truncated = self._encoded(rows)
        outcome = _Outcome(self, ids, progress)
        model, lower = self.models
        scores_msc = np.stack(
            [apply_function(self.full.score_function, logits_sc) for logits_sc in outcome.logits_msc]
        )
        best_ms = scores_msc.argmax(axis=2)  # the first of equal ones, as the pipeline has it
        apart_sc = np.abs(scores_msc[1] - scores_msc[0])
        same = int((best_ms[0] == best_ms[1]).sum())
        cosines = outcome.cosines_s
        return {
            "model": model.name_or_path,
            "dtype": lower.dtype,
            "isa": model.kernels.isa,
            "num_threads": model.num_threads,
            "labels": self.full.labels,
            "score_function": self.full.score_function,
            "texts": len(rows),
            "tokens": sum(map(len, ids)),
            "truncated": truncated,
            "agreement": {"same": same, "share": same / len(rows)},
            "score_difference": _finite(
                mean=apart_sc.mean(), p99=np.quantile(apart_sc, 0.99), max=apart_sc.max()
            ),
            "cosine": _finite(mean=cosines.mean(), p1=np.quantile(cosines, 0.01), min=cosines.min()),
            "worst": [
                self._worst(rows, scores_msc, best_ms, apart_sc, index)
                for index in np.argsort(-apart_sc.max(axis=1), kind="stable")[:WORST_TEXTS].tolist()
            ],
            "layers": self._layer_facts(ids[:LAYER_TEXTS], progress),
            "time": outcome.time_facts(progress),
            "memory": _memory_facts(model, lower),
            "labelled": None if right is None else _labelled_facts(best_ms, np.array(right)),
        }

    def _encoded(self, rows: Sequence[TextRow]) -> tuple[list[list[int]], int]:
        """Ids of all rows, and how many rows were truncated."""
        full, ids, truncated = self.full, [], 0
        for window in windows(rows, full.options.batch_size):
            for row in encode_rows(full.tokenizer, window, full.max_tokens, "longest_first", str):
                ids.append(row.ids)
                truncated += row.truncated
        return ids, truncated

    def _worst(
        self,
        rows: Sequence[TextRow],
        scores_msc: np.ndarray,
        best_ms: np.ndarray,
        apart_sc: np.ndarray,
        index: int,
    ) -> dict[str, Any]:
        """A text, by its number from 1, and what both models say of it."""
        row, (best, lower_best) = rows[index], best_ms[:, index].tolist()
        pair = {} if row.text_pair is None else {"text_pair": row.text_pair}
        answers = [
            {"label": self.full.labels[label], "score": float(scores_msc[model, index, label])}
            for model, label in enumerate((best, lower_best))
        ]
        return {
            "line": index + 1,
            "text": row.text,
            **pair,
            "difference": float(apart_sc[index].max()),
            "changed": best != lower_best,
            "float32": answers[0],
            "lower": answers[1],
        }

    def _layer_facts(self, ids: Sequence[list[int]], progress: Progress) -> dict[str, Any]:
        """sqrt(sum (lower - float32)^2 / sum float32^2), all tokens, after the embeddings and each layer."""
        states = len(self.models[0].base_model.encoder.layer) + 1
        apart_l, whole_l = np.zeros(states), np.zeros(states)
        lengths = [len(row) for row in ids]
        # A chunk of tokens at a time, of which all states are there at once.
        for batch in batches_by_length(lengths, self.full.options.batch_size, CHUNK_TOKENS):
            one, other = (_states(model, [ids[index] for index in batch]) for model in self.models)
            with np.errstate(invalid="ignore", over="ignore"):
                for level, (full_th, lower_th) in enumerate(zip(one, other, strict=True)):
                    x_th = full_th.astype(np.float64)
                    apart_l[level] += np.square(lower_th - x_th).sum()
                    whole_l[level] += np.square(x_th).sum()
            progress("layers", len(batch), len(ids))
        with np.errstate(invalid="ignore", divide="ignore"):
            errors_l = np.sqrt(apart_l / whole_l)
        return {
            "texts": len(ids),
            "tokens": sum(lengths),
            "relative_error": [_finite_or_none(error) for error in errors_l],
        }


class _Outcome:
    """Both models' answers to `ids`: logits_msc (2, S, C), cosines_s of what the heads read; and the time."""

    def __init__(self, comparison: Comparison, ids: Sequence[list[int]], progress: Progress) -> None:
        self.models, self.ids = comparison.models, ids
        self.batch_size = comparison.full.options.batch_size
        self.batches = list(batches_by_length([len(row) for row in ids], self.batch_size))
        self.logits_msc = np.empty((2, len(ids), len(comparison.full.labels)), np.float32)
        self.cosines_s = np.empty(len(ids))

        def keep(batch: list[int], firsts: list[np.ndarray], logits: list[np.ndarray]) -> None:
            for model, logits_sc, kept_sc in zip(self.models, logits, self.logits_msc, strict=True):
                if not np.isfinite(logits_sc).all():
                    place = f"{model.name_or_path}: in {model.dtype}"
                    raise ModelFileError(f"{place}: found outputs that are NaN or infinite, expected numbers")
                kept_sc[batch] = logits_sc
            self.cosines_s[batch] = _cosines(*firsts)
            progress("answers", len(batch), len(ids))

        for model in self.models:  # the first call makes buffers and brings in what lies in files
            _answers(model, [ids[index] for index in self.batches[0]])
        self.rounds = [self._round(0, keep)]

    def _round(
        self, turn: int, take: Callable[[list[int], list[np.ndarray], list[np.ndarray]], None]
    ) -> np.ndarray:
        """All batches through both models; the seconds of each, (2, batches).

        They take turns at going first: what the first finds in no cache the second does.
        """
        seconds_mb = np.empty((2, len(self.batches)))
        for number, batch in enumerate(self.batches):
            ids = [self.ids[index] for index in batch]
            firsts, logits = [np.empty(0)] * 2, [np.empty(0)] * 2
            for which in (0, 1) if (turn + number) % 2 else (1, 0):
                started = time.perf_counter()
                firsts[which], logits[which] = _answers(self.models[which], ids)
                seconds_mb[which, number] = time.perf_counter() - started
            take(batch, firsts, logits)
        return seconds_mb

    def time_facts(self, progress: Progress) -> dict[str, Any]:
        """Milliseconds a text, after more rounds if these are quick."""
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


def _answers(model: RobertaForSequenceClassification, ids: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """What a call of the model does, ids to logits (S, C); and what its head read, (S, H)."""
    base = model.base_model
    batch = pack_batch(ids, None, None, None, base.embeddings.limits)
    first_sh, _ = base.encode(batch, with_states=False, first_tokens_only=True)
    return first_sh, model.classifier.classify(first_sh)


def _states(model: RobertaForSequenceClassification, ids: list[list[int]]) -> list[np.ndarray]:
    """All tokens' hidden states, (T, H) each: the embeddings', and those after each layer."""
    base = model.base_model
    batch = pack_batch(ids, None, None, None, base.embeddings.limits)
    states = base.encode(batch, with_states=True)[1]
    assert states is not None
    return states


def _cosines(one_sh: np.ndarray, other_sh: np.ndarray) -> np.ndarray:
    """The cosine of the angle between the vectors of each pair of rows; NaN for one of zeros."""
    x_sh, y_sh = one_sh.astype(np.float64), other_sh.astype(np.float64)
    squares_s = np.square(x_sh).sum(axis=1) * np.square(y_sh).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.clip((x_sh * y_sh).sum(axis=1) / np.sqrt(squares_s), -1, 1)


def _label_id(label: Any, names: list[str], place: str) -> int:
    ids = [index for index, name in enumerate(names) if isinstance(label, str) and name == label]
    if len(ids) == 1:
        return ids[0]
    if isinstance(label, str) and label.isdecimal() and len(label) < 10:
        label = int(label)
    if isinstance(label, (int, np.integer)) and not isinstance(label, bool) and 0 <= label < len(names):
        return int(label)
    listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    raise InputError(f"{place}: found {shown(label)}, expected one of {listed}, or 0 to {len(names) - 1}")


def _labelled_facts(best_ms: np.ndarray, right_s: np.ndarray) -> dict[str, Any]:
    """Accuracy and macro recall: the mean, over the labels that occur, of the share of theirs recognised."""
    classes = np.unique(right_s)
    recalls = [[(best_s[right_s == label] == label).mean() for label in classes] for best_s in best_ms]
    return {
        "classes": len(classes),
        "accuracy": _both((best_ms == right_s).mean(axis=1).tolist()),
        "macro_recall": _both(np.mean(recalls, axis=1).tolist()),
    }


def _memory_facts(
    model: RobertaForSequenceClassification, lower: RobertaForSequenceClassification
) -> dict[str, Any]:
    """Bytes of weights as the models hold them; the word vectors stay in the file, the same for both."""
    return {
        "layers_bytes": _both([_layers_bytes(one) for one in (model, lower)]),
        "other_bytes": _both([_other_bytes(one) for one in (model, lower)]),
        "word_vectors_bytes": model.base_model.embeddings.tables.word.nbytes,
    }


def _layers_bytes(model: RobertaForSequenceClassification) -> int:
    """Of the products in the encoder's layers."""
    layers = [layer.packed for layer in model.base_model.encoder.layer]
    return sum(
        linear.nbytes
        for layer in layers
        for linear in (layer.qkv, layer.attention_output, layer.up, layer.down)
    )


def _other_bytes(model: RobertaForSequenceClassification) -> int:
    """Of LayerNorms, position and token-type vectors, and the head."""
    tables, head = model.base_model.embeddings.tables, model.classifier
    norms = [tables.norm]
    for layer in model.base_model.encoder.layer:
        norms += [layer.packed.attention_norm, layer.packed.output_norm]
    return (
        sum(norm.weight.nbytes + norm.bias.nbytes for norm in norms)
        + tables.position.nbytes
        + tables.token_type.nbytes
        + head.dense.packed.nbytes
        + head.out_proj.packed.nbytes
    )


def _both(values: Sequence[Any]) -> dict[str, Any]:
    full, lower = values
    return {"float32": full, "lower": lower}


def _finite(**values: Any) -> dict[str, float | None]:
    return {name: _finite_or_none(value) for name, value in values.items()}


def _finite_or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
