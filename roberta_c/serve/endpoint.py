"""From a handler to an endpoint: the body read and checked, failures answered, the log, clients that leave.

A handler is `async (service, call, fields) → Response`; what it raises is answered in its dialect.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from .call import Call
from .failures import BodyFailure, Failure, body_of
from .json_body import ClientGone, Fields, parse_body, read_body
from .request_log import log_call, log_unexpected
from .service import Service, UnknownModel

Handler = Callable[[Service, Call, Fields], Awaitable[Response]]
Dialect = Callable[[Failure], Response]
Endpoint = Callable[[Request], Awaitable[Response]]

CLIENT_GONE = 499  # the status in the log; nobody reads it
# A body of more bytes is parsed in a thread of its own, while other requests go on.
_LARGE_BODY = 1 << 16
# Memory of a request for each byte of its body: the text, and the values made of it.
_BYTES_OF_BYTE = 4
# So many tokens, entities, … are written as JSON before other threads have their turn.
_AT_ONCE = 256


# ---- answers ---------------------------------------------------------------------------------------------


def json_answer(value: Any, call: Call | None = None, status: int = 200) -> Response:
    """An answer of plain Python values, with the headers of the call."""
    return raw_json(json_text(value), call, status)


def json_text(value: Any) -> str:
    """Plain Python values as JSON. Of long lists in parts: json.dumps keeps the interpreter's lock."""
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        if isinstance(value[0], list):
            return array_json(json_text, value)
        parts = [_dumped(value[at : at + _AT_ONCE])[1:-1] for at in range(0, len(value), _AT_ONCE)]
        return f"[{','.join(parts)}]"
    return _dumped(value)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def raw_json(text: str, call: Call | None = None, status: int = 200) -> Response:
    """An answer that is JSON already."""
    headers = None if call is None else call.headers()
    return Response(text.encode(), status, headers, "application/json")


def vector_json(vector: np.ndarray) -> str:
    """A float32 array of finite numbers as JSON: nine digits give each number back exactly."""
    if vector.ndim > 1:
        return f"[{','.join(map(vector_json, vector))}]"
    return _template(len(vector)) % tuple(vector.tolist())


def array_json(of_row: Callable[[Any], str], rows: Sequence[Any]) -> str:
    """The rows as a JSON array."""
    return f"[{','.join(map(of_row, rows))}]"


@lru_cache(64)
def _template(width: int) -> str:
    return f"[{','.join(['%.9g'] * width)}]"


# ---- failures in each dialect ----------------------------------------------------------------------------


def tei_failure(failure: Failure) -> Response:
    """As text-embeddings-inference answers it."""
    if failure.plain_text:
        return PlainTextResponse(failure.message, failure.status, failure.headers)
    answer = json_answer(body_of(failure), None, failure.status)
    answer.headers.update(failure.headers)
    return answer


def openai_failure(failure: Failure) -> Response:
    """As OpenAI answers it, with the flat fields beside it that TEI's OpenAI route and Cohere have."""
    status = failure.status
    kind = "invalid_request_error" if status < 500 else "server_error"
    if status == 429:
        kind = "rate_limit_error"
    error = {
        "message": failure.message,
        "type": kind,
        "param": failure.param,
        "code": "model_not_found" if failure.param == "model" and status in (400, 404) else failure.kind,
    }
    flat = {"message": failure.message, "code": status, "type": failure.kind}
    answer = json_answer({"error": error, **flat}, None, status)
    answer.headers.update(failure.headers)
    return answer


async def no_route(request: Request, error: Any) -> Response:
    """404 and 405: plain text; on OpenAI's and Cohere's paths JSON, which their clients read."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    answer: Response = PlainTextResponse(error.detail, error.status_code)
    if path.startswith(("/v1/", "/v2/")):
        answer = openai_failure(BodyFailure(error.status_code, f"{error.detail}: {path[:100]}"))
    answer.headers.update(error.headers or {})
    return answer


def unknown_model(name: str, known: Sequence[str], status: int) -> Failure:
    """A model that is not served here."""
    message = f"model: found {name!r:.100}, expected one of {', '.join(known)}"
    return Failure("Validation", message, "validation", "model", status=status)


# ---- endpoints -------------------------------------------------------------------------------------------


def posted(
    service: Service, handler: Handler, dialect: Dialect = tei_failure, unknown_status: int = 404
) -> Endpoint:
    """The endpoint of a handler that reads a JSON body. unknown_status: of an unknown model."""

    async def endpoint(request: Request) -> Response:
        settings = service.settings
        state = request.scope.get("state", {})
        call = Call.of(request.scope["path"], "POST", request.headers, state.get("model_name"), settings)

        async def answer() -> Response:
            service.start()  # in an application that this one is mounted in, nothing else does
            service.check_ready()
            service.admission.check(service.engine.queue.waiting_seconds())
            fields = await _fields(request, service, call)
            return await _while_connected(request, handler(service, call, fields))

        try:
            response = await answer()
        except Failure as failure:
            response = _failed(service, openai_failure if call.is_infinity else dialect, failure)
        except UnknownModel as error:
            status = 400 if call.is_infinity else unknown_status
            unknown = unknown_model(str(error), list(service.models), status)
            response = _failed(service, openai_failure if call.is_infinity else dialect, unknown)
        except ClientGone:
            service.metrics.count("te_request_failure", "dropped")
            response = Response(status_code=CLIENT_GONE)
        except Exception as error:
            log_unexpected(call, error)
            response = _failed(service, dialect, Failure("Backend", "unexpected error", "inference"))
        finally:
            service.admission.give_memory(sum(call.memory))
        response.headers["x-request-id"] = call.id
        log_call(call, response.status_code)
        return response

    return endpoint


async def _fields(request: Request, service: Service, call: Call) -> Fields:
    settings = service.settings

    def take(size: int) -> None:
        service.admission.take_memory(_BYTES_OF_BYTE * size)
        call.memory.append(_BYTES_OF_BYTE * size)

    data = await read_body(
        request.receive, request.headers, settings.payload_limit, settings.body_timeout, take
    )
    most = settings.max_client_batch_size
    if len(data) <= _LARGE_BODY:
        return parse_body(data, most)
    fields: Fields = await service.in_thread(call, parse_body, data, most)
    return fields


def _failed(service: Service, dialect: Dialect, failure: Failure) -> Response:
    if failure.metric == "batch_size":
        service.metrics.count("te_request_count", "batch")  # it was refused before it was counted
    if failure.metric is not None:
        service.metrics.count("te_request_failure", failure.metric)
    return dialect(failure)


async def _while_connected(request: Request, answering: Awaitable[Response]) -> Response:
    """The answer; ClientGone as soon as the client has closed the connection, and the work is cancelled."""
    work = asyncio.ensure_future(answering)
    leaving = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientGone
        return await work
    finally:
        leaving.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
