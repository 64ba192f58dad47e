"""`roberta-c classify`: texts → labels and scores."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..errors import ModelFileError, mismatch, shown
from .inputs import open_source
from .messages import note_bundled_model
from .options import (
    batch_size_option,
    check_revision,
    check_texts,
    debug_option,
    dtype_option,
    format_option,
    hub_options,
    max_length_option,
    model_option,
    offline_option,
    texts_options,
    threads_option,
)
from .outputs import is_terminal, open_output
from .score_bars import ScoreBars, score_bars
from .terminal_text import printable

if TYPE_CHECKING:
    from ..pipelines.text_classification import Prediction


@click.command()
@model_option
@texts_options
@format_option(
    ("auto", "human", "json", "jsonl"),
    "human: for reading. jsonl: one object per line. json: an array. auto: human on a terminal, else jsonl.",
)
@click.option(
    "--all",
    "all_labels",
    is_flag=True,
    help="Show the scores of all labels. The human format does so anyway for a single text.",
)
@click.option(
    "--top-k", type=click.IntRange(min=1), metavar="N", help="Show the scores of the N best labels."
)
@click.option(
    "--function-to-apply",
    type=click.Choice(("default", "sigmoid", "softmax", "none")),
    default="default",
    help="How to turn logits into scores. default: as the model's config says.",
)
@max_length_option
@batch_size_option("Texts per batch. With 1, each result is written before the next text is read.")
@dtype_option("float32", "Arithmetic: float32, bfloat16 or int8.")
@threads_option
@hub_options
@offline_option
@debug_option
def classify(
    texts: tuple[str, ...],
    model: str | None,
    path: str | None,
    pairs: bool,
    form: str,
    all_labels: bool,
    top_k: int | None,
    dtype: str,
    threads: int | None,
    function_to_apply: str,
    max_length: int | None,
    batch_size: int,
    **hub_arguments: Any,
) -> None:
    """Label texts: the arguments, or the lines of a file, or the lines of standard input.

    \b
    Examples:
      roberta-c classify "I love it" "this is the worst"
      roberta-c classify --model path/to/model --file tweets.txt --format jsonl --all
      cut -f 3 table.tsv | roberta-c classify --model org/name > labels.jsonl
      printf 'premise\\thypothesis\\n' | roberta-c classify --model org/name --pairs

    Each line is one text, unchanged: spaces are kept, an empty line is an empty text, and only the line end
    (\\n or \\r\\n) is removed. Put "--" before an argument that begins with a dash. A JSON object has text
    (and text_pair), label and score; with --all or --top-k also scores; and truncated: true if the text was
    longer than the limit.
    """
    check_texts(texts, path)
    check_revision(model, hub_arguments)
    if all_labels and top_k is not None:
        raise click.UsageError(mismatch("--all, --top-k", "both", "one of them"))
    if form == "auto":
        form = "human" if is_terminal(sys.stdout) else "jsonl"
    has_progress = not texts and is_terminal(sys.stderr)

    from ..pipelines import pipeline

    with open_source(texts, path, count_lines=has_progress) as source:
        options: dict[str, Any] = {
            "function_to_apply": function_to_apply,
            "max_length": max_length,
            "batch_size": batch_size,
        }
        classifier = pipeline(
            "text-classification", model, dtype=dtype, num_threads=threads, **options, **hub_arguments
        )
        if model is None:
            note_bundled_model()
        every_score = all_labels or top_k is not None or (form == "human" and len(texts) == 1)
        # Without a function, scores are logits, which a bar from 0 to 1 cannot show.
        has_bars = form == "human" and classifier.score_function != "none"
        bars = score_bars(sys.stdout) if has_bars else None
        result = ResultForm(classifier.labels, top_k if top_k or every_score else 1, every_score, bars)
        result.check_labels()
        predictions = classifier.predictions(source.pairs() if pairs else source.texts)
        output = open_output()
        if has_progress:
            from tqdm import tqdm  # type: ignore[import-untyped]

            shares_terminal = is_terminal(sys.stdout)
            predictions = tqdm(predictions, total=source.total, unit=" texts", leave=not shares_terminal)
            if shares_terminal:
                output = open_output(tqdm.external_write_mode)
        if form == "human":
            for prediction in predictions:
                output.text(result.lines(prediction))
        else:
            write = output.array if form == "json" else output.lines
            write(result.json_row(prediction) for prediction in predictions)


@dataclass(frozen=True)
class ResultForm:
    """How the result of a text is shown.

    labels: the model's labels, in the order of the scores. top_k: how many of them to show; None: all.
    every_score: whether a JSON object has the member `scores`, and the human format one line per label.
    bars: the bars beside the scores in the human format, if any.
    """

    labels: list[str]
    top_k: int | None
    every_score: bool
    bars: ScoreBars | None = None

    def check_labels(self) -> None:
        """ModelFileError if `scores` would need the same label twice as a key."""
        repeated = [label for label in self.labels if self.labels.count(label) > 1]
        if self.every_score and repeated:
            found = f"{shown(repeated[0])} twice"
            raise ModelFileError(mismatch("config.json: id2label", found, "different labels to list"))

    def json_row(self, prediction: Prediction) -> dict[str, Any]:
        """The result as an object for JSON."""
        row: dict[str, Any] = {"text": prediction.row.text}
        if prediction.row.text_pair is not None:
            row["text_pair"] = prediction.row.text_pair
        best = self._best(prediction)
        row["label"], row["score"] = best[0]
        if prediction.truncated:
            row["truncated"] = True
        if self.every_score:
            row["scores"] = dict(best)
        return row

    def lines(self, prediction: Prediction) -> str:
        """The result for people: one line; with `every_score`, the text and below it one line per label."""
        parts = [part for part in prediction.row if part is not None]
        text = " | ".join(map(printable, parts)) + (" [truncated]" if prediction.truncated else "")
        width = max(len(printable(label)) for label in self.labels)
        lines = []
        for label, score in self._best(prediction):
            line = f"{printable(label):{width}}  {score:7.4f}"
            if self.bars is not None:
                line += f"  {self.bars.bar(score, 24 if self.every_score else 10, label)}"
            lines.append(line)
        if not self.every_score:
            return f"{lines[0]}  {text}"
        return "\n  ".join([text, *map(str.rstrip, lines)])

    def _best(self, prediction: Prediction) -> list[tuple[str, float]]:
        """The labels to show and their scores, best first."""
        order = prediction.best_first()[: self.top_k]
        return [(self.labels[index], float(prediction.scores_c[index])) for index in order]
