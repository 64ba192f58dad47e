"""`embed`: the vectors of SentenceTransformer in every format, and every refusal."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import time
import tracemalloc

import numpy as np
import pytest
from samples.command_line import COMMAND, assert_one_line, rows_of, write_csv
from samples.pseudo_terminal import in_terminal

from roberta_c import SentenceTransformer, bundled_model_path
from roberta_c.cli import embed as command_file
from roberta_c.cli import vector_files
from roberta_c.cli.embed import EmbeddingForm, numbers
from roberta_c.sentence import quantization
from roberta_c.sentence.modules import Normalize
from roberta_c.sentence.pooling import Pooling
from roberta_c.sentence.transformer import Transformer

TEXTS = ["I love it", 'a "quoted", text', "", "two\nlines", " spaces ", "東京 é", "I love it"]
WIDTH = 192
NOTE = "roberta-c: note: using the bundled model (English tweets); see --model\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of the bundled encoder with prompts that are not pooled, and 32 tokens."""
    path = tmp_path_factory.mktemp("embedder")
    parts = [Transformer(bundled_model_path(), 32), Pooling(WIDTH, "mean", include_prompt=False), Normalize()]
    prompts = {"query": "query: ", "document": "passage: ", "other": "Other: "}
    SentenceTransformer(modules=parts, prompts=prompts).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return SentenceTransformer(folder, num_threads=1)


@pytest.fixture
def embed(run, folder):
    """`run("embed", …)` with this model, on one thread."""
    return lambda *words, **options: run("embed", "--model", folder, "--threads", "1", *words, **options)


def vectors_of(result, name="embedding"):
    return np.array([row[name] for row in rows_of(result)], np.float32)


# ---- formats -------------------------------------------------------------------------------------------


def test_the_bundled_model(run):
    result = run("embed", *TEXTS, "--threads", "1")
    assert (result.exit_code, result.stderr) == (0, NOTE)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert [list(row) for row in rows] == [["text", "embedding"]] * len(TEXTS)
    expected = SentenceTransformer(bundled_model_path(), num_threads=1).encode(TEXTS)
    assert np.array_equal(np.array([row["embedding"] for row in rows], np.float32), expected)


@pytest.mark.parametrize("ending", ["npy", "npz", "jsonl", "json", "csv", "tsv", "parquet"])
def test_formats(embed, model, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = write_csv(tmp_path / "in.csv", ["id", "body"], enumerate(TEXTS))
    out = tmp_path / f"out.{ending}"
    result = embed("--file", path, "--column", "body", "-o", out)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    expected = model.encode(TEXTS)
    found, texts = read_vectors(out)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)
    assert texts in (TEXTS, None)
    assert os.listdir(tmp_path) in (["in.csv", out.name], [out.name, "in.csv"])


def read_vectors(path):
    """The vectors of a file, and its texts if it has them."""
    ending = path.suffix
    if ending == ".npy":
        return np.load(path), None
    if ending == ".npz":
        with np.load(path) as arrays:
            assert sorted(arrays) == ["texts", "vectors"]
            return arrays["vectors"], arrays["texts"].tolist()
    if ending == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        assert str(table.schema.field("embedding").type).startswith("list<")
        assert str(table.schema.field("embedding").type.value_type) == "float"
        rows = table.to_pylist()
    elif ending in (".csv", ".tsv"):
        file = io.StringIO(path.read_text("utf-8"), newline="")
        rows = list(csv.DictReader(file, delimiter="," if ending == ".csv" else "\t"))
        assert list(rows[0]) == ["id", "body", "embedding", "truncated"]
        rows = [{**row, "embedding": json.loads(row["embedding"])} for row in rows]
    elif ending == ".json":
        rows = json.loads(path.read_text("utf-8"))
    else:
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    assert [str(row["id"]) for row in rows] == [str(index) for index in range(len(TEXTS))]
    return np.array([row["embedding"] for row in rows], np.float32), [row["body"] for row in rows]


@pytest.mark.parametrize("precision", command_file.PRECISIONS)
@pytest.mark.parametrize("ending", ["npy", "npz", "jsonl", "parquet"])
def test_precisions(embed, model, tmp_path, precision, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / f"out.{ending}"
    result = embed(*TEXTS, "--precision", precision, "-o", out)
    assert result.exit_code == 0
    if precision in ("int8", "uint8"):
        expected = (
            f"roberta-c: warning: --precision: found ranges of {len(TEXTS)} texts, expected 100 or more"
        )
        assert result.stderr.startswith(expected)
        assert result.stderr.count("\n") == 1
    else:
        assert result.stderr == ""
    expected = model.encode(TEXTS, precision=precision)
    if ending == "npy":
        found = np.load(out)
    elif ending == "npz":
        found = np.load(out)["vectors"]
    elif ending == "jsonl":
        rows = [json.loads(line) for line in out.read_text("utf-8").split("\n")[:-1]]
        found = np.array([row["embedding"] for row in rows]).astype(expected.dtype)
    else:
        import pyarrow.parquet as pq

        column = pq.read_table(out).column("embedding")
        assert str(column.type.value_type) in ("float", str(expected.dtype))
        found = np.array(column.to_pylist()).astype(expected.dtype)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def test_precisions_are_the_librarys():
    assert command_file.PRECISIONS == quantization.PRECISIONS


def test_no_texts(embed, tmp_path):
    for ending in ("npy", "npz"):
        for precision, shape in (("float32", (0, WIDTH)), ("binary", (0, WIDTH // 8)), ("int8", (0, WIDTH))):
            (tmp_path / "in.txt").write_text("")
            out = tmp_path / f"{precision}.{ending}"
            result = embed("--file", tmp_path / "in.txt", "-o", out, "--precision", precision)
            assert (result.exit_code, result.stderr) == (0, "")
            loaded = np.load(out)
            assert (loaded if ending == "npy" else loaded["vectors"]).shape == shape
    assert rows_of_nothing(embed(input=""))


def rows_of_nothing(result):
    return (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_lines_of_a_stream_become_an_array(embed, model, tmp_path):
    texts = [f"text number {number}" for number in range(300)]
    result = embed("-o", tmp_path / "out.npy", input="".join(f"{text}\n" for text in texts))
    assert (result.exit_code, result.stderr) == (0, "")
    mapped = np.load(tmp_path / "out.npy", mmap_mode="r")
    assert np.array_equal(mapped, model.encode(texts))


def test_vectors_are_written_as_they_come(tmp_path):
    """The memory of 8 MB of vectors is not needed."""
    form = EmbeddingForm(1024, "float32")
    row = np.arange(1024, dtype=np.float32)

    def vectors():
        for number in range(2000):
            yield row + number

    tracemalloc.start()
    with open(tmp_path / "v.npy", "wb", buffering=0) as file:
        vector_files.write_npy(file, vectors(), form)
    with open(tmp_path / "v.npz", "wb", buffering=0) as file:
        vector_files.write_npz(file, (("a", one) for one in vectors()), form, str(tmp_path), "v.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    for loaded in (np.load(tmp_path / "v.npy"), np.load(tmp_path / "v.npz")["vectors"]):
        assert np.array_equal(loaded, row + np.arange(2000, dtype=np.float32)[:, None])
    assert sorted(os.listdir(tmp_path)) == ["v.npy", "v.npz"]


def test_texts_whose_room_no_array_has(embed, monkeypatch, tmp_path):
    monkeypatch.setattr(vector_files, "_MOST_TEXT_BYTES", 79)
    out = tmp_path / "out.npz"
    assert embed("a", "b" * 9, "-o", out).exit_code == 0
    result = embed("a", "b" * 10, "-o", tmp_path / "other.npz")
    assert_one_line(result, 1, "other.npz: found 2 texts with one of 10 characters", "npy, jsonl or parquet")
    result = embed("-o", tmp_path / "other.npz", input="a\0b\nb\0\n")
    assert_one_line(result, 1, "other.npz: found a text that ends with NUL, text 2, expected the format npy")
    assert os.listdir(tmp_path) == ["out.npz"]
    assert embed("-o", out, "--overwrite", input="a\0b\n").exit_code == 0
    assert np.load(out)["texts"].tolist() == ["a\0b"]


def test_decimals_are_those_of_the_same_number():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 0x7F000000, 20_000, dtype=np.uint32)
    values = bits.view(np.float32) * rng.choice([-1, 1], len(bits)).astype(np.float32)
    assert np.array_equal(np.array(json.loads(json.dumps(numbers(values))), np.float32), values)
    assert numbers(np.array([0.1, -2.5], np.float32)) == [0.1, -2.5]
    assert numbers(np.array([-128, 127], np.int8)) == [-128, 127]
    # Its shortest decimals are rounded to float64, and then to another float32.
    odd = np.array([0x15AE43FD], np.uint32).view(np.float32)
    assert np.float32(float(str(odd[0]))) != odd[0]
    assert np.array_equal(np.array(numbers(odd), np.float32), odd)


# ---- options -------------------------------------------------------------------------------------------


def test_prompts(embed, model):
    for words, expected in (
        (["--query"], model.encode_query(TEXTS)),
        (["--document"], model.encode_document(TEXTS)),
        (["--prompt-name", "other"], model.encode(TEXTS, prompt_name="other")),
        (["--prompt", "Say: "], model.encode(TEXTS, prompt="Say: ")),
        (["--prompt", ""], model.encode(TEXTS)),
    ):
        result = embed(*TEXTS, *words)
        assert np.array_equal(vectors_of(result), expected), words
        assert [row["text"] for row in rows_of(result)] == TEXTS
    assert not np.array_equal(model.encode_query(TEXTS), model.encode_document(TEXTS))


def test_widths_and_lengths(embed, model, run):
    result = embed(*TEXTS, "--truncate-dim", "10", "--normalize")
    assert np.array_equal(vectors_of(result), model.encode(TEXTS, truncate_dim=10, normalize_embeddings=True))
    assert np.array_equal(vectors_of(embed(*TEXTS, "--batch-size", "1")), model.encode(TEXTS))
    int8 = SentenceTransformer(bundled_model_path(), dtype="int8", num_threads=1).encode(["a", "b"])
    result = run("embed", "a", "b", "--dtype", "int8", "--threads", "1")
    assert [json.loads(line)["embedding"] for line in result.stdout.splitlines()] == [
        numbers(row) for row in int8
    ]


def test_long_texts(embed, model):
    texts = ["short", "word " * 100]
    result = embed(*texts)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row.get("truncated") for row in rows] == [None, True]
    assert result.stderr == (
        "roberta-c: warning: 1 of 2 texts truncated: longer than 32 tokens; "
        '--long-text="windows" reads all of them\n'
    )
    longer = embed(*texts, "--max-length", "128")
    assert "truncated" not in longer.stdout
    assert not np.array_equal(np.array(rows[1]["embedding"], np.float32), vectors_of(longer)[1])
    assert_one_line(embed("a", "--max-length", "999"), 2, "--max-length: found 999, expected at most")
    assert_one_line(embed("a", "--max-length", "1"), 2, "--max-length: found 1, expected an integer")


def test_for_people(embed, model, folder, environment):
    vector = model.encode("I love it")
    norm = np.linalg.norm(vector)
    first = " ".join(f"{one:8.4f}" for one in vector[:4])
    shown = embed("I love it", "--format", "human").stdout
    assert shown == f"I love it\n  {first} …\n  {WIDTH} numbers of float32, norm {norm:.4f}\n"
    lines = embed("I love it", "a\x1b[2Jb\nc", "--format", "human").stdout.splitlines()
    assert lines[0] == f"{first} …  norm {norm:.4f}  I love it"
    assert "\x1b" not in lines[1]
    assert len(lines) == 2
    lines = embed("a", "b", "--format", "human", "--precision", "ubinary").stdout.splitlines()
    assert "norm" not in lines[0]
    assert lines[0].endswith("…  a")
    lines = embed("a", "--format", "human", "--truncate-dim", "3").stdout.splitlines()
    assert "…" not in lines[1]
    words = [*COMMAND, "embed", "--model", str(folder), "word " * 60, "b"]
    _, shown = in_terminal(words, environment)
    assert any(line.endswith("…") for line in shown.splitlines())


# ---- runs that end early -------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["npy", "npz", "parquet"])
def test_a_bad_row_leaves_no_file(embed, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / "in.csv").write_text("id,text\n1,a\n2\n")
    result = embed("--file", tmp_path / "in.csv", "-o", tmp_path / f"out.{ending}")
    assert_one_line(result, 1, "in.csv: row 2 (line 3): found 1 field, expected 2")
    assert os.listdir(tmp_path) == ["in.csv"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_file(folder, environment, tmp_path, number):
    with subprocess.Popen(
        [*COMMAND, "embed", "--model", str(folder), "--threads", "1", "-o", str(tmp_path / "out.npy")],
        stdin=subprocess.PIPE,
        env=environment,
        # A shell starts background processes with SIGINT ignored, which their children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        process.stdin.write(b"".join(b"text %d\n" % number for number in range(5000)))
        process.stdin.flush()  # and it waits for more
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(path.stat().st_size > 5000 for path in tmp_path.glob(".*.part")):
                break
            time.sleep(0.01)
        assert os.listdir(tmp_path)
        process.send_signal(number)
        assert process.wait(30) == (130 if number == signal.SIGINT else -number)
    assert os.listdir(tmp_path) == []


def test_a_bad_text_names_its_row(embed, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a"}\n{"text": "\\ud800"}\n{"text": null}\n')
    result = embed("--file", path)
    assert_one_line(result, 1, "in.jsonl: line 2: found the lone surrogate U+D800")
    assert result.stdout.count("\n") == 1
    for precision in ("int8", "uint8"):  # the ranges of the rows before it would be others
        assert embed("--file", path, "--precision", precision).stdout == ""
    path.write_text('{"text": "a"}\n{"text": null}\n')
    assert_one_line(embed("--file", path), 1, "line 2: column 'text': found null, expected a string")


def test_resume(embed, tmp_path):
    path = write_csv(tmp_path / "in.csv", ["text"], [[text] for text in TEXTS if text])
    for ending in ("jsonl", "csv"):
        out = tmp_path / f"out.{ending}"
        assert embed("--file", path, "-o", out).exit_code == 0
        complete = out.read_bytes()
        out.write_bytes(complete[: len(complete) * 2 // 3])
        assert embed("--file", path, "-o", out, "--resume").exit_code == 0
        assert out.read_bytes() == complete


def test_files_that_are_there(embed, tmp_path):
    out = tmp_path / "out.npy"
    out.write_bytes(b"old")
    assert_one_line(embed("a", "-o", out), 2, "which exists already")
    assert out.read_bytes() == b"old"
    assert embed("a", "-o", out, "--overwrite").exit_code == 0
    assert np.load(out).shape == (1, WIDTH)
    assert_one_line(embed("--file", out, "-o", out, "--overwrite"), 2, "found the input file")
    other = tmp_path / "texts.bin"
    assert embed("a", "-o", other, "--format", "npz").exit_code == 0
    assert np.load(other)["texts"].tolist() == ["a"]


def test_names_of_columns(embed, tmp_path):
    path = write_csv(tmp_path / "in.csv", ["text", "embedding"], [["a", "x"]])
    assert_one_line(embed("--file", path), 1, "found the column 'embedding'", "--prefix")
    (row,) = rows_of(embed("--file", path, "--prefix", "my_"))
    assert list(row) == ["text", "embedding", "my_embedding"]
    assert embed("--file", path, "-o", tmp_path / "out.npy").exit_code == 0  # it has no names


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--query", "--document"], "--query, --document: found both, expected one of them"),
        (["--prompt", "a", "--prompt-name", "query"], "--prompt-name, --prompt: found both"),
        (["--query", "--document", "--prompt", "a"], "--query, --document, --prompt: found all of these"),
        (["--precision", "int4"], "'int4' is not one of 'float32', 'int8', 'uint8', 'binary', 'ubinary'"),
        (["--truncate-dim", "0"], "found '0', expected an integer of at least 1"),
        (["--format", "npy"], "--format: found npy without --output, expected a file to write"),
        (["--format", "npz", "-o", "-"], "--format: found npz without --output"),
        (["-o", "v.npy", "--resume"], "--resume: found the format npy, expected csv, tsv or jsonl"),
        (["-o", "v.npz", "--prefix", "a"], "--prefix: found results in the npz format"),
        (["-o", "v.bin"], ".parquet, .npy, .npz, or another --format"),
        (["--precision", "int8", "-o", "v.csv", "--resume"], "--precision: found int8 with --resume"),
        (["--prompt", "\udcff"], "'--prompt': found '\\udcff', expected UTF-8"),
        (["--column", "a"], "--column: found texts as arguments"),
        (["--pairs"], "No such option"),
    ],
)
def test_misuse(embed, words, part):
    result = embed("text", *words)
    assert_one_line(result, 2, part, "see 'roberta-c embed --help'")
    assert result.stdout == ""


def test_failures(embed, run, tmp_path):
    result = embed("a", "--prompt-name", "none")
    assert_one_line(result, 2, "--prompt-name: found 'none', expected one of query, document, other")
    result = embed("a", "--truncate-dim", "193")
    assert_one_line(result, 2, "--truncate-dim: found 193, expected an integer from 1 to 192")
    result = embed("a", "--precision", "int8")
    assert_one_line(result, 2, "--precision: found int8 of 1 text, expected many texts, or float32")
    assert_one_line(run("embed", "--model", tmp_path, "a"), 1, str(tmp_path))
    result = run("embed", "a", "--revision", "v1")
    assert_one_line(result, 2, "--revision: found no --model")
    if os.path.exists("/dev/null"):
        result = embed("a", "-o", "/dev/null", "--format", "npy")
        assert_one_line(result, 1, "a device or a pipe, expected a regular file for npy")


def test_ranges_need_all_vectors(embed, tmp_path):
    for precision in ("int8", "uint8"):
        for words in ([], ["-"], ["--file", "-"]):
            result = embed(*words, "--precision", precision, input="a\nb\n")
            assert_one_line(result, 2, f"--precision: found {precision} of a stream, expected --file")
        os.mkfifo(tmp_path / precision)
        result = embed("--file", tmp_path / precision, "--precision", precision)
        assert_one_line(result, 2, f"--precision: found {precision} of a stream")
    assert len(rows_of(embed("--precision", "binary", input="a\nb\n"))) == 2


def test_other_commands_do_not_write_vectors(classify, tmp_path):
    result = classify("a", "-o", tmp_path / "v.npy")
    assert_one_line(result, 2, "--output", ".json, .parquet, or another --format")
    assert_one_line(classify("a", "--format", "npy"), 2, "'npy' is not one of")
