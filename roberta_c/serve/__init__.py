"""A server of models over HTTP: `roberta-c serve`, or `app_for(…)` in any ASGI server.

request → json_body → routes_* (one file a dialect) → service → served_model → queue → engine → answer

Needs the extra `serve` (Starlette, uvicorn), which is imported with `app_for` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import app_for

__all__ = ["app_for"]


def __getattr__(name: str) -> Any:
    if name != "app_for":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .app import app_for

    return app_for
