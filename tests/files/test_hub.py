"""Finding a model's files: local folders, and the real Hub client against a server on loopback.

The client reads its variables when it is imported, so each use of it is a process of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import pytest
from samples.loopback_hub import LoopbackHub

import roberta_c
from roberta_c.errors import HubError, InputError
from roberta_c.files import hub as hub_module
from roberta_c.files.hub import HubOptions

PACKAGE_PARENT = str(Path(roberta_c.__file__).resolve().parent.parent)
SCRIPT = """
import json, sys, time
exec(sys.argv[2])
from roberta_c.files import hub
from roberta_c.errors import RobertaCError
for expression in json.loads(sys.argv[1]):
    try:
        result = {"folder": str(eval(expression)), "error": None, "message": ""}
    except RobertaCError as error:
        result = {"folder": None, "error": type(error).__name__, "message": str(error)}
    print(json.dumps(result))
"""
NO_WAITING = "time.sleep = lambda seconds: None"  # the client waits 23 s for a server that is away
CONFIG_CALL = "hub.resolve('org/name', hub.CONFIG)"
TOKENIZER_CALL = "hub.resolve('org/name', hub.TOKENIZER)"
WEIGHTS_CALL = "hub.resolve('org/name', hub.WEIGHTS)"
ALL_CALLS = (CONFIG_CALL, TOKENIZER_CALL, WEIGHTS_CALL)
NEVER = {"tf_model.h5": "tf", "flax_model.msgpack": "flax", "README.md": "readme", "onnx/model.onnx": "onnx"}
CARDIFFNLP = {  # the files of cardiffnlp/twitter-roberta-base-sentiment-latest
    "config.json": '{"model_type": "roberta"}',
    "vocab.json": '{"a": 0}',  # equal contents would be one download
    "merges.txt": "#version: 0.2\n",
    "special_tokens_map.json": "{}",
    "pytorch_model.bin": "weights " * 5000,
    **NEVER,
}


@pytest.fixture
def calls(tmp_path):
    """`calls(hub, expressions)` evaluates them in a new process: folder, error, message, stderr of each."""

    def run(hub, expressions, *, before="", **variables):
        environment = hub.environment(tmp_path / "home", PYTHONPATH=PACKAGE_PARENT, **variables)
        command = [sys.executable, "-c", SCRIPT, json.dumps(expressions), before]
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50)
        assert finished.returncode == 0, finished.stderr
        results = [json.loads(line) for line in finished.stdout.splitlines()]
        assert len(results) == len(expressions)
        for result in results:
            assert "\n" not in result["message"]
            result["folder"] = result["folder"] and Path(result["folder"])
        return [SimpleNamespace(**result, stderr=finished.stderr) for result in results]

    return run


@pytest.fixture
def call(calls):
    """`call(hub, expression)` is `calls` for one expression."""
    return lambda hub, expression, **options: calls(hub, [expression], **options)[0]


def make_repository(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture
def repository(tmp_path) -> Path:
    return make_repository(tmp_path / "repository", CARDIFFNLP)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Local paths


def test_a_folder_is_returned_as_it_is(tmp_path):
    for path in (tmp_path, str(tmp_path)):
        for files in (hub_module.CONFIG, hub_module.TOKENIZER, hub_module.WEIGHTS):
            assert hub_module.resolve(path, files) == tmp_path
    options = HubOptions(revision="v2", local_files_only=True)
    assert hub_module.resolve(tmp_path, hub_module.CONFIG, options) == tmp_path


def test_a_folder_wins_over_a_repository_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(make_repository(tmp_path, {"org/name/config.json": "{}"}))
    assert hub_module.resolve("org/name", hub_module.CONFIG) == Path("org/name")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/no/such/folder",
        "./folder",
        "a/b/c",
        "org/na me",
        "org/",
        "~/model",
        "a\\b",
        "a--b",
        "a\0b",
        "x\n",
    ],
)
def test_neither_a_folder_nor_a_repository_name(name):
    with pytest.raises(HubError) as error:
        hub_module.resolve(name, hub_module.CONFIG)
    message = str(error.value)
    assert message.startswith("no such folder, and not a repository name of the form org/name: ")
    assert ascii(name) in message
    assert isinstance(error.value, OSError)


def test_arguments_of_the_wrong_kind(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"found a file, expected the folder"):
        hub_module.resolve(tmp_path / "config.json", hub_module.CONFIG)
    with pytest.raises(HubError, match="no such folder: "):
        hub_module.resolve(tmp_path / "absent", hub_module.CONFIG)
    for value in (None, 5, b"org/name", ["org/name"]):
        with pytest.raises(InputError, match="expected a folder or a repository name"):
            hub_module.resolve(value, hub_module.CONFIG)
        with pytest.raises(InputError, match="expected a repository name"):
            hub_module.download(value)
    with pytest.raises(InputError, match="local_dir: found "):
        hub_module.download("org/name", local_dir=tmp_path / "config.json")
    for name, values in {
        "revision": ["", "../../etc", "a b", "a\n", "/main", 5, "v^2", "a\0"],
        "token": ["", "hf_a\nX: y", "hf é", 5],
        "cache_dir": [5, ["x"]],
        "local_files_only": [None, "yes"],
    }.items():
        for value in values:
            with pytest.raises(InputError) as error:
                hub_module.resolve("org/name", hub_module.CONFIG, HubOptions(**{name: value}))
            assert str(error.value).startswith(f"{name}: found ")
            assert "\n" not in str(error.value)
            assert "hf_a" not in str(error.value), "a token is never shown"


def test_a_token_is_never_shown():
    repository = hub_module._Repository("org/name", HubOptions(token="hf_secret"))
    assert "hf_secret" not in repr(HubOptions(token="hf_secret"))
    message = repository._explain(ValueError("invalid header:\n'Bearer hf_secret'"), "config.json")
    assert message.endswith("(ValueError: \"invalid header: 'Bearer \\u2026'\")")


# Fresh and cached


def test_only_the_files_needed_are_fetched_and_the_server_may_go(repository, call, calls):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        folder = call(hub, CONFIG_CALL).folder
        assert hub.downloads() == ["config.json"]
        assert call(hub, TOKENIZER_CALL).folder == folder
        assert call(hub, WEIGHTS_CALL).folder == folder
        wanted = ["config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "pytorch_model.bin"]
        assert hub.downloads() == wanted
        for name in wanted:
            assert (folder / name).read_bytes() == (repository / name).read_bytes()
        assert names(folder) == set(wanted)
        # All but the first file of a call are asked for by its commit.
        commit = hub.commit("org/name")
        assert folder.name == commit
        by_branch = [path for _, path in hub.requests if f"/resolve/{commit}/" not in path]
        assert set(by_branch) == {"/org/name/resolve/main/config.json"}

        # A second load asks for the commit and nothing more.
        hub.requests.clear()
        assert {result.folder for result in calls(hub, ALL_CALLS)} == {folder}
        assert hub.requests == [("HEAD", "/org/name/resolve/main/config.json")] * 3

        hub.stop()
        again = calls(hub, [*ALL_CALLS, "hub.download('org/name')"])
        assert {result.folder for result in again} == {folder}
        assert "Retrying" not in again[0].stderr


def test_a_tokenizer_json_suffices_and_safetensors_come_first(tmp_path, call):
    files = {
        **CARDIFFNLP,
        "tokenizer.json": '{"version": "1.0"}',
        "tokenizer_config.json": '{"model_max_length": 512}',
        "sentencepiece.bpe.model": "pieces",
        "model.safetensors": "tensors",
        "model.safetensors.index.json": '{"weight_map": {}}',
    }
    with LoopbackHub({"org/name": {"main": make_repository(tmp_path / "repository", files)}}) as hub:
        folder = call(hub, "hub.download('org/name')").folder
        wanted = {"config.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json"}
        assert names(folder) == set(hub.downloads()) == wanted | {"model.safetensors"}
        assert len(hub.downloads()) == 5


def test_a_sentencepiece_model_alone_is_a_tokenizer(tmp_path, call):
    files = {"sentencepiece.bpe.model": "pieces", "config.json": "{}"}
    with LoopbackHub({"org/name": {"main": make_repository(tmp_path / "repository", files)}}) as hub:
        assert names(call(hub, TOKENIZER_CALL).folder) == set(files)


def test_a_repository_without_a_config_has_one_commit_as_well(tmp_path, call):
    files = {"vocab.json": "{}", "merges.txt": ""}
    with LoopbackHub({"org/name": {"main": make_repository(tmp_path / "repository", files)}}) as hub:
        assert names(call(hub, TOKENIZER_CALL).folder) == set(files)
        paths = [path for _, path in hub.requests]
        assert all(f"/resolve/{hub.commit('org/name')}/" in path for path in paths[1:])
        assert call(hub, CONFIG_CALL).message == (
            "org/name: the repository has no configuration, looked for config.json"
        )
        weights = call(hub, WEIGHTS_CALL)
        assert weights.error == "HubError"
        assert weights.message.startswith(
            "org/name: the repository has no weights, looked for model.safetensors, "
        )


def test_shards_follow_their_index(tmp_path, call):
    shards = [f"model-0000{part}-of-00003.safetensors" for part in (1, 2, 3)]
    weight_map = {"a": shards[0], "b": shards[2], "c": shards[1], "d": shards[0]}
    files = {
        **CARDIFFNLP,
        "model.safetensors.index.json": json.dumps({"metadata": {}, "weight_map": weight_map}),
        **{shard: f"tensors of {shard}" for shard in shards},
    }
    repository = make_repository(tmp_path / "repository", files)
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        folder = call(hub, WEIGHTS_CALL).folder
        assert names(folder) == {"config.json", "model.safetensors.index.json", *shards}
        hub.stop()
        assert call(hub, WEIGHTS_CALL).folder == folder
        (folder / shards[1]).unlink()
        missing = call(hub, WEIGHTS_CALL, HF_HUB_OFFLINE="1")
    assert missing.error == "HubError"
    assert f"model.safetensors.index.json names '{shards[1]}', but it is not in the cache" in missing.message
    (repository / shards[1]).unlink()
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        missing = call(hub, WEIGHTS_CALL)
    assert missing.message.endswith(f"names '{shards[1]}', but the repository lacks it")


MALFORMED_INDEXES = [
    (
        '{"weight_map": {"a": "../../x.bin"}}',
        "shard of tensor 'a': found '../../x.bin', expected a plain file name that ends in .bin",
    ),
    ('{"weight_map": {"a": "/etc/x.bin"}}', "expected a plain file name that ends in .bin"),
    ('{"weight_map": {"a": ".cache/x.bin"}}', "expected a plain file name that ends in .bin"),
    ('{"weight_map": {"a": "tf_model.h5"}}', "expected a plain file name that ends in .bin"),
    ('{"weight_map": {"a": 5}}', "expected a plain file name that ends in .bin"),
    ('{"weight_map": {}}', "weight_map: found an empty object, expected"),
    ('{"weight_map": ["x.bin"]}', "weight_map: found a JSON list, expected"),
    ("{}", "weight_map: found nothing, expected"),
    ("<html>", "not JSON at line 1"),
]


def test_malformed_indexes(tmp_path, calls):
    repositories = {}
    for number, (index, _) in enumerate(MALFORMED_INDEXES):
        files = {"config.json": "{ }", "pytorch_model.bin.index.json": index, "tf_model.h5": "tf"}
        repositories[f"org/name{number}"] = {"main": make_repository(tmp_path / str(number), files)}
    with LoopbackHub(repositories) as hub:
        results = calls(hub, [f"hub.resolve({name!r}, hub.WEIGHTS)" for name in repositories])
        assert set(hub.downloads()) == {"config.json", "pytorch_model.bin.index.json"}
    for result, (_, expected) in zip(results, MALFORMED_INDEXES, strict=True):
        assert result.error == "ModelFileError"
        assert expected in result.message
        assert "pytorch_model.bin.index.json: " in result.message


def test_a_progress_bar_on_a_terminal_only(repository, call, tmp_path):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        assert call(hub, CONFIG_CALL).stderr == ""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        environment = hub.environment(tmp_path / "terminal", PYTHONPATH=PACKAGE_PARENT)
        command = [sys.executable, "-c", SCRIPT, json.dumps([WEIGHTS_CALL]), ""]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            try:
                while chunk := os.read(ours, 65536):
                    shown += chunk
            except OSError:  # how Linux says that the other side has closed
                pass
            os.close(ours)
            stdout = process.stdout.read().decode()
        assert re.search(r"pytorch_model.bin: 100%.*40.0k/40.0k", shown.decode())
        assert len(stdout.splitlines()) == 1
        assert json.loads(stdout)["folder"]


# Revisions


def test_revisions_by_branch_and_by_commit(repository, call, tmp_path):
    other = make_repository(tmp_path / "other", {**CARDIFFNLP, "vocab.json": '{"other": 0}'})
    with LoopbackHub({"org/name": {"main": repository, "feature/v2": other}}) as hub:
        main, feature = hub.commit("org/name"), hub.commit("org/name", "feature/v2")
        branch = call(
            hub, "hub.resolve('org/name', hub.TOKENIZER, hub.HubOptions(revision='feature/v2'))"
        ).folder
        assert branch.name == feature
        assert (branch / "vocab.json").read_text() == '{"other": 0}'
        exact = f"hub.resolve('org/name', hub.TOKENIZER, hub.HubOptions(revision={main!r}))"
        assert call(hub, exact).folder.name == main
        hub.requests.clear()
        assert call(hub, exact).folder.name == main
        assert hub.requests == []  # a commit does not change
        assert call(hub, TOKENIZER_CALL).folder.name == main

        # The branch moves on: a second load sees it.
        (repository / "merges.txt").write_text("new")
        moved = hub.publish("org/name", "main", repository)
        again = call(hub, TOKENIZER_CALL).folder
        assert again.name == moved != main
        assert (again / "merges.txt").read_text() == "new"

        unknown = call(hub, "hub.resolve('org/name', hub.CONFIG, hub.HubOptions(revision='v9'))")
        assert (unknown.error, unknown.message) == (
            "HubError",
            f"org/name: no revision 'v9' at {hub.endpoint}",
        )
        unknown = call(hub, f"hub.download('org/name', hub.HubOptions(revision={'0' * 40!r}))")
        assert unknown.message.endswith(f"no revision '{'0' * 40}' at {hub.endpoint}")
        hub.stop()
        assert call(hub, exact).folder.name == main
        assert call(hub, TOKENIZER_CALL).folder.name == moved


# What may not be had


def test_no_such_repository(repository, call):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        for expression in ("hub.resolve('org/nmae', hub.CONFIG)", "hub.download('org/nmae')"):
            result = call(hub, expression)
            assert result.error == "HubError"
            assert result.message == (
                f"org/nmae: no such folder, and no such repository at {hub.endpoint} "
                "or a private one that needs token= or HF_TOKEN"
            )
        with_token = call(hub, "hub.resolve('org/nmae', hub.CONFIG, hub.HubOptions(token='hf_any'))")
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
        assert call(hub, "hub.resolve('org/name', hub.CONFIG, hub.HubOptions(token='hf_right'))").folder
        assert call(hub, "hub.download('org/gated')", HF_TOKEN="hf_right").folder


def test_offline(repository, call, calls):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        for expression, variables, reason in (
            (TOKENIZER_CALL, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE allows no download"),
            (
                TOKENIZER_CALL[:-1] + ", hub.HubOptions(local_files_only=True))",
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
        local = [expression[:-1] + ", hub.HubOptions(local_files_only=True))" for expression in ALL_CALLS]
        for results in (calls(hub, ALL_CALLS, HF_HUB_OFFLINE="1"), calls(hub, local)):
            assert {result.folder for result in results} == {folder}
        assert hub.requests == []


def test_a_cache_that_others_filled_is_used_offline(repository, call, calls):
    """Without the marks that our own questions leave: what is not there is taken as absent."""
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        call(hub, "__import__('huggingface_hub').snapshot_download('org/name')")
        log = "import logging; logging.basicConfig(level='INFO', format='%(name)s %(message)s')"
        results = calls(hub, ALL_CALLS, before=log, HF_HUB_OFFLINE="1")
        assert {result.folder.name for result in results} == {hub.commit("org/name")}
        expected = "roberta_c.files.hub org/name: not in the cache, treated as absent: tokenizer_config.json"
        assert expected in results[0].stderr


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
        result = call(hub, f"hub.resolve('org/name', hub.CONFIG, hub.HubOptions(cache_dir={str(blocked)!r}))")
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


# Downloads that go wrong half way


@pytest.fixture
def large_repository(tmp_path) -> Path:
    """Weights of 12 MiB: the client writes, and so can resume, 10 MiB at a time."""
    files = {"config.json": "{}", "model.safetensors": random.Random(1).randbytes(12 * 2**20)}
    return make_repository(tmp_path / "large", files)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_interrupted_download_is_resumed(large_repository, call):
    with LoopbackHub({"org/name": {"main": large_repository}}) as hub:
        hub.cut_short("model.safetensors", after=11 * 2**20)
        # By the client itself, or, by those before 1.0, in the second call.
        results = [call(hub, WEIGHTS_CALL) for _ in range(2)]
        assert sha256(results[1].folder / "model.safetensors") == sha256(
            large_repository / "model.safetensors"
        )
        assert [header for _, header in hub.ranges] == [f"bytes={10 * 2**20}-"]


def test_a_killed_download_leaves_nothing_half_done(large_repository, call, tmp_path):
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


# download


def test_download_puts_the_files_flat_into_a_folder(repository, call, tmp_path):
    target = tmp_path / "new" / "model"
    expression = f"hub.download('org/name', local_dir={str(target)!r})"
    wanted = {"config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "pytorch_model.bin"}
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        assert call(hub, expression).folder == target
        assert names(target) - {".cache"} == set(hub.downloads()) == wanted
        resolved = [path for _, path in hub.requests if "/resolve/" in path]
        assert all(f"/resolve/{hub.commit('org/name')}/" in path for path in resolved)
        for name in wanted:
            assert (target / name).read_bytes() == (repository / name).read_bytes()
            assert not (target / name).is_symlink()
        hub.requests.clear()
        assert call(hub, expression).folder == target
        assert hub.downloads() == []
        assert call(hub, expression.replace("org/name", "org/nmae")).error == "HubError"
        offline = call(hub, expression, HF_HUB_OFFLINE="1")
        assert (offline.error, offline.message) == ("HubError", "org/name: HF_HUB_OFFLINE allows no download")
        # The folder then needs no server at all.
        hub.stop()
        assert call(hub, f"hub.resolve({str(target)!r}, hub.WEIGHTS)").folder == target


def test_the_client_is_imported_only_for_a_download(repository, call):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        code = f"(hub.resolve({str(repository)!r}, hub.WEIGHTS), 'huggingface_hub' in sys.modules)[1]"
        assert str(call(hub, code).folder) == "False"


def test_the_hub_itself_answers_the_client_s_other_routes(repository, tmp_path):
    """For tests that use LoopbackHub with other tools of the client."""
    code = (
        "from huggingface_hub import HfApi; api = HfApi();"
        "print(api.model_info('org/name', revision='v2').sha, *sorted(api.list_repo_files('org/name')))"
    )
    with LoopbackHub({"org/name": {"main": repository, "v2": repository}}) as hub:
        environment = hub.environment(tmp_path / "home")
        finished = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert finished.stdout.split() == [hub.commit("org/name", "v2"), *sorted(CARDIFFNLP)]
