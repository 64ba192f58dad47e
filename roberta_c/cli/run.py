"""One run of a pipeline: items from a source, through the model, into results. The commands' common part."""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import click

from ..errors import InputError, mismatch
from .decoded_text import check_encoding
from .file_kinds import LINES, PARQUET, kind_of
from .inputs import UTF_8, Item, Wanted, open_items
from .long_texts import LengthsForm
from .messages import note_bundled_model
from .options import check_hub_options, check_texts
from .output_options import HUMAN, OutputOptions
from .outputs import is_terminal
from .results import PredictionForm, Results

Computed = Iterable[tuple[Item, Any]]


class Predicts(Protocol):
    """What computes something of each text, in order, a block of texts at a time."""

    def predictions(self, texts: Iterable[Any]) -> Iterator[Any]:
        """The prediction of each text. An InputError about one names it as `texts[index]`."""


@dataclass(frozen=True)
class InputOptions:
    """The arguments, --file, --input-format and --encoding.

    context_path: --context-file, of the command that has it.
    """

    texts: tuple[str, ...]
    path: str | None
    input_format: str | None
    encoding: str
    context_path: str | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> InputOptions:
        """Takes its own options out of those of a command, and checks them. An argument "-" is --file -."""
        texts, path = options.pop("texts"), options.pop("path")
        if texts == ("-",) and path is None:
            texts, path = (), "-"
        check_texts(texts, path)
        encoding = options.pop("encoding")
        context = click.get_current_context(silent=True)
        context_path = context.params.get("context_file") if context is not None else None
        codec = UTF_8 if encoding is None else check_encoding(encoding)
        inputs = cls(texts, path, options.pop("input_format"), codec, context_path)
        is_text = not texts and inputs.kind != PARQUET
        if encoding is not None and context_path is None and not is_text:
            found = "texts as arguments" if texts else "a Parquet file"
            raise click.UsageError(mismatch("--encoding", found, "a file of text"))
        return inputs

    @property
    def paths(self) -> list[str]:
        """The files that are read; "-": standard input."""
        texts = [] if self.texts else [self.path or "-"]
        return texts + ([] if self.context_path is None else [self.context_path])

    @property
    def kind(self) -> str:
        """The kind of the input."""
        if self.texts:
            if self.input_format not in (None, LINES):
                raise click.UsageError(mismatch("--input-format", "texts as arguments", "--file"))
            return LINES
        named = None if self.path in (None, "-") else kind_of(str(self.path))
        return self.input_format or named or LINES

    def check_columns(self, **columns: str | None) -> None:
        """UsageError for options that name columns, where there are none."""
        for name, column in columns.items():
            if column is not None and self.kind == LINES:
                option = f"--{name.replace('_', '-')}"
                found = "texts as arguments" if self.texts else "lines of text"
                raise click.UsageError(mismatch(option, found, "a file with columns (--input-format)"))


def run_pipeline(
    task: str,
    inputs: InputOptions,
    wanted: Wanted,
    options: dict[str, Any],
    call_options: dict[str, Any],
    make_form: Callable[[Any, str, int | None], PredictionForm],
    bundled: bool = False,
) -> None:
    """Runs the pipeline of `task` over the texts of `inputs`.

    options, make_form: see run_model. call_options: the pipeline's own; with `return_lengths`, results say
    how much of each text was read. bundled: whether the bundled model does this task.
    """

    def load(model: str | None, **keywords: Any) -> Predicts:
        from ..pipelines import pipeline

        loaded: Predicts = pipeline(task, model, **keywords, **call_options)
        return loaded

    def form_of(loaded: Any, kind: str, width: int | None) -> PredictionForm:
        form = make_form(loaded, kind, width)
        return LengthsForm(form) if call_options.get("return_lengths") else form

    needs = None if bundled else f"a model for {task}"
    run_model(load, inputs, wanted, OutputOptions.of(options), options, form_of, needs)


def run_model(
    load: Callable[..., Predicts],
    inputs: InputOptions,
    wanted: Wanted,
    output: OutputOptions,
    options: dict[str, Any],
    make_form: Callable[[Any, str, int | None], PredictionForm],
    needs: str | None = None,
    arranged: Callable[[Computed], Computed] = iter,
) -> None:
    """Runs a model over the texts of `inputs`.

    load: a name (None: the bundled model), and dtype, num_threads and keywords of the Hub → the loaded model.
    options: the command's, of the model and of Hub repositories. make_form: the loaded model, the form of the
    results and the columns of the terminal (None: no terminal) → how results are shown. needs: what messages
    ask for without --model; None: the bundled model will do. arranged: what is done to the computed items
    before they are written, such as sorting them.
    """
    model, dtype, threads = options.pop("model"), options.pop("dtype"), options.pop("threads")
    check_hub_options(model, options)
    if model is None and needs is not None:
        raise click.UsageError(mismatch("--model", "none", needs))
    kind = output.kind()
    output.check_file(inputs.paths)
    has_progress = not inputs.texts and is_terminal(sys.stderr)

    with open_items(inputs.texts, inputs.path, inputs.kind, inputs.encoding, wanted, has_progress) as source:
        loaded = load(model, dtype=dtype, num_threads=threads, **options)
        if model is None:
            note_bundled_model()
        form = make_form(loaded, kind, terminal_columns() if kind == HUMAN else None)
        results = Results(source, form, output, kind)
        computed = computed_items(loaded, results.items())
        if not has_progress:
            results.write(arranged(computed))
            return
        from tqdm import tqdm  # type: ignore[import-untyped]

        shares_terminal = output.output is None and is_terminal(sys.stdout)
        bar = tqdm(
            computed, total=source.total, initial=results.done, unit=" texts", leave=not shares_terminal
        )
        results.write(arranged(bar), *([tqdm.external_write_mode] if shares_terminal else []))


def terminal_columns() -> int | None:
    """The width of the terminal that standard output is; None if it is none."""
    if not is_terminal(sys.stdout):
        return None
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def computed_items(pipeline: Predicts, items: Iterable[Item]) -> Iterator[tuple[Item, Any]]:
    """Each item with its prediction, in order, read and computed a block at a time.

    An InputError about a text names the item's place. The items before it are computed first.
    """
    waiting: deque[Item] = deque()  # read, and not yet yielded

    def texts() -> Iterator[Any]:
        for item in items:
            waiting.append(item)
            yield item.text

    done = 0
    try:
        for prediction in pipeline.predictions(texts()):
            done += 1
            yield waiting.popleft(), prediction
    except InputError as error:
        match = re.match(r"texts\[(\d+)\](?:\['(\w+)'\])?", str(error))
        if match is None or not 0 <= int(match[1]) - done < len(waiting):
            raise
        before = [waiting.popleft() for _ in range(int(match[1]) - done)]
        yield from computed_items(pipeline, before)
        part = f": {match[2]}" if match[2] else ""
        raise InputError(waiting[0].place + part + str(error)[match.end() :]) from error
