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
from .long_texts import LengthsForm, long_text_arguments, long_text_options
from .options import (
    check_one_of,
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
    from ..pipelines.windows import Coverage
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
@long_text_options()
@task_options("Pairs per batch. With 1, each result is written before the next pair is read.")
def similarity(
    similarity_name: str | None,
    prompt_name: str | None,
    prompt: str | None,
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
    similarity. With --long-text windows, the vector of a long text is that of embed. --lengths adds
    n_tokens_pair and windows_pair, too.
    """
    inputs = InputOptions.of(options)
    column, pair_column = options.pop("column"), options.pop("pair_column")
    inputs.check_columns(column=column, pair_column=pair_column)
    check_one_of(prompt_name=prompt_name, prompt=prompt)
    reading = long_text_arguments(options)
    max_length, has_lengths = reading.pop("max_length", None), reading["return_lengths"]
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
        return PairSimilarities(loaded, batch_size, prompt_name, prompt, **reading)

    def make_form(_: PairSimilarities, __: str, width: int | None) -> SimilarityForm | LengthsForm:
        form = SimilarityForm(width)
        return LengthsForm(form, is_pair=True) if has_lengths else form

    run_model(load, inputs, wanted, OutputOptions.of(options), options, make_form)


@dataclass(frozen=True)
class PairSimilarity:
    """Two texts, how alike they are, and how much of each was read."""

    text: str
    text_pair: str
    similarity: float
    coverage: Coverage
    coverage_pair: Coverage

    @property
    def truncated(self) -> bool:
        """Whether one of the texts was truncated."""
        return self.coverage.truncated or self.coverage_pair.truncated


class PairSimilarities:
    """A model that compares the texts of pairs, a block of them at a time.

    reading: long_text, stride and return_lengths of `encode`.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        batch_size: int,
        prompt_name: str | None = None,
        prompt: str | None = None,
        **reading: Any,
    ) -> None:
        self._compare = model.similarity_pairwise
        # Only with batches of 1 are no texts read ahead.
        texts = 2 * batch_size if batch_size > 1 else 1
        self._embedder = model.embedder(prompt_name, prompt, batch_size=texts, **reading)

    def predictions(self, texts: Iterable[dict[str, str]]) -> Iterator[PairSimilarity]:
        """The similarity of each pair {"text": …, "text_pair": …}. Raises InputError."""
        embeddings = self._embedder.predictions(text for pair in texts for text in _texts_of(pair))
        try:
            for one, other in zip(embeddings, embeddings, strict=True):
                alike = float(self._compare(one.value, other.value))
                yield PairSimilarity(one.text, other.text, alike, one.coverage, other.coverage)
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
