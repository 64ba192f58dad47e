"""Files with columns: CSV, TSV, JSON lines, JSON and Parquet, as input and as output."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import threading

import pytest
from samples.command_line import assert_one_line, rows_of
from samples.pseudo_terminal import in_terminal

TWEETS = [
    {"id": "1", "text": 'she said "I love it", twice', "note": ""},
    {"id": "2", "text": "two\nlines, and\r\na third", "note": "a,b"},
    {"id": "3", "text": "", "note": '"'},
    {"id": "4", "text": "this is the worst \U0001f620", "note": " spaces "},
    {"id": "", "text": "", "note": ""},
    {"id": "6", "text": "carriage\rreturn\tand tab", "note": "\u2028"},
]
BLANK_LINES = "\n\r\n"


def csv_text(rows, delimiter=","):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_csv(text, delimiter=","):
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


@pytest.fixture
def tweets_csv(tmp_path):
    path = tmp_path / "tweets.csv"
    path.write_bytes((csv_text(TWEETS) + BLANK_LINES).encode())
    return path


@pytest.fixture
def expected(library):
    """The rows of TWEETS with the results of the library."""
    return [{**row, **library(row["text"])[0]} for row in TWEETS]


def test_csv_in_and_every_kind_out(classify, tweets_csv, tmp_path, expected):
    assert rows_of(classify("--file", tweets_csv, "--column", "text")) == expected
    table = [
        {**row, "score": repr(row["score"]), "truncated": "false"} if "score" in row else row
        for row in expected
    ]
    for name, delimiter in (("out.csv", ","), ("out.tsv", "\t"), ("OUT.TAB", "\t")):
        out = tmp_path / name
        result = classify("--file", tweets_csv, "-o", out)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
        text = out.read_bytes().decode()
        assert read_csv(text, delimiter) == table
        assert list(read_csv(text, delimiter)[0]) == ["id", "text", "note", "label", "score", "truncated"]
        form = "csv" if delimiter == "," else "tsv"
        assert classify("--file", tweets_csv, "--format", form).stdout_bytes.decode() == text
    for name in ("out.jsonl", "out.ndjson"):
        classify("--file", tweets_csv, "-o", tmp_path / name)
        lines = (tmp_path / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        assert [json.loads(line) for line in lines] == expected
    classify("--file", tweets_csv, "-o", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == expected
    assert not (tmp_path / "out.json.part").exists()
    classify("--file", tweets_csv, "-o", tmp_path / "out.txt", "--format", "csv")
    assert (tmp_path / "out.txt").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_tweets_through_csv(classify, library, test_data, tmp_path):
    """Real tweets, some with quotes, commas and line ends put in, come out as they went in."""
    lines = test_data("data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8").split("\n")[:200]
    texts = [
        line.replace(" ", (" ", "\n", '"', ", ", "\r\n")[number % 5], 2) for number, line in enumerate(lines)
    ]
    rows = [{"text": text, "number": str(number)} for number, text in enumerate(texts)]
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_bytes(csv_text(rows).encode())
    assert classify("--file", path, "-o", out).exit_code == 0
    results = read_csv(out.read_bytes().decode())
    assert [{name: row[name] for name in ("text", "number")} for row in results] == rows
    expected = library(texts)
    assert [(row["label"], float(row["score"])) for row in results] == [
        (one["label"], one["score"]) for one in expected
    ]


def test_every_kind_in(classify, tweets_csv, tmp_path, expected):
    texts = {
        "a.tsv": csv_text(TWEETS, "\t"),
        "a.tab": csv_text(TWEETS, "\t"),
        "a.jsonl": "".join(f"{json.dumps(row)}\n" for row in TWEETS) + "\n",
        "a.NDJSON": "".join(f"{json.dumps(row)}\r\n" for row in TWEETS),
        "a.json": json.dumps(TWEETS, indent=1),
    }
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode())
        assert rows_of(classify("--file", tmp_path / name)) == expected, name
    for kind, name in (("csv", "tweets.csv"), ("tsv", "a.tsv"), ("jsonl", "a.jsonl"), ("json", "a.json")):
        data = (tmp_path / name).read_bytes()
        assert rows_of(classify("--input-format", kind, input=data)) == expected, kind
        (tmp_path / "named.dat").write_bytes(data)
        assert rows_of(classify("--file", tmp_path / "named.dat", "--input-format", kind)) == expected
        assert rows_of(classify("-", "--input-format", kind, input=data)) == expected
    lines = rows_of(classify("--file", tweets_csv, "--input-format", "lines"))
    assert lines[0]["text"] == "id,text,note"


def test_values_of_json_stay_as_they_are(classify, tmp_path):
    rows = [
        {
            "text": "a",
            "n": 12345678901234567890,
            "x": 0.1,
            "none": None,
            "yes": True,
            "nested": {"a": [1, ""]},
        },
        {"text": "b", "other": "ü\u2028"},
    ]
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    results = rows_of(classify("--file", tmp_path / "in.jsonl"))
    assert [{k: v for k, v in row.items() if k not in ("label", "score")} for row in results] == rows
    (tmp_path / "one.jsonl").write_text(json.dumps(rows[0]))
    (row,) = read_csv(classify("--file", tmp_path / "one.jsonl", "--format", "csv").stdout)
    assert [row[name] for name in ("n", "x", "none", "yes")] == ["12345678901234567890", "0.1", "", "true"]
    assert json.loads(row["nested"]) == rows[0]["nested"]
    result = classify("--file", tmp_path / "in.jsonl", "--format", "csv")
    assert result.stderr.startswith("roberta-c: error: ")
    assert "in.jsonl: line 2: found the key 'other', expected the columns of the first row" in result.stderr


def test_all_scores_have_columns(classify, tweets_csv, library):
    every = {one["label"]: one["score"] for one in library(TWEETS[0]["text"], top_k=None)}
    row = read_csv(classify("--file", tweets_csv, "--format", "csv", "--all").stdout)[0]
    assert {label: float(row[f"score_{label}"]) for label in every} == every
    assert list(row)[:5] == ["id", "text", "note", "label", "score"]
    row = read_csv(classify("--file", tweets_csv, "--format", "csv", "--top-k", "2").stdout)[0]
    assert sorted(row[f"score_{label}"] != "" for label in every) == [False, True, True]


def test_pairs_in_two_columns(classify, library, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("a,b\nI love it,so much\nno second,\n")
    rows = rows_of(classify("--file", path, "--column", "a", "--pair-column", "b"))
    assert rows[0] == {
        "a": "I love it",
        "b": "so much",
        **library({"text": "I love it", "text_pair": "so much"}),
    }
    assert rows[1] == {"a": "no second", "b": "", **library("no second")[0]}
    result = classify("--pairs", "--format", "csv", input=b"x\ty\nz\t\n")
    assert [(row["text"], row["text_pair"]) for row in read_csv(result.stdout)] == [("x", "y"), ("z", "")]


def test_which_column(classify, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("only\nI love it\n")
    assert rows_of(classify("--file", path))[0]["only"] == "I love it"
    path.write_text("a,b\nx,y\n")
    assert_one_line(classify("--file", path), 1, f"{path}: found the columns 'a', 'b', expected 'text' among")
    result = classify("--file", path, "--column", "c")
    assert_one_line(result, 1, "found the columns 'a', 'b', expected 'c', which --column names")
    (tmp_path / "in.jsonl").write_text('{"a": "x"}\n{"b": "y"}\n')
    result = classify("--file", tmp_path / "in.jsonl")
    assert json.loads(result.stdout)["a"] == "x"
    assert "line 2: found the columns 'b', expected 'a', as in the first row" in result.stderr


def test_a_column_with_the_name_of_a_result(classify, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text,label\nI love it,gold\n")
    assert_one_line(classify("--file", path), 1, "found the column 'label'", "--prefix")
    (row,) = rows_of(classify("--file", path, "--prefix", "our_"))
    assert list(row) == ["text", "label", "our_label", "our_score"]
    (row,) = read_csv(classify("--file", path, "--prefix", "our_", "--format", "csv").stdout)
    assert row["label"] == "gold"
    assert row["our_label"] == "positive"
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{"text": "b", "score": 1}\n')
    result = classify("--file", tmp_path / "in.jsonl")
    assert result.stdout.count("\n") == 1
    assert "in.jsonl: line 2: found the column 'score'" in result.stderr


@pytest.mark.parametrize(
    ("name", "data", "rows", "part"),
    [
        ("a.csv", b"id,words\n1,x\n", 0, "found the columns 'id', 'words', expected 'text'"),
        ("a.csv", b"id,text\n1,x\n2\n", 1, "row 2 (line 3): found 1 field, expected 2"),
        ("a.csv", b'id,text\n1,"x\ny"\n2,z,w\n', 1, "row 2 (line 4): found 3 fields, expected 2"),
        ("a.csv", b"text,text\nx,y\n", 0, "columns: found 'text' twice"),
        ("a.csv", b"", 0, "found no rows, expected a row with the names of the columns"),
        ("a.tsv", b"\n\n", 0, "found no rows"),
        ("a.csv", b"id,text\n1,x\n2,caf\xe9\n", 1, "line 3: found the byte 0xe9 at position 17 of the file"),
        ("a.csv", b"id,text\n1,x\n2,a\0b\n", 1, "line 3: found a NUL byte as character 4"),
        ("a.csv", b'id,text\n1,x\n2,"a\n3,b\n', 1, "row 2 (line 3): cannot be read: a quote that never ends"),
        ("a.csv", b'id,text\n1,x\n2,"a"b\n', 1, "row 2 (line 3): cannot be read"),
        ("a.jsonl", b'{"text": "x"}\n[1]\n', 1, "line 2: found an array of 1, expected an object"),
        ("a.jsonl", b'{"text": "x"}\n"y"\n', 1, "line 2: found 'y', expected an object"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', 1, "line 2: not JSON: "),
        ("a.jsonl", b'{"text": "x"}\n{"t": "y"}\n', 1, "line 2: found the columns 't', expected 'text'"),
        (
            "a.jsonl",
            b'{"text": "x"}\n{"text": null}\n',
            1,
            "line 2: column 'text': found null, expected a string",
        ),
        ("a.jsonl", b'{"text": "x"}\n{"text": 5}\n', 1, "line 2: column 'text': found 5, expected a string"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "y", "text": "z"}\n', 1, "line 2: found the key 'text' twice"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "y", "n": NaN}\n', 1, "line 2: found NaN"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "y", "n": 1e999}\n', 1, "line 2: found '1e999'"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "\\ud800"}\n', 1, "line 2: found the lone surrogate U+D800"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "\xff"}\n', 1, "line 2: found the byte 0xff at position 24"),
        ("a.json", b'{"text": "x"}', 0, "found an object, expected an array of objects"),
        ("a.json", b"", 0, "not JSON"),
        ("a.json", b'[{"text": "x"}, 5]', 1, "item 2: found 5, expected an object"),
        ("a.json", b"[" * 100_000, 0, "a.json: found too deep nesting"),
        ("a.parquet", b"no parquet", 0, "a.parquet"),
    ],
)
def test_a_bad_input_is_one_line_that_names_the_row(classify, tmp_path, name, data, rows, part):
    """And the rows before it are written."""
    if name == "a.parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(data)
    out = tmp_path / "out.jsonl"
    result = classify("--file", path, "-o", out)
    assert_one_line(result, 1, f"{path}", part)
    assert (out.read_text().count("\n") if out.exists() else 0) == rows
    assert classify("--file", path).stdout.count("\n") == rows


def test_missing_files_and_folders(classify, tmp_path):
    assert_one_line(classify("--file", tmp_path / "no.csv"), 1, "--file", "cannot be read: No such file")
    assert_one_line(classify("a", "-o", tmp_path / "no" / "out.csv"), 1, "cannot be written: no such folder")
    (tmp_path / "folder.csv").mkdir()
    assert_one_line(classify("a", "-o", tmp_path / "folder.csv"), 1, "cannot be written: it is a folder")


def test_encodings(classify, tmp_path):
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes("text\ncafé\n".encode(encoding))
        chosen = "utf-8" if encoding == "utf-8-sig" else encoding
        assert rows_of(classify("--file", path, "--encoding", chosen))[0]["text"] == "café", encoding
        path = tmp_path / f"{encoding}.txt"
        path.write_bytes("é\r\n\nlast".encode(encoding))
        rows = rows_of(classify("--file", path, "--encoding", chosen))
        assert [row["text"] for row in rows] == ["é", "", "last"]
    for name in ("no-such", "rot13", "a\0b"):
        assert_one_line(classify("a", "--encoding", name), 2, "--encoding: found ")
    # The bad byte is far behind the first chunk that is read.
    text = "text\n" + "x" * 70_000 + "\ny\n"
    (tmp_path / "far.csv").write_bytes(text.encode("utf-16") + b"\x00\xd8\n\0")
    result = classify("--file", tmp_path / "far.csv", "--encoding", "utf-16")
    assert result.stdout.count("\n") == 2
    assert f"at position {2 * len(text) + 2} of the file" in result.stderr


def test_long_and_old_csv(classify, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text\n" + "word " * 50_000 + "\n")  # above the limit of Python's csv module
    result = classify("--file", path, "--max-length", "8")
    assert json.loads(result.stdout)["truncated"] is True
    path.write_bytes(b"id,text\r1,x\r2,y")  # lines of the first Macs
    assert [row["text"] for row in rows_of(classify("--file", path))] == ["x", "y"]


def test_options_that_do_not_go_together(classify, tmp_path, tweets_csv):
    for words, part in (
        (["a", "--column", "b"], "--column: found texts as arguments"),
        (["--file", tmp_path / "x.txt", "--column", "b"], "--column: found lines of text"),
        (["--file", tweets_csv, "--pairs"], "--pairs: found an input of csv"),
        (["a", "--input-format", "csv"], "--input-format: found texts as arguments"),
        (["a", "--resume"], "--resume: found no --output"),
        (["a", "--overwrite"], "--overwrite: found no --output"),
        (["a", "--format", "parquet"], "parquet without --output"),
        (["a", "-o", tmp_path / "x.doc"], "x.doc', expected a name that ends with .csv"),
        (["a", "-o", tmp_path / "x.csv", "--format", "human"], "--output: found --format human"),
        (["a", "-o", tmp_path / "x.csv", "--resume", "--overwrite"], "--resume, --overwrite: found both"),
        (["a", "-o", tmp_path / "x.json", "--resume"], "--resume: found the format json"),
        (["a", "-o", tmp_path / "x.parquet", "--resume"], "--resume: found the format parquet"),
        (["--file", tweets_csv, "-o", tweets_csv, "--overwrite"], "--output: found the input file"),
        ([tweets_csv], f"texts: '{tweets_csv}' is a file; did you mean --file '{tweets_csv}'?"),
    ):
        assert_one_line(classify(*words), 2, part)
    assert read_csv(tweets_csv.read_bytes().decode()) == TWEETS
    assert rows_of(classify(tweets_csv, "b"))[0]["text"] == str(tweets_csv)


def test_arguments_as_a_table(classify, library):
    best = library("I love it")[0]
    assert classify("I love it", "--format", "csv").stdout == (
        f"text,label,score,truncated\nI love it,{best['label']},{best['score']!r},false\n"
    )
    assert classify("--format", "csv", input=b"").stdout == "text,label,score,truncated\n"
    assert rows_of(classify("I love it", "-o", "-"))[0]["text"] == "I love it"


def test_rows_come_while_more_is_read(command, environment):
    """Standard input stays open, so that only a program that streams writes results."""
    for kind, rows in (
        ("csv", [b"id,text\n1,a\n", b'2,"b\n', b'c"\n']),
        ("jsonl", [b'{"id": "1", "text": "a"}\n', b'{"id": "2", "te', b'xt": "b\\nc"}\n']),
    ):
        with subprocess.Popen(
            [*command, "--batch-size", "1", "--input-format", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        ) as process:
            watchdog = threading.Timer(20, process.kill)
            watchdog.start()
            process.stdin.write(rows[0])
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == "a"
            for part in rows[1:]:
                process.stdin.write(part)
                process.stdin.flush()
            row = json.loads(process.stdout.readline())
            assert (row["id"], row["text"]) == ("2", "b\nc")
            process.stdin.close()
            assert process.wait(20) == 0
            watchdog.cancel()


def test_progress_on_a_terminal(command, environment, tmp_path):
    """The number of rows is known beforehand; a resumed run computes the last row that is done again."""
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_text('text\n"a\nb"\nc\n\nd\n')
    words = [*command, "--file", str(path), "-o", str(out)]
    _, shown = in_terminal(words, environment)
    assert "0/3" in shown
    assert "3/3" in shown
    lines = out.read_text().splitlines(keepends=True)
    out.write_text("".join(lines[:4]))
    _, shown = in_terminal([*words, "--resume"], environment)
    assert "0/3" not in shown
    assert "1/3" in shown
    assert out.read_text() == "".join(lines)


# ---- Parquet -------------------------------------------------------------------------------------------


def test_parquet(classify, tweets_csv, tmp_path, expected):
    pytest.importorskip("pyarrow")
    import datetime

    import pyarrow as pa
    import pyarrow.parquet as pq

    out = tmp_path / "out.parquet"
    assert classify("--file", tweets_csv, "-o", out).stderr == ""
    table = pq.read_table(out)
    assert [str(kind) for kind in table.schema.types] == ["string"] * 4 + ["double", "bool"]
    assert table.drop_columns(["truncated"]).to_pylist() == expected

    columns = {
        "n": pa.array([1, None], pa.int16()),
        "text": pa.array(["I love it", "b"]).dictionary_encode(),
        "day": [datetime.date(2024, 2, 29), None],
        "x": [float("nan"), 0.5],
        "list": [["a"], []],
    }
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    again = tmp_path / "again.parquet"
    assert classify("--file", tmp_path / "in.parquet", "-o", again, "--all").stderr == ""
    table = pq.read_table(again)
    assert table.schema.field("n").type == pa.int16()
    assert table.schema.field("day").type == pa.date32()
    assert table.column("list").to_pylist() == [["a"], []]
    assert table.column("score_positive").to_pylist()[0] == table.column("score").to_pylist()[0]
    row = rows_of(classify("--file", tmp_path / "in.parquet"))[0]
    assert (row["n"], row["text"], row["day"], row["x"]) == (1, "I love it", "2024-02-29", None)
    row = rows_of(classify("--input-format", "parquet", input=(tmp_path / "in.parquet").read_bytes()))[1]
    assert (row["n"], row["x"]) == (None, 0.5)
    result = classify("--file", tmp_path / "in.parquet", "--column", "n")
    assert_one_line(result, 1, "column 'n': found int16, expected string")
    pq.write_table(pa.table({"text": ["a", None]}), tmp_path / "null.parquet")
    result = classify("--file", tmp_path / "null.parquet", "-o", tmp_path / "no.parquet")
    assert_one_line(result, 1, "null.parquet: row 2: column 'text': found null")
    assert sorted(path.name for path in tmp_path.iterdir() if "no." in path.name) == []


def test_without_pyarrow(classify, tweets_csv, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = classify("--file", tweets_csv, "-o", tmp_path / "out.parquet")
    assert_one_line(result, 1, "Parquet: found no package pyarrow", "pip install 'roberta_c[parquet]'")
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    assert_one_line(classify("--file", tmp_path / "in.parquet"), 1, "pip install 'roberta_c[parquet]'")
    assert not (tmp_path / "out.parquet").exists()
