"""`roberta-c ner`: texts → the entities in them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .help_page import HelpCommand
from .options import (
    AtLeast,
    max_length_option,
    output_options,
    task_model_option,
    task_options,
    text_options,
)
from .run import InputOptions, run_pipeline
from .terminal_text import has_colours, printable
from .texts import one_text

if TYPE_CHECKING:
    from ..pipelines.token_classification import Entities

_STRATEGIES = ("none", "simple", "first", "average", "max")
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
    help="Read a text that is too long in parts that overlap by N tokens. Default: truncate it.",
)
@click.option(
    "--ignore-label",
    "ignore_labels",
    multiple=True,
    metavar="LABEL",
    help="Leave out this label; may be repeated. Default: O.",
)
@max_length_option
@task_options("Texts per batch. With 1, each result is written before the next text is read.")
def ner(
    strategy: str,
    stride: int | None,
    ignore_labels: tuple[str, ...],
    max_length: int | None,
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
    call_options = {
        "aggregation_strategy": strategy,
        "stride": stride,
        "ignore_labels": list(ignore_labels or ("O",)),
        "max_length": max_length,
        "batch_size": batch_size,
    }
    run_pipeline(
        "token-classification",
        inputs,
        wanted,
        options,
        call_options,
        lambda _, __, width: EntityForm(strategy == "none", width is not None and has_colours(sys.stdout)),
    )


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
