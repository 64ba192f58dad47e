"""Zero-shot classification by a model of natural language inference (Yin et al. 2019).

Each label becomes a hypothesis, "This example is {label}.", and its score is how surely the text entails it.
The results are those of transformers 5.23's pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, ModelFileError, mismatch, shown
from ..model import RobertaForSequenceClassification
from ..model.auto import AutoModelForSequenceClassification
from ..tokenizer.text_input import as_listed
from .base import Pipeline
from .long_texts import combined_scores
from .options import PipelineOptions, check_flag, check_window_scores, has_places
from .rows import TextRow, plain_text
from .task_windows import encode_premises
from .text_classification import apply_function
from .windows import Coverage, TextPrediction, Window, coverage


@dataclass(frozen=True)
class ZeroShotOptions(PipelineOptions):
    """How texts are classified: the options of PipelineOptions and these.

    candidate_labels: the labels, as a list, or as a str with commas between them.
    hypothesis_template: the sentence that a label is put into, at its "{}".
    multi_label: whether each label is scored by itself (entailment against contradiction); otherwise the
        labels' scores add up to 1.
    window_scores: as in ClassifyOptions, of a label's scores in each window.
    truncation: False, or True or "only_first", which cut the text and never the label.

    Windows and lengths are those of a text together with the longest label.
    """

    candidate_labels: Any = None
    hypothesis_template: str = "This example is {}."
    multi_label: bool = False
    window_scores: str | None = None

    def labels(self) -> list[str]:
        """The candidate labels. Raises InputError unless there is at least one."""
        given = self.candidate_labels
        if isinstance(given, str):
            labels = [label.strip() for label in given.split(",") if label.strip()]
        else:
            listed = as_listed(given, takes_tuples=True)
            if listed is None:
                expected = "a list of str, or a str with commas"
                raise InputError(mismatch("candidate_labels", shown(given), expected))
            labels = [plain_text(label, f"candidate_labels[{index}]") for index, label in enumerate(listed)]
        if not labels:
            raise InputError(mismatch("candidate_labels", "no label", "at least one"))
        return labels

    def hypotheses(self) -> list[str]:
        """The template with each label in it. Raises InputError unless it has one place, "{}", for a label.

        As in str.format, "{{" and "}}" are braces. Its other forms, such as "{:>9}", are refused.
        """
        template = self.hypothesis_template
        if not has_places(template, 1):
            found = shown(template)
            raise InputError(mismatch("hypothesis_template", found, "a str with one {} for the label"))
        return [template.format(label) for label in self.labels()]

    def _check(self) -> None:
        super()._check()
        check_flag("multi_label", self.multi_label)
        check_window_scores(self.window_scores, self)
        if self.truncation in ("only_second", "longest_first"):
            found = shown(self.truncation)
            raise InputError(mismatch("truncation", found, "True or 'only_first': labels are not cut"))
        if self.candidate_labels is not None:
            self.hypotheses()


@dataclass(frozen=True)
class LabelScores(TextPrediction):
    """The candidate labels of one text and their scores, best first."""

    row: TextRow
    labels: list[str]
    scores: list[float]
    coverage: Coverage


class ZeroShotClassificationPipeline(Pipeline[ZeroShotOptions, TextRow, LabelScores]):
    """`classify(texts, candidate_labels)` → labels and scores; `pipeline("zero-shot-classification", …)`.

    `texts` and the attributes are those of Pipeline, and the options those of ZeroShotOptions. A text's
    result is {"sequence": str, "labels": list of str, "scores": list of float}, best first. `entailment_id`
    is the column of the model's logits that says how surely a text entails a label.
    """

    task = "zero-shot-classification"
    forms = "a str"
    options_class = ZeroShotOptions
    auto_class = AutoModelForSequenceClassification
    model_class = RobertaForSequenceClassification
    needs_own_tokenizer = True
    reads_windows: ClassVar[bool] = True
    block_batches: ClassVar[int] = 1  # each text has as many windows as there are labels
    model: RobertaForSequenceClassification

    def __init__(
        self,
        model: RobertaForSequenceClassification,
        tokenizer: Any,
        options: ZeroShotOptions | None = None,
        **keywords: Any,
    ) -> None:
        """Raises ModelFileError for a model without a label that begins with "entail"."""
        super().__init__(model, tokenizer, options, **keywords)
        _ = self.entailment_id

    @property
    def entailment_id(self) -> int:
        """The column of the logits for entailment. Raises ModelFileError if no label begins with "entail"."""
        config = self.model.config
        for label, column in config.label2id.items():
            if str(label).lower().startswith("entail") and config.num_labels > 1:
                return column
        place = f"{self.model.name_or_path}: config.json: label2id"
        expected = "a label that begins with 'entail' and another: a model of natural language inference"
        raise ModelFileError(mismatch(place, shown(", ".join(map(str, config.label2id))), expected))

    def __call__(self, texts: Any = None, candidate_labels: Any = None, **options: Any) -> Any:
        """As Pipeline's; `candidate_labels` may follow the texts without its name."""
        if candidate_labels is not None:
            options["candidate_labels"] = candidate_labels
        return super().__call__(texts, **options)

    def _prepared(self, options: ZeroShotOptions, given: Mapping[str, Any]) -> ZeroShotOptions:
        options.labels()  # None by default, but no call goes without
        return options

    def _row(self, text: Any, name: str, options: ZeroShotOptions) -> TextRow:
        return TextRow(plain_text(text, name))

    def _windows(
        self,
        rows: Sequence[TextRow],
        options: ZeroShotOptions,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> list[list[Window]]:
        premises = [row.text for row in rows]
        return encode_premises(self.tokenizer, premises, options.hypotheses(), max_tokens, options, name_of)

    def _outputs(self, windows: Sequence[Window], options: ZeroShotOptions) -> np.ndarray:
        logits_sc: np.ndarray = self.model([window.ids for window in windows], return_dict=True).logits
        self._check_finite(logits_sc)
        return logits_sc

    def _prediction(
        self, row: TextRow, windows: Sequence[Window], outputs: Sequence[Any], options: ZeroShotOptions
    ) -> LabelScores:
        labels, entailment = options.labels(), self.entailment_id
        count = len(labels)
        logits_wlc = np.stack(outputs).reshape(-1, count, len(outputs[0]))
        if options.multi_label or count == 1:
            contradiction = -1 if entailment == 0 else 0  # transformers' choice
            logits_x2 = logits_wlc[:, :, [contradiction, entailment]].reshape(-1, 2)
            scores_wl = apply_function("softmax", logits_x2)[:, 1].reshape(-1, count)
        else:
            scores_wl = apply_function("softmax", logits_wlc[:, :, entailment])
        parts = windows[::count]  # the windows with the first label: those with the others have the same
        scores_l = combined_scores(parts, list(scores_wl), options.window_scores)
        order = np.argsort(-scores_l, kind="stable").tolist()
        truncated = any(window.truncated for window in windows)
        return LabelScores(
            row,
            [labels[index] for index in order],
            [float(scores_l[index]) for index in order],
            coverage(parts)._replace(truncated=truncated),
        )

    def _result(self, prediction: LabelScores, options: ZeroShotOptions) -> Any:
        return {
            "sequence": prediction.row.text,
            "labels": list(prediction.labels),
            "scores": list(prediction.scores),
        }
