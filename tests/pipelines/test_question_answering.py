"""Question answering: forms of calls, spans, refusals; parity/test_question_answering.py has real text."""

from __future__ import annotations

import numpy as np
import pytest

from roberta_c.errors import InputError
from roberta_c.pipelines.question_answering import best_spans

CONTEXT = "My name is Wolfgang and I live in Berlin. Before that I lived in Munich for years."


@pytest.fixture(scope="module")
def answer(task_pipeline):
    return task_pipeline("question-answering")


def test_forms_of_a_call(answer):
    one = answer(question="Where do I live?", context=CONTEXT)
    assert list(one) == ["score", "start", "end", "answer"]
    assert CONTEXT[one["start"] : one["end"]] == one["answer"]
    row = {"question": "Where do I live?", "context": CONTEXT}
    assert answer(row) == answer([row]) == answer("Where do I live?", context=CONTEXT) == one
    assert answer(question=["Where do I live?"], context=[CONTEXT]) == one
    assert answer(question=["Where do I live?", "Who?"], context=CONTEXT)[0] == one
    assert answer([row, row]) == list(answer(iter([row, row]))) == [one, one]
    assert len(answer(row, top_k=3)) == 3
    assert answer(data=[row, row]) == answer(X=[row, row]) == [one, one]
    assert answer({"question": ["Where do I live?"] * 2, "context": [CONTEXT] * 2}) == [one, one]
    assert answer({"question": ["Where do I live?"] * 2, "context": CONTEXT}) == [one, one]
    assert answer(row, max_question_len=8) == one  # as with transformers' fast tokenizers: not truncated


def brute_force(start, end, allowed, count, max_length):
    scored = allowed.copy()
    scored[0] = True
    p, q = (np.where(scored, np.exp(x - x[scored].max()), 0) for x in (start, end))
    p, q = p / p.sum(), q / q.sum()
    spans = [
        (first, last, p[first] * q[last])
        for first in np.flatnonzero(allowed)
        for last in np.flatnonzero(allowed)
        if first <= last < first + max_length
    ]
    return sorted(spans, key=lambda span: (-span[2], span[0], span[1]))[:count], p[0] * q[0]


@pytest.mark.parametrize("seed", range(20))
def test_spans_against_all_of_them(seed):
    rng = np.random.default_rng(seed)
    length = int(rng.integers(2, 60))
    start, end = rng.normal(size=(2, length)).astype(np.float32) * 3
    allowed = rng.random(length) < 0.7
    allowed[0] = False
    count, max_length = int(rng.integers(1, 30)), int(rng.integers(1, 20))
    is_first = np.arange(length) == 0
    spans, null = best_spans(start, end, allowed, is_first, count, max_length)
    expected, expected_null = brute_force(start.astype(float), end.astype(float), allowed, count, max_length)
    assert [span[:2] for span in spans] == [span[:2] for span in expected]
    assert [span[2] for span in spans] == pytest.approx([span[2] for span in expected])
    assert null == pytest.approx(expected_null)


def test_answers_in_every_part_of_a_long_context(answer, tweets):
    context = " ".join(tweets[:200])
    found = {answer(question=f"What about {tweet[:20]}?", context=context)["start"] for tweet in tweets[:30]}
    assert max(found) > 3000  # far behind the first window


def test_equal_answers_add_their_scores(answer):
    context = "Berlin is big. " * 3
    answers = answer(question="Which city?", context=context, top_k=30)
    texts = [one["answer"].lower() for one in answers]
    assert len(texts) == len(set(texts))


def test_a_question_that_leaves_little_room_for_a_context_that_fits(answer):
    context = "Bob is here."
    one = answer(question="who is it " * 110, context=context)
    assert context[one["start"] : one["end"]] == one["answer"] != ""


def test_two_texts_without_names(answer):
    assert answer("Where do I live?", CONTEXT) == answer(question="Where do I live?", context=CONTEXT)


def test_no_answer(answer):
    found = answer(question="Why?", context=CONTEXT, top_k=50, handle_impossible_answer=True)
    assert {"start": 0, "end": 0, "answer": ""}.items() <= next(
        one for one in found if not one["answer"]
    ).items()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"question": "", "context": "a"}, r"texts\['question'\]: found an empty text"),
        ({"question": "a", "context": "  "}, r"texts\['context'\]: found an empty text"),
        ({"question": "a"}, "context: found None"),
        ({"context": "a"}, "question: found None"),
        ({"question": ["a"], "context": ["b", "c"]}, "found 1 questions and 2 contexts"),
        ({"question": "a", "context": ["b"]}, "question, context: found str and list"),
        ({"texts": [{"question": "a"}]}, r"texts\[0\]: found the keys \['question'\], expected a dict"),
        ({"texts": {"question": "a", "context": 3}}, r"texts\['context'\]: found int 3"),
        ({"texts": 3}, "texts: found int"),
        ({"texts": [], "question": "a"}, "question, context: found both beside texts"),
        ({"question": "a", "context": "b", "top_k": 0}, "top_k: found 0"),
        ({"question": "a", "context": "b", "max_answer_len": 0}, "max_answer_len: found 0"),
        ({"question": "a", "context": "b", "doc_stride": -1}, "doc_stride: found -1"),
        (
            {"question": "a", "context": "b", "max_seq_len": 600},
            "max_seq_len: found 600, expected at most",
        ),
        (
            {"question": "a", "context": "b", "max_seq_len": 8, "doc_stride": 7},
            "doc_stride: found 7, expected less than 4",
        ),
        (
            {"question": "a " * 400, "context": "b " * 9},
            "question: found 4.. tokens, which leave 0 of 384, expected more than doc_stride",
        ),
        ({"question": "a", "context": "b", "truncation": False}, "truncation: found False, expected True"),
        ({"question": "a", "context": "b", "max_length": 9}, "max_length: found 9, expected max_seq_len"),
        ({"question": "a", "context": "b", "max_question_len": 0}, "max_question_len: found 0"),
        ({"question": "a", "context": "b", "max_seq_len": 3}, "max_seq_len: found 3, expected more than"),
        ({"texts": 5, "data": []}, "texts, data, X: found texts and data, expected one of them"),
        ({"data": [], "X": []}, "texts, data, X: found data and X, expected one of them"),
        ({"texts": {"question": ["a", "b"], "context": ["c"]}}, "found 2 questions and 1 contexts"),
        ({"texts": {"question": ["a", "b"]}}, "context: found None"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refusals(arguments, message, answer):
    with pytest.raises(InputError, match=message):
        answer(**arguments)
