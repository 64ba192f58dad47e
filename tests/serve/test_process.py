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
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        while wait and self.health() != 200:
            time.sleep(0.02)

    def _read(self):
        for line in self.process.stderr:
            self.errors += line

    def health(self):
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/health").status_code

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(30)
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
    options = ("--header-timeout", "0.5", "--body-timeout", "0.5", "--max-concurrent-requests", "8")
    with Process("--model", folders["sentiment"], "--json-output", *options) as process:
        yield process


def test_a_connection_is_kept_for_many_requests(server):
    with server.connect() as sock:
        for _ in range(5):
            sock.sendall(request_bytes(inputs="a"))
            assert answer_of(sock).startswith(b"HTTP/1.1 200")
        sock.sendall(request_bytes(inputs="a") * 2)  # pipelined
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 2 or not answers.endswith(b"]"):
            answers += sock.recv(1 << 16)


def test_slow_headers_are_cut_off(server):
    with server.connect() as silent, server.connect() as slow, server.connect() as again:
        started = time.monotonic()
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\n")
        again.sendall(request_bytes(inputs="a"))
        assert answer_of(again).startswith(b"HTTP/1.1 200")
        again.sendall(b"POST /pre")  # the second request of a connection
        for _ in range(3):
            time.sleep(0.1)
            slow.sendall(b"X-More: 1\r\n")  # drop by drop does not help
        for sock in (silent, slow, again):
            assert answer_of(sock) == b""
        assert 0.4 < time.monotonic() - started < 5
    assert server.health() == 200


def test_slow_and_half_sent_bodies(server):
    with server.connect() as sock:
        sock.sendall(request_bytes(inputs="a" * 100)[:-50])
        assert b"408" in answer_of(sock).split(b"\r\n")[0]
    with server.connect() as sock:
        sock.sendall(request_bytes(inputs="a" * 100)[:-50])  # and gone
    assert server.health() == 200


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
    assert answer == b"" or re.match(rb"HTTP/1\.1 (4\d\d|501)", answer)
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
    deadline = time.monotonic() + 20
    while "roberta_c_requests_in_work 0" not in httpx.get(f"{server.url}/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert httpx.post(f"{server.url}/predict", json={"inputs": "a"}).status_code == 200


def test_overload(server):
    """More clients than fit: each is answered, the rest with 429 and at once; health stays quick."""
    statuses, slowest_refusal, slowest_health = [], [0.0], [0.0]
    until = time.monotonic() + 2.0

    def load(seed):
        with httpx.Client() as client:
            while time.monotonic() < until:
                started = time.monotonic()
                body = {"inputs": [[f"text {seed} {n} " * 40] for n in range(4)]}
                answer = client.post(f"{server.url}/predict", json=body, timeout=30)
                statuses.append(answer.status_code)
                if answer.status_code == 429:
                    assert int(answer.headers["retry-after"]) >= 1
                    slowest_refusal[0] = max(slowest_refusal[0], time.monotonic() - started)

    threads = [threading.Thread(target=load, args=(seed,)) for seed in range(24)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        started = time.monotonic()
        assert server.health() == 200
        slowest_health[0] = max(slowest_health[0], time.monotonic() - started)
        time.sleep(0.1)
    assert set(statuses) == {200, 429}
    # Wide bounds: the clients of this test need the same cores.
    assert slowest_refusal[0] < 2
    assert slowest_health[0] < 2
    assert httpx.post(f"{server.url}/predict", json={"inputs": "a"}).status_code == 200


def test_lines_of_the_log_are_json_without_texts(server):
    httpx.post(f"{server.url}/predict", json={"inputs": "a secret"}, headers={"x-request-id": "seen"})
    deadline = time.monotonic() + 5
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
        time.sleep(0.05)
        process.process.send_signal(signal.SIGTERM)
        answers = [answer_of(sock) for sock in sockets]
        assert [answer.split(b" ")[1] for answer in answers] == [b"200"] * 12
        assert process.process.wait(30) == 0
        assert "error" not in process.errors


def test_drain_delay_keeps_serving_while_health_is_503(folders):
    with Process("--model", folders["sentiment"], "--drain-delay", "1") as process:
        process.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        assert process.health() == 503
        assert httpx.get(f"{process.url}/livez").status_code == 200
        assert httpx.post(f"{process.url}/predict", json={"inputs": "a"}).status_code == 200
        assert process.process.wait(30) == 0


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
