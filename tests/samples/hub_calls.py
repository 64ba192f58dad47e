"""Calls of files/hub.py in a new process, and the repository that they fetch."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import roberta_c

PACKAGE_PARENT = str(Path(roberta_c.__file__).resolve().parent.parent)
SCRIPT = """
import json, sys, time
exec(sys.argv[2])
from roberta_c.files import hub
from roberta_c.files.file_sets import CONFIG, TOKENIZER, WEIGHTS
from roberta_c.files.hub_options import HubOptions
from roberta_c.errors import RobertaCError
for expression in json.loads(sys.argv[1]):
    try:
        result = {"folder": str(eval(expression)), "error": None, "message": ""}
    except RobertaCError as error:
        result = {"folder": None, "error": type(error).__name__, "message": str(error)}
    print(json.dumps(result))
"""
NO_WAITING = "time.sleep = lambda seconds: None"  # the client waits 23 s for a server that is away
CONFIG_CALL = "hub.resolve('org/name', CONFIG)"
TOKENIZER_CALL = "hub.resolve('org/name', TOKENIZER)"
WEIGHTS_CALL = "hub.resolve('org/name', WEIGHTS)"
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


def make_repository(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def run_on_hub(hub, home: Path, script: str, meanwhile=None) -> str:
    """Standard output of a script in a new process whose Hub is `hub`.

    meanwhile: called when the script has printed its first line; the script's `input()` returns after it.
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=hub.environment(home, PYTHONPATH=PACKAGE_PARENT, ROBERTA_C_NUM_THREADS="1"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if meanwhile is not None:
            process.stdout.readline()
            meanwhile()
        output, errors = process.communicate("\n", timeout=50)
    assert process.returncode == 0, errors
    return output
