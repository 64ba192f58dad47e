"""The routes of text-embeddings-inference (TEI), with its fields, defaults and answers.

Where TEI ignores a model's `problem_type`, it is honoured: several labels of one text each have a sigmoid,
and a regression has its number. `dimensions` cuts vectors before they are normalized.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import numpy as np
from starlette.responses import Response

from ..pipelines.text_classification import apply_function
from .call import Call
from .endpoint import array_json, json_text, raw_json, vector_json
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
    Encoded,
    ServedModel,
)
from .service import Service

Answer = Callable[[Service, Call, Fields], Awaitable[str]]

# Characters of a request to /tokenize, whose answer has some 15 times as many bytes; ids of one to /decode.
MAX_TOKENIZED, MAX_IDS = 2_000_000, 1_000_000


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
    make = partial(_rows, _vector)
    return await _asked(service, call, fields, model, EMBED, items, is_batch, options, make)


async def embed_all(service: Service, call: Call, fields: Fields) -> str:
    """[[[f32]]]: the last states of all tokens of each text."""
    model = service.model_for(call, EMBED_ALL, model_name(fields))
    items, is_batch = texts_or_ids(fields)
    options = {"prompt": prompt_of(fields, model)}
    make = partial(_rows, _vector)
    return await _asked(service, call, fields, model, EMBED_ALL, items, is_batch, options, make)


async def embed_sparse(service: Service, call: Call, fields: Fields) -> str:
    """[[{index, value}]]: the weights of tokens that have one."""
    model = service.model_for(call, SPARSE, model_name(fields))
    items, is_batch = texts_or_ids(fields)
    options = {"prompt": prompt_of(fields, model)}
    make = partial(_rows, _sparse)
    return await _asked(service, call, fields, model, SPARSE, items, is_batch, options, make)


async def embed_multi(service: Service, call: Call, fields: Fields) -> str:
    """[{dense, sparse, colbert}]: bge-m3's representations, of one pass; those that are wanted."""
    model = service.model_for(call, MULTI, model_name(fields))
    items, is_batch = texts_or_ids(fields)
    wanted = tuple(fields.flag(name, True) for name in ("dense", "sparse", "colbert"))
    if not any(wanted):
        raise validation("at least one of `dense`, `sparse` and `colbert` must be true")
    options = {"prompt": prompt_of(fields, model), "wanted": wanted}
    make = partial(_rows, _representations)
    return await _asked(service, call, fields, model, MULTI, items, is_batch, options, make)


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
    return await _asked(service, call, parameters, model, EMBED, items, True, options, _cosines)


def _cosines(found: list[Any], encoded: Encoded) -> str:
    vectors_sd = np.stack([one.value for one in found]).astype(np.float64)
    # Row by row: a product of matrices may add in another order for another number of rows.
    return vector_json(np.array([(vectors_sd[0] * row).sum() for row in vectors_sd[1:]], np.float32))


def _rows(of_row: Callable[[Any], str], found: list[Any], encoded: Encoded) -> str:
    return array_json(of_row, found)


def _vector(found: Any) -> str:
    return vector_json(found.value)


def _sparse(found: Any) -> str:
    output = found.output  # SPLADE's or bge-m3's
    return json_text(sparse_values(output if isinstance(output, dict) else output.lexical_weights))


def _representations(found: Any) -> str:
    dense, weights, vectors = found.output
    parts = []
    if dense is not None:
        parts.append(f'"dense":{vector_json(dense)}')
    if weights is not None:
        parts.append(f'"sparse":{json_text(sparse_values(weights))}')
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
    labels = model.about_labels

    def make(found: list[Any], encoded: Encoded) -> str:
        rows = [labels_of(one, labels) for one in found]
        return json_text(rows if is_batch else rows[0])

    return await _asked(service, call, fields, model, PREDICT, items, is_batch, options, make)


def labels_of(found: Any, labels: list[str]) -> list[dict[str, Any]]:
    """A prediction's labels with their scores, best first."""
    return [{"score": float(found.scores_c[index]), "label": labels[index]} for index in found.best_first()]


async def pair_scores(
    service: Service,
    call: Call,
    fields: Fields,
    query: str,
    texts: list[str],
    raw_scores: bool,
    most_tokens: int | None = None,
) -> list[float]:
    """The score of the query with each text: a logit, or its sigmoid. Raises Failure.

    most_tokens: how many of each text are read, if not all.
    """
    model = service.model_for(call, RERANK, model_name(fields))
    if not query and not all(texts):
        raise empty("inputs")
    items = [(query, text) for text in texts]
    long_text, left = long_text_of(fields, service.settings), left_of(fields)
    asked = Asked(RERANK, items, long_text, {}, left, most_tokens)

    def make(found: list[Any], encoded: Encoded) -> list[float]:
        logits_s1 = np.array([one.logits_c for one in found], np.float32).reshape(-1, 1)
        scores_s1 = apply_function("none" if raw_scores else "sigmoid", logits_s1)
        return [float(score) for score in scores_s1[:, 0]]

    scores: list[float] = await service.answer(call, model, asked, True, make)
    return scores


async def rerank(service: Service, call: Call, fields: Fields) -> str:
    """[{index, score}] by descending score; with return_text also the text."""
    query, texts = fields.text("query"), fields.texts("texts")
    raw_scores, with_text = fields.flag("raw_scores", False), fields.flag("return_text", False)
    if not texts:
        raise empty("texts")
    scores = await pair_scores(service, call, fields, query, texts, raw_scores)
    ranks: list[dict[str, Any]] = []
    for index in best_first(scores):
        text = {"text": texts[index]} if with_text else {}
        ranks.append({"index": index, **text, "score": scores[index]})
    return json_text(ranks)


async def _asked(
    service: Service,
    call: Call,
    fields: Fields,
    model: ServedModel,
    task: str,
    items: list[Any],
    is_batch: bool,
    options: dict[str, Any],
    make: Callable[[list[Any], Encoded], str],
) -> str:
    asked = Asked(task, items, long_text_of(fields, service.settings), options, left_of(fields))
    text: str = await service.answer(call, model, asked, is_batch, make)
    return text


# ---- tokens ----------------------------------------------------------------------------------------------


async def tokenize(service: Service, call: Call, fields: Fields) -> str:
    """[[{id, text, special, start, stop}]]: places are bytes of UTF-8, null for special tokens."""
    model = service.named_model(call, model_name(fields)) or next(iter(service.models.values()))
    call.model = model.name
    texts, _ = texts_of(fields)
    for index, text in enumerate(texts):
        service.check_text(text, f"inputs[{index}]")
    if sum(map(len, texts)) > MAX_TOKENIZED:
        raise validation(f"`inputs` must have at most {MAX_TOKENIZED} characters in all", "inputs")
    adds, prompt = fields.flag("add_special_tokens", True), prompt_of(fields, model)
    texts = [prompt + text for text in texts]
    return await _read(service, call, len(texts), _tokens_of, model.tokenizer, texts, adds)


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
    fields.check_count(lists)
    if sum(len(ids) for ids in lists if isinstance(ids, list)) > MAX_IDS:
        raise validation(f"`ids` must have at most {MAX_IDS} ids in all", "ids")
    most = len(model.tokenizer)
    for index, ids in enumerate(lists):
        place = "ids" if is_single else f"ids[{index}]"
        if not isinstance(ids, list):
            raise fields.wrong(place, ids, "a list of token ids")
        if not ids:
            raise empty("ids")
        if max(fields.as_ids(ids, place)) >= most:
            raise Failure("Tokenizer", f"{place}: an id of at least {most}, the size of the vocabulary")
    skips = fields.flag("skip_special_tokens", True)
    return await _read(service, call, len(lists), _decoded, model.tokenizer, lists, skips)


async def _read(
    service: Service, call: Call, count: int, function: Callable[..., str], *arguments: Any
) -> str:
    """What the tokenizer makes of so many texts, as JSON: they are in work as those of other requests."""
    with service.admitted(call, count):
        text: str = await service.in_thread(call, function, *arguments, tokenizes=True)
    return text


def _decoded(tokenizer: Any, lists: list[list[int]], skips: bool) -> str:
    return array_json(json_text, [tokenizer.decode(ids, skip_special_tokens=skips) for ids in lists])


def _tokens_of(tokenizer: Any, texts: list[str], adds_specials: bool) -> str:
    encodings = tokenizer(texts, add_special_tokens=adds_specials).encodings
    rows = [json_text(_tokens(*one)) for one in zip(texts, encodings, strict=True)]
    return f"[{','.join(rows)}]"


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
    call.model_name = model.name  # `vertex` has a call for each instance
    if isinstance(fields.values.get("inputs"), dict) and model.does(EMBED):
        return await similarity(service, call, fields)
    if model.kind == "embedding" and not model.does(EMBED):
        return await embed_sparse(service, call, fields)
    if model.kind == "reranker" and fields.has("inputs"):
        return await predict(service, call, fields)
    answer = ROOT_OF_KIND.get(model.kind) or ROOT_OF_TASK[model.kind]
    return await answer(service, call, fields)


async def vertex(service: Service, call: Call, fields: Fields) -> Response:
    """{predictions}: the root's answer for each of `instances`, which are let in together or not at all."""
    instances = fields.raw("instances")
    if not isinstance(instances, list) or not all(isinstance(one, dict) for one in instances):
        raise fields.wrong("instances", instances, "a list of objects")
    fields.check_count(instances)
    count = sum(map(_texts_of_instance, instances))
    if count > service.settings.max_client_batch_size:
        raise too_many(count, service.settings.max_client_batch_size)
    parts = [call.part(call.model_name) for _ in instances]
    with service.admitted(call, count):
        work = [
            asyncio.ensure_future(root(service, part, Fields(one, f"instances[{at}].", fields.most_items)))
            for at, (part, one) in enumerate(zip(parts, instances, strict=True))
        ]
        try:
            found = await asyncio.gather(*work)
        finally:
            for one in work:
                one.cancel()
            await asyncio.gather(*work, return_exceptions=True)
    for part in parts:
        call.add(part)
    return raw_json(f'{{"predictions":[{",".join(found)}]}}', call)


def _texts_of_instance(instance: dict[str, Any]) -> int:
    """About as many texts as an instance has: the longest list in it, but for a list of ids."""
    lists = [one for one in instance.values() if isinstance(one, list) and one and type(one[0]) is not int]
    return max(map(len, lists), default=1)
