"""`roberta-c quantize-report`: its input, its output for people and for programs, exit codes; real tweets."""

from __future__ import annotations

import json
import os
import re
import subprocess

import numpy as np
import pytest
from click.testing import CliRunner
from samples.command_line import COMMAND, PACKAGE_PARENT
from samples.pseudo_terminal import in_terminal
from samples.quantization import LABELS, LOWER, TEXTS, each_lower

import roberta_c
from roberta_c import bundled_model_path, quantize_report
from roberta_c.cli.main import program
from roberta_c.cli.quantize_report import report_lines
from roberta_c.diagnose import paired_run


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """One thread, because these texts are few, and one timed round."""
    monkeypatch.setenv("ROBERTA_C_NUM_THREADS", "1")
    monkeypatch.setattr(paired_run, "TIMED_SECONDS", 0.0)


@pytest.fixture
def run():
    """`run(*arguments, input=)` in this process: .exit_code, .stdout, .stderr."""

    def run(*arguments, input=None, **variables):
        words = ["quantize-report", *map(os.fspath, arguments)]
        return CliRunner(env=variables).invoke(program, words, input=input, prog_name="roberta-c")

    return run


@pytest.fixture
def texts_file(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return file


def assert_one_line(result, exit_code, message):
    assert (result.exit_code, result.stdout) == (exit_code, ""), result.stderr
    assert result.stderr.startswith("roberta-c: error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


# ---- output and input ------------------------------------------------------------------


def test_json_is_what_the_function_returns(run, texts_file, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("positive\n" + "0\n" * 5 + " neutral \r\n" + "1\n" * 6)
    words = ["--model", bundled_model_path(), "--file", texts_file, "--dtype", LOWER[0], "--labels", labels]
    result = run(*words, "--format", "json", "--threads", "2", "--batch-size", "3", "--max-length", "50")
    assert (result.exit_code, result.stderr) == (0, "")
    facts = json.loads(result.stdout)
    right = [2, *[0] * 5, *[1] * 7]
    expected = quantize_report(None, TEXTS, LOWER[0], right, num_threads=2, batch_size=3, max_length=50)
    assert expected["truncated"] == 1
    for both in (facts, expected):
        measured = both.pop("time")
        assert measured["batch_size"] == 3
    assert facts == expected


def test_what_people_see(run, texts_file, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("0\n" * 13)
    words = ["--file", texts_file, "--dtype", LOWER[0], "--labels", labels]
    result = run(*words, COLUMNS="90")
    assert result.exit_code == 0
    assert result.stderr == ("roberta-c: note: using the bundled model (English tweets); see --model\n")
    sections = dict(block.split("\n", 1) for block in result.stdout.rstrip("\n").split("\n\n"))
    facts = json.loads(run(*words, "--format", "json").stdout)
    assert list(sections) == [
        "Model",
        "Results",
        "Comparison",
        "Error after each layer (relative to float32; 13 texts)",
        "Worst texts",
    ]
    results = sections["Results"]
    assert f"same label                {facts['agreement']['same']} of 13 (" in results
    for name, value in facts["score_difference"].items():
        assert f"{name} {value:.5f}" in results
    for name, value in facts["cosine"].items():
        assert f"{name} {value:.7f}" in results
    compared = {line[2:17].strip(): line[17:].split() for line in sections["Comparison"].splitlines()}
    assert compared[""] == ["float32", LOWER[0]]
    labelled = facts["labelled"]
    for title, name in (("accuracy", "accuracy"), ("macro recall", "macro_recall")):
        both = [labelled[name]["float32"] * 100, labelled[name]["lower"] * 100]
        shown = [f"{both[0]:.2f}", "%", f"{both[1]:.2f}", "%", f"{both[1] - both[0]:+.2f}", "points"]
        assert compared[title] == shown
    assert re.fullmatch(
        r"[\d.]+ ms [\d.]+ ms [\d.]+ times as fast \(1 round, batches of 32\)",
        " ".join(compared["time per text"]),
    )
    layers = facts["layers"]["relative_error"]
    assert sections["Error after each layer (relative to float32; 13 texts)"].split() == [
        *("embeddings", "0.0e+00", "layers", "1", "to", "3"),
        *(f"{error:.1e}" for error in layers[1:]),
    ]
    heading, *lines = sections["Worst texts"].splitlines()
    assert heading.split() == ["line", "difference", "float32", LOWER[0], "text"]
    assert len(lines) == 10
    for line, one in zip(lines, facts["worst"], strict=True):
        both = [f"{one[side]['label']} {one[side]['score']:.4f}" for side in ("float32", "lower")]
        assert line.split()[:6] == [
            str(one["line"]), f"{one['difference']:.5f}", *both[0].split(), *both[1].split(),
        ]  # fmt: skip
        assert len(line) <= 90
        text = line[len(heading) - len("text") :].removesuffix("…")
        assert one["text"].startswith(text)
        assert text == one["text"].rstrip() or len(text) >= 20
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


def test_changes_have_a_sign():
    facts = quantize_report(None, ["a"], LOWER[0], [0])
    facts["labelled"]["accuracy"] = {"float32": 0.5, "lower": 0.4321}
    facts["labelled"]["macro_recall"] = {"float32": 0.5, "lower": 0.51}
    shown = " ".join(report_lines(facts, 100).split())
    assert "accuracy 50.00 % 43.21 % -6.79 points" in shown
    assert "macro recall 50.00 % 51.00 % +1.00 points" in shown


def test_layers_of_a_deep_model_are_a_few_lines():
    facts = quantize_report(None, ["a"], LOWER[0])
    for count, names in (
        (1, ["layer 1"]),
        (12, ["layers 1 to 6", "layers 7 to 12"]),
        (13, ["layers 1 to 6", "layers 7 to 12", "layer 13"]),
    ):
        facts["layers"]["relative_error"] = [0.0, *(0.01 * (index + 1) for index in range(count))]
        section = report_lines(facts, 100).split("texts)\n")[1].split("\n\n")[0].splitlines()
        assert [re.split("  +", line.strip())[0] for line in section] == ["embeddings", *names]
        assert [float(value) for line in section for value in re.findall(r"\S+e-?\+?\d+", line)] == (
            pytest.approx(facts["layers"]["relative_error"])
        )


def test_no_text_can_drive_the_terminal(run):
    result = run("--dtype", LOWER[0], input="a\x1b[2Jb\rc\u202ed\n".encode())
    assert r"a\x1b[2Jb\rc\u202ed" in result.stdout


def test_texts_come_as_for_classify(run, texts_file):
    options = ["--dtype", LOWER[0], "--format", "json"]
    data = texts_file.read_bytes()
    expected = json.loads(run(*options, "--file", texts_file).stdout)
    for result in (
        run(*options, input=data),
        run(*options, "-f", "-", input=data),
        run(*options, "--", *TEXTS),
    ):
        facts = json.loads(result.stdout)
        assert {**facts, "time": 0} == {**expected, "time": 0}
    (worst,) = json.loads(run(*options, "--pairs", input=b"a\tb\n").stdout)["worst"]
    assert (worst["text"], worst["text_pair"]) == ("a", "b")
    named = run(*options, input=b"a", ROBERTA_C_MODEL=str(bundled_model_path()))
    assert (named.exit_code, named.stderr) == (0, "")
    labelled = run(*options, "--labels", "-", "a", "b", input=b"0\n1\n")
    assert json.loads(labelled.stdout)["labelled"]["classes"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "--file", "b"], "texts: found both arguments and --file"),
        (["--revision", "v1", "a"], "--revision: found no --model"),
        (["--labels", "-"], "standard input: found both texts and --labels"),
        (["--file", "-", "--labels", "-"], "standard input: found both texts and --labels"),
        (["a", "--format", "jsonl"], "'jsonl' is not one of 'auto', 'human', 'json'"),
        (["a", "--batch-size", "0"], "--batch-size"),
        (["a", "--threads", "none"], "--threads"),
        (["a", "--all"], "No such option"),
    ],
)
def test_misuse(run, words, message):
    assert_one_line(run(*words, input=b""), 2, message)


def test_failures(run, texts_file, tmp_path):
    labels, missing, options = tmp_path / "labels.txt", tmp_path / "missing", ["--dtype", LOWER[0]]
    texts = [*options, "--file", texts_file]
    assert_one_line(run(*options, input=b""), 1, "standard input: found no texts, expected at least one")
    assert_one_line(run(*options, "--file", missing), 1, f"--file: '{missing}': cannot be read: No such file")
    assert_one_line(run(*options, input=b"a\n\xff\n"), 1, "standard input: line 2: found the byte 0xff")
    assert_one_line(run(*options, "--pairs", input=b"a\n"), 1, "standard input: line 1: found 0 tabs")
    assert_one_line(run(*texts, "--labels", missing), 1, f"--labels: '{missing}': cannot be read: No such")
    labels.write_text("0\n" * 12)
    assert_one_line(
        run(*texts, "--labels", labels), 1, f"{labels}: found 12 labels, expected 13, one for each text"
    )
    labels.write_text("0\n" * 14)
    assert_one_line(run(*texts, "--labels", labels), 1, f"{labels}: found 14 labels, expected 13")
    labels.write_text("0\n" * 11 + "good\n0\n")
    expected = "line 12: found 'good', expected one of negative, neutral, positive, or 0 to 2"
    assert_one_line(run(*texts, "--labels", labels), 1, f"{labels}: {expected}")
    labels.write_text("0\n" * 12 + "\n")
    assert_one_line(run(*texts, "--labels", labels), 1, f"{labels}: line 13: found ''")
    assert_one_line(run("a", "--dtype", "float8"), 2, "'--dtype': 'float8' is not one of 'float32'")
    assert_one_line(run(*options, "a", "--model", missing), 1, "no such folder")
    assert_one_line(run(*options, "a", "--max-length", "513"), 2, "--max-length: found 513")


def test_at_a_terminal(texts_file):
    words = [*COMMAND, "quantize-report", "--file", str(texts_file)]
    environment = {**os.environ, "PYTHONPATH": PACKAGE_PARENT, "LANG": "C.UTF-8"}
    code, shown = in_terminal([*words, "--dtype", LOWER[0]], environment)
    assert code == 0, shown
    for step, total in (("outputs", 13), ("layers", 13), ("time", 4 * 13)):
        assert re.search(rf"{step}: .*\b0/{total} ", shown), shown
    assert "Worst texts" in shown
    assert "%|" not in re.sub(r"[^\n]*\r", "", shown)  # at the end the bar is removed
    code, shown = in_terminal([*words, "--dtype", LOWER[0]], environment, stdout=subprocess.DEVNULL)
    assert "%|" in shown


# ---- real tweets ---------------------------------------------------------------------------------------


@each_lower
def test_real_tweets(dtype, tweet_sentiment_small, test_data, run, tmp_path):
    """300 labelled tweets: the figures of the report are those of `classify` and of the labels."""
    text = test_data("data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8")
    tweets, file, labels = text.split("\n")[:300], tmp_path / "tweets.txt", tmp_path / "labels.txt"
    file.write_text("\n".join(tweets) + "\n", encoding="utf-8")
    stated = test_data("data/tweeteval/sentiment/test_labels.txt").read_text().split("\n")[:300]
    labels.write_text("\n".join(stated) + "\n")
    result = run(
        *("--model", tweet_sentiment_small, "--file", file, "--labels", labels),
        *("--dtype", dtype, "--format", "json"),
    )
    assert (result.exit_code, result.stderr) == (0, "")
    facts = json.loads(result.stdout)
    both = [
        roberta_c.pipeline("text-classification", tweet_sentiment_small, dtype=one)(tweets, top_k=None)
        for one in ("float32", dtype)
    ]
    full, lower = ([{one["label"]: one["score"] for one in row} for row in side] for side in both)
    apart = [abs(full[index][label] - lower[index][label]) for index in range(300) for label in LABELS]
    assert facts["score_difference"]["mean"] == pytest.approx(np.mean(apart))
    assert facts["score_difference"]["max"] == pytest.approx(max(apart))
    best = np.array([[LABELS.index(row[0]["label"]) for row in side] for side in both])
    assert facts["agreement"]["same"] == (best[0] == best[1]).sum()
    right = np.array(list(map(int, stated)))
    for name, found in zip(("float32", "lower"), best, strict=True):
        recalls = [(found[right == label] == label).mean() for label in range(3)]
        assert facts["labelled"]["macro_recall"][name] == pytest.approx(np.mean(recalls))
        assert facts["labelled"]["accuracy"][name] == pytest.approx((found == right).mean())
    # Loose bounds, which only show that `dtype` is a lower precision: with trained weights the vectors have
    # nearly the same direction (a cosine of 0.9 is 26 degrees), and only the embeddings are without error.
    assert 0.9 < facts["cosine"]["min"] <= facts["cosine"]["p1"] <= facts["cosine"]["mean"] < 1
    assert facts["layers"]["relative_error"][0] == 0
    assert all(0 < error < 0.5 for error in facts["layers"]["relative_error"][1:])
