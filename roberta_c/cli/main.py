"""The program `roberta-c`: its commands, and how each run ends.

Results go to standard output, everything else to standard error. An error is one line. Exit codes: 0 success,
1 failure, 2 misuse (an invalid command line, or an option with a value that cannot be), 130 Ctrl-C, 141 the
reader of the output pipe has closed it.

A command's file is imported only when that command is used, and a command imports slow libraries only when it
runs: `roberta-c --help` must stay quick.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..errors import RobertaCError
from .help_page import HelpContext, with_help
from .messages import FAILURE, NAME, abandon, is_misuse, report, report_error, to_stderr
from .outputs import open_output
from .signals import INTERRUPTED

MISUSE, BROKEN_PIPE = 2, 141

# Each command and its line in `roberta-c --help`. Command `a-b` is the function `a_b` of the file a_b.py.
COMMANDS = {
    "cache": "Show, empty or fill the cache of packed weights.",
    "classify": "Label texts with a model.",
    "completion": "Print the script that completes commands in a shell.",
    "describe": "Show a model, its tokenizer and its limits.",
    "doctor": "Check this machine, and a model on it.",
    "download": "Fetch a model from the Hub.",
    "embed": "Turn texts into vectors.",
    "fill-mask": "Find the tokens that fit best at <mask>.",
    "keys": "List the tensors of a weight file.",
    "ner": "Find entities in texts.",
    "qa": "Answer questions by a part of a text.",
    "quantize-report": "Compare a lower precision with float32 on your texts.",
    "rerank": "Sort documents by how well they fit a query.",
    "serve": "Answer requests over HTTP.",
    "similarity": "Show how alike two texts are.",
    "zero-shot": "Score labels of your choice for texts.",
}


def main() -> None:
    """Runs the command line of this process and exits. The entry point is roberta_c/__main__.py."""
    program.main(prog_name=NAME)


class LazyCommands(Mapping[str, click.Command]):
    """COMMANDS as a click group holds them: name → command, whose file is imported when it is looked up."""

    def __getitem__(self, name: str) -> click.Command:
        summary = COMMANDS[name]
        function = name.replace("-", "_")
        command: click.Command = getattr(import_module(f".{function}", __package__), function)
        command.short_help = summary
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Program(click.Group):
    """The group of all commands. However a command ends, the result is an exit code and at most one line."""

    context_class = HelpContext

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.commands = LazyCommands()  # type: ignore[assignment]  # read-only

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option --help."""
        return with_help(super().get_help_option(ctx))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands in the help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Runs the command line. Exits with its code; without `standalone_mode`, returns the code."""
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

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Parses the program's own options; --help and --version write to standard output here."""
        try:
            return super().make_context(*arguments, **options)
        except (OSError, RobertaCError) as error:
            raise click.exceptions.Exit(_status_of(error, debug=False)) from None

    def invoke(self, ctx: click.Context) -> None:
        """Runs a command. Raises click's exceptions only."""
        try:
            super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
            return
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            status = INTERRUPTED
        except Exception as error:
            status = _status_of(error, ctx.params["debug"])
        raise click.exceptions.Exit(status)


def _status_of(error: Exception, debug: bool) -> int:
    """The exit code after an error, which is reported unless the reader of the output has gone."""
    # An OSError that is not ours comes from writing to standard output, such as a full disk.
    if isinstance(error, OSError) and not isinstance(error, RobertaCError):
        abandon(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    report_error(error, debug)
    return MISUSE if is_misuse(error) else FAILURE


def _show_version(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:  # not for completion
        open_output().text(f"{NAME} {__version__}")
        ctx.exit()


@click.group(
    cls=Program,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def program(ctx: click.Context, /, debug: bool) -> None:
    """Run RoBERTa and XLM-RoBERTa models on the CPU, from their files as published.

    \b
    Examples:
      roberta-c classify "I love it"
      roberta-c classify --model org/name --file tweets.csv --column text -o labels.csv
      roberta-c ner --model org/name "I saw Ada Lovelace in London"
      roberta-c qa --model org/name "Who wrote it?" --context-file notes.txt
      roberta-c embed --model org/name --file texts.txt -o vectors.npy
      roberta-c describe org/name
      roberta-c doctor --model org/name
      roberta-c quantize-report --model org/name --file texts.txt --dtype int8

    Results go to standard output, everything else to standard error. Exit codes: 0 success, 1 failure,
    2 invalid command line.

    \b
    To complete commands, options and paths in bash (zsh and fish likewise):
      eval "$(roberta-c completion bash)"
    """
    if ctx.invoked_subcommand is None:
        to_stderr(ctx.get_help())
        ctx.exit(MISUSE)
    from .log_lines import warnings_on_stderr

    ctx.with_resource(warnings_on_stderr())
