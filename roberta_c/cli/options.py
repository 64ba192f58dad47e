"""The options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]


def _set_debug(ctx: click.Context, _: click.Parameter, debug: bool) -> None:
    if debug:
        ctx.find_root().params["debug"] = True


# Before the command as an option of the program, or behind it: people try both.
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show the traceback of an error."
)


def hub_options(command: Command) -> Command:
    """--revision, --token and --cache-dir."""
    cache_dir = click.option(
        "--cache-dir", metavar="FOLDER", help="Where Hub files are kept, if not in HF_HOME."
    )
    token = click.option("--token", metavar="TOKEN", help="Hub token, if not HF_TOKEN's or the stored one.")
    revision = click.option("--revision", metavar="NAME", help="Branch, tag or commit of a Hub repository.")
    return revision(token(cache_dir(command)))


offline_option = click.option(
    "--offline", "local_files_only", is_flag=True, help="Use only what is on this machine already."
)


model_option = click.option(
    "--model",
    metavar="PATH_OR_ID",
    envvar="ROBERTA_C_MODEL",
    show_envvar=True,
    help="Folder or Hub repository of the model. Without it, a small one for English tweets answers.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Default: all that this process may use."
)
max_length_option = click.option(
    "--max-length",
    type=click.IntRange(min=1),
    metavar="N",
    help="Truncate to N tokens, not to the model's limit.",
)


def batch_size_option(text: str) -> Callable[[Command], Command]:
    """--batch-size, with this help text."""
    kind = click.IntRange(min=1)
    return click.option("--batch-size", type=kind, default=32, show_default=True, metavar="N", help=text)


def dtype_option(default: str, text: str) -> Callable[[Command], Command]:
    """--dtype, with this default and help text."""
    return click.option("--dtype", default=default, show_default=True, metavar="TYPE", help=text)


def texts_options(command: Command) -> Command:
    """The texts as arguments, --file and --pairs."""
    texts = click.argument("texts", nargs=-1, metavar="[TEXT]...")
    path = click.option(
        "--file", "-f", "path", metavar="FILE", help="Read texts from FILE, one a line (-: standard input)."
    )
    pairs = click.option(
        "--pairs", is_flag=True, help="Each text is a pair: two texts with a tab between them."
    )
    return texts(path(pairs(command)))


def check_texts(texts: tuple[str, ...], path: str | None) -> None:
    """UsageError unless there is one source of texts."""
    if texts and path is not None:
        raise click.UsageError("found texts both as arguments and in --file, expected one of them")
    if not texts and path is None and (sys.stdin is None or sys.stdin.isatty()):
        raise click.UsageError("found no texts, expected arguments, --file, or lines piped in")


def check_revision(model: str | None, where: dict[str, Any]) -> None:
    """UsageError for a revision of no model."""
    if model is None and where["revision"] is not None:
        raise click.UsageError("found --revision without --model, expected both")


def format_option(formats: tuple[str, ...], text: str) -> Callable[[Command], Command]:
    """--format, one of these (the first is the default), with this help text."""
    choice = click.Choice(formats)
    return click.option("--format", "form", type=choice, default=formats[0], show_default=True, help=text)
