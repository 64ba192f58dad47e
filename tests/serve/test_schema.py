"""The OpenAPI document against schemathesis, which makes requests that it allows and others that it forbids.

Every answer has a status, a type and a form that the document names, and none is an error of the server.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.mark.parametrize("examples", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_answers_are_as_the_document_says(url, examples, tmp_path):
    program = Path(sys.executable).with_name("schemathesis")
    options = ["--checks", ",".join(CHECKS), "--max-examples", str(examples), "--seed", "1", "--no-color"]
    done = subprocess.run(
        [program, "run", f"{url}/openapi.json", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,  # where it keeps what it has found
        timeout=3600 if examples > 2 else 300,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "No test cases were generated" not in done.stdout
