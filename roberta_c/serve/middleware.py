"""Around all routes: the key, a model's name before the path, and origins of web pages."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from starlette.responses import Response

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

# What needs no key: probes, metrics and documentation, as in TEI.
OPEN_PATHS = frozenset(
    ("/health", "/ping", "/livez", "/metrics", "/docs", "/openapi.json", "/api-doc/openapi.json", "/ui")
)


def _own_path(scope: Scope) -> str:
    """The path without that of the application which this one is mounted in."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


class ModelPrefix:
    """`/<model>/embed` → `/embed`, with the model's name in the scope's state."""

    def __init__(self, app: App, names: Callable[[], Collection[str]]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "http":
            path = _own_path(scope)
            for name in sorted(self._names(), key=len, reverse=True):  # "a/b" before "a"
                if path == f"/{name}" or path.startswith(f"/{name}/"):
                    rest = path[len(name) + 1 :] or "/"
                    state = {**scope.get("state", {}), "model_name": name}
                    rest = scope.get("root_path", "") + rest
                    scope = {**scope, "path": rest, "raw_path": rest.encode(), "state": state}
                    break
        await self._app(scope, receive, send)


class HeaderLimit:
    """431 for a request whose path and headers are too long, however they came in."""

    def __init__(self, app: App, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "http":
            size = len(scope["path"]) + len(scope.get("query_string", b""))
            size += sum(len(name) + len(value) for name, value in scope["headers"])
            if size > self._most:
                await Response(status_code=431)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class KeyCheck:
    """401, with nothing in it, for a request without `Authorization: Bearer <key>`."""

    def __init__(self, app: App, key: str) -> None:
        self._app, self._expected = app, f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "http" and not self._is_open(scope):
            given = [value for name, value in scope["headers"] if name == b"authorization"]
            if len(given) != 1 or not hmac.compare_digest(given[0], self._expected):
                await Response(status_code=401)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        # The health of a model's prefix is open too; `/` is health for GET alone.
        path = _own_path(scope)
        return path in OPEN_PATHS or (path == "/" and scope["method"] in ("GET", "HEAD"))


class LastAnswers:
    """`Connection: close` with each answer once the server ends, so that clients look for another one."""

    def __init__(self, app: App, is_ending: Callable[[], bool]) -> None:
        self._app, self._is_ending = app, is_ending

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One request."""

        async def closing(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and self._is_ending():
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)
