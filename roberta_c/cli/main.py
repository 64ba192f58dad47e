"""The command `roberta-c`: results on standard output, everything else on standard error.

Exit codes: 0; 1 after a failure; 2 after misuse; 130 after Ctrl-C; 141 where the reader of a pipe went away.
Errors are one line. Whatever takes long to import is imported by the command that needs it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import __version__
from ..errors import RobertaCError
from .classify import classify
from .describe import describe, keys
from .doctor import doctor
from .download import download
from .messages import FAILURE, NAME, report, report_error
from .quantize_report import quantize_report

MISUSE, INTERRUPTED, BROKEN_PIPE = 2, 130, 141


class Program(click.Group):
    """The group of commands; turns whatever ends one of them into an exit code and at most one line."""

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Runs the command line. Exits with its code; without `standalone_mode`, returns it."""
        try:
            status = super().main(args, standalone_mode=False, **extra) or 0
        except click.ClickException as misuse:
            context = getattr(misuse, "ctx", None)
            hint = "" if context is None else f"; see '{context.command_path} --help'"
            report("error", misuse.format_message().rstrip(".") + hint)
            status = misuse.exit_code
        except (click.Abort, KeyboardInterrupt):
            status = INTERRUPTED
        if standalone_mode:
            sys.exit(status)
        return status

    def invoke(self, ctx: click.Context) -> None:
        """Runs a command. Lets through click's exceptions only."""
        try:
            super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
            return
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            status = INTERRUPTED
        except BrokenPipeError:
            _abandon_stdout()
            status = BROKEN_PIPE
        except Exception as error:
            if isinstance(error, OSError) and not isinstance(error, RobertaCError):
                _abandon_stdout()
            report_error(error, ctx.params["debug"])
            status = FAILURE
        raise click.exceptions.Exit(status)


def _abandon_stdout() -> None:
    """Points standard output at nothing: what it still buffers must not fail again when Python exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _LogLines(logging.Handler):
    """The library's warnings as lines on standard error, equal ones once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._seen:
            self._seen.add(message)
            report("warning" if record.levelno < logging.ERROR else "error", message)


@click.group(
    cls=Program,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def program(ctx: click.Context, debug: bool) -> None:
    """Run RoBERTa and XLM-RoBERTa models on the CPU, from their files as published.

    \b
    Examples:
      roberta-c classify "I love it"
      roberta-c classify --model org/name --file texts.txt --format jsonl > results.jsonl
      roberta-c describe org/name
      roberta-c doctor --model org/name
      roberta-c quantize-report --model org/name --file texts.txt --dtype int8

    Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed,
    2 misused.

    \b
    Completion, for bash (or zsh, fish):
      eval "$(_ROBERTA_C_COMPLETE=bash_source roberta-c)"
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(MISUSE)
    log_lines, logger = _LogLines(), logging.getLogger("roberta_c")
    logger.addHandler(log_lines)
    ctx.call_on_close(lambda: logger.removeHandler(log_lines))


for _command in (classify, describe, keys, download, doctor, quantize_report):
    program.add_command(_command)


def main() -> None:
    """The entry point of `roberta-c` and of `python -m roberta_c`."""
    program.main(prog_name=NAME)
