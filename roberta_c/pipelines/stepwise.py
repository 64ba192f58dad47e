"""A pipeline's call as its three steps, for callers that form batches themselves, such as a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .base import Pipeline
from .windows import Window


class Steps:
    """The steps of calls with fixed options: texts → rows and windows, windows → outputs, outputs → results.

    The outputs of a window have the same bits in any batch, so that windows of several callers whose steps
    have equal options can be computed together. Any number of threads may call the methods.

    pipeline: any task's. options: those of a call. Raises InputError.
    """

    def __init__(self, pipeline: Pipeline[Any, Any, Any], **options: Any) -> None:
        self.pipeline = pipeline
        self.options = pipeline._checked(pipeline.options.changed(options), options)
        self.max_tokens = pipeline._max_tokens(self.options)

    def row(self, text: Any, name: str) -> Any:
        """A caller's text as a checked row, which messages call `name`. Raises InputError."""
        return self.pipeline._row(text, name, self.options)

    def windows(self, rows: Sequence[Any], name_of: Callable[[int], str]) -> list[list[Window]]:
        """The windows of each row; `name_of(index)` is what messages call that row. Raises InputError."""
        return self.pipeline._windows(rows, self.options, self.max_tokens, name_of)

    def outputs(self, windows: Sequence[Window]) -> Sequence[Any] | np.ndarray:
        """What the model computes of each window of a batch; of an array, each row. ModelFileError."""
        return self.pipeline._outputs(windows, self.options)

    def prediction(self, row: Any, windows: Sequence[Window], outputs: Sequence[Any]) -> Any:
        """The prediction of a row from its windows and their outputs; it has a TextPrediction's fields."""
        return self.pipeline._prediction(row, windows, outputs, self.options)

    def result(self, prediction: Any) -> Any:
        """What a call returns for one text of a list."""
        return self.pipeline._result(prediction, self.options)
