"""`roberta-c qa`: questions and contexts → answers, which are parts of the contexts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, mismatch
from .file_kinds import LINES
from .help_page import HelpCommand
from .inputs import Part, Wanted, text_of_file
from .label_results import cut
from .long_texts import lengths_option, long_text_arguments
from .options import (
    AtLeast,
    Utf8,
    file_names,
    output_options,
    question_options,
    task_model_option,
    task_options,
)
from .run import InputOptions, run_pipeline
from .terminal_text import printable

if TYPE_CHECKING:
    from ..pipelines.question_answering import Answers, QuestionAnsweringPipeline

_ANSWER = {"score": "float64", "start": "int64", "end": "int64", "answer": "string"}
_NO_ANSWER = {"answer": "", "score": 0.0, "start": 0, "end": 0}


@click.command(cls=HelpCommand)
@task_model_option
@question_options
@click.option(
    "--context",
    type=Utf8(),
    metavar="TEXT",
    shell_complete=file_names,
    help="The text to find the answers in.",
)
@click.option("--context-file", metavar="FILE", help="Read that text from FILE.", shell_complete=file_names)
@output_options
@click.option(
    "--top-k",
    type=AtLeast(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Show the N best answers.",
)
@click.option(
    "--max-answer-len",
    type=AtLeast(1),
    default=15,
    show_default=True,
    metavar="N",
    help="The most tokens of an answer.",
)
@click.option(
    "--max-seq-len",
    type=AtLeast(1),
    metavar="N",
    help="Read contexts in parts of N tokens, question included. Default: 384, or the model's limit.",
)
@click.option(
    "--doc-stride",
    type=AtLeast(0),
    metavar="N",
    help="These parts overlap by N tokens. Default: 128, or half of --max-seq-len.",
)
@click.option(
    "--long-text",
    type=click.Choice(("windows", "error")),
    help="What to do with a question and a context of too many tokens. windows: read the context in parts, "
    "which is the default. error: stop.",
)
@lengths_option
@click.option("--impossible", is_flag=True, help='The answer may be "": the context has none.')
@task_options("Questions per batch. With 1, each result is written before the next one is read.")
def qa(
    context: str | None,
    context_file: str | None,
    top_k: int,
    max_answer_len: int,
    max_seq_len: int | None,
    doc_stride: int | None,
    impossible: bool,
    batch_size: int,
    **options: Any,
) -> None:
    """Answer questions by a part of a text: arguments or lines, or the rows of a file.

    \b
    Examples:
      roberta-c qa --model org/name "Who wrote it?" --context "Ada Lovelace wrote it in 1843."
      roberta-c qa --model org/name "Who wrote it?" "When?" --context-file notes.txt
      roberta-c qa --model org/name --file questions.csv -o answers.csv

    A file of rows has columns question and context; with --context its rows need no context. A result has
    answer, score, and start and end: characters of the context. With --top-k above 1, answers has a list of
    them, best first; in CSV and TSV as JSON.
    """
    inputs = InputOptions.of(options)
    question_column, context_column = options.pop("question_column"), options.pop("context_column")
    inputs.check_columns(question_column=question_column, context_column=context_column)
    contexts = {"--context": context, "--context-file": context_file, "--context-column": context_column}
    given = [name for name, value in contexts.items() if value is not None]
    if len(given) > 1:
        found = "both" if len(given) == 2 else "all of these"
        raise click.UsageError(mismatch(", ".join(given), found, "one of them"))
    if context_file == "-" and not inputs.texts and inputs.path in (None, "-"):
        found = "both questions and --context-file"
        raise click.UsageError(mismatch("standard input", found, "one of them"))
    if context_file is not None:
        context = text_of_file(context_file, "--context-file", inputs.encoding)
    if context is None and inputs.kind == LINES:
        raise click.UsageError(mismatch("--context", "none", "a text, --context-file or a file of rows"))

    def make_form(pipeline: QuestionAnsweringPipeline, _: str, width: int | None) -> AnswerForm:
        if max_seq_len is not None and doc_stride is None:
            _check_room(max_seq_len, pipeline)
        return AnswerForm(top_k, len(inputs.texts) == 1, width)

    run_pipeline(
        "question-answering",
        inputs,
        wanted_of(question_column, context_column, context),
        options,
        {
            "top_k": top_k,
            "max_answer_len": max_answer_len,
            "max_seq_len": max_seq_len,
            "doc_stride": doc_stride,
            "handle_impossible_answer": impossible,
            "batch_size": batch_size,
            **long_text_arguments(options),
        },
        make_form,
    )


def _check_room(max_seq_len: int, pipeline: QuestionAnsweringPipeline) -> None:
    """Raise InputError if the default of --doc-stride, half of the tokens, leaves none to go on by."""
    least = 2 * pipeline.tokenizer.num_special_tokens_to_add(pair=True) + 1
    if max_seq_len < least:
        raise InputError(mismatch("--max-seq-len", max_seq_len, f"at least {least}, or a --doc-stride"))


def wanted_of(question_column: str | None, context_column: str | None, context: str | None) -> Wanted:
    """A question and its context; with a `context` for all, a question."""
    question = Part("question", "--question-column", question_column, "question")
    if context is None:
        parts = (question, Part("context", "--context-column", context_column, "context"))
        return Wanted(parts, ("question",), lambda line, _: {"question": line}, dict)
    return Wanted(
        (question,),
        ("question",),
        lambda line, _: {"question": line},
        lambda texts: {"question": texts["question"], "context": context},
    )


@dataclass(frozen=True)
class AnswerForm:
    """How the answers to a question are shown.

    top_k: how many. is_single: there is one question. width: of the terminal that long texts are cut to.
    """

    top_k: int
    is_single: bool = False
    width: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """The best answer, and with `top_k` above 1 a list of them."""
        best = {name: _ANSWER[name] for name in ("answer", "score", "start", "end")}
        return {**best, **({"answers": [_ANSWER]} if self.top_k > 1 else {})}

    @property
    def names(self) -> list[str]:
        """The members of an object in JSON."""
        return list(self.columns)

    def members(self, prediction: Answers) -> dict[str, Any]:
        """The best answer, and with `top_k` above 1 a list of them."""
        best = prediction.answers[0] if prediction.answers else _NO_ANSWER
        row = {name: best[name] for name in _NO_ANSWER}
        return {**row, **({"answers": [dict(one) for one in prediction.answers]} if self.top_k > 1 else {})}

    def cells(self, prediction: Answers) -> dict[str, Any]:
        """The same as in JSON."""
        return self.members(prediction)

    def lines(self, prediction: Answers) -> str:
        """One line; for a single question, or several answers, the question and below it its answers."""
        lines = [
            f"{one['score']:7.4f}  {printable(one['answer']) or '(no answer)'}"
            for one in prediction.answers or [_NO_ANSWER]
        ]
        question = printable(prediction.row.question)
        if self.is_single or len(lines) > 1:
            return "\n  ".join([question, *(cut(line, 2, self.width) for line in lines)])
        return f"{lines[0]}  | {cut(question, len(lines[0]) + 4, self.width)}"
