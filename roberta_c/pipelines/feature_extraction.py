"""Feature extraction: the hidden states of a text's tokens, as transformers 5.23's pipeline gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, mismatch, shown
from ..model import RobertaModel
from ..model.auto import AutoModel
from .base import Pipeline
from .long_texts import merged_rows
from .options import PipelineOptions
from .rows import TextRow
from .windows import Coverage, TextPrediction, Window, coverage


@dataclass(frozen=True)
class FeatureOptions(PipelineOptions):
    """The options of PipelineOptions and one more.

    return_tensors: True or "np" for float32 arrays (1, tokens, H); False for nested lists of these numbers.
    """

    return_tensors: bool | str = False

    def _check(self) -> None:
        super()._check()
        given = self.return_tensors
        if not isinstance(given, bool | None) and not (isinstance(given, str) and given == "np"):
            expected = "True, False or 'np': arrays are numpy's"
            raise InputError(mismatch("return_tensors", shown(given), expected))


@dataclass(frozen=True)
class Features(TextPrediction):
    """The last hidden states of one text, float32 (tokens, H), special tokens included."""

    row: TextRow
    states_th: np.ndarray
    coverage: Coverage


class FeatureExtractionPipeline(Pipeline[FeatureOptions, TextRow, Features]):
    """`extract(texts)` → the last hidden states of each text; `pipeline("feature-extraction", …)` makes it.

    `texts` and the attributes are those of Pipeline, and the options those of FeatureOptions. A text's result
    is a list of one list of its tokens' states, or an array (1, tokens, H). With `long_text="windows"` it has
    all tokens of the text, each as the window computes it where the token has most context.
    """

    task = "feature-extraction"
    options_class = FeatureOptions
    auto_class = AutoModel
    model_class = RobertaModel
    model: RobertaModel
    reads_windows: ClassVar[bool] = True
    block_batches: ClassVar[int] = 1  # base size: 1.5 MB for a text of 512 tokens

    def _outputs(self, windows: Sequence[Window], options: FeatureOptions) -> Sequence[np.ndarray]:
        states = self.model([window.ids for window in windows], output_hidden_states=False)[0]
        for states_th in states:
            self._check_finite(states_th)
        return list(states)

    def _prediction(
        self, row: TextRow, windows: Sequence[Window], outputs: Sequence[Any], options: FeatureOptions
    ) -> Features:
        return Features(row, merged_rows(windows, outputs), coverage(windows))

    def _result(self, prediction: Features, options: FeatureOptions) -> Any:
        states_1th = prediction.states_th[None].copy()
        return states_1th if options.return_tensors else states_1th.tolist()
