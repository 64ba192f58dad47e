"""Finding a model's files: local folders, and the real Hub client against a server on loopback.

The client reads its variables when it is imported, so each use of it is a process of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from samples.hub_calls import (
    ALL_CALLS,
    CARDIFFNLP,
    CONFIG_CALL,
    PACKAGE_PARENT,
    SCRIPT,
    TOKENIZER_CALL,
    WEIGHTS_CALL,
    make_repository,
    names,
)
from samples.loopback_hub import LoopbackHub

from roberta_c.errors import HubError, InputError
from roberta_c.files import hub as hub_module
from roberta_c.files.file_sets import CONFIG, TOKENIZER, WEIGHTS
from roberta_c.files.hub_answers import explained
from roberta_c.files.hub_options import HubOptions

# Local paths


def test_a_folder_is_returned_as_it_is(tmp_path):
    for path in (tmp_path, str(tmp_path)):
        for files in (CONFIG, TOKENIZER, WEIGHTS):
            assert hub_module.resolve(path, files) == tmp_path
    options = HubOptions(revision="v2", local_files_only=True)
    assert hub_module.resolve(tmp_path, CONFIG, options) == tmp_path


def test_a_folder_wins_over_a_repository_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(make_repository(tmp_path, {"org/name/config.json": "{}"}))
    assert hub_module.resolve("org/name", CONFIG) == Path("org/name")


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
    for find in (lambda: hub_module.resolve(name, CONFIG), lambda: hub_module.download(name)):
        with pytest.raises(HubError) as error:
            find()
        message = str(error.value)
        assert message.startswith("no such folder, and not a repository name of the form org/name: ")
        assert ascii(name) in message
        assert isinstance(error.value, OSError)


def test_arguments_of_the_wrong_kind(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"found a file, expected the folder"):
        hub_module.resolve(tmp_path / "config.json", CONFIG)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("absent")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "dangling", "loop"):
        for path in (tmp_path / name, str(tmp_path / name)):
            with pytest.raises(InputError, match="found a device, a pipe, or a link without a folder"):
                hub_module.resolve(path, CONFIG)
    with pytest.raises(HubError, match="no such folder: "):
        hub_module.resolve(tmp_path / "absent", CONFIG)
    for value in (None, 5, b"org/name", ["org/name"]):
        with pytest.raises(InputError, match="expected a folder or a repository name"):
            hub_module.resolve(value, CONFIG)
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
            options = HubOptions(**{name: value})
            for find in (
                lambda options=options: hub_module.resolve("org/name", CONFIG, options),
                lambda options=options: hub_module.download("org/name", options),
            ):
                with pytest.raises(InputError) as error:
                    find()
                assert str(error.value).startswith(f"{name}: found ")
                assert "\n" not in str(error.value)
                assert "hf_a" not in str(error.value), "a token is never shown"


def test_a_token_is_never_shown():
    options = HubOptions(token="hf_secret")
    assert "hf_secret" not in repr(options)
    error = ValueError("invalid header:\n'Bearer hf_secret'")
    message = explained(error, "config.json", "org/name", options, "cache")
    assert message.endswith("(ValueError: \"invalid header: 'Bearer \\u2026'\")")


# Fresh and cached


def test_only_needed_files_are_fetched_and_later_come_from_the_cache(repository, call, calls):
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
        # After the first file of a call, all others are requested from its commit.
        commit = hub.commit("org/name")
        assert folder.name == commit
        by_branch = [path for _, path in hub.requests if f"/resolve/{commit}/" not in path]
        assert set(by_branch) == {"/org/name/resolve/main/config.json"}

        # A second load requests the commit only.
        hub.requests.clear()
        assert {result.folder for result in calls(hub, ALL_CALLS)} == {folder}
        assert hub.requests == [("HEAD", "/org/name/resolve/main/config.json")] * 3

        assert call(hub, "hub.download('org/name')").folder == folder
        hub.stop()
        again = calls(hub, [*ALL_CALLS, "hub.download('org/name')"])
        assert {result.folder for result in again} == {folder}
        assert "Retrying" not in again[0].stderr


def test_tokenizer_json_and_safetensors_are_preferred(tmp_path, call):
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


def test_all_files_are_of_one_commit_without_a_config_too(tmp_path, call):
    files = {"vocab.json": "{}", "merges.txt": ""}
    with LoopbackHub({"org/name": {"main": make_repository(tmp_path / "repository", files)}}) as hub:
        assert names(call(hub, TOKENIZER_CALL).folder) == set(files)
        paths = [path for _, path in hub.requests]
        others = [path for path in paths if path != paths[0]]  # the first file is requested by its branch
        assert all(f"/resolve/{hub.commit('org/name')}/" in path for path in others)
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
        results = calls(hub, [f"hub.resolve({name!r}, WEIGHTS)" for name in repositories])
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
            except OSError:  # on Linux this means that the other end was closed
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
        branch = call(hub, "hub.resolve('org/name', TOKENIZER, HubOptions(revision='feature/v2'))").folder
        assert branch.name == feature
        assert (branch / "vocab.json").read_text() == '{"other": 0}'
        exact = f"hub.resolve('org/name', TOKENIZER, HubOptions(revision={main!r}))"
        assert call(hub, exact).folder.name == main
        hub.requests.clear()
        assert call(hub, exact).folder.name == main
        assert hub.requests == []  # a commit does not change
        assert call(hub, TOKENIZER_CALL).folder.name == main

        # The branch gets a new commit: a second load finds it.
        (repository / "merges.txt").write_text("new")
        moved = hub.publish("org/name", "main", repository)
        again = call(hub, TOKENIZER_CALL).folder
        assert again.name == moved != main
        assert (again / "merges.txt").read_text() == "new"

        unknown = call(hub, "hub.resolve('org/name', CONFIG, HubOptions(revision='v9'))")
        assert (unknown.error, unknown.message) == (
            "HubError",
            f"org/name: no revision 'v9' at {hub.endpoint}",
        )
        unknown = call(hub, f"hub.download('org/name', HubOptions(revision={'0' * 40!r}))")
        assert unknown.message.endswith(f"no revision '{'0' * 40}' at {hub.endpoint}")
        hub.stop()
        assert call(hub, exact).folder.name == main
        assert call(hub, TOKENIZER_CALL).folder.name == moved


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
        # Loading from this folder needs no server.
        hub.stop()
        assert call(hub, f"hub.resolve({str(target)!r}, WEIGHTS)").folder == target


def test_the_client_is_imported_only_for_a_download(repository, call):
    with LoopbackHub({"org/name": {"main": repository}}) as hub:
        code = f"(hub.resolve({str(repository)!r}, WEIGHTS), 'huggingface_hub' in sys.modules)[1]"
        assert str(call(hub, code).folder) == "False"


def test_the_loopback_hub_serves_the_client_s_other_routes(repository, tmp_path):
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
