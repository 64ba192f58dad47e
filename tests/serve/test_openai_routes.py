"""OpenAI's routes: fields, both encodings, usage, failures in OpenAI's form, ids refused with a hint."""

from __future__ import annotations

import base64

import numpy as np
import pytest

TEXTS = ["I love it", "What a day!", "I love it"]


def test_embeddings(post, offline, client):
    response = client.post("/v1/embeddings", json={"input": TEXTS, "model": "embedder", "user": "x"})
    body = response.json()
    assert list(body) == ["object", "data", "model", "usage"]
    assert (body["object"], body["model"]) == ("list", "embedder")
    expected = offline["embedder"].encode(TEXTS, normalize_embeddings=True)
    for index, one in enumerate(body["data"]):
        assert list(one) == ["object", "embedding", "index"]
        assert (one["object"], one["index"]) == ("embedding", index)
        np.testing.assert_array_equal(np.array(one["embedding"], np.float32), expected[index])
    tokens = sum(map(len, offline["embedder"].tokenizer(TEXTS)["input_ids"]))
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert response.headers["x-compute-tokens"] == str(tokens)
    single = post("/v1/embeddings", input=TEXTS[0], model="embedder")
    assert single["data"] == body["data"][:1]
    assert post("/embeddings", input=TEXTS, model="embedder") == body  # infinity's path


def test_base64_and_dimensions(post, offline):
    fields = {"input": TEXTS, "model": "embedder", "dimensions": 16}
    coded = post("/v1/embeddings", encoding_format="base64", **fields)["data"]
    vectors = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in coded]
    expected = offline["embedder"].encode(TEXTS, truncate_dim=16, normalize_embeddings=True)
    np.testing.assert_array_equal(vectors, expected)
    assert post("/v1/embeddings", encoding_format="float", dimensions=None, input="a", model="embedder")


def test_ids_are_refused_with_the_hint(client, serving, folders):
    for value in ([1, 2], [[1, 2], [3]]):
        response = client.post("/v1/embeddings", json={"input": value, "model": "embedder"})
        assert response.status_code == 400
        body = response.json()
        assert "check_embedding_ctx_length=False" in body["error"]["message"]
        assert body["error"]["param"] == "input"
    with serving(folders["embedder"], allow_token_ids=True) as own:
        ids = [token["id"] for token in own.post("/tokenize", json={"inputs": "a b"}).json()[0]]
        by_ids = own.post("/v1/embeddings", json={"input": ids}).json()
        assert by_ids["data"] == own.post("/v1/embeddings", json={"input": "a b"}).json()["data"]


@pytest.mark.parametrize(
    ("fields", "status", "kind", "param", "message"),
    [
        ({"input": "a", "model": "nobody"}, 404, "invalid_request_error", "model", "model: found 'nobody'"),
        ({"input": "a", "model": "sentiment"}, 424, "invalid_request_error", "model", "not an embedding"),
        ({"input": [], "model": "embedder"}, 400, "invalid_request_error", "input", "cannot be empty"),
        ({"input": "", "model": "embedder"}, 400, "invalid_request_error", "input", "cannot be empty"),
        ({"model": "embedder"}, 422, "invalid_request_error", "input", "missing field `input`"),
        ({"input": {"a": 1}, "model": "embedder"}, 422, "invalid_request_error", "input", "an object"),
        (
            {"input": "a", "dimensions": 100, "model": "embedder"},
            422,
            "invalid_request_error",
            "dimensions",
            "48",
        ),
        ({"input": "a", "encoding_format": "x"}, 422, "invalid_request_error", "encoding_format", "one of"),
        ({"input": ["a"] * 1025, "model": "embedder"}, 422, "invalid_request_error", None, "1025"),
    ],
)
def test_failures(client, fields, status, kind, param, message):
    response = client.post("/v1/embeddings", json=fields)
    body = response.json()
    assert response.status_code == status
    assert list(body) == ["error", "message", "code", "type"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    assert (body["error"]["type"], body["error"]["param"]) == (kind, param)
    assert message in body["error"]["message"]
    assert (body["message"], body["code"]) == (body["error"]["message"], status)
    assert response.headers["x-request-id"]


def test_bad_json_has_openais_form(client):
    response = client.post("/v1/embeddings", content=b"{", headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_models(client, folders):
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == list(folders)
    for model in listed["data"]:
        assert list(model)[:4] == ["id", "object", "created", "owned_by"]
        assert (model["object"], model["owned_by"]) == ("model", "roberta_c")
    assert client.get("/models").json() == listed
    assert client.get("/v1/models/embedder").json() == next(
        m for m in listed["data"] if m["id"] == "embedder"
    )
    assert client.get("/v1/models/none").status_code == 404
    assert client.get("/v1/models/none").json()["error"]["code"] == "model_not_found"


def test_with_one_model_any_name_means_it(serving, folders):
    with serving(folders["embedder"]) as own:
        answer = own.post("/v1/embeddings", json={"input": "a", "model": "text-embedding-3-small"}).json()
        assert answer["model"] == "text-embedding-3-small"
