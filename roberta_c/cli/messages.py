"""The lines that the program writes to standard error: errors, warnings and notes."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

import click

from ..errors import InputError, RobertaCError
from .terminal_text import printable

NAME = "roberta-c"
FAILURE = 1  # the exit code after an error

# The options of commands by the library's names for them, which its messages begin with.
OPTION_OF = {
    "aggregation_strategy": "--strategy",
    "cache_dir": "--cache-dir",
    "candidate_labels": "--labels",
    "doc_stride": "--doc-stride",
    "hypothesis_template": "--template",
    "local_dir": "--local-dir",
    "max_answer_len": "--max-answer-len",
    "max_length": "--max-length",
    "max_seq_len": "--max-seq-len",
    "num_threads": "--threads",
    "revision": "--revision",
    "stride": "--stride",
    "targets": "--target",
    "token": "--token",
    "top_k": "--top-k",
}


def report(kind: str, message: str) -> None:
    """Writes one line. If a progress bar is on the terminal, the line appears above it.

    A line that cannot be written is lost: it must not end the run, nor change its exit code.
    """
    progress = sys.modules.get("tqdm")
    try:
        with progress.tqdm.external_write_mode(file=sys.stderr) if progress else contextlib.nullcontext():
            click.echo(f"{NAME}: {kind}: {printable(' '.join(message.split()))}", err=True)
    except OSError:
        abandon(sys.stderr)


def abandon(stream: TextIO) -> None:
    """Redirects standard output or error to the null device: flushing it at exit must not fail again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def report_error(error: Exception, debug: bool) -> None:
    """Reports the error in one line; with `debug`, after its traceback."""
    if debug:
        import traceback

        traceback.print_exception(error)
    report("error", _one_line(error))


def _one_line(error: Exception) -> str:
    if isinstance(error, RobertaCError):
        return with_option(str(error)) if isinstance(error, InputError) else str(error)
    # An OSError that is not ours comes from writing to standard output, such as a full disk.
    if isinstance(error, OSError):
        return f"{error.filename or 'standard output'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return "out of memory"
    return f"unexpected {type(error).__name__}: {error} (--debug shows the traceback)"


def with_option(message: str) -> str:
    """A message of the library with the command's option in place of the argument that it begins with."""
    name, colon, rest = message.partition(":")
    return f"{OPTION_OF.get(name, name)}{colon}{rest}"


def note_bundled_model() -> None:
    """Reports that no model was named and the bundled one is used."""
    from ..files.bundled import BUNDLED_MODEL

    report("note", f"using {BUNDLED_MODEL}; see --model")
