"""`roberta-c serve`: bad command lines, and models that cannot be loaded. tests/serve/ starts servers."""

from __future__ import annotations

import builtins
import socket

import pytest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--model", "a", "--model", "b"],
            "--model: found 'a', expected NAME=PATH_OR_ID, for each of several",
        ),
        (["--model", "a=x", "--model", "a=y"], "--model: found the name a twice, expected a name for each"),
        (["--model", "embed=x"], "--model: found 'embed', expected letters"),
        (["--model", "=x"], "expected NAME=PATH_OR_ID"),
        (["--port", "65536"], "65536 is not in the range"),
        (["--threads", "0"], "found '0', expected an integer of at least 1"),
        (["--max-batch-tokens", "0"], "found '0', expected an integer of at least 1"),
        (["--request-timeout", "-1"], "found '-1', expected a number of seconds of at least 0"),
        (["--header-timeout", "0"], "found '0', expected a number of seconds above 0"),
        (["--keep-alive", "nan"], "found 'nan', expected a number of seconds above 0"),
        (["--max-queued-texts", "5"], "--max-client-batch-size: found 1024, more than --max-queued-texts"),
        (
            ["--default-prompt", "a", "--default-prompt-name", "b"],
            "--default-prompt, --default-prompt-name: found both",
        ),
        (["--api-key", " "], "--api-key: found one that is empty"),
        (["text"], "unexpected extra argument"),
    ],
)
def test_misuse(run, words, message):
    done = run("serve", *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") <= 2  # after the note about the bundled model


def test_a_taken_port(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), "--model", "/nowhere")
    assert done.exit_code == 1
    assert f"127.0.0.1:{port}: cannot be listened on: Address already in use" in done.stderr


def test_a_model_that_cannot_be_loaded(run, tmp_path):
    (tmp_path / "config.json").write_text("{", "utf-8")
    done = run("serve", "--port", "0", "--model", tmp_path)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"roberta-c: error: {tmp_path}/config.json: found text not JSON"
    )


def test_a_folder_whose_name_has_the_sign(run, tmp_path):
    folder = tmp_path / "a=b"
    folder.mkdir()
    (folder / "config.json").write_text("{", "utf-8")
    done = run("serve", "--port", "0", "--model", folder)
    assert done.exit_code == 1
    assert "a=b/config.json: found text not JSON" in done.stderr


def test_without_the_extra(run, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments, **keywords):
        if name.partition(".")[0] in ("starlette", "uvicorn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **keywords)

    import sys

    for name in [name for name in sys.modules if name.startswith("roberta_c.serve.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", missing)
    done = run("serve", "--model", "org/name")
    assert done.exit_code == 1
    assert done.stderr == (
        "roberta-c: error: serve: found no package starlette, expected pip install 'roberta_c[serve]'\n"
    )
