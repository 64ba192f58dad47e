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
from .failures import Failure, body_of
from .json_body import ClientGone, Fields, parse_body, read_body
from .request_log import log_call, log_unexpected
from .service import Service, UnknownModel

Handler = Callable[[Service, Call, Fields], Awaitable[Response]]
Dialect = Callable[[Failure], Response]
Endpoint = Callable[[Request], Awaitable[Response]]

CLIENT_GONE = 499  # the status in the log; nobody reads it
# A body of more bytes is parsed in a thread of its own, while other requests go on.
_LARGE_BODY = 1 << 16
# So many vectors become text in the event loop's thread.
_FEW_ROWS = 4


# ---- answers ---------------------------------------------------------------------------------------------


def json_answer(value: Any, call: Call | None = None, status: int = 200) -> Response:
    """An answer of plain Python values, with the headers of the call."""
    return raw_json(json.dumps(value, ensure_ascii=False, separators=(",", ":")), call, status)


def raw_json(text: str, call: Call | None = None, status: int = 200) -> Response:
    """An answer that is JSON already."""
    headers = None if call is None else call.headers()
    return Response(text.encode(), status, headers, "application/json")


def vector_json(vector: np.ndarray) -> str:
    """A float32 array of finite numbers as JSON: nine digits give each number back exactly."""
    if vector.ndim > 1:
        return f"[{','.join(map(vector_json, vector))}]"
    return _template(len(vector)) % tuple(vector.tolist())


async def rows_json(service: Service, of_row: Callable[[Any], str], rows: Sequence[Any]) -> str:
    """The rows as a JSON array; of many, made in another thread, while the event loop serves others."""
    if len(rows) <= _FEW_ROWS:
        return _array(of_row, rows)
    text: str = await service.in_thread(_array, of_row, rows)
    return text


def _array(of_row: Callable[[Any], str], rows: Sequence[Any]) -> str:
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
        call = Call.of(request.url.path, "POST", request.headers, state.get("model_name"), settings)

        async def answer() -> Response:
            service.start()  # in an application that this one is mounted in, nothing else does
            service.check_ready()
            service.admission.check(service.engine.queue.waiting_seconds())
            fields = await _fields(request, service)
            return await _while_connected(request, handler(service, call, fields))

        try:
            response = await answer()
        except Failure as failure:
            response = _failed(service, dialect, failure)
        except UnknownModel as error:
            unknown = unknown_model(str(error), list(service.models), unknown_status)
            response = _failed(service, dialect, unknown)
        except ClientGone:
            service.metrics.count("te_request_failure", "dropped")
            response = Response(status_code=CLIENT_GONE)
        except Exception as error:
            log_unexpected(call, error)
            response = _failed(service, dialect, Failure("Backend", "unexpected error", "inference"))
        response.headers["x-request-id"] = call.id
        log_call(call, response.status_code)
        return response

    return endpoint


async def _fields(request: Request, service: Service) -> Fields:
    settings = service.settings
    data = await read_body(request.receive, request.headers, settings.payload_limit, settings.body_timeout)
    if len(data) <= _LARGE_BODY:
        return parse_body(data)
    fields: Fields = await service.in_thread(parse_body, data)
    return fields


def _failed(service: Service, dialect: Dialect, failure: Failure) -> Response:
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
