"""The rerank routes of Cohere, Jina and infinity, and infinity's /classify. TEI's is in routes_tei.py.

On /rerank, TEI's requests have `texts`, infinity's `documents`. On /v1/rerank, Cohere's and Jina's differ
only in whether documents come back by default: for Cohere's SDK, which names itself in a header, they do not.
"""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import Response

from . import routes_tei
from .call import Call
from .endpoint import json_answer, raw_json
from .failures import validation
from .json_body import Fields
from .reading import best_first, long_text_of, model_name, texts_of
from .served_model import PREDICT, Asked, Encoded
from .service import Service

# Of /v2/rerank, where a request does not say.
MAX_TOKENS_PER_DOC = 4096


async def rerank(service: Service, call: Call, fields: Fields) -> Response:
    """TEI's or infinity's, by the field that the request has."""
    if fields.has("documents") and not fields.has("texts"):
        return await infinity_rerank(service, call, fields)
    return raw_json(await routes_tei.rerank(service, call, fields), call)


async def infinity_rerank(service: Service, call: Call, fields: Fields) -> Response:
    """{object, results: [{relevance_score, index, document?}], model, usage, id, created}."""
    call.is_infinity = True
    query, texts = fields.text("query"), documents_of(fields)
    raw_scores, with_text = fields.flag("raw_scores", False), fields.flag("return_documents", False)
    top = fields.count("top_n", least=1)
    scores = await _scores(service, call, fields, query, texts, raw_scores)
    results = []
    for index in best_first(scores)[:top]:
        text = {"document": texts[index]} if with_text else {}
        results.append({"relevance_score": scores[index], "index": index, **text})
    return json_answer(
        {"object": "rerank", "results": results, **_who(service, call, fields), **_usage(call)}, call
    )


async def v1_rerank(service: Service, call: Call, fields: Fields) -> Response:
    """Cohere v1's and Jina's answer in one: {id, model, object, results, usage, meta}."""
    return await _cohere(service, call, fields, "1", fields.flag("return_documents", not call.is_cohere))


async def v2_rerank(service: Service, call: Call, fields: Fields) -> Response:
    """Cohere v2's: {id, results: [{index, relevance_score}], meta}."""
    return await _cohere(service, call, fields, "2", fields.flag("return_documents", False))


async def _cohere(service: Service, call: Call, fields: Fields, version: str, with_text: bool) -> Response:
    query, texts = fields.text("query"), documents_of(fields)
    top, most = fields.count("top_n", least=1), fields.count("max_tokens_per_doc", least=1)
    if most is None and version == "2":
        most = MAX_TOKENS_PER_DOC
    scores = await _scores(service, call, fields, query, texts, False, most)
    results: list[dict[str, Any]] = []
    for index in best_first(scores)[:top]:
        text = {"document": {"text": texts[index]}} if with_text else {}
        results.append({"index": index, "relevance_score": scores[index], **text})
    meta = {"api_version": {"version": version}, "billed_units": {"search_units": 1}}
    who = _who(service, call, fields)
    more = {"model": who["model"], "object": "list", "usage": {"total_tokens": call.tokens}}
    answer = {"id": who["id"], **(more if version == "1" else {}), "results": results, "meta": meta}
    return json_answer(answer, call)


async def classify(service: Service, call: Call, fields: Fields) -> Response:
    """infinity's {object, data: [[{score, label}]], model, usage, id, created}."""
    model = service.model_for(call, PREDICT, model_name(fields))
    texts, _ = texts_of(fields, "input")
    function = "none" if fields.flag("raw_scores", False) else "default"
    long_text = long_text_of(fields, service.settings)
    asked = Asked(PREDICT, texts, long_text, {"function_to_apply": function})
    labels = model.about_labels

    def make(found: list[Any], encoded: Encoded) -> list[Any]:
        return [routes_tei.labels_of(one, labels) for one in found]

    data = await service.answer(call, model, asked, True, make)
    return json_answer(
        {"object": "classify", "data": data, **_who(service, call, fields), **_usage(call)}, call
    )


async def _scores(
    service: Service,
    call: Call,
    fields: Fields,
    query: str,
    texts: list[str],
    raw_scores: bool,
    most: int | None = None,
) -> list[float]:
    if not texts:
        raise validation("`documents` cannot be empty", "documents")
    return await routes_tei.pair_scores(service, call, fields, query, texts, raw_scores, most)


def documents_of(fields: Fields) -> list[str]:
    """The texts of `documents`, each a string or {text}."""
    value = fields.raw("documents")
    if not isinstance(value, list):
        raise fields.wrong("documents", value, "a list of strings")
    fields.check_count(value)
    texts = []
    for index, one in enumerate(value):
        place = f"documents[{index}]"
        text = one.get("text") if isinstance(one, dict) else one
        texts.append(fields.as_text(text, f"{place}.text" if isinstance(one, dict) else place))
    return texts


def _who(service: Service, call: Call, fields: Fields) -> dict[str, Any]:
    return {"model": model_name(fields) or call.model, "id": call.id, "created": int(time.time())}


def _usage(call: Call) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": call.tokens, "total_tokens": call.tokens}}
