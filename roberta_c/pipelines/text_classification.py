"""Text classification, with the results of transformers 5.23's TextClassificationPipeline.

texts → rows → windows → ids → batches of similar length → logits → scores → results in the texts' order

A text's scores do not depend on its neighbours, so texts are free to be reordered, and repeated ones to be
computed once.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ModelFileError, shown
from .texts import TextRow, as_row, batches_by_length, encode_rows, windows

if TYPE_CHECKING:
    from ..config import RobertaConfig
    from ..model import RobertaForSequenceClassification

logger = logging.getLogger(__name__)

SCORE_FUNCTIONS = ("sigmoid", "softmax", "none")
TRUNCATIONS = ("longest_first", "only_first", "only_second", "do_not_truncate")
PADDINGS = ("longest", "max_length", "do_not_pad")


@dataclass(frozen=True)
class ClassifyOptions:
    """How texts are classified; any of these may be given to `pipeline(…)` and to each call.

    top_k: how many labels a text gets, best first; None for all. Where it is given, a text's result is a
        list of {"label", "score"}; where not, the one dict of the best label.
    function_to_apply: "sigmoid", "softmax", "none"; None or "default" for what the config calls for
        (see `choose_function`).
    batch_size: texts that go through the model together. It changes no result. With 1, each text of an
        iterator is answered before the next is taken.
    truncation: True or "longest_first"; "only_first"; "only_second"; False or "do_not_truncate", with which
        a text too long for the model is an InputError.
    max_length: tokens to truncate to, special ones included; None for as many as the model takes.
    padding: taken for the sake of code written for transformers; nothing is padded, and nothing would change.
    return_all_scores: deprecated. True is top_k=None, False is top_k not given.
    """

    top_k: int | None = 1
    function_to_apply: str | None = None
    batch_size: int = 32
    truncation: bool | str = True
    max_length: int | None = None
    padding: bool | str = False
    as_list: bool = dataclasses.field(default=False, metadata={"derived": True})

    def changed(self, given: dict[str, Any]) -> ClassifyOptions:
        """These options with the `given` ones in their place. Raises InputError for a name or a value."""
        names = [field.name for field in dataclasses.fields(self) if not field.metadata]
        for name in given:
            if name not in (*names, "return_all_scores"):
                raise InputError(f"{name}: found an unknown keyword, expected one of {', '.join(names)}")
        values = {**given, "as_list": True} if "top_k" in given else {**given}
        return_all_scores = values.pop("return_all_scores", None)
        if return_all_scores is not None:
            values.update(_from_return_all_scores(return_all_scores, given))
        options = dataclasses.replace(self, **values)
        options._check()
        return options

    @property
    def truncation_name(self) -> str:
        """`truncation` by its name."""
        if isinstance(self.truncation, str):
            return self.truncation
        return "longest_first" if self.truncation else "do_not_truncate"

    def _check(self) -> None:
        _check_choice("function_to_apply", self.function_to_apply, (None, "default", *SCORE_FUNCTIONS))
        _check_choice("truncation", self.truncation, (True, False, *TRUNCATIONS))
        _check_choice("padding", self.padding, (True, False, *PADDINGS))
        _check_count("batch_size", self.batch_size, "an integer of at least 1")
        if self.top_k is not None:
            _check_count("top_k", self.top_k, "an integer of at least 1, or None for all labels")
        if self.max_length is not None:
            _check_count("max_length", self.max_length, "an integer of at least 1, or None for the model's")
            if self.truncation_name == "do_not_truncate":
                raise InputError(f"max_length: found {self.max_length} with truncation=False, expected None")


def _from_return_all_scores(value: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The options that stand for return_all_scores, a name that transformers 5 ignores without a word."""
    if not isinstance(value, bool):
        raise InputError(f"return_all_scores: found {shown(value)}, expected True or False")
    if "top_k" in given:
        raise InputError("return_all_scores: found beside top_k, expected top_k alone (None for all labels)")
    advice = "top_k=None" if value else "no top_k"
    # Through `changed` and its caller, to the line that wrote the keyword.
    warnings.warn(f"return_all_scores={value} is deprecated: use {advice}", DeprecationWarning, stacklevel=4)
    return {"top_k": None, "as_list": True} if value else {"top_k": 1, "as_list": False}


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if not isinstance(value, (str, bool, type(None))) or value not in choices:
        expected = ", ".join(map(str, choices))
        raise InputError(f"{name}: found {shown(value)}, expected one of {expected}")


def _check_count(name: str, value: Any, expected: str) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 1:
        raise InputError(f"{name}: found {shown(value)}, expected {expected}")


@dataclass(frozen=True)
class Prediction:
    """What the model says of one text. scores_c: float64 (C), in the order of the pipeline's `labels`."""

    row: TextRow
    scores_c: np.ndarray
    truncated: bool

    def best_first(self) -> list[int]:
        """Indexes of the labels by falling score; equal scores keep the labels' order."""
        return np.argsort(-self.scores_c, kind="stable").tolist()


def _place(index: int) -> str:
    return f"texts[{index}]"


class TextClassificationPipeline:
    """`classify(texts, **options)`: labels and scores; made by `pipeline("text-classification", …)`.

    Attributes: `model`, `tokenizer`, `labels` (in the order of the model's outputs), `options` (the
    ClassifyOptions of every call that does not say otherwise). Calls change nothing; any number of threads
    may make them.
    """

    task = "text-classification"

    def __init__(
        self, model: RobertaForSequenceClassification, tokenizer: Any, options: ClassifyOptions | None = None
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.labels = [model.config.id2label[index] for index in range(model.config.num_labels)]
        if not self.labels:
            raise ModelFileError(f"{model.name_or_path}: config.json: found no labels, expected at least one")
        self.options = ClassifyOptions() if options is None else options
        self._max_tokens(self.options)

    def __repr__(self) -> str:
        model = f"{type(self.model).__name__} {shown(self.model.name_or_path)}"
        return f"{type(self).__name__}({model}, labels={self.labels})"

    def __call__(self, texts: Any, **options: Any) -> Any:
        """Classifies texts; `options` are those of ClassifyOptions, for this call.

        texts: a str; a dict {"text": str, "text_pair": str} for a pair; a list of these; or an iterator
            over these, whose results come lazily, a window of some batches at a time.

        Returns what transformers returns: for a list, the list of its texts' results; for an iterator, an
        iterator over them; for a dict, its result; for a str, its result in a list of one. A result is the
        dict of the best label, {"label": str, "score": float}; or, where `top_k` was given, here or to
        `pipeline`, the list of the best `top_k` labels' dicts; and where it was given here, that list is
        what a str returns.

        Texts longer than the model takes are truncated, and one warning logged says how many were.
        Raises InputError; ModelFileError where the model's outputs are not numbers.
        """
        chosen = self.options.changed(options)
        max_tokens = self._max_tokens(chosen)
        if isinstance(texts, list):
            rows = [as_row(text, _place(index)) for index, text in enumerate(texts)]
            return [
                self._result(found, chosen)
                for found in self._predictions(rows, chosen, max_tokens, remember=True)
            ]
        if isinstance(texts, Iterator):
            rows_ahead = (as_row(text, _place(index)) for index, text in enumerate(texts))
            return (
                self._result(found, chosen) for found in self._predictions(rows_ahead, chosen, max_tokens)
            )
        if not isinstance(texts, (str, dict)):
            raise InputError(
                f"texts: found {type(texts).__name__}, expected str, a dict with text and text_pair, "
                "or a list or iterator of these"
            )
        (found,) = self._predictions([as_row(texts, "texts")], chosen, max_tokens, lambda _: "texts")
        result = self._result(found, chosen)
        listed_here = chosen.as_list and not options.keys().isdisjoint(("top_k", "return_all_scores"))
        return [result] if isinstance(texts, str) and not listed_here else result

    def predictions(self, texts: Iterable[Any], **options: Any) -> Iterator[Prediction]:
        """The texts' Predictions in order, lazily, in bounded memory; arguments as for a call.

        For those who want every score, and which texts were truncated.
        """
        chosen = self.options.changed(options)
        rows = (as_row(text, _place(index)) for index, text in enumerate(texts))
        return self._predictions(rows, chosen, self._max_tokens(chosen))

    def _result(self, found: Prediction, options: ClassifyOptions) -> Any:
        order = found.best_first()[: options.top_k]
        listed = [{"label": self.labels[index], "score": float(found.scores_c[index])} for index in order]
        return listed if options.as_list else listed[0]

    def _predictions(
        self,
        rows: Iterable[TextRow],
        options: ClassifyOptions,
        max_tokens: int,
        name_of: Callable[[int], str] = _place,
        remember: bool = False,
    ) -> Iterator[Prediction]:
        """The rows' predictions, a repeated row's computed once: per window, or with `remember` for all."""
        known: dict[TextRow, Prediction] = {}
        count = truncated = 0
        try:
            for window in windows(rows, options.batch_size):
                if not remember:
                    known = {}
                fresh: dict[TextRow, int] = {}
                for index, row in enumerate(window, start=count):
                    if row not in known:
                        fresh.setdefault(row, index)
                known.update(self._computed(fresh, options, max_tokens, name_of))
                for row in window:
                    count += 1
                    truncated += known[row].truncated
                    yield known[row]
        finally:
            if truncated:
                logger.warning(
                    "%d of %d texts truncated: longer than %d tokens", truncated, count, max_tokens
                )

    def _computed(
        self,
        fresh: dict[TextRow, int],
        options: ClassifyOptions,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> dict[TextRow, Prediction]:
        """Predictions of different rows; `fresh` has each row's index in the input, for messages."""
        rows, indexes = list(fresh), list(fresh.values())
        encoded = encode_rows(
            self.tokenizer, rows, max_tokens, options.truncation_name, lambda index: name_of(indexes[index])
        )
        logits_sc = np.empty((len(rows), len(self.labels)), dtype=np.float32)
        for batch in batches_by_length([len(row.ids) for row in encoded], options.batch_size):
            ids = [encoded[index].ids for index in batch]
            logits_sc[batch] = self.model(ids, output_hidden_states=False).logits
        if not np.isfinite(logits_sc).all():
            raise ModelFileError(
                f"{self.model.name_or_path}: found outputs that are NaN or infinite, expected numbers: "
                "the weights are damaged"
            )
        scores_sc = apply_function(self._function(options), logits_sc)
        return {
            row: Prediction(row, scores_c, one.truncated)
            for row, scores_c, one in zip(rows, scores_sc, encoded, strict=True)
        }

    @property
    def score_function(self) -> str:
        """What turns outputs into scores unless a call says otherwise: "sigmoid", "softmax" or "none"."""
        return self._function(self.options)

    def _function(self, options: ClassifyOptions) -> str:
        if options.function_to_apply in (None, "default"):
            return choose_function(self.model.config)
        return str(options.function_to_apply)

    @property
    def max_tokens(self) -> int:
        """How many tokens a text may have, special ones included, unless a call says otherwise."""
        return self._max_tokens(self.options)

    def _max_tokens(self, options: ClassifyOptions) -> int:
        """How many tokens a row may have: what the model's positions, the tokenizer and the caller allow."""
        usable = self.model.config.max_tokens
        if options.truncation_name == "do_not_truncate":
            return usable
        if options.max_length is None:
            return min(usable, getattr(self.tokenizer, "model_max_length", usable))
        if options.max_length > usable:
            raise InputError(
                f"max_length: found {options.max_length}, expected at most {usable}, the model's"
            )
        return options.max_length


def choose_function(config: RobertaConfig) -> str:
    """The function from logits to scores that a config calls for: "sigmoid", "softmax" or "none".

    The order of the questions is transformers'. Raises ModelFileError for a function of another name.
    """
    if config.problem_type == "regression":
        return "none"
    if config.problem_type == "multi_label_classification" or config.num_labels == 1:
        return "sigmoid"
    if config.problem_type == "single_label_classification" or config.num_labels > 1:
        return "softmax"
    name = getattr(config, "function_to_apply", None)
    if name is None:
        return "none"
    if name not in SCORE_FUNCTIONS:
        expected = ", ".join(SCORE_FUNCTIONS)
        raise ModelFileError(
            f"{config.name_or_path}: config.json: function_to_apply: found {shown(name)}, expected {expected}"
        )
    return name


def apply_function(name: str, logits_sc: np.ndarray) -> np.ndarray:
    """Finite float32 logits (S, C) → scores, float64 (S, C): softmax of each row, sigmoid, or as they are."""
    x_sc = logits_sc.astype(np.float64)
    if name == "softmax":
        exponentials_sc = np.exp(x_sc - x_sc.max(axis=1, keepdims=True))
        return exponentials_sc / exponentials_sc.sum(axis=1, keepdims=True)
    if name == "sigmoid":
        small_sc = np.exp(-np.abs(x_sc))  # of the larger one, exp would overflow
        return np.where(x_sc >= 0, 1.0, small_sc) / (1.0 + small_sc)
    return x_sc
