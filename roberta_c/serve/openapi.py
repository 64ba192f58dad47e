"""The OpenAPI document of the server, and a page that shows it; both are made here, without outside files."""

from __future__ import annotations

import html
import json
from functools import cache
from typing import Any

from .. import __version__

_STR, _BOOL, _INT, _NUM = ({"type": name} for name in ("string", "boolean", "integer", "number"))


def _list(of: Any) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _or_null(of: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [of, {"type": "null"}]}


def _object(required: list[str] | None = None, /, **properties: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties}
    return {**made, "required": required} if required else made


def _choice(*names: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(names)}


_ID = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_ONE_OR_MORE = {"anyOf": [_STR, {**_list(_STR), "minItems": 1}]}
_TEXTS_OR_IDS = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {**_list(_ID), "minItems": 1},
        {**_list({"anyOf": [{"type": "string", "minLength": 1}, _list(_ID)]}), "minItems": 1},
    ]
}
_SINGLES_OR_PAIRS = {"anyOf": [{"type": "string", "minLength": 1}, _list(_STR), _list(_list(_STR))]}
_MODEL = {"model": _STR}
_LONG = {
    "truncate": _or_null(_BOOL),
    "truncation_direction": _choice("Right", "Left", "right", "left"),
    "long_text": _choice("truncate", "error", "windows"),
}
_PROMPT = {"prompt_name": _or_null(_STR)}
_COUNT = {"type": "integer", "minimum": 1}
_SCORED = _list(_object(["score", "label"], score=_NUM, label=_STR))
_SPARSE = _list(_object(["index", "value"], index=_INT, value=_NUM))
_USAGE = _object(prompt_tokens=_INT, total_tokens=_INT)
_ANY: dict[str, Any] = {}
_RERANK = {
    "query": _STR,
    "documents": _list({"anyOf": [_STR, _object(["text"], text=_STR)]}),
    "top_n": _COUNT,
}
_COHERE = _object(
    ["query", "documents"], **_RERANK, **_MODEL, return_documents=_BOOL, max_tokens_per_doc=_COUNT
)
_OPENAI = _object(
    ["input"],
    input=_TEXTS_OR_IDS,
    **_MODEL,
    encoding_format=_choice("float", "base64"),
    dimensions=_or_null(_COUNT),
    user=_STR,
    **_PROMPT,
)
_OPENAI_ANSWER = _object(["object", "data"], object=_STR, data=_list(_ANY), model=_STR, usage=_USAGE)
_EMBED_FIELDS = {"inputs": _TEXTS_OR_IDS, **_LONG, **_PROMPT, **_MODEL}
_TASK_FIELDS = {**_LONG, **_MODEL, "parameters": {"type": "object"}}
_CLASSIFY = _object(["input"], input=_ONE_OR_MORE, **_MODEL, raw_scores=_BOOL)

# Path → (what it does, the request's schema, the answer's).
POSTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "/embed": (
        "Vectors of texts",
        _object(["inputs"], **_EMBED_FIELDS, normalize=_BOOL, dimensions=_or_null(_COUNT)),
        _list(_list(_NUM)),
    ),
    "/embed_all": (
        "Vectors of all tokens of texts",
        _object(["inputs"], **_EMBED_FIELDS),
        _list(_list(_list(_NUM))),
    ),
    "/embed_sparse": ("Lexical weights of texts", _object(["inputs"], **_EMBED_FIELDS), _list(_SPARSE)),
    "/embed_multi": (
        "bge-m3's dense, sparse and multi-vector representations at once",
        _object(["inputs"], **_EMBED_FIELDS, dense=_BOOL, sparse=_BOOL, colbert=_BOOL),
        _list(_object(dense=_list(_NUM), sparse=_SPARSE, colbert=_list(_list(_NUM)))),
    ),
    "/similarity": (
        "Cosine similarity of a sentence with others",
        _object(
            ["inputs"],
            inputs=_object(["source_sentence", "sentences"], source_sentence=_STR, sentences=_list(_STR)),
            parameters=_or_null(_object(**_LONG, **_PROMPT)),
            **_MODEL,
        ),
        _list(_NUM),
    ),
    "/predict": (
        "Labels and scores of texts or pairs",
        _object(["inputs"], inputs=_SINGLES_OR_PAIRS, **_LONG, raw_scores=_BOOL, **_MODEL),
        {"anyOf": [_SCORED, _list(_SCORED)]},
    ),
    "/rerank": (
        "Texts sorted by how well they fit a query (TEI's and infinity's fields)",
        _object(
            ["query"],
            **_RERANK,
            texts=_list(_STR),
            **_LONG,
            raw_scores=_BOOL,
            return_text=_BOOL,
            return_documents=_BOOL,
            **_MODEL,
        ),
        {
            "anyOf": [
                _list(_object(["index", "score"], index=_INT, score=_NUM, text=_STR)),
                {"type": "object"},
            ]
        },
    ),
    "/v1/rerank": ("The same for Cohere's v1 and Jina's clients", _COHERE, {"type": "object"}),
    "/v2/rerank": ("The same for Cohere's v2 clients", _COHERE, {"type": "object"}),
    "/v1/embeddings": ("Vectors of texts for OpenAI's clients", _OPENAI, _OPENAI_ANSWER),
    "/embeddings": ("The same for infinity's clients", _OPENAI, _OPENAI_ANSWER),
    "/classify": ("Labels and scores of texts for infinity's clients", _CLASSIFY, {"type": "object"}),
    "/ner": (
        "Entities in texts",
        _object(
            ["inputs"],
            inputs=_ONE_OR_MORE,
            **_TASK_FIELDS,
            aggregation_strategy=_choice("none", "simple", "first", "average", "max"),
            ignore_labels=_list(_STR),
        ),
        _list(_ANY),
    ),
    "/qa": (
        "Answers to questions, by parts of a context",
        _object(None, question=_STR, context=_STR, inputs=_ANY, **_TASK_FIELDS, top_k=_COUNT),
        {"anyOf": [{"type": "object"}, _list(_ANY)]},
    ),
    "/fill-mask": (
        "Tokens that fit best at <mask>",
        _object(
            ["inputs"],
            inputs=_ONE_OR_MORE,
            **_TASK_FIELDS,
            top_k=_COUNT,
            targets={"anyOf": [_STR, _list(_STR)]},
        ),
        _list(_ANY),
    ),
    "/zero-shot": (
        "Scores of labels of your choice",
        _object(
            ["inputs"],
            inputs=_ONE_OR_MORE,
            **_TASK_FIELDS,
            candidate_labels={"anyOf": [_STR, _list(_STR)]},
            hypothesis_template=_STR,
            multi_label=_BOOL,
        ),
        {"anyOf": [{"type": "object"}, _list(_ANY)]},
    ),
    "/tokenize": (
        "Tokens of texts; places are bytes in UTF-8",
        _object(["inputs"], inputs=_ONE_OR_MORE, add_special_tokens=_BOOL, **_PROMPT, **_MODEL),
        _list(_list(_object(id=_INT, text=_STR, special=_BOOL, start=_or_null(_INT), stop=_or_null(_INT)))),
    ),
    "/decode": (
        "Texts of token ids",
        _object(
            ["ids"],
            ids={"anyOf": [_list(_ID), _list(_list(_ID))]},
            skip_special_tokens=_BOOL,
            **_MODEL,
        ),
        _list(_STR),
    ),
    "/": ("What the model's kind does: predict, rerank, embed, …", {"type": "object"}, _ANY),
    "/invocations": ("The same, for SageMaker", {"type": "object"}, _ANY),
    "/vertex": (
        "The same for several requests, for Vertex AI",
        _object(["instances"], instances=_list({"type": "object"})),
        _object(predictions=_list(_ANY)),
    ),
}
GETS = {
    "/health": "200 if requests are welcome, 503 while models are loaded or the server ends",
    "/ping": "The same",
    "/livez": "200 as long as the process answers",
    "/info": "Facts about a model and the server's limits",
    "/metrics": "Metrics in Prometheus' format",
    "/v1/models": "The models, for OpenAI's clients",
    "/models": "The same",
    "/docs": "This list, as a page",
    "/ui": "A page to try the models on",
    "/openapi.json": "This list, as an OpenAPI document",
}
_FAILURES = {
    "400": "Not JSON, or an empty text",
    "401": "No key, or a wrong one",
    "404": "An unknown model",
    "408": "The body came too slowly",
    "413": "The body is too large",
    "415": "Not application/json",
    "422": "A field of another type, or with a value that cannot be",
    "424": "The model is of another kind, or could not compute",
    "429": "Too many requests in work; see Retry-After",
    "503": "Models are being loaded, or the server ends",
    "504": "The deadline of the request has passed",
}


@cache
def openapi_document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    failures = {
        status: {
            "description": text,
            "content": {"application/json": {"schema": {}}, "text/plain": {"schema": _STR}},
        }
        for status, text in _FAILURES.items()
    }
    paths: dict[str, dict[str, Any]] = {}
    for path, (summary, request, answer) in POSTS.items():
        found = {"description": "The answer", "content": {"application/json": {"schema": answer}}}
        paths[path] = {
            "post": {
                "summary": summary,
                "operationId": _operation("post", path),
                "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
                "responses": {"200": found, **failures},
            }
        }
    for path, summary in GETS.items():
        paths.setdefault(path, {})["get"] = {
            "summary": summary,
            "operationId": _operation("get", path),
            "responses": {
                "200": {"description": summary},
                "401": {"description": _FAILURES["401"]},
                "503": {"description": _FAILURES["503"]},
            },
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "roberta_c",
            "version": __version__,
            "description": "RoBERTa-family models on CPUs, on the routes of text-embeddings-inference, "
            "OpenAI, Cohere, Jina and infinity. With several models, `model` or the path's prefix "
            "/<name>/ chooses one.",
        },
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"key": []}],
    }


def _operation(method: str, path: str) -> str:
    return f"{method}_{path.strip('/').replace('/', '_').replace('-', '_').replace('.', '_') or 'root'}"


@cache
def docs_page() -> str:
    """The document as a page of its own."""
    rows = []
    for path, of_path in openapi_document()["paths"].items():
        for method, facts in of_path.items():
            schema = facts.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            text = "" if schema is None else json.dumps(schema, indent=1)
            shown = (
                f"<details><summary>request</summary><pre>{html.escape(text)}</pre></details>" if text else ""
            )
            rows.append(
                f"<section><h2><code>{method.upper()} {html.escape(path)}</code></h2>"
                f"<p>{html.escape(facts['summary'])}</p>{shown}</section>"
            )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>roberta_c: routes</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;"
        "margin:2rem auto;padding:0 1rem}h2{font-size:1rem;margin:1.5rem 0 0}p{margin:.2rem 0}"
        "pre{overflow:auto}</style>"
        '<h1>roberta_c: routes</h1><p>As a document: <a href="openapi.json">openapi.json</a></p>'
        f"{''.join(rows)}</html>"
    )
