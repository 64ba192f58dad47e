"""The texts that commands ask for: one text, a pair of texts."""

from __future__ import annotations

from typing import Any

import click

from ..errors import mismatch
from .file_kinds import LINES
from .inputs import Part, Wanted, divided
from .run import InputOptions


def one_text(inputs: InputOptions, options: dict[str, Any]) -> Wanted:
    """A line, or the text of a column. Takes `column` out of the options of a command."""
    column = options.pop("column")
    inputs.check_columns(column=column)
    return Wanted(
        (Part("text", "--column", column, "text"),),
        ("text",),
        lambda line, _: {"text": line},
        lambda texts: texts["text"],
    )


def one_text_or_pair(inputs: InputOptions, options: dict[str, Any]) -> Wanted:
    """`one_text`, or two: with --pairs of a line, with --pair-column of a row."""
    pairs, pair_column = options.pop("pairs"), options.pop("pair_column")
    inputs.check_columns(pair_column=pair_column)
    if pairs and inputs.kind != LINES:
        raise click.UsageError(mismatch("--pairs", f"an input of {inputs.kind}", "lines, or --pair-column"))
    wanted = one_text(inputs, options)
    if pairs:
        return Wanted(wanted.parts, ("text", "text_pair"), divided, dict)
    if pair_column is not None:
        pair = Part("text_pair", "--pair-column", pair_column, None)
        return Wanted((*wanted.parts, pair), wanted.line_columns, wanted.from_line, dict)
    return wanted
