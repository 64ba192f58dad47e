"""Command lines and inputs that cannot work: one line says what is wrong, and the exit code is right."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from samples.command_line import COMMAND, assert_one_line, rows_of

from roberta_c.cli import inputs, table_readers
from roberta_c.cli.file_kinds import PARQUET
from roberta_c.cli.main import program
from roberta_c.cli.messages import OPTION_OF, with_option
from roberta_c.errors import InputError

# ---- the command line ----------------------------------------------------------------------------------


def test_names_of_files_are_not_taken_for_texts(classify, tmp_path):
    """A shell's *.csv without --file."""
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path in paths:
        path.write_text("text\nfine\n")
    assert_one_line(classify(*paths), 2, "texts: found the names of 2 files", "did you mean --file", "a.csv")
    assert_one_line(classify(paths[0]), 2, "is a file; did you mean --file")
    assert len(rows_of(classify(paths[0], "no file"))) == 2


def test_an_option_with_a_value_is_given_once(classify, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("text\nfine\n")
    given = ("--file", tmp_path / "a.csv", "-f", tmp_path / "b.csv")
    assert_one_line(classify(*given), 2, "--file: found 2 times, expected once")
    assert_one_line(classify("--batch-size", "1", "--batch-size=2", "a"), 2, "--batch-size: found 2 times")
    assert classify("--all", "--all", "a").exit_code == 0


def test_questions_and_context_are_not_both_on_standard_input(run):
    for words in (["--file", "-"], ["-"], []):
        result = run("qa", "--model", "x", *words, "--context-file", "-", input="who?\n")
        assert_one_line(result, 2, "standard input: found both questions and --context-file")


def test_an_empty_context_is_a_context(run, tmp_path):
    (tmp_path / "c.txt").write_text("text")
    given = ("--context", "", "--context-file", tmp_path / "c.txt")
    assert_one_line(run("qa", "--model", "x", "who?", *given), 2, "--context, --context-file: found both")


def test_messages_name_options(classify, tweet_sentiment_small, run):
    assert_one_line(classify("--dtype", "float64", "a"), 2, "'--dtype'", "float32", "bfloat16", "int8")
    result = run("classify", "--model", tweet_sentiment_small, "--threads", "99999", "a")
    assert_one_line(result, 1, "error: --threads: found 99999")


# ---- streams -------------------------------------------------------------------------------------------


def in_shell(line, environment):
    """What `line` does in a shell, in which "$@" is the program."""
    words = ["bash", "-c", line, "bash", *COMMAND]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
@pytest.mark.parametrize("option", ["--help", "-V", "classify --help"])
def test_help_that_cannot_be_written(option, environment):
    done = in_shell(f'"$@" {option} > /dev/full', environment)
    assert done.returncode == 1
    assert done.stderr == "roberta-c: error: standard output: No space left on device\n"
    done = in_shell(f'"$@" {option} | true; echo ${{PIPESTATUS[0]}}', environment)
    assert (done.stdout.strip() in ("0", "141"), done.stderr) == (True, "")


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_a_note_that_cannot_be_written_is_lost(environment):
    done = in_shell('"$@" classify "I love it" 2> /dev/full', environment)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)


@pytest.mark.parametrize(
    "words",
    [
        "classify --file -",
        "classify -",
        "qa --model x 'w?' --context-file -",
        "quantize-report hi --labels -",
        "classify --file - --input-format csv",
    ],
)
def test_closed_standard_input(words, environment):
    done = in_shell(f'"$@" {words} <&-', environment)
    expected = "roberta-c: error: standard input: found a closed stream, expected an open one\n"
    assert (done.returncode, done.stderr) == (1, expected)


class BadDisk(io.BytesIO):
    """A file whose bytes cannot be read."""

    def read(self, *_):
        raise OSError(5, "Input/output error")

    readline = __next__ = read1 = read


def test_a_file_whose_lines_cannot_be_counted():
    assert inputs._line_count(BadDisk(b"a")) is None
    assert table_readers._line_count(BadDisk(b"a")) is None
    with pytest.raises(InputError, match="f: cannot be read: Input/output error"):
        list(inputs._lines(BadDisk(b"a"), "f", "utf-8", ""))


# ---- files ---------------------------------------------------------------------------------------------


def test_utf_16_without_a_byte_order_mark(classify, tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes("fine\n".encode("utf-16-le"))
    result = classify("--file", path, "--encoding", "utf-16")
    assert_one_line(result, 1, "t.txt: found bytes that cannot be decoded", "expected utf-16 (--encoding")


def test_bytes_that_are_not_utf_8_name_the_option(classify, tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes("fine\n".encode("utf-16"))
    assert_one_line(classify("--file", path), 1, "0xff at position 0", "UTF-8 (--encoding names another)")


def test_one_field_is_singular(classify, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,id\nfine\n")
    assert_one_line(classify("--file", path), 1, "found 1 field, expected 2")


def test_one_column_of_another_delimiter(classify, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text;id\nfine;1\n")
    result = classify("--file", path)
    assert_one_line(result, 1, "found the columns 'text;id', expected 'text' among them, or --column")
    assert classify("--file", path, "--column", "text;id").exit_code == 0
    other = tmp_path / "t.jsonl"
    other.write_text('{"a;b": "fine"}\n')
    assert classify("--file", other).exit_code == 0


def test_errors_in_json_have_a_place(classify, tmp_path):
    path = tmp_path / "t.json"
    path.write_text('[{"text": "a"}, {"id": 7, "text": "b", "text": "c"}]')
    assert_one_line(classify("--file", path), 1, 'found the key \'text\' twice in {"id": 7, "text": "b"')
    path.write_text('[{"text": "a\n"}]')
    assert_one_line(classify("--file", path), 1, "Invalid control character at line 1 column 13")


def test_times_of_day_keep_their_digits():
    """Python's times have microseconds: a column of nanoseconds is read if no digit is lost."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    times = pyarrow.array([3_000, 1], pyarrow.time64("ns"))
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "time": times}), file)
    file.seek(0)
    records = table_readers.read_table(file, "f", PARQUET, "utf-8").records
    assert next(records).fields["time"].microsecond == 3
    with pytest.raises(InputError, match=r"f: row 2: cannot be read: .*lose data"):
        next(records)


def test_names_of_the_library_are_replaced_by_options_that_there_are():
    options = {
        option
        for command in program.commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
    assert set(OPTION_OF.values()) <= options
    assert with_option("targets: found x") == "--target: found x"
    assert with_option("a/file: found x") == "a/file: found x"


@pytest.mark.parametrize(
    ("option", "value"), [("--top-k", "0"), ("--batch-size", "x"), ("--max-length", "-1")]
)
def test_counts(classify, option, value):
    result = classify("fine", option, value)
    assert_one_line(result, 2, f"found '{value}', expected an integer of at least 1")
    assert "x>=" not in classify("--help").stdout


def test_a_value_of_parquet_that_python_lacks_names_its_row():
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    days = pyarrow.array([0, 1, 2**31 - 1], pyarrow.int32()).cast(pyarrow.date32())
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": ["a", "b", "c"], "day": days}), file)
    file.seek(0)
    records = table_readers.read_table(file, "f", PARQUET, "utf-8").records
    assert [next(records).fields["text"], next(records).fields["text"]] == ["a", "b"]
    with pytest.raises(InputError, match="f: row 3: cannot be read"):
        next(records)
