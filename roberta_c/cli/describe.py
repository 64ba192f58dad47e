"""`roberta-c describe` and `roberta-c keys`: a model, and the tensors of its weight file."""

from __future__ import annotations

import os
from typing import Any

import click

from .options import (
    debug_option,
    format_option,
    hub_options,
    offline_option,
)
from .outputs import description_lines, open_output, tensor_lines, tensor_rows


@click.command(short_help="Show a model, its tokenizer and its limits.")
@click.argument("model", metavar="PATH_OR_ID")
@format_option(("auto", "human", "json"), "human: for reading. json: one object. auto: human.")
@hub_options
@offline_option
@debug_option
def describe(model: str, form: str, **where: Any) -> None:
    """Show a model: its modules, its tokenizer, what loading found, its sizes and limits.

    \b
    Example:
      roberta-c describe path/to/model
    """
    from ..diagnose.describe import description, open_model
    from ..files.hub import HubOptions

    facts = description(open_model(model, HubOptions(**where)))
    if form == "json":
        open_output().document(facts)
    else:
        open_output().text(description_lines(facts))


@click.command(short_help="List the tensors of a weight file.")
@click.argument("path", metavar="PATH_OR_ID")
@format_option(
    ("auto", "human", "json", "jsonl"),
    "human: a table. jsonl: an object a line. json: an array. auto: human.",
)
@hub_options
@offline_option
@debug_option
def keys(path: str, form: str, **where: Any) -> None:
    """List the tensors of a weight file, in its order: name, type, shape. No weights are read.

    \b
    Examples:
      roberta-c keys path/to/model
      roberta-c keys path/to/model/pytorch_model.bin --format jsonl
    """
    from ..checkpoint import open_checkpoint
    from ..files import hub

    is_file = os.path.isfile(path)
    checkpoint = open_checkpoint(path if is_file else hub.resolve(path, hub.WEIGHTS, hub.HubOptions(**where)))
    if form in ("auto", "human"):
        open_output().text(tensor_lines(checkpoint))
    else:
        (open_output().array if form == "json" else open_output().lines)(tensor_rows(checkpoint))
