"""Output files: nothing is lost, and a run that was killed goes on where its complete rows end."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time

import pytest
from samples.command_line import assert_one_line

from roberta_c import pipelines

ROWS = 1500


@pytest.fixture
def many(tmp_path):
    """A CSV file whose texts have line ends, quotes and commas."""
    path = tmp_path / "many.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        for number in range(ROWS):
            writer.writerow([number, f'text "{number}",\nwith é, and a second line' if number % 3 else ""])
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_kill_and_resume_give_the_same_bytes(command, environment, many, tmp_path, ending):
    out, undisturbed = tmp_path / f"out.{ending}", tmp_path / f"undisturbed.{ending}"
    words = [*command, "--file", str(many), "--batch-size", "4", "-o"]
    subprocess.run([*words, str(undisturbed)], env=environment, check=True)
    with subprocess.Popen([*words, str(out)], env=environment) as process:
        deadline = time.monotonic() + 60
        while not (out.exists() and out.stat().st_size > 2000) and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    left = out.read_bytes()
    assert 2000 < len(left) < undisturbed.stat().st_size
    assert undisturbed.read_bytes().startswith(left)
    done = subprocess.run(
        [*words, str(out), "--resume"], env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert out.read_bytes() == undisturbed.read_bytes()


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_row_torn_at_any_byte(classify, library, monkeypatch, tmp_path, ending):
    monkeypatch.setattr(pipelines, "pipeline", lambda *_, **__: library)  # or each run would load the model
    source, out = tmp_path / "in.csv", tmp_path / f"out.{ending}"
    source.write_text('text\n"a ""quoted""\né, line"\n"\n"\nlast\n', encoding="utf-8")
    classify("--file", source, "-o", out)
    complete = out.read_bytes()
    for size in range(0, len(complete) + 1):
        out.write_bytes(complete[:size])
        result = classify("--file", source, "-o", out, "--resume")
        assert (result.exit_code, result.stderr) == (0, ""), size
        assert out.read_bytes() == complete, size
    # What no run has written is not cut off.
    foreign = complete[: complete.index(b"line") + 4] + b"x" * 1000
    out.write_bytes(foreign)
    assert_one_line(classify("--file", source, "-o", out, "--resume"), 1, "found something else after")
    assert out.read_bytes() == foreign


def test_resume_without_a_file_begins_one(classify, tmp_path):
    out = tmp_path / "out.csv"
    assert classify("a", "-o", out, "--resume").exit_code == 0
    assert out.read_text().startswith("text,label,score,truncated\na,")


def test_only_an_output_of_this_input_is_resumed(classify, tmp_path):
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("id,text\n1,a\n2,b\n")
    classify("--file", source, "-o", out)
    before = out.read_bytes()
    for words, part in (
        (["--file", source, "--all"], "found the columns 'id', 'text', 'label', 'score', 'truncated'"),
        (["a", "b"], "found the columns 'id', 'text'"),
    ):
        assert_one_line(classify(*words, "-o", out, "--resume"), 1, str(out), part)
    source.write_text("id,text\n1,a\n2,other\n")
    assert_one_line(classify("--file", source, "-o", out, "--resume"), 1, "row 2: found another row")
    source.write_text("id,text\n1,a\n")
    assert_one_line(classify("--file", source, "-o", out, "--resume"), 1, "found 2 rows, expected at most 1")
    assert out.read_bytes() == before
    out = tmp_path / "out.jsonl"
    for text, part in (
        ('{"id": "1", "text": "other", "label": "x", "score": 1}\n', "row 1: found another row"),
        ('{"id": "1", "text": "a"}\n', "row 1: found another row"),
        ('{"id": "1", "text": "a", "answer": "x"}\n', "row 1: found another row"),
        ("no JSON\n", "line 1: found no JSON"),
    ):
        out.write_text(text)
        assert_one_line(classify("--file", source, "-o", out, "--resume"), 1, part)
        assert out.read_text() == text
    (tmp_path / "other.csv").write_text("id,text,label,score,truncated\n1,a\n")
    result = classify("--file", source, "-o", tmp_path / "other.csv", "--resume")
    assert_one_line(result, 1, "other.csv: row 1: found 2 fields")


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json"])
def test_an_existing_output_is_kept_unless_it_is_to_be_replaced(classify, tmp_path, ending):
    out = tmp_path / f"out.{ending}"
    out.write_text("precious")
    assert_one_line(classify("a", "-o", out), 2, "which exists already, expected a new file, --resume or")
    assert out.read_text() == "precious"
    result = classify("a", "-o", out, "--overwrite", "--max-length", "513")
    assert_one_line(result, 2, "--max-length: found 513")
    assert out.read_text() == "precious"
    assert classify("a", "-o", out, "--overwrite").exit_code == 0
    assert "precious" not in out.read_text()


def test_json_appears_when_it_is_complete(classify, tmp_path):
    source, out = tmp_path / "in.csv", tmp_path / "out.json"
    source.write_text("text\na\nb,c\n")
    out.write_text("precious")
    assert_one_line(classify("--file", source, "-o", out, "--overwrite"), 1, "row 2 (line 3)")
    assert out.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.json"]


def test_devices_are_no_files_to_be_lost(command, environment, tmp_path):
    words = [*command, "a", "-o", "/dev/stdout", "--format", "jsonl"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["text"] == "a", done.stderr
    words = [*command, "a", "-o", "/dev/full", "--format", "jsonl"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "roberta-c: error: /dev/full: cannot be written: No space left on device\n"
