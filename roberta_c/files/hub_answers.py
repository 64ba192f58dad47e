"""What the Hub answers: an answer within a second or so, and errors put into words."""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Callable

from ..errors import shown
from .hub_options import HubOptions

# How long the Hub may take for its first answer, unless HF_HUB_ETAG_TIMEOUT says otherwise, and how long it
# is not asked again if it gave none; in seconds.
ANSWER_SECONDS, RETRY_SECONDS = 1.5, 30.0

# Names of the operating system's errors that mean a file cannot be written.
_DISK_ERRORS = {"EACCES", "EDQUOT", "EEXIST", "EIO", "ENOENT", "ENOSPC", "ENOTDIR", "EPERM", "EROFS"}

# Endpoints that could not be reached: when, and the error.
_unreachable: dict[str, tuple[float, Exception]] = {}


def answer_in_time(ask: Callable[[float], str | None]) -> Exception | str | None:
    """What `ask`, called with a timeout in seconds, returns of the Hub: a commit.

    Returns None if the Hub refuses, and an error if it does not answer in time or cannot serve now. The
    request runs in a thread of its own, because a name server may take longer than any timeout.
    """
    from huggingface_hub import constants

    before = _unreachable.get(constants.ENDPOINT)
    if before is not None and time.monotonic() - before[0] < RETRY_SECONDS:
        return before[1]
    seconds = ANSWER_SECONDS
    if os.environ.get("HF_HUB_ETAG_TIMEOUT"):
        seconds = float(constants.HF_HUB_ETAG_TIMEOUT)
    answers: list[Exception | str | None] = []

    def run() -> None:
        try:
            answers.append(ask(seconds))
        except Exception as error:  # the exceptions of the transport depend on the client's version
            status = getattr(getattr(error, "response", None), "status_code", None)
            # The client says of a refusal what it is, and marks absent files in its cache.
            answers.append(error if status is None or status == 429 or status >= 500 else None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    answer = answers[0] if answers else TimeoutError(f"no answer within {seconds:g} s")
    if isinstance(answer, Exception):
        _unreachable[constants.ENDPOINT] = time.monotonic(), answer
    else:
        _unreachable.pop(constants.ENDPOINT, None)
    return answer


def explained(error: BaseException, name: str, repo_id: str, options: HubOptions, cache: str) -> str:
    """The end of an error message: what went wrong with the file `name`, and what to do.

    cache: the folder that the file would be written into.
    """
    from huggingface_hub import constants, errors, get_token

    endpoint = without_credentials(constants.ENDPOINT)
    token = None if options.token is False else get_token()
    if isinstance(options.token, str):
        token = options.token
    credentials = "this token may not read" if token else "needs token= or HF_TOKEN"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE allows no download"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"no revision {shown(options.revision)} at {endpoint}"
    if isinstance(error, errors.GatedRepoError):
        return f"a gated repository that {credentials}; access is granted at {endpoint}/{repo_id}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"no such folder, and no such repository at {endpoint} or a private one that {credentials}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return f"{endpoint} does not know the token (token=, HF_TOKEN or the stored one)"
    if status is not None:
        return f"{endpoint} answered {status} for {name}"
    if isinstance(error, OSError) and errno.errorcode.get(error.errno or 0) in _DISK_ERRORS:
        where = f"{name} cannot be written in {cache} ({error.strerror})"
        return f"{where}; free space there, or pass cache_dir= or set HF_HOME"
    detail = without_credentials(" ".join(str(error).split()))
    if token:  # some errors of HTTP libraries quote the request's headers
        detail = detail.replace(token, "…")
    return f"{name} could not be fetched from {endpoint} ({type(error).__name__}: {shown(detail, 200)})"


def without_credentials(text: str) -> str:
    """`text` without the user name and password of each URL in it."""
    return re.sub(r"(?<=://)[^/\s]*@", "…@", text)
