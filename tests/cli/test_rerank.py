"""`rerank`: the rankings and scores of CrossEncoder, and every refusal."""

from __future__ import annotations

import csv
import io
import json
from itertools import islice

import pytest
from samples.command_line import assert_one_line, rows_of, write_csv

from roberta_c import CrossEncoder
from roberta_c.cli.inputs import Item
from roberta_c.cli.rerank import SCORE_CONVENTIONS, Ranked
from roberta_c.pipelines.windows import Coverage
from roberta_c.sentence import score_conventions
from roberta_c.sentence.pair_stream import ScoredPair

pytest.importorskip("transformers")

QUERY = "Who wrote it?"
DOCUMENTS = ["Ada wrote it.", 'He said "no", then', "", "two\nlines", "It rains.", "Ada wrote it.", "東京 é"]


@pytest.fixture(scope="module")
def folder(tweet_sentiment_small, tmp_path_factory):
    from samples.rerankers import make_cross_encoder

    path = tmp_path_factory.mktemp("models") / "reranker"
    make_cross_encoder(path, tweet_sentiment_small)
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return CrossEncoder(folder, num_threads=1)


@pytest.fixture
def rerank(run, folder):
    return lambda *words, **options: run("rerank", "--model", folder, "--threads", "1", *words, **options)


def as_rows(ranked):
    """What CrossEncoder.rank gives, as the command writes it."""
    return [
        {
            "document": DOCUMENTS[one["corpus_id"]],
            "rank": rank,
            "score": one["score"],
            "index": one["corpus_id"],
        }
        for rank, one in enumerate(ranked, start=1)
    ]


# ---- one query -----------------------------------------------------------------------------------------


def test_a_ranking(rerank, encoder):
    expected = as_rows(encoder.rank(QUERY, DOCUMENTS))
    assert rows_of(rerank("--query", QUERY, *DOCUMENTS)) == expected
    assert list(expected[0]) == ["document", "rank", "score", "index"]
    assert rows_of(rerank("--query", QUERY, *DOCUMENTS, "--top-k", "2")) == expected[:2]
    assert rows_of(rerank("--query", QUERY, *DOCUMENTS, "--batch-size", "1")) == expected
    assert rows_of(rerank("--query", "", "a"))[0]["rank"] == 1


@pytest.mark.parametrize("convention", SCORE_CONVENTIONS)
def test_score_conventions(rerank, folder, convention):
    library = CrossEncoder(folder, num_threads=1, score_convention=convention)
    documents = [*DOCUMENTS, "long " * 600]
    ranked = library.rank("query " * 500, documents)
    result = rerank("--query", "query " * 500, *documents, "--score-convention", convention)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["index"], row["score"]) for row in rows] == [
        (one["corpus_id"], one["score"]) for one in ranked
    ]


def test_conventions_are_the_librarys():
    assert tuple(score_conventions.SCORE_CONVENTIONS) == SCORE_CONVENTIONS


def test_lines_and_files(rerank, encoder, tmp_path):
    lines = ["Ada wrote it.", "", "It rains."]
    ranked = encoder.rank(QUERY, lines)
    rows = rows_of(rerank("--query", QUERY, input="".join(f"{line}\n" for line in lines)))
    assert [(row["index"], row["document"]) for row in rows] == [
        (one["corpus_id"], lines[one["corpus_id"]]) for one in ranked
    ]
    (tmp_path / "docs.txt").write_text("".join(f"{line}\n" for line in lines))
    assert rows_of(rerank("--query", QUERY, "--file", tmp_path / "docs.txt")) == rows
    assert rerank("--query", QUERY, input="").stdout == ""


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_rows_keep_their_columns(rerank, encoder, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = write_csv(tmp_path / "in.csv", ["id", "body"], enumerate(DOCUMENTS))
    out = tmp_path / f"out.{ending}"
    result = rerank("--query", QUERY, "--file", path, "--column", "body", "-o", out, "--top-k", "5")
    assert (result.exit_code, result.stderr) == (0, "")
    if ending in ("csv", "tsv"):
        file = io.StringIO(out.read_text("utf-8"), newline="")
        rows = list(csv.DictReader(file, delimiter="," if ending == "csv" else "\t"))
        assert list(rows[0]) == ["id", "body", "rank", "score", "index", "truncated"]
    elif ending == "parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(out).to_pylist()
    else:
        text = out.read_text("utf-8")
        rows = json.loads(text if ending == "json" else f"[{','.join(text.split(chr(10))[:-1])}]")
    expected = as_rows(encoder.rank(QUERY, DOCUMENTS, top_k=5))
    for row, one in zip(rows, expected, strict=True):
        assert (row["body"], int(row["rank"]), float(row["score"]), int(row["index"])) == tuple(one.values())
        assert int(row["id"]) == one["index"]


def test_the_only_column(rerank, tmp_path):
    path = write_csv(tmp_path / "in.csv", ["body"], [["a"], ["b"]])
    assert len(rows_of(rerank("--query", QUERY, "--file", path))) == 2
    path = write_csv(tmp_path / "in.csv", ["body", "id"], [["a", 1]])
    assert_one_line(rerank("--query", QUERY, "--file", path), 1, "'document' among them, or --column")
    path = write_csv(tmp_path / "in.csv", ["document", "rank"], [["a", 1]])
    assert_one_line(rerank("--query", QUERY, "--file", path), 1, "found the column 'rank'", "--prefix")
    (row,) = rows_of(rerank("--query", QUERY, "--file", path, "--prefix", "new_"))
    assert list(row) == ["document", "rank", "new_rank", "new_score", "new_index"]


def test_a_bad_row_writes_nothing(rerank, tmp_path):
    (tmp_path / "in.csv").write_text("id,document\n1,a\n2\n")
    result = rerank("--query", QUERY, "--file", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert_one_line(result, 1, "in.csv: row 2 (line 3): found 1 field, expected 2")
    assert not (tmp_path / "out.csv").exists()
    (tmp_path / "in.jsonl").write_text('{"document": "a"}\n{"document": "\\ud800"}\n')
    result = rerank("--query", QUERY, "--file", tmp_path / "in.jsonl")
    assert_one_line(result, 1, "in.jsonl: line 2: document: found the lone surrogate U+D800")
    assert result.stdout == ""


def test_long_documents(rerank):
    result = rerank("--query", QUERY, "a", "word " * 600, "--max-length", "64")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(row.get("truncated", False) for row in rows) == [False, True]
    assert result.stderr == (
        "roberta-c: warning: 1 of 2 texts truncated: longer than 64 tokens; "
        '--long-text="windows" reads all of them\n'
    )


def test_for_people(rerank, encoder):
    ranked = encoder.rank(QUERY, DOCUMENTS[:2])
    shown = rerank("--query", QUERY, *DOCUMENTS[:2], "--format", "human").stdout.splitlines()
    assert shown == [
        f"{rank:4d}  {one['score']:8.4f}  {DOCUMENTS[one['corpus_id']]}"
        for rank, one in enumerate(ranked, start=1)
    ]
    assert "\x1b" not in rerank("--query", QUERY, "a\x1b[2Jb", "--format", "human").stdout


# ---- rows with queries ---------------------------------------------------------------------------------


def test_scores_of_rows(rerank, encoder, tmp_path):
    pairs = [("Who?", document) for document in DOCUMENTS] + [('When, "then"?', "a\nb")] * 40
    path = write_csv(tmp_path / "in.csv", ["q", "id", "d"], [(q, 7, d) for q, d in pairs])
    words = ["--file", path, "--query-column", "q", "--column", "d"]
    out = tmp_path / "out.csv"
    assert rerank(*words, "-o", out).stderr == ""
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8"), newline="")))
    assert list(rows[0]) == ["q", "id", "d", "score", "truncated"]
    assert [(row["q"], row["d"]) for row in rows] == pairs
    assert [float(row["score"]) for row in rows] == encoder.predict(pairs).astype(float).tolist()
    complete = out.read_bytes()
    out.write_bytes(complete[: len(complete) // 2])
    assert rerank(*words, "-o", out, "--resume").exit_code == 0
    assert out.read_bytes() == complete
    path = write_csv(tmp_path / "in.tsv", ["query\tdocument"], [["Who?\tAda"]])
    (row,) = rows_of(rerank("--file", path))
    assert row == {
        "query": "Who?",
        "document": "Ada",
        "score": float(encoder.predict(("Who?", "Ada"))),
    }
    shown = rerank("--file", path, "--format", "human").stdout
    assert shown == f"{row['score']:8.4f}  Who? | Ada\n"


RANKED_ROWS = [
    ("Who?", "b"),
    ("Who?", "Ada"),
    ("Who?", "c d"),
    ("When?", "b"),
    ("Why?", "x"),
    ("Why?", "Ada"),
]


@pytest.mark.parametrize("ending", ["tsv", "jsonl"])
def test_the_rows_of_each_query_are_ranked(rerank, encoder, tmp_path, ending):
    path = write_csv(
        tmp_path / "in.csv", ["query", "id", "document"], [(q, i, d) for i, (q, d) in enumerate(RANKED_ROWS)]
    )
    out = tmp_path / f"out.{ending}"
    assert rerank("--file", path, "--top-k", "2", "-o", out, "--batch-size", "2").stderr == ""
    if ending == "tsv":
        rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8"), newline=""), delimiter="\t"))
        assert list(rows[0]) == ["query", "id", "document", "rank", "score", "index", "truncated"]
    else:
        rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    found = [(row["query"], int(row["rank"]), int(row["index"]), float(row["score"])) for row in rows]
    expected, start = [], 0
    for query in ("Who?", "When?", "Why?"):
        documents = [document for one, document in RANKED_ROWS if one == query]
        for rank, one in enumerate(encoder.rank(query, documents, top_k=2), start=1):
            expected.append((query, rank, start + one["corpus_id"], one["score"]))
        start += len(documents)
    assert found == expected
    assert [int(row["id"]) for row in rows] == [index for _, _, index, _ in expected]
    shown = rerank("--file", path, "--top-k", "1", "--format", "human").stdout.splitlines()
    assert len(shown) == 3
    assert shown[1].endswith("  When? | b")


WHOLE = Coverage(3, False, ((0, 1),))


def test_a_query_is_written_when_its_last_row_has_been_read(encoder):
    read = []

    def computed():
        for number, (query, document) in enumerate(RANKED_ROWS):
            read.append(number)
            yield Item(f"row {number}", {}, {}), ScoredPair(query, document, float(number), WHOLE)

    ranked = Ranked(1)(computed())
    assert [one.index for _, one in islice(ranked, 2)] == [2, 3]
    assert read == [0, 1, 2, 3, 4]


def test_a_query_whose_rows_are_apart_is_refused(rerank, tmp_path):
    path = write_csv(tmp_path / "in.csv", ["query", "document"], [*RANKED_ROWS, ("Who?", "z")])
    result = rerank("--file", path, "--top-k", "1")
    assert_one_line(
        result, 1, "row 7", "found the query 'Who?', of earlier rows too, expected the rows of one"
    )
    assert result.stdout.count("\n") == 3
    assert rerank("--file", path).exit_code == 0  # scores alone need no order


def test_prompts(rerank, encoder, run, tmp_path):
    CrossEncoder(encoder.model.name_or_path, prompts={"ask": "Say: "}).save_pretrained(tmp_path / "model")
    expected = as_rows(encoder.rank(QUERY, DOCUMENTS, prompt="Say: "))
    assert expected != as_rows(encoder.rank(QUERY, DOCUMENTS))
    assert rows_of(rerank("--query", QUERY, *DOCUMENTS, "--prompt", "Say: ")) == expected
    named = ("rerank", "--model", tmp_path / "model", "--threads", "1", "--query", QUERY, *DOCUMENTS)
    assert rows_of(run(*named, "--prompt-name", "ask")) == expected
    assert_one_line(run(*named, "--prompt-name", "x"), 2, "--prompt-name: found 'x', expected one of ask")
    result = rerank("--query", QUERY, "a", "--prompt", "a", "--prompt-name", "b")
    assert_one_line(result, 2, "--prompt-name, --prompt: found both, expected one of them")


def test_bad_rows_of_pairs(rerank, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"query": "a", "document": "b"}\n{"query": "\\ud800", "document": "b"}\n')
    result = rerank("--file", path)
    assert_one_line(result, 1, "in.jsonl: line 2: query: found the lone surrogate U+D800")
    assert result.stdout.count("\n") == 1
    path.write_text('{"document": "b"}\n')
    assert_one_line(rerank("--file", path), 1, "'query' among them, or --query-column")


# ---- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["a"], "--query: found none, expected the query, or a file of rows with queries"),
        (["a", "--query", "q", "--query-column", "x"], "--query-column: found texts as arguments"),
        (["--file", "x.csv", "--query", "q", "--query-column", "x"], "--query, --query-column: found both"),
        (
            ["--file", "x.csv", "--top-k", "2", "-o", "y.csv", "--resume"],
            "--resume: found --top-k, expected rows",
        ),
        (
            ["--query", "q", "a", "-o", "x.csv", "--resume"],
            "--resume: found --query, expected rows that are scored",
        ),
        (["--query", "q", "a", "--top-k", "0"], "found '0', expected an integer of at least 1"),
        (["--query", "q", "a", "--score-convention", "mine"], "'mine' is not one of"),
        (["--query", "q", "a", "--column", "x"], "--column: found texts as arguments"),
        (["--query", "\udcff", "a"], "'--query': found '\\udcff', expected UTF-8"),
        (["--query", "q", "a", "-o", "v.npy"], "or another --format"),
    ],
)
def test_misuse(rerank, words, part):
    result = rerank(*words)
    assert_one_line(result, 2, part, "see 'roberta-c rerank --help'")


def test_failures(rerank, run, tweet_sentiment_small, tmp_path):
    result = run("rerank", "--query", "q", "a")
    assert_one_line(result, 2, "--model: found none, expected a reranker, a model of one label")
    result = run("rerank", "--model", tweet_sentiment_small, "--query", "q", "a")
    assert_one_line(result, 1, "found a model of 3 labels, expected a reranker, a model of 1 label")
    result = rerank("--query", "q", "a", "--max-length", "999")
    assert_one_line(result, 2, "--max-length: found 999, expected at most")
    assert_one_line(rerank("--query", "q", "a", "--max-length", "2"), 2, "--max-length: found 2")
    assert_one_line(run("rerank", "--model", tmp_path, "--query", "q", "a"), 1, str(tmp_path))
