"""`roberta-c serve`: models over HTTP, on the routes of text-embeddings-inference, OpenAI and others."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..errors import InputError, ResourceError, mismatch
from .help_page import HelpCommand
from .messages import FAILURE, note_bundled_model, report
from .options import (
    AtLeast,
    Command,
    Utf8,
    debug_option,
    dtype_option,
    folder_names,
    hub_options,
    offline_option,
    threads_option,
)
from .signals import INTERRUPTED

_INSTALL = "pip install 'roberta_c[serve]'"


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """A number of seconds, above 0 or, with `zero`, from 0 on."""

    name = "seconds"

    def __init__(self, zero: bool = False) -> None:
        self.zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The value of an option. Raises UsageError."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not (0 < seconds < 1e9 or (self.zero and seconds == 0)):
            least = "of at least 0" if self.zero else "above 0"
            self.fail(f"found {str(value)!r}, expected a number of seconds {least}", param, ctx)
        return seconds


def _count(name: str, default: int | None, text: str) -> Callable[[Command], Command]:
    return click.option(
        name, type=AtLeast(1), default=default, show_default=default is not None, metavar="N", help=text
    )


def _seconds(name: str, default: float, text: str, zero: bool = False) -> Callable[[Command], Command]:
    kind = Seconds(zero)
    return click.option(name, type=kind, default=default, show_default=True, metavar="SECONDS", help=text)


@click.command(cls=HelpCommand)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="[NAME=]PATH_OR_ID",
    envvar="ROBERTA_C_MODEL",
    show_envvar=True,
    shell_complete=folder_names,
    help="Folder or Hub repository of a model; several with names. Default: the bundled model.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=3000,
    show_default=True,
    metavar="N",
    help="Port to listen on. 0: any free one, which is reported.",
)
@dtype_option("float32", "Arithmetic: float32, bfloat16 or int8.")
@threads_option
@_count("--max-concurrent-requests", 512, "Requests in work; more are answered 429.")
@_count("--max-queued-texts", 8192, "Texts of requests in work; more are answered 429.")
@_count("--max-client-batch-size", 1024, "Texts of one request.")
@_count("--max-batch-tokens", 16384, "Tokens that go through a model together, at most.")
@_seconds("--batch-seconds", 0.1, "Time of a batch to aim at, by measured speed.")
@_count("--max-text-characters", 1_000_000, "Characters of one text.")
@_count("--payload-limit", 16_000_000, "Bytes of a request's body.")
@_count("--tokenization-workers", None, "Threads that tokenize. Default: one for each CPU, at most 4.")
@_seconds("--request-timeout", 120.0, "From a request to its answer, at most. 0: no limit.", zero=True)
@_seconds("--header-timeout", 10.0, "For a request's headers, at most.")
@_seconds("--body-timeout", 30.0, "For a body, and until some of an answer is read, at most.")
@_seconds("--keep-alive", 75.0, "How long an idle connection stays open.")
@_seconds("--drain-delay", 0.0, "After SIGTERM, how long connections are still taken.", zero=True)
@_seconds("--drain-seconds", 30.0, "After that, how long requests in work may take.")
@click.option(
    "--long-text",
    type=click.Choice(("truncate", "error", "windows")),
    default="truncate",
    show_default=True,
    help="What is done with a text of too many tokens, where a request does not say.",
)
@click.option(
    "--pooling",
    type=click.Choice(("cls", "mean", "last-token", "splade")),
    help="How tokens become a vector. Default: as the model's files say.",
)
@click.option("--default-prompt", type=Utf8(), metavar="TEXT", help="Put TEXT before texts to be embedded.")
@click.option("--default-prompt-name", type=Utf8(), metavar="NAME", help="The same, by a prompt's name.")
@click.option("--allow-token-ids", is_flag=True, help="Take token ids on /v1/embeddings.")
@click.option(
    "--api-key",
    metavar="KEY",
    envvar=["ROBERTA_C_API_KEY", "API_KEY"],
    help="Answer only requests with this bearer token. Better set as ROBERTA_C_API_KEY.",
)
@click.option(
    "--cors-allow-origin",
    multiple=True,
    metavar="ORIGIN",
    help="Origin of web pages that may call; several times. Default: all.",
)
@click.option(
    "--json-output", is_flag=True, help="Log each request as a line of JSON. Texts are never logged."
)
@hub_options
@offline_option
@debug_option
def serve(
    models: tuple[str, ...],
    host: str,
    port: int,
    dtype: str,
    threads: int | None,
    drain_delay: float,
    json_output: bool,
    **options: Any,
) -> None:
    """Answer requests over HTTP: embeddings, scores, labels, entities, answers.

    The routes are those of text-embeddings-inference, OpenAI, Cohere, Jina and infinity: see /docs.

    \b
    Examples:
      roberta-c serve --model org/name
      roberta-c serve --model embed=org/name --model rank=org/other --dtype int8 --port 8080

    /health is 503 until models are loaded. SIGTERM ends the server once what has come is answered.
    """
    named = _named(models)
    try:
        from ..serve.app import named_models, service_for
        from ..serve.server import bound_socket
        from ..serve.server import serve as run
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("starlette", "uvicorn", "h11", "anyio"):
            raise
        raise ResourceError(mismatch("serve", f"no package {package}", _INSTALL)) from None
    from ..files.bundled import bundled_model_path
    from ..files.hub_options import KEYWORDS, HubOptions
    from ..serve.settings import ServeSettings

    if not named:
        note_bundled_model()
        named = {"roberta_c": str(bundled_model_path())}
    hub = HubOptions(**{name: options.pop(name) for name in KEYWORDS})
    hub.check()
    options["request_timeout"] = options["request_timeout"] or None
    try:
        settings = ServeSettings(**options).checked()
        chosen = named_models(named)
    except InputError as error:
        raise click.UsageError(_with_options(str(error), options)) from None
    _log(json_output)
    sock = bound_socket(host, port)
    address = f"[{host}]" if ":" in host else host
    message = f"http://{address}:{sock.getsockname()[1]}: listening; loading {', '.join(chosen)}"
    service = service_for(chosen, settings, hub, dtype, threads)
    ended_by = run(service, sock, drain_delay, lambda: report("note", message))
    if service.engine.failure is not None:
        report("error", f"the thread that computes has died: {type(service.engine.failure).__name__}")
        sys.exit(FAILURE)
    if ended_by == signal.SIGINT:
        sys.exit(INTERRUPTED)


def _named(models: tuple[str, ...]) -> Any:
    """The models by name; one path alone names itself. UsageError for several without names."""
    if len(models) == 1 and ("=" not in models[0] or Path(models[0]).exists()):
        return models[0]
    named: dict[str, str] = {}
    for model in models:
        name, sign, path = model.partition("=")
        if not sign or not name or not path:
            raise click.UsageError(mismatch("--model", repr(model), "NAME=PATH_OR_ID, for each of several"))
        if name in named:
            raise click.UsageError(mismatch("--model", f"the name {name} twice", "a name for each"))
        named[name] = path
    return named


def _with_options(message: str, options: dict[str, Any]) -> str:
    """A message about settings, with the options' names."""
    for name in sorted(options, key=len, reverse=True):
        message = message.replace(name, f"--{name.replace('_', '-')}")
    return message.replace("models: a name", "--model").replace("models", "--model")


def _log(json_output: bool) -> None:
    """Sends the lines of requests, and of errors, to standard error."""
    logger = logging.getLogger("roberta_c.serve")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO if json_output else logging.WARNING)
