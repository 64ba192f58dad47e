"""Fixtures of the tests of files/hub.py: a repository, and calls in a new process.

The client reads its environment variables at import, so every call is a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from samples.hub_calls import (
    CARDIFFNLP,
    PACKAGE_PARENT,
    SCRIPT,
    make_repository,
)


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


@pytest.fixture
def repository(tmp_path) -> Path:
    return make_repository(tmp_path / "repository", CARDIFFNLP)
