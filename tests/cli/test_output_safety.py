"""No file is lost that a run did not write: names beside the output, links, devices, inputs, failed runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
from samples.command_line import assert_one_line

from roberta_c.cli import results
from roberta_c.cli.parquet_writer import write_parquet
from roberta_c.cli.signals import unfinished_files
from roberta_c.errors import InputError


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text,id\na,1\nb,2\n")
    return path


def test_a_file_of_the_name_with_part_is_kept(classify, source, tmp_path):
    beside = tmp_path / "out.json.part"
    beside.write_text("precious")
    assert classify("--file", source, "-o", tmp_path / "out.json").exit_code == 0
    assert beside.read_text() == "precious"


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_a_link_and_its_mode_are_kept(classify, source, tmp_path, ending):
    target, link = tmp_path / "target", tmp_path / f"out.{ending}"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    assert classify("--file", source, "-o", link, "--overwrite").exit_code == 0
    assert link.is_symlink()
    assert "label" in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_pipe_is_written_to(command, environment, source, tmp_path):
    pipe = tmp_path / "out.json"
    os.mkfifo(pipe)
    words = [*command, "--file", str(source), "-o", str(pipe)]
    with subprocess.Popen(words, env=environment) as process:
        text = pipe.read_text()
    assert (process.returncode, text[:2]) == (0, "[\n")
    assert pipe.is_fifo()


def test_a_name_that_no_file_can_have(classify, source, tmp_path):
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    result = classify("--file", source, "-o", tmp_path / "loop.csv")
    assert_one_line(result, 1, "cannot be written: a link that leads to itself")
    assert_one_line(classify("--file", source, "-o", "", "--format", "csv"), 1, "--output: found ''")


def test_parquet_into_a_device_is_refused(classify, source):
    pytest.importorskip("pyarrow")
    result = classify("--file", source, "-o", "/dev/null", "--format", "parquet")
    assert_one_line(result, 1, "a device or a pipe")


def test_what_is_read_is_not_written(command, environment, source, run, tmp_path):
    words = [*command, "--input-format", "csv", "-o", str(source), "--overwrite"]
    before = source.read_bytes()
    with open(source, "rb") as stdin:
        done = subprocess.run(words, env=environment, stdin=stdin, capture_output=True, check=False)
    assert (done.returncode, source.read_bytes()) == (2, before)
    words = ["qa", "--model", "none", "w?", "--context-file", source, "-o", source, "--overwrite"]
    assert_one_line(run(*words), 2, "found the input file")
    assert source.read_bytes() == before


@pytest.mark.parametrize("reads", ["--file", "-", "/dev/stdin", "a link"])
def test_standard_output_is_not_what_is_read(command, environment, tmp_path, reads):
    """`>> texts.txt`: each result would be read as a text, without end."""
    source = tmp_path / "texts.txt"
    source.write_text("a\nb\n")
    link = tmp_path / "link"
    os.link(source, link)
    words = {"--file": ["--file", source], "a link": ["--file", link]}.get(reads, ["--file", reads])
    with open(source, "rb") as stdin, open(source, "ab") as stdout:
        done = subprocess.run(
            [*command, "--batch-size", "1", *map(str, words)],
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert (done.returncode, source.read_text()) == (2, "a\nb\n")
    assert "error: standard output: found the input file" in done.stderr
    with open(source, "rb") as stdin, open(source, "ab") as stdout:  # which it does not read
        done = subprocess.run([*command, "c"], env=environment, stdin=stdin, stdout=stdout, timeout=60)
    assert (done.returncode, source.read_text().count("\n")) == (0, 3)


@pytest.mark.parametrize("path", ["-", "/dev/stdout"])
def test_names_of_standard_output(command, environment, tmp_path, path):
    """Also where a shell has led it to a file, which is there already then."""
    with open(tmp_path / "out", "wb") as file:
        words = [*command, "a", "b", "-o", path, "--format", "json"]
        subprocess.run(words, env=environment, stdout=file, check=True, timeout=60)
    assert [row["text"] for row in json.loads((tmp_path / "out").read_text())] == ["a", "b"]


@pytest.mark.parametrize("words", [["--file", "-"], ["-"], []])
def test_standard_input_is_read_once(run, words):
    result = run("qa", "--model", "none", *words, "--context-file", "-", input="a\n")
    assert result.exit_code == 2


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_a_run_without_results_changes_nothing(classify, source, tmp_path, options):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "a"}\n')
    if options:
        out.write_text("precious")
    assert classify("--file", source, "--column", "txt", "-o", out, *options).exit_code == 1
    assert (out.read_text() if out.exists() else None) == ("precious" if options else None)


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_a_file_that_appears_meanwhile_is_kept(classify, source, tmp_path, ending, monkeypatch):
    from roberta_c.cli.output_options import OutputOptions

    out = tmp_path / f"out.{ending}"
    monkeypatch.setattr(OutputOptions, "check_file", lambda *_: out.write_text("precious"))
    assert_one_line(classify("--file", source, "-o", out), 1, "which exists already")
    assert out.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in.csv", out.name])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.csv", "my notes"),
        ("n.jsonl", "my notes"),
        ("rj.csv", '"Dear diary\nmany lines\n'),
        ("rows.csv", '{}2,"my note\nmany lines\nmore\n'),
    ],
)
def test_resume_keeps_what_no_run_wrote(classify, source, tmp_path, name, text):
    begun, out = tmp_path / "begun.csv", tmp_path / name
    classify("--file", source, "-o", begun)
    out.write_text(text.format("".join(begun.read_text().splitlines(keepends=True)[:2])))
    before = out.read_bytes()
    assert_one_line(classify("--file", source, "-o", out, "--resume"), 1, "found something else after")
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("ending", "options"), [("csv", ["--function-to-apply", "none"]), ("jsonl", ["--all"])]
)
def test_resume_does_not_mix_runs(classify, source, tmp_path, ending, options):
    out = tmp_path / f"out.{ending}"
    classify("--file", source, "-o", out)
    before = out.read_bytes()
    assert_one_line(classify("--file", source, "-o", out, "--resume", *options), 1, "found other results")
    assert out.read_bytes() == before
    out.write_bytes(before.replace(b"\n", b"\r\n"))
    assert_one_line(classify("--file", source, "-o", out, "--resume"), 1, "found a line end of")


def test_resume_after_half_a_surrogate_pair(classify, tmp_path):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text('{"text": "a", "note": "\\ud800"}\n')
    for _ in range(2):
        assert classify("--file", source, "-o", out, "--resume").exit_code == 0
    assert out.read_text().count("\n") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_removes_the_unfinished_file(number, command, environment, tmp_path):
    source, out = tmp_path / "in.txt", tmp_path / "out.json"
    source.write_text("".join(f"text {number}\n" for number in range(100_000)))
    words = [*command, "--file", str(source), "-o", str(out)]

    def not_ignored():
        """As a terminal starts programs: a test run under nohup hands down that SIGHUP is ignored."""
        signal.signal(number, signal.SIG_DFL)

    with subprocess.Popen(words, env=environment, preexec_fn=not_ignored) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".*.part")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(number)
    assert process.returncode == -number
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


def test_an_unfinished_file_is_known_before_it_is_there(classify, source, tmp_path, monkeypatch):
    """A signal may come right after it was made."""
    opened, known = results._opened, []

    def watched(path, mode, name):
        known.append(path in unfinished_files)
        return opened(path, mode, name)

    monkeypatch.setattr(results, "_opened", watched)
    assert classify("--file", source, "-o", tmp_path / "out.json").exit_code == 0
    assert (known, unfinished_files) == ([True], set())


@pytest.mark.parametrize("value", ['"\\ud800"', str(2**70)])
def test_values_that_parquet_cannot_hold(classify, tmp_path, value):
    pytest.importorskip("pyarrow")
    source = tmp_path / "in.jsonl"
    source.write_text(f'{{"text": "a", "n": {value}}}\n')
    result = classify("--file", source, "-o", tmp_path / "out.parquet")
    assert_one_line(result, 1, "out.parquet: column 'n': cannot be written")


def test_a_value_that_does_not_fit_the_columns_type_names_its_row(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    schema = pyarrow.schema([("n", pyarrow.int8())])
    rows = ({"n": number, "label": "a"} for number in range(2000))
    with (
        open(tmp_path / "out", "wb", buffering=0) as file,
        pytest.raises(InputError, match="out: row 129: cannot be written: "),
    ):
        write_parquet(file, rows, ["n"], schema, False, {"label": "string"}, "out")


def test_parquet_in_a_folder_whose_name_is_not_utf_8(classify, source, tmp_path):
    pytest.importorskip("pyarrow")
    folder = os.fsencode(tmp_path) + b"/\xff"
    try:
        os.mkdir(folder)
    except OSError:  # a file system whose names are UTF-8
        return
    assert classify("--file", source, "-o", os.fsdecode(folder + b"/out.parquet")).exit_code == 0
    assert os.listdir(folder) == [b"out.parquet"]


def test_a_full_disk_leaves_no_parquet(command, environment, source, tmp_path):
    """The limit stands for the end of a disk."""
    pytest.importorskip("pyarrow")
    import random

    draw = random.Random(5)
    rows = "".join(f"a,{draw.random()}{draw.random()}\n" for _ in range(5000))
    source.write_text(f"text,x\n{rows}")
    words = " ".join([*command, "--file", str(source), "-o", str(tmp_path / "out.parquet")])
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 64; {words}"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "out.parquet: cannot be written: File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_deep_nesting_in_csv(classify, tmp_path):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text(f'{{"text": "a", "n": {"[" * 500}{"]" * 500}}}\n')
    assert classify("--file", source, "-o", out).exit_code == 0
    assert "[" * 500 in out.read_text()
