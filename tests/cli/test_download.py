"""`roberta-c download`, and the other commands with a Hub on this machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from samples.command_line import COMMAND, PACKAGE_PARENT
from samples.loopback_hub import LoopbackHub

from roberta_c.files.hub_options import HubOptions


def test_hub_commands(environment, tmp_path, tweet_sentiment_small):
    def process(hub, *words):
        variables = {**hub.environment(tmp_path / "home"), "PYTHONPATH": PACKAGE_PARENT}
        return subprocess.run([*COMMAND, *words], env=variables, capture_output=True, text=True, timeout=60)

    with LoopbackHub({"org/name": {"main": tweet_sentiment_small}}) as hub:
        done = process(hub, "download", "org/name")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1
        weights = Path(done.stdout.removesuffix("\n")) / "pytorch_model.bin"
        assert weights.stat().st_size == (tweet_sentiment_small / "pytorch_model.bin").stat().st_size
        done = process(hub, "keys", "org/other", "--format", "json")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("roberta-c: error: org/other: ")
    done = process(hub, "classify", "--model", "org/name", "--offline", "I love it")
    assert json.loads(done.stdout)["label"] == "positive"


def test_download_passes_its_options_on(run, monkeypatch, tmp_path):
    calls = []

    def download(repo_id, options, *, local_dir):
        calls.append((repo_id, options, local_dir))
        return tmp_path

    monkeypatch.setattr("roberta_c.files.hub.download", download)
    words = ["--local-dir", "here", "--revision", "v1", "--token", "hf_x", "--cache-dir", "there"]
    assert run("download", "org/name", *words).stdout == f"{tmp_path}\n"
    assert calls == [("org/name", HubOptions("v1", "hf_x", "there"), "here")]
