"""`roberta-c doctor`: its report for people, and when its parts are written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from samples.command_line import sections_of

from roberta_c.diagnose import doctor


def test_people_and_programs_read_the_same(run, tweet_sentiment_small):
    words = ["doctor", "--model", tweet_sentiment_small, "--threads", "1"]
    facts = json.loads(run(*words, "--format", "json").stdout)
    result = run(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    shown = sections_of(result.stdout)
    expected = ["CPU", "Threads", "Memory", "Versions", "Caches", "Environment", "Model", "Check", "Problems"]
    assert list(shown) == expected
    assert shown["CPU"]["kernels"].startswith(f"{facts['cpu']['isa']} (best available")
    assert set(shown["CPU"]["features"].split()) == {
        name for name, has in facts["cpu"]["features"].items() if has
    }
    assert shown["Versions"] == {name: value or "missing" for name, value in facts["versions"].items()}
    assert shown["Memory"]["total"] == f"{facts['memory']['total_bytes'] / 2**30:.1f} GiB"
    assert shown["Caches"]["Hub files"].startswith(facts["caches"]["folder"])
    assert shown["Model"]["position limit"] == "512 tokens"
    for file in facts["model"]["files"]:
        assert shown["Model"][f"{file['part']}: {Path(file['path']).name}"].endswith(file["path"])
    assert shown["Check"]["token ids"].startswith(facts["check"]["token_digest"])
    assert shown["Check"]["logits"].startswith(facts["check"]["output_digest"])
    assert shown["Check"]["difference from reference"].endswith(": agrees")
    for row in facts["check"]["logits"]:
        assert " ".join(f"{value:12.6f}" for value in row) in result.stdout
    assert result.stdout.endswith("\n\nProblems\n  none\n")


def test_the_machine_is_shown_before_the_model_is_loaded(run, monkeypatch, tweet_sentiment_small):
    """The facts are written even if loading ends the process (no memory, an illegal instruction)."""

    def killed(*arguments, **options):
        raise SystemExit(9)

    monkeypatch.setattr(doctor, "_open", killed)
    result = run("doctor", "--model", tweet_sentiment_small)
    assert result.exit_code == 9
    assert list(sections_of(result.stdout))[:2] == ["CPU", "Threads"]


def test_debug_shows_the_traceback(run, tmp_path):
    result = run("doctor", "--model", tmp_path / "missing", "--debug")
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback (most recent call last)")
    assert result.stderr.splitlines()[-1].startswith("roberta-c: error: ")


def test_without_a_model_nothing_heavy_is_loaded(environment):
    script = (
        "import sys; from roberta_c.cli.main import program\n"
        "assert program.main(['doctor'], standalone_mode=False) == 0\n"
        "heavy = {'tokenizers', 'torch', 'roberta_c.model'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)
