"""`similarity`: how alike the texts of pairs are, as SentenceTransformer computes it, and every refusal."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from samples.command_line import assert_one_line, rows_of, write_csv

from roberta_c import SentenceTransformer, bundled_model_path
from roberta_c.cli.similarity import SIMILARITIES, PairSimilarities
from roberta_c.sentence.pooling import Pooling
from roberta_c.sentence.similarity import ALL_PAIRS
from roberta_c.sentence.transformer import Transformer

PAIRS = [
    ("I love it", 'so "good", yes'),
    ("", "two\nlines"),
    ("a", ""),
    ("the same", "the same"),
    ("é", "東京"),
]


@pytest.fixture(scope="module")
def model():
    return SentenceTransformer(bundled_model_path(), num_threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The bundled encoder as a model whose similarity is the dot product, of 16 tokens."""
    path = tmp_path_factory.mktemp("model")
    parts = [Transformer(bundled_model_path(), 16), Pooling(192, "mean")]
    SentenceTransformer(modules=parts, similarity_fn_name="dot").save_pretrained(path)
    return path


@pytest.fixture
def similarity(run, folder):
    return lambda *words, **options: run("similarity", "--model", folder, "--threads", "1", *words, **options)


def expected_of(model, pairs, name):
    model.similarity_fn_name = name
    return model.similarity_pairwise(*(model.encode([pair[side] for pair in pairs]) for side in (0, 1)))


def test_two_arguments(run, model):
    for text, other in PAIRS:
        result = run("similarity", text, other, "--threads", "1")
        assert result.stderr == "roberta-c: note: using the bundled model (English tweets); see --model\n"
        row = json.loads(result.stdout)
        assert list(row) == ["text", "text_pair", "similarity"]
        assert (row["text"], row["text_pair"]) == (text, other)
        assert row["similarity"] == pytest.approx(expected_of(model, [(text, other)], "cosine")[0], rel=1e-6)
    assert "similarity --help" not in result.stderr


@pytest.mark.parametrize("name", [None, *SIMILARITIES])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_pairs_of_a_file(similarity, model, tmp_path, name, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    path = write_csv(tmp_path / "in.csv", ["a", "id", "b"], [(a, 7, b) for a, b in PAIRS])
    out = tmp_path / f"out.{form}"
    words = ["--similarity", name] if name else []
    result = similarity("--file", path, "--column", "a", "--pair-column", "b", "-o", out, *words)
    assert (result.exit_code, result.stderr) == (0, "")
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8"), newline="")))
        assert list(rows[0]) == ["a", "id", "b", "similarity", "truncated"]
        assert {row["truncated"] for row in rows} == {"false"}
    elif form == "jsonl":
        rows = [json.loads(line) for line in out.read_text("utf-8").split("\n")[:-1]]
        assert list(rows[0]) == ["a", "id", "b", "similarity"]
    else:
        import pyarrow.parquet as pq

        rows = pq.read_table(out).to_pylist()
    assert [(row["a"], row["b"]) for row in rows] == PAIRS
    found = np.array([float(row["similarity"]) for row in rows])
    np.testing.assert_allclose(found, expected_of(model, PAIRS, name or "dot"), rtol=1e-6, atol=1e-6)


def test_prompts(similarity, run, model, tmp_path):
    parts = [Transformer(bundled_model_path()), Pooling(192, "mean")]
    SentenceTransformer(modules=parts, prompts={"topic": "sad "}).save_pretrained(tmp_path)
    (plain,) = expected_of(model, [("a", "b")], "cosine")
    (expected,) = expected_of(model, [("sad a", "sad b")], "cosine")
    assert abs(expected - plain) > 1e-3
    for words in (["--prompt", "sad "], ["--prompt-name", "topic"]):
        result = run("similarity", "--model", tmp_path, "--threads", "1", "a", "b", *words)
        row = json.loads(result.stdout)
        assert (row["text"], row["text_pair"]) == ("a", "b")
        assert row["similarity"] == pytest.approx(expected, rel=1e-6)
    result = run("similarity", "--model", tmp_path, "a", "b", "--prompt-name", "x")
    assert_one_line(result, 2, "--prompt-name: found 'x', expected one of query, document, topic")
    result = similarity("a", "b", "--prompt", "x", "--prompt-name", "y")
    assert_one_line(result, 2, "--prompt-name, --prompt: found both, expected one of them")


def test_names_are_the_librarys():
    assert tuple(ALL_PAIRS) == SIMILARITIES


def test_each_pair_is_compared_before_the_next_is_read(model):
    """With batches of 1."""
    read = []

    def pairs():
        for text, other in PAIRS:
            read.append(text)
            yield {"text": text, "text_pair": other}

    for count, found in enumerate(PairSimilarities(model, 1).predictions(pairs()), start=1):
        assert len(read) == count
        assert (found.text, found.text_pair) == PAIRS[count - 1]


def test_lines_with_a_tab(similarity, tmp_path):
    rows = rows_of(similarity(input="a\tb\n\tc\nd\t\n"))
    assert [(row["text"], row["text_pair"]) for row in rows] == [("a", "b"), ("", "c"), ("d", "")]
    result = similarity(input="a\tb\nno tab\n")
    assert_one_line(result, 1, "standard input: line 2: found 0 tabs, expected 1 between two texts")
    assert result.stdout.count("\n") == 1
    (tmp_path / "in.tsv").write_text("text\ttext_pair\na\tb\n")
    (row,) = rows_of(similarity("--file", tmp_path / "in.tsv"))
    assert list(row) == ["text", "text_pair", "similarity"]


def test_long_texts(similarity):
    result = similarity("a", "word " * 60)
    assert json.loads(result.stdout)["truncated"] is True
    assert result.stderr == (
        "roberta-c: warning: 1 of 2 texts truncated: longer than 16 tokens; "
        '--long-text="windows" reads all of them\n'
    )
    assert "truncated" not in similarity("a", "word " * 60, "--max-length", "128").stdout
    assert similarity("a", "word " * 60, "--format", "human").stdout.endswith(" [truncated]\n")


def test_for_people(similarity, model):
    (score,) = expected_of(model, [("I love\x1b it", "b")], "cosine")
    result = similarity("I love\x1b it", "b", "--format", "human", "--similarity", "cosine")
    assert result.stdout == f"{score:8.4f}  I love\\x1b it | b\n"


def test_resume(similarity, tmp_path):
    path = write_csv(tmp_path / "in.csv", ["text", "text_pair"], PAIRS)
    out = tmp_path / "out.csv"
    assert similarity("--file", path, "-o", out).exit_code == 0
    complete = out.read_bytes()
    out.write_bytes(complete[: len(complete) * 2 // 3])
    assert similarity("--file", path, "-o", out, "--resume").exit_code == 0
    assert out.read_bytes() == complete


def test_bad_rows(similarity, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text,text_pair\na,b\nc\n")
    result = similarity("--file", path)
    assert_one_line(result, 1, "in.csv: row 2 (line 3): found 1 field, expected 2")
    assert result.stdout.count("\n") == 1
    path.write_text("text,other\na,b\n")
    assert_one_line(similarity("--file", path), 1, "'text_pair' among them, or --pair-column")
    path.write_text("text,text_pair,similarity\na,b,c\n")
    assert_one_line(similarity("--file", path), 1, "found the column 'similarity'", "--prefix")
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a", "text_pair": "b"}\n{"text": "a", "text_pair": "\\ud800"}\n')
    result = similarity("--file", path)
    assert_one_line(result, 1, "in.jsonl: line 2: text_pair: found the lone surrogate U+D800")
    assert result.stdout.count("\n") == 1
    path.write_text('{"text": "\\ud800", "text_pair": "b"}\n')
    assert_one_line(similarity("--file", path), 1, "in.jsonl: line 1: text: found the lone surrogate")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["a"], "texts: found 1 argument, expected 2 texts, --file, or lines piped in"),
        (["a", "b", "c"], "texts: found 3 arguments, expected 2 texts"),
        (["a", "b", "--similarity", "euclid"], "'euclid' is not one of"),
        (["a", "b", "--column", "x"], "--column: found texts as arguments"),
        (["a", "b", "--pair-column", "x"], "--pair-column: found texts as arguments"),
        (["a", "b", "-o", "v.npy"], "or another --format"),
        (["a", "b", "--file", "x"], "texts: found both arguments and --file"),
    ],
)
def test_misuse(similarity, words, part):
    assert_one_line(similarity(*words), 2, part, "see 'roberta-c similarity --help'")


def test_failures(similarity, run, tmp_path):
    assert_one_line(similarity("a", "\udcff"), 1, "arguments: text 2: found '\\udcff', expected UTF-8")
    assert_one_line(similarity("a", "b", "--max-length", "999"), 2, "--max-length: found 999")
    assert_one_line(run("similarity", "--model", tmp_path, "a", "b"), 1, str(tmp_path))
