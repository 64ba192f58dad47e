"""`roberta-c classify`: texts → labels and scores."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..errors import mismatch
from .help_page import HelpCommand
from .label_results import ResultForm
from .long_texts import long_text_arguments, long_text_options
from .options import (
    AtLeast,
    model_option,
    output_options,
    task_options,
    text_options,
)
from .output_options import HUMAN
from .run import InputOptions, run_pipeline
from .score_bars import score_bars
from .texts import one_text_or_pair

__all__ = ["ResultForm", "classify"]


@click.command(cls=HelpCommand)
@model_option
@text_options(pairs=True)
@output_options
@click.option(
    "--all",
    "all_labels",
    is_flag=True,
    help="Show the scores of all labels. The human format does so anyway for a single text.",
)
@click.option("--top-k", type=AtLeast(1), metavar="N", help="Show the scores of the N best labels.")
@click.option(
    "--function-to-apply",
    type=click.Choice(("default", "sigmoid", "softmax", "none")),
    default="default",
    help="How to turn logits into scores. default: as the model's config says.",
)
@long_text_options(has_scores=True)
@task_options("Texts per batch. With 1, each result is written before the next text is read.")
def classify(
    all_labels: bool,
    top_k: int | None,
    function_to_apply: str,
    batch_size: int,
    **options: Any,
) -> None:
    """Label texts: the arguments, the lines or rows of a file, or the lines of standard input.

    \b
    Examples:
      roberta-c classify "I love it" "this is the worst"
      roberta-c classify --model path/to/model --file tweets.txt --format jsonl --all
      roberta-c classify --file tweets.csv --column text -o labels.csv
      cut -f 3 table.tsv | roberta-c classify --model org/name > labels.jsonl
      printf 'premise\\thypothesis\\n' | roberta-c classify --model org/name --pairs

    Each line is one text, unchanged: spaces are kept, an empty line is an empty text, and only the line end
    (\\n or \\r\\n) is removed. Put "--" before an argument that begins with a dash. A file with columns
    (.csv, .tsv, .tab, .jsonl, .ndjson, .json, .parquet) is read by them, and the results keep them.

    A JSON object has text (and text_pair) or the file's columns, then label and score; with --all or --top-k
    also scores; and truncated: true if the text was longer than the limit. A table has a column score_LABEL
    for each label instead of scores. With --long-text windows, all of a long text is read.
    """
    inputs = InputOptions.of(options)
    wanted = one_text_or_pair(inputs, options)
    if all_labels and top_k is not None:
        raise click.UsageError(mismatch("--all, --top-k", "both", "one of them"))

    def make_form(classifier: Any, kind: str, width: int | None) -> ResultForm:
        every_score = all_labels or top_k is not None or (kind == HUMAN and len(inputs.texts) == 1)
        # Without a function, scores are logits, which a bar from 0 to 1 cannot show.
        has_bars = kind == HUMAN and classifier.score_function != "none"
        bars = score_bars(sys.stdout) if has_bars else None
        form = ResultForm(classifier.labels, top_k if top_k or every_score else 1, every_score, bars, width)
        form.check_labels(classifier.model.name_or_path)
        return form

    call_options = {
        "function_to_apply": function_to_apply,
        "batch_size": batch_size,
        **long_text_arguments(options),
    }
    run_pipeline("text-classification", inputs, wanted, options, call_options, make_form, bundled=True)
