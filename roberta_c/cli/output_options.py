"""--output, --format, --prefix, --resume and --overwrite: the form of the results and the file they go to."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click

from ..errors import InputError, mismatch, shown
from .file_kinds import (
    BINARY_KINDS,
    CSV,
    ENDINGS,
    JSON,
    JSONL,
    PARQUET,
    TSV,
    VECTOR_ENDINGS,
    VECTOR_KINDS,
    WHOLE_KINDS,
    kind_of,
)
from .outputs import is_terminal
from .resume import Written, written_rows
from .table_readers import pyarrow_parquet

HUMAN, AUTO = "human", "auto"
FORMS = (AUTO, HUMAN, JSON, JSONL, CSV, TSV, PARQUET)
# Results in these have no names.
NAMELESS = (HUMAN, *VECTOR_KINDS)
_STANDARD_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


@dataclass(frozen=True)
class OutputOptions:
    """The options, checked one against another.

    output: None for standard output. has_vectors: whether a file may be one of VECTOR_KINDS.
    """

    output: str | None
    form: str
    prefix: str
    resume: bool
    overwrite: bool
    has_vectors: bool = False

    @classmethod
    def of(cls, options: dict[str, Any], has_vectors: bool = False) -> OutputOptions:
        """Takes its own options out of those of a command."""
        own = {name: options.pop(name) for name in ("output", "form", "prefix", "resume", "overwrite")}
        if own["output"] in _STANDARD_OUTPUT:
            own["output"] = None
        return cls(**own, has_vectors=has_vectors)

    def kind(self) -> str:
        """The form of the results. Raises UsageError for options that do not go together."""
        form = self.form
        if self.output is None:
            for option in ("resume", "overwrite"):
                if getattr(self, option):
                    raise click.UsageError(mismatch(f"--{option}", "no --output", "the file to write"))
            if form in BINARY_KINDS:
                raise click.UsageError(mismatch("--format", f"{form} without --output", "a file to write"))
            if form == AUTO:
                form = HUMAN if is_terminal(sys.stdout) else JSONL
            self._check_prefix(form)
            return form
        if form == AUTO:
            form = kind_of(self.output, self.has_vectors) or AUTO
        if form in (AUTO, HUMAN):
            found = shown(self.output, 200) if form == AUTO else "--format human"
            endings = VECTOR_ENDINGS if self.has_vectors else ENDINGS
            expected = f"a name that ends with {endings}, or another --format"
            raise click.UsageError(mismatch("--output", found, expected))
        if self.resume and self.overwrite:
            raise click.UsageError(mismatch("--resume, --overwrite", "both", "one of them"))
        if self.resume and form in WHOLE_KINDS:
            expected = "csv, tsv or jsonl: only these can be resumed"
            raise click.UsageError(mismatch("--resume", f"the format {form}", expected))
        self._check_prefix(form)
        return form

    def _check_prefix(self, form: str) -> None:
        if form in NAMELESS and self.prefix:
            expected = "another --format: these have no names"
            raise click.UsageError(mismatch("--prefix", f"results in the {form} format", expected))

    def check_file(self, read: Iterable[str]) -> None:
        """Raise UsageError if the file exists and was not to be changed, or InputError if it cannot be.

        read: the files that the run reads, which are not to be changed; "-": standard input.
        """
        path = self.output
        if path is None:
            _check_standard_output(read)
            return
        if self.kind() == PARQUET:
            pyarrow_parquet()
        if not path:
            raise InputError(mismatch("--output", "''", "the path of a file"))
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise InputError(f"--output: {shown(path, 200)}: cannot be written: no such folder")
        if os.path.isdir(path):
            raise InputError(f"--output: {shown(path, 200)}: cannot be written: it is a folder")
        if os.path.islink(os.path.realpath(path)):  # of any other link, it is the file that it leads to
            raise InputError(f"--output: {shown(path, 200)}: cannot be written: a link that leads to itself")
        if not self._is_file():
            if self.kind() in BINARY_KINDS and os.path.exists(path):
                found = f"{shown(path, 200)}, a device or a pipe"
                kind = "Parquet" if self.kind() == PARQUET else self.kind()
                raise InputError(mismatch("--output", found, f"a regular file for {kind}"))
            return
        if any(_is_same(os.stat(path), input_path) for input_path in read):
            raise click.UsageError(mismatch("--output", f"the input file {shown(path, 200)}", "another file"))
        if not (self.resume or self.overwrite):
            raise click.UsageError(exists_already(path))

    def place(self) -> str | None:
        """The path that a file is created at or replaced at; None: a device or a pipe is written to."""
        assert self.output is not None
        if os.path.exists(self.output) and not self._is_file():
            return None
        return os.path.realpath(self.output)  # of a symbolic link, the file that it leads to

    def _is_file(self) -> bool:
        """Whether there is such a file; not for a device or a pipe, which holds nothing to be lost."""
        assert self.output is not None
        return os.path.exists(self.output) and stat.S_ISREG(os.stat(self.output).st_mode)

    def written(self, kind: str) -> Written | None:
        """What an earlier run has written and this one is to keep."""
        if self.output is None or not self.resume or not self._is_file():
            return None
        return written_rows(self.output, kind)


def exists_already(path: str) -> str:
    """The message about an output that is there and is not to be changed."""
    found = f"{shown(path, 200)}, which exists already"
    return mismatch("--output", found, "a new file, --resume or --overwrite")


def _check_standard_output(read: Iterable[str]) -> None:
    """UsageError if a shell has led standard output to a file that is read: it would grow without end."""
    try:
        status = os.fstat(sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):  # closed, or no file of the operating system
        return
    for path in read:
        if stat.S_ISREG(status.st_mode) and _is_same(status, path):
            found = "the input file" if path == "-" else f"the input file {shown(path, 200)}"
            raise click.UsageError(mismatch("standard output", found, "another file"))


def _is_same(status: os.stat_result, read: str) -> bool:
    """Whether the file of this `status` is the one that is read ("-": standard input)."""
    try:
        return os.path.samestat(status, os.fstat(0) if read == "-" else os.stat(read))
    except (OSError, ValueError):  # there is no such file, or standard input is closed
        return False
