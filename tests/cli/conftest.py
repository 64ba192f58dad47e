"""Fixtures for the command line: in this process where that shows the same, else as `python -m roberta_c`."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner
from samples.command_line import COMMAND, PACKAGE_PARENT

import roberta_c
from roberta_c.cli.main import program


@pytest.fixture(autouse=True)
def no_model_from_the_environment(monkeypatch):
    monkeypatch.delenv("ROBERTA_C_MODEL", raising=False)


@pytest.fixture
def run():
    """`run(*arguments, input=)` in this process: .exit_code, .stdout, .stderr."""

    def run(*arguments, input=None, **variables):
        words = [os.fspath(argument) for argument in arguments]
        return CliRunner(env=variables).invoke(program, words, input=input, prog_name="roberta-c")

    return run


@pytest.fixture
def classify(run, tweet_sentiment_small):
    """`run("classify", …)` with the trained checkpoint, on one thread."""

    def classify(*arguments, **options):
        return run("classify", "--model", tweet_sentiment_small, "--threads", "1", *arguments, **options)

    return classify


@pytest.fixture(scope="module")
def library(tweet_sentiment_small):
    """The pipeline with the trained checkpoint, on one thread."""
    return roberta_c.pipeline("text-classification", tweet_sentiment_small, num_threads=1)


@pytest.fixture
def command(tweet_sentiment_small):
    """The words of `roberta-c classify` with the trained checkpoint, on one thread."""
    return [*COMMAND, "classify", "--model", str(tweet_sentiment_small), "--threads", "1"]


@pytest.fixture
def environment():
    """The variables of a process."""
    left_out = ("ROBERTA_C_MODEL", "PYTHONUNBUFFERED")  # unbuffered output would hide a missing flush
    ours = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**ours, "PYTHONPATH": PACKAGE_PARENT}
