"""Extractive question answering, with the results of transformers 4.57's pipeline, which 5 has no more.

question and context → windows of tokens → scores of each start and end → the best spans, as parts of the
context. A span's score is the product of the softmax probabilities of its start and its end in their window.

Left out are the answers that 4.57 adds where a context has fewer spans than it wants: with score 0, or that
begin or end at a literal `<s>`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..errors import InputError, mismatch, shown
from ..model import RobertaForQuestionAnswering
from ..model.auto import AutoModelForQuestionAnswering
from ..tokenizer.text_input import as_listed
from .base import Pipeline
from .options import TRUNCATE, PipelineOptions, check_count, check_flag
from .rows import plain_text
from .task_windows import encode_questions
from .text_classification import apply_function
from .windows import Coverage, TextPrediction, Window, coverage, token_span

MAX_SEQ_LEN, DOC_STRIDE = 384, 128


@dataclass(frozen=True)
class AnswerOptions(PipelineOptions):
    """How questions are answered: the options of PipelineOptions and these. Contexts are never truncated.

    top_k: how many answers; with 1 a result is one answer, else a list of them.
    max_answer_len: how many tokens an answer may have.
    max_seq_len: how many tokens a window may have; None for 384, or what the model takes if that is less.
    doc_stride: how many tokens a window repeats of the one before it; None for 128, or half of max_seq_len.
    max_question_len: accepted as transformers does; it has no effect, as questions are never truncated.
    handle_impossible_answer: whether "" may be the answer; its score is the least of all windows'.
    align_to_words: whether answers are extended to complete words.
    long_text: None or "windows", which is what a call does anyway; or "error": a question with a context that
        do not fit into one window are an InputError.
    """

    top_k: int = 1
    max_answer_len: int = 15
    max_seq_len: int | None = None
    doc_stride: int | None = None
    max_question_len: int = 64
    handle_impossible_answer: bool = False
    align_to_words: bool = True

    def _check(self) -> None:
        if self.stride is not None:
            raise InputError(mismatch("stride", self.stride, "doc_stride in its place"))
        super()._check()
        if self.long_text == TRUNCATE:
            raise InputError(mismatch("long_text", shown(TRUNCATE), "windows or error: no context is cut"))
        if self.truncation is not True:
            expected = "True: contexts are read in windows"
            raise InputError(mismatch("truncation", shown(self.truncation), expected))
        if self.max_length is not None:
            raise InputError(mismatch("max_length", self.max_length, "max_seq_len in its place"))
        check_count("top_k", self.top_k, "an integer of at least 1")
        check_count("max_answer_len", self.max_answer_len, "an integer of at least 1")
        check_count("max_question_len", self.max_question_len, "an integer of at least 1")
        for name in ("handle_impossible_answer", "align_to_words"):
            check_flag(name, getattr(self, name))
        if self.max_seq_len is not None:
            check_count("max_seq_len", self.max_seq_len, "an integer of at least 1, or None")
        if self.doc_stride is not None:
            check_count("doc_stride", self.doc_stride, "an integer of at least 0, or None", least=0)


class QuestionRow(NamedTuple):
    """A question and the text that its answer is looked for in."""

    question: str
    context: str


@dataclass(frozen=True)
class Answers(TextPrediction):
    """The answers to one question, best first. coverage: of the pair, and its windows of the context."""

    row: QuestionRow
    answers: list[dict[str, Any]]
    coverage: Coverage


class QuestionAnsweringPipeline(Pipeline[AnswerOptions, QuestionRow, Answers]):
    """`answer(question=…, context=…)` → answers; `pipeline("question-answering", …)` makes it.

    question, context: two str, or lists of them of one length, or a list of questions about one context.
    Instead of both: a dict {"question": str, "context": str}, whose values may be such lists; a list of dicts
    of two str; or an iterator over these.
    The options are those of AnswerOptions, the attributes those of Pipeline.

    A result is {"score": float, "start": int, "end": int, "answer": str}, start and end being characters of
    the context; with a `top_k` above 1 the list of these, unless there is only one. Answers that differ only
    in case are one, and their scores are added. As in transformers, a list of one question gives its result.
    """

    task = "question-answering"
    forms = 'a dict {"question": str, "context": str}'
    names_of_texts = ("data", "X")
    options_class = AnswerOptions
    auto_class = AutoModelForQuestionAnswering
    model_class = RobertaForQuestionAnswering
    needs_own_tokenizer = True
    reads_windows: ClassVar[bool] = True
    model: RobertaForQuestionAnswering

    def __call__(
        self, texts: Any = None, context: Any = None, *, question: Any = None, **options: Any
    ) -> Any:
        """The answers; see the class. Two texts without names are a question and a context."""
        if question is None and context is not None:
            texts, question = None, texts
        if isinstance(texts, Mapping) and any(as_listed(text) is not None for text in texts.values()):
            texts, question, context = None, texts.get("question"), texts.get("context")
        named = [name for name in self.names_of_texts if name in options]
        if len(named) + (texts is not None) > 1:
            found = " and ".join([*(["texts"] if texts is not None else []), *named])
            raise InputError(mismatch("texts, data, X", found, "one of them"))
        for name in named:
            texts = options.pop(name)
        if texts is None:
            texts = _paired(question, context)
        elif question is not None or context is not None:
            raise InputError(mismatch("question, context", "both beside texts", "them or texts"))
        results = super().__call__(texts, **options)
        is_one_of_a_list = isinstance(texts, list) and len(texts) == 1
        return results[0] if is_one_of_a_list else results

    def _is_single(self, texts: Any, options: AnswerOptions) -> bool:
        return isinstance(texts, Mapping)

    def _row(self, text: Any, name: str, options: AnswerOptions) -> QuestionRow:
        if not isinstance(text, Mapping) or set(text) != {"question", "context"}:
            found = f"the keys {shown(list(text))}" if isinstance(text, Mapping) else type(text).__name__
            raise InputError(mismatch(name, found, 'a dict {"question": str, "context": str}'))
        for key in QuestionRow._fields:
            if not plain_text(text[key], f"{name}[{key!r}]").strip():
                raise InputError(mismatch(f"{name}[{key!r}]", "an empty text", "a text"))
        return QuestionRow(*(plain_text(text[key], name) for key in QuestionRow._fields))

    def _windows(
        self,
        rows: Sequence[QuestionRow],
        options: AnswerOptions,
        max_tokens: int,
        name_of: Callable[[int], str],
    ) -> list[list[Window]]:
        length = options.max_seq_len
        if length is None:
            length = min(max_tokens, MAX_SEQ_LEN)
        elif length > self.model.config.max_tokens:
            expected = f"at most {self.model.config.max_tokens}, the model's limit"
            raise InputError(mismatch("max_seq_len", length, expected))
        stride = min(length // 2, DOC_STRIDE) if options.doc_stride is None else options.doc_stride
        room = length - self.tokenizer.num_special_tokens_to_add(pair=True)
        if stride >= max(room, 1) and options.doc_stride is None:
            expected = f"more than {length - room + stride}: special tokens, and the stride of half of it"
            raise InputError(mismatch("max_seq_len", length, expected))
        if stride >= max(room, 1):
            expected = f"less than {max(room, 1)}, the tokens of a window without the special ones"
            raise InputError(mismatch("doc_stride", stride, expected))
        questions, contexts = zip(*rows, strict=True)
        return encode_questions(self.tokenizer, questions, contexts, length, stride, options, name_of)

    def _outputs(
        self, windows: Sequence[Window], options: AnswerOptions
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        output = self.model([window.ids for window in windows], return_dict=True)
        pairs = list(zip(output.start_logits, output.end_logits, strict=True))
        for start_t, end_t in pairs:
            self._check_finite(start_t)
            self._check_finite(end_t)
        return pairs

    def _prediction(
        self, row: QuestionRow, windows: Sequence[Window], outputs: Sequence[Any], options: AnswerOptions
    ) -> Answers:
        # Some spans become one when they are extended to words.
        count = 2 * options.top_k + 10 if options.align_to_words else options.top_k
        by_text: dict[str, dict[str, Any]] = {}  # answers that differ by case alone are one
        null_score = 1.0
        for window, (start_t, end_t) in zip(windows, outputs, strict=True):
            spans, null_of_window = best_spans(
                start_t,
                end_t,
                _may_answer(window),
                np.array(window.ids) == self.tokenizer.cls_token_id,
                count,
                options.max_answer_len,
            )
            null_score = min(null_score, null_of_window)
            for first, last, score in spans:
                begin, end = _characters(window, first, last, options.align_to_words)
                text = row.context[begin:end]
                answer = {"score": 0.0, "start": begin, "end": end, "answer": text}
                by_text.setdefault(text.lower(), answer)["score"] += score
        answers = list(by_text.values())
        if options.handle_impossible_answer:
            answers.append({"score": null_score, "start": 0, "end": 0, "answer": ""})
        answers.sort(key=lambda one: -one["score"])
        return Answers(row, answers[: options.top_k], coverage(windows))

    def _result(self, prediction: Answers, options: AnswerOptions) -> Any:
        answers = [dict(one) for one in prediction.answers]
        return answers[0] if len(answers) == 1 else answers


def _paired(question: Any, context: Any) -> Any:
    """The rows that a caller's `question` and `context` mean. Raises InputError."""
    for name, value in (("question", question), ("context", context)):
        if value is None:
            raise InputError(mismatch(name, "None", "a str or a list of str"))
    questions, contexts = (
        value if isinstance(value, str) else as_listed(value, takes_tuples=True)
        for value in (question, context)
    )
    if isinstance(questions, str) and isinstance(contexts, str):
        return {"question": questions, "context": contexts}
    if questions is None or contexts is None or isinstance(questions, str):
        found = f"{type(question).__name__} and {type(context).__name__}"
        raise InputError(mismatch("question, context", found, "two str, two lists, or a list and a str"))
    if isinstance(contexts, str):
        contexts = [contexts] * len(questions)
    if len(questions) != len(contexts):
        found = f"{len(questions)} questions and {len(contexts)} contexts"
        raise InputError(mismatch("question, context", found, "as many of both"))
    return [{"question": one, "context": other} for one, other in zip(questions, contexts, strict=True)]


def _may_answer(window: Window) -> np.ndarray:
    """Which tokens of a window can be in an answer, bool (t): those of the context."""
    allowed_t = np.zeros(len(window.ids), bool)
    allowed_t[window.own.start : window.own.stop] = True
    return allowed_t


def best_spans(
    start_t: np.ndarray,
    end_t: np.ndarray,
    allowed_t: np.ndarray,
    is_cls_t: np.ndarray,
    count: int,
    max_length: int,
) -> tuple[list[tuple[int, int, float]], float]:
    """The best spans of a window: (first token, last token, score), best first; and the score of no answer.

    start_t, end_t: logits. allowed_t: bool, which tokens a span may have as first and last. is_cls_t: bool,
    which tokens are `<s>`. The softmax is over both. The score of no answer is the product of the first
    token's probabilities. max_length: of a span, in tokens.
    """
    is_scored_t = allowed_t | is_cls_t
    probabilities = []
    for logits_t in (start_t, end_t):
        scores_t = np.zeros(len(logits_t))
        scores_t[is_scored_t] = apply_function("softmax", logits_t[None, is_scored_t])[0]
        probabilities.append(scores_t)
    null_score = float(probabilities[0][0] * probabilities[1][0])
    begin_t, finish_t = (np.where(allowed_t, scores_t, 0.0) for scores_t in probabilities)

    width = min(max_length, len(start_t))
    products_tw = np.full((len(start_t), width), -1.0)  # [first, length - 1]; -1: no such span
    for more in range(width):
        firsts = slice(0, len(start_t) - more)
        valid = allowed_t[firsts] & allowed_t[more:]
        products_tw[firsts, more] = np.where(valid, begin_t[firsts] * finish_t[more:], -1.0)
    flat = products_tw.reshape(-1)
    kept = min(count, len(flat))
    best = np.argpartition(-flat, kept - 1)[:kept]
    best = best[np.lexsort((best, -flat[best]))]  # equal scores: the earlier span
    spans = [
        (index // width, index // width + index % width, float(flat[index]))
        for index in best.tolist()
        if flat[index] >= 0
    ]
    return spans, null_score


def _characters(window: Window, first: int, last: int, align_to_words: bool) -> tuple[int, int]:
    """The characters of the context from token `first` to `last`, or to the ends of their words in it."""
    encoding, part = window.encoding, window.part
    assert encoding is not None  # encode_questions gives both
    assert part is not None
    own = range(part.own.start + part.shift, part.own.stop + part.shift)
    first, last = first + part.shift, last + part.shift
    if align_to_words:
        words = encoding.token_to_word(first), encoding.token_to_word(last)
        if None not in words:
            while first - 1 in own and encoding.token_to_word(first - 1) == words[0]:
                first -= 1
            while last + 1 in own and encoding.token_to_word(last + 1) == words[1]:
                last += 1
    return token_span(encoding, first)[0], token_span(encoding, last)[1]
