"""The application in uvicorn: limits on slow clients, SIGTERM, and how the process ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import ResourceError
from .app import MAX_HEADER_BYTES, application
from .service import Service

# The engine's thread needs the interpreter's lock between layers. By default another thread may keep it for
# 5 ms, which is as long as a layer takes.
_SWITCH_SECONDS = 0.0005
# Between the end of listening and the closing of idle connections, over which a request may be on its way.
_LAST_CALL_SECONDS = 0.2


class Server(uvicorn.Server):
    """uvicorn's server. SIGTERM: health is 503 at once; after `drain_delay` seconds no connection is taken
    any more; what has come is answered; then the process goes on behind `run`, and exits with 0."""

    def __init__(self, config: uvicorn.Config, service: Service, drain_delay: float) -> None:
        super().__init__(config)
        self._service, self._drain_delay = service, drain_delay
        self.on_listening: Callable[[], None] = lambda: None
        self.ended_by: int | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handles SIGTERM and SIGINT; uvicorn's own would raise them again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """The first signal begins the end; a second Ctrl-C does not wait for answers."""
        if self.ended_by is not None:
            if sig == signal.SIGINT:
                self.should_exit = self.force_exit = True
            return
        self.ended_by = sig
        self._service.drain()
        if self._drain_delay <= 0 or sig == signal.SIGINT:
            self.should_exit = True
            return
        timer = threading.Timer(self._drain_delay, self._end)
        timer.daemon = True
        timer.start()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen, and then says so: signals are handled by now, and connections taken."""
        await super().startup(sockets)
        if self.started:
            self.on_listening()

    def _end(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no more connections; answers what came over open ones before it closes them."""
        self._service.drain()
        # One limit for requests in work and, behind them, for the engine.
        self._service.stop_by = time.monotonic() + _LAST_CALL_SECONDS + self._service.settings.drain_seconds
        await self._stop_listening(sockets or [])
        await asyncio.sleep(_LAST_CALL_SECONDS)
        await super().shutdown(sockets)

    async def _stop_listening(self, sockets: list[socket.socket]) -> None:
        """Closes the listening sockets, right after the connections that wait there have been taken: closing
        resets them, though their clients have sent requests already."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            loop.remove_reader(sock)
        for _ in range(3):  # steps of connections that asyncio is taking
            await asyncio.sleep(0)
        taken: list[socket.socket] = []
        for sock in sockets:
            with contextlib.suppress(OSError):  # BlockingIOError: there are no more
                while True:
                    taken.append(sock.accept()[0])
        for server in self.servers:
            server.close()
        for connection in taken:
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        """What uvicorn makes for a new connection."""
        config = self.config
        made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def protocol_with_timeouts(headers: float, body: float, keep_alive: float) -> type[H11Protocol]:
    """uvicorn's protocol, which closes a connection that is too slow, by seconds: for the headers of a
    request; for the rest of a body whose request has been answered, and for an answer of which nothing is
    read; between requests."""
    seconds = {"headers": headers, "rest": body, "idle": keep_alive}

    class TimedProtocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _phase = ""
        _reader_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._enter("")
            self._forget_reader()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch_reader(self.transport.get_write_buffer_size())

        def resume_writing(self) -> None:
            if not self.transport.is_closing():
                self._forget_reader()
            super().resume_writing()

        def _watch_reader(self, unread: int) -> None:
            """Drops the connection, unless the client reads some of its answer in time."""

            def look_again() -> None:
                left = self.transport.get_write_buffer_size()
                if left < unread:
                    self._watch_reader(left)
                else:
                    self.transport.abort()

            self._reader_timer = self.loop.call_later(seconds["rest"], look_again)

        def _forget_reader(self) -> None:
            if self._reader_timer is not None:
                self._reader_timer.cancel()
                self._reader_timer = None

        def on_response_complete(self) -> None:
            self._phase = ""  # what comes is the next request's: its time begins now
            super().on_response_complete()
            self._watch()

        def _watch(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._enter("")  # a request is worked on, whose body has a limit of its own
            elif self.conn.their_state is h11.SEND_BODY:
                self._enter("rest")
            elif self.cycle is not None and not self.conn.trailing_data[0]:
                self._enter("idle")
            else:
                self._enter("headers")

        def _enter(self, phase: str) -> None:
            if phase == self._phase and phase:
                return  # more bytes of the same do not give more time
            self._phase = phase
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if phase:
                self._timer = self.loop.call_later(seconds[phase], self._close)

        def _close(self) -> None:
            self._timer = None
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()  # once what is written has been read
                unread = self.transport.get_write_buffer_size()
                if unread and self._reader_timer is None:
                    self._watch_reader(unread)

    return TimedProtocol


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening address, before anything is loaded. Raises ResourceError if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or error
        raise ResourceError(f"{host}:{port}: cannot be listened on: {reason}") from None
    sock.set_inheritable(True)
    return sock


def serve(
    service: Service,
    sock: socket.socket,
    drain_delay: float = 0.0,
    on_listening: Callable[[], None] = lambda: None,
) -> int | None:
    """Serves until a signal comes; returns its number. Raises what loading the models has raised."""
    settings = service.settings
    sys.setswitchinterval(_SWITCH_SECONDS)
    config = uvicorn.Config(
        application(service),
        log_config=None,
        log_level="error",
        access_log=False,
        http=protocol_with_timeouts(settings.header_timeout, settings.body_timeout, settings.keep_alive),
        ws="none",
        loop="asyncio",
        lifespan="on",
        timeout_keep_alive=max(1, round(settings.keep_alive)),
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        server_header=False,
    )
    server = Server(config, service, drain_delay)

    def fail() -> None:
        server.should_exit = True

    service.on_failure = service.engine.on_death = fail
    server.on_listening = on_listening
    server.run(sockets=[sock])
    if service.error is not None:
        raise service.error
    return server.ended_by
