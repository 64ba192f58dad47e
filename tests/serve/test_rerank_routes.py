"""Rerank routes of Cohere, Jina and infinity, and infinity's /classify."""

from __future__ import annotations

import pytest

QUERY = "good weather"
TEXTS = ["rain all day", "the sun shines", "what a day", "the sun shines"]


@pytest.fixture(scope="module")
def scores(offline):
    found = offline["ranker"].predict([(QUERY, text) for text in TEXTS])
    return [float(score) for score in found]


def assert_ranked(results, scores, key="relevance_score"):
    indexes = [result["index"] for result in results]
    assert [result[key] for result in results] == pytest.approx([scores[i] for i in indexes], abs=1e-7)
    assert indexes == sorted(range(len(scores)), key=lambda i: -scores[i])[: len(results)]


def test_infinity(post, scores):
    body = post("/rerank", query=QUERY, documents=TEXTS, model="ranker")
    assert list(body) == ["object", "results", "model", "id", "created", "usage"]
    assert (body["object"], body["model"]) == ("rerank", "ranker")
    assert list(body["usage"]) == ["prompt_tokens", "total_tokens"]
    assert [list(result) for result in body["results"]] == [["relevance_score", "index"]] * 4
    assert_ranked(body["results"], scores)
    shown = post("/rerank", query=QUERY, documents=TEXTS, return_documents=True, top_n=2, raw_scores=True)
    assert len(shown["results"]) == 2
    assert all(result["document"] == TEXTS[result["index"]] for result in shown["results"])
    raw = post("/rerank", query=QUERY, texts=TEXTS, raw_scores=True)
    assert [one["relevance_score"] for one in shown["results"]] == [one["score"] for one in raw[:2]]


def test_cohere_v2(post, scores):
    body = post("/v2/rerank", model="ranker", query=QUERY, documents=TEXTS, top_n=3)
    assert list(body) == ["id", "results", "meta"]
    assert body["meta"] == {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    assert [list(result) for result in body["results"]] == [["index", "relevance_score"]] * 3
    assert_ranked(body["results"], scores)


def test_cohere_v1_and_jina(client, scores):
    fields = {
        "model": "ranker",
        "query": QUERY,
        "documents": [TEXTS[0], *({"text": text} for text in TEXTS[1:])],
    }
    body = client.post("/v1/rerank", json=fields).json()
    assert list(body) == ["id", "model", "object", "usage", "results", "meta"]
    assert body["object"] == "list"
    assert body["meta"]["api_version"] == {"version": "1"}
    assert list(body["usage"]) == ["total_tokens"]
    assert_ranked(body["results"], scores)
    # Jina returns documents unless told not to; Cohere the other way round.
    assert all(result["document"] == {"text": TEXTS[result["index"]]} for result in body["results"])
    cohere = client.post("/v1/rerank", json=fields, headers={"user-agent": "cohere/7.3.1"}).json()
    assert [list(result) for result in cohere["results"]] == [["index", "relevance_score"]] * 4
    plain = client.post("/v1/rerank", json={**fields, "return_documents": False}).json()
    assert plain["results"] == cohere["results"]


def test_max_tokens_per_doc(post, offline):
    documents = ["the sun shines and it will rain all day long", "short"]
    body = post("/v2/rerank", query=QUERY, documents=documents, max_tokens_per_doc=3, model="ranker")
    tokenizer = offline["ranker"].tokenizer
    offsets = tokenizer(documents[:1], add_special_tokens=False).encodings[0].offsets
    cut = [documents[0][: offsets[2][1]], "short"]
    expected = offline["ranker"].predict([(QUERY, text) for text in cut])
    for result in body["results"]:
        assert result["relevance_score"] == pytest.approx(float(expected[result["index"]]), abs=1e-7)


def test_failures(client):
    for path in ("/rerank", "/v1/rerank", "/v2/rerank"):
        response = client.post(path, json={"query": "a", "documents": [], "model": "ranker"})
        assert response.status_code == 422
        assert "`documents` cannot be empty" in response.text
    response = client.post("/v2/rerank", json={"query": "a", "documents": ["b"], "model": "none"})
    assert response.status_code == 404
    assert "model: found 'none'" in response.json()["message"]
    response = client.post("/classify", json={"input": ["b"], "model": "none"})
    assert response.status_code == 400  # infinity's
    response = client.post("/v1/rerank", json={"query": "a", "documents": ["b"], "model": "embedder"})
    assert response.status_code == 424


def test_infinitys_classify(post, offline):
    body = post("/classify", input=TEXTS, model="sentiment")
    assert list(body) == ["object", "data", "model", "id", "created", "usage"]
    assert (body["object"], body["model"]) == ("classify", "sentiment")
    assert body["data"] == offline["sentiment"](TEXTS, top_k=None)
    raw = post("/classify", input=TEXTS[0], raw_scores=True, model="sentiment")["data"]
    assert raw == offline["sentiment"](TEXTS[:1], top_k=None, function_to_apply="none")
