"""--long-text, --stride, --window-scores and --lengths: the library's results in every format."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from samples.command_line import assert_one_line, rows_of, write_csv
from samples.rerankers import make_cross_encoder

import roberta_c
from roberta_c.sentence.pooling import Pooling
from roberta_c.sentence.transformer import Transformer

LONG = "so good and then so bad, " * 120
TEXTS = ["so good", LONG]


def lengths(results):
    return [{name: one[name] for name in ("n_tokens", "truncated", "windows")} for one in results]


def test_all_of_a_long_text_is_read(classify, library):
    for words, options in (
        ([], {}),
        (["--stride", "40", "--window-scores", "max"], {"stride": 40, "window_scores": "max"}),
        (["--max-length", "100"], {"max_length": 100}),
    ):
        rows = rows_of(classify(*TEXTS, "--long-text", "windows", *words))
        assert [{"label": row["label"], "score": row["score"]} for row in rows] == library(
            TEXTS, long_text="windows", **options
        )
        assert all("truncated" not in row for row in rows)


def count(library):
    return len(library.tokenizer(LONG)["input_ids"])


def test_a_long_text_is_an_error(classify, library, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text(f"so good\n{LONG}\n", encoding="utf-8")
    result = classify("--file", path, "--long-text", "error")
    place = f"{path}: line 2"
    assert_one_line(result, 1, f"{place}: found {count(library)} tokens, expected at most 512; --long-text=")
    assert json.loads(result.stdout)["text"] == "so good"
    result = classify("--file", path)
    assert result.exit_code == 0
    assert result.stderr == (
        "roberta-c: warning: 1 of 2 texts truncated: longer than 512 tokens; "
        '--long-text="windows" reads all of them\n'
    )


def test_results_say_what_was_read(classify, library):
    for words, options in (([], {}), (["--long-text", "windows"], {"long_text": "windows"})):
        expected = lengths(library(TEXTS, return_lengths=True, **options))
        result = classify(*TEXTS, "--lengths", *words)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        assert lengths(rows) == expected
        assert list(rows[0]) == ["text", "label", "score", "n_tokens", "truncated", "windows"]
        table = classify(*TEXTS, "--lengths", "--format", "csv", *words).stdout
        rows = list(csv.DictReader(io.StringIO(table, newline="")))
        assert list(rows[0]) == ["text", "label", "score", "truncated", "n_tokens", "windows"]
        assert [json.loads(row["windows"]) for row in rows] == [one["windows"] for one in expected]
        assert [int(row["n_tokens"]) for row in rows] == [one["n_tokens"] for one in expected]
    human = classify(*TEXTS, "--lengths", "--long-text", "windows", "--format", "human").stdout.splitlines()
    first, second = (one["n_tokens"] for one in expected)
    assert second == count(library)
    windows = len(expected[1]["windows"])
    assert (human[1], human[3]) == (f"  {first} tokens", f"  {second} tokens in {windows} windows")
    human = classify(LONG, "--lengths", "--format", "human").stdout.splitlines()
    assert human[-1] == f"  {second} tokens, truncated"


def test_lengths_in_parquet(classify, library, tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    out = tmp_path / "out.parquet"
    assert classify(*TEXTS, "--lengths", "--long-text", "windows", "-o", out).exit_code == 0
    expected = lengths(library(TEXTS, return_lengths=True, long_text="windows"))
    assert lengths(pq.read_table(out).to_pylist()) == expected


@pytest.fixture(scope="module")
def models(tweet_sentiment_small, tmp_path_factory):
    """A folder with a random model for each other task."""
    pytest.importorskip("transformers")
    from samples.task_models import ENTITIES, NLI_LABELS, make_task_model

    folder = tmp_path_factory.mktemp("models")
    for name, head, labels in (
        ("ner", "ForTokenClassification", ENTITIES),
        ("qa", "ForQuestionAnswering", None),
        ("fill-mask", "ForMaskedLM", None),
        ("zero-shot", "ForSequenceClassification", NLI_LABELS),
    ):
        make_task_model(folder / name, tweet_sentiment_small, "roberta", head, labels)
    return folder


def test_other_tasks(run, models):
    windows = {"long_text": "windows", "return_lengths": True}
    masked = f"{LONG}<mask>"
    for name, task, words, call in (
        (
            "ner",
            "token-classification",
            [LONG, "--strategy", "none", "--stride", "9"],
            lambda tag: tag(LONG, stride=9, **windows),
        ),
        ("fill-mask", "fill-mask", [masked], lambda fill: fill(masked, **windows)),
        (
            "zero-shot",
            "zero-shot-classification",
            [LONG, "--labels", "a,b", "--window-scores", "max"],
            lambda label: label(LONG, ["a", "b"], window_scores="max", **windows),
        ),
        (
            "qa",
            "question-answering",
            ["who?", "--context", LONG],
            lambda answer: answer(question="who?", context=LONG, **windows),
        ),
    ):
        expected = call(roberta_c.pipeline(task, models / name, num_threads=1))
        model = ["--model", models / name, "--threads", "1"]
        (row,) = rows_of(run(name, *model, *words, "--long-text", "windows", "--lengths"))
        assert lengths([row]) == lengths([expected])
        result = expected["result"]
        if name == "ner":
            assert row["entities"] == result
        elif name == "fill-mask":
            assert row["fillings"] == [result]
        elif name == "zero-shot":
            assert list(row["scores"].items()) == list(zip(result["labels"], result["scores"], strict=True))
        else:
            assert {key: row[key] for key in result} == result
        too_long = run(name, *model, *words[:3], "--long-text", "error")
        assert_one_line(too_long, 1, f": found {expected['n_tokens']} tokens", "expected at most ")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--stride", "3"], "--stride: found no --long-text, expected --long-text windows"),
        (["--stride", "3", "--long-text", "error"], "--stride: found --long-text error"),
        (["--window-scores", "max"], "--window-scores: found no --long-text, expected --long-text windows"),
        (["--long-text", "cut"], "'--long-text'"),
    ],
)
def test_options_without_effect_are_errors(words, part, classify):
    assert_one_line(classify("a", *words), 2, part)


def test_stride_without_room(classify):
    result = classify("a", "--long-text", "windows", "--stride", "62", "--max-length", "64")
    assert_one_line(result, 2, "--stride: found 62, expected less than 62, the tokens of a window")


# ---- vectors and pairs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embedder_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedder")
    modules = [Transformer(roberta_c.bundled_model_path()), Pooling(192, "mean")]
    roberta_c.SentenceTransformer(modules=modules).save_pretrained(folder)
    return folder


def test_embed_reads_all_of_a_long_text(run, embedder_folder, tmp_path):
    model = ("--model", embedder_folder, "--threads", "1", "--max-length", "64")
    encoder = roberta_c.SentenceTransformer(embedder_folder, num_threads=1)
    encoder.max_seq_length = 64
    options = {"long_text": "windows", "stride": 9, "return_lengths": True}
    vectors, expected = encoder.encode(TEXTS, prompt="say: ", **options)
    words = ("embed", *model, *TEXTS, "--long-text", "windows", "--stride", "9", "--prompt", "say: ")
    rows = [json.loads(line) for line in run(*words, "--lengths", "--format", "jsonl").stdout.splitlines()]
    assert [row["embedding"] for row in rows] == vectors.astype("U32").astype(float).tolist()
    assert lengths(rows) == expected
    out = tmp_path / "out.npy"
    assert run(*words, "-o", out).exit_code == 0
    np.testing.assert_array_equal(np.load(out), vectors)
    human = run(*words, "--lengths", "--format", "human").stdout.splitlines()
    assert human[-1] == f"  {expected[1]['n_tokens']} tokens in {len(expected[1]['windows'])} windows"
    result = run(*words, "--lengths", "-o", tmp_path / "out.npz")
    assert_one_line(result, 2, "--lengths: found the format npz, expected one with columns")
    too_long = run("embed", *model, *TEXTS, "--long-text", "error")
    n_tokens = len(encoder.tokenizer(LONG)["input_ids"])
    assert_one_line(too_long, 1, f"2: found {n_tokens} tokens, expected at most 64")


def test_rerank_reads_all_of_a_long_document(run, tweet_sentiment_small, tmp_path):
    make_cross_encoder(tmp_path / "model", tweet_sentiment_small)
    encoder = roberta_c.CrossEncoder(tmp_path / "model", max_length=64, num_threads=1)
    options = {"long_text": "windows", "stride": 9, "return_lengths": True}
    expected = encoder.rank("what is so bad?", TEXTS, **options)
    model = ("rerank", "--model", tmp_path / "model", "--threads", "1", "--max-length", "64")
    query, words = ("--query", "what is so bad?"), ("--long-text", "windows", "--stride", "9", "--lengths")
    rows = [json.loads(line) for line in run(*model, *query, *TEXTS, *words).stdout.splitlines()]
    assert [(row["index"], row["score"]) for row in rows] == [
        (one["corpus_id"], one["score"]) for one in expected
    ]
    assert lengths(rows) == lengths(expected)
    path = write_csv(tmp_path / "in.csv", ["query", "document"], [["what is so bad?", one] for one in TEXTS])
    table = run(*model, "--file", path, *words, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    in_order = sorted(expected, key=lambda one: one["corpus_id"])
    assert [json.loads(row["windows"]) for row in rows] == [one["windows"] for one in in_order]
    too_long = run(*model, "--query", LONG, "a", "--long-text", "windows")
    assert_one_line(too_long, 1, "1: found a query that leaves no room for its passage")


def test_similarity_says_what_was_read_of_both_texts(run, embedder_folder):
    encoder = roberta_c.SentenceTransformer(embedder_folder, num_threads=1)
    options = {"long_text": "windows", "return_lengths": True}
    (short, long), (of_short, of_long) = encoder.encode(TEXTS, **options)
    model = ("similarity", "--model", embedder_folder, "--threads", "1", *TEXTS, "--lengths")
    (row,) = rows_of(run(*model, "--long-text", "windows"))
    assert row["similarity"] == float(encoder.similarity_pairwise(short, long))
    assert lengths([row]) == [of_short]
    assert {name: row[f"{name}_pair"] for name in ("n_tokens", "windows")} == {
        name: of_long[name] for name in ("n_tokens", "windows")
    }
    human = run(*model, "--long-text", "windows", "--format", "human").stdout.splitlines()
    windows = len(of_long["windows"])
    assert human[1] == f"  {of_short['n_tokens']} tokens | {of_long['n_tokens']} tokens in {windows} windows"
    result = run(*model)
    assert json.loads(result.stdout)["truncated"] is True
    human = run(*model, "--format", "human").stdout.splitlines()
    assert human[1] == f"  {of_short['n_tokens']} tokens | {of_long['n_tokens']} tokens, truncated"
    too_long = run(*model, "--long-text", "error")
    assert_one_line(too_long, 1, f": text_pair: found {of_long['n_tokens']} tokens, expected at")
