"""What all tasks share: forms of input, batches by length, equal texts computed once, results in order.

texts → rows → blocks → distinct rows → windows of token ids → batches of similar length → outputs →
predictions → results

The model computes the same bits for a text whatever else is in its batch. So the windows of a block are
reordered by length, and equal rows are computed once; results follow the order of the texts.
"""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast

import numpy as np

from ..config.load_keywords import PIPELINE_KEYWORDS, without_foreign
from ..errors import InputError, ModelFileError, mismatch, shown
from ..missing_names import HasMissingNames
from ..tokenizer import PreTrainedTokenizerFast
from ..tokenizer.encode_options import DO_NOT_TRUNCATE
from ..tokenizer.text_input import as_listed
from .ahead import one_ahead
from .batches import batches_by_length
from .long_texts import encode_texts
from .options import WINDOWS, PipelineOptions
from .rows import BLOCK_BATCHES, TextRow, as_row, blocks
from .windows import Window, lengths_of

if TYPE_CHECKING:
    from ..model.auto import AutoModelClass
    from ..model.pretrained import PreTrainedModel

logger = logging.getLogger(__name__)


# Methods of transformers' pipelines that are not here → what to do instead.
MISSING_NAMES = {
    **dict.fromkeys(
        ("preprocess", "forward", "postprocess", "run_single", "get_iterator"),
        "a call of the pipeline, or pipeline.tokenizer and pipeline.model for its steps",
    ),
    **dict.fromkeys(
        ("device_placement", "ensure_tensor_on_device", "get_inference_context", "check_model_type"),
        "no call: there is the CPU alone, and a model is checked when the pipeline is made",
    ),
    "push_to_hub": "save_pretrained(folder), which huggingface_hub uploads",
}


class RowPrediction(Protocol):
    """What a task computes of one row: a class with the task's own fields, and this one."""

    @property
    def truncated(self) -> bool:
        """Whether tokens of the row were cut off."""


RowT = TypeVar("RowT", bound=tuple[Any, ...])
OptionsT = TypeVar("OptionsT", bound=PipelineOptions)
PredictionT = TypeVar("PredictionT", bound=RowPrediction)
BlockT = TypeVar("BlockT")


def text_name(index: int) -> str:
    """What messages call the text at `index` of a list or an iterator."""
    return f"texts[{index}]"


class Pipeline(HasMissingNames, ABC, Generic[OptionsT, RowT, PredictionT]):
    """A model and its tokenizer as a callable from texts to results; each task derives a class from it.

    A task implements `_outputs` (windows of token ids → what the model computes of each), `_prediction` (a
    row and the outputs of its windows → a prediction) and `_result` (a prediction → what a call returns for
    that text). It may change `_row` (a caller's text → a row), `_windows` (rows → windows of token ids) and
    `_single_result`.

    It also sets the class attributes that `pipeline(…)` reads: `task`, its name; `options_class`, the options
    of its calls; `auto_class`, which loads a model; `model_class`, of which a loaded model is an instance.

    Attributes: `model`; `tokenizer`; `options`, the defaults of every call. Calls do not change a pipeline;
    several threads may call it at once.
    """

    missing_names = MISSING_NAMES
    task: ClassVar[str]
    options_class: ClassVar[type[PipelineOptions]]
    auto_class: ClassVar[type[AutoModelClass]]
    model_class: ClassVar[type[PreTrainedModel]]
    # What one text may be, in messages.
    forms: ClassVar[str] = "a str, or a dict with text and text_pair"
    # transformers' keywords for the texts.
    names_of_texts: ClassVar[tuple[str, ...]] = ("inputs", "sequences")
    # Whether it needs what only this package's tokenizers give: places of tokens in the text, parts of pairs.
    needs_own_tokenizer: ClassVar[bool] = False
    # Whether `_prediction` takes several windows and gives a Coverage, for `long_text` and `return_lengths`.
    reads_windows: ClassVar[bool] = False
    # The most batches that are read ahead: fewer where the outputs are large.
    block_batches: ClassVar[int] = BLOCK_BATCHES

    def __init__(
        self, model: PreTrainedModel, tokenizer: Any, options: OptionsT | None = None, **keywords: Any
    ) -> None:
        """keywords: single options, as `pipeline(…)` takes them. Raises InputError."""
        if not hasattr(model, "config"):
            raise InputError(mismatch("model", shown(model), "a loaded model"))
        if self.needs_own_tokenizer and not isinstance(tokenizer, PreTrainedTokenizerFast):
            found = f"{type(tokenizer).__module__}.{type(tokenizer).__name__}"
            expected = "one of roberta_c's, which gives the places of tokens: roberta_c.AutoTokenizer"
            raise InputError(mismatch("tokenizer", found, expected))
        if isinstance(tokenizer, PreTrainedTokenizerFast):
            tokenizer.check_fits(model.config.vocab_size)
        chosen = self.options_class() if options is None else options
        if not isinstance(chosen, self.options_class):
            raise InputError(mismatch("options", shown(options), f"a {self.options_class.__name__} or None"))
        keywords = without_foreign(keywords, PIPELINE_KEYWORDS)
        self.model = model
        self.tokenizer = tokenizer
        self.options: OptionsT = chosen.changed(keywords) if keywords else chosen  # type: ignore[assignment]
        self._check_reading(self.options)
        self._max_tokens(self.options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model_name()})"

    def __call__(self, texts: Any = None, **options: Any) -> Any:
        """The results of texts, with `options` changed for this call.

        texts: a str; a dict {"text": str, "text_pair": str} for a pair; a list of these, or what holds them
            as a list does (a numpy array, a pandas or polars Series, a column of datasets); or an iterator
            over these.

        Returns one result for a str or a dict, the list of the results for a list, and for an iterator an
        iterator that computes a block of some batches at a time, and reads a block ahead.

        Texts with more tokens than the model takes are truncated, and one logged warning counts them; see
        `long_text` and `return_lengths` in PipelineOptions.
        Raises InputError; ModelFileError if the model's outputs are not numbers.
        """
        for name in self.names_of_texts:
            if texts is None and name in options:
                texts = options.pop(name)
        chosen = self._checked(self.options.changed(options), options)
        max_tokens = self._max_tokens(chosen)
        if self._is_single(texts, chosen):
            row = self._row(texts, "texts", chosen)
            (prediction,) = self._predictions([row], chosen, max_tokens, lambda _: "texts")
            result = self._single_result(self._result(prediction, chosen), texts, chosen, options)
            return {"result": result, **lengths_of(prediction)} if chosen.return_lengths else result
        if isinstance(texts, Iterator):
            lazy_rows = (self._row(text, text_name(index), chosen) for index, text in enumerate(texts))
            lazy_predictions = self._predictions(lazy_rows, chosen, max_tokens)
            return (self._returned(prediction, chosen) for prediction in lazy_predictions)
        listed = as_listed(texts)
        if listed is None:
            expected = f"{self.forms}, or a list or iterator of these"
            raise InputError(mismatch("texts", type(texts).__name__, expected))
        rows = [self._row(text, text_name(index), chosen) for index, text in enumerate(listed)]
        predictions = self._predictions(rows, chosen, max_tokens, across_blocks=True)
        return [self._returned(prediction, chosen) for prediction in predictions]

    def predict(self, texts: Any) -> Any:
        """The results of texts, under scikit-learn's name, as transformers has it."""
        return self(texts)

    def transform(self, texts: Any) -> Any:
        """The results of texts, under scikit-learn's name, as transformers has it."""
        return self(texts)

    def predictions(self, texts: Iterable[Any], **options: Any) -> Iterator[PredictionT]:
        """The prediction of each text, in order, read and computed a block at a time, in bounded memory.

        `texts` is any iterable; its texts and the `options` are those of a call. A prediction has all that
        the model computed of a text, and how much of it was read: `n_tokens`, `truncated` and `windows`, the
        fields of Coverage.
        """
        chosen = self._checked(self.options.changed(options), options)
        try:  # of a text or a mapping, the characters or keys would be taken for texts
            source = None if isinstance(texts, (str, bytes, Mapping)) else iter(texts)
        except TypeError:
            source = None
        if source is None:
            expected = f"a list or an iterator of {self.forms}"
            raise InputError(mismatch("texts", type(texts).__name__, expected))
        rows = (self._row(text, text_name(index), chosen) for index, text in enumerate(source))
        return self._predictions(rows, chosen, self._max_tokens(chosen))

    @property
    def max_tokens(self) -> int:
        """How many tokens a text may have by default, special tokens included."""
        return self._max_tokens(self.options)

    @property
    def device(self) -> Any:
        """The CPU, as `model.device`."""
        return self.model.device

    @property
    def dtype(self) -> str:
        """The arithmetic of the model's layers, as `model.dtype`."""
        return self.model.dtype

    @property
    def torch_dtype(self) -> str:
        """`dtype`, under the name of transformers 4."""
        return self.model.dtype

    def save_pretrained(self, save_directory: str | os.PathLike[str], **keywords: Any) -> None:
        """Write the model and the tokenizer into a folder; see the model's `save_pretrained`."""
        self.model.save_pretrained(save_directory, **keywords)
        self.tokenizer.save_pretrained(save_directory)

    # What a task implements

    @abstractmethod
    def _outputs(self, windows: Sequence[Window], options: OptionsT) -> Sequence[Any] | np.ndarray:
        """What the model computes of each window of one batch; of an array, each row."""

    @abstractmethod
    def _prediction(
        self, row: RowT, windows: Sequence[Window], outputs: Sequence[Any], options: OptionsT
    ) -> PredictionT:
        """The prediction of a row from its windows and their outputs."""

    @abstractmethod
    def _result(self, prediction: PredictionT, options: OptionsT) -> Any:
        """What a call returns for one text of a list; a new object each time, as callers may change it."""

    # What a task may change

    def _is_single(self, texts: Any, options: OptionsT) -> bool:
        """Whether `texts` is one text and not several."""
        return isinstance(texts, (str, dict))

    def _row(self, text: Any, name: str, options: OptionsT) -> RowT:
        """A caller's text as a checked row, which messages call `name`. Raises InputError."""
        return as_row(text, name)  # type: ignore[return-value]  # a task with other rows changes this method

    def _windows(
        self, rows: Sequence[RowT], options: OptionsT, max_tokens: int, name_of: Callable[[int], str]
    ) -> list[list[Window]]:
        """The windows of each row; `name_of(index)` is what messages call that row. Raises InputError."""
        texts = cast("Sequence[TextRow]", rows)  # a task with other rows changes this method
        return encode_texts(self.tokenizer, texts, max_tokens, options, name_of)

    def _single_result(self, result: Any, text: Any, options: OptionsT, given: Mapping[str, Any]) -> Any:
        """What a call on a single text returns; `given` holds the keywords of that call alone."""
        return result

    def _prepared(self, options: OptionsT, given: Mapping[str, Any]) -> OptionsT:
        """The options of a call, checked against model and tokenizer; `given`: those of that call alone."""
        return options

    # What tasks use

    def _check_finite(self, outputs: np.ndarray) -> None:
        """Raise ModelFileError if an output of the model is NaN or infinite."""
        check_finite(outputs, self.model)

    def _warn_of_truncated(self, truncated: int, count: int, max_tokens: int) -> None:
        """Log a warning if any of `count` texts were truncated."""
        if truncated:
            message = "%d of %d texts truncated: longer than %d tokens%s"
            logger.warning(message, truncated, count, max_tokens, self._advice)

    @property
    def _advice(self) -> str:
        """What the warning of truncated texts ends with."""
        return '; long_text="windows" reads all of them' if self.reads_windows else ""

    def _label(self, index: int) -> str:
        """The name of the model's output `index`, as its config has it now: callers rename labels."""
        labels = self.model.config.id2label
        if index not in labels:
            place = f"{self.model.name_or_path}: config.id2label"
            expected = f"a label for each output of the model, also for {index}"
            raise ModelFileError(mismatch(place, f"{len(labels)} labels", expected))
        return labels[index]

    def _model_name(self) -> str:
        """The model as `__repr__` shows it."""
        return f"{type(self.model).__name__} {shown(self.model.name_or_path)}"

    # From options and predictions of a call to its results

    def _checked(self, options: OptionsT, given: Mapping[str, Any]) -> OptionsT:
        """The options of a call, checked against tokenizer and model; `given`: those of that call alone."""
        self._check_reading(options)
        return self._prepared(options, given)

    def _check_reading(self, options: PipelineOptions) -> None:
        """Raise InputError for windows or lengths, where this class or its tokenizer does not give them."""
        wanted = {"long_text": options.long_text == WINDOWS, "return_lengths": options.return_lengths}
        for name in (name for name, is_wanted in wanted.items() if is_wanted):
            found = shown(getattr(options, name))
            if not self.reads_windows:
                raise InputError(mismatch(name, found, "it to be left out"))
            if not isinstance(self.tokenizer, PreTrainedTokenizerFast):
                expected = "it to be left out, or a tokenizer of roberta_c, which gives the places of tokens"
                raise InputError(mismatch(name, found, expected))

    def _returned(self, prediction: PredictionT, options: OptionsT) -> Any:
        """What a call returns for one text of several."""
        result = self._result(prediction, options)
        return {"result": result, **lengths_of(prediction)} if options.return_lengths else result

    # From rows to predictions

    def _predictions(
        self,
        rows: Iterable[RowT],
        options: OptionsT,
        max_tokens: int,
        name_of: Callable[[int], str] = text_name,
        across_blocks: bool = False,
    ) -> Iterator[PredictionT]:
        """The prediction of each row, in order.

        Equal rows are computed once: those of one block or, with `across_blocks`, of all blocks, whose
        predictions are then all held in memory. `name_of(index)` is what messages call a row. When the
        iterator ends or is closed, a warning counts the truncated rows that it returned.
        """
        known: dict[RowT, PredictionT] = {}
        count = truncated = 0
        read = blocks(rows, options.batch_size, self.block_batches)
        divided = _with_new_rows(read, across_blocks)
        try:
            for block, computed in self._computed(divided, options, max_tokens, name_of):
                if not across_blocks:
                    known = {}
                known.update(computed)
                for row in block:
                    count += 1
                    truncated += known[row].truncated
                    yield known[row]
        finally:
            self._warn_of_truncated(truncated, count, max_tokens)

    def _computed(
        self,
        blocks_with_rows: Iterable[tuple[BlockT, Mapping[RowT, int]]],
        options: OptionsT,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> Iterator[tuple[BlockT, dict[RowT, PredictionT]]]:
        """Each block with the predictions of its rows, which map each row to its index in the input.

        The rows of the next block are tokenized while a block is computed; with a batch_size of 1 they are
        not even read then.
        """

        def encoded(block: tuple[BlockT, Mapping[RowT, int]]) -> list[list[Window]]:
            indexes = list(block[1].values())
            return self._windows(
                list(block[1]), options, max_tokens, lambda position: name_of(indexes[position])
            )

        one_by_one = options.batch_size == 1
        in_turn = ((block, encoded(block)) for block in blocks_with_rows)
        for (block, rows), windows in in_turn if one_by_one else one_ahead(blocks_with_rows, encoded):
            yield block, self._computed_rows(list(rows), windows, options)

    def _computed_rows(
        self, rows: Sequence[RowT], windows: Sequence[Sequence[Window]], options: OptionsT
    ) -> dict[RowT, PredictionT]:
        """The predictions of distinct rows from the windows of each."""
        flat = [window for of_row in windows for window in of_row]
        outputs: list[Any] = [None] * len(flat)
        for batch in batches_by_length([len(window.ids) for window in flat], options.batch_size):
            for index, output in zip(
                batch, self._outputs([flat[index] for index in batch], options), strict=True
            ):
                outputs[index] = output
        computed: dict[RowT, PredictionT] = {}
        first = 0
        for row, of_row in zip(rows, windows, strict=True):
            of_outputs = outputs[first : first + len(of_row)]
            computed[row] = self._prediction(row, of_row, of_outputs, options)
            first += len(of_row)
        return computed

    def _max_tokens(self, options: OptionsT) -> int:
        """How many tokens a row may have: the least of what model, tokenizer and caller allow."""
        model_limit = self.model.config.max_tokens
        if options.max_length is None:
            if options.truncation_name == DO_NOT_TRUNCATE:
                return model_limit
            return min(model_limit, getattr(self.tokenizer, "model_max_length", model_limit))
        if options.max_length > model_limit:
            expected = f"at most {model_limit}, the model's limit"
            raise InputError(mismatch("max_length", options.max_length, expected))
        return options.max_length


def _with_new_rows(
    read: Iterable[list[RowT]], across_blocks: bool
) -> Iterator[tuple[list[RowT], dict[RowT, int]]]:
    """Each block with its distinct rows and their indexes; `across_blocks`: those that no earlier one has."""
    known: set[RowT] = set()
    count = 0
    for block in read:
        new_rows: dict[RowT, int] = {}
        for index, row in enumerate(block, start=count):
            if row not in known:
                new_rows.setdefault(row, index)
        if across_blocks:
            known.update(new_rows)
        count += len(block)
        yield block, new_rows


def check_finite(outputs: np.ndarray, model: Any) -> None:
    """Raise ModelFileError, which names the model, if an output of it is NaN or infinite."""
    if not np.isfinite(outputs).all():
        found = "outputs that are NaN or infinite"
        raise ModelFileError(mismatch(model.name_or_path, found, "finite numbers: the weights are damaged"))
