"""Bodies: JSON read strictly, within limits; what is wrong has TEI's status and text."""

from __future__ import annotations

import json

import pytest

from roberta_c.serve.failures import BodyFailure
from roberta_c.serve.json_body import Fields, parse_body

JSON = {"content-type": "application/json"}
SYNTAX = "Failed to parse the request body as JSON: "
TYPES = "Failed to deserialize the JSON body into the target type: "

BAD = [
    (b"", 400, "an empty file"),
    (b"   ", 400, "an empty file"),
    (b"{", 400, "not JSON"),
    (b'{"inputs": "a"', 400, "not JSON"),
    (b'{"inputs": "a"} x', 400, "not JSON"),
    (b"{'inputs': 'a'}", 400, "not JSON"),
    (b'{"inputs": "a",}', 400, "not JSON"),
    (b'{"inputs": "\xff"}', 400, "not UTF-8"),
    (b'\xef\xbb\xbf{"inputs": "a"}', 400, "not JSON"),
    (b'{"inputs": "\\ud800"}', 400, "a lone surrogate"),
    (b'{"inputs": ["a", "\\udc00 b"]}', 400, "a lone surrogate"),
    (b'{"inputs": "a\nb"}', 400, "not JSON"),
    (b'{"inputs": NaN}', 400, "the number 'NaN'"),
    (b'{"inputs": [Infinity]}', 400, "the number 'Infinity'"),
    (b'{"inputs": 1e999}', 400, "finite"),
    (b'{"inputs": ' + b"9" * 5000 + b"}", 400, "digits"),
    (b'{"inputs": ' + b"[" * 101 + b"]" * 101 + b"}", 400, "levels of nesting"),
    (b"[" * 100_000, 400, "levels of nesting"),
    (b'{"inputs": "a", "inputs": "b"}', 422, "twice"),
    (b'{"x": {"b": 1, "b": 2}, "inputs": "a"}', 422, "twice"),
    (b'["inputs"]', 422, "an object"),
    (b'"inputs"', 422, "an object"),
    (b"null", 422, "an object"),
    (b"3", 422, "an object"),
    (b"{}", 422, "missing field `inputs`"),
    (b'{"inputs": null}', 422, "missing field `inputs`"),
    (b'{"inputs": true}', 422, "inputs: found a boolean"),
    (b'{"inputs": 3.5}', 422, "inputs: found the number 3.5"),
    (b'{"inputs": {"a": 1}}', 422, "inputs: found an object"),
    (b'{"inputs": [1, "a"]}', 422, "inputs[1]: found a string"),
    (b'{"inputs": ["a", 1]}', 422, "inputs[1]: found the number 1"),
    (b'{"inputs": ["a", null]}', 422, "inputs[1]: found null"),
    (b'{"inputs": [1, -2]}', 422, "inputs[1]: found the number -2"),
    (b'{"inputs": [1, 1.0]}', 422, "inputs[1]: found the number 1.0"),
    (b'{"inputs": [1, true]}', 422, "inputs[1]: found a boolean"),
    (b'{"inputs": [4294967296]}', 422, "inputs[0]: found the number 4294967296"),
    (b'{"inputs": "a", "truncate": 1}', 422, "truncate: found the number 1"),
    (b'{"inputs": "a", "truncation_direction": "up"}', 422, "truncation_direction: found a string"),
    (b'{"inputs": "a", "long_text": "x"}', 422, "long_text: found a string"),
    (b'{"inputs": "a", "normalize": "yes"}', 422, "normalize: found a string"),
    (b'{"inputs": "a", "dimensions": -1}', 422, "dimensions: found the number -1"),
    (b'{"inputs": "a", "dimensions": 1.5}', 422, "dimensions: found the number 1.5"),
    (b'{"inputs": "a", "dimensions": true}', 422, "dimensions: found a boolean"),
    (b'{"inputs": "a", "prompt_name": 3}', 422, "prompt_name: found the number 3"),
]


@pytest.mark.parametrize(("data", "status", "message"), BAD)
def test_bad_bodies(client, data, status, message):
    response = client.post("/embedder/embed", content=data, headers=JSON)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert response.text.startswith(SYNTAX if status == 400 else TYPES)
    assert message in response.text


OTHER = [
    ("/predict", {"inputs": ["a", "b", "c"]}, "inputs: found 3 items"),
    ("/predict", {"inputs": [["a", "b", "c"]]}, "inputs[0]: found 3 items"),
    ("/predict", {"inputs": [["a"], "b"]}, "inputs[1]: found a string"),
    ("/predict", {"inputs": [[]]}, "inputs[0]: found 0 items"),
    ("/predict", {"inputs": ["a", 1]}, "inputs[1]: found the number 1"),
    ("/rerank", {"query": "a"}, "missing field `texts`"),
    ("/rerank", {"texts": ["a"]}, "missing field `query`"),
    ("/rerank", {"query": "a", "texts": "b"}, "texts: found a string"),
    ("/rerank", {"query": "a", "documents": ["b"], "top_n": 0}, "top_n: found the number 0"),
    ("/rerank", {"query": "a", "documents": [{"title": "b"}]}, "documents[0].text: found null"),
    ("/similarity", {"inputs": {"source_sentence": "a"}}, "inputs: missing field `sentences`"),
    ("/similarity", {"inputs": "a"}, "inputs: found a string"),
    ("/tokenize", {"inputs": [1]}, "inputs[0]: found the number 1"),
    ("/decode", {"ids": "a"}, "ids: found a string"),
    ("/decode", {"ids": [[1], 2]}, "ids[1]: found the number 2"),
    ("/ner", {"inputs": "a", "ignore_labels": "O"}, "ignore_labels: found a string"),
    ("/qa", {"question": "a"}, "missing field `context`"),
    ("/qa", {"inputs": ["a"]}, "inputs[0]: found a string"),
    ("/zero-shot", {"inputs": "a"}, "missing field `candidate_labels`"),
    ("/zero-shot", {"inputs": "a", "parameters": 3}, "parameters: found the number 3"),
    ("/vertex", {"instances": [3]}, "instances: found a list"),
]


@pytest.mark.parametrize(("path", "fields", "message"), OTHER)
def test_wrong_types_on_other_routes(client, path, fields, message):
    response = client.post(path, json=fields)
    assert response.status_code == 422
    # Of infinity's requests it is in JSON.
    text = response.json()["message"] if path == "/rerank" and "documents" in fields else response.text
    assert text.startswith(TYPES)
    assert message in text


def test_content_type_and_length(client, serving, folders):
    body = json.dumps({"inputs": "a", "model": "embedder"})
    for kind in ("text/plain", "application/jsonp", ""):
        response = client.post("/embed", content=body, headers={"content-type": kind})
        assert response.status_code == 415
        assert response.text == "Expected request with `Content-Type: application/json`"
    for kind in ("application/json; charset=utf-8", "application/vnd.api+json", "Application/JSON"):
        assert client.post("/embed", content=body, headers={"content-type": kind}).status_code == 200
    for length in ("x", "-1", "1" * 30):
        response = client.post("/embed", content=body, headers={**JSON, "content-length": length})
        assert response.status_code == 400
    with serving(folders["sentiment"], payload_limit=1000) as small:
        for content in (b" " * 1001, (b" " * 400 for _ in range(3))):  # with a length, and in chunks
            response = small.post("/predict", content=content, headers=JSON)
            assert response.status_code == 413
            assert "limit of 1000 bytes" in response.text


def test_other_methods_and_paths(client):
    assert client.get("/embed").status_code == 405
    assert client.post("/health", json={}).status_code == 405
    assert client.post("/nothing", json={}).status_code == 404


def test_unicode_is_kept(post):
    text = "𝔘nicode \u0000 \ufffe é 🙂"
    assert post("/rerank", query="a", texts=[text], return_text=True)[0]["text"] == text


def test_values_that_cost_too_much_memory_are_refused():
    with pytest.raises(BodyFailure, match="memory") as refused:
        parse_body(b'{"inputs": [' + b"[]," * 1_000_000 + b"[]]}")
    assert refused.value.status == 400


def test_fields_inside_of_fields_are_named():
    with pytest.raises(BodyFailure, match=r"a\.b\.c: found null, expected a string"):
        Fields({"a": {"b": {}}}).inside("a").inside("b").as_text(None, "c")
