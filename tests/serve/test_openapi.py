"""The OpenAPI document: it lists every route. And the two pages."""

from __future__ import annotations

import re

from roberta_c.serve.openapi import openapi_document


def test_the_document_lists_every_route(client):
    document = client.get("/openapi.json").json()
    assert document == client.get("/api-doc/openapi.json").json() == openapi_document()
    assert document["openapi"].startswith("3.1")
    listed = {(method, path) for path, of_path in document["paths"].items() for method in of_path}
    served = {
        (method.lower(), route.path)
        for route in client.app.routes
        for method in route.methods - {"HEAD"}
        if "{" not in route.path
    }
    assert served - listed == {("get", "/"), ("get", "/api-doc/openapi.json")}
    assert listed <= served
    operations = [
        facts["operationId"] for of_path in document["paths"].values() for facts in of_path.values()
    ]
    assert len(operations) == len(set(operations))


def test_the_page_fetches_nothing(client):
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"(src|href)=\"(https?:|//)|<script|@import", page.text)
    for path in ("/embed", "/v1/embeddings", "/v2/rerank"):
        assert f"POST {path}" in page.text


def test_the_page_to_try_models_on_fetches_nothing_from_elsewhere(client):
    page = client.get("/ui")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"https?://(?!www\.w3\.org)|(src|href)=\"//|@import", page.text)
    named = set(re.findall(r'<(?:select|textarea|input)[^>]*id="([^"]+)"', page.text))
    labelled = set(re.findall(r'<label for="([^"]+)"', page.text))
    assert named <= labelled
    # It knows every task of a model that has a form of its own.
    tasks = {task for model in client.get("/v1/models").json()["data"] for task in model["tasks"]}
    for task in tasks - {"embed_all", "embed_multi"}:
        assert re.search(rf'^ "?{task}"?:\[', page.text, flags=re.MULTILINE), task
