"""The lines that the program writes to standard error: errors, warnings and notes."""

from __future__ import annotations

import contextlib
import sys

import click

from ..errors import RobertaCError
from .terminal_text import printable

NAME = "roberta-c"
FAILURE = 1  # the exit code after an error


def report(kind: str, message: str) -> None:
    """Writes one line. If a progress bar is on the terminal, the line appears above it."""
    progress = sys.modules.get("tqdm")
    with progress.tqdm.external_write_mode(file=sys.stderr) if progress else contextlib.nullcontext():
        click.echo(f"{NAME}: {kind}: {printable(' '.join(message.split()))}", err=True)


def report_error(error: Exception, debug: bool) -> None:
    """Reports the error in one line; with `debug`, after its traceback."""
    if debug:
        import traceback

        traceback.print_exception(error)
    report("error", _one_line(error))


def _one_line(error: Exception) -> str:
    if isinstance(error, RobertaCError):
        return str(error)
    # An OSError that is not ours comes from writing to standard output, such as a full disk.
    if isinstance(error, OSError):
        return f"{error.filename or 'standard output'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return "out of memory"
    return f"unexpected {type(error).__name__}: {error} (--debug shows the traceback)"


def note_bundled_model() -> None:
    """Reports that no model was named and the bundled one is used."""
    from ..files.bundled import BUNDLED_MODEL

    report("note", f"using {BUNDLED_MODEL}; see --model")
