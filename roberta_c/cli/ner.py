"""`roberta-c ner`: texts → the entities in them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, mismatch, shown
from .help_page import HelpCommand
from .long_texts import long_text_arguments, long_text_options
from .names import listed
from .options import (
    AtLeast,
    Utf8,
    output_options,
    task_model_option,
    task_options,
    text_options,
)
from .run import InputOptions, run_pipeline
from .terminal_text import has_colours, printable
from .texts import one_text

if TYPE_CHECKING:
    from ..pipelines.token_classification import Entities, TokenClassificationPipeline

_NONE = "none"
_STRATEGIES = (_NONE, "simple", "first", "average", "max")
_OUTSIDE = "O"  # the label of tokens that belong to no entity
_COLOUR, _WEAK, _END = "\x1b[1;36m", "\x1b[2m", "\x1b[0m"


@click.command(cls=HelpCommand)
@task_model_option
@text_options()
@output_options
@click.option(
    "--strategy",
    type=click.Choice(_STRATEGIES),
    default="simple",
    show_default=True,
    help="What is an entity. none: each token. simple: neighbours of one label. first, average, max: the "
    "same for words (what spaces divide), labelled by their first token, the average of their scores or "
    "the highest one.",
)
@click.option(
    "--stride",
    type=AtLeast(0),
    metavar="N",
    help="Windows overlap by N tokens. Default: an eighth of a window. Without --long-text, N means "
    "transformers' windows; not with --strategy none.",
)
@click.option(
    "--ignore-label",
    "ignore_labels",
    type=Utf8(),
    multiple=True,
    metavar="LABEL",
    help='Leave out this label, as the results name it; may be repeated. Default: O. "": none.',
)
@long_text_options(has_stride=False)
@task_options("Texts per batch. With 1, each result is written before the next text is read.")
def ner(
    strategy: str,
    ignore_labels: tuple[str, ...],
    batch_size: int,
    **options: Any,
) -> None:
    """Find entities in texts, such as names of persons and places.

    \b
    Examples:
      roberta-c ner --model org/name "I saw Ada Lovelace in London"
      roberta-c ner --model org/name --file news.csv --column body -o entities.jsonl

    Texts are read as by classify. A JSON object has text or the file's columns, and entities: a list of
    objects with entity_group (with --strategy none: entity and index), score, word, start and end, which are
    characters of the text. CSV and TSV have this list as JSON in the column entities.
    """
    inputs = InputOptions.of(options)
    wanted = one_text(inputs, options)
    reading = long_text_arguments(options, stride_alone=True)
    stride, max_length = reading.get("stride"), reading.get("max_length")
    if stride is not None and strategy == _NONE and "long_text" not in reading:
        raise click.UsageError(
            mismatch("--stride", "--strategy none", "another --strategy, or --long-text windows")
        )

    def make_form(pipeline: TokenClassificationPipeline, _: str, width: int | None) -> EntityForm:
        _check_ignored(ignore_labels, pipeline, strategy)
        if stride is not None:
            _check_room(max_length, pipeline)
        return EntityForm(strategy == _NONE, width is not None and has_colours(sys.stdout))

    call_options = {
        "aggregation_strategy": strategy,
        "ignore_labels": list(ignore_labels or (_OUTSIDE,)),
        "batch_size": batch_size,
        **reading,
    }
    run_pipeline("token-classification", inputs, wanted, options, call_options, make_form)


def _check_ignored(ignored: tuple[str, ...], pipeline: TokenClassificationPipeline, strategy: str) -> None:
    """Raise InputError for a label that no result can have, as it would have no effect; "" means none."""
    labels = list(pipeline.model.config.id2label.values())
    if strategy != _NONE:  # groups are named without B- and I-
        labels = [label.split("-", 1)[-1] for label in labels]
    for label in ignored:
        if label not in {*labels, _OUTSIDE, ""}:
            expected = f"a label of the results: {listed(dict.fromkeys(labels))}"
            raise InputError(mismatch("--ignore-label", shown(label), expected))


def _check_room(max_length: int | None, pipeline: TokenClassificationPipeline) -> None:
    """Raise InputError if --max-length leaves no token of a text; the pipeline would blame --stride."""
    least = pipeline.tokenizer.num_special_tokens_to_add() + 1
    if max_length is not None and max_length < least:
        raise InputError(mismatch("--max-length", max_length, f"at least {least} with --stride"))


@dataclass(frozen=True)
class EntityForm:
    """How the entities of a text are shown. of_tokens: each is one token. colours: of the human format."""

    of_tokens: bool
    colours: bool = False

    @property
    def columns(self) -> dict[str, Any]:
        """The entities, as one list."""
        label = {"entity": "string"} if self.of_tokens else {"entity_group": "string"}
        index = {"index": "int64"} if self.of_tokens else {}
        place = {"word": "string", "start": "int64", "end": "int64"}
        return {"entities": [{**label, "score": "float64", **index, **place}], "truncated": "bool"}

    @property
    def names(self) -> list[str]:
        """The members of an object in JSON."""
        return list(self.columns)

    def members(self, prediction: Entities) -> dict[str, Any]:
        """The entities; `truncated` if the text was."""
        return {
            "entities": [dict(one) for one in prediction.found],
            **({"truncated": True} if prediction.truncated else {}),
        }

    def cells(self, prediction: Entities) -> dict[str, Any]:
        """The entities, and whether the text was truncated."""
        return {"entities": [dict(one) for one in prediction.found], "truncated": bool(prediction.truncated)}

    def lines(self, prediction: Entities) -> str:
        """The text on one line, each entity in brackets and its label and score behind it."""
        text, parts, place = prediction.row.text, [], 0
        for one in sorted(prediction.found, key=lambda one: one["start"]):
            start, end = max(place, one["start"]), one["end"]
            if end <= start:
                continue  # an empty token, or a part of the one before it
            label = f"{one.get('entity_group', one.get('entity'))} {one['score']:.2f}"
            parts += [printable(text[place:start]), self._shown(printable(text[start:end]), printable(label))]
            place = end
        line = "".join([*parts, printable(text[place:])])
        return line + (" [truncated]" if prediction.truncated else "")

    def _shown(self, text: str, label: str) -> str:
        if self.colours:
            return f"{_COLOUR}[{text}]{_END}{_WEAK}({label}){_END}"
        return f"[{text}]({label})"
