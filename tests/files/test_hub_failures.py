"""Failures of the Hub: missing and private repositories, no network, a full disk, broken downloads."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from samples.hub_calls import (
    ALL_CALLS,
    CARDIFFNLP,
    CONFIG_CALL,
    NO_WAITING,
    PACKAGE_PARENT,
    SCRIPT,
    TOKENIZER_CALL,
    WEIGHTS_CALL,
    make_repository,
)
from samples.loopback_hub import LoopbackHub

# Files that cannot be fetched


def test_no_such_repository(repository, call):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        for expression in ("hub.resolve('org/nmae', CONFIG)", "hub.download('org/nmae')"):
            result = call(hub, expression)
            assert result.error == "HubError"
            assert result.message == (
                f"org/nmae: no such folder, and no such repository at {hub.endpoint} "
                "or a private one that needs token= or HF_TOKEN"
            )
        with_token = call(hub, "hub.resolve('org/nmae', CONFIG, HubOptions(token='hf_any'))")
        assert with_token.message.endswith("or a private one that this token may not read")


def test_private_and_gated_repositories(repository, call):
    repositories = {"org/name": {"main": repository}, "org/gated": {"main": repository}}
    tokens = {"private": {"org/name": "hf_right"}, "gated": {"org/gated": "hf_right"}}
    with LoopbackHub(repositories, **tokens) as hub:
        refused = call(hub, CONFIG_CALL)
        assert refused.error == "HubError"
        assert refused.message.endswith("a private one that needs token= or HF_TOKEN")
        refused = call(hub, CONFIG_CALL, HF_TOKEN="hf_wrong")
        assert refused.message.endswith("a private one that this token may not read")
        assert "hf_wrong" not in refused.message
        refused = call(hub, "hub.download('org/gated')")
        assert refused.message == (
            "org/gated: a gated repository that needs token= or HF_TOKEN; "
            f"access is granted at {hub.endpoint}/org/gated"
        )
        assert hub.downloads() == []
        assert call(hub, "hub.resolve('org/name', CONFIG, HubOptions(token='hf_right'))").folder
        assert call(hub, "hub.download('org/gated')", HF_TOKEN="hf_right").folder


def test_offline(repository, call, calls):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        for expression, variables, reason in (
            (TOKENIZER_CALL, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE allows no download"),
            (
                TOKENIZER_CALL[:-1] + ", HubOptions(local_files_only=True))",
                {},
                "local_files_only (--offline) allows no download",
            ),
        ):
            result = call(hub, expression, **variables)
            assert result.error == "HubError"
            assert result.message.startswith("org/name: no such folder, no tokenizer in the cache (")
            assert reason in result.message
            assert result.message.endswith(
                "looked for tokenizer.json, vocab.json, merges.txt, sentencepiece.bpe.model"
            )
        assert hub.requests == []
        folder = call(hub, "hub.download('org/name')").folder
        hub.requests.clear()
        local = [expression[:-1] + ", HubOptions(local_files_only=True))" for expression in ALL_CALLS]
        for results in (calls(hub, ALL_CALLS, HF_HUB_OFFLINE="1"), calls(hub, local)):
            assert {result.folder for result in results} == {folder}
        assert hub.requests == []


def test_a_cache_that_others_filled_is_used_offline(repository, call, calls):
    """The cache then has no marks of absent files: every file that it lacks is treated as absent."""
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        call(hub, "__import__('huggingface_hub').snapshot_download('org/name')")
        log = "import logging; logging.basicConfig(level='INFO', format='%(name)s %(message)s')"
        results = calls(hub, ALL_CALLS, before=log, HF_HUB_OFFLINE="1")
        assert {result.folder.name for result in results} == {hub.commit("org/name")}
        expected = "org/name: not in the cache, treated as absent: tokenizer_config.json"
        assert f"roberta_c.files.hub_repository {expected}" in results[0].stderr


def test_the_server_is_away_and_nothing_is_cached(repository, call):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        hub.stop()
        result = call(hub, WEIGHTS_CALL, before=NO_WAITING)
    assert result.error == "HubError"
    assert result.stderr.count("Retrying") <= 5  # for the first file only
    assert result.message.startswith("org/name: no such folder, no weights in the cache (")
    assert re.search(rf"could not be fetched from {hub.endpoint} \(Connect\w*Error: ", result.message)


@pytest.mark.parametrize(
    ("status", "found"), [(503, "answered 503 for config.json"), (200, "could not be fetched from http:")]
)
def test_the_server_answers_something_else(status, found, repository, call):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        hub.outage = status
        result = call(hub, CONFIG_CALL, before=NO_WAITING)
        assert result.error == "HubError"
        assert found in result.message
        assert "sorry" not in result.message
        hub.outage = None
        folder = call(hub, CONFIG_CALL).folder
        hub.outage = status
        assert call(hub, CONFIG_CALL).folder == folder


def test_a_cache_that_cannot_be_written(repository, call, tmp_path):
    (tmp_path / "file").write_text("")
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        blocked = tmp_path / "file" / "cache"
        result = call(hub, f"hub.resolve('org/name', CONFIG, HubOptions(cache_dir={str(blocked)!r}))")
        assert result.error == "HubError"
        assert f"config.json cannot be written in {blocked}" in result.message
        assert result.message.endswith("free space there, or pass cache_dir= or set HF_HOME")

        full = """if True:
            from huggingface_hub import file_download
            def http_get(*arguments, **options):
                raise OSError(28, "No space left on device")
            file_download.http_get = http_get
        """
        for expression in (CONFIG_CALL, f"hub.download('org/name', local_dir={str(tmp_path / 'new')!r})"):
            result = call(hub, expression, before=full)
            assert result.error == "HubError"
            assert "config.json cannot be written in" in result.message
            assert "(No space left on device); free space there" in result.message


def test_a_broken_link_in_the_cache_is_fetched_again(repository, call):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        folder = call(hub, WEIGHTS_CALL).folder
        for target in ("nowhere", "pytorch_model.bin"):
            (folder / "pytorch_model.bin").unlink()
            (folder / "pytorch_model.bin").symlink_to(target)
            assert call(hub, WEIGHTS_CALL, HF_HUB_OFFLINE="1").error == "HubError"
            assert call(hub, WEIGHTS_CALL).folder == folder
            assert (folder / "pytorch_model.bin").read_text() == CARDIFFNLP["pytorch_model.bin"]


# Interrupted and damaged downloads


@pytest.fixture
def large_repository(tmp_path) -> Path:
    """Weights of 12 MiB: the client writes 10 MiB at a time, and can resume only after such a part."""
    files = {"config.json": "{}", "model.safetensors": random.Random(1).randbytes(12 * 2**20)}
    return make_repository(tmp_path / "large", files)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_interrupted_download_is_resumed(large_repository, call):
    with LoopbackHub({"org/name": {"main": large_repository}}) as hub:
        hub.cut_short("model.safetensors", after=11 * 2**20)
        # The client resumes by itself; clients before 1.0 resume in the second call.
        results = [call(hub, WEIGHTS_CALL) for _ in range(2)]
        assert sha256(results[1].folder / "model.safetensors") == sha256(
            large_repository / "model.safetensors"
        )
        assert [header for _, header in hub.ranges] == [f"bytes={10 * 2**20}-"]


def test_a_killed_download_leaves_no_incomplete_file(large_repository, call, tmp_path):
    with LoopbackHub({"org/name": {"main": large_repository}}) as hub:
        hub.stall("model.safetensors", after=11 * 2**20)
        environment = hub.environment(tmp_path / "home", PYTHONPATH=PACKAGE_PARENT)
        command = [sys.executable, "-c", SCRIPT, json.dumps([WEIGHTS_CALL]), ""]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            assert hub.stalled.wait(30)
            process.send_signal(signal.SIGKILL)
        assert call(hub, WEIGHTS_CALL, HF_HUB_OFFLINE="1").error == "HubError"
        folder = call(hub, WEIGHTS_CALL).folder
        assert sha256(folder / "model.safetensors") == sha256(large_repository / "model.safetensors")


def test_a_download_that_is_always_cut_short(large_repository, call):
    with LoopbackHub({"org/name": {"main": large_repository}}) as hub:
        hub.cut_short("model.safetensors", after=1000, times=6)
        result = call(hub, WEIGHTS_CALL, before=NO_WAITING)
        hub.heal()
        assert result.error == "HubError"
        assert result.message.startswith(
            f"org/name: model.safetensors could not be fetched from {hub.endpoint}"
        )
        folder = call(hub, WEIGHTS_CALL).folder
        assert sha256(folder / "model.safetensors") == sha256(large_repository / "model.safetensors")


def test_damaged_weights_are_not_kept(repository, call, tmp_path):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        for expression in (WEIGHTS_CALL, f"hub.download('org/name', local_dir={str(tmp_path / 'new')!r})"):
            shutil.rmtree(tmp_path / "home", ignore_errors=True)
            hub.damage("pytorch_model.bin", at=77)
            result = call(hub, expression)
            assert result.error == "HubError"
            assert "pytorch_model.bin: SHA-256: found " in result.message
            assert result.message.endswith(": the damaged file was deleted, try again")
            left = [*(tmp_path / "home").rglob("*"), *(tmp_path / "new").rglob("*")]
            assert "pytorch_model.bin" not in {path.name for path in left}
            assert call(hub, WEIGHTS_CALL, HF_HUB_OFFLINE="1").error == "HubError"
            folder = call(hub, expression).folder
            assert (folder / "pytorch_model.bin").read_text() == CARDIFFNLP["pytorch_model.bin"]
