"""Zero-shot classification: forms, labels and refusals; parity/test_task_pipelines.py has real text."""

from __future__ import annotations

import json
import shutil

import pytest

from roberta_c import pipeline
from roberta_c.errors import InputError, ModelFileError

from .conftest import ADVICE

LABELS = ["politics", "sports", "weather"]


@pytest.fixture(scope="module")
def classify_as(task_pipeline):
    return task_pipeline("zero-shot-classification")


def test_forms_of_a_call(classify_as):
    one = classify_as("It rains.", LABELS)
    assert list(one) == ["sequence", "labels", "scores"]
    assert sorted(one["labels"]) == LABELS
    assert one["scores"] == sorted(one["scores"], reverse=True)
    assert sum(one["scores"]) == pytest.approx(1)
    assert classify_as("It rains.", candidate_labels="politics, sports ,weather,") == one
    assert classify_as(["It rains."], LABELS) == [one]
    assert list(classify_as(iter(["It rains."]), LABELS)) == [one]
    assert sum(classify_as("It rains.", LABELS, multi_label=True)["scores"]) != pytest.approx(1)
    assert len(classify_as("It rains.", "weather")["scores"]) == 1


def test_each_text_is_tokenized_once(classify_as, monkeypatch):
    texts = []
    encode = type(classify_as.tokenizer).encode_parts
    monkeypatch.setattr(
        type(classify_as.tokenizer),
        "encode_parts",
        lambda self, some: texts.extend(some) or encode(self, some),
    )
    classify_as(["It rains.", "They won."], LABELS)
    assert sorted(texts) == sorted(["It rains.", "They won.", *(f"This example is {one}." for one in LABELS)])


def test_pairs_have_the_ids_of_a_call_on_both_texts(classify_as, tweets):
    options = classify_as.options.changed({"candidate_labels": LABELS})
    rows = [classify_as._row(text, "text", options) for text in [*tweets[:50], " ".join(tweets[:90]), ""]]
    for row, windows in zip(rows, classify_as._windows(rows, options, 512, str), strict=True):
        for hypothesis, window in zip(options.hypotheses(), windows, strict=True):
            expected = classify_as.tokenizer(row.text, hypothesis, truncation="only_first", max_length=512)
            assert window.ids == expected["input_ids"]
            assert window.truncated == (len(classify_as.tokenizer(row.text, hypothesis)["input_ids"]) > 512)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "candidate_labels: found None, expected a list of str"),
        ({"candidate_labels": []}, "candidate_labels: found no label"),
        ({"candidate_labels": " , "}, "candidate_labels: found no label"),
        ({"candidate_labels": ["a", 3]}, r"candidate_labels\[1\]: found int 3"),
        (
            {"candidate_labels": "a", "hypothesis_template": "no place"},
            "hypothesis_template: found 'no place'",
        ),
        ({"candidate_labels": "a", "hypothesis_template": "{x}"}, "hypothesis_template: found '{x}'"),
        ({"candidate_labels": "a", "hypothesis_template": 3}, "hypothesis_template: found 3"),
        ({"candidate_labels": "a", "hypothesis_template": "{0.__class__}"}, "hypothesis_template: found"),
        ({"candidate_labels": "a", "hypothesis_template": "{:>99999999}"}, "hypothesis_template: found"),
        ({"candidate_labels": "a", "hypothesis_template": "{!r}"}, "hypothesis_template: found"),
        ({"candidate_labels": "a", "hypothesis_template": "{} {}"}, "expected a str with one {}"),
        ({"candidate_labels": "a", "multi_label": 1}, "multi_label: found 1, expected True or False"),
        ({"candidate_labels": "a", "truncation": "only_second"}, "truncation: found 'only_second'"),
        ({"candidate_labels": "word " * 600}, "candidate_labels: found a hypothesis of"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refusals(options, message, classify_as):
    with pytest.raises(InputError, match=message):
        classify_as("a text", **options)


def test_a_label_is_put_into_the_template_unchanged(classify_as):
    given = {"candidate_labels": ["{x}", "a"], "hypothesis_template": "{{It}} is {}."}
    assert classify_as.options.changed(given).hypotheses() == ["{It} is {x}.", "{It} is a."]


def test_a_text_that_is_too_long(classify_as, tweets, caplog):
    text = " ".join(tweets[:100])
    classify_as(text, LABELS)
    assert caplog.messages == [f"1 of 1 texts truncated: longer than 512 tokens{ADVICE}"]
    with pytest.raises(InputError, match=r"texts: found .* tokens with its label, expected at most 512"):
        classify_as(text, LABELS, truncation=False)


def test_a_model_without_entailment(task_folder, tmp_path):
    folder = shutil.copytree(task_folder("zero-shot-classification"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    names = {"0": "negative", "1": "neutral", "2": "positive"}
    config |= {"id2label": names, "label2id": {name: int(index) for index, name in names.items()}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match=r"label2id: found .*, expected a label that begins"):
        pipeline("zero-shot-classification", folder)
