"""`roberta-c zero-shot`: texts and candidate labels → scores of the labels."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, mismatch, shown
from .help_page import HelpCommand
from .label_results import LabelForm
from .long_texts import long_text_arguments, long_text_options
from .names import repeated
from .options import (
    Utf8,
    output_options,
    task_model_option,
    task_options,
    text_options,
)
from .output_options import HUMAN
from .run import InputOptions, run_pipeline
from .score_bars import score_bars
from .texts import one_text

if TYPE_CHECKING:
    from ..pipelines.zero_shot_classification import LabelScores, ZeroShotClassificationPipeline


@click.command("zero-shot", cls=HelpCommand)
@task_model_option
@text_options()
@output_options
@click.option(
    "--labels",
    type=Utf8(),
    required=True,
    multiple=True,
    metavar="A,B,…",
    help="The candidate labels, with commas between; may be repeated.",
)
@click.option(
    "--template",
    type=Utf8(),
    default="This example is {}.",
    show_default=True,
    metavar="TEXT",
    help="The sentence that a label is put into, at {}.",
)
@click.option(
    "--multi-label",
    is_flag=True,
    help="Score each label by itself. Otherwise the scores of all labels add up to 1.",
)
@long_text_options(has_scores=True)
@task_options("Texts per batch. With 1, each result is written before the next text is read.")
def zero_shot(
    labels: tuple[str, ...],
    template: str,
    multi_label: bool,
    batch_size: int,
    **options: Any,
) -> None:
    """Score labels of your choice for texts, by a model of natural language inference.

    \b
    Examples:
      roberta-c zero-shot --model org/name --labels "sport,politics,music" "The match ended 2:1"
      roberta-c zero-shot --model org/name --labels "spam,no spam" --file mails.csv -o scored.csv

    Texts are read as by classify. A JSON object has text or the file's columns, label, score and scores, best
    first. A table has a column score_LABEL for each label instead of scores.
    """
    inputs = InputOptions.of(options)
    wanted = one_text(inputs, options)
    reading = long_text_arguments(options)
    candidates = [label.strip() for given in labels for label in given.split(",") if label.strip()]
    twice = repeated(candidates)
    if twice is not None:
        raise click.UsageError(mismatch("--labels", f"{shown(twice)} twice", "different labels"))
    if not candidates:
        raise click.UsageError(mismatch("--labels", "no label", "at least one"))

    def make_form(pipeline: ZeroShotClassificationPipeline, kind: str, width: int | None) -> ScoresForm:
        if "max_length" in reading:
            _check_room(reading["max_length"], pipeline)
        every_score = kind != HUMAN or len(inputs.texts) == 1
        bars = score_bars(sys.stdout) if kind == HUMAN else None
        return ScoresForm(candidates, None if every_score else 1, every_score, bars, width)

    call_options = {
        "candidate_labels": candidates,
        "hypothesis_template": template,
        "multi_label": multi_label,
        "batch_size": batch_size,
        **reading,
    }
    run_pipeline("zero-shot-classification", inputs, wanted, options, call_options, make_form)


def _check_room(max_length: int, pipeline: ZeroShotClassificationPipeline) -> None:
    """Raise InputError if --max-length, and not the model's limit, leaves no token for the text."""
    hypotheses = pipeline.tokenizer.encode_parts(pipeline.options.hypotheses())
    least = max(map(len, hypotheses)) + pipeline.tokenizer.num_special_tokens_to_add(pair=True) + 1
    if max_length < least <= pipeline.model.config.max_tokens:
        expected = f"at least {least}: room for the template with the longest label, and a token of the text"
        raise InputError(mismatch("--max-length", max_length, expected))


class ScoresForm(LabelForm):
    """How the scores of candidate labels are shown."""

    def _best(self, prediction: LabelScores) -> list[tuple[str, float]]:
        return list(zip(prediction.labels, prediction.scores, strict=True))[: self.top_k]
