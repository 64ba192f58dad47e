"""Small models of every kind behind one server in this process, and the same models offline."""

from __future__ import annotations

import threading
import time

import pytest
import uvicorn
from samples.served_models import make_served_models
from starlette.testclient import TestClient

from roberta_c import BGEM3FlagModel, CrossEncoder, SentenceTransformer, pipeline
from roberta_c.serve import app_for


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Kind → the folder of a small model."""
    return make_served_models(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def serving():
    """`with serving(models, **settings) as client:` a server in this process, its models loaded."""

    class Serving(TestClient):
        def __init__(self, models, **settings):
            super().__init__(app_for(models, num_threads=1, **settings))

        def __enter__(self):
            client = super().__enter__()
            self.service = self.app.state.service
            self.service.wait_until_loaded()
            return client

    return Serving


@pytest.fixture(scope="session")
def client(serving, folders):
    """A server of all models."""
    with serving(folders) as client:
        yield client


@pytest.fixture(scope="session")
def post(client):
    """`post(path, **fields)` → the JSON of an answer that must be 200."""

    def post(path, **fields):
        response = client.post(path, json=fields)
        assert response.status_code == 200, response.text
        return response.json()

    return post


@pytest.fixture(scope="session")
def offline(folders):
    """Kind → the same model, called offline."""
    tasks = {
        "sentiment": "text-classification",
        "tagger": "token-classification",
        "answerer": "question-answering",
        "masked": "fill-mask",
        "nli": "zero-shot-classification",
    }
    return {
        **{name: pipeline(task, folders[name], num_threads=1) for name, task in tasks.items()},
        "embedder": SentenceTransformer(folders["embedder"], num_threads=1),
        "ranker": CrossEncoder(folders["ranker"], score_convention="tei", num_threads=1),
        "m3": BGEM3FlagModel(folders["m3"], num_threads=1),
    }


@pytest.fixture(scope="session")
def url(folders):
    """A server of all models in a thread of this process."""
    app = app_for(folders, num_threads=1)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    app.state.service.wait_until_loaded()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
