"""What decides where the Hub's files come from: the cache, the endpoint, the token's source."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from .hub_answers import without_credentials
from .hub_options import HubOptions


def cache_facts(options: HubOptions) -> dict[str, Any]:
    """The cache's folder and what decided it, the endpoint, whether the network is off, the token's source.

    The token itself is no part of the result. This does not use the network; the client's own `get_token`
    may.
    """
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE if options.cache_dir is None else options.cache_dir)
    chosen_by = "cache_dir"
    if options.cache_dir is None:  # in the order in which the client looks
        names = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")
        chosen_by = next((name for name in names if name in os.environ), "default")
    return {
        "folder": os.fspath(cache),
        "chosen_by": chosen_by,
        "exists": cache.is_dir(),
        "endpoint": without_credentials(constants.ENDPOINT),
        "offline": bool(constants.HF_HUB_OFFLINE or options.local_files_only),
        "token": _token_source(options.token),
    }


def _token_source(token: str | bool | None) -> str | None:
    from huggingface_hub import constants

    if token is False:
        return None
    if isinstance(token, str):
        return "argument"
    if token is None and constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return None
    # The client takes the first variable that is not empty, even if it holds only blanks.
    name = next((name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name)), None)
    if name is not None and os.environ[name].strip():
        return name
    with contextlib.suppress(OSError):
        if Path(constants.HF_TOKEN_PATH).read_bytes().strip():
            return "stored"
    return None
