"""The ASGI application: routes → endpoints, and what stands around them. Any ASGI server can run it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from ..errors import InputError, mismatch, shown
from ..files.hub_options import DEFAULT_OPTIONS, HubOptions
from . import routes_openai, routes_rerank, routes_tasks, routes_tei
from .call import OWN_HEADERS
from .endpoint import Handler, no_route, openai_failure, posted
from .middleware import HeaderLimit, KeyCheck, LastAnswers, ModelPrefix
from .model_loading import load_served_model
from .routes_status import status_endpoints
from .routes_tei import answered
from .served_model import ServedModel
from .service import DRAINING, Service
from .settings import ServeSettings

# Bytes of the path and the headers of a request.
MAX_HEADER_BYTES = 32 << 10
_NAME = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_TEI: dict[str, Handler] = {
    "/embed": answered(routes_tei.embed),
    "/embed_all": answered(routes_tei.embed_all),
    "/embed_sparse": answered(routes_tei.embed_sparse),
    "/embed_multi": answered(routes_tei.embed_multi),
    "/similarity": answered(routes_tei.similarity),
    "/predict": answered(routes_tei.predict),
    "/rerank": routes_rerank.rerank,
    "/tokenize": answered(routes_tei.tokenize),
    "/decode": answered(routes_tei.decode),
    "/ner": answered(routes_tasks.ner),
    "/qa": answered(routes_tasks.qa),
    "/fill-mask": answered(routes_tasks.fill_mask),
    "/zero-shot": answered(routes_tasks.zero_shot),
    "/": answered(routes_tei.root),
    "/invocations": answered(routes_tei.root),
    "/vertex": routes_tei.vertex,
}
_OPENAI: dict[str, Handler] = {
    "/v1/embeddings": routes_openai.embeddings,
    "/embeddings": routes_openai.embeddings,
    "/v1/rerank": routes_rerank.v1_rerank,
    "/v2/rerank": routes_rerank.v2_rerank,
    "/classify": routes_rerank.classify,
}
# infinity's routes, on which an unknown model is 400.
_INFINITY = ("/embeddings", "/classify")


def app_for(
    models: Any,
    *,
    dtype: str | None = None,
    num_threads: int | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    **settings: Any,
) -> Starlette:
    """The server as an ASGI application, for uvicorn, granian, gunicorn's workers, Ray Serve, …

    models: a folder or Hub repository; or a dict of names and these, which share one queue and the cores.
    dtype, num_threads, revision, token, cache_dir, local_files_only: as of `pipeline`. settings: those of
    ServeSettings.

    Models are loaded when the application starts; until then /health is 503. Run one process: several divide
    the batches between them, and the cores. Raises InputError.
    """
    try:
        chosen = ServeSettings(**settings).checked()
    except TypeError:
        known = ServeSettings.__dataclass_fields__
        name = next(name for name in settings if name not in known)
        raise InputError(mismatch(name, "an unknown setting", f"one of {', '.join(known)}")) from None
    named = named_models(models)
    hub_options = HubOptions(revision, token, cache_dir, local_files_only)
    return application(service_for(named, chosen, hub_options, dtype, num_threads))


def named_models(models: Any) -> dict[str, str]:
    """A caller's models: name → folder or repository. Raises InputError."""
    if isinstance(models, (str, Path)):
        models = {str(models).strip("/") or "/": str(models)}
        return {_usable_name(name): path for name, path in models.items()}
    if not isinstance(models, Mapping) or not models:
        expected = "a folder or Hub repository, or a dict of names and these"
        raise InputError(mismatch("models", shown(models), expected))
    for name, path in models.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.split("/")[0] in _first_words():
            expected = "letters, digits, '.', '_', '-', and '/' between these; no name of a route"
            raise InputError(mismatch("models: a name", shown(name), expected))
        if not isinstance(path, (str, Path)):
            raise InputError(mismatch(f"models[{shown(name)}]", shown(path), "a folder or a Hub repository"))
    return {name: str(path) for name, path in models.items()}


def _usable_name(path: str) -> str:
    """A name for a model whose caller gave none: the repository's, or that of the folder."""
    is_repository = _NAME.fullmatch(path) and path.count("/") == 1 and not Path(path).exists()
    if is_repository and path.split("/")[0] not in _first_words():
        return path
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).resolve().name) or "model"
    return f"{name}-model" if name in _first_words() else name


def _first_words() -> set[str]:
    known = ("docs", "ui", "health", "ping", "livez", "info", "metrics", "models", "v1", "v2", "openapi.json")
    return {path.split("/")[1] for path in (*_TEI, *_OPENAI)} | {*known, "api-doc"}


def service_for(
    models: Mapping[str, str],
    settings: ServeSettings,
    hub_options: HubOptions = DEFAULT_OPTIONS,
    dtype: str | None = None,
    num_threads: int | None = None,
) -> Service:
    """A service that loads these models when it starts."""

    def load() -> Sequence[ServedModel]:
        return [
            load_served_model(name, path, settings, hub_options, dtype, num_threads)
            for name, path in models.items()
        ]

    return Service(settings, load)


def application(service: Service) -> Starlette:
    """The application of a service. `app.state.service` is the service."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.restart()
        try:
            yield
        finally:
            service.stop()

    routes = [Route(path, posted(service, handler), methods=["POST"]) for path, handler in _TEI.items()]
    for path, handler in _OPENAI.items():
        status = 400 if path in _INFINITY else 404
        routes.append(Route(path, posted(service, handler, openai_failure, status), methods=["POST"]))
    for path, endpoint in status_endpoints(service).items():
        routes.append(Route(path, endpoint, methods=["GET"]))
    settings = service.settings
    middleware = [
        Middleware(HeaderLimit, most=MAX_HEADER_BYTES),
        Middleware(LastAnswers, is_ending=lambda: service.state == DRAINING),
        Middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_allow_origin) or ["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["*"],  # OpenAI's client for browsers sends many of its own
            expose_headers=list(OWN_HEADERS),
        ),
        Middleware(ModelPrefix, names=lambda: service.models),
    ]
    if settings.api_key is not None:
        middleware.append(Middleware(KeyCheck, key=settings.api_key))
    failures: Any = {404: no_route, 405: no_route}
    app = Starlette(routes=routes, middleware=middleware, lifespan=lifespan, exception_handlers=failures)
    app.router.redirect_slashes = False  # TEI has none; and the place would have the client's Host in it
    app.state.service = service
    return app
