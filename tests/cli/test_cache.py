"""`roberta-c cache`, `--no-cache`, and what `doctor` says of the cache of packed weights."""

from __future__ import annotations

import json
import os

import pytest
from samples.caches import allow_tiny_models, load, packed_files
from samples.command_line import sections_of
from samples.tiny_model import make_tiny_model

from roberta_c.cache import settings, wait_for_writers


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The cache folder that ROBERTA_C_CACHE names."""
    allow_tiny_models(monkeypatch)
    monkeypatch.setenv("ROBERTA_C_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path):
    return make_tiny_model(tmp_path / "model")


def test_warm_list_and_clear(run, folder, model):
    assert json.loads(run("cache", "list", "--format", "json").stdout)["files"] == []
    result = run("cache", "warm", model, "--threads", "1")
    assert (result.exit_code, result.stdout) == (0, f"written to {folder}\n")
    assert run("cache", "warm", model, "--threads", "1").stdout == f"already in {folder}\n"
    assert run("cache", "warm", model, "--dtype", "int8").stdout == f"written to {folder}\n"
    assert len(packed_files(folder)) == 2
    found = json.loads(run("cache", "list", "--format", "json").stdout)
    assert found["bytes"] == sum(path.stat().st_size for path in packed_files(folder))
    assert {file["dtype"] for file in found["files"]} == {"float32", "int8"}
    assert all(file["source"] == str(model / "model.safetensors") for file in found["files"])
    shown = run("cache", "list").stdout
    assert all(path.name in shown for path in packed_files(folder))
    assert load(model, "auto").cache_report.state == "read"
    (folder / "notes.txt").write_text("mine")
    assert run("cache", "clear").stdout.startswith("removed 2 files, ")
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert run("cache", "clear").stdout.startswith("removed 0 files, ")


def test_list_shows_damaged_files(run, folder, model):
    run("cache", "warm", model)
    [path] = packed_files(folder)
    path.chmod(0o600)
    path.write_bytes(b"\x1b[31m")
    result = run("cache", "list")
    assert result.exit_code == 0
    assert "damaged" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_small_model_needs_no_cache(run, folder, model, monkeypatch):
    monkeypatch.setattr(settings, "MIN_BYTES", 16 << 20)
    assert run("cache", "warm", model).stdout.startswith("not needed")
    assert not folder.exists()


def test_a_model_of_small_parts_needs_no_cache(run, folder, model, monkeypatch):
    """Large enough as files, but not what is packed of it."""
    monkeypatch.setattr(settings, "MIN_BYTES", (model / "model.safetensors").stat().st_size)
    assert run("cache", "warm", model, "--dtype", "int8").stdout.startswith("not needed")
    shown = sections_of(run("doctor", "--model", model, "--threads", "1").stdout)["Model"]["packed weights"]
    assert shown.startswith("packed: this model is too small")
    assert not packed_files(folder)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nonsense"], 2, "nonsense"),
        (["warm"], 2, "PATH_OR_ID"),
        (["list", "model"], 2, "PATH_OR_ID"),
        ([], 2, "ACTION"),
        (["warm", "no/such/folder/at/all"], 1, "no/such"),
    ],
)
def test_misuse_is_one_line(run, folder, words, code, message):
    result = run("cache", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


@pytest.mark.parametrize("action", ["list", "clear", "warm"])
def test_folders_that_cannot_be_used(run, folder, model, action):
    folder.mkdir()
    folder.chmod(0o777)
    result = run("cache", action, *([model] if action == "warm" else []))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "others may write the folder" in result.stderr.splitlines()[-1]


def test_a_cache_that_is_off(run, model, tmp_path, monkeypatch, folder):
    result = run("cache", "warm", model, ROBERTA_C_CACHE="off")
    assert result.exit_code == 2
    assert "ROBERTA_C_CACHE: found off" in result.stderr
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    load(model, tmp_path / "user" / "roberta_c")
    assert run("cache", "clear", ROBERTA_C_CACHE="off").stdout.startswith("removed 1 files, ")
    assert not packed_files(tmp_path / "user" / "roberta_c")


@pytest.mark.parametrize("given", [[], ["--no-cache"]])
def test_no_cache(run, folder, model, given):
    run("cache", "warm", model, "--threads", "1")
    facts = json.loads(run("doctor", "--model", model, "--threads", "1", "--format", "json", *given).stdout)
    assert facts["model"]["cache"]["state"] == ("off" if given else "read")
    assert os.environ["ROBERTA_C_CACHE"] == str(folder)
    for command in ("classify", "embed", "rerank", "quantize-report", "describe", "qa", "zero-shot"):
        assert "--no-cache" in run(command, "--help").stdout


def test_doctor_says_what_the_cache_saved(run, folder, model):
    words = ("doctor", "--model", model, "--threads", "1")
    first = sections_of(run(*words).stdout)
    assert (
        "being written to" in first["Model"]["packed weights"]
        or "written" in first["Model"]["packed weights"]
    )
    wait_for_writers()
    second = sections_of(run(*words).stdout)
    shown = second["Model"]["packed weights"]
    assert str(folder) in shown
    assert "packing took" in shown
    assert "1 files" in second["Caches"]["packed weights"]
    off = sections_of(run(*words, ROBERTA_C_CACHE="off").stdout)
    assert off["Model"]["packed weights"].startswith("packed: the cache is off")
    assert off["Caches"]["packed weights"] == "off (ROBERTA_C_CACHE)"
