"""Admission, deadlines, clients that leave, health, keys, origins, several models, logs, metrics."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time

import httpx
import numpy as np
import pytest

from roberta_c.errors import InputError, ModelFileError
from roberta_c.serve import app_for
from roberta_c.serve.admission import Admission, retry_after
from roberta_c.serve.app import application, named_models
from roberta_c.serve.failures import Failure
from roberta_c.serve.service import Service
from roberta_c.serve.settings import ServeSettings

LONG = "word " * 300


class Slow:
    """Holds the engine's computation of a served model until `release()`, counting batches and windows."""

    def __init__(self, client):
        self.queue = client.service.engine.queue
        self.batches = []
        self._go = threading.Event()
        self._take = self.queue.take
        self.queue.take = self._held

    def _held(self):
        batch = self._take()
        if batch is not None:
            self.batches.append(len(batch))
            self._go.wait(20)
        return batch

    def release(self):
        self.queue.take = self._take
        self._go.set()


@pytest.fixture
def slow(serving, folders):
    """`slow(**settings)` → a server of the embedder whose engine holds its batches, and what holds them."""
    opened = []

    def open_one(**settings):
        client = serving(folders["embedder"], **settings).__enter__()
        held = Slow(client)
        # The engine waits inside the real `take`: one batch more passes unheld.
        warm = client.post("/embed", json={"inputs": "warm"}, headers={"x-request-timeout": "60"})
        assert warm.status_code == 200
        opened.append((client, held))
        return client, held

    yield open_one
    for client, held in opened:
        held.release()
        client.__exit__(None, None, None)


def together(client, bodies, path="/embed", **options):
    """The answers of requests that are sent at once, by threads."""
    answers = [None] * len(bodies)

    def send(index):
        answers[index] = client.post(path, json=bodies[index], **options)

    threads = [threading.Thread(target=send, args=(index,)) for index in range(len(bodies))]
    for thread in threads:
        thread.start()
    return threads, answers


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# ---- batching is invisible -------------------------------------------------------------------------------


def test_answers_have_the_same_bits_in_any_company(slow, offline):
    client, held = slow()
    texts = [f"{'long ' * (index % 13)}text {index % 29} of many" for index in range(60)]
    expected = offline["embedder"].encode(texts, normalize_embeddings=True)
    threads, answers = together(client, [{"inputs": text} for text in texts])
    wait_for(lambda: client.service.admission.texts == 60 and held.queue.waiting_units >= 20)
    held.release()
    for thread in threads:
        thread.join()
    ours = np.array([answer.json()[0] for answer in answers], np.float32)
    np.testing.assert_array_equal(ours, expected)
    assert client.service.admission.texts == client.service.admission.requests == 0
    assert held.queue.waiting_units == 0


def test_equal_texts_in_flight_are_computed_once(slow):
    client, held = slow()
    before = client.service.metrics.value("roberta_c_tokens")
    threads, answers = together(client, [{"inputs": "the same text"}] * 10)
    wait_for(lambda: held.queue.waiting_units == 1 and client.service.admission.texts == 10)
    callers = lambda: sum(len(unit.callers) for unit in list(held.queue._in_work.values()))  # noqa: E731
    wait_for(lambda: callers() == 10)
    held.release()
    for thread in threads:
        thread.join()
    assert len({answer.text for answer in answers}) == 1
    tokens = int(answers[0].headers["x-compute-tokens"])
    assert client.service.metrics.value("roberta_c_tokens") - before == tokens


# ---- admission -------------------------------------------------------------------------------------------


def test_admission_is_all_or_nothing():
    admission = Admission(2, 10)
    admission.enter(6, 0.0, None)
    for texts, waiting, left in ((5, 0.0, None), (1, 9.0, 8.0)):
        with pytest.raises(Failure) as refused:
            admission.enter(texts, waiting, left)
        assert (refused.value.status, refused.value.kind) == (429, "Overloaded")
    admission.enter(4, 7.0, 8.0)
    with pytest.raises(Failure):
        admission.enter(0, 0.0, None)
    with pytest.raises(Failure):
        admission.check(0.0)
    admission.leave(6)
    admission.check(0.0)
    assert [retry_after(seconds) for seconds in (0, 1, 9, 1000)] == [1, 1, 5, 60]


def test_overload_is_429_at_once_with_retry_after(slow):
    client, held = slow(max_concurrent_requests=4, max_queued_texts=40, max_client_batch_size=30)
    threads, answers = together(client, [{"inputs": ["a"] * 9}] * 4)
    wait_for(lambda: client.service.admission.requests == 4)
    started = time.monotonic()
    for path, fields in (("/embed", {"inputs": "b"}), ("/v1/embeddings", {"input": "b"})):
        refused = client.post(path, json=fields)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
    assert time.monotonic() - started < 15  # the first requests wait until `release`, or for 20 s
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert client.post("/embed", json={"inputs": "b"}).json() == {
        "error": "Model is overloaded",
        "error_type": "Overloaded",
    }
    assert client.get("/health").status_code == 200
    held.release()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert client.post("/embed", json={"inputs": "b"}).status_code == 200
    assert client.service.metrics.value("te_request_failure", "overloaded") == 3


# ---- deadlines, clients that leave -----------------------------------------------------------------------


@pytest.mark.parametrize("header", ["x-request-timeout", "x-stainless-read-timeout"])
def test_a_clients_deadline(slow, header):
    client, held = slow()
    threads, answers = together(client, [{"inputs": "first"}])
    wait_for(lambda: len(held.batches) == 1)
    late = client.post("/embed", json={"inputs": "late"}, headers={header: "0.2"})
    assert (late.status_code, late.json()["error_type"]) == (504, "Timeout")
    held.release()
    threads[0].join()
    assert answers[0].status_code == 200
    assert client.service.admission.requests == 0
    for value in ("0", "-1", "nan", "x", "9" * 30):  # these say nothing
        assert client.post("/embed", json={"inputs": "a"}, headers={header: value}).status_code == 200


def test_the_servers_deadline(slow):
    client, held = slow()
    object.__setattr__(client.service.settings, "request_timeout", 0.3)
    threads, answers = together(client, [{"inputs": "first"}, {"inputs": "second"}])
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [504, 504]
    held.release()
    wait_for(lambda: held.queue.waiting_units == 0)
    object.__setattr__(client.service.settings, "request_timeout", 60.0)
    assert client.post("/embed", json={"inputs": "third"}).status_code == 200


def test_a_client_that_left_costs_nothing_more(slow):
    """The application sees http.disconnect while the request waits."""
    client, held = slow()
    threads, answers = together(client, [{"inputs": "first"}])
    wait_for(lambda: len(held.batches) == 1)
    app, messages = client.app, []
    body = json.dumps({"inputs": [f"nobody reads {index}" for index in range(20)]}).encode()

    async def leave():
        gone = asyncio.Event()
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            if parts:
                return parts.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            messages.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/embed",
            "raw_path": b"/embed",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "headers": [(b"content-type", b"application/json")],
            "server": ("x", 1),
            "client": ("y", 1),
        }
        task = asyncio.ensure_future(app(scope, receive, send))
        while held.queue.waiting_units < 20:
            await asyncio.sleep(0.01)
        gone.set()
        await asyncio.wait_for(task, 60)

    asyncio.run(leave())
    assert messages[0]["status"] == 499
    assert client.service.admission.requests == 1
    before = client.service.metrics.value("roberta_c_tokens")
    held.release()
    threads[0].join()
    assert answers[0].status_code == 200
    wait_for(lambda: held.queue.waiting_units == 0)
    assert client.service.metrics.value("roberta_c_tokens") - before < 20
    assert client.service.metrics.value("te_request_failure", "dropped") == 1


def test_a_body_that_does_not_come(serving, folders):
    async def test(app):
        async def parts():
            yield b'{"inputs"'
            await asyncio.sleep(5)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as own:
            return await own.post("/embed", content=parts(), headers={"content-type": "application/json"})

    with serving(folders["embedder"], body_timeout=0.2) as client:
        answer = asyncio.run(test(client.app))
    assert answer.status_code == 408
    assert "after 0.2 seconds" in answer.text


# ---- life cycle ------------------------------------------------------------------------------------------


def test_health_while_loading_draining_and_after_a_failure(folders):
    from starlette.testclient import TestClient

    from roberta_c.serve.app import service_for

    go = threading.Event()
    settings = ServeSettings()
    made = service_for({"embedder": folders["embedder"]}, settings, num_threads=1)

    def load():
        go.wait(20)
        return made._load()

    service = Service(settings, load)
    with TestClient(application(service)) as client:
        assert client.get("/livez").status_code == 200
        for path in ("/health", "/ping", "/", "/info"):
            assert client.get(path).status_code == 503
        assert client.get("/health").json() == {"error": "unhealthy", "error_type": "Unhealthy"}
        loading = client.post("/embed", json={"inputs": "a"})
        assert (loading.status_code, loading.json()["error"]) == (503, "Model is loading")
        assert loading.headers["retry-after"] == "5"
        go.set()
        service.wait_until_loaded()
        for path in ("/health", "/ping", "/"):
            assert (client.get(path).status_code, client.get(path).content) == (200, b"")
        service.drain()
        assert client.get("/health").status_code == 503
        answer = client.post("/embed", json={"inputs": "a"})  # what comes is still answered
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert client.get("/livez").status_code == 200


def test_a_dead_engine_is_red(serving, folders):
    with serving(folders["embedder"]) as client:
        engine = client.service.engine
        engine._answer = lambda batch: (_ for _ in ()).throw(MemoryError())
        for _ in range(2):
            dead = client.post("/embed", json={"inputs": "a"})
            assert (dead.status_code, dead.json()["error_type"]) == (503, "Unhealthy")
        assert client.get("/health").status_code == 503
        assert client.get("/livez").status_code == 200
        assert client.service.admission.requests == 0


def test_a_failed_batch_is_424(serving, folders):
    with serving(folders["embedder"]) as client:

        def fail(unit):
            raise ModelFileError("m: found outputs that are NaN or infinite, expected finite numbers")

        client.service.engine._computed = fail
        for path, fields in (("/embed", {"inputs": ["a", "b"]}), ("/v1/embeddings", {"input": "a"})):
            failed = client.post(path, json=fields)
            assert failed.status_code == 424
            assert "Backend error: m: found outputs that are NaN" in failed.text
        assert client.get("/health").status_code == 200


def test_an_error_of_ours_is_no_500_and_its_text_is_not_logged(serving, folders, caplog):
    with serving(folders["embedder"]) as client, caplog.at_level(logging.INFO, "roberta_c.serve"):
        client.service.model_for = lambda *_: (_ for _ in ()).throw(KeyError("a secret"))
        failed = client.post("/embed", json={"inputs": "a secret"})
    assert (failed.status_code, failed.json()["error"]) == (424, "Backend error: unexpected error")
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text + failed.text


def test_loading_that_fails():
    app = app_for("/nowhere/at/all")
    with pytest.raises(OSError, match="no such folder"):
        app.state.service.wait_until_loaded()
    assert not app.state.service.is_healthy
    app.state.service.stop()


# ---- keys, origins, models -------------------------------------------------------------------------------


def test_the_key(serving, folders):
    with serving(folders["embedder"], api_key="sesame") as client:
        for headers in (
            {},
            {"authorization": "sesame"},
            {"authorization": "Bearer Sesame"},
            {"x-api-key": "sesame"},
        ):
            refused = client.post("/embed", json={"inputs": "a"}, headers=headers)
            assert (refused.status_code, refused.content) == (401, b"")
        key = {"authorization": "Bearer sesame"}
        assert client.post("/embed", json={"inputs": "a"}, headers=key).status_code == 200
        for path in ("/health", "/livez", "/metrics", "/docs", "/openapi.json", "/", "/ping"):
            assert client.get(path).status_code == 200
        for path in ("/info", "/v1/models", "/embedder/info"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers=key).status_code == 200
        # A browser asks before it sends the key.
        asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
        allowed = client.options(
            "/embed", headers={**asked, "access-control-request-headers": "authorization"}
        )
        assert allowed.status_code == 200


def test_origins(client, serving, folders):
    origin = {"origin": "https://a.example"}
    answer = client.post("/embed", json={"inputs": "a"}, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    with serving(folders["embedder"], cors_allow_origin=["https://b.example"]) as own:
        assert "access-control-allow-origin" not in own.get("/health", headers=origin).headers
        allowed = own.get("/health", headers={"origin": "https://b.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://b.example"


def test_models_by_name_by_prefix_and_by_task(client, post):
    assert post("/embed", inputs="a", model="m3") == post("/m3/embed", inputs="a")
    assert post("/embed", inputs="a") == post("/embed", inputs="a", model="embedder")  # the first that can
    assert post("/m3/embed", inputs="a", model="embedder") == post("/m3/embed", inputs="a")
    assert post("/embed", inputs="a", model=3) == post("/embed", inputs="a")  # as TEI ignores it
    assert client.get("/m3/health").status_code == 200
    unknown = client.post("/embed", json={"inputs": "a", "model": "other"})
    assert unknown.status_code == 404
    assert "model: found 'other', expected one of sentiment, nli" in unknown.json()["error"]


def test_inside_another_application(folders):
    """A mounted application gets no lifespan events: it loads its models when it is asked for something."""
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    app = app_for({"embedder": folders["embedder"]}, num_threads=1, api_key="sesame")
    outer = Starlette(routes=[Mount("/models", app)])
    with TestClient(outer, headers={"authorization": "Bearer sesame"}) as client:
        assert client.get("/models/health").status_code == 503
        app.state.service.wait_until_loaded()
        assert client.get("/models/health", headers={"authorization": ""}).status_code == 200
        plain = client.post("/models/embed", json={"inputs": "a"})
        assert plain.status_code == 200
        assert client.post("/models/embedder/embed", json={"inputs": "a"}).json() == plain.json()
        assert client.post("/models/embed", json={}, headers={"authorization": ""}).status_code == 401
    app.state.service.stop()


def test_names_of_models(tmp_path):
    folder = tmp_path / "my model"
    folder.mkdir()
    assert named_models(str(folder)) == {"my-model": str(folder)}
    assert named_models("org/name") == {"org/name": "org/name"}
    assert named_models({"a/b": "x"}) == {"a/b": "x"}
    for models in ({}, None, 3, {"embed": "x"}, {"v1": "x"}, {"a b": "x"}, {"": "x"}, {"a": 3}, {"/a": "x"}):
        with pytest.raises(InputError):
            named_models(models)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_batch_tokens": 0}, "max_batch_tokens: found 0"),
        ({"request_timeout": -1}, "request_timeout: found -1"),
        ({"body_timeout": float("nan")}, "body_timeout: found nan"),
        ({"long_text": "x"}, "long_text: found 'x'"),
        ({"pooling": "x"}, "pooling: found 'x'"),
        ({"api_key": " "}, "api_key: found one that is empty"),
        ({"default_prompt": "a", "default_prompt_name": "b"}, "both"),
        ({"allow_token_ids": 1}, "allow_token_ids: found 1"),
        ({"cors_allow_origin": "x"}, "cors_allow_origin: found 'x'"),
        ({"tokenization_workers": 0}, "tokenization_workers: found 0"),
        ({"max_queued_texts": 10}, "max_client_batch_size: found 1024"),
        ({"max_bach_tokens": 10}, "max_bach_tokens: found an unknown setting"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(InputError, match=re.escape(message)):
        app_for("org/name", **settings)


def test_lengths_of_texts(serving, folders):
    with serving(folders["embedder"], max_text_characters=100, long_text="error") as client:
        long = client.post("/embed", json={"inputs": ["a", "b" * 101]})
        assert long.status_code == 422
        assert "`inputs[1]` must have at most 100 characters" in long.json()["error"]
        assert client.post("/embed", json={"inputs": "a b " * 20}).status_code == 422  # of 32 tokens
        assert client.post("/embed", json={"inputs": "a b " * 20, "truncate": True}).status_code == 200
        assert client.get("/info").json()["auto_truncate"] is False


# ---- logs and metrics ------------------------------------------------------------------------------------


def test_logs_have_facts_and_no_texts(client, caplog):
    with caplog.at_level(logging.INFO):
        client.post("/embed", json={"inputs": "a secret"}, headers={"x-request-id": "r1"})
        client.post("/embed", json={"inputs": "a secret", "dimensions": -1})
        client.post("/fill-mask", json={"inputs": "a secret <mask>", "targets": ["secretsecret"]})
        client.post("/predict", json={"inputs": ["a secret"] * 3})
    lines = [json.loads(record.message) for record in caplog.records if record.name == "roberta_c.serve"]
    assert [line["status"] for line in lines] == [200, 422, 200, 422]
    assert (lines[0]["request_id"], lines[0]["path"], lines[0]["model"]) == ("r1", "/embed", "embedder")
    assert (lines[0]["texts"], lines[0]["tasks"]) == (1, ["embed"])
    records = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert all("secret" not in record.getMessage() for record in records)


def samples_of(text):
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_metrics_have_teis_names(serving, folders):
    with serving({"embedder": folders["embedder"], "sentiment": folders["sentiment"]}) as client:
        client.post("/embed", json={"inputs": ["a", "b"]})
        client.post("/embed", json={"inputs": "a"})
        client.post("/predict", json={"inputs": "a"})
        client.post("/embed", json={"inputs": ""})
        client.post("/predict", json={"inputs": "a", "model": "embedder"})
        client.post("/embed", json={"inputs": ["a"] * 2000})
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = samples_of(answer.text)
    expected = {
        'te_request_count{method="single"}': 2,
        'te_request_count{method="batch"}': 2,
        'te_request_success{method="single"}': 2,
        'te_request_success{method="batch"}': 1,
        'te_request_failure{err="validation"}': 1,
        'te_request_failure{err="model_type"}': 1,
        'te_request_failure{err="batch_size"}': 1,
        'te_request_failure{err="overloaded"}': 0,
        "te_embed_count": 3,
        "te_embed_success": 3,
        "te_predict_count": 1,
        "te_predict_success": 1,
        "te_queue_size": 0,
        "te_request_duration_count": 3,
        "te_embed_duration_count": 2,
        "te_predict_queue_duration_count": 1,
        "te_request_input_length_count": 4,
        'te_request_input_length_bucket{le="+Inf"}': 4,
        'te_request_input_length_bucket{le="1.0"}': 0,
    }
    assert {name: float(samples[name]) for name in expected} == expected
    assert len([name for name in samples if name.startswith("te_request_duration_bucket")]) == 36
    assert '{le="1.5e-05"}' in answer.text
    for name in ("roberta_c_tokens", "roberta_c_engine_busy_share", "te_batch_next_tokens_sum"):
        assert float(samples[name]) > 0
    # One TYPE for each, as Prometheus wants it.
    kinds = re.findall(r"^# TYPE (\S+) ", answer.text, flags=re.MULTILINE)
    assert len(kinds) == len(set(kinds))


def test_importing_the_package_imports_no_server():
    import subprocess
    import sys

    script = (
        "import sys, roberta_c, roberta_c.cli.main, roberta_c.serve\n"
        "assert not {'starlette', 'uvicorn', 'anyio', 'h11'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
