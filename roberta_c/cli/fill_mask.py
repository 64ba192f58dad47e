"""`roberta-c fill-mask`: texts with masks → the tokens that fit best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..errors import mismatch
from .help_page import HelpCommand
from .label_results import cut, text_line
from .long_texts import long_text_arguments, long_text_options
from .options import (
    AtLeast,
    Utf8,
    output_options,
    task_model_option,
    task_options,
    text_options,
)
from .run import InputOptions, run_pipeline
from .terminal_text import printable
from .texts import one_text

if TYPE_CHECKING:
    from ..pipelines.fill_mask import Filling, FillMaskPipeline

_FILLING = {"score": "float64", "token": "int64", "token_str": "string", "sequence": "string"}


@click.command("fill-mask", cls=HelpCommand)
@task_model_option
@text_options()
@output_options
@click.option(
    "--top-k",
    type=AtLeast(1),
    default=5,
    show_default=True,
    metavar="N",
    help="Show the N best tokens of each mask.",
)
@click.option(
    "--target",
    "targets",
    type=Utf8(),
    multiple=True,
    metavar="TOKEN",
    help="Choose among these tokens only; repeated for each. They are named as in the vocabulary: words "
    "that follow a space begin with Ġ in RoBERTa's and with ▁ in XLM-RoBERTa's.",
)
@long_text_options()
@task_options("Texts per batch. With 1, each result is written before the next text is read.")
def fill_mask(top_k: int, targets: tuple[str, ...], batch_size: int, **options: Any) -> None:
    """Find the tokens that fit best where a text has <mask>.

    \b
    Examples:
      roberta-c fill-mask --model org/name "Paris is the <mask> of France."
      roberta-c fill-mask --model org/name --file cloze.csv --top-k 1 -o filled.csv

    Texts are read as by classify; each must have a mask. A result has token_str, score and sequence (the
    filled text) of the best token of the first mask. With --top-k above 1, or several masks, fillings has
    them all: a list of objects, best first, for each mask; in CSV and TSV as JSON.
    """
    inputs = InputOptions.of(options)
    wanted = one_text(inputs, options)
    call_options = {"top_k": top_k, "batch_size": batch_size, **long_text_arguments(options)}
    if targets:
        if "" in targets:
            raise click.UsageError(mismatch("--target", "an empty text", "a token"))
        call_options["targets"] = list(targets)
    run_pipeline(
        "fill-mask",
        inputs,
        wanted,
        options,
        call_options,
        lambda pipeline, _, width: FillingForm(pipeline, width),
    )


@dataclass(frozen=True)
class FillingForm:
    """How the tokens of a text's masks are shown. width: of the terminal that texts are cut to, if any."""

    pipeline: FillMaskPipeline
    width: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """The best token of the first mask, and a list for each mask."""
        first = {name: _FILLING[name] for name in ("token_str", "score", "sequence")}
        return {**first, "fillings": [[_FILLING]], "truncated": "bool"}

    @property
    def names(self) -> list[str]:
        """The members of an object in JSON."""
        return list(self.columns)

    def members(self, prediction: Filling) -> dict[str, Any]:
        """The best token of the first mask; all tokens, if there are more; `truncated` if the text was."""
        masks = self._masks(prediction)
        first = {name: masks[0][0][name] for name in ("token_str", "score", "sequence")}
        more = {"fillings": masks} if len(masks) > 1 or len(masks[0]) > 1 else {}
        return {**first, **more, **({"truncated": True} if prediction.truncated else {})}

    def cells(self, prediction: Filling) -> dict[str, Any]:
        """The best token of the first mask, all tokens, and whether the text was truncated."""
        masks = self._masks(prediction)
        first = {name: masks[0][0][name] for name in ("token_str", "score", "sequence")}
        return {**first, "fillings": masks, "truncated": bool(prediction.truncated)}

    def lines(self, prediction: Filling) -> str:
        """The text, and below it a line for each token of each mask."""
        masks = self._masks(prediction)
        lines = [text_line(prediction)]
        width = max(len(printable(one["token_str"].strip())) for mask in masks for one in mask)
        for number, mask in enumerate(masks, start=1):
            before = f"  mask {number}" if len(masks) > 1 else ""
            for one in mask:
                line = f"{before}  {one['score']:7.4f}  {printable(one['token_str'].strip()):{width}}  "
                lines.append(line + cut(printable(one["sequence"]), len(line), self.width))
        return "\n".join(map(str.rstrip, lines))

    def _masks(self, prediction: Filling) -> list[list[dict[str, Any]]]:
        """The tokens of each mask, best first."""
        return self.pipeline.fillings(prediction)
