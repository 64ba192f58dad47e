"""What a lower precision costs and gains on given texts, compared with float32.

    facts = quantize_report("path/or/id", texts, dtype="bfloat16")     # a dict that JSON can hold
    facts["agreement"]["share"], facts["time"]["speedup"]

texts → ids, once → batches → both models in turn (paired_run.py) → differences

A number that is not finite is None in the facts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from ..files import hub
from ..files.bundled import bundled_model_path
from ..files.hub_options import DEFAULT_OPTIONS, HubOptions
from ..model import DTYPES, RobertaForSequenceClassification, dtype_name
from ..model.auto import AutoModelForSequenceClassification
from ..pipelines import load_pipeline
from ..pipelines.rows import TextRow, as_row, blocks
from ..pipelines.text_classification import ClassifyOptions, TextClassificationPipeline, apply_function
from ..pipelines.truncation import encode_rows
from .finite import finite_or_none
from .paired_run import ModelPair, PairedRun, Progress, layer_facts
from .weight_bytes import memory_facts

WORST_TEXTS = 10
# The errors of the layers are taken from this many texts, the first ones: computing all hidden states costs
# more than computing the logits, and a mean over thousands of tokens hardly changes with more of them.
LAYER_TEXTS = 512


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
    """Compares a sequence classifier in `dtype` with the same classifier in float32, on these texts.

    model: a folder or a Hub repository's name; None for the bundled model.
    texts: as for `pipeline`: str, or dicts of text and text_pair.
    dtype: the arithmetic to compare, as for from_pretrained.
    labels: the correct label of each text, as a name or an id; adds accuracy and macro recall of both models.
    batch_size, max_length, num_threads and the rest: as for `pipeline`.

    >>> facts = quantize_report(None, ["I love this!", "so so", "I hate it"], dtype="bfloat16")
    >>> facts["agreement"]
    {'same': 3, 'share': 1.0}

    Returns a dict:
    agreement: for how many texts the best label is the same.
    score_difference: the absolute difference of scores, over all texts and labels.
    cosine: of the vectors that the heads read (the last hidden states of the first tokens).
    worst: the texts whose scores differ most.
    layers: the error relative to float32 after the embeddings and after each layer.
    time: medians of rounds in which both models take turns; tokenization is not included.
    memory: bytes of weights.
    labelled: accuracy and macro recall; None without labels.

    Raises InputError; ModelFileError for a model without a classification head or with outputs that are NaN
    or infinite; and the errors of loading a model.
    """
    rows = [as_row(text, f"texts[{index}]") for index, text in enumerate(_not_single(texts, "texts"))]
    known = None if labels is None else list(_not_single(labels, "labels"))
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
    correct_ids = None if known is None else comparison.label_ids(known, lambda index: f"labels[{index}]")
    return comparison.facts(rows, correct_ids)


def _not_single(values: Any, name: str) -> Iterable[Any]:
    """`values` if it is an iterable, but not one str or dict. InputError otherwise; it names `name`."""
    if isinstance(values, (str, dict)) or not isinstance(values, Iterable):
        raise InputError(mismatch(name, type(values).__name__, "a list"))
    return values


def check_label_count(labels: Sequence[Any], texts: Sequence[Any], name: str) -> None:
    """InputError unless there is one label for each text. `name` is what the message calls the labels."""
    if len(labels) != len(texts):
        raise InputError(mismatch(name, f"{len(labels)} labels", f"{len(texts)}, one for each text"))


class Comparison:
    """One checkpoint loaded twice, in float32 and in `dtype`. Arguments: those of quantize_report."""

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
        if dtype is None:
            raise InputError(mismatch("dtype", "None", f"one of {', '.join(DTYPES)}"))
        dtype = dtype_name(dtype)  # before a model is downloaded
        if not isinstance(model, (str, os.PathLike, type(None))):
            found = type(model).__name__
            raise InputError(mismatch("model", found, "a folder, a Hub repository's name or None"))
        name = bundled_model_path() if model is None else model
        hub_options = hub.pinned(name, hub_options)  # both models are of one commit
        self.full = load_pipeline(
            TextClassificationPipeline,
            name,
            None,
            hub_options,
            ClassifyOptions().changed({"batch_size": batch_size, "max_length": max_length}),
            num_threads=num_threads,
        )
        lower: RobertaForSequenceClassification = AutoModelForSequenceClassification.load(
            name, hub_options, dtype=dtype, num_threads=num_threads
        )
        self.models: ModelPair = (self.full.model, lower)

    def label_ids(self, labels: Iterable[Any], place: Callable[[int], str]) -> list[int]:
        """The ids of labels given as names or ids. Raises InputError at `place(index)` for an unknown one."""
        return [_label_id(label, self.full.labels, place(index)) for index, label in enumerate(labels)]

    def facts(
        self,
        rows: Sequence[TextRow],
        correct_ids: Sequence[int] | None = None,
        progress: Progress = lambda *_: None,
    ) -> dict[str, Any]:
        """The dict that `quantize_report` returns. correct_ids: the rows' correct label ids, if known."""
        if not rows:
            raise InputError(mismatch("texts", "none", "at least one"))
        ids, truncated = self._encoded(rows)
        batch_size = self.full.options.batch_size
        run = PairedRun(self.models, ids, batch_size, progress)
        full, lower = self.models
        scores_2sc = np.stack(
            [apply_function(self.full.score_function, logits_sc) for logits_sc in run.logits_2sc]
        )
        best_2s = scores_2sc.argmax(axis=2)  # of equal scores the first, as in the pipeline
        difference_sc = np.abs(scores_2sc[1] - scores_2sc[0])
        same = int((best_2s[0] == best_2s[1]).sum())
        cosines_s = run.cosines_s
        return {
            "model": full.name_or_path,
            "dtype": lower.dtype,
            "isa": full.kernels.isa,
            "num_threads": full.num_threads,
            "labels": self.full.labels,
            "score_function": self.full.score_function,
            "texts": len(rows),
            "tokens": sum(map(len, ids)),
            "truncated": truncated,
            "agreement": {"same": same, "share": same / len(rows)},
            "score_difference": _finite(
                mean=difference_sc.mean(), p99=np.quantile(difference_sc, 0.99), max=difference_sc.max()
            ),
            "cosine": _finite(mean=cosines_s.mean(), p1=np.quantile(cosines_s, 0.01), min=cosines_s.min()),
            "worst": [
                self._worst(rows, scores_2sc, best_2s, difference_sc, index)
                for index in np.argsort(-difference_sc.max(axis=1), kind="stable")[:WORST_TEXTS].tolist()
            ],
            "layers": layer_facts(self.models, ids[:LAYER_TEXTS], batch_size, progress),
            "time": run.time_facts(progress),
            "memory": memory_facts(full, lower),
            "labelled": None if correct_ids is None else _labelled_facts(best_2s, np.array(correct_ids)),
        }

    def _encoded(self, rows: Sequence[TextRow]) -> tuple[list[list[int]], int]:
        """The token ids of all rows, and how many rows were truncated."""
        full, ids, truncated = self.full, [], 0
        for block in blocks(rows, full.options.batch_size):
            for row in encode_rows(full.tokenizer, block, full.max_tokens, "longest_first", str):
                ids.append(row.ids)
                truncated += row.truncated
        return ids, truncated

    def _worst(
        self,
        rows: Sequence[TextRow],
        scores_2sc: np.ndarray,
        best_2s: np.ndarray,
        difference_sc: np.ndarray,
        index: int,
    ) -> dict[str, Any]:
        """Row `index`: its line number, counted from 1, its text, and the best label of both models."""
        row, (best, lower_best) = rows[index], best_2s[:, index].tolist()
        pair = {} if row.text_pair is None else {"text_pair": row.text_pair}
        results = [
            {"label": self.full.labels[label], "score": float(scores_2sc[model, index, label])}
            for model, label in enumerate((best, lower_best))
        ]
        return {
            "line": index + 1,
            "text": row.text,
            **pair,
            "difference": float(difference_sc[index].max()),
            "changed": best != lower_best,
            "float32": results[0],
            "lower": results[1],
        }


def _label_id(label: Any, names: list[str], place: str) -> int:
    """The id of a label given as a name, an id or the digits of an id. A name takes precedence over an id.

    A name that several labels have is not accepted.
    """
    ids = [index for index, name in enumerate(names) if isinstance(label, str) and name == label]
    if len(ids) == 1:
        return ids[0]
    if isinstance(label, str) and label.isdecimal() and len(label) < 10:
        label = int(label)
    if isinstance(label, (int, np.integer)) and not isinstance(label, bool) and 0 <= label < len(names):
        return int(label)
    listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    raise InputError(mismatch(place, shown(label), f"one of {listed}, or 0 to {len(names) - 1}"))


def _labelled_facts(best_2s: np.ndarray, correct_s: np.ndarray) -> dict[str, Any]:
    """Accuracy and macro recall of both models.

    Macro recall is the mean over the classes that occur in `correct_s` of the recall of that class: the share
    of its texts that the model gives this label.
    """
    classes = np.unique(correct_s)
    recalls = [[(best_s[correct_s == label] == label).mean() for label in classes] for best_s in best_2s]
    return {
        "classes": len(classes),
        "accuracy": _both((best_2s == correct_s).mean(axis=1).tolist()),
        "macro_recall": _both(np.mean(recalls, axis=1).tolist()),
    }


def _both(values: Sequence[Any]) -> dict[str, Any]:
    full, lower = values
    return {"float32": full, "lower": lower}


def _finite(**values: Any) -> dict[str, float | None]:
    return {name: finite_or_none(value) for name, value in values.items()}
