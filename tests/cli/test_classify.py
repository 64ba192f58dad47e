"""`roberta-c classify`: the results for people and for programs, in files, pipes and terminals."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from samples.command_line import rows_of
from samples.pseudo_terminal import in_terminal

from roberta_c.cli.classify import ResultForm
from roberta_c.cli.main import BROKEN_PIPE
from roberta_c.cli.score_bars import ScoreBars
from roberta_c.errors import ModelFileError


def test_rows_are_the_pipelines_results(classify, library):
    texts = ["I love it", "", "this is the worst"]
    expected = [{"text": text, **library(text)[0]} for text in texts]
    assert rows_of(classify(*texts)) == expected
    assert rows_of(classify(*texts, "--format", "jsonl")) == expected
    assert json.loads(classify(*texts, "--format", "json").stdout) == expected
    assert json.loads(classify("--format", "json", input=b"").stdout) == []
    assert classify(input=b"").stdout == ""
    assert list(rows_of(classify("I love it"))[0]) == ["text", "label", "score"]


def test_all_and_top_k(classify, library):
    every = {one["label"]: one["score"] for one in library("I love it", top_k=None)}
    (row,) = rows_of(classify("I love it", "--all"))
    assert list(row["scores"].items()) == list(every.items())
    assert row["scores"][row["label"]] == row["score"]
    (row,) = rows_of(classify("I love it", "--top-k", "2"))
    assert list(row["scores"].items()) == list(every.items())[:2]
    (row,) = rows_of(classify("I love it", "--function-to-apply", "none", "--all"))
    assert sum(row["scores"].values()) != pytest.approx(1)


def test_people_see_every_label_of_one_text_and_a_line_for_each_of_several(classify, library):
    scores = [f"  {each['label']:8}  {each['score']:7.4f}" for each in library("I love it", top_k=None)]
    one = classify("I love it", "--format", "human").stdout.splitlines()
    assert one == ["I love it", *scores]
    several = classify("I love it", "this is the worst", "--format", "human").stdout.splitlines()
    assert several[0] == f"{scores[0].strip()}  I love it"
    assert several[1].startswith("negative   0.")
    assert several[1].endswith("  this is the worst")
    blocks = classify("I love it", "b", "--all", "--format", "human").stdout.splitlines()
    assert blocks[:4] == one
    assert blocks[4] == "b"
    pair = classify("I love\tit", "x\ty", "--pairs", "--format", "human").stdout.splitlines()
    assert pair[0].endswith("  I love | it")


def test_no_text_can_drive_the_terminal(classify):
    result = classify("a\x1b[2Jb\rc\nd\u202ee\u2028f", "ü 東京 👩‍👩‍👧\u3000.", "--format", "human")
    assert result.stdout.count("\n") == 2
    assert r"a\x1b[2Jb\rc\nd\u202ee\u2028f" in result.stdout
    assert "ü 東京 👩‍👩‍👧\u3000." in result.stdout


def test_json_lines_hold_no_other_line_ends(classify):
    text = "a\u2028b\u2029c\u0085d\x0be\x1cf é"
    result = classify(input=text.encode())
    assert len(result.stdout.splitlines()) == 1
    assert "é" in result.stdout
    assert json.loads(result.stdout)["text"] == text


def test_truncated_texts_are_marked_and_counted_once(classify):
    result = classify(input=b"short\n" + b"word " * 600 + b"\n" + b"word " * 601 + b"\n")
    assert result.stderr == (
        "roberta-c: warning: 2 of 3 texts truncated: longer than 512 tokens; "
        '--long-text="windows" reads all of them\n'
    )
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row.get("truncated") for row in rows] == [None, True, True]
    result = classify("one two three four", "--max-length", "4", "--format", "human")
    assert result.stdout.startswith("one two three four [truncated]\n")


def test_labels_that_a_json_object_cannot_hold():
    row = SimpleNamespace(text="t", text_pair=None)
    prediction = SimpleNamespace(row=row, scores_c=[0.5, 0.5], truncated=False, best_first=lambda: [0, 1])
    form = ResultForm(["same", "same"], None, every_score=True)
    with pytest.raises(ModelFileError, match=r"^a/model: config\.json: id2label: found 'same' twice"):
        form.check_labels("a/model")
    form = ResultForm(["same", "same"], 1, every_score=False)
    form.check_labels("a/model")
    assert form.json_row(prediction) == {"text": "t", "label": "same", "score": 0.5}


def test_model_from_the_environment(run, tweet_sentiment_small):
    assert rows_of(run("classify", "a", ROBERTA_C_MODEL=str(tweet_sentiment_small)))[0]["text"] == "a"


def test_results_come_while_more_is_read_and_a_closed_pipe_ends_it(command, environment):
    """Standard input stays open, so that only a program that streams writes results."""
    with subprocess.Popen(
        [*command, "--batch-size", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        watchdog = threading.Timer(20, process.kill)  # without streaming both processes would wait for ever
        watchdog.start()
        for text in ("I love it", "this is the worst", ""):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdout.close()
        process.stdin.write(b"more\n" * 50)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == BROKEN_PIPE
        watchdog.cancel()


def test_terminal(command, environment, library, tmp_path):
    """On a terminal: no wait for typed texts, results for people, and a progress bar apart from them."""

    code, shown = in_terminal(command, environment)
    assert code == 2
    assert shown.startswith(
        "roberta-c: error: texts: found none, expected arguments, --file or lines piped in"
    )

    file = tmp_path / "texts.txt"
    file.write_text("I love it\nthis is the worst\nlast one", encoding="utf-8")
    code, shown = in_terminal([*command, "--file", str(file)], environment)
    assert code == 0
    best = library("I love it")[0]
    bars = ScoreBars(colours=True, blocks=True)
    row = f"{best['label']}   {best['score']:.4f}"
    assert f"{row}  {bars.bar(best['score'], 10, best['label'])}  I love it\n" in shown
    assert "0/3" in shown  # the total is known beforehand

    with open(tmp_path / "results", "wb") as results:
        code, shown = in_terminal([*command, "--file", str(file)], environment, stdout=results)
    assert code == 0
    assert "3/3" in shown
    rows = (tmp_path / "results").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["text"] for row in rows] == ["I love it", "this is the worst", "last one"]

    code, shown = in_terminal([*command, "I love it"], environment)
    assert shown.splitlines()[:2] == [
        "I love it",
        f"  {row}  {bars.bar(best['score'], 24, best['label'])}".rstrip(),
    ]
    plain = ScoreBars(colours=False, blocks=True)
    code, shown = in_terminal([*command, "I love it"], {**environment, "NO_COLOR": "1"})
    assert shown.splitlines()[1] == f"  {row}  {plain.bar(best['score'], 24, best['label'])}".rstrip()
    # Logits are shown without bars, even those between 0 and 1.
    code, shown = in_terminal([*command, "so so", "--function-to-apply", "none"], environment)
    assert all(len(line.split()) == 2 for line in shown.splitlines()[1:])

    code, shown = in_terminal([*command, "I love it"], environment, stdout=subprocess.DEVNULL)
    assert (code, shown) == (0, "")  # no progress bar for arguments


def test_an_encoding_that_lacks_characters(command, environment):
    variables = {**environment, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for form, expected in (("human", b"caf\\xe9"), ("jsonl", "café".encode())):
        words = [*command, "café", "--format", form]
        done = subprocess.run(words, env=variables, capture_output=True, check=True)
        assert expected in done.stdout


def test_memory_does_not_grow_with_the_input(command, environment):
    """Twenty times as many lines, 40 MB, need no more memory."""
    script = (
        "import resource, runpy, sys\n"
        "try: runpy.run_module('roberta_c', run_name='__main__')\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    peaks = []
    for count in (1_000, 20_000):
        words = [sys.executable, "-c", script, *command[3:]]
        lines = (b"word " * 400 + b"\n") * count
        done = subprocess.run(words, input=lines, env=environment, capture_output=True, check=True)
        assert done.stdout.count(b"\n") == count
        peaks.append(int(done.stderr))
    assert peaks[1] < 1.1 * peaks[0]
