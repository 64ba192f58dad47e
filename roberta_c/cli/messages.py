"""What the program says on standard error: errors, warnings and notes, a line each."""

from __future__ import annotations

import contextlib
import sys
import traceback

import click

from ..errors import RobertaCError
from .outputs import printable

NAME = "roberta-c"
FAILURE = 1  # the exit code after an error


def _one_line(error: Exception) -> str:
    if isinstance(error, RobertaCError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'standard output'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return "out of memory"
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)"


def report_error(error: Exception, debug: bool) -> None:
    """The error in one line, and before it where it was raised if `debug`."""
    if debug:
        traceback.print_exception(error)
    report("error", _one_line(error))


def report(kind: str, message: str) -> None:
    """A line on standard error, above the progress bar if there is one."""
    progress = sys.modules.get("tqdm")
    with progress.tqdm.external_write_mode(file=sys.stderr) if progress else contextlib.nullcontext():
        click.echo(f"{NAME}: {kind}: {printable(' '.join(message.split()))}", err=True)


def note_bundled_model() -> None:
    """Says which model answers where none is named."""
    from ..files.bundled import BUNDLED_MODEL

    report("note", f"{BUNDLED_MODEL} answers; --model names another")
