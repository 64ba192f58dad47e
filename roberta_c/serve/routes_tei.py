"""The routes of text-embeddings-inference (TEI), with its fields, defaults and answers.

Where TEI ignores a model's `problem_type`, it is honoured: several labels of one text each have a sigmoid,
and a regression has its number. `dimensions` cuts vectors before they are normalized.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from starlette.responses import Response

from ..pipelines.text_classification import apply_function
from .call import Call
from .endpoint import raw_json, rows_json, vector_json
from .failures import Failure, empty, too_many, validation
from .json_body import Fields
from .reading import (
    best_first,
    left_of,
    long_text_of,
    model_name,
    prompt_of,
    singles_or_pairs,
    texts_of,
    texts_or_ids,
    width_of,
)
from .served_model import (
    EMBED,
    EMBED_ALL,
    MULTI,
    PREDICT,
    RERANK,
    SPARSE,
    Asked,
    ServedModel,
)
from .service import Service

Answer = Callable[[Service, Call, Fields], Awaitable[str]]


def answered(answer: Answer) -> Callable[[Service, Call, Fields], Awaitable[Response]]:
    """A handler of a function that gives the answer's JSON."""

    async def handler(service: Service, call: Call, fields: Fields) -> Response:
        return raw_json(await answer(service, call, fields), call)

    return handler


# ---- vectors ---------------------------------------------------------------------------------------------


async def embed(service: Service, call: Call, fields: Fields) -> str:
    """[[f32]], also for one text."""
    model = service.model_for(call, EMBED, model_name(fields))
    items, is_batch = texts_or_ids(fields)
    normalize, width = fields.flag("normalize", True), width_of(fields, model)
    options = {"prompt": prompt_of(fields, model), "normalize": normalize, "truncate_dim": width}
    found = await _asked(service, call, fields, model, EMBED, items, is_batch, options)
    return await rows_json(service, _vector, found)


async def embed_all(service: Service, call: Call, fields: Fields) -> str:
    """[[[f32]]]: the last states of all tokens of each text."""
    model = service.model_for(call, EMBED_ALL, model_name(fields))
    items, is_batch = texts_or_ids(fields)
    options = {"prompt": prompt_of(fields, model)}
    found = await _asked(service, call, fields, model, EMBED_ALL, items, is_batch, options)
    return await rows_json(service, _vector, found)


async def embed_sparse(service: Service, call: Call, fields: Fields) -> str:
    """[[{index, value}]]: the weights of tokens that have one."""
    model = service.model_for(call, SPARSE, model_name(fields))
    items, is_batch = texts_or_ids(fields)
    options = {"prompt": prompt_of(fields, model)}
    found = await _asked(service, call, fields, model, SPARSE, items, is_batch, options)
    return await rows_json(service, _sparse, found)


async def embed_multi(service: Service, call: Call, fields: Fields) -> str:
    """[{dense, sparse, colbert}]: bge-m3's representations, of one pass; those that are wanted."""
    model = service.model_for(call, MULTI, model_name(fields))
    items, is_batch = texts_or_ids(fields)
    wanted = tuple(fields.flag(name, True) for name in ("dense", "sparse", "colbert"))
    if not any(wanted):
        raise validation("at least one of `dense`, `sparse` and `colbert` must be true")
    options = {"prompt": prompt_of(fields, model), "wanted": wanted}
    found = await _asked(service, call, fields, model, MULTI, items, is_batch, options)
    return await rows_json(service, _representations, found)


async def similarity(service: Service, call: Call, fields: Fields) -> str:
    """[f32]: the cosine of the source sentence and each other one."""
    model = service.model_for(call, EMBED, model_name(fields))
    fields.raw("inputs")
    inputs, parameters = fields.inside("inputs"), fields.inside("parameters")
    source, sentences = inputs.text("source_sentence"), inputs.texts("sentences")
    if not sentences:
        raise empty("sentences")
    if not source or not all(sentences):
        raise empty("inputs")
    options = {"prompt": prompt_of(parameters, model), "normalize": True, "truncate_dim": None}
    items = [source, *sentences]
    found = await _asked(service, call, parameters, model, EMBED, items, True, options)
    vectors_sd = np.stack([one.value for one in found]).astype(np.float64)
    # Row by row: a product of matrices may add in another order for another number of rows.
    return vector_json(np.array([(vectors_sd[0] * row).sum() for row in vectors_sd[1:]], np.float32))


def _vector(found: Any) -> str:
    return vector_json(found.value)


def _sparse(found: Any) -> str:
    output = found.output  # SPLADE's or bge-m3's
    return json.dumps(sparse_values(output if isinstance(output, dict) else output.lexical_weights))


def _representations(found: Any) -> str:
    dense, weights, vectors = found.output
    parts = []
    if dense is not None:
        parts.append(f'"dense":{vector_json(dense)}')
    if weights is not None:
        parts.append(f'"sparse":{json.dumps(sparse_values(weights))}')
    if vectors is not None:
        parts.append(f'"colbert":{vector_json(vectors)}')
    return f"{{{','.join(parts)}}}"


def sparse_values(weights: dict[str, float]) -> list[dict[str, Any]]:
    """Lexical weights as TEI lists them, by token id."""
    return [{"index": index, "value": weights[str(index)]} for index in sorted(map(int, weights))]


# ---- labels and scores -----------------------------------------------------------------------------------


async def predict(service: Service, call: Call, fields: Fields) -> str:
    """[{score, label}] of one text or pair, all labels by descending score; a list of these of a batch."""
    model = service.model_for(call, PREDICT, model_name(fields))
    items, is_batch = singles_or_pairs(fields)
    function = "none" if fields.flag("raw_scores", False) else "default"
    options = {"function_to_apply": function}
    found = await _asked(service, call, fields, model, PREDICT, items, is_batch, options)
    labels = model.about_labels
    rows = [
        [{"score": float(one.scores_c[index]), "label": labels[index]} for index in one.best_first()]
        for one in found
    ]
    return json.dumps(rows if is_batch else rows[0], ensure_ascii=False)


async def pair_scores(
    service: Service,
    call: Call,
    fields: Fields,
    query: str,
    texts: list[str],
    raw_scores: bool,
) -> list[float]:
    """The score of the query with each text: a logit, or its sigmoid. Raises Failure."""
    model = service.model_for(call, RERANK, model_name(fields))
    if not query and not all(texts):
        raise empty("inputs")
    items = [(query, text) for text in texts]
    found = await _asked(service, call, fields, model, RERANK, items, True, {})
    logits_s1 = np.array([one.logits_c for one in found], np.float32).reshape(-1, 1)
    scores_s1 = apply_function("none" if raw_scores else "sigmoid", logits_s1)
    return [float(score) for score in scores_s1[:, 0]]


async def rerank(service: Service, call: Call, fields: Fields) -> str:
    """[{index, score}] by descending score; with return_text also the text."""
    query, texts = fields.text("query"), fields.texts("texts")
    raw_scores, with_text = fields.flag("raw_scores", False), fields.flag("return_text", False)
    if not texts:
        raise validation("`texts` cannot be empty", "texts")
    scores = await pair_scores(service, call, fields, query, texts, raw_scores)
    ranks: list[dict[str, Any]] = []
    for index in best_first(scores):
        text = {"text": texts[index]} if with_text else {}
        ranks.append({"index": index, **text, "score": scores[index]})
    return json.dumps(ranks, ensure_ascii=False)


async def _asked(
    service: Service,
    call: Call,
    fields: Fields,
    model: ServedModel,
    task: str,
    items: list[Any],
    is_batch: bool,
    options: dict[str, Any],
) -> list[Any]:
    asked = Asked(task, items, long_text_of(fields, service.settings), options, left_of(fields))
    found, _ = await service.predictions(call, model, asked, is_batch)
    return found


def _listed(rows: list[str]) -> str:
    return f"[{','.join(rows)}]"


# ---- tokens ----------------------------------------------------------------------------------------------


async def tokenize(service: Service, call: Call, fields: Fields) -> str:
    """[[{id, text, special, start, stop}]]: places are bytes of UTF-8, null for special tokens."""
    model = service.named_model(call, model_name(fields)) or next(iter(service.models.values()))
    call.model = model.name
    texts, _ = texts_of(fields)
    _check_count(service, texts)
    adds, prompt = fields.flag("add_special_tokens", True), prompt_of(fields, model)
    rows = await service.in_thread(_tokens_of, model.tokenizer, [prompt + text for text in texts], adds)
    return json.dumps(rows, ensure_ascii=False)


async def decode(service: Service, call: Call, fields: Fields) -> str:
    """[str]: the text of each list of ids."""
    model = service.named_model(call, model_name(fields)) or next(iter(service.models.values()))
    call.model = model.name
    value = fields.raw("ids")
    if not isinstance(value, list):
        raise fields.wrong("ids", value, "a list of token ids, or a list of these")
    if not value:
        raise empty("ids")
    is_single = not isinstance(value[0], list)
    lists = [value] if is_single else value
    _check_count(service, lists)
    most = len(model.tokenizer)
    for index, ids in enumerate(lists):
        place = "ids" if is_single else f"ids[{index}]"
        if not isinstance(ids, list):
            raise fields.wrong(place, ids, "a list of token ids")
        if not ids:
            raise empty("ids")
        if any(one >= most for one in fields.as_ids(ids, place)):
            raise Failure("Tokenizer", f"{place}: an id of at least {most}, the size of the vocabulary")
    skips = fields.flag("skip_special_tokens", True)
    texts = await service.in_thread(_decoded, model.tokenizer, lists, skips)
    return json.dumps(texts, ensure_ascii=False)


def _check_count(service: Service, items: list[Any]) -> None:
    if len(items) > service.settings.max_client_batch_size:
        raise too_many(len(items), service.settings.max_client_batch_size)


def _decoded(tokenizer: Any, lists: list[list[int]], skips: bool) -> list[str]:
    return [tokenizer.decode(ids, skip_special_tokens=skips) for ids in lists]


def _tokens_of(tokenizer: Any, texts: list[str], adds_specials: bool) -> list[list[dict[str, Any]]]:
    encodings = tokenizer(texts, add_special_tokens=adds_specials).encodings
    return [_tokens(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]


def _tokens(text: str, encoding: Any) -> list[dict[str, Any]]:
    # Byte at which each character starts; of ASCII text it is the character's index.
    starts: Any = range(len(text) + 1)
    if not text.isascii():
        sizes = [len(one.encode()) for one in text]
        starts = [0, *np.cumsum(sizes).tolist()]
    tokens = []
    rows = zip(encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True)
    for token_id, token, special, (start, stop) in rows:
        is_special = bool(special)
        tokens.append(
            {
                "id": token_id,
                "text": token if is_special else text[start:stop],
                "special": is_special,
                "start": None if is_special else starts[start],
                "stop": None if is_special else starts[stop],
            }
        )
    return tokens


# ---- the root --------------------------------------------------------------------------------------------

ROOT_OF_KIND: dict[str, Answer] = {
    "classifier": predict,
    "reranker": rerank,
    "embedding": embed,
}


async def root(service: Service, call: Call, fields: Fields) -> str:
    """What the model's kind has: predict, rerank, embed_sparse or embed; similarity by the form of inputs."""
    from .routes_tasks import ROOT_OF_TASK

    model = service.named_model(call, model_name(fields)) or next(iter(service.models.values()))
    call.model_name = model.name
    if isinstance(fields.values.get("inputs"), dict) and model.does(EMBED):
        return await similarity(service, call, fields)
    if model.kind == "embedding" and not model.does(EMBED):
        return await embed_sparse(service, call, fields)
    if model.kind == "reranker" and fields.has("inputs"):
        return await predict(service, call, fields)
    answer = ROOT_OF_KIND.get(model.kind) or ROOT_OF_TASK[model.kind]
    return await answer(service, call, fields)


async def vertex(service: Service, call: Call, fields: Fields) -> Response:
    """{predictions}: the root's answer for each of `instances`."""
    instances = fields.raw("instances")
    if not isinstance(instances, list) or not all(isinstance(one, dict) for one in instances):
        raise fields.wrong("instances", instances, "a list of objects")
    _check_count(service, instances)
    found = [await root(service, call, Fields(one, f"instances[{i}].")) for i, one in enumerate(instances)]
    return raw_json(f'{{"predictions":{_listed(found)}}}', call)
