"""Labels and scores of a text, as `classify` and `zero-shot` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError, mismatch, shown
from .names import repeated
from .score_bars import ScoreBars
from .terminal_text import printable, shortened

if TYPE_CHECKING:
    from ..pipelines.text_classification import Prediction

_MIN_TEXT_COLUMNS = 20


@dataclass(frozen=True)
class LabelForm:
    """How the labels of a text are shown.

    labels: the model's labels, in the order of the scores. top_k: how many of them to show; None: all.
    every_score: whether a JSON object has the member `scores`, a table a column for each label, and the human
    format one line per label.
    bars: the bars beside the scores in the human format, if any. width: of the terminal that long texts are
    cut to; None: they are not cut.
    """

    labels: list[str]
    top_k: int | None
    every_score: bool
    bars: ScoreBars | None = None
    width: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """The best label, its score, and with `every_score` a score for each label."""
        names = ["score", *(f"score_{label}" for label in self.labels if self.every_score)]
        return {"label": "string", **dict.fromkeys(names, "float64"), "truncated": "bool"}

    @property
    def names(self) -> list[str]:
        """The members of an object in JSON."""
        return ["label", "score", "truncated", *(["scores"] if self.every_score else [])]

    def check_labels(self, model: str) -> None:
        """ModelFileError, which names the model, if `scores` would need the same label twice as a key."""
        label = repeated(self.labels)
        if self.every_score and label is not None:
            expected = "different labels, as each is to have a score"
            raise ModelFileError(
                mismatch(f"{model}: config.json: id2label", f"{shown(label)} twice", expected)
            )

    def json_row(self, prediction: Any) -> dict[str, Any]:
        """The text and its result as an object for JSON."""
        row: dict[str, Any] = {"text": prediction.row.text}
        if prediction.row.text_pair is not None:
            row["text_pair"] = prediction.row.text_pair
        return {**row, **self.members(prediction)}

    def members(self, prediction: Any) -> dict[str, Any]:
        """The best label, its score, and with `every_score` an object of all scores, best first."""
        best = self._best(prediction)
        row: dict[str, Any] = dict(zip(("label", "score"), best[0], strict=True))
        if prediction.truncated:
            row["truncated"] = True
        if self.every_score:
            row["scores"] = dict(best)
        return row

    def cells(self, prediction: Any) -> dict[str, Any]:
        """The value of each column; labels that are not among the `top_k` have none."""
        best = self._best(prediction)
        row: dict[str, Any] = {**dict(zip(("label", "score"), best[0], strict=True))}
        if self.every_score:
            row.update((f"score_{label}", score) for label, score in best)
        return {**row, "truncated": bool(prediction.truncated)}

    def lines(self, prediction: Any) -> str:
        """The result for people: one line; with `every_score`, the text and below it one line per label."""
        text = text_line(prediction)
        width = max(len(printable(label)) for label in self.labels)
        lines = []
        for label, score in self._best(prediction):
            line = f"{printable(label):{width}}  {score:7.4f}"
            columns = len(line)
            if self.bars is not None:
                bar_width = 24 if self.every_score else 10
                line += f"  {self.bars.bar(score, bar_width, label)}"
                columns += 2 + bar_width
            lines.append(line)
        if not self.every_score:
            return f"{lines[0]}  {cut(text, columns + 2, self.width)}"
        return "\n  ".join([text, *map(str.rstrip, lines)])

    def _best(self, prediction: Any) -> list[tuple[str, float]]:
        """The labels to show and their scores, best first."""
        raise NotImplementedError


class ResultForm(LabelForm):
    """How the result of text classification is shown."""

    def _best(self, prediction: Prediction) -> list[tuple[str, float]]:
        order = prediction.best_first()[: self.top_k]
        return [(self.labels[index], float(prediction.scores_c[index])) for index in order]


def text_line(prediction: Any) -> str:
    """A text, or both of a pair, on one line, with a mark if it was truncated."""
    parts = [part for part in prediction.row if part is not None]
    return " | ".join(map(printable, parts)) + (" [truncated]" if prediction.truncated else "")


def cut(text: str, used: int, width: int | None) -> str:
    """`text` behind `used` columns, cut to a terminal of `width` columns; unchanged without one."""
    return text if width is None else shortened(text, max(_MIN_TEXT_COLUMNS, width - used))
