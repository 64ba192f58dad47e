"""Entities, answers, masked tokens, labels of the caller's choice: as offline, also of long texts."""

from __future__ import annotations

import pytest

TEXTS = ["I saw Ada in London", "What a day! Züge fahren nach Köln."]
LONG = "Ada met Grace in London. " * 200


def test_ner(post, offline):
    tag = offline["tagger"]
    expected = tag(TEXTS, aggregation_strategy="simple")
    assert post("/ner", inputs=TEXTS) == expected
    assert post("/ner", inputs=TEXTS[0]) == expected[0]
    tokens = tag(TEXTS, aggregation_strategy="none", ignore_labels=["B-person"])
    options = {"aggregation_strategy": "none", "ignore_labels": ["B-person"]}
    assert post("/ner", inputs=TEXTS, **options) == post("/ner", inputs=TEXTS, parameters=options) == tokens
    windows = tag(LONG, aggregation_strategy="simple", long_text="windows")
    assert post("/ner", inputs=LONG, long_text="windows") == windows


def test_qa(post, offline):
    answer = offline["answerer"]
    asked = {"question": "who was there?", "context": "Ada met Grace in London."}
    assert post("/qa", **asked) == post("/qa", inputs=asked) == answer(**asked)
    assert post("/qa", inputs=[asked, asked]) == [answer(**asked)] * 2
    assert post("/qa", **asked, top_k=3) == answer(**asked, top_k=3)
    long = {**asked, "context": LONG}
    options = {"max_seq_len": 64, "doc_stride": 16, "handle_impossible_answer": True}
    assert post("/qa", inputs=long, parameters=options) == answer(**long, **options)


def test_fill_mask(post, offline):
    fill = offline["masked"]
    texts = ["a <mask> day", "two <mask> here <mask>"]
    assert post("/fill-mask", inputs=texts) == fill(texts)
    assert post("/fill-mask", inputs=texts[0], top_k=2) == fill(texts[0], top_k=2)
    targets = ["good", "bad"]
    assert post("/fill-mask", inputs=texts[0], targets=targets) == fill(texts[0], targets=targets)


def test_zero_shot(post, offline):
    classify = offline["nli"]
    labels = ["sports", "the weather"]
    assert post("/zero-shot", inputs=TEXTS[0], candidate_labels=labels) == classify(TEXTS[0], labels)
    options = {
        "candidate_labels": "sports, the weather",
        "multi_label": True,
        "hypothesis_template": "It is {}.",
    }
    expected = classify(TEXTS, **options)
    assert post("/zero-shot", inputs=TEXTS, parameters=options) == expected


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/ner", {"inputs": "a", "aggregation_strategy": "best"}, "aggregation_strategy: found 'best'"),
        ("/qa", {"question": "a", "context": "b", "top_k": 0}, "top_k: found 0"),
        ("/qa", {"question": "a", "context": "b", "max_seq_len": 100000}, "max_seq_len: found 100000"),
        ("/fill-mask", {"inputs": "a <mask>", "top_k": 0}, "top_k: found 0"),
        ("/zero-shot", {"inputs": "a", "candidate_labels": ["b"], "hypothesis_template": "no"}, "one {}"),
        ("/zero-shot", {"inputs": "a", "candidate_labels": ["b"] * 1100}, "batch size 1100 > maximum"),
        ("/ner", {"inputs": "a " * 600, "truncate": False}, "expected at most 512"),
    ],
)
def test_bad_options(client, path, fields, message):
    response = client.post(path, json=fields)
    assert response.status_code == 422
    assert message in response.json()["error"]
    assert response.json()["error_type"] == "Validation"
