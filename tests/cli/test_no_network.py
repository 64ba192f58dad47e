"""A Hub that cannot be reached: one line, soon, and nothing of the client's own."""

from __future__ import annotations

import socket
import subprocess
import time

import pytest
from samples.command_line import COMMAND, PACKAGE_PARENT
from samples.loopback_hub import LoopbackHub

SECONDS = 3.0


@pytest.fixture
def process(tmp_path, tweet_sentiment_small):
    """`process(endpoint, *words)`: a finished process and its seconds. Its cache begins empty."""
    with LoopbackHub({"org/name": {"main": tweet_sentiment_small}}) as hub:
        variables = {**hub.environment(tmp_path / "home"), "PYTHONPATH": PACKAGE_PARENT}

        def process(endpoint, *words, **extra):
            ours = {**variables, "HF_ENDPOINT": endpoint or hub.endpoint, **extra}
            begin = time.monotonic()
            done = subprocess.run([*COMMAND, *words], env=ours, capture_output=True, text=True, timeout=60)
            return done, time.monotonic() - begin

        process.hub = hub
        yield process


@pytest.fixture
def silent_endpoint():
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


WORDS = [
    ["classify", "--model", "org/name", "a"],
    ["download", "org/name"],
    ["download", "org/name", "--local-dir", "here"],
    ["describe", "org/name"],
    ["embed", "--model", "org/name", "a"],
    ["rerank", "--model", "org/name", "--query", "a", "b"],
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: "-".join(words[::2]))
def test_nothing_answers(process, silent_endpoint, words, tmp_path):
    # What remains of the time without a network is the wait, also on a busy machine.
    _, start_up = process(None, "classify", "--model", "org/name", "--offline", "a")
    for endpoint in ("http://127.0.0.1:9", silent_endpoint):
        done, seconds = process(endpoint, *[word.replace("here", str(tmp_path / "here")) for word in words])
        assert done.returncode == 1
        assert done.stderr.startswith("roberta-c: error: org/name: ")
        assert endpoint in done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
        assert seconds - start_up < SECONDS, f"{endpoint}: {seconds} s"


def test_a_server_that_is_out_of_order(process):
    process.hub.outage = 503
    done, seconds = process(None, "classify", "--model", "org/name", "a")
    assert done.stderr.count("\n") == 1
    assert "answered 503 for config.json" in done.stderr
    assert seconds < SECONDS


def test_the_cache_is_used_at_once(process, silent_endpoint):
    words = ["classify", "--model", "org/name", "I love it"]
    done, _ = process(None, *words)
    assert done.returncode == 0
    _, without_network = process(None, *words, "--offline")
    for endpoint in ("http://127.0.0.1:9", silent_endpoint):
        again, seconds = process(endpoint, *words)
        assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")
        assert seconds - without_network < SECONDS  # what remains is the wait, also on a busy machine


def test_a_slow_hub_may_be_waited_for(process, silent_endpoint):
    """HF_HUB_ETAG_TIMEOUT is the client's variable for it."""
    words = ["download", "org/name"]
    done, seconds = process(silent_endpoint, *words, HF_HUB_ETAG_TIMEOUT="4")
    assert "no answer within 4 s" in done.stderr
    assert seconds > 4
