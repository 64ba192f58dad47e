"""`ner`, `qa`, `fill-mask` and `zero-shot`: the pipelines' results for people and programs."""

from __future__ import annotations

import csv
import io
import json
import subprocess

import pytest
from samples.command_line import COMMAND, assert_one_line, rows_of, write_csv
from samples.pseudo_terminal import COLUMNS, in_terminal

import roberta_c
from roberta_c.cli.terminal_text import shortened

pytest.importorskip("transformers")

TEXTS = ["I saw Ada Lovelace in London", "", "東京 and\nParis", "word " * 600]
CONTEXT = "Ada Lovelace wrote the first program in 1843. She lived in London."


@pytest.fixture(scope="module")
def models(tweet_sentiment_small, tmp_path_factory):
    """A folder with a random model for each task."""
    from samples.task_models import ENTITIES, NLI_LABELS, make_task_model, sharpen

    folder = tmp_path_factory.mktemp("models")
    for name, head, labels in (
        ("ner", "ForTokenClassification", ENTITIES),
        ("qa", "ForQuestionAnswering", None),
        ("fill-mask", "ForMaskedLM", None),
        ("zero-shot", "ForSequenceClassification", NLI_LABELS),
    ):
        made = make_task_model(folder / name, tweet_sentiment_small, "roberta", head, labels)
        if name == "ner":
            sharpen(made, 3.0)
    return folder


@pytest.fixture
def task(run, models):
    """`task("ner", …)` runs the command with its model."""
    return lambda name, *words, **options: run(
        name, "--model", models / name, "--threads", "1", *words, **options
    )


@pytest.fixture(scope="module")
def pipelines(models):
    """The pipelines of the library, by the names of the commands."""
    names = {
        "ner": "token-classification",
        "qa": "question-answering",
        "fill-mask": "fill-mask",
        "zero-shot": "zero-shot-classification",
    }
    return {name: roberta_c.pipeline(long, models / name, num_threads=1) for name, long in names.items()}


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


# ---- ner -----------------------------------------------------------------------------------------------


def test_entities(task, pipelines, tmp_path):
    tag = pipelines["ner"]
    expected = [tag(text, aggregation_strategy="simple") for text in TEXTS]
    assert any(len(found) > 1 for found in expected)
    result = task("ner", *TEXTS)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["entities"] for row in rows] == expected
    assert [row["text"] for row in rows] == TEXTS
    assert [row.get("truncated") for row in rows] == [None, None, None, True]
    assert "1 of 4 texts truncated" in result.stderr

    path = write_csv(tmp_path / "in.csv", ["id", "text"], enumerate(TEXTS))
    rows = read_csv(task("ner", "--file", path, "--format", "csv").stdout)
    assert [json.loads(row["entities"]) for row in rows] == expected
    assert [row["truncated"] for row in rows] == ["false", "false", "false", "true"]

    (row,) = rows_of(
        task("ner", TEXTS[0], "--strategy", "none", "--ignore-label", "O", "--ignore-label", "B-person")
    )
    assert row["entities"] == tag(TEXTS[0], ignore_labels=["O", "B-person"])
    (row,) = rows_of(task("ner", TEXTS[3], "--stride", "8"))
    assert row["entities"] == tag(TEXTS[3], aggregation_strategy="simple", stride=8)
    assert "truncated" not in row


def test_labels_that_no_result_has(task):
    result = task("ner", "a", "--ignore-label", "PERSON")
    assert_one_line(
        result, 2, "--ignore-label: found 'PERSON', expected", "'O', 'person', 'location', 'group'"
    )
    result = task("ner", "a", "--ignore-label", "B-person")  # groups have no such label
    assert_one_line(result, 2, "--ignore-label: found 'B-person'")
    result = task("ner", "a", "--ignore-label", "person", "--strategy", "none")
    assert_one_line(
        result, 2, "--ignore-label: found 'person', expected a label of the results: 'O', 'B-person'"
    )
    for label in ("person", "O", ""):
        rows_of(task("ner", "a", "--ignore-label", label))
    rows_of(task("ner", "a", "--ignore-label", "B-person", "--strategy", "none"))


def test_messages_name_the_option_that_is_wrong(task):
    result = task("ner", "a", "--stride", "3", "--strategy", "none")
    assert_one_line(result, 2, "--stride: found --strategy none, expected another --strategy")
    result = task("ner", "a", "--stride", "0", "--max-length", "2")
    assert_one_line(result, 2, "--max-length: found 2, expected at least 3")
    rows_of(task("ner", "a", "--stride", "0", "--max-length", "3"))
    result = task("zero-shot", "x", "--labels", "a", "--max-length", "9")
    assert_one_line(result, 2, "--max-length: found 9, expected at least 10: room for the template")
    assert task("zero-shot", "x", "--labels", "a", "--max-length", "10").exit_code == 0
    result = task("zero-shot", "x", "--labels", "word " * 600, "--max-length", "9")
    assert_one_line(result, 2, "--labels: found a hypothesis of ")
    result = task("qa", "w", "--context", "a", "--max-seq-len", "8")
    assert_one_line(result, 2, "--max-seq-len: found 8, expected at least 9")
    assert task("qa", "w", "--context", "a", "--max-seq-len", "9").exit_code == 0


def test_entities_for_people(task, pipelines, models, environment):
    text = TEXTS[0]
    expected, place = "", 0
    for one in pipelines["ner"](text, aggregation_strategy="average"):
        if one["start"] == one["end"]:
            continue  # a token of a space alone
        found = f"[{text[one['start'] : one['end']]}]({one['entity_group']} {one['score']:.2f})"
        expected += text[place : one["start"]] + found
        place = one["end"]
    expected += text[place:]
    assert "(" in expected
    assert task("ner", text, "--strategy", "average", "--format", "human").stdout == f"{expected}\n"
    words = [*COMMAND, "ner", "--model", str(models / "ner"), "--strategy", "average", text]
    _, shown = in_terminal(words, environment)
    assert "\x1b[" in shown
    _, shown = in_terminal(words, {**environment, "NO_COLOR": "1"})
    assert shown == f"{expected}\n"
    assert "\x1b" not in task("ner", "a\x1b[2Jb", "--format", "human").stdout


def test_entities_in_parquet(task, tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for strategy in ("none", "first"):
        out = tmp_path / f"{strategy}.parquet"
        assert task("ner", *TEXTS[:3], "-o", out, "--strategy", strategy).exit_code == 0
        rows = rows_of(task("ner", *TEXTS[:3], "--strategy", strategy))
        assert [row["entities"] for row in pq.read_table(out).to_pylist()] == [
            row["entities"] for row in rows
        ]


# ---- qa ------------------------------------------------------------------------------------------------


def test_answers(task, pipelines, tmp_path):
    answer = pipelines["qa"]
    best = answer(question="Who?", context=CONTEXT)
    (row,) = rows_of(task("qa", "Who?", "--context", CONTEXT))
    assert list(row) == ["question", "answer", "score", "start", "end"]
    assert row == {"question": "Who?", **best}
    (tmp_path / "context.txt").write_text(f"{CONTEXT}\n", encoding="utf-8")
    context = ("--context-file", tmp_path / "context.txt")
    rows = rows_of(task("qa", *context, input=b"Who?\nWhen?\n"))
    assert rows == [row, {"question": "When?", **answer(question="When?", context=CONTEXT)}]
    (row,) = rows_of(task("qa", "Who?", *context, "--top-k", "3", "--max-answer-len", "2"))
    several = answer(question="Who?", context=CONTEXT, top_k=3, max_answer_len=2)
    assert row["answers"] == several
    assert row["answer"] == several[0]["answer"]
    options = {"max_seq_len": 16, "doc_stride": 4, "handle_impossible_answer": True}
    words = ("--max-seq-len", "16", "--doc-stride", "4", "--impossible")
    (row,) = rows_of(task("qa", "Who?", *context, *words))
    assert row == {"question": "Who?", **answer(question="Who?", context=CONTEXT, **options)}


def test_questions_in_a_file(task, pipelines, tmp_path):
    answer = pipelines["qa"]
    path = write_csv(tmp_path / "in.csv", ["q", "context"], [["Who?", CONTEXT], ["When?", "a, b"]])
    rows = read_csv(task("qa", "--file", path, "--question-column", "q", "--format", "csv").stdout)
    assert [row["answer"] for row in rows] == [
        answer(question=row["q"], context=row["context"])["answer"] for row in rows
    ]
    assert list(rows[0]) == ["q", "context", "answer", "score", "start", "end"]
    (row, _) = rows_of(task("qa", "--file", path, "--question-column", "q", "--context", "the same"))
    assert row["answer"] in "the same"
    assert_one_line(task("qa", "--file", path), 1, "found the columns 'q', 'context', expected 'question'")
    path = write_csv(tmp_path / "in.csv", ["question", "context"], [["Who?", CONTEXT], ["When?", " "]])
    out = tmp_path / "out.csv"
    result = task("qa", "--file", path, "-o", out)
    assert_one_line(result, 1, f"{path}: row 2 (line 3): context: found an empty text")
    assert len(read_csv(out.read_text())) == 1


def test_answers_for_people(task):
    shown = task("qa", "Who?", "--context", CONTEXT, "--format", "human").stdout.splitlines()
    (row,) = rows_of(task("qa", "Who?", "--context", CONTEXT))
    assert shown == ["Who?", f"  {row['score']:7.4f}  {row['answer']}"]
    shown = task("qa", "Who?", "When?", "--context", CONTEXT, "--format", "human").stdout.splitlines()
    assert shown[0] == f"{row['score']:7.4f}  {row['answer']}  | Who?"


def test_questions_without_a_context(task, tmp_path):
    (tmp_path / "in.csv").write_text("question,context\na,b\n")
    for words, part in (
        (["Who?"], "--context: found none"),
        (["Who?", "--context", "a", "--context-file", "b"], "--context, --context-file: found both"),
        (["Who?", "--context", "a", "--context-column", "b"], "--context-column: found texts as arguments"),
        (
            ["--file", tmp_path / "in.csv", "--context", "a", "--context-column", "b"],
            "--context, --context-column: found both",
        ),
    ):
        assert_one_line(task("qa", *words), 2, part)
    missing = tmp_path / "missing"
    assert_one_line(task("qa", "Who?", "--context-file", missing), 1, "--context-file", "cannot be read")


# ---- fill-mask -----------------------------------------------------------------------------------------


def test_fillings(task, pipelines):
    fill = pipelines["fill-mask"]
    one, two = "Paris is the <mask> of France.", "<mask> is <mask>"
    rows = rows_of(task("fill-mask", one, two, "--top-k", "2"))
    expected = fill(one, top_k=2)
    assert rows[0]["fillings"] == [expected]
    assert [rows[0][name] for name in ("token_str", "score", "sequence")] == [
        expected[0][name] for name in ("token_str", "score", "sequence")
    ]
    assert rows[1]["fillings"] == fill(two, top_k=2)
    assert len(rows_of(task("fill-mask", one))[0]["fillings"][0]) == 5
    (row,) = rows_of(task("fill-mask", one, "--top-k", "1"))
    assert list(row) == ["text", "token_str", "score", "sequence"]
    (row,) = rows_of(task("fill-mask", one, "--target", "Ġa", "--target", "Ġthe"))
    assert {token["token_str"] for token in row["fillings"][0]} == {" a", " the"}
    (row,) = read_csv(task("fill-mask", two, "--format", "csv", "--top-k", "2").stdout)
    assert json.loads(row["fillings"]) == fill(two, top_k=2)
    lines = task("fill-mask", one, "--format", "human", "--top-k", "2").stdout.splitlines()
    assert lines[0] == one
    assert len(lines) == 3
    assert lines[1].split()[:2] == [f"{expected[0]['score']:.4f}", expected[0]["token_str"].strip()]
    assert "mask 2" in task("fill-mask", two, "--format", "human").stdout


@pytest.mark.parametrize(
    ("given", "tokens"),
    [(["Ġa", "Ġthe", "is"], [" a", " the", "is"]), (["Ġ,"], [" ,"]), (['","', ","], ['","', ","])],
)
def test_targets_are_tokens_commas_too(task, given, tokens):
    words = [word for target in given for word in ("--target", target)]
    (row,) = rows_of(task("fill-mask", "a <mask>", "--format", "jsonl", *words))
    fillings = row["fillings"][0] if "fillings" in row else [row]
    assert sorted(one["token_str"] for one in fillings) == sorted(tokens)


def test_an_empty_target(task):
    assert_one_line(task("fill-mask", "a <mask>", "--target", ""), 2, "--target: found an empty text")


def test_a_text_without_a_mask_stops_after_those_before_it(task):
    lines = [b"a <mask>", b"<mask> b", b"none here", b"c <mask>"]
    result = task("fill-mask", input=b"\n".join(lines))
    assert_one_line(result, 1, "standard input: line 3: found a text without a mask, expected <mask>")
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["a <mask>", "<mask> b"]


# ---- zero-shot -----------------------------------------------------------------------------------------


def test_candidate_labels(task, pipelines, tmp_path):
    score, labels = pipelines["zero-shot"], ["sport", "the news", "music"]
    expected = score("The match", labels)
    (row,) = rows_of(task("zero-shot", "The match", "--labels", "sport, the news,music"))
    assert list(row["scores"].items()) == list(zip(expected["labels"], expected["scores"], strict=True))
    assert (row["label"], row["score"]) == (expected["labels"][0], expected["scores"][0])
    assert rows_of(task("zero-shot", "The match", "--labels", "sport", "--labels", "the news, music")) == [
        row
    ]
    options = {"multi_label": True, "hypothesis_template": "It is {}!"}
    (row,) = rows_of(
        task("zero-shot", "The match", "--labels", "a,b", "--multi-label", "--template", "It is {}!")
    )
    assert list(row["scores"].values()) == score("The match", ["a", "b"], **options)["scores"]
    path = write_csv(tmp_path / "in.csv", ["text"], [["The match"]])
    (row,) = read_csv(
        task("zero-shot", "--file", path, "--labels", ",".join(labels), "--format", "csv").stdout
    )
    assert list(row) == ["text", "label", "score", *(f"score_{label}" for label in labels), "truncated"]
    assert {label: float(row[f"score_{label}"]) for label in labels} == dict(
        zip(expected["labels"], expected["scores"], strict=True)
    )
    lines = task("zero-shot", "The match", "--labels", "a,b", "--format", "human").stdout.splitlines()
    assert (lines[0], len(lines)) == ("The match", 3)


def test_bad_labels(task):
    assert_one_line(task("zero-shot", "a"), 2, "Missing option '--labels'")
    assert_one_line(task("zero-shot", "a", "--labels", "x,y,x"), 2, "--labels: found 'x' twice")
    result = task("zero-shot", "a", "--labels", "x,y", "--labels", "x")
    assert_one_line(result, 2, "--labels: found 'x' twice")
    assert_one_line(task("zero-shot", "a", "--labels", " , "), 2, "--labels: found no label")
    result = task("zero-shot", "a", "--labels", "x", "--template", "none")
    assert_one_line(result, 2, "--template: found 'none'")


# ---- all -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ner", ["a"]),
        ("qa", ["a", "--context", "b"]),
        ("fill-mask", ["a"]),
        ("zero-shot", ["a", "--labels", "b"]),
    ],
)
def test_the_bundled_model_does_not_do_this(run, name, words):
    assert_one_line(run(name, *words), 2, "--model: found none, expected a model for")


def test_long_texts_are_cut_to_the_terminal(command, environment):
    texts = ["word " * 60, "東京" * 60]
    _, shown = in_terminal([*command, *texts], environment)
    plain = subprocess.run(
        [*command, *texts, "--format", "human"], env=environment, capture_output=True, check=True
    )
    for line, text, complete in zip(
        shown.splitlines(), texts, plain.stdout.decode().splitlines(), strict=True
    ):
        assert line.endswith("…")
        beginning = line.split("  ")[-1].removesuffix("…")
        assert text.startswith(beginning)
        assert len(beginning.encode("utf-16-le")) > 20
        assert complete.endswith(text)
    assert shortened(texts[0], COLUMNS) != texts[0]
