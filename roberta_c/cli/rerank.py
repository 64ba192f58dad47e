"""`roberta-c rerank`: a query and documents → the documents, those that fit best first; or pairs → scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, mismatch, shown
from .file_kinds import LINES
from .help_page import HelpCommand
from .inputs import Item, Part, Wanted
from .label_results import cut
from .long_texts import LengthsForm, long_text_arguments, long_text_options
from .options import (
    AtLeast,
    check_one_of,
    document_options,
    output_options,
    prompt_options,
    task_model_option,
    task_options,
)
from .output_options import OutputOptions
from .run import InputOptions, run_model
from .terminal_text import printable

if TYPE_CHECKING:
    from ..pipelines.windows import Coverage
    from ..sentence.pair_stream import PairScores, ScoredPair

SCORE_CONVENTIONS = ("sentence-transformers", "flag-embedding", "tei")


@click.command(cls=HelpCommand)
@task_model_option
@document_options
@output_options
@click.option(
    "--top-k",
    type=AtLeast(1),
    metavar="N",
    help="Show the N best documents; with rows of queries, those of each query.",
)
@click.option(
    "--score-convention",
    type=click.Choice(SCORE_CONVENTIONS),
    default=SCORE_CONVENTIONS[0],
    show_default=True,
    metavar="NAME",
    help="Whose scores: sentence-transformers, flag-embedding (FlagReranker) or tei (Text Embeddings "
    "Inference).",
)
@prompt_options("each query")
@long_text_options()
@task_options("Pairs per batch. Results do not depend on it.")
def rerank(
    query: str | None,
    query_column: str | None,
    top_k: int | None,
    score_convention: str,
    prompt_name: str | None,
    prompt: str | None,
    batch_size: int,
    **options: Any,
) -> None:
    """Sort documents by how well they fit a query, or score rows of queries and documents.

    \b
    Examples:
      roberta-c rerank --model org/name --query "Who wrote it?" "Ada wrote it." "It rains."
      roberta-c rerank --model org/name --query "Who wrote it?" --file docs.txt --top-k 10
      roberta-c rerank --model org/name --file pairs.csv --query-column q --column d -o scored.csv
      roberta-c rerank --model org/name --file pairs.tsv --top-k 10 -o best.tsv

    With --query, documents are arguments, lines, or the rows of a file, and the result is sorted: rank, score
    and index, the place of the document in the input, from 0. All documents are held in memory. Without it,
    a file of rows has columns query and document, and its rows get a score in their order; with --top-k, the
    rows of one query, which stand together in the file, are sorted, and its best ones kept. With --long-text
    windows, the score of a long document is that of its best window.
    """
    inputs = InputOptions.of(options)
    column = options.pop("column")
    inputs.check_columns(query_column=query_column, column=column)
    output = OutputOptions.of(options)
    if query is not None and query_column is not None:
        raise click.UsageError(mismatch("--query, --query-column", "both", "one of them"))
    if query is None and inputs.kind == LINES:
        raise click.UsageError(mismatch("--query", "none", "the query, or a file of rows with queries"))
    check_one_of(prompt_name=prompt_name, prompt=prompt)
    reading = long_text_arguments(options)
    max_length, has_lengths = reading.pop("max_length", None), reading["return_lengths"]
    ranks = query is not None or top_k is not None
    if ranks and output.resume:
        found = "--top-k" if query is None else "--query"
        expected = "rows that are scored in their order, which can be gone on with"
        raise click.UsageError(mismatch("--resume", found, expected))

    def load(model: str, *, cache_dir: str | None, **keywords: Any) -> PairScores:
        from ..sentence.cross_encoder import CrossEncoder
        from ..sentence.pair_stream import PairScores

        encoder = CrossEncoder(
            model,
            score_convention=score_convention,
            cache_folder=cache_dir,
            max_length=max_length,
            **keywords,
        )
        return PairScores(encoder, batch_size, prompt_name, prompt, **reading)

    def make_form(_: PairScores, __: str, width: int | None) -> RankForm | ScoreForm | LengthsForm:
        form = RankForm(width, shows_query=query is None) if ranks else ScoreForm(width)
        return LengthsForm(form) if has_lengths else form

    run_model(
        load,
        inputs,
        wanted_of(query, query_column, column),
        output,
        options,
        make_form,
        "a reranker, a model of one label",
        Ranked(top_k) if ranks else iter,
    )


def wanted_of(query: str | None, query_column: str | None, column: str | None) -> Wanted:
    """A query and a document, as a dict of both; with a `query` for all, a document."""
    document = Part("document", "--column", column, "document")
    if query is None:
        parts = (Part("query", "--query-column", query_column, "query"), document)
        return Wanted(parts, ("document",), lambda line, _: {"document": line}, dict)
    return Wanted(
        (document,),
        ("document",),
        lambda line, _: {"document": line},
        lambda texts: {"query": query, "document": texts["document"]},
    )


@dataclass(frozen=True)
class RankedDocument:
    """rank: from 1. index: the place in the input, from 0."""

    rank: int
    index: int
    pair: ScoredPair

    @property
    def coverage(self) -> Coverage:
        """How much of the document was read."""
        return self.pair.coverage

    @property
    def truncated(self) -> bool:
        """Whether a text was truncated."""
        return self.pair.truncated


@dataclass(frozen=True)
class Ranked:
    """Computed items sorted by descending score, equal scores in the order of the input, query by query.

    top_k: how many of a query's are kept; None: all.
    """

    top_k: int | None

    def __call__(self, computed: Iterable[tuple[Item, ScoredPair]]) -> Iterator[tuple[Item, RankedDocument]]:
        """Reads all items of a query first. Raises InputError for a query whose items are not together."""
        done: set[str] = set()
        numbered = ((index, *one) for index, one in enumerate(computed))
        for query, group in groupby(numbered, key=lambda one: one[2].query):
            of_query = list(group)
            if query in done:
                found = f"the query {shown(query, 40)}, of earlier rows too"
                place = of_query[0][1].place
                raise InputError(mismatch(place, found, "the rows of one query together: sort the file"))
            done.add(query)
            best = sorted(of_query, key=lambda one: -one[2].score)[: self.top_k]
            for rank, (index, item, pair) in enumerate(best, start=1):
                yield item, RankedDocument(rank, index, pair)


@dataclass(frozen=True)
class RankForm:
    """How a ranked document is shown. width: of the terminal that long texts are cut to. shows_query: whether
    people see the query beside it."""

    width: int | None = None
    shows_query: bool = False

    @property
    def columns(self) -> dict[str, Any]:
        """The rank, the score, the place in the input, and whether a text was too long."""
        return {"rank": "int64", "score": "float64", "index": "int64", "truncated": "bool"}

    @property
    def names(self) -> list[str]:
        """The members of an object in JSON."""
        return list(self.columns)

    def members(self, prediction: RankedDocument) -> dict[str, Any]:
        """The members of an object; `truncated` if a text was too long."""
        cells = self.cells(prediction)
        return cells if cells["truncated"] else {name: cells[name] for name in ("rank", "score", "index")}

    def cells(self, prediction: RankedDocument) -> dict[str, Any]:
        """The value of each column."""
        pair = prediction.pair
        return {
            "rank": prediction.rank,
            "score": pair.score,
            "index": prediction.index,
            "truncated": pair.truncated,
        }

    def lines(self, prediction: RankedDocument) -> str:
        """One line: rank, score, document."""
        pair = prediction.pair
        begin = f"{prediction.rank:4d}  {pair.score:8.4f}"
        text = f"{pair.query} | {pair.document}" if self.shows_query else pair.document
        return f"{begin}  {cut(_shown(text, pair), len(begin) + 2, self.width)}"


@dataclass(frozen=True)
class ScoreForm:
    """How the score of a pair is shown. width: of the terminal that long texts are cut to."""

    width: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """The score, and whether a text was too long."""
        return {"score": "float64", "truncated": "bool"}

    @property
    def names(self) -> list[str]:
        """The members of an object in JSON."""
        return list(self.columns)

    def members(self, prediction: ScoredPair) -> dict[str, Any]:
        """The score, and `truncated` if a text was too long."""
        row: dict[str, Any] = {"score": prediction.score}
        return {**row, "truncated": True} if prediction.truncated else row

    def cells(self, prediction: ScoredPair) -> dict[str, Any]:
        """The value of each column."""
        return {"score": prediction.score, "truncated": prediction.truncated}

    def lines(self, prediction: ScoredPair) -> str:
        """One line."""
        score = f"{prediction.score:8.4f}"
        texts = _shown(f"{prediction.query} | {prediction.document}", prediction)
        return f"{score}  {cut(texts, len(score) + 2, self.width)}"


def _shown(text: str, pair: ScoredPair) -> str:
    return printable(text) + (" [truncated]" if pair.truncated else "")
