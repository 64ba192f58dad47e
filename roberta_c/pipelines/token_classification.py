"""Token classification, such as named entities, with the results of transformers 5.23's pipeline.

windows of tokens → a label's score for each token → by the strategy: tokens, words or groups of one label
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, ModelFileError, mismatch, shown
from ..model import RobertaForTokenClassification
from ..model.auto import AutoModelForTokenClassification
from ..tokenizer.text_input import as_listed
from .base import Pipeline
from .long_texts import merged_rows
from .options import WINDOWS, PipelineOptions, check_choice, check_flag, check_needs_windows
from .rows import WordsRow, plain_text
from .task_windows import encode_with_places, place_in_text
from .text_classification import apply_function
from .windows import Coverage, TextPrediction, Window, coverage

NONE, SIMPLE, FIRST, AVERAGE, MAX = "none", "simple", "first", "average", "max"
STRATEGIES = (NONE, SIMPLE, FIRST, AVERAGE, MAX)


@dataclass(frozen=True)
class TokenClassifyOptions(PipelineOptions):
    """How tokens are labelled: the options of PipelineOptions and these.

    aggregation_strategy: "none", a result for each token; "simple", for each group of neighbours of one
        label; "first", "average" and "max": likewise, but words are given one label first, that of their
        first token, of the average of the scores or of the highest score.
    ignore_labels: labels that are left out.
    stride: with long_text="windows", as in PipelineOptions. Without `long_text`, a number means transformers'
        windows, each of which repeats so many tokens of the one before it: of their groups that overlap, the
        longer or better one is kept. Not with the strategy "none".
    is_split_into_words: texts are lists of words.
    delimiter: what stands between the words in the text that results refer to.
    """

    aggregation_strategy: str = NONE
    ignore_labels: Any = ("O",)
    is_split_into_words: bool = False
    delimiter: str | None = None

    def _check(self) -> None:
        super()._check()
        check_choice("aggregation_strategy", self.strategy, STRATEGIES)
        ignored = self.ignore_labels
        is_list = isinstance(ignored, (list, tuple, set, frozenset))
        if not is_list or not all(isinstance(label, str) for label in ignored):
            raise InputError(mismatch("ignore_labels", shown(ignored), "a list of labels"))
        check_flag("is_split_into_words", self.is_split_into_words)
        if self.delimiter is not None:
            plain_text(self.delimiter, "delimiter")
            if not self.is_split_into_words:
                found = f"{shown(self.delimiter)} without is_split_into_words"
                raise InputError(mismatch("delimiter", found, "is_split_into_words=True"))

    def _check_stride(self) -> None:
        if self.long_text is not None:
            check_needs_windows("stride", self.stride, self)
        elif self.strategy == NONE:
            found = f"{self.stride} with aggregation_strategy='none'"
            raise InputError(
                mismatch("stride", found, "another aggregation_strategy, or long_text='windows'")
            )

    @property
    def strategy(self) -> str:
        """`aggregation_strategy` by its name: transformers' enum has it as its value."""
        given = self.aggregation_strategy
        value = getattr(given, "value", given)
        return value.lower() if isinstance(value, str) else value


@dataclass(frozen=True)
class Entities(TextPrediction):
    """What was found in one text, as a call returns it."""

    row: WordsRow
    found: list[dict[str, Any]]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Token:
    """A token, or the tokens of a word: its place in the text and the softmax scores of the labels."""

    word: str
    scores_c: np.ndarray
    start: int
    end: int
    index: int
    continues_word: bool


@dataclass(frozen=True, slots=True)
class Labelled:
    """A token or a word with its best label."""

    word: str
    label: str
    score: float
    start: int
    end: int
    index: int


class TokenClassificationPipeline(Pipeline[TokenClassifyOptions, WordsRow, Entities]):
    """`tag(texts, **options)` → labelled tokens or groups; `pipeline("token-classification", …)` makes it.

    `texts` are str, or with `is_split_into_words` lists of words; the attributes are those of Pipeline, and
    the options those of TokenClassifyOptions. A text's result is a list, in the order of the text, of
    {"entity": label, "score", "index", "word", "start", "end"} for a token or
    {"entity_group": label, "score", "word", "start", "end"} for a group.

    With `long_text="windows"` each token has the scores of the window where it has most context, and then the
    text is treated as if the model had read it at once.
    """

    task = "token-classification"
    forms = "a str, or with is_split_into_words a list of words"
    options_class = TokenClassifyOptions
    auto_class = AutoModelForTokenClassification
    model_class = RobertaForTokenClassification
    needs_own_tokenizer = True
    reads_windows: ClassVar[bool] = True
    model: RobertaForTokenClassification

    def __init__(
        self,
        model: RobertaForTokenClassification,
        tokenizer: Any,
        options: TokenClassifyOptions | None = None,
        **keywords: Any,
    ) -> None:
        """Raises ModelFileError for a model without labels, InputError for a `max_length` it cannot take."""
        super().__init__(model, tokenizer, options, **keywords)
        if not model.config.id2label:
            raise ModelFileError(mismatch(f"{model.name_or_path}: config.json", "no labels", "at least one"))

    def _prepared(self, options: TokenClassifyOptions, given: Mapping[str, Any]) -> TokenClassifyOptions:
        """The options themselves, with transformers' warning where words are what spaces divide."""
        if options.strategy not in (NONE, SIMPLE):
            found = f"'{options.strategy}' for a tokenizer that does not mark which tokens continue a word"
            advice = "a token after a space begins a word"
            message = f"aggregation_strategy: found {found}: {advice}"
            warnings.warn(message, UserWarning, stacklevel=_callers_level())
        return options

    def _is_single(self, texts: Any, options: TokenClassifyOptions) -> bool:
        if not options.is_split_into_words:
            return isinstance(texts, str)
        listed = as_listed(texts)
        return listed is not None and bool(listed) and all(isinstance(word, str) for word in listed)

    def _single_result(self, result: Any, text: Any, options: TokenClassifyOptions, given: Any) -> Any:
        # As in transformers, one list of words is a batch of one text.
        return [result] if options.is_split_into_words else result

    def _row(self, text: Any, name: str, options: TokenClassifyOptions) -> WordsRow:
        if not options.is_split_into_words:
            return WordsRow(plain_text(text, name), None)
        listed = as_listed(text)
        if listed is None:
            found = type(text).__name__
            raise InputError(mismatch(name, found, "a list of words, because of is_split_into_words"))
        words = tuple(plain_text(word, f"{name}[{index}]") for index, word in enumerate(listed))
        return WordsRow((" " if options.delimiter is None else options.delimiter).join(words), words)

    def _windows(
        self,
        rows: Sequence[WordsRow],
        options: TokenClassifyOptions,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> list[list[Window]]:
        return encode_with_places(self.tokenizer, rows, max_tokens, options, name_of)

    def _outputs(self, windows: Sequence[Window], options: TokenClassifyOptions) -> list[np.ndarray]:
        logits = self.model([window.ids for window in windows], return_dict=True).logits
        for logits_tc in logits:
            self._check_finite(logits_tc)
        return [apply_function("softmax", logits_tc) for logits_tc in logits]

    def _prediction(
        self,
        row: WordsRow,
        windows: Sequence[Window],
        outputs: Sequence[Any],
        options: TokenClassifyOptions,
    ) -> Entities:
        if options.long_text == WINDOWS:
            found = self._found(row, windows[0], merged_rows(windows, outputs), options)
            return Entities(row, found, coverage(windows))
        found = [
            one
            for window, scores_tc in zip(windows, outputs, strict=True)
            for one in self._found(row, window, scores_tc, options)
        ]
        if len(windows) > 1:
            found = without_overlaps(found)
        return Entities(row, found, coverage(windows))

    def _found(
        self, row: WordsRow, window: Window, scores_tc: np.ndarray, options: TokenClassifyOptions
    ) -> list[dict[str, Any]]:
        """What a call returns of the tokens of the window's encoding, which have these scores."""
        tokens = list(self._tokens(row, window, scores_tc))
        if options.strategy in (NONE, SIMPLE):
            labelled = [self._labelled(token) for token in tokens]
        else:
            labelled = [self._word(word, options.strategy) for word in _words(tokens)]
        if options.strategy == NONE:
            results = [_token_result(one) for one in labelled]
        else:
            results = [self._group_result(group) for group in _groups(labelled)]
        ignored = options.ignore_labels
        return [
            one
            for one in results
            if one.get("entity") not in ignored and one.get("entity_group") not in ignored
        ]

    def _result(self, prediction: Entities, options: TokenClassifyOptions) -> Any:
        return [dict(one) for one in prediction.found]

    def _tokens(self, row: WordsRow, window: Window, scores_tc: np.ndarray) -> Iterator[Token]:
        """The tokens of a window's encoding but the special ones."""
        encoding, text = window.encoding, row.text
        assert encoding is not None  # encode_with_places gives it
        place_of = place_in_text(row, encoding)
        ids, is_special = encoding.ids, encoding.special_tokens_mask
        words = self.tokenizer.convert_ids_to_tokens(ids)
        for index, (token_id, word) in enumerate(zip(ids, words, strict=True)):
            if is_special[index]:
                continue
            start, end = place_of(index)
            # Byte-level BPE and Unigram do not mark tokens that continue a word: transformers takes those
            # without a space at their start.
            continues = start > 0 and " " not in text[start - 1 : start + 1]
            if token_id == self.tokenizer.unk_token_id:
                word, continues = text[start:end], False
            yield Token(word, scores_tc[index], start, end, index, continues)

    def _labelled(self, token: Token) -> Labelled:
        best = int(token.scores_c.argmax())
        return Labelled(
            token.word, self._label(best), float(token.scores_c[best]), token.start, token.end, token.index
        )

    def _word(self, tokens: list[Token], strategy: str) -> Labelled:
        """The tokens of a word as one, with one label."""
        if strategy == FIRST:
            scores_c = tokens[0].scores_c
        elif strategy == MAX:
            scores_c = max((token.scores_c for token in tokens), key=lambda scores_c: scores_c.max())
        else:
            scores_c = np.mean([token.scores_c for token in tokens], axis=0)
        best = int(scores_c.argmax())
        word = self.tokenizer.convert_tokens_to_string([token.word for token in tokens])
        return Labelled(word, self._label(best), float(scores_c[best]), tokens[0].start, tokens[-1].end, -1)

    def _group_result(self, group: list[Labelled]) -> dict[str, Any]:
        return {
            "entity_group": group[0].label.split("-", 1)[-1],
            "score": sum(one.score for one in group) / len(group),
            "word": self.tokenizer.convert_tokens_to_string([one.word for one in group]),
            "start": group[0].start,
            "end": group[-1].end,
        }


def _callers_level() -> int:
    """The `stacklevel` with which a caller of this function warns of the line that called this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("roberta_c."):
        level, frame = level + 1, frame.f_back
    return level


def _words(tokens: list[Token]) -> Iterator[list[Token]]:
    """The tokens, word by word."""
    word: list[Token] = []
    for token in tokens:
        if word and not token.continues_word:
            yield word
            word = []
        word.append(token)
    if word:
        yield word


def _groups(labelled: list[Labelled]) -> Iterator[list[Labelled]]:
    """Neighbours of one label; "B-" begins another group."""
    group = labelled[:1]
    for before, one in pairwise(labelled):
        begins, tag = _begins_and_tag(one.label)
        if tag == _begins_and_tag(before.label)[1] and not begins:
            group.append(one)
        else:
            yield group
            group = [one]
    if group:
        yield group


def _begins_and_tag(label: str) -> tuple[bool, str]:
    """Whether a label is that of an entity's first token, and the label without "B-" or "I-"."""
    return label.startswith("B-"), label[2:] if label.startswith(("B-", "I-")) else label


def _token_result(one: Labelled) -> dict[str, Any]:
    return {
        "entity": one.label,
        "score": one.score,
        "index": one.index,
        "word": one.word,
        "start": one.start,
        "end": one.end,
    }


def without_overlaps(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups of several windows by their starts; of two that overlap the longer, then the better one."""
    kept: list[dict[str, Any]] = []
    for one in sorted(found, key=lambda one: one["start"]):
        if not kept or not kept[-1]["start"] <= one["start"] < kept[-1]["end"]:
            kept.append(one)
            continue
        length, other = (two["end"] - two["start"] for two in (one, kept[-1]))
        if length > other or (length == other and one["score"] > kept[-1]["score"]):
            kept[-1] = one
    return kept
