"""`roberta-c keys`: the names, dtypes and shapes of the tensors in a weight file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .help_page import HelpCommand
from .options import debug_option, file_names, format_option, hub_options, offline_option
from .outputs import open_output
from .terminal_text import aligned, printable

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint


@click.command(cls=HelpCommand)
@click.argument("path", metavar="PATH_OR_ID", shell_complete=file_names)
@format_option(
    ("auto", "human", "json", "jsonl"),
    "human: a table. jsonl: one object per line. json: an array. auto: human.",
)
@hub_options
@offline_option
@debug_option
def keys(path: str, form: str, **hub_arguments: Any) -> None:
    """List the name, dtype and shape of each tensor in a weight file, in the file's order.

    No weights are read.

    \b
    Examples:
      roberta-c keys path/to/model
      roberta-c keys path/to/model/pytorch_model.bin --format jsonl
    """
    from ..checkpoint import open_checkpoint
    from ..files import hub
    from ..files.file_sets import WEIGHTS
    from ..files.hub_options import HubOptions

    is_file = os.path.isfile(path)
    checkpoint = open_checkpoint(path if is_file else hub.resolve(path, WEIGHTS, HubOptions(**hub_arguments)))
    if form in ("auto", "human"):
        open_output().text(tensor_lines(checkpoint))
    else:
        (open_output().array if form == "json" else open_output().lines)(tensor_rows(checkpoint))


def tensor_rows(checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
    """An object for JSON for each tensor."""
    for info in checkpoint.tensors.values():
        yield {"name": info.name, "dtype": info.dtype, "shape": list(info.shape)}


def tensor_lines(checkpoint: Checkpoint) -> str:
    """A line for each tensor, in aligned columns."""
    rows = [(printable(info.name), info.dtype, str(info.shape)) for info in checkpoint.tensors.values()]
    return aligned(rows)
