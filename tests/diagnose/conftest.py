"""Fixtures for `roberta-c doctor`, in this process and in others, without the caller's variables."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest
from click.testing import CliRunner
from samples.command_line import COMMAND, PACKAGE_PARENT

from roberta_c.cli.main import program

OURS = re.compile(r"(ROBERTA_C|OMP|GOMP|KMP|HF|HUGGINGFACE|HUGGING_FACE)_.*|XDG_CACHE_HOME")


@pytest.fixture(autouse=True)
def no_variables_of_the_caller(monkeypatch):
    for name in filter(OURS.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)


@pytest.fixture
def run():
    """`run(*arguments)` runs `doctor` in this process: .exit_code, .stdout, .stderr."""

    def run(*arguments, **variables):
        words = [os.fspath(argument) for argument in arguments]
        return CliRunner(env=variables).invoke(program, ["doctor", *words], prog_name="roberta-c")

    return run


@pytest.fixture
def facts_of(run):
    """The JSON of a run without problems."""

    def facts_of(*arguments, **variables):
        result = run(*arguments, "--format", "json", **variables)
        assert (result.exit_code, result.stderr) == (0, "")
        facts = json.loads(result.stdout)
        assert facts["problems"] == []
        return facts

    return facts_of


@pytest.fixture
def environment():
    """The variables of a process: none of ours is set."""
    return {
        **{name: value for name, value in os.environ.items() if not OURS.fullmatch(name)},
        "PYTHONPATH": PACKAGE_PARENT,
    }


@pytest.fixture
def in_process(environment):
    """`in_process(*arguments, **variables)` runs `doctor` as a process: .returncode, .stdout, .stderr."""

    def in_process(*words, **variables):
        return subprocess.run(
            [*COMMAND, "doctor", *map(str, words)],
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return in_process


@pytest.fixture
def copied_checkpoint(tweet_sentiment_small, tmp_path):
    """A copy of the trained checkpoint that a test may damage."""
    folder = tmp_path / "model"
    shutil.copytree(tweet_sentiment_small, folder, copy_function=shutil.copyfile)
    return folder
