"""Question answering against the answers that transformers 4.57 gave (record_question_answering.py).

Scores are products of two softmax values of float32 logits, and of an answer that several spans give, their
sum: 1e-4 is far above the rounding of 1e-5 relative that each has.
"""

from __future__ import annotations

import json

import pytest
from samples.question_answering import (
    CASES,
    RECORDED,
    compact,
    make_question_answering_model,
    questions,
)

import roberta_c

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def models(real_checkpoint, xlmr_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("question answering")
    tokenizers = {"roberta": real_checkpoint, "xlm-roberta": xlmr_folder}
    return {
        family: roberta_c.pipeline(
            "question-answering",
            make_question_answering_model(folder / family, tokenizer, family),
            num_threads=1,
        )
        for family, tokenizer in tokenizers.items()
    }


@pytest.mark.parametrize(
    "index", range(len(CASES)), ids=[f"{i} {c.family} {c.language}" for i, c in enumerate(CASES)]
)
def test_answers_on_xquad(index, models, test_data):
    case, recorded = CASES[index], json.loads(RECORDED.read_text())[index]
    assert recorded.pop("answers") is not None
    assert recorded == case._asdict(), "the cases have changed: record the answers again"
    expected = json.loads(RECORDED.read_text())[index]["answers"]
    rows = questions(test_data.real(f"data/xquad/xquad.{case.language}.json"), case.step)
    results = models[case.family](rows, **case.options)
    assert len({one[0][1] for one in map(compact, results)}) > 10, "answers that do not vary prove nothing"
    for row, result, theirs in zip(rows, results, expected, strict=True):
        ours = compact(result)
        assert [one[1:] for one in ours] == [one[1:] for one in theirs], row["question"]
        for one, other in zip(ours, theirs, strict=True):
            assert abs(one[0] - other[0]) <= TOLERANCE
        for one in result if isinstance(result, list) else [result]:
            assert row["context"][one["start"] : one["end"]] == one["answer"]
