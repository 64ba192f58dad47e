"""What all tasks share: forms of input, batches by length, equal texts computed once, results in order.

texts → rows → windows → distinct rows → token ids → batches of similar length → predictions → results

The model computes the same bits for a text whatever else is in its batch. So the rows of a window are
reordered by length, and equal rows are computed once; results follow the order of the texts.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from ..errors import InputError, ModelFileError, mismatch, shown
from .options import PipelineOptions
from .texts import EncodedRow, TextRow, as_row, batches_by_length, encode_rows, windows

if TYPE_CHECKING:
    from ..model.auto import AutoModelClass
    from ..model.pretrained import PreTrainedModel

logger = logging.getLogger(__name__)


class RowPrediction(Protocol):
    """What a task computes of one row: a class with the task's own fields, and this one."""

    @property
    def truncated(self) -> bool:
        """Whether tokens of the row were cut off."""


OptionsT = TypeVar("OptionsT", bound=PipelineOptions)
PredictionT = TypeVar("PredictionT", bound=RowPrediction)


def text_name(index: int) -> str:
    """What messages call the text at `index` of a list or an iterator."""
    return f"texts[{index}]"


class Pipeline(ABC, Generic[OptionsT, PredictionT]):
    """A model and its tokenizer as a callable from texts to results; each task derives a class from it.

    A task implements `_predict` (the token ids of a batch → a prediction for each row) and `_result` (a
    prediction → what a call returns for that text), and may implement `_single_result`.

    It also sets the class attributes that `pipeline(…)` reads: `task`, its name; `options_class`, the options
    of its calls; `auto_class`, which loads a model; `model_class`, of which a loaded model is an instance.

    Attributes: `model`; `tokenizer`; `options`, the defaults of every call. Calls do not change a pipeline;
    several threads may call it at once.
    """

    task: ClassVar[str]
    options_class: ClassVar[type[PipelineOptions]]
    auto_class: ClassVar[type[AutoModelClass]]
    model_class: ClassVar[type[PreTrainedModel]]

    def __init__(self, model: PreTrainedModel, tokenizer: Any, options: OptionsT) -> None:
        """Raises InputError for a `max_length` that the model does not take."""
        self.model = model
        self.tokenizer = tokenizer
        self.options = options
        self._max_tokens(options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model_name()})"

    def __call__(self, texts: Any, **options: Any) -> Any:
        """The results of texts, with `options` changed for this call.

        texts: a str; a dict {"text": str, "text_pair": str} for a pair; a list of these; or an iterator
            over these.

        Returns one result for a str or a dict, the list of the results for a list, and for an iterator an
        iterator that reads and computes a window of some batches at a time.

        Texts with more tokens than the model takes are truncated, and one logged warning counts them.
        Raises InputError; ModelFileError if the model's outputs are not numbers.
        """
        chosen = self.options.changed(options)
        max_tokens = self._max_tokens(chosen)
        if isinstance(texts, list):
            rows = [as_row(text, text_name(index)) for index, text in enumerate(texts)]
            predictions = self._predictions(rows, chosen, max_tokens, across_windows=True)
            return [self._result(prediction, chosen) for prediction in predictions]
        if isinstance(texts, Iterator):
            lazy_rows = (as_row(text, text_name(index)) for index, text in enumerate(texts))
            lazy_predictions = self._predictions(lazy_rows, chosen, max_tokens)
            return (self._result(prediction, chosen) for prediction in lazy_predictions)
        if not isinstance(texts, (str, dict)):
            expected = "str, a dict with text and text_pair, or a list or iterator of these"
            raise InputError(mismatch("texts", type(texts).__name__, expected))
        row = as_row(texts, "texts")
        (prediction,) = self._predictions([row], chosen, max_tokens, lambda _: "texts")
        return self._single_result(self._result(prediction, chosen), texts, chosen, options)

    def predictions(self, texts: Iterable[Any], **options: Any) -> Iterator[PredictionT]:
        """The prediction of each text, in order, read and computed a window at a time, in bounded memory.

        `texts` is any iterable; its texts and the `options` are those of a call. A prediction has all that
        the model computed of a text, and whether the text was truncated.
        """
        chosen = self.options.changed(options)
        rows = (as_row(text, text_name(index)) for index, text in enumerate(texts))
        return self._predictions(rows, chosen, self._max_tokens(chosen))

    @property
    def max_tokens(self) -> int:
        """How many tokens a text may have by default, special tokens included."""
        return self._max_tokens(self.options)

    # What a task implements

    @abstractmethod
    def _predict(
        self, rows: Sequence[TextRow], encoded: Sequence[EncodedRow], options: OptionsT
    ) -> Sequence[PredictionT]:
        """The predictions of one batch. `encoded` holds the token ids of `rows`, in the same order."""

    @abstractmethod
    def _result(self, prediction: PredictionT, options: OptionsT) -> Any:
        """What a call returns for one text of a list; a new object each time, as callers may change it."""

    def _single_result(
        self, result: Any, text: str | dict[str, Any], options: OptionsT, given: Mapping[str, Any]
    ) -> Any:
        """What a call on a single text returns; `given` holds the keywords of that call alone."""
        return result

    # What tasks use

    def _check_finite(self, outputs: np.ndarray) -> None:
        """Raise ModelFileError if an output of the model is NaN or infinite."""
        if not np.isfinite(outputs).all():
            found = "outputs that are NaN or infinite"
            raise ModelFileError(
                mismatch(self.model.name_or_path, found, "finite numbers: the weights are damaged")
            )

    def _model_name(self) -> str:
        """The model as `__repr__` shows it."""
        return f"{type(self.model).__name__} {shown(self.model.name_or_path)}"

    # From rows to predictions

    def _predictions(
        self,
        rows: Iterable[TextRow],
        options: OptionsT,
        max_tokens: int,
        name_of: Callable[[int], str] = text_name,
        across_windows: bool = False,
    ) -> Iterator[PredictionT]:
        """The prediction of each row, in order.

        Equal rows are computed once: those of one window or, with `across_windows`, of all windows, whose
        predictions are then all held in memory. `name_of(index)` is what messages call a row. When the
        iterator ends or is closed, a warning counts the truncated rows that it returned.
        """
        known: dict[TextRow, PredictionT] = {}
        count = truncated = 0
        try:
            for window in windows(rows, options.batch_size):
                if not across_windows:
                    known = {}
                new_rows: dict[TextRow, int] = {}
                for index, row in enumerate(window, start=count):
                    if row not in known:
                        new_rows.setdefault(row, index)
                known.update(self._computed(new_rows, options, max_tokens, name_of))
                for row in window:
                    count += 1
                    truncated += known[row].truncated
                    yield known[row]
        finally:
            if truncated:
                logger.warning(
                    "%d of %d texts truncated: longer than %d tokens", truncated, count, max_tokens
                )

    def _computed(
        self,
        rows: Mapping[TextRow, int],
        options: OptionsT,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> dict[TextRow, PredictionT]:
        """The predictions of `rows`, which map each row to its index in the input."""
        distinct, indexes = list(rows), list(rows.values())
        encoded = encode_rows(
            self.tokenizer,
            distinct,
            max_tokens,
            options.truncation_name,
            lambda position: name_of(indexes[position]),
        )
        computed: dict[TextRow, PredictionT] = {}
        for batch in batches_by_length([len(row.ids) for row in encoded], options.batch_size):
            batch_rows = [distinct[position] for position in batch]
            predictions = self._predict(batch_rows, [encoded[position] for position in batch], options)
            computed.update(zip(batch_rows, predictions, strict=True))
        return computed

    def _max_tokens(self, options: OptionsT) -> int:
        """How many tokens a row may have: the least of what model, tokenizer and caller allow."""
        model_limit = self.model.config.max_tokens
        if options.truncation_name == "do_not_truncate":
            return model_limit
        if options.max_length is None:
            return min(model_limit, getattr(self.tokenizer, "model_max_length", model_limit))
        if options.max_length > model_limit:
            expected = f"at most {model_limit}, the model's limit"
            raise InputError(mismatch("max_length", options.max_length, expected))
        return options.max_length
