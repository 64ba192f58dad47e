"""`roberta-c classify`: texts → labels."""

from __future__ import annotations

import sys
from typing import Any

import click

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
from .outputs import ResultForm, is_terminal, open_output, score_bars


@click.command(short_help="Label texts with a model.")
@model_option
@texts_options
@format_option(
    ("auto", "human", "json", "jsonl"),
    "human: for reading. jsonl: an object a line. json: an array. auto: human on a terminal, else jsonl.",
)
@click.option(
    "--all",
    "all_labels",
    is_flag=True,
    help="Scores of all labels (which people see for a single text anyway).",
)
@click.option("--top-k", type=click.IntRange(min=1), metavar="N", help="Scores of the N best labels.")
@click.option(
    "--function-to-apply",
    type=click.Choice(("default", "sigmoid", "softmax", "none")),
    default="default",
    help="Turns the model's outputs into scores; default: what its config calls for.",
)
@max_length_option
@batch_size_option("Texts at a time; with 1, each is answered before the next is read.")
@dtype_option("float32", "The arithmetic: float32, bfloat16 or int8.")
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
    **where: Any,
) -> None:
    """Label texts: arguments, the lines of a file, or the lines of standard input.

    \b
    Examples:
      roberta-c classify "I love it" "this is the worst"
      roberta-c classify --model path/to/model --file tweets.txt --format jsonl --all
      cut -f 3 table.tsv | roberta-c classify --model org/name > labels.jsonl
      printf 'premise\\thypothesis\\n' | roberta-c classify --model org/name --pairs

    Every line is a text as it stands, spaces and all, an empty one too; only its end (\\n or \\r\\n) is left
    out. A text that begins with a dash goes behind "--". JSON rows hold text (and text_pair), label and
    score; with --all or --top-k also scores; and truncated: true for a text longer than the model takes,
    which was cut.
    """
    check_texts(texts, path)
    check_revision(model, where)
    if all_labels and top_k is not None:
        raise click.UsageError("found both --all and --top-k, expected one of them")
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
            "text-classification", model, dtype=dtype, num_threads=threads, **options, **where
        )
        if model is None:
            note_bundled_model()
        # One text alone has room for all its labels.
        every_score = all_labels or top_k is not None or (form == "human" and len(texts) == 1)
        are_parts = classifier.score_function != "none"  # of a whole, which bars can show
        bars = score_bars(sys.stdout) if form == "human" and are_parts else None
        result = ResultForm(classifier.labels, top_k if top_k or every_score else 1, every_score, bars)
        result.check_labels()
        predictions = classifier.predictions(source.pairs() if pairs else source.texts)
        output = open_output()
        if has_progress:
            from tqdm import tqdm  # type: ignore[import-untyped]

            mixed = is_terminal(sys.stdout)
            predictions = tqdm(predictions, total=source.total, unit=" texts", leave=not mixed)
            if mixed:
                output = open_output(tqdm.external_write_mode)
        if form == "human":
            for prediction in predictions:
                output.text(result.lines(prediction))
        else:
            write = output.array if form == "json" else output.lines
            write(result.json_row(prediction) for prediction in predictions)
