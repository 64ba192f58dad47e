"""Text classification, with the results of transformers 5.23's TextClassificationPipeline."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import InputError, ModelFileError, mismatch, shown
from ..model import RobertaForSequenceClassification
from ..model.auto import AutoModelForSequenceClassification
from .base import Pipeline
from .long_texts import combined_scores
from .options import PipelineOptions, check_choice, check_count, check_window_scores
from .rows import TextRow
from .windows import Coverage, TextPrediction, Window, coverage

if TYPE_CHECKING:
    from ..config import RobertaConfig

SCORE_FUNCTIONS = ("sigmoid", "softmax", "none")


@dataclass(frozen=True)
class ClassifyOptions(PipelineOptions):
    """How texts are classified: the options of PipelineOptions and these.

    top_k: how many labels a text's result has, best first; None for all. If it is given, the result is a
        list of {"label", "score"}; otherwise it is one dict, of the best label.
    function_to_apply: "sigmoid", "softmax" or "none"; None or "default" for the function that the config
        calls for (see `choose_function`).
    window_scores: how the scores of windows become those of a text. "mean" or None: their mean, weighted by
        how many of the text's tokens are a window's own; "max": each label's highest, which add up to more
        than 1 after softmax. The function is applied to each window first. Only with long_text="windows".
    return_all_scores: deprecated. True means top_k=None; False means that top_k is not given.
    """

    top_k: int | None = 1
    function_to_apply: str | None = None
    window_scores: str | None = None
    as_list: bool = dataclasses.field(default=False, metadata={"derived": True})  # whether top_k was given

    keywords_without_field: ClassVar[tuple[str, ...]] = ("return_all_scores",)

    def _field_values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values = {**given, "as_list": True} if "top_k" in given else {**given}
        function = values.get("function_to_apply")
        if isinstance(function, str):
            values["function_to_apply"] = function.lower()
        elif function is None:  # as in transformers, a call with None leaves the pipeline's own
            values.pop("function_to_apply", None)
        return_all_scores = values.pop("return_all_scores", None)
        if return_all_scores is not None:
            values.update(_from_return_all_scores(return_all_scores, given))
        return values

    def _check(self) -> None:
        check_choice("function_to_apply", self.function_to_apply, (None, "default", *SCORE_FUNCTIONS))
        super()._check()
        check_window_scores(self.window_scores, self)
        if self.top_k is not None:
            check_count("top_k", self.top_k, "an integer of at least 1, or None for all labels")


def _from_return_all_scores(value: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The field values that return_all_scores stands for; transformers 5 ignores it silently."""
    if not isinstance(value, bool):
        raise InputError(mismatch("return_all_scores", shown(value), "True or False"))
    if "top_k" in given:
        raise InputError(
            mismatch("return_all_scores", "together with top_k", "top_k alone (None for all labels)")
        )
    advice = "top_k=None" if value else "no top_k"
    # The frames: this function, _field_values, changed, its caller, and the code that wrote the keyword.
    warnings.warn(f"return_all_scores={value} is deprecated: use {advice}", DeprecationWarning, stacklevel=5)
    return {"top_k": None, "as_list": True} if value else {"top_k": 1, "as_list": False}


@dataclass(frozen=True)
class Prediction(TextPrediction):
    """The scores of one text. scores_c: float64 (C), in the order of the pipeline's `labels`."""

    row: TextRow
    scores_c: np.ndarray
    coverage: Coverage

    def best_first(self) -> list[int]:
        """Indexes of the labels by descending score; labels of equal score keep their order."""
        order: list[int] = np.argsort(-self.scores_c, kind="stable").tolist()
        return order


class TextClassificationPipeline(Pipeline[ClassifyOptions, TextRow, Prediction]):
    """`classify(texts, **options)` → labels and scores; `pipeline("text-classification", …)` makes it.

    `texts` and the attributes are those of Pipeline, and the options those of ClassifyOptions. `labels` are
    the names of the model's outputs, in their order.

    The results are transformers': a text's result is the dict of its best label, {"label": str, "score":
    float}, or, if the call or the pipeline was given `top_k`, the list of the dicts of its best `top_k`
    labels. A call on a dict returns its result. A call on a str returns its result in a list; but if the
    call itself was given `top_k`, it returns the result, which is a list already.
    """

    task = "text-classification"
    options_class = ClassifyOptions
    auto_class = AutoModelForSequenceClassification
    model_class = RobertaForSequenceClassification
    model: RobertaForSequenceClassification
    reads_windows: ClassVar[bool] = True

    def __init__(
        self,
        model: RobertaForSequenceClassification,
        tokenizer: Any,
        options: ClassifyOptions | None = None,
        **keywords: Any,
    ) -> None:
        """Raises ModelFileError for a model without labels, InputError for a `max_length` it cannot take."""
        if not model.config.id2label:
            raise ModelFileError(mismatch(f"{model.name_or_path}: config.json", "no labels", "at least one"))
        super().__init__(model, tokenizer, options, **keywords)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model_name()}, labels={self.labels})"

    @property
    def labels(self) -> list[str]:
        """The names of the model's outputs, in their order."""
        return [self._label(index) for index in range(self.model.config.num_labels)]

    @property
    def score_function(self) -> str:
        """The function from logits to scores of calls that do not choose one: a name of SCORE_FUNCTIONS."""
        return self._function(self.options)

    def _outputs(self, windows: Sequence[Window], options: ClassifyOptions) -> np.ndarray:
        logits_sc = self.model(
            [window.ids for window in windows], output_hidden_states=False, return_dict=True
        ).logits
        self._check_finite(logits_sc)
        return apply_function(self._function(options), logits_sc)

    def _prediction(
        self, row: TextRow, windows: Sequence[Window], outputs: Sequence[Any], options: ClassifyOptions
    ) -> Prediction:
        scores_c = combined_scores(windows, outputs, options.window_scores)
        return Prediction(row, scores_c, coverage(windows))

    def _result(self, prediction: Prediction, options: ClassifyOptions) -> Any:
        order = prediction.best_first()[: options.top_k]
        listed = [
            {"label": self._label(index), "score": float(prediction.scores_c[index])} for index in order
        ]
        return listed if options.as_list else listed[0]

    def _single_result(
        self, result: Any, text: Any, options: ClassifyOptions, given: Mapping[str, Any]
    ) -> Any:
        is_listed_by_call = options.as_list and not given.keys().isdisjoint(("top_k", "return_all_scores"))
        return [result] if isinstance(text, str) and not is_listed_by_call else result

    def _function(self, options: ClassifyOptions) -> str:
        if options.function_to_apply in (None, "default"):
            return choose_function(self.model.config)
        return str(options.function_to_apply)


def choose_function(config: RobertaConfig) -> str:
    """The function from logits to scores that a config calls for: "sigmoid", "softmax" or "none".

    The conditions and their order are transformers'. Raises ModelFileError for a function of another name.
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
        place = f"{config.name_or_path}: config.json: function_to_apply"
        raise ModelFileError(mismatch(place, shown(name), ", ".join(SCORE_FUNCTIONS)))
    return str(name)


def apply_function(name: str, logits_sc: np.ndarray) -> np.ndarray:
    """Finite float32 logits (S, C) → float64 scores (S, C).

    name: "softmax", over each row; "sigmoid", of each logit; or "none", which converts to float64 only.
    """
    x_sc = logits_sc.astype(np.float64)
    if name == "softmax":
        exponentials_sc = np.exp(x_sc - x_sc.max(axis=1, keepdims=True))
        softmax_sc: np.ndarray = exponentials_sc / exponentials_sc.sum(axis=1, keepdims=True)
        return softmax_sc
    if name == "sigmoid":
        small_sc = np.exp(-np.abs(x_sc))  # exp(|x|) would overflow
        return np.where(x_sc >= 0, 1.0, small_sc) / (1.0 + small_sc)
    return x_sc
