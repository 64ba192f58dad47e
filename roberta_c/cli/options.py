"""The options that several commands share, and the checks that need more than one option."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..errors import mismatch, shown
from .file_kinds import INPUT_KINDS, VECTOR_KINDS
from .output_options import FORMS

Command = Callable[..., Any]


class AtLeast(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """An integer of at least `least`. click's own type would print `[x>=1]` in the help."""

    name = "integer"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The value of an option. Raises UsageError."""
        with contextlib.suppress(ValueError):
            number = int(value)
            if number >= self.least:
                return number
        self.fail(f"found {shown(value)}, expected an integer of at least {self.least}", param, ctx)


class Utf8(click.ParamType):  # type: ignore[type-arg]
    """Text that was UTF-8 on the command line: Python has other bytes as halves of surrogate pairs."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value of an option. Raises UsageError."""
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"found {shown(text)}, expected UTF-8", param, ctx)
        return text


# ---- completion of values ------------------------------------------------------------------------------


def file_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Leaves the completion of paths to the shell."""
    return [CompletionItem(incomplete, type="file")]


def folder_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Leaves the completion of paths of folders to the shell."""
    return [CompletionItem(incomplete, type="dir")]


# ---- model and Hub -------------------------------------------------------------------------------------


def _model_option(text: str) -> Callable[[Command], Command]:
    return click.option(
        "--model",
        metavar="PATH_OR_ID",
        envvar="ROBERTA_C_MODEL",
        show_envvar=True,
        shell_complete=folder_names,
        help=text,
    )


model_option = _model_option(
    "Folder or Hub repository of the model. Default: a small bundled model for English tweets."
)
# For tasks that the bundled model does not do.
task_model_option = _model_option("Folder or Hub repository of a model for this task.")


def hub_options(command: Command) -> Command:
    """--revision, --token and --cache-dir."""
    cache_dir = click.option(
        "--cache-dir",
        metavar="FOLDER",
        shell_complete=folder_names,
        help="Folder for files from the Hub. Default: set by HF_HOME.",
    )
    token = click.option("--token", metavar="TOKEN", help="Hub token. Default: HF_TOKEN, or the stored one.")
    revision = click.option("--revision", metavar="NAME", help="Branch, tag or commit of the Hub repository.")
    return revision(token(cache_dir(command)))


offline_option = click.option(
    "--offline", "local_files_only", is_flag=True, help="Use only files that are on this machine already."
)


def _turn_cache_off(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:  # not for completion
        ctx.with_resource(_environment("ROBERTA_C_CACHE", "off"))


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Within this context, the variable `name` has this value."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


no_cache_option = click.option(
    "--no-cache",
    is_flag=True,
    expose_value=False,
    callback=_turn_cache_off,
    help="Neither read nor write the cache of packed weights.",
)


def check_hub_options(
    model: str | None,
    hub_arguments: dict[str, Any],
    names: Sequence[str] = ("revision", "token", "cache_dir"),
) -> None:
    """UsageError for options that have no effect without a model. hub_arguments: those of HubOptions."""
    for name in names:
        if model is None and hub_arguments[name] is not None:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(mismatch(option, "no --model", "a Hub repository for it"))


def prompt_options(what: str) -> Callable[[Command], Command]:
    """--prompt-name and --prompt. what: what they are put before, "each text"."""
    name = click.option(
        "--prompt-name",
        type=Utf8(),
        metavar="NAME",
        help=f"Put this prompt of the model before {what}. Default: the model's default, if it has one.",
    )
    prompt = click.option("--prompt", type=Utf8(), metavar="TEXT", help=f"Put TEXT before {what}.")
    return lambda command: name(prompt(command))


def check_one_of(**given: Any) -> None:
    """UsageError if more than one of these options is given. given: by name, with _ for -."""
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value not in (None, False)]
    if len(names) > 1:
        found = "both" if len(names) == 2 else "all of these"
        raise click.UsageError(mismatch(", ".join(names), found, "one of them"))


# ---- texts ---------------------------------------------------------------------------------------------


def text_options(*, pairs: bool = False) -> Callable[[Command], Command]:
    """The texts as arguments, --file, --column, --input-format, --encoding; --pairs and --pair-column."""
    added = [
        _texts_argument("TEXT"),
        _file_option("Read texts from FILE (-: standard input): lines, or rows by the ending of its name."),
        _column_option("--column", "Column of the texts. Default: text, or the only one."),
        *([_column_option("--pair-column", "Column of second texts.")] if pairs else []),
        *(
            [click.option("--pairs", is_flag=True, help="Each line is two texts with a tab between them.")]
            if pairs
            else []
        ),
        *_READING,
    ]
    return lambda command: _with_all(command, added)


def question_options(command: Command) -> Command:
    """The questions as arguments, --file, the columns, --input-format and --encoding."""
    added = [
        _texts_argument("QUESTION"),
        _file_option(
            "Read questions from FILE (-: standard input): lines, or rows with contexts beside them."
        ),
        _column_option("--question-column", "Column of the questions. Default: question."),
        _column_option("--context-column", "Column of the contexts. Default: context."),
        *_READING,
    ]
    return _with_all(command, added)


def pair_options(command: Command) -> Command:
    """Two texts as arguments, --file, the columns, --input-format and --encoding."""
    added = [
        _texts_argument("TEXT"),
        _file_option(
            "Read pairs from FILE (-: standard input): lines with a tab between two texts, or rows by the "
            "ending of its name."
        ),
        _column_option("--column", "Column of the first texts. Default: text."),
        _column_option("--pair-column", "Column of the second texts. Default: text_pair."),
        *_READING,
    ]
    return _with_all(command, added)


def document_options(command: Command) -> Command:
    """--query, the documents as arguments, --file, the columns, --input-format and --encoding."""
    added = [
        _texts_argument("DOCUMENT"),
        click.option("--query", type=Utf8(), metavar="TEXT", help="The query that documents are sorted by."),
        _file_option(
            "Read documents from FILE (-: standard input): lines, or rows by the ending of its name."
        ),
        _column_option("--column", "Column of the documents. Default: document, or the only one."),
        _column_option("--query-column", "Column of the queries, without --query. Default: query."),
        *_READING,
    ]
    return _with_all(command, added)


def _with_all(command: Command, added: Sequence[Callable[..., Any]]) -> Command:
    """`command` with the parameters `added`, which its help shows in this order."""
    for parameter in reversed(added):
        command = parameter(command)
    return command


def _texts_argument(name: str) -> Callable[[Command], Command]:
    return click.argument("texts", nargs=-1, metavar=f"[{name}]...", shell_complete=file_names)


def _file_option(text: str) -> Callable[[Command], Command]:
    return click.option("--file", "-f", "path", metavar="FILE", shell_complete=file_names, help=text)


def _column_option(name: str, text: str) -> Callable[[Command], Command]:
    return click.option(name, metavar="NAME", help=text)


_READING: list[Callable[..., Any]] = [
    click.option(
        "--input-format",
        type=click.Choice(INPUT_KINDS),
        help="Format of --file or standard input. Default: by the ending of the file's name, else lines.",
    ),
    click.option("--encoding", metavar="NAME", help="Encoding of the input. Default: utf-8."),
]


def check_texts(texts: tuple[str, ...], path: str | None) -> None:
    """UsageError unless exactly one source of texts is given. Lines typed at a terminal are not a source.

    Texts that are all paths of files are most likely meant as files, as a shell's *.csv is.
    """
    if texts and path is not None:
        raise click.UsageError(mismatch("texts", "both arguments and --file", "one of them"))
    if texts and all(map(_is_file, texts)):
        name = shown(texts[0], 200)
        if len(texts) == 1:
            raise click.UsageError(f"texts: {name} is a file; did you mean --file {name}?")
        found = f"the names of {len(texts)} files"
        raise click.UsageError(f"{mismatch('texts', found, 'texts')}; did you mean --file {name}?")
    if not texts and path is None and (sys.stdin is None or sys.stdin.isatty()):
        raise click.UsageError(mismatch("texts", "none", "arguments, --file or lines piped in"))


def _is_file(text: str) -> bool:
    try:
        return os.path.isfile(text)
    except ValueError:  # a NUL
        return False


# ---- how to compute ------------------------------------------------------------------------------------


def dtype_option(default: str, text: str) -> Callable[[Command], Command]:
    """--dtype, with this default and help text."""
    kind = click.Choice(("float32", "bfloat16", "int8"))
    return click.option("--dtype", type=kind, default=default, show_default=True, metavar="TYPE", help=text)


threads_option = click.option(
    "--threads",
    type=AtLeast(1),
    metavar="N",
    help="Number of threads. Default: as many as this process may use.",
)
max_length_option = click.option(
    "--max-length",
    type=AtLeast(1),
    metavar="N",
    help="Truncate texts to N tokens. Default: the model's limit.",
)


def batch_size_option(text: str) -> Callable[[Command], Command]:
    """--batch-size, with this help text."""
    kind = AtLeast(1)
    return click.option("--batch-size", type=kind, default=32, show_default=True, metavar="N", help=text)


# ---- output --------------------------------------------------------------------------------------------


def format_option(formats: tuple[str, ...], text: str) -> Callable[[Command], Command]:
    """--format, one of `formats` (the first is the default), with this help text."""
    choice = click.Choice(formats)
    return click.option("--format", "form", type=choice, default=formats[0], show_default=True, help=text)


def output_options(command: Command) -> Command:
    """--output, --format, --prefix, --resume and --overwrite."""
    return _with_output(command, FORMS, "a table.")


def vector_output_options(command: Command) -> Command:
    """The same, with NumPy's formats."""
    return _with_output(command, (*FORMS, *VECTOR_KINDS), "a table. npy, npz: NumPy's files.")


def _with_output(command: Command, forms: tuple[str, ...], last: str) -> Command:
    added: list[Callable[..., Any]] = [
        click.option(
            "--output",
            "-o",
            metavar="FILE",
            shell_complete=file_names,
            help="Write results to FILE (-: standard output), in the format that its name's ending tells.",
        ),
        format_option(
            forms,
            f"human: for reading. jsonl: one object per line. json: an array. csv, tsv, parquet: {last} "
            "auto: by the ending of --output; without it human on a terminal, else jsonl.",
        ),
        click.option(
            "--prefix",
            type=Utf8(),
            default="",
            metavar="TEXT",
            help="Put TEXT before the names of results, where the input has columns of these names.",
        ),
        click.option(
            "--resume", is_flag=True, help="Go on after the last complete row of --output (csv, tsv, jsonl)."
        ),
        click.option("--overwrite", is_flag=True, help="Replace --output if it exists."),
    ]
    return _with_all(command, added)


def _set_debug(ctx: click.Context, _: click.Parameter, debug: bool) -> None:
    if debug:
        ctx.find_root().params["debug"] = True


# The program has this option too, so that it works both before and after the command's name.
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show the traceback of an error."
)


def task_options(batches: str) -> Callable[[Command], Command]:
    """How to compute, the Hub's options and --debug, for every task. batches: the help of --batch-size."""

    def with_options(command: Command) -> Command:
        for option in (debug_option, no_cache_option, offline_option, hub_options, threads_option):
            command = option(command)
        command = dtype_option("float32", "Arithmetic: float32, bfloat16 or int8.")(command)
        return batch_size_option(batches)(command)

    return with_options
