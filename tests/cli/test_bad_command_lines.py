"""Command lines and inputs that cannot work: one line says what is wrong, and the exit code is right."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time

import pytest
from samples.command_line import COMMAND, assert_one_line, rows_of

from roberta_c.cli import inputs, table_readers
from roberta_c.cli.file_kinds import CSV, JSONL, PARQUET
from roberta_c.cli.main import program
from roberta_c.cli.messages import OPTION_OF, with_option
from roberta_c.cli.names import listed, repeated
from roberta_c.cli.process_limits import lacking_address_space
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


@pytest.mark.parametrize(
    "words",
    [
        ["classify", "a", "--prefix"],
        ["qa", "a", "--context"],
        ["zero-shot", "a", "--labels"],
        ["zero-shot", "a", "--labels", "a", "--template"],
        ["fill-mask", "a", "--target"],
        ["ner", "a", "--ignore-label"],
    ],
)
def test_values_that_were_not_utf_8(run, words):
    result = run(*words, "\udcff")
    assert_one_line(result, 2, f"'{words[-1]}': found '\\udcff', expected UTF-8")


def test_options_without_effect_are_errors(run, classify, tmp_path):
    (tmp_path / "in.txt").write_text("a")
    file = ["--file", tmp_path / "in.txt", "--input-format", "parquet"]
    for words, part in (
        (["a", "--encoding", "utf-8"], "--encoding: found texts as arguments, expected a file of text"),
        ([*file, "--encoding", "utf-8"], "--encoding: found a Parquet file, expected a file of text"),
        (["a", "--prefix", "x", "--format", "human"], "--prefix: found results in the human format"),
    ):
        assert_one_line(classify(*words), 2, part)
    for command in ("classify", "quantize-report"):
        for option in ("--revision", "--token", "--cache-dir"):
            result = run(command, "a", option, "x")
            assert_one_line(result, 2, f"{option}: found no --model, expected a Hub repository for it")
    assert run("classify", "a", "--offline").exit_code == 0  # as the bundled model is
    assert "there (--cache-dir" in run("doctor", "--cache-dir", tmp_path / "there").stdout
    (tmp_path / "context.txt").write_bytes("Zoë".encode("cp1252"))
    context = ["--context-file", tmp_path / "context.txt"]
    result = run("qa", "--model", tmp_path, "who?", *context, "--encoding", "cp1252")
    assert "--encoding" not in result.stderr


def test_messages_name_options(classify, tweet_sentiment_small, run):
    assert_one_line(classify("--dtype", "float64", "a"), 2, "'--dtype'", "float32", "bfloat16", "int8")
    result = run("classify", "--model", tweet_sentiment_small, "--threads", "99999", "a")
    assert_one_line(result, 2, "error: --threads: found 99999")


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


@pytest.mark.parametrize("words", ["-V", "--version", "-h", "--help", "classify --help", "classify hi"])
def test_closed_standard_output(words, environment):
    done = in_shell(f'"$@" {words} >&-', environment)
    errors = [line for line in done.stderr.splitlines() if "note: using" not in line]
    expected = "roberta-c: error: standard output: found a closed stream, expected an open one"
    assert (done.returncode, errors) == (1, [expected])


def test_a_file_is_written_without_standard_output(environment, tmp_path):
    done = in_shell(f'"$@" classify hi -o {tmp_path}/out.csv >&-', environment)
    assert (done.returncode, (tmp_path / "out.csv").read_text().count("\n")) == (0, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_a_note_that_cannot_be_written_is_lost(environment):
    done = in_shell('"$@" classify "I love it" 2> /dev/full', environment)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
@pytest.mark.parametrize("stderr", ["2> /dev/full", "2>&-"])
def test_lost_messages_change_neither_results_nor_exit_codes(stderr, environment):
    for words, code in (("", 2), ("--debug classify hi --max-length 513", 2), ("classify -f /none", 1)):
        done = in_shell(f'"$@" {words} {stderr}', environment)
        assert (done.returncode, done.stdout) == (code, ""), words


def test_files_are_not_opened_in_place_of_closed_streams(environment, tmp_path):
    """What a library prints would be written into them."""
    script = (
        "import os; from roberta_c.cli.process_limits import open_closed_streams; open_closed_streams()\n"
        f"file = open({str(tmp_path / 'out')!r}, 'w')\n"
        "os.write(2, b'a message'); file.write(str(file.fileno()))"
    )
    words = ["bash", "-c", '"$@" <&- >&- 2>&-', "bash", sys.executable, "-c", script]
    subprocess.run(words, env=environment, check=True)
    assert (tmp_path / "out").read_text() == "3"
    done = in_shell(f'"$@" classify hi -o {tmp_path}/out.csv <&- >&- 2>&-', environment)
    assert (done.returncode, (tmp_path / "out.csv").read_text().count("\n")) == (0, 2)


@pytest.mark.untraced
@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v")
@pytest.mark.parametrize("kilobytes", [24_000, 60_000, 150_000])
def test_too_little_address_space(kilobytes, environment):
    """Libraries would end the process, each in its way, or Python would show tracebacks of its imports."""
    done = in_shell(f'ulimit -v {kilobytes}; "$@" classify hi', environment)
    found = f"roberta-c: error: address space: found a limit of {kilobytes * 1024:,} bytes (ulimit -v), "
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(found)


def test_the_address_space_that_is_needed_grows_with_the_threads_of_libraries(monkeypatch):
    resource = pytest.importorskip("resource")

    def is_enough(limit, cpus, **variables):
        monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cpus), raising=False)
        return lacking_address_space(variables) is None

    assert is_enough(resource.RLIM_INFINITY, 999)
    assert is_enough(200_000_000, 1)
    assert not is_enough(200_000_000, 8)
    assert is_enough(200_000_000, 8, OMP_NUM_THREADS="1")
    assert not is_enough(200_000_000, 8, OPENBLAS_NUM_THREADS="4", OMP_NUM_THREADS="1")
    assert not is_enough(200_000_000, 8, OMP_NUM_THREADS="many")
    assert not is_enough(100_000_000, 1)
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert lacking_address_space() is None


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
    with pytest.raises(InputError, match=r"f: row 2: cannot be read: column 'time': .*lose data"):
        next(records)


def nested_times(pyarrow, last):
    """Columns of three rows with times of day inside other types; `last` nanoseconds in the last row."""
    times = pyarrow.array([1_000, None, last], pyarrow.time64("ns"))
    full = pyarrow.array([1_000, 2_000, last], pyarrow.time64("ns"))
    ends, keys = pyarrow.array([0, 1, 2, 3], pyarrow.int32()), pyarrow.array(["a", "b", "c"])
    struct = pyarrow.StructArray.from_arrays([times], ["t"])
    return {
        "plain": times,
        "dictionary": times.dictionary_encode(),
        "list": pyarrow.ListArray.from_arrays(ends, times),
        "large list": pyarrow.LargeListArray.from_arrays(ends.cast(pyarrow.int64()), times),
        "fixed size": pyarrow.FixedSizeListArray.from_arrays(full, 1),
        "struct": struct,
        "values of a map": pyarrow.MapArray.from_arrays(ends, keys, times),
        "keys of a map": pyarrow.MapArray.from_arrays(ends, full, keys),
        "list of dictionary": pyarrow.ListArray.from_arrays(ends, times.dictionary_encode()),
        "struct of list of struct": pyarrow.StructArray.from_arrays(
            [pyarrow.ListArray.from_arrays(ends, struct)], ["l"]
        ),
    }


def test_times_of_day_keep_their_digits_at_any_depth():
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def records_of(column):
        file = io.BytesIO()
        parquet.write_table(pyarrow.table({"text": ["a", "b", "c"], "x": column}), file)
        file.seek(0)
        return table_readers.read_table(file, "f", PARQUET, "utf-8").records

    for name, column in nested_times(pyarrow, 3_000).items():
        assert [record.fields["x"] for record in records_of(column)] == column.to_pylist(), name
    for name, column in nested_times(pyarrow, 3_001).items():
        records = records_of(column)
        assert [next(records).fields["text"] for _ in range(2)] == ["a", "b"], name
        with pytest.raises(InputError, match=r"f: row 3: cannot be read: column 'x': .*lose data: 3001"):
            next(records)


# ---- names of columns ----------------------------------------------------------------------------------


def test_many_columns_take_no_long_time():
    """A comparison of each with each would take minutes."""
    names = [f"column {number}" for number in range(200_000)]
    started = time.monotonic()
    assert repeated(names) is None
    assert repeated([*names, names[-1]]) == names[-1]
    header = io.BytesIO(",".join(names).encode())
    assert table_readers.read_table(header, "f", CSV, "utf-8").columns == names
    members = ",".join(f'"{name}":1' for name in [*names, names[-1]])
    records = table_readers.read_table(io.BytesIO(f"{{{members}}}".encode()), "f", JSONL, "utf-8").records
    with pytest.raises(InputError, match="f: line 1: found the key 'column 199999' twice"):
        next(records)
    assert time.monotonic() - started < 20


def test_rows_of_many_columns_take_no_long_time(classify, tmp_path):
    names = [f"c{number}" for number in range(60_000)]
    path = tmp_path / "wide.jsonl"
    path.write_text(json.dumps({"text": "a", **dict.fromkeys(names, 1)}) + "\n")
    started = time.monotonic()
    assert classify("--file", path, "-o", tmp_path / "out.csv").exit_code == 0
    assert time.monotonic() - started < 20


def test_a_message_lists_the_first_columns(classify, tmp_path):
    assert listed([]) == "(none)"
    assert listed(["a", "b"]) == "'a', 'b'"
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{number}" for number in range(30_000)) + "\n")
    result = classify("--file", path)
    assert_one_line(result, 1, "'c18', 'c19' and 29,980 more, expected 'text' among them")


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_column_name_that_utf_8_lacks(classify, tmp_path, ending):
    """JSON can name it; a table cannot."""
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a", "\\ud800": 1}\n')
    result = classify("--file", path, "-o", tmp_path / f"out.{ending}")
    assert_one_line(result, 1, "in.jsonl: columns: found '\\ud800', expected text that UTF-8 can encode")
    assert not (tmp_path / f"out.{ending}").exists()
    assert json.loads(classify("--file", path).stdout)["\ud800"] == 1
    path.write_text('{"text": "a", "n": {"\\ud800": 1}}\n')
    result = classify("--file", path, "-o", tmp_path / f"out.{ending}")
    if ending == "parquet":
        assert_one_line(result, 1, "column 'n': cannot be written")
    else:
        assert result.exit_code == 0


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
    assert with_option("targets[12]: found x") == "--target[12]: found x"
    assert with_option("candidate_labels[0]: found 'top_k'") == "--labels[0]: found 'top_k'"
    message = "text 1: question: found 9 tokens, expected more than {} ({}) for the context"
    assert with_option(message.format("doc_stride", 8)) == message.format("--doc-stride", 8)
    assert with_option("x: the model's top_k, expected 'top_k'") == "x: the model's --top-k, expected 'top_k'"
    for same in ("in.csv: found the column 'max_length'", "a/top_k: found x", "x: a token, max_length.csv"):
        assert with_option(same) == same


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
