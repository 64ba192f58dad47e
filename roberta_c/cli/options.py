"""The options that several commands share, and the checks that need more than one option."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from ..errors import mismatch

Command = Callable[..., Any]


# ---- model and Hub -------------------------------------------------------------------------------------


model_option = click.option(
    "--model",
    metavar="PATH_OR_ID",
    envvar="ROBERTA_C_MODEL",
    show_envvar=True,
    help="Folder or Hub repository of the model. Default: a small bundled model for English tweets.",
)


def hub_options(command: Command) -> Command:
    """--revision, --token and --cache-dir."""
    cache_dir = click.option(
        "--cache-dir", metavar="FOLDER", help="Folder for files from the Hub. Default: set by HF_HOME."
    )
    token = click.option("--token", metavar="TOKEN", help="Hub token. Default: HF_TOKEN, or the stored one.")
    revision = click.option("--revision", metavar="NAME", help="Branch, tag or commit of the Hub repository.")
    return revision(token(cache_dir(command)))


offline_option = click.option(
    "--offline", "local_files_only", is_flag=True, help="Use only files that are on this machine already."
)


def check_revision(model: str | None, hub_arguments: dict[str, Any]) -> None:
    """UsageError if a revision is given without a model. hub_arguments: those of HubOptions."""
    if model is None and hub_arguments["revision"] is not None:
        raise click.UsageError(mismatch("--revision", "no --model", "a Hub repository for it"))


# ---- texts ---------------------------------------------------------------------------------------------


def texts_options(command: Command) -> Command:
    """The texts as arguments, --file and --pairs."""
    texts = click.argument("texts", nargs=-1, metavar="[TEXT]...")
    path = click.option(
        "--file",
        "-f",
        "path",
        metavar="FILE",
        help="Read texts from FILE, one per line (-: standard input).",
    )
    pairs = click.option("--pairs", is_flag=True, help="Each text is two texts with a tab between them.")
    return texts(path(pairs(command)))


def check_texts(texts: tuple[str, ...], path: str | None) -> None:
    """UsageError unless exactly one source of texts is given. Lines typed at a terminal are not a source."""
    if texts and path is not None:
        raise click.UsageError(mismatch("texts", "both arguments and --file", "one of them"))
    if not texts and path is None and (sys.stdin is None or sys.stdin.isatty()):
        raise click.UsageError(mismatch("texts", "none", "arguments, --file or lines piped in"))


# ---- how to compute ------------------------------------------------------------------------------------


def dtype_option(default: str, text: str) -> Callable[[Command], Command]:
    """--dtype, with this default and help text."""
    return click.option("--dtype", default=default, show_default=True, metavar="TYPE", help=text)


threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of threads. Default: as many as this process may use.",
)
max_length_option = click.option(
    "--max-length",
    type=click.IntRange(min=1),
    metavar="N",
    help="Truncate texts to N tokens. Default: the model's limit.",
)


def batch_size_option(text: str) -> Callable[[Command], Command]:
    """--batch-size, with this help text."""
    kind = click.IntRange(min=1)
    return click.option("--batch-size", type=kind, default=32, show_default=True, metavar="N", help=text)


# ---- output --------------------------------------------------------------------------------------------


def format_option(formats: tuple[str, ...], text: str) -> Callable[[Command], Command]:
    """--format, one of `formats` (the first is the default), with this help text."""
    choice = click.Choice(formats)
    return click.option("--format", "form", type=choice, default=formats[0], show_default=True, help=text)


def _set_debug(ctx: click.Context, _: click.Parameter, debug: bool) -> None:
    if debug:
        ctx.find_root().params["debug"] = True


# The program has this option too, so that it works both before and after the command's name.
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show the traceback of an error."
)
