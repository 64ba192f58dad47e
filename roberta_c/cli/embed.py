"""`roberta-c embed`: texts → vectors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, mismatch
from .file_kinds import VECTOR_KINDS
from .help_page import HelpCommand
from .inputs import Item
from .label_results import cut
from .long_texts import LengthsForm, long_text_arguments, long_text_options
from .messages import report
from .options import (
    AtLeast,
    check_one_of,
    model_option,
    prompt_options,
    task_options,
    text_options,
    vector_output_options,
)
from .output_options import OutputOptions
from .run import InputOptions, run_model
from .sentence_models import load_sentence_transformer
from .terminal_text import printable
from .texts import one_text

if TYPE_CHECKING:
    import numpy as np

    from ..sentence.embedder import Embedder, Embedding
    from ..sentence.sentence_transformer import SentenceTransformer

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
# A precision that numbers the steps of each column's range, which all vectors together have.
_RANGED = ("int8", "uint8")
# Ranges of fewer vectors are too narrow for others.
_FEW = 100
_SHOWN_NUMBERS = 4


@click.command(cls=HelpCommand)
@model_option
@text_options()
@vector_output_options
@click.option(
    "--query", "as_query", is_flag=True, help="Texts are queries: put the model's prompt for these before."
)
@click.option(
    "--document",
    "as_document",
    is_flag=True,
    help="Texts are documents: put the model's prompt for these before.",
)
@prompt_options("each text")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    metavar="TYPE",
    help="Numbers of the vectors: float32; int8 or uint8, by the range of all vectors of the run; binary or "
    "ubinary, 8 numbers as the bits of one.",
)
@click.option("--truncate-dim", type=AtLeast(1), metavar="N", help="Keep the first N numbers of a vector.")
@click.option("--normalize", is_flag=True, help="Divide each vector by its length.")
@long_text_options()
@task_options("Texts per batch. With 1, each result is written before the next text is read.")
def embed(
    as_query: bool,
    as_document: bool,
    prompt_name: str | None,
    prompt: str | None,
    precision: str,
    truncate_dim: int | None,
    normalize: bool,
    batch_size: int,
    **options: Any,
) -> None:
    """Turn texts into vectors, as a model of sentence-transformers does.

    \b
    Examples:
      roberta-c embed --model org/name --file texts.txt -o vectors.npy
      roberta-c embed --model org/name --query "How tall is it?" --format jsonl
      roberta-c embed --model org/name --document --file docs.csv --column body -o docs.parquet
      roberta-c embed --model org/name --file texts.txt --precision binary -o vectors.npz

    Texts are read as by classify. .npy is an array (texts, numbers); .npz has the arrays vectors and texts; a
    row of the other formats has embedding, a list of numbers (in CSV and TSV as JSON). A model without
    modules.json, such as the bundled one, gives the mean of its tokens' vectors. With --long-text windows,
    the vector of a long text is the mean of its windows', weighted by their tokens.
    """
    inputs = InputOptions.of(options)
    wanted = one_text(inputs, options)
    check_one_of(query=as_query, document=as_document, prompt_name=prompt_name, prompt=prompt)
    output = OutputOptions.of(options, has_vectors=True)
    reading = long_text_arguments(options)
    max_length, has_lengths = reading.pop("max_length", None), reading["return_lengths"]
    if has_lengths and output.kind() in VECTOR_KINDS:
        raise click.UsageError(mismatch("--lengths", f"the format {output.kind()}", "one with columns"))
    if precision in _RANGED:
        _check_whole(precision, inputs, output)

    def load(model: str | None, **keywords: Any) -> Embedder:
        loaded = load_sentence_transformer(model, max_length, keywords)
        return loaded.embedder(
            prompt_name=_role_prompt(loaded, as_query, as_document) or prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            truncate_dim=truncate_dim,
            normalize=normalize,
            **reading,
        )

    def make_form(embedder: Embedder, _: str, width: int | None) -> EmbeddingForm | LengthsForm:
        form = EmbeddingForm(embedder.width, precision, len(inputs.texts) == 1, width)
        return LengthsForm(form) if has_lengths else form

    run_model(load, inputs, wanted, output, options, make_form, arranged=_Quantized(precision))


def _role_prompt(model: SentenceTransformer, as_query: bool, as_document: bool) -> str | None:
    if as_query or as_document:
        return model.role_prompt_name("query" if as_query else "document")
    return None


def _check_whole(precision: str, inputs: InputOptions, output: OutputOptions) -> None:
    """UsageError where the run does not see all vectors, whose ranges `precision` needs."""
    expected = "float32, binary or ubinary: its ranges are those of all vectors"
    path = inputs.path or "-"
    is_stream = path == "-" or (os.path.exists(path) and not os.path.isfile(path))
    if is_stream and not inputs.texts:
        raise click.UsageError(mismatch("--precision", f"{precision} of a stream", f"--file, or {expected}"))
    if output.resume:
        raise click.UsageError(mismatch("--precision", f"{precision} with --resume", expected))


@dataclass(frozen=True)
class _Quantized:
    """Computed items with their vectors in a precision. Those of int8 and uint8 are all held in memory."""

    precision: str

    def __call__(self, computed: Iterable[tuple[Item, Embedding]]) -> Iterator[tuple[Item, Embedding]]:
        """Raises InputError if there is one text alone, which has no range."""
        if self.precision == "float32":
            yield from computed
            return
        from ..sentence.quantization import quantize_embeddings

        ranges = None
        if self.precision in _RANGED:
            computed = list(computed)
            ranges = self._ranges([embedding.value for _, embedding in computed])
        for item, embedding in computed:
            yield item, replace(embedding, value=quantize_embeddings(embedding.value, self.precision, ranges))

    def _ranges(self, vectors: list[np.ndarray]) -> Any:
        import numpy as np

        if len(vectors) == 1:
            raise InputError(mismatch("--precision", f"{self.precision} of 1 text", "many texts, or float32"))
        if not vectors:
            return None
        if len(vectors) < _FEW:
            expected = f"{_FEW} or more: the vectors of other texts may be outside of them"
            report("warning", mismatch("--precision", f"ranges of {len(vectors)} texts", expected))
        least_d, most_d = vectors[0].copy(), vectors[0].copy()
        for vector_d in vectors:
            np.minimum(least_d, vector_d, out=least_d)
            np.maximum(most_d, vector_d, out=most_d)
        return np.stack((least_d, most_d))


@dataclass(frozen=True)
class EmbeddingForm:
    """How a vector is shown.

    floats: how many numbers the model computes. is_single: there is one text. columns_of_terminal: None: long
    texts are not cut.
    """

    floats: int
    precision: str
    is_single: bool = False
    columns_of_terminal: int | None = None

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return -(-self.floats // 8) if self.precision.endswith("binary") else self.floats

    @property
    def _kind(self) -> str:
        return {"binary": "int8", "ubinary": "uint8"}.get(self.precision, self.precision)

    @property
    def dtype(self) -> str:
        """The type of the numbers, as NumPy writes it."""
        import numpy as np

        return np.dtype(self._kind).str

    @property
    def columns(self) -> dict[str, Any]:
        """The vector, and whether the text was too long."""
        return {"embedding": [self._kind], "truncated": "bool"}

    @property
    def names(self) -> list[str]:
        """The members of an object in JSON."""
        return list(self.columns)

    def members(self, prediction: Embedding) -> dict[str, Any]:
        """The vector, and `truncated` if the text was too long."""
        row: dict[str, Any] = {"embedding": numbers(prediction.value)}
        return {**row, "truncated": True} if prediction.truncated else row

    def cells(self, prediction: Embedding) -> dict[str, Any]:
        """The value of each column."""
        return {"embedding": numbers(prediction.value), "truncated": bool(prediction.truncated)}

    def lines(self, prediction: Embedding) -> str:
        """The first numbers and the length of the vector beside the text; of a single text, below it."""
        vector_d = prediction.value
        is_float = vector_d.dtype.kind == "f"
        first = vector_d[:_SHOWN_NUMBERS].tolist()
        shown = " ".join(f"{one:8.4f}" if is_float else f"{one:4d}" for one in first)
        more = " …" if len(vector_d) > _SHOWN_NUMBERS else ""
        norm = f"norm {float((vector_d.astype('float64') ** 2).sum()) ** 0.5:.4f}" if is_float else ""
        text = printable(prediction.text) + (" [truncated]" if prediction.truncated else "")
        if self.is_single:
            count = f"{len(vector_d)} numbers of {self._kind}" + (f", {norm}" if norm else "")
            return f"{text}\n  {shown}{more}\n  {count}"
        line = "  ".join([shown + more, *([norm] if norm else [])])
        return f"{line}  {cut(text, len(line) + 2, self.columns_of_terminal)}"


def numbers(vector_d: np.ndarray) -> list[Any]:
    """The numbers of a vector for JSON: for float32 the shortest decimals that are read as the same."""
    exact: list[Any] = vector_d.tolist()
    if vector_d.dtype.kind != "f":
        return exact
    import numpy as np

    short = [float(text) for text in vector_d.astype("U32").tolist()]
    # A reader rounds to float64 before float32, which may end at a neighbour.
    return short if np.array_equal(np.array(short, np.float32), vector_d) else exact
