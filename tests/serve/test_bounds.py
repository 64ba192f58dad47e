"""What one request may cost the others: memory, the event loop, threads; and what it may not see."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time

import numpy as np
import pytest
from starlette.testclient import TestClient

from roberta_c.errors import InputError
from roberta_c.pipelines.stepwise import Steps
from roberta_c.serve import routes_tei, service
from roberta_c.serve.admission import Admission
from roberta_c.serve.app import application, named_models, service_for
from roberta_c.serve.endpoint import json_text
from roberta_c.serve.failures import Failure, timed_out
from roberta_c.serve.json_body import BodyFailure, parse_body
from roberta_c.serve.service import Service
from roberta_c.serve.settings import ServeSettings


def refused(client, path, message, status=422, **fields):
    response = client.post(path, json=fields)
    assert response.status_code == status, response.text
    assert message in response.text
    return response


# ---- the event loop --------------------------------------------------------------------------------------


@pytest.fixture
def threads_of(monkeypatch):
    """`threads_of(owner, name)` → the names of the threads that call a function, as they come."""

    def watch(owner, name):
        real, names = getattr(owner, name), []

        def seen(*arguments, **keywords):
            names.append(threading.current_thread().name)
            return real(*arguments, **keywords)

        monkeypatch.setattr(owner, name, seen)
        return names

    return watch


def assert_beside(names):
    assert names
    assert all(name.startswith(("roberta_c helper", "roberta_c tokenizer")) for name in names)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/fill-mask", {"inputs": ["a <mask>"] * 8, "top_k": 50}),
        ("/qa", {"question": "who?", "context": "Ada did it. " * 40}),
        ("/ner", {"inputs": "Ada in London"}),
    ],
)
def test_results_of_tasks_are_made_beside_the_event_loop(post, threads_of, path, fields):
    names = threads_of(Steps, "result")
    post(path, **fields)
    assert_beside(names)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/embed", {"inputs": [f"a {n}" for n in range(9)]}),
        ("/embed_all", {"inputs": "one text"}),
        ("/embed_multi", {"inputs": "one text"}),
    ],
)
def test_many_numbers_are_written_beside_the_event_loop(post, threads_of, path, fields):
    names = threads_of(routes_tei, "vector_json")
    post(path, **fields)
    assert_beside(names)


def test_tokens_are_written_beside_the_event_loop(post, threads_of):
    names = threads_of(routes_tei, "json_text")
    post("/tokenize", inputs="a b c")
    post("/decode", ids=[[5, 6]])
    assert_beside(names)


def test_ids_of_large_bodies_are_checked_where_they_are_parsed():
    ids = list(range(9000)) * 4
    fields = parse_body(
        json.dumps({"inputs": ids, "many": [ids, ids[:-1], "a"], "wrong": [*ids, -1]}).encode()
    )
    for checked in (fields.values["inputs"], *fields.values["many"][:2]):
        assert fields.as_ids(checked, "x") is checked
        assert type(checked).__name__ == "_Ids"
    with pytest.raises(BodyFailure, match=r"wrong\[36000\]: found the number -1"):
        fields.as_ids(fields.values["wrong"], "wrong")


def test_long_lists_are_written_as_json_writes_them():
    for value in (
        [],
        [[]],
        [{"a": n, "b": "ü"} for n in range(700)],
        [[{"a": 1}] * 300] * 2,
        [["a"], {}],
        "a",
    ):
        assert json.loads(json_text(value)) == value
        assert json_text(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_tokenizing_has_room_of_its_own(serving, folders):
    """Bodies and answers do not wait behind texts to be tokenized; the deadline holds for these."""
    with serving(folders["embedder"], tokenization_workers=1) as client:
        go = threading.Event()
        client.service._tokenizers.submit(go.wait, 60)
        try:
            late = client.post("/embed", json={"inputs": "a"}, headers={"x-request-timeout": "0.3"})
            assert late.status_code == 504
            assert late.headers["x-should-retry"] == "false"
            long_body = {"inputs": "a", "dimensions": 0, "more": "x" * 100_000}
            assert client.post("/embed", json=long_body).status_code == 422
            assert client.service.admission.requests == client.service.admission.memory == 0
        finally:
            go.set()
        assert client.post("/embed", json={"inputs": "a"}).status_code == 200


# ---- memory ----------------------------------------------------------------------------------------------


def test_counts_of_numpy_are_those_of_python():
    given = ServeSettings(max_queued_texts=np.uint16(3000), tokenization_workers=np.uint8(2))
    settings = given.checked()
    assert type(settings.max_queued_texts) is type(settings.tokenization_workers) is int
    assert settings == ServeSettings(max_queued_texts=3000, tokenization_workers=2)


def test_memory_is_counted():
    admission = Admission(10, 10, 100)
    admission.take_memory(150)  # nothing else is in the way
    with pytest.raises(Failure) as full:
        admission.take_memory(1)
    assert (full.value.status, full.value.retry_after) == (429, 1)
    admission.give_memory(150)
    admission.take_memory(60)
    admission.take_memory(40)


def test_bodies_that_are_being_read_are_counted(serving, folders):
    with serving(folders["embedder"]) as client:
        admission = client.service.admission
        admission.max_memory = 1 << 20
        admission.take_memory(1 << 19)
        refused(client, "/embed", "Model is overloaded", 429, inputs="a" * (1 << 18))
        assert client.post("/embed", json={"inputs": "a"}).status_code == 200
        assert admission.memory == 1 << 19
        admission.give_memory(1 << 19)
        assert client.post("/embed", json={"inputs": "a" * (1 << 18)}).status_code == 200
        assert admission.memory == 0


def test_answers_of_too_many_numbers_are_refused(client, monkeypatch):
    monkeypatch.setattr(service, "MAX_NUMBERS", 1000)
    for path in ("/embed_all", "/embed_multi"):
        refused(client, path, "numbers, at most 1000: send fewer texts", inputs=["word " * 9] * 5)
        assert client.post(path, json={"inputs": "word"}).status_code == 200
    assert client.app.state.service.admission.memory == 0


def test_long_options_are_not_kept(client, post):
    model = client.app.state.service.models["tagger"]
    before = len(model._ready)
    post("/ner", inputs="a", ignore_labels=["x" * 1500])
    assert len(model._ready) == before
    post("/ner", inputs="a", ignore_labels=["x" * 15])
    assert len(model._ready) == before + 1


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/fill-mask", {"inputs": "<mask>", "top_k": 1001}, "top_k: found 1001, expected at most 1000"),
        ("/fill-mask", {"inputs": ["a <mask>" + "a" * 900] * 30, "top_k": 1000}, "would be too large"),
        ("/qa", {"question": "a", "context": "b", "top_k": 1001}, "top_k: found 1001"),
        ("/qa", {"question": "a", "context": "b", "max_answer_len": 513}, "max_answer_len: found 513"),
        ("/qa", {"inputs": [{"question": "a", "context": "b"}] * 101, "top_k": 1000}, "would be too large"),
        (
            "/qa",
            {"question": "a", "context": "b", "max_seq_len": 40, "doc_stride": 21},
            "doc_stride: found 21",
        ),
        ("/qa", {"question": "a", "context": "b " * 15000, "max_seq_len": 63}, "max_seq_len: found 63"),
        ("/ner", {"inputs": "a", "ignore_labels": ["x" * 2001]}, "at most 2000 characters each"),
        ("/ner", {"inputs": "a", "ignore_labels": ["x" * 2000] * 26}, "50000 in all"),
        ("/fill-mask", {"inputs": "<mask>", "targets": "x" * 2001}, "at most 2000 characters each"),
        ("/zero-shot", {"inputs": "a", "candidate_labels": ["x" * 2001]}, "at most 2000 characters each"),
        ("/tokenize", {"inputs": "a" * 1_000_001}, "`inputs[0]` must have at most 1000000 characters"),
        ("/tokenize", {"inputs": ["a" * 700_000] * 3}, "at most 2000000 characters in all"),
        ("/decode", {"ids": [5] * 1_000_001}, "at most 1000000 ids in all"),
        ("/decode", {"ids": [[5]] * 1025}, "batch size 1025"),
        ("/tokenize", {"inputs": ["a"] * 1025}, "batch size 1025"),
        # 250 characters for each of 512 tokens
        ("/predict", {"inputs": "a" * 128_001, "truncate": False}, "at most 128000 characters"),
        ("/rerank", {"query": "a", "texts": ["b"] * 1025}, "batch size 1025"),
        ("/v2/rerank", {"query": "a", "documents": ["b"] * 1025}, "batch size 1025"),
    ],
)
def test_what_would_cost_too_much(client, path, fields, message):
    refused(client, path, message, **fields)


@pytest.mark.parametrize(("path", "fields"), [("/tokenize", {"inputs": "a"}), ("/decode", {"ids": [5]})])
def test_tokens_are_let_in_as_texts_are(serving, folders, path, fields):
    with serving(folders["embedder"]) as client:
        seen = []
        real = client.service.admission.enter
        client.service.admission.enter = lambda count, *more: (seen.append(count), real(count, *more))
        assert client.post(path, json=fields).status_code == 200
        assert seen == [1]
        assert client.service.admission.requests == 0


# ---- parts of one request --------------------------------------------------------------------------------


def test_each_instance_of_vertex_has_its_own_model(client, post):
    instances = [{"model": name, "inputs": "a"} for name in ("nli", "sentiment", "nli")]
    expected = [post("/predict", **one) for one in instances]
    assert post("/vertex", instances=instances) == {"predictions": expected}
    assert expected[0] != expected[1]
    first = post("/", inputs="a")
    assert post("/vertex", instances=[instances[0], {"inputs": "a"}])["predictions"] == [expected[0], first]


def test_instances_of_vertex_are_counted_once_each(serving, folders):
    with serving(folders["embedder"]) as client:
        metrics = client.service.metrics
        answer = client.post(
            "/vertex", json={"instances": [{"inputs": f"{n} " + "word " * 90} for n in range(3)]}
        )
        assert answer.headers["x-truncated-texts"] == "3"
        assert answer.headers["x-compute-tokens"] == "96"
        assert metrics.value("roberta_c_truncated_texts") == 3
        assert metrics.value("te_embed_success") == 3
        assert client.service.admission.texts == 0


def test_instances_of_vertex_are_let_in_together(serving, folders):
    settings = {"max_queued_texts": 20, "max_client_batch_size": 12}
    with serving(folders["embedder"], **settings) as client:
        client.service.admission.enter(12, 0.0, None)
        instances = [{"inputs": ["a"] * 3}] * 3
        refused(client, "/vertex", "Model is overloaded", 429, instances=instances)
        assert client.service.metrics.value("te_embed_count") == 0
        client.service.admission.leave(12)
        assert client.post("/vertex", json={"instances": instances}).status_code == 200
        refused(client, "/vertex", "batch size 15", instances=[{"inputs": ["a"] * 3}] * 5)
        # The first failure is the answer.
        refused(client, "/vertex", "instances[1]: missing field `inputs`", instances=[{"inputs": "a"}, {}])
        assert client.service.admission.texts == 0


def test_the_end_while_models_are_loaded(folders):
    go = threading.Event()
    made = service_for({"embedder": folders["embedder"]}, ServeSettings(), num_threads=1)

    def load():
        go.wait(60)
        return made._load()

    loading = Service(ServeSettings(), load)
    with TestClient(application(loading)) as client:
        loading.drain()
        for path, fields in (
            ("/embed", {"inputs": "a"}),
            ("/embed", {"inputs": "a", "model": "embedder"}),
            ("/tokenize", {"inputs": "a"}),
            ("/", {"inputs": "a"}),
            ("/decode", {"ids": [1]}),
        ):
            refused(client, path, "Model is loading", 503, **fields)
        go.set()


def test_an_application_starts_again(folders):
    app = application(service_for({"embedder": folders["embedder"]}, ServeSettings(), num_threads=1))
    answers = []
    for _ in range(2):
        with TestClient(app) as client:
            app.state.service.wait_until_loaded()
            assert client.get("/health").status_code == 200
            answers.append(client.post("/embed", json={"inputs": "a"}).json())
    assert answers[0] == answers[1]


def test_the_longest_name_before_a_path(serving, folders):
    with serving({"m": folders["sentiment"], "m/x": folders["embedder"]}) as client:
        assert client.post("/m/x/embed", json={"inputs": "a"}).status_code == 200
        assert client.post("/m/predict", json={"inputs": "a"}).status_code == 200


def test_names_that_begin_as_routes_do():
    assert named_models("v1/x") == {"x": "v1/x"}
    with pytest.raises(InputError):
        named_models({"v1/x": "v1/x"})


# ---- what goes over the wire -----------------------------------------------------------------------------


def test_infinitys_unknown_model_is_400(client):
    body = {"query": "a", "documents": ["b"], "model": "none"}
    error = refused(client, "/rerank", "model: found 'none'", 400, **body).json()["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    refused(client, "/rerank", "model: found 'none'", 404, query="a", texts=["b"], model="none")


def test_no_redirects_and_unknown_paths(client):
    assert client.post("/embed/", json={"inputs": "a"}, follow_redirects=False).status_code == 404
    assert client.get("/embed").status_code == 405
    assert client.get("/embed").headers["allow"] == "POST"
    assert client.post("/v1/chat/completions", json={}).json()["error"]["message"].startswith("Not Found")


def test_pages_of_other_origins_see_the_headers(client):
    origin = {"origin": "https://a.example"}
    shown = client.post("/embed", json={"inputs": "a"}, headers=origin).headers[
        "access-control-expose-headers"
    ]
    assert {"x-request-id", "x-compute-tokens", "retry-after"} <= set(shown.split(", "))
    asked = {
        **origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-stainless-os, x-request-id",
    }
    assert client.options("/v1/embeddings", headers=asked).status_code == 200


def test_ids_are_counted_as_characters(client):
    answer = client.post("/embed", json={"inputs": [5, 6, 7], "model": "embedder"})
    assert answer.headers["x-compute-characters"] == "3"


def test_coheres_default_of_tokens_of_a_document(client, monkeypatch):
    from roberta_c.serve import routes_rerank

    monkeypatch.setattr(routes_rerank, "MAX_TOKENS_PER_DOC", 3)
    body = {"query": "a", "documents": ["the sun shines all day", "short"]}
    answer = client.post("/v2/rerank", json=body)
    explicit = client.post("/v2/rerank", json={**body, "max_tokens_per_doc": 3})
    assert answer.json()["results"] == explicit.json()["results"]
    assert answer.headers["x-truncated-texts"] == "1"
    whole = client.post("/v1/rerank", json={**body, "return_documents": False})
    assert whole.headers["x-truncated-texts"] == "0"
    assert whole.json()["results"] != answer.json()["results"]


def test_a_default_prompt_is_that_of_vectors_only(serving, folders):
    models = {kind: folders[kind] for kind in ("embedder", "tagger")}
    with serving(models, default_prompt="query: ") as client:
        plain = client.post("/tokenize", json={"inputs": "a", "model": "tagger"}).json()
        assert len(plain[0]) == 3
        assert len(client.post("/tokenize", json={"inputs": "a", "model": "embedder"}).json()[0]) > 3


@pytest.mark.parametrize("body", [b'{"inputs":"a" SECRET}', b'{"SECRET":1,"SECRET":2}', b"SECRET"])
def test_refusals_do_not_repeat_the_body(client, body):
    response = client.post("/embed", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    assert "SECRET" not in response.text


def test_targets_are_logged_offline_only(client, offline, caplog):
    with caplog.at_level(logging.INFO, "roberta_c"):
        fields = {"inputs": "a <mask>", "targets": ["wonderfulsecretword"]}
        assert client.post("/fill-mask", json=fields).status_code == 200
        assert "secretword" not in caplog.text
        offline["masked"](fields["inputs"], targets=fields["targets"])
        assert "secretword" in caplog.text


def test_a_passed_deadline_is_not_tried_again():
    assert timed_out().headers == {"x-should-retry": "false"}


# ---- slow connections ------------------------------------------------------------------------------------


def connection_with_timeouts(app, *seconds):
    """What the server makes of a new connection; seconds: for headers, body, and between requests."""
    import uvicorn

    from roberta_c.serve.server import protocol_with_timeouts

    config = uvicorn.Config(app, log_config=None, lifespan="off")
    config.load()
    state = uvicorn.server.ServerState()
    return protocol_with_timeouts(*seconds)(config=config, server_state=state, app_state={})


def test_timers_of_a_connection():
    """After an early refusal, the rest of its body has a limit, and then the connection is an idle one."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 429, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    class Transport(asyncio.Transport):
        def __init__(self):
            super().__init__()
            self.data, self.closed = b"", False

        def get_extra_info(self, name, default=None):
            return None

        def write(self, data):
            self.data += data

        def is_closing(self):
            return self.closed

        def close(self):
            self.closed = True

        def pause_reading(self):
            pass

        resume_reading = pause_reading

    async def test():
        protocol = connection_with_timeouts(app, 10, 30, 75)
        transport = Transport()

        async def phase(data):
            if data is not None:
                protocol.data_received(data)
            for _ in range(20):
                await asyncio.sleep(0)
            timer = protocol._timer
            return protocol._phase, None if timer is None else round(timer.when() - time.monotonic())

        protocol.connection_made(transport)
        assert await phase(None) == ("headers", 10)
        first = protocol._timer
        assert await phase(b"POST / HTTP/1.1\r\nHost: x\r\n") == ("headers", 10)
        assert protocol._timer is first  # more bytes give no more time
        assert await phase(b"Content-Length: 9\r\n\r\n") == ("rest", 30)
        assert b" 429 " in transport.data
        assert await phase(b"12345") == ("rest", 30)
        assert await phase(b"6789") == ("idle", 75)
        assert await phase(b"GET") == ("headers", 10)
        assert await phase(b" / HTTP/1.1\r\nHost: x\r\n\r\n") == ("idle", 75)
        protocol.connection_lost(None)
        assert protocol._timer is None

    asyncio.run(test())


def test_an_answer_of_which_nothing_is_read_is_dropped():
    """One that is read slowly is not."""

    class Transport(asyncio.Transport):
        unread, aborted, read_each_time = 100, False, 1

        def close(self):
            pass

        pause_reading = resume_reading = close

        def get_extra_info(self, name, default=None):
            return None

        def get_write_buffer_size(self):
            self.unread -= self.read_each_time
            return self.unread

        def is_closing(self):
            return False

        def abort(self):
            self.aborted = True

    async def app(scope, receive, send):
        pass

    async def test():
        protocol = connection_with_timeouts(app, 10, 0.01, 75)
        transport = Transport()
        protocol.connection_made(transport)
        protocol.pause_writing()
        first = protocol._reader_timer
        for _ in range(1000):
            if protocol._reader_timer is not first:
                break
            await asyncio.sleep(0.01)
        assert protocol._reader_timer is not first
        assert not transport.aborted
        protocol.resume_writing()
        assert protocol._reader_timer is None
        transport.read_each_time = 0
        protocol.pause_writing()
        for _ in range(1000):
            if transport.aborted:
                break
            await asyncio.sleep(0.01)
        assert transport.aborted
        protocol.connection_lost(None)
        assert protocol._reader_timer is None

    asyncio.run(test())
