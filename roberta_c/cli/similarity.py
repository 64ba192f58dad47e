"""`roberta-c similarity`: pairs of texts → how alike their vectors are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, mismatch
from .help_page import HelpCommand
from .inputs import Part, Wanted, decodable, divided
from .label_results import cut
from .options import (
    check_one_of,
    max_length_option,
    model_option,
    output_options,
    pair_options,
    prompt_options,
    task_options,
)
from .output_options import OutputOptions
from .run import InputOptions, run_model
from .sentence_models import load_sentence_transformer
from .terminal_text import printable

if TYPE_CHECKING:
    from ..sentence.sentence_transformer import SentenceTransformer

SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")


@click.command(cls=HelpCommand)
@model_option
@pair_options
@output_options
@click.option(
    "--similarity",
    "similarity_name",
    type=click.Choice(SIMILARITIES),
    metavar="NAME",
    help="cosine, dot, euclidean or manhattan; the last two are negative distances. Default: the model's.",
)
@prompt_options("both texts")
@max_length_option
@task_options("Pairs per batch. With 1, each result is written before the next pair is read.")
def similarity(
    similarity_name: str | None,
    prompt_name: str | None,
    prompt: str | None,
    max_length: int | None,
    batch_size: int,
    **options: Any,
) -> None:
    """Show how alike two texts are, by their vectors: two arguments, or pairs in a file.

    \b
    Examples:
      roberta-c similarity --model org/name "A man is eating." "Someone has a meal."
      roberta-c similarity --model org/name --file pairs.csv --column a --pair-column b -o scored.csv
      printf 'one text\\tanother\\n' | roberta-c similarity --model org/name

    A line is two texts with a tab between them. A file of rows has columns text and text_pair. A result has
    similarity.
    """
    inputs = InputOptions.of(options)
    column, pair_column = options.pop("column"), options.pop("pair_column")
    inputs.check_columns(column=column, pair_column=pair_column)
    check_one_of(prompt_name=prompt_name, prompt=prompt)
    second: str | None = None
    if inputs.texts:
        if len(inputs.texts) != 2:
            found = "1 argument" if len(inputs.texts) == 1 else f"{len(inputs.texts)} arguments"
            raise click.UsageError(mismatch("texts", found, "2 texts, --file, or lines piped in"))
        first, second = decodable(inputs.texts)
        inputs = replace(inputs, texts=(first,))

    def from_line(line: str, place: str) -> dict[str, str]:
        return divided(line, place) if second is None else {"text": line, "text_pair": second}

    parts = (
        Part("text", "--column", column, "text"),
        Part("text_pair", "--pair-column", pair_column, "text_pair"),
    )
    wanted = Wanted(parts, ("text", "text_pair"), from_line, dict, is_pair=True)

    def load(model: str | None, **keywords: Any) -> PairSimilarities:
        loaded = load_sentence_transformer(model, max_length, keywords)
        if similarity_name is not None:
            loaded.similarity_fn_name = similarity_name
        return PairSimilarities(loaded, batch_size, prompt_name, prompt)

    def make_form(_: PairSimilarities, __: str, width: int | None) -> SimilarityForm:
        return SimilarityForm(width)

    run_model(load, inputs, wanted, OutputOptions.of(options), options, make_form)


@dataclass(frozen=True)
class PairSimilarity:
    """Two texts, how alike they are, and whether one of them was truncated."""

    text: str
    text_pair: str
    similarity: float
    truncated: bool


class PairSimilarities:
    """A model that compares the texts of pairs, a block of them at a time."""

    def __init__(
        self,
        model: SentenceTransformer,
        batch_size: int,
        prompt_name: str | None = None,
        prompt: str | None = None,
    ) -> None:
        self._compare = model.similarity_pairwise
        # Only with batches of 1 are no texts read ahead.
        texts = 2 * batch_size if batch_size > 1 else 1
        self._embedder = model.embedder(prompt_name, prompt, batch_size=texts)

    def predictions(self, texts: Iterable[dict[str, str]]) -> Iterator[PairSimilarity]:
        """The similarity of each pair {"text": …, "text_pair": …}. Raises InputError."""
        embeddings = self._embedder.predictions(text for pair in texts for text in _texts_of(pair))
        try:
            for one, other in zip(embeddings, embeddings, strict=True):
                alike = float(self._compare(one.value, other.value))
                yield PairSimilarity(one.text, other.text, alike, one.truncated or other.truncated)
        except InputError as error:
            match = re.match(r"texts\[(\d+)\]", str(error))
            if match is None:
                raise
            pair, part = divmod(int(match[1]), 2)
            place = f"texts[{pair}]['{('text', 'text_pair')[part]}']"
            raise InputError(place + str(error)[match.end() :]) from error


def _texts_of(pair: dict[str, str]) -> tuple[str, str]:
    return pair["text"], pair["text_pair"]


@dataclass(frozen=True)
class SimilarityForm:
    """How the similarity of a pair is shown. width: of the terminal that long texts are cut to."""

    width: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """The similarity, and whether a text was too long."""
        return {"similarity": "float64", "truncated": "bool"}

    @property
    def names(self) -> list[str]:
        """The members of an object in JSON."""
        return list(self.columns)

    def members(self, prediction: PairSimilarity) -> dict[str, Any]:
        """The similarity, and `truncated` if a text was too long."""
        row: dict[str, Any] = {"similarity": prediction.similarity}
        return {**row, "truncated": True} if prediction.truncated else row

    def cells(self, prediction: PairSimilarity) -> dict[str, Any]:
        """The value of each column."""
        return {"similarity": prediction.similarity, "truncated": prediction.truncated}

    def lines(self, prediction: PairSimilarity) -> str:
        """One line."""
        score = f"{prediction.similarity:8.4f}"
        texts = f"{printable(prediction.text)} | {printable(prediction.text_pair)}"
        texts += " [truncated]" if prediction.truncated else ""
        return f"{score}  {cut(texts, len(score) + 2, self.width)}"
