"""The lines that the program writes to standard error: errors, warnings and notes."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import TextIO

import click

from ..errors import InputError, RobertaCError
from .terminal_text import printable

NAME = "roberta-c"
FAILURE = 1  # the exit code after an error

# The options of commands by the library's names for them.
OPTION_OF = {
    "aggregation_strategy": "--strategy",
    "batch_size": "--batch-size",
    "cache_dir": "--cache-dir",
    "candidate_labels": "--labels",
    "doc_stride": "--doc-stride",
    "dtype": "--dtype",
    "function_to_apply": "--function-to-apply",
    "handle_impossible_answer": "--impossible",
    "hypothesis_template": "--template",
    "ignore_labels": "--ignore-label",
    "local_dir": "--local-dir",
    "long_text": "--long-text",
    "max_answer_len": "--max-answer-len",
    "max_length": "--max-length",
    "max_seq_len": "--max-seq-len",
    "max_seq_length": "--max-length",
    "multi_label": "--multi-label",
    "num_threads": "--threads",
    "prompt_name": "--prompt-name",
    "return_lengths": "--lengths",
    "revision": "--revision",
    "score_convention": "--score-convention",
    "stride": "--stride",
    "targets": "--target",
    "token": "--token",
    "top_k": "--top-k",
    "truncate_dim": "--truncate-dim",
    "window_scores": "--window-scores",
}
# The argument that a message begins with, such as `targets` or `targets[0]`.
_FIRST = re.compile(r"(\w+)((?:\[\d+\])?:)")
# Further on, only names that are no words of a sentence, and not in quotes or in the name of a file.
_NAMES = "|".join(name for name in OPTION_OF if "_" in name)
_QUOTED_OR_NAME = re.compile(rf"""(?<!\w)'[^']*'|"[^"]*"|(?<![\w./'"-])(?:{_NAMES})(?![\w./'"-])""")


def report(kind: str, message: str) -> None:
    """Writes one line. If a progress bar is on the terminal, the line appears above it."""
    progress = sys.modules.get("tqdm")
    try:
        with progress.tqdm.external_write_mode(file=sys.stderr) if progress else contextlib.nullcontext():
            to_stderr(f"{NAME}: {kind}: {printable(' '.join(message.split()))}")
    except OSError:  # of the progress bar
        abandon(sys.stderr)


def to_stderr(text: str) -> None:
    """Writes a text and a line end to standard error.

    What cannot be written is lost: it must not end the run, nor change its results or its exit code.
    """
    if sys.stderr is None:  # closed
        return
    try:
        click.echo(text, err=True)
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

        to_stderr("".join(traceback.format_exception(error)).removesuffix("\n"))
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
    """A message of the library with the command's options in place of the arguments that it names."""
    first = _FIRST.match(message)
    begin = "" if first is None else OPTION_OF.get(first[1], first[1]) + first[2]
    rest = message if first is None else message[first.end() :]
    return begin + _QUOTED_OR_NAME.sub(lambda found: OPTION_OF.get(found[0], found[0]), rest)


def is_misuse(error: Exception) -> bool:
    """Whether an error is about the value of an option, and not about a file that an option names."""
    if not isinstance(error, InputError):
        return False
    return re.match(r"--(?!output)[a-z-]+(\[\d+\])?: found ", with_option(str(error))) is not None


def note_bundled_model() -> None:
    """Reports that no model was named and the bundled one is used."""
    from ..files.bundled import BUNDLED_MODEL

    report("note", f"using {BUNDLED_MODEL}; see --model")
