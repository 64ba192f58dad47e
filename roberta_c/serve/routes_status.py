"""Health, facts, metrics and documentation: what is read with GET and needs no model."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from .. import __version__
from ..pipelines.options import TRUNCATE
from .endpoint import Endpoint, json_answer, openai_failure, tei_failure, unknown_model
from .failures import Failure
from .openapi import docs_page, openapi_document
from .routes_openai import model_facts, model_list
from .service import Service


def status_endpoints(service: Service) -> dict[str, Endpoint]:
    """Path → endpoint."""
    settings = service.settings

    async def health(request: Request) -> Response:
        service.start()
        if service.is_healthy:
            return Response()
        return tei_failure(Failure("Unhealthy", "unhealthy"))

    async def alive(request: Request) -> Response:
        return Response()

    async def info(request: Request) -> Response:
        if not service.models:
            return tei_failure(Failure("Unhealthy", "unhealthy"))
        name = request.scope.get("state", {}).get("model_name")
        model = service.models.get(name) or next(iter(service.models.values()))
        facts: dict[str, Any] = {
            "model_id": model.path,
            "model_sha": model.sha,
            "model_dtype": str(model.model.dtype),
            "served_model_name": model.name,
            "model_type": model.about,
            "max_concurrent_requests": settings.max_concurrent_requests,
            "max_input_length": model.max_tokens,
            "max_batch_tokens": settings.max_batch_tokens,
            "max_batch_requests": None,
            "max_client_batch_size": settings.max_client_batch_size,
            "auto_truncate": settings.long_text == TRUNCATE,
            "tokenization_workers": settings.workers,
            "version": __version__,
            "sha": None,
            "docker_label": None,
            # Not TEI's.
            "long_text": settings.long_text,
            "models": list(service.models),
        }
        return json_answer(facts)

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    async def models(request: Request) -> Response:
        return json_answer(model_list(service))

    async def one_model(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in service.models:
            return openai_failure(unknown_model(name, list(service.models), 404))
        return json_answer(model_facts(service, name))

    async def document(request: Request) -> Response:
        return json_answer(openapi_document())

    async def docs(request: Request) -> Response:
        return HTMLResponse(docs_page())

    async def page(request: Request) -> Response:
        return HTMLResponse(files(__package__).joinpath("page.html").read_text("utf-8"))

    return {
        "/health": health,
        "/ping": health,
        "/livez": alive,
        "/info": info,
        "/metrics": metrics,
        "/v1/models": models,
        "/models": models,
        "/v1/models/{name:path}": one_model,
        "/api-doc/openapi.json": document,
        "/openapi.json": document,
        "/docs": docs,
        "/ui": page,
        "/": health,
    }
