"""The pages of `--help`: options below headings by what they are for, with colours on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

import click

from ..errors import mismatch
from .outputs import open_output
from .terminal_text import has_colours

# The headings that follow the command's own options, and the options below each.
_HEADING_OF = {
    name: heading
    for heading, names in {
        "Input": (
            "texts",
            "path",
            "input_format",
            "encoding",
            "column",
            "pairs",
            "pair_column",
            "question_column",
            "context_column",
            "context",
            "context_file",
            "labels_path",
            "query",
            "query_column",
        ),
        "Output": ("output", "form", "prefix", "lengths", "resume", "overwrite", "local_dir"),
        "Model": ("model", "revision", "token", "cache_dir", "local_files_only", "no_cache"),
        "Computing": ("dtype", "threads", "batch_size", "max_length"),
        "Other": ("debug", "help", "version"),
    }.items()
    for name in names
}
_TASK = "Task"
_HEADINGS = (_TASK, *dict.fromkeys(_HEADING_OF.values()))


class HelpFormatter(click.HelpFormatter):
    """Headings in bold and options in colour, if standard output is a terminal."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._colours = has_colours(sys.stdout, os.environ)

    def _styled(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self._colours else text

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The first line."""
        super().write_usage(self._styled(prog, bold=True), args, prefix)

    def write_heading(self, heading: str) -> None:
        """A heading, in bold."""
        super().write_heading(self._styled(heading, bold=True))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """A list of options or commands."""
        super().write_dl([(self._styled(name, fg="cyan"), text) for name, text in rows], col_max, col_spacing)


class HelpContext(click.Context):
    """A context whose help has colours."""

    formatter_class = HelpFormatter


def with_help(option: click.Option | None) -> click.Option | None:
    """The option --help, which fails if standard output is closed; click's own would not."""
    if option is not None:
        option.callback = _show_help
    return option


def _show_help(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:  # not for completion
        open_output().text(ctx.get_help())
        ctx.exit()


class HelpCommand(click.Command):
    """A command whose help has its options below headings, and which takes each value once."""

    context_class = HelpContext

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option --help."""
        return with_help(super().get_help_option(ctx))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses the command line. Raises UsageError for an option with a value that is given twice."""
        if not ctx.resilient_parsing:  # not for completion
            _, _, given = self.make_parser(ctx).parse_args(list(args))
            for option in given:
                takes_value = isinstance(option, click.Option) and not (option.is_flag or option.multiple)
                if takes_value and given.count(option) > 1:
                    found = f"{given.count(option)} times"
                    raise click.UsageError(mismatch(option.opts[0], found, "once"), ctx)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, heading by heading."""
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in _HEADINGS}
        for option in self.get_params(ctx):
            record = None if isinstance(option, click.Argument) else option.get_help_record(ctx)
            if record is not None:
                name = "help" if "--help" in option.opts else option.name or ""
                sections[_HEADING_OF.get(name, _TASK)].append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
