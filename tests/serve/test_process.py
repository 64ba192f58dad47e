"""`roberta-c serve` as a process, over sockets: SIGTERM, slow clients, disconnects, overload, bad HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import httpx
import pytest

PACKAGE_PARENT = Path(__file__).resolve().parents[2]
START = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


class Process:
    """A server on a free port; `.url`, `.port`, `.end(signal)` → exit code, `.errors`: standard error."""

    def __init__(self, *options, wait=True, **variables):
        words = [sys.executable, "-m", "roberta_c", "serve", "--port", "0", "--threads", "1", *options]
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), **variables}
        self.process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        self.errors = ""
        for line in self.process.stderr:
            self.errors += line
            found = re.search(r"http://127\.0\.0\.1:(\d+): listening", line)
            if found:
                break
        assert found, self.errors
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        deadline = time.monotonic() + 120
        while wait and self.health() != 200:
            assert self.process.poll() is None, self.errors
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _read(self):
        for line in self.process.stderr:
            self.errors += line

    def health(self):
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/health", timeout=60).status_code

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(120)
        self._reader.join()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()


def request_bytes(path="/predict", **fields):
    body = json.dumps(fields or {"inputs": "a"}).encode()
    return f"{START.format(path)}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answer_of(sock):
    """All that comes until the other side closes or is silent for a while."""
    data = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while part := sock.recv(1 << 16):
            data += part
            if b"\r\n\r\n" in data and b"content-length" in data.lower():
                head, _, body = data.partition(b"\r\n\r\n")
                length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
                if len(body) >= length:
                    break
    return data


@pytest.fixture(scope="module")
def server(folders):
    with Process(
        "--model", folders["sentiment"], "--json-output", "--max-concurrent-requests", "8"
    ) as process:
        yield process


@pytest.fixture(scope="module")
def impatient(folders):
    """A server that waits half a second for headers and bodies: too short for clients on a busy machine."""
    with Process("--model", folders["sentiment"], "--header-timeout", "0.5", "--body-timeout", "0.5") as one:
        yield one


def in_threads(functions):
    """Runs functions at once; raises what any of them has raised."""
    errors = []

    def caught(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=caught, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()

    def join():
        for thread in threads:
            thread.join(300)
            assert not thread.is_alive()
        if errors:
            raise errors[0]

    return threads, join


def test_a_connection_is_kept_for_many_requests(server):
    with server.connect() as sock:
        for _ in range(5):
            sock.sendall(request_bytes(inputs="a"))
            assert answer_of(sock).startswith(b"HTTP/1.1 200")
        sock.sendall(request_bytes(inputs="a") * 2)  # pipelined
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 2 or not answers.endswith(b"]"):
            answers += sock.recv(1 << 16)


def test_slow_headers_are_cut_off(impatient):
    with impatient.connect() as silent, impatient.connect() as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(30):  # drop by drop does not help
                time.sleep(0.1)
                slow.sendall(b"X-More: 1\r\n")
            raise AssertionError("the connection was kept")
        for sock in (silent, slow):
            assert answer_of(sock) == b""
    assert impatient.health() == 200


def test_slow_and_half_sent_bodies(impatient):
    with impatient.connect() as sock:
        sock.sendall(request_bytes(inputs="a" * 100)[:-50])
        assert b"408" in answer_of(sock).split(b"\r\n")[0]
    with impatient.connect() as sock:
        sock.sendall(request_bytes(inputs="a" * 100)[:-50])  # and gone
    assert impatient.health() == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",  # TLS
        b"nonsense\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_bad_http(server, data):
    with server.connect() as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        answer = answer_of(sock)
    assert re.match(rb"HTTP/1\.1 (4\d\d|501)", answer)
    assert server.health() == 200


def test_bodies_in_chunks(server):
    body = json.dumps({"inputs": "a"}).encode()
    head = f"{START.format('/predict')}Transfer-Encoding: chunked\r\n\r\n".encode()
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body) + b"0\r\n\r\n"
    with server.connect() as sock:
        sock.sendall(head + chunks)
        assert answer_of(sock).startswith(b"HTTP/1.1 200")
    with server.connect() as sock:
        sock.sendall(head + b"zz\r\n")
        assert b" 400 " in answer_of(sock)[:20]


def test_clients_that_leave_in_the_middle(server):
    for _ in range(20):
        with server.connect() as sock:
            sock.sendall(request_bytes(inputs=[["long text " * 200]] * 8))
    deadline = time.monotonic() + 120
    while "roberta_c_requests_in_work 0" not in httpx.get(f"{server.url}/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert httpx.post(f"{server.url}/predict", json={"inputs": "a"}).status_code == 200


def test_overload(server):
    """More clients than fit: each request is answered, some with 429; health stays green."""
    statuses, retries = [], []
    until = time.monotonic() + 2.0

    def load(seed):
        with httpx.Client(timeout=120) as client:
            while time.monotonic() < until:
                body = {"inputs": [[f"text {seed} {n} " * 40] for n in range(4)]}
                answer = client.post(f"{server.url}/predict", json=body)
                statuses.append(answer.status_code)
                if answer.status_code == 429:
                    retries.append(int(answer.headers["retry-after"]))

    threads, join = in_threads([partial(load, seed) for seed in range(24)])
    while any(thread.is_alive() for thread in threads):
        assert server.health() == 200
        time.sleep(0.1)
    join()
    assert set(statuses) == {200, 429}
    assert min(retries) >= 1
    assert httpx.post(f"{server.url}/predict", json={"inputs": "a"}, timeout=60).status_code == 200


def test_lines_of_the_log_are_json_without_texts(server):
    httpx.post(f"{server.url}/predict", json={"inputs": "a secret"}, headers={"x-request-id": "seen"})
    deadline = time.monotonic() + 60
    while '"seen"' not in server.errors:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    lines = [line for line in server.errors.splitlines() if not line.startswith("roberta-c: ")]
    assert all(json.loads(line)["path"] for line in lines)
    assert "secret" not in server.errors


def test_sigterm_answers_what_has_come_and_exits_with_0(folders):
    """Under load: no request whose connection was taken stays without its answer."""
    with Process("--model", folders["sentiment"]) as process, contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(process.connect()) for _ in range(12)]
        for index, sock in enumerate(sockets):
            sock.sendall(request_bytes(inputs=[[f"text {index} {n} " * 60] for n in range(8)]))
        process.process.send_signal(signal.SIGTERM)
        answers = [answer_of(sock) for sock in sockets]
        assert [answer.split(b" ")[1] for answer in answers] == [b"200"] * 12
        assert process.process.wait(120) == 0
        assert "error" not in process.errors


def test_drain_delay_keeps_serving_while_health_is_503(folders):
    with Process("--model", folders["sentiment"], "--drain-delay", "60") as process:
        process.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 50
        while process.health() != 503:
            assert time.monotonic() < deadline
        assert httpx.post(f"{process.url}/predict", json={"inputs": "a"}).status_code == 200
        assert process.end(signal.SIGINT) == 0  # does not wait for the rest


def test_requests_that_take_longer_than_the_drain_are_dropped(folders):
    options = ("--drain-seconds", "1", "--batch-seconds", "0.01")
    with Process("--model", folders["sentiment"], *options) as process, process.connect() as sock:
        sock.sendall(request_bytes(inputs=[[f"text {n} " + "word " * 500] for n in range(1000)]))
        deadline = time.monotonic() + 60
        while "roberta_c_requests_in_work 1" not in httpx.get(f"{process.url}/metrics", timeout=60).text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(120) == 0


def test_sigterm_right_after_the_line_that_says_listening(folders):
    with Process("--model", folders["sentiment"], wait=False) as process, process.connect():
        assert process.end() == 0


def test_several_models_a_key_and_ctrl_c(folders):
    models = ("--model", f"e={folders['embedder']}", "--model", f"r={folders['ranker']}")
    with Process(*models, ROBERTA_C_API_KEY="sesame") as process:
        assert httpx.post(f"{process.url}/embed", json={"inputs": "a"}).status_code == 401
        with httpx.Client(base_url=process.url, headers={"authorization": "Bearer sesame"}) as client:
            assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["e", "r"]
            assert client.post("/embed", json={"inputs": "a"}).status_code == 200
            assert client.post("/r/rerank", json={"query": "a", "texts": ["b"]}).status_code == 200
        assert process.end(signal.SIGINT) == 130
        assert "Traceback" not in process.errors
