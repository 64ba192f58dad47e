"""The command `roberta-c`: results on standard output, everything else on standard error.

Exit codes: 0; 1 after a failure; 2 after misuse; 130 after Ctrl-C; 141 where the reader of a pipe went away.
Errors are one line. Whatever takes long to import is imported by the command that needs it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .errors import InputError, RobertaCError

if TYPE_CHECKING:
    from .cli_output import Output

NAME = "roberta-c"
FAILURE, MISUSE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141


class Program(click.Group):
    """The group of commands; turns whatever ends one of them into an exit code and at most one line."""

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Runs the command line. Exits with its code; without `standalone_mode`, returns it."""
        try:
            status = super().main(args, standalone_mode=False, **extra) or 0
        except click.ClickException as misuse:
            context = getattr(misuse, "ctx", None)
            hint = "" if context is None else f"; see '{context.command_path} --help'"
            _report("error", misuse.format_message().rstrip(".") + hint)
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
            _report_error(error, ctx.params["debug"])
            status = FAILURE
        raise click.exceptions.Exit(status)


def _one_line(error: Exception) -> str:
    if isinstance(error, RobertaCError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'standard output'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return "out of memory"
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)"


def _report_error(error: Exception, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    _report("error", _one_line(error))


def _report(kind: str, message: str) -> None:
    """A line on standard error, above the progress bar if there is one."""
    from .cli_output import printable

    progress = sys.modules.get("tqdm")
    with progress.tqdm.external_write_mode(file=sys.stderr) if progress else contextlib.nullcontext():
        click.echo(f"{NAME}: {kind}: {printable(' '.join(message.split()))}", err=True)


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
            _report("warning" if record.levelno < logging.ERROR else "error", message)


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
    log_lines, logger = _LogLines(), logging.getLogger(__package__)
    logger.addHandler(log_lines)
    ctx.call_on_close(lambda: logger.removeHandler(log_lines))


# ---- what commands share -----------------------------------------------------------------------------

Command = Callable[..., Any]


def _set_debug(ctx: click.Context, _: click.Parameter, debug: bool) -> None:
    if debug:
        ctx.find_root().params["debug"] = True


# Before the command as an option of the program, or behind it: people try both.
_debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show the traceback of an error."
)


def _hub_options(command: Command) -> Command:
    cache_dir = click.option(
        "--cache-dir", metavar="FOLDER", help="Where Hub files are kept, if not in HF_HOME."
    )
    token = click.option("--token", metavar="TOKEN", help="Hub token, if not HF_TOKEN's or the stored one.")
    revision = click.option("--revision", metavar="NAME", help="Branch, tag or commit of a Hub repository.")
    return revision(token(cache_dir(command)))


_offline_option = click.option(
    "--offline", "local_files_only", is_flag=True, help="Use only what is on this machine already."
)


_model_option = click.option(
    "--model",
    metavar="PATH_OR_ID",
    envvar="ROBERTA_C_MODEL",
    show_envvar=True,
    help="Folder or Hub repository of the model. Without it, a small one for English tweets answers.",
)
_threads_option = click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Default: all that this process may use."
)
_max_length_option = click.option(
    "--max-length",
    type=click.IntRange(min=1),
    metavar="N",
    help="Truncate to N tokens, not to the model's limit.",
)


def _batch_size_option(text: str) -> Callable[[Command], Command]:
    kind = click.IntRange(min=1)
    return click.option("--batch-size", type=kind, default=32, show_default=True, metavar="N", help=text)


def _dtype_option(default: str, text: str) -> Callable[[Command], Command]:
    return click.option("--dtype", default=default, show_default=True, metavar="TYPE", help=text)


def _texts_options(command: Command) -> Command:
    texts = click.argument("texts", nargs=-1, metavar="[TEXT]...")
    path = click.option(
        "--file", "-f", "path", metavar="FILE", help="Read texts from FILE, one a line (-: standard input)."
    )
    pairs = click.option(
        "--pairs", is_flag=True, help="Each text is a pair: two texts with a tab between them."
    )
    return texts(path(pairs(command)))


def _check_texts(texts: tuple[str, ...], path: str | None) -> None:
    if texts and path is not None:
        raise click.UsageError("found texts both as arguments and in --file, expected one of them")
    if not texts and path is None and (sys.stdin is None or sys.stdin.isatty()):
        raise click.UsageError("found no texts, expected arguments, --file, or lines piped in")


def _check_revision(model: str | None, where: dict[str, Any]) -> None:
    if model is None and where["revision"] is not None:
        raise click.UsageError("found --revision without --model, expected both")


def _note_bundled_model() -> None:
    from .bundled import BUNDLED_MODEL

    _report("note", f"{BUNDLED_MODEL} answers; --model names another")


def _format_option(formats: tuple[str, ...], text: str) -> Callable[[Command], Command]:
    choice = click.Choice(formats)
    return click.option("--format", "form", type=choice, default=formats[0], show_default=True, help=text)


def _output(aside: Callable[[], Any] = contextlib.nullcontext) -> Output:
    from .cli_output import Output

    if sys.stdout is None:
        raise InputError("standard output: found it closed, expected it open")
    return Output(sys.stdout.buffer, sys.stdout.encoding or "utf-8", aside)


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()


# ---- classify ----------------------------------------------------------------------------------------


@program.command(short_help="Label texts with a model.")
@_model_option
@_texts_options
@_format_option(
    ("auto", "human", "json", "jsonl"),
    "human: for reading. jsonl: an object a line. json: an array. auto: human on a terminal, else jsonl.",
)
@click.option(
    "--all",
    "all_labels",
    is_flag=True,
    help="Scores of all labels (which people see for a single text anyway).",
)
@click.option("--top-k", type=click.IntRange(min=1), metavar="N", help="Scores of the N best labels.")
@click.option(
    "--function-to-apply",
    type=click.Choice(("default", "sigmoid", "softmax", "none")),
    default="default",
    help="Turns the model's outputs into scores; default: what its config calls for.",
)
@_max_length_option
@_batch_size_option("Texts at a time; with 1, each is answered before the next is read.")
@_dtype_option("float32", "The arithmetic: float32, bfloat16 or int8.")
@_threads_option
@_hub_options
@_offline_option
@_debug_option
def classify(
    texts: tuple[str, ...],
    model: str | None,
    path: str | None,
    pairs: bool,
    form: str,
    all_labels: bool,
    top_k: int | None,
    dtype: str,
    threads: int | None,
    function_to_apply: str,
    max_length: int | None,
    batch_size: int,
    **where: Any,
) -> None:
    """Label texts: arguments, the lines of a file, or the lines of standard input.

    \b
    Examples:
      roberta-c classify "I love it" "this is the worst"
      roberta-c classify --model path/to/model --file tweets.txt --format jsonl --all
      cut -f 3 table.tsv | roberta-c classify --model org/name > labels.jsonl
      printf 'premise\\thypothesis\\n' | roberta-c classify --model org/name --pairs

    Every line is a text as it stands, spaces and all, an empty one too; only its end (\\n or \\r\\n) is left
    out. A text that begins with a dash goes behind "--". JSON rows hold text (and text_pair), label and
    score; with --all or --top-k also scores; and truncated: true for a text longer than the model takes,
    which was cut.
    """
    _check_texts(texts, path)
    _check_revision(model, where)
    if all_labels and top_k is not None:
        raise click.UsageError("found both --all and --top-k, expected one of them")
    if form == "auto":
        form = "human" if _is_terminal(sys.stdout) else "jsonl"
    has_progress = not texts and _is_terminal(sys.stderr)

    from .cli_input import open_source
    from .cli_output import ResultForm, score_bars
    from .tasks import pipeline

    with open_source(texts, path, count_lines=has_progress) as source:
        options: dict[str, Any] = {
            "function_to_apply": function_to_apply,
            "max_length": max_length,
            "batch_size": batch_size,
        }
        classifier = pipeline(
            "text-classification", model, dtype=dtype, num_threads=threads, **options, **where
        )
        if model is None:
            _note_bundled_model()
        # One text alone has room for all its labels.
        every_score = all_labels or top_k is not None or (form == "human" and len(texts) == 1)
        are_parts = classifier.score_function != "none"  # of a whole, which bars can show
        bars = score_bars(sys.stdout) if form == "human" and are_parts else None
        result = ResultForm(classifier.labels, top_k if top_k or every_score else 1, every_score, bars)
        result.check_labels()
        predictions = classifier.predictions(source.pairs() if pairs else source.texts)
        output = _output()
        if has_progress:
            from tqdm import tqdm  # type: ignore[import-untyped]

            mixed = _is_terminal(sys.stdout)
            predictions = tqdm(predictions, total=source.total, unit=" texts", leave=not mixed)
            if mixed:
                output = _output(tqdm.external_write_mode)
        if form == "human":
            for prediction in predictions:
                output.text(result.lines(prediction))
        else:
            write = output.array if form == "json" else output.lines
            write(result.json_row(prediction) for prediction in predictions)


# ---- files -------------------------------------------------------------------------------------------


@program.command(short_help="Show a model, its tokenizer and its limits.")
@click.argument("model", metavar="PATH_OR_ID")
@_format_option(("auto", "human", "json"), "human: for reading. json: one object. auto: human.")
@_hub_options
@_offline_option
@_debug_option
def describe(model: str, form: str, **where: Any) -> None:
    """Show a model: its modules, its tokenizer, what loading found, its sizes and limits.

    \b
    Example:
      roberta-c describe path/to/model
    """
    from .cli_output import description_lines
    from .description import description, open_model

    facts = description(open_model(model, **where))
    if form == "json":
        _output().document(facts)
    else:
        _output().text(description_lines(facts))


@program.command(short_help="List the tensors of a weight file.")
@click.argument("path", metavar="PATH_OR_ID")
@_format_option(
    ("auto", "human", "json", "jsonl"),
    "human: a table. jsonl: an object a line. json: an array. auto: human.",
)
@_hub_options
@_offline_option
@_debug_option
def keys(path: str, form: str, **where: Any) -> None:
    """List the tensors of a weight file, in its order: name, type, shape. No weights are read.

    \b
    Examples:
      roberta-c keys path/to/model
      roberta-c keys path/to/model/pytorch_model.bin --format jsonl
    """
    from . import hub
    from .checkpoint import open_checkpoint
    from .cli_output import tensor_lines, tensor_rows

    checkpoint = open_checkpoint(path if os.path.isfile(path) else hub.resolve(path, hub.WEIGHTS, **where))
    if form in ("auto", "human"):
        _output().text(tensor_lines(checkpoint))
    else:
        (_output().array if form == "json" else _output().lines)(tensor_rows(checkpoint))


@program.command(short_help="Fetch a model from the Hub.")
@click.argument("repo_id", metavar="ID")
@click.option("--local-dir", metavar="FOLDER", help="Put the files there, not in the cache.")
@_hub_options
@_debug_option
def download(repo_id: str, local_dir: str | None, **where: Any) -> None:
    """Fetch a Hub repository's config, tokenizer and best weights; print the folder they are in.

    \b
    Example:
      roberta-c download org/name --local-dir models/name
    """
    from . import hub

    _output().text(str(hub.download(repo_id, local_dir=local_dir, **where)))


# ---- doctor ------------------------------------------------------------------------------------------


@program.command(short_help="Check this machine, and a model on it.")
@click.option(
    "--model", metavar="PATH_OR_ID", help="Folder or Hub repository of a model to load and check as well."
)
@_format_option(("auto", "human", "json"), "human: for reading. json: one object. auto: human.")
@_threads_option
@_hub_options
@_offline_option
@_debug_option
@click.pass_context
def doctor(ctx: click.Context, model: str | None, form: str, threads: int | None, **where: Any) -> None:
    """Check this machine: its CPU and which kernels it gets, threads and why that many, memory, versions,
    caches, environment variables; and a model on it.

    \b
    Examples:
      roberta-c doctor
      roberta-c doctor --model path/to/model
      roberta-c doctor --model org/name --format json > report.json

    With --model: the files it is loaded from, what loading finds, its limits, and what it computes for a few
    texts, compared with the plain kernels that all others answer to (seconds for a base model). The digests
    are the same for any number of threads. Exit code 1 if something is wrong: one line of error for each.
    """
    _check_revision(model, where)

    from .cli_doctor import machine_lines, model_lines, verdict_lines
    from .doctor import Diagnosis

    output, diagnosis = _output(), Diagnosis()

    def tell(lines: Callable[[dict[str, Any]], str], end: str = "\n") -> None:
        if form != "json":
            output.text(lines(diagnosis.facts) + end)

    # Each part is told before the next is tried, which may take time, or memory that is not there.
    diagnosis.examine_machine(threads, **where)
    tell(machine_lines)
    if model is not None:
        diagnosis.examine_model(model, threads, **where)
    tell(model_lines)
    diagnosis.check_model(**where)
    tell(verdict_lines, end="")
    if form == "json":
        output.document(diagnosis.facts)
    for error in diagnosis.errors:
        _report_error(error, ctx.find_root().params["debug"])
    if diagnosis.errors:
        ctx.exit(FAILURE)


# ---- quantize-report ---------------------------------------------------------------------------------


@program.command("quantize-report", short_help="Compare a lower precision with float32 on your texts.")
@_model_option
@_texts_options
@_dtype_option("int8", "The arithmetic to compare with float32, as for classify.")
@click.option(
    "--labels",
    "labels_path",
    metavar="FILE",
    help="Right labels, one a line, names or ids: accuracy and macro recall of both (-: standard input).",
)
@_format_option(("auto", "human", "json"), "human: for reading. json: one object. auto: human.")
@_max_length_option
@_batch_size_option("Texts at a time; choose what you will use, as times depend on it.")
@_threads_option
@_hub_options
@_offline_option
@_debug_option
def quantize_report(
    texts: tuple[str, ...],
    model: str | None,
    path: str | None,
    pairs: bool,
    dtype: str,
    labels_path: str | None,
    form: str,
    threads: int | None,
    max_length: int | None,
    batch_size: int,
    **where: Any,
) -> None:
    """Compare a lower precision with float32 on your own texts, before switching it on.

    \b
    Examples:
      roberta-c quantize-report --model org/name --file texts.txt --dtype int8
      roberta-c quantize-report --model org/name --file texts.txt --labels labels.txt
      roberta-c quantize-report --file texts.txt --format json > report.json

    Shows on how many texts the best label is the same, by how much scores and the vectors below the
    classifier differ, the ten texts whose scores differ most, the error after each layer (of the first 512
    texts), and both one's time and memory. Texts go through both in turns; tokenizing them is not timed, and
    a few texts are timed up to five times. Texts are lines as in classify.
    """
    _check_texts(texts, path)
    _check_revision(model, where)
    if labels_path == "-" and not texts and path in (None, "-"):
        raise click.UsageError("found both texts and --labels on standard input, expected one of them")

    from .cli_input import open_source
    from .cli_quantization_report import ProgressBar, report_lines
    from .quantization_report import Comparison, check_label_count
    from .tasks.text_rows import as_row

    with open_source(texts, path, count_lines=False) as source:
        rows = [as_row(text, source.name) for text in (source.pairs() if pairs else source.texts)]
    if not rows:
        raise InputError(f"{source.name}: found no texts, expected at least one")
    labels, right = None, None
    if labels_path is not None:
        with open_source((), labels_path, count_lines=False, option="--labels") as labels_source:
            labels = [line.strip() for line in labels_source.texts]
        check_label_count(labels, rows, labels_source.name)

    comparison = Comparison(
        model, dtype, batch_size=batch_size, max_length=max_length, num_threads=threads, **where
    )
    if labels is not None:
        right = comparison.label_ids(labels, lambda index: f"{labels_source.name}: line {index + 1}")
    if model is None:
        _note_bundled_model()
    with ProgressBar() if _is_terminal(sys.stderr) else contextlib.nullcontext() as progress:
        facts = comparison.facts(rows, right, *([] if progress is None else [progress]))
    if form == "json":
        _output().document(facts)
    else:
        _output().text(report_lines(facts, shutil.get_terminal_size((100, 24)).columns))


def main() -> None:
    """The entry point of `roberta-c` and of `python -m roberta_c`."""
    program.main(prog_name=NAME)
