"""`roberta-c quantize-report`: the facts of diagnose/quantization.py, as JSON or as sections of text."""

from __future__ import annotations

import contextlib
import shutil
import sys
from typing import Any

import click

from ..errors import InputError, mismatch
from .help_page import HelpCommand
from .inputs import open_items, open_source
from .messages import note_bundled_model
from .options import (
    batch_size_option,
    check_hub_options,
    debug_option,
    dtype_option,
    file_names,
    format_option,
    hub_options,
    max_length_option,
    model_option,
    no_cache_option,
    offline_option,
    text_options,
    threads_option,
)
from .outputs import is_terminal, open_output
from .run import InputOptions
from .terminal_text import aligned, byte_size, printable, shortened, table
from .texts import one_text_or_pair

_LABEL_COLUMNS, _MIN_TEXT_COLUMNS = 16, 20
_LAYERS_PER_LINE = 6


@click.command("quantize-report", cls=HelpCommand)
@model_option
@text_options(pairs=True)
@dtype_option("int8", "Arithmetic to compare with float32: bfloat16 or int8.")
@click.option(
    "--labels",
    "labels_path",
    metavar="FILE",
    shell_complete=file_names,
    help="Read the correct labels from FILE, one per line, as names or ids (-: standard input). "
    "Adds accuracy and macro recall.",
)
@format_option(("auto", "human", "json"), "human: for reading. json: one object. auto: human.")
@max_length_option
@batch_size_option("Texts per batch. Times depend on it: choose the one you will use.")
@threads_option
@hub_options
@offline_option
@no_cache_option
@debug_option
def quantize_report(
    model: str | None,
    dtype: str,
    labels_path: str | None,
    form: str,
    threads: int | None,
    max_length: int | None,
    batch_size: int,
    **options: Any,
) -> None:
    """Compare a lower precision with float32 on your own texts, before you switch to it.

    \b
    Examples:
      roberta-c quantize-report --model org/name --file texts.txt --dtype int8
      roberta-c quantize-report --model org/name --file texts.txt --labels labels.txt
      roberta-c quantize-report --file texts.txt --format json > report.json

    Shows how many texts keep their best label, how much the scores and the pooled vectors (the classifier's
    input) differ, the error after each layer (for the first 512 texts), the time and memory of both models,
    and the ten texts whose scores differ most. Both models take turns on the same batches. Tokenization is
    not timed. If there are few texts, they are timed up to five times. Texts are read as by classify.
    """
    inputs = InputOptions.of(options)
    wanted = one_text_or_pair(inputs, options)
    check_hub_options(model, options)
    if labels_path == "-" and not inputs.texts and inputs.path in (None, "-"):
        raise click.UsageError(mismatch("standard input", "both texts and --labels", "one of them"))

    from ..diagnose.quantization import Comparison, check_label_count
    from ..files.hub_options import HubOptions
    from ..pipelines.rows import as_row

    with open_items(inputs.texts, inputs.path, inputs.kind, inputs.encoding, wanted) as source:
        rows = [as_row(item.text, item.place) for item in source.items]
    if not rows:
        raise InputError(mismatch(source.name, "no texts", "at least one"))
    labels, correct_ids = None, None
    if labels_path is not None:
        with open_source((), labels_path, count_lines=False, option="--labels") as labels_source:
            labels = [line.strip() for line in labels_source.texts]
        check_label_count(labels, rows, labels_source.name)

    comparison = Comparison(
        model,
        dtype,
        HubOptions(**options),
        batch_size=batch_size,
        max_length=max_length,
        num_threads=threads,
    )
    if labels is not None:
        correct_ids = comparison.label_ids(labels, lambda index: f"{labels_source.name}: line {index + 1}")
    if model is None:
        note_bundled_model()
    with ProgressBar() if is_terminal(sys.stderr) else contextlib.nullcontext() as progress:
        facts = comparison.facts(rows, correct_ids, *([] if progress is None else [progress]))
    if form == "json":
        open_output().document(facts)
    else:
        open_output().text(report_lines(facts, shutil.get_terminal_size((100, 24)).columns))


class ProgressBar:
    """A bar on standard error for the step that is being done; removed when the step is finished."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._step = ""

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, step: str, texts: int, total: int) -> None:
        """`texts` more texts of `total` are done; the first call with another `step` begins a new bar."""
        if step != self._step:
            from tqdm import tqdm  # type: ignore[import-untyped]

            self.__exit__()
            self._step, self._bar = step, tqdm(desc=step, total=total, unit=" texts", leave=False)
        self._bar.update(texts)


# ---- the facts as text ---------------------------------------------------------------------------------


def report_lines(facts: dict[str, Any], columns: int) -> str:
    """The facts as sections for a terminal of this many columns."""
    layers = facts["layers"]
    sections = {
        "Model": table(_model_rows(facts)),
        "Results": table(_result_rows(facts)),
        "Comparison": _comparison_lines(facts),
        f"Error after each layer (relative to float32; {layers['texts']:,} texts)": _layer_lines(layers),
        "Worst texts": _worst_lines(facts, columns),
    }
    return "\n\n".join(f"{title}\n{lines}" for title, lines in sections.items())


def _model_rows(facts: dict[str, Any]) -> dict[str, str]:
    truncated = f", {facts['truncated']:,} truncated" if facts["truncated"] else ""
    threads = "1 thread" if facts["num_threads"] == 1 else f"{facts['num_threads']} threads"
    return {
        "model": facts["model"],
        "arithmetic": f"float32 and {facts['dtype']}, {facts['isa']}, {threads}",
        "texts": f"{facts['texts']:,}, {facts['tokens']:,} tokens{truncated}",
    }


def _result_rows(facts: dict[str, Any]) -> dict[str, str]:
    agreement, difference, cosine = facts["agreement"], facts["score_difference"], facts["cosine"]
    return {
        "same label": f"{agreement['same']:,} of {facts['texts']:,} ({_percent(agreement['share'])})",
        "score difference": ", ".join(
            f"{name} {_number(value, '.5f')}" for name, value in difference.items()
        ),
        "cosine of pooled vectors": ", ".join(
            f"{name} {_number(value, '.7f')}" for name, value in cosine.items()
        ),
    }


def _comparison_lines(facts: dict[str, Any]) -> str:
    """Accuracy (with labels), time and memory: a column for float32, one for the dtype, and a remark."""
    time, memory, labelled = facts["time"], facts["memory"], facts["labelled"]
    rows = [["", "float32", facts["dtype"], ""]]
    if labelled is not None:
        for name in ("accuracy", "macro_recall"):
            full, lower = labelled[name]["float32"], labelled[name]["lower"]
            change = f"{(lower - full) * 100:+.2f} points"
            rows.append([name.replace("_", " "), _percent(full), _percent(lower), change])
    rounds = f"medians of {time['rounds']} rounds" if time["rounds"] > 1 else "1 round"
    rows.append(
        [
            "time per text",
            f"{time['float32_ms_per_text']:.3f} ms",
            f"{time['lower_ms_per_text']:.3f} ms",
            f"{time['speedup']:.2f} times as fast ({rounds}, batches of {time['batch_size']})",
        ]
    )
    in_file = f"(plus {byte_size(memory['word_vectors_bytes'])} of word embeddings in the file)"
    for title, name, remark in (
        ("layer weights", "layers_bytes", ""),
        ("other weights", "other_bytes", in_file),
    ):
        sizes = memory[name]
        rows.append([title, byte_size(sizes["float32"]), byte_size(sizes["lower"]), remark])
    widths = [max(len(row[column]) for row in rows) for column in (1, 2)]
    return aligned(
        [
            (f"  {name}", full.rjust(widths[0]), lower.rjust(widths[1]), remark)
            for name, full, lower, remark in rows
        ]
    )


def _layer_lines(layers: dict[str, Any]) -> str:
    """The errors of _LAYERS_PER_LINE layers on each line."""
    errors = [_number(error, ".1e") for error in layers["relative_error"]]
    rows = [("  embeddings", errors[0], *[""] * (_LAYERS_PER_LINE - 1))]
    for first in range(1, len(errors), _LAYERS_PER_LINE):
        some = errors[first : first + _LAYERS_PER_LINE]
        last = first + len(some) - 1
        name = f"  layer {first}" if last == first else f"  layers {first} to {last}"
        rows.append((name, *some, *[""] * (_LAYERS_PER_LINE - len(some))))
    return aligned(rows)


def _worst_lines(facts: dict[str, Any], columns: int) -> str:
    """One line for each text: its line number, the difference, both results, and as much text as fits."""
    worst = facts["worst"]
    rows: list[tuple[str, ...]] = [("  line", "difference", "float32", facts["dtype"], "")]
    for one in worst:
        results = [
            f"{shortened(printable(result['label']), _LABEL_COLUMNS)} {result['score']:.4f}"
            for result in (one["float32"], one["lower"])
        ]
        changed = "changed" if one["changed"] else ""
        rows.append((f"{one['line']:>6}", f"{one['difference']:10.5f}", *results, changed))
    parts = [[one["text"], one["text_pair"]] if "text_pair" in one else [one["text"]] for one in worst]
    texts = [" | ".join(map(printable, both)) for both in parts]
    lines = aligned(rows).split("\n")
    width = max(map(len, lines)) + 2
    text_columns = max(_MIN_TEXT_COLUMNS, columns - width)
    shown = [
        f"{line:{width}}{shortened(text, text_columns)}"
        for line, text in zip(lines, ["text", *texts], strict=True)
    ]
    return "\n".join(map(str.rstrip, shown))


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"


def _number(value: float | None, form: str) -> str:
    return "NaN" if value is None else format(value, form)
