"""The scripts of examples/ run with the bundled model, and print what their first line says."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from samples.rerankers import make_bge_m3_of_bundled, make_reranker_of_bundled

from roberta_c import BGEM3FlagModel, CrossEncoder

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
TEXTS = ["I love this!", "this is the worst service ever", "what a great day"]
DOCUMENTS = [*TEXTS, "the train leaves at ten", "so happy to see you", "I hate Mondays and the rain"]


def run(name: str, *arguments: str, stdin: str = "") -> str:
    command = [sys.executable, ROOT / "examples" / name, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_classify_csv(tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "text"], *enumerate(TEXTS)])
    run("classify_csv.py", str(source), str(target))
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == TEXTS
    assert [row["label"] for row in rows] == ["positive", "negative", "positive"]
    assert all(0.3 < float(row["score"]) <= 1 for row in rows)


def test_similar_texts():
    lines = run("similar_texts.py", *TEXTS).splitlines()
    assert len(lines) == 3
    assert lines[0].split("  ", 1)[1] == f"{TEXTS[0]}  |  {TEXTS[2]}"
    similarities = [float(line.split()[0]) for line in lines]
    assert similarities == sorted(similarities, reverse=True)


def test_compare_precisions():
    lines = run("compare_precisions.py", stdin="\n".join(TEXTS)).splitlines()
    assert [line.split()[0] for line in lines] == ["float32", "bfloat16", "int8"]
    assert all(line.endswith("0 of 3 labels changed") for line in lines)
    program = [sys.executable, str(ROOT / "examples/compare_precisions.py")]
    empty = subprocess.run(program, input="\n", capture_output=True, text=True, check=False)
    assert empty.returncode == 2
    assert empty.stderr.endswith("error: no texts on standard input\n")


@pytest.fixture
def documents(tmp_path):
    path = tmp_path / "documents.txt"
    path.write_text("".join(f"{text}\n" for text in DOCUMENTS), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("precision", ["float32", "ubinary"])
def test_search_with_faiss_finds_documents(documents, tmp_path, precision):
    index = str(tmp_path / "documents.index")
    arguments = (documents, index, "--precision", precision, "--top", "2")
    lines = run("search_with_faiss.py", *arguments, DOCUMENTS[3]).splitlines()
    assert lines[:2] == [DOCUMENTS[3], f"      4  {DOCUMENTS[3]}"]
    assert len(lines) == 3
    bits = {"float32": 32, "ubinary": 1}[precision]
    assert 0 < Path(index).stat().st_size - len(DOCUMENTS) * 192 * bits // 8 < 100

    judged = tmp_path / "judged.tsv"
    judged.write_text(f"{DOCUMENTS[1]}\t2\n{DOCUMENTS[4]}\t1\n", encoding="utf-8")
    shown = run("search_with_faiss.py", *arguments, "--judged", str(judged))  # from the index that is there
    assert shown.startswith("2 queries: 1 documents first, ")


def test_search_with_faiss_reranks_what_it_finds(documents, tmp_path):
    reranker = str(make_reranker_of_bundled(tmp_path / "reranker"))
    arguments = (documents, str(tmp_path / "documents.index"), "so", "--top", "6", "--reranker", reranker)
    numbers = [int(line.split()[0]) for line in run("search_with_faiss.py", *arguments).splitlines()[1:]]
    ranks = CrossEncoder(reranker).rank("so", DOCUMENTS)
    assert numbers == [rank["corpus_id"] + 1 for rank in ranks]


def test_search_with_faiss_refuses_the_index_of_other_documents(documents, tmp_path):
    arguments = (documents, str(tmp_path / "documents.index"), "great")
    run("search_with_faiss.py", *arguments)
    Path(documents).write_text("one document\n", encoding="utf-8")
    program = [sys.executable, str(ROOT / "examples/search_with_faiss.py"), *arguments]
    other = subprocess.run(program, capture_output=True, text=True, check=False)
    assert other.returncode == 2
    assert "6 vectors" in other.stderr
    assert other.stderr.endswith("1 lines\n")


def test_hybrid_search_scores_as_bge_m3_does(documents, tmp_path):
    folder = str(make_bge_m3_of_bundled(tmp_path / "m3"))
    arguments = (documents, str(tmp_path / "documents.db"), "what a great train", "--model", folder)
    lines = run("hybrid_search.py", *arguments).splitlines()
    assert run("hybrid_search.py", *arguments).splitlines() == lines  # from the file that is there
    assert lines[0] == "what a great train"
    pairs = [("what a great train", text) for text in DOCUMENTS]
    expected = BGEM3FlagModel(folder).compute_score(pairs)["sparse+dense"]
    found = {text: float(score) for score, text in (line.split(maxsplit=1) for line in lines[1:])}
    assert found == pytest.approx(dict(zip(DOCUMENTS, expected, strict=True)), abs=1e-3)
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short_and_tested(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80
    assert path.name in Path(__file__).read_text(encoding="utf-8")
