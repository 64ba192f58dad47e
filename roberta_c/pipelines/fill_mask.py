"""Fill-mask: the tokens that fit best at each mask, with the results of transformers 5.23's pipeline."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, mismatch, shown
from ..model import RobertaForMaskedLM
from ..model.auto import AutoModelForMaskedLM
from .base import Pipeline
from .options import PipelineOptions, check_count
from .rows import TextRow
from .windows import Coverage, TextPrediction, Window, coverage

logger = logging.getLogger(__name__)

# How many masks are scored together: each takes a row of scores for the complete vocabulary.
MASKS_AT_ONCE = 32


@dataclass(frozen=True)
class FillMaskOptions(PipelineOptions):
    """How masks are filled: the options of PipelineOptions and these.

    top_k: how many tokens a mask's result has, best first.
    targets: the tokens to choose among, as a str or a list of them; None for all. A target that is no token
        stands for its first token, with a logged warning. Scores stay shares of the complete vocabulary.
    """

    top_k: int = 5
    targets: Any = None
    target_ids: tuple[int, ...] | None = dataclasses.field(default=None, metadata={"derived": True})

    def _check(self) -> None:
        super()._check()
        check_count("top_k", self.top_k, "an integer of at least 1")


@dataclass(frozen=True)
class Filling(TextPrediction):
    """The best tokens of a text's masks.

    ids: the text's token ids. places: of its masks. tokens, scores: a list for each mask, best first.
    """

    row: TextRow
    ids: list[int]
    places: list[int]
    tokens: list[list[int]]
    scores: list[list[float]]
    coverage: Coverage


class FillMaskPipeline(Pipeline[FillMaskOptions, TextRow, Filling]):
    """`fill(texts, **options)` → tokens for each mask; `pipeline("fill-mask", …)` makes it.

    `texts` and the attributes are those of Pipeline, and the options those of FillMaskOptions.

    A text of one mask has a list of {"score": float, "token": int, "token_str": str, "sequence": str}, best
    first; one of several masks has a list of these lists, and in each sequence the other masks stay. As in
    transformers, a list of one text gives the result of that text.

    With `long_text="windows"` masks may be anywhere in a long text. Each is filled by the window where it has
    most context; windows without a mask are not read.
    """

    task = "fill-mask"
    logs_texts = True  # whether warnings show targets; not on a server, where they are a client's
    options_class = FillMaskOptions
    auto_class = AutoModelForMaskedLM
    model_class = RobertaForMaskedLM
    model: RobertaForMaskedLM
    reads_windows: ClassVar[bool] = True

    def __init__(
        self,
        model: RobertaForMaskedLM,
        tokenizer: Any,
        options: FillMaskOptions | None = None,
        **keywords: Any,
    ) -> None:
        """Raises InputError for a tokenizer without a mask token, or a `max_length` the model cannot take."""
        mask_id = getattr(tokenizer, "mask_token_id", None)
        if mask_id is None:
            raise InputError(mismatch("tokenizer", "no mask_token", "one that has it, such as <mask>"))
        self.mask_id = int(mask_id)
        super().__init__(model, tokenizer, options, **keywords)
        self.options = self._with_targets(self.options)

    def __call__(self, texts: Any = None, **options: Any) -> Any:
        """As Pipeline's, but for a list of one text."""
        texts = options.pop("inputs", None) if texts is None else texts
        results = super().__call__(texts, **options)
        return results[0] if isinstance(texts, list) and len(texts) == 1 else results

    def _prepared(self, options: FillMaskOptions, given: Mapping[str, Any]) -> FillMaskOptions:
        return self._with_targets(options) if "targets" in given else options

    def _with_targets(self, options: FillMaskOptions) -> FillMaskOptions:
        ids = None if options.targets is None else self._target_ids(options.targets)
        return dataclasses.replace(options, target_ids=ids)

    def _target_ids(self, targets: Any) -> tuple[int, ...]:
        """The ids of target tokens, each once, ascending. Raises InputError if there are none."""
        listed = [targets] if isinstance(targets, str) else targets
        if not isinstance(listed, (list, tuple)) or not all(isinstance(one, str) for one in listed):
            raise InputError(mismatch("targets", shown(targets), "a str or a list of str"))
        vocabulary = self.tokenizer.get_vocab()
        found = set()
        for target in listed:
            token_id = vocabulary.get(target)
            if token_id is None:
                ids = self.tokenizer(target, add_special_tokens=False)["input_ids"]
                if not ids:
                    if self.logs_texts:
                        logger.warning("targets: %s is no token, and has none: ignored", shown(target))
                    continue
                token_id = ids[0]
                if (
                    len(ids) > 1 and self.logs_texts
                ):  # " the" is one token, but the vocabulary has it under another name
                    token = shown(self.tokenizer.convert_ids_to_tokens(token_id))
                    logger.warning(
                        "targets: %s is no token: its first one, %s, is used", shown(target), token
                    )
            found.add(token_id)
        if not found:
            raise InputError(mismatch("targets", shown(targets), "at least one token"))
        return tuple(sorted(found))

    def _windows(
        self,
        rows: Sequence[TextRow],
        options: FillMaskOptions,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> list[list[Window]]:
        windows = super()._windows(rows, options, max_tokens, name_of)
        mask = self.tokenizer.mask_token
        for index, (first, *_) in enumerate(windows):
            if first.truncated and first.ids.count(self.mask_id) < rows[index].text.count(mask):
                found = f"a mask after the first {max_tokens} tokens"
                expected = f'every {mask} among those the model takes; long_text="windows" reads all texts'
                raise InputError(mismatch(name_of(index), found, expected))
            # The model need not read the windows without a mask.
            windows[index] = [window for window in windows[index] if self._places(window)]
            if not windows[index]:
                raise InputError(mismatch(name_of(index), "a text without a mask", f"{mask} in it"))
        return windows

    def _places(self, window: Window) -> list[int]:
        """Where a window has masks of its own."""
        return [index for index in window.own if window.ids[index] == self.mask_id]

    def _outputs(
        self, windows: Sequence[Window], options: FillMaskOptions
    ) -> list[tuple[list[int], list[list[int]], list[list[float]]]]:
        places = [self._places(window) for window in windows]
        states_rh = self.model.states_at([window.ids for window in windows], places)
        tokens: list[list[int]] = []
        scores: list[list[float]] = []
        for first in range(0, len(states_rh), MASKS_AT_ONCE):
            logits_rv = self.model.lm_head(states_rh[first : first + MASKS_AT_ONCE])
            self._check_finite(logits_rv)
            some_tokens, some_scores = self._best(logits_rv, options)
            tokens += some_tokens
            scores += some_scores
        outputs = []
        first = 0
        for chosen in places:
            last = first + len(chosen)
            outputs.append((chosen, tokens[first:last], scores[first:last]))
            first = last
        return outputs

    def _best(
        self, logits_rv: np.ndarray, options: FillMaskOptions
    ) -> tuple[list[list[int]], list[list[float]]]:
        """The best tokens of each row of logits and their softmax scores, best first."""
        x_rv = logits_rv - logits_rv.max(axis=1, keepdims=True)
        sums_r1 = np.exp(x_rv).sum(axis=1, keepdims=True, dtype=np.float64)
        targets = options.target_ids
        if targets is not None:
            x_rv = x_rv[:, list(targets)]
        count = min(options.top_k, x_rv.shape[1])
        top_rk = np.argpartition(-x_rv, count - 1, axis=1)[:, :count]
        values_rk = np.take_along_axis(x_rv, top_rk, axis=1)
        order_rk = np.lexsort((top_rk, -values_rk), axis=1)  # equal scores: by token id
        top_rk = np.take_along_axis(top_rk, order_rk, axis=1)
        scores_rk = np.exp(np.take_along_axis(x_rv, top_rk, axis=1).astype(np.float64)) / sums_r1
        tokens_rk = top_rk if targets is None else np.asarray(targets)[top_rk]
        return tokens_rk.tolist(), scores_rk.tolist()

    def _prediction(
        self, row: TextRow, windows: Sequence[Window], outputs: Sequence[Any], options: FillMaskOptions
    ) -> Filling:
        first = windows[0]
        ids = first.ids
        if first.part is not None and first.encoding is not None:
            ids = first.encoding.ids  # of the complete text
        places: list[int] = []
        tokens: list[list[int]] = []
        scores: list[list[float]] = []
        for window, (some_places, some_tokens, some_scores) in zip(windows, outputs, strict=True):
            shift = 0 if window.part is None else window.part.shift
            places += [place + shift for place in some_places]
            tokens += some_tokens
            scores += some_scores
        return Filling(row, ids, places, tokens, scores, coverage(windows))

    def _result(self, prediction: Filling, options: FillMaskOptions) -> Any:
        found = self.fillings(prediction)
        return found[0] if len(found) == 1 else found

    def fillings(self, prediction: Filling) -> list[list[dict[str, Any]]]:
        """The tokens of each mask of a text, best first, as a call returns them."""
        is_single = len(prediction.places) == 1
        of_masks = zip(prediction.places, prediction.tokens, prediction.scores, strict=True)
        return [
            [
                {
                    "score": score,
                    "token": token,
                    "token_str": self.tokenizer.decode([token]),
                    "sequence": self._sequence(prediction, place, token, is_single),
                }
                for token, score in zip(tokens, scores, strict=True)
            ]
            for place, tokens, scores in of_masks
        ]

    def _sequence(self, prediction: Filling, place: int, token: int, is_single: bool) -> str:
        """The text with the mask at `place` filled; special tokens stay where other masks must be seen."""
        ids = [*prediction.ids[:place], token, *prediction.ids[place + 1 :]]
        pad = self.tokenizer.pad_token_id
        text: str = self.tokenizer.decode([one for one in ids if one != pad], skip_special_tokens=is_single)
        return text
