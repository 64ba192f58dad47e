"""The command line: what goes in, what comes out, on which stream and with which exit code.

In process where that shows the same; as `python -m roberta_c` for pipes, signals and terminals.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from samples.loopback_hub import LoopbackHub
from samples.pseudo_terminal import in_terminal

import roberta_c
from roberta_c.cli import inputs
from roberta_c.cli.main import BROKEN_PIPE, program
from roberta_c.cli.outputs import ResultForm, ScoreBars, printable, score_bars
from roberta_c.errors import InputError, ModelFileError

PACKAGE_PARENT = str(Path(roberta_c.__file__).resolve().parent.parent)
COMMAND = [sys.executable, "-m", "roberta_c"]
COMMANDS = ("classify", "describe", "keys", "download", "doctor", "quantize-report")
TWEETS = "data/tweeteval/sentiment/test_text.txt"


@pytest.fixture(autouse=True)
def no_model_from_outside(monkeypatch):
    monkeypatch.delenv("ROBERTA_C_MODEL", raising=False)


@pytest.fixture
def run():
    """`run(*arguments, input=)` in this process: .exit_code, .stdout, .stderr."""

    def run(*arguments, input=None, **variables):
        words = [os.fspath(argument) for argument in arguments]
        return CliRunner(env=variables).invoke(program, words, input=input, prog_name="roberta-c")

    return run


@pytest.fixture
def classify(run, tweet_sentiment_small):
    """`run("classify", …)` with the trained checkpoint, on one thread."""

    def classify(*arguments, **options):
        return run("classify", "--model", tweet_sentiment_small, "--threads", "1", *arguments, **options)

    return classify


@pytest.fixture(scope="module")
def library(tweet_sentiment_small):
    return roberta_c.pipeline("text-classification", tweet_sentiment_small, num_threads=1)


@pytest.fixture
def command(tweet_sentiment_small):
    """The words of `roberta-c classify` with the trained checkpoint."""
    return [*COMMAND, "classify", "--model", str(tweet_sentiment_small), "--threads", "1"]


@pytest.fixture
def environment():
    left_out = ("ROBERTA_C_MODEL", "PYTHONUNBUFFERED")  # unbuffered, nobody would have to flush
    ours = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**ours, "PYTHONPATH": PACKAGE_PARENT}


def rows_of(result):
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.removesuffix("\n").split("\n")]


def assert_one_line(result, exit_code, *parts):
    """Nothing but one line of error, which holds all of `parts`."""
    assert result.exit_code == exit_code, result.stderr
    assert result.stderr.startswith("roberta-c: error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in result.stderr


# ---- what comes out ----------------------------------------------------------------------------------


def test_rows_are_the_pipelines_results(classify, library):
    texts = ["I love it", "", "this is the worst"]
    expected = [{"text": text, **library(text)[0]} for text in texts]
    assert rows_of(classify(*texts)) == expected
    assert rows_of(classify(*texts, "--format", "jsonl")) == expected
    whole = classify(*texts, "--format", "json")
    assert json.loads(whole.stdout) == expected
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
    one = classify("I love it", "--format", "human").stdout.splitlines()
    every = library("I love it", top_k=None)
    assert one == ["I love it", *(f"  {found['label']:<9}  {found['score']:.4f}" for found in every)]
    several = classify("I love it", "this is the worst", "--format", "human").stdout.splitlines()
    assert several[0] == f"positive   {every[0]['score']:.4f}  I love it"
    assert several[1].startswith("negative   0.")
    assert several[1].endswith("  this is the worst")
    blocks = classify("I love it", "b", "--all", "--format", "human").stdout.splitlines()
    assert blocks[:4] == one
    assert blocks[4] == "b"
    pair = classify("I love\tit", "x\ty", "--pairs", "--format", "human").stdout.splitlines()
    assert pair[0].endswith("  I love | it")


def test_bars_of_scores():
    colours = ScoreBars(colours=True, blocks=True)
    assert colours.bar(1.0, 4, "positive") == "\x1b[32m████\x1b[0m"
    assert colours.bar(0.5, 4, "Negative") == "\x1b[31m██\x1b[0m  "
    assert colours.bar(0.53, 4, "LABEL_1") == "\x1b[36m██▏\x1b[0m "
    assert colours.bar(0.0, 4, "neutral") == "    "
    assert ScoreBars(colours=False, blocks=True).bar(0.53, 4, "positive") == "██▏ "
    assert ScoreBars(colours=False, blocks=False).bar(0.5, 4, "positive") == "##  "


@pytest.mark.parametrize(
    ("terminal", "encoding", "variables", "expected"),
    [
        (True, "utf-8", {"TERM": "xterm"}, ScoreBars(colours=True, blocks=True)),
        (True, "utf-8", {"TERM": "xterm", "NO_COLOR": "1"}, ScoreBars(colours=False, blocks=True)),
        (True, "utf-8", {"TERM": "xterm", "NO_COLOR": ""}, ScoreBars(colours=True, blocks=True)),
        (True, "ascii", {"TERM": "xterm"}, ScoreBars(colours=True, blocks=False)),
        (True, "utf-8", {"TERM": "dumb"}, ScoreBars(colours=False, blocks=True)),
        (True, None, {}, ScoreBars(colours=False, blocks=False)),
        (False, "utf-8", {"TERM": "xterm"}, None),
    ],
)
def test_which_bars_a_stream_can_show(terminal, encoding, variables, expected):
    stream = SimpleNamespace(isatty=lambda: terminal, encoding=encoding)
    assert score_bars(stream, variables) == expected
    assert score_bars(None, variables) is None


def test_no_text_can_drive_the_terminal(classify):
    result = classify("a\x1b[2Jb\rc\nd\u202ee\u2028f", "ü 東京 👩‍👩‍👧\u3000.", "--format", "human")
    assert result.stdout.count("\n") == 2
    assert r"a\x1b[2Jb\rc\nd\u202ee\u2028f" in result.stdout
    assert "ü 東京 👩‍👩‍👧\u3000." in result.stdout
    assert printable("plain text") == "plain text"
    for code in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E, 0x2066, 0xD800]:
        assert printable(chr(code)).isascii()
        assert printable(chr(code)).isprintable()


def test_json_lines_hold_no_other_line_ends(classify):
    text = "a\u2028b\u2029c\u0085d\x0be\x1cf é"
    result = classify(input=text.encode())
    assert len(result.stdout.splitlines()) == 1
    assert "é" in result.stdout
    assert json.loads(result.stdout)["text"] == text


def test_truncated_texts_are_marked_and_counted_once(classify):
    result = classify(input=b"short\n" + b"word " * 600 + b"\n" + b"word " * 601 + b"\n")
    assert result.stderr == "roberta-c: warning: 2 of 3 texts truncated: longer than 512 tokens\n"
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row.get("truncated") for row in rows] == [None, True, True]
    result = classify("one two three four", "--max-length", "4", "--format", "human")
    assert result.stdout.startswith("one two three four [truncated]\n")


def test_labels_that_a_json_object_cannot_hold():
    row = SimpleNamespace(text="t", text_pair=None)
    prediction = SimpleNamespace(row=row, scores_c=[0.5, 0.5], truncated=False, best_first=lambda: [0, 1])
    form = ResultForm(["same", "same"], None, every_score=True)
    with pytest.raises(ModelFileError, match="id2label: found 'same' twice"):
        form.check_labels()
    form = ResultForm(["same", "same"], 1, every_score=False)
    form.check_labels()
    assert form.json_row(prediction) == {"text": "t", "label": "same", "score": 0.5}


# ---- what goes in ------------------------------------------------------------------------------------


def test_a_line_is_a_text_as_it_stands(classify, tmp_path):
    lines = b"trailing \n\n  leading\r\ntab\there\rmiddle\r\n\xe2\x80\xa8\xc2\x85\x0c\n\r\r\nlast\r"
    expected = ["trailing ", "", "  leading", "tab\there\rmiddle", "\u2028\x85\x0c", "\r", "last\r"]
    file = tmp_path / "texts.txt"
    file.write_bytes(lines)
    for result in (classify(input=lines), classify("--file", file), classify("-f", "-", input=lines)):
        assert [row["text"] for row in rows_of(result)] == expected
    file.write_bytes(
        b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n"
    )  # a mark of UTF-8 at the start of a file is no text
    assert [row["text"] for row in rows_of(classify("--file", file))] == ["one", "\ufefftwo"]


def test_arguments_come_before_standard_input(classify):
    assert [row["text"] for row in rows_of(classify("a", "--", "-b", input=b"c\n"))] == ["a", "-b"]


def test_pairs(classify, library):
    result = rows_of(classify("--pairs", input=b"I love it\tso much\n\tb\n"))
    pair = {"text": "I love it", "text_pair": "so much"}
    assert result[0] == {**pair, **library(pair)}
    assert [row.get("text") for row in result] == ["I love it", ""]
    assert_one_line(classify("a\tb\tc", "--pairs"), 1, "arguments: text 1: found 2 tabs, expected 1")
    result = classify("--pairs", input=b"a\tb\nno tab\n")
    assert json.loads(result.stdout)["text_pair"] == "b"
    assert "standard input: line 2: found 0 tabs" in result.stderr
    assert result.exit_code == 1


def test_a_line_that_is_not_utf_8(classify, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes(b"good\nbad \xff\xfe\nnever\n")
    result = classify("--file", file)
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["good"]
    assert_one_line(result, 1, f"{file}: line 2: found the byte 0xff at position 4, expected UTF-8")
    assert_one_line(classify(os.fsdecode(b"bad \xff")), 1, "arguments: text 1", "expected UTF-8")


def test_a_line_without_an_end_is_not_read_to_it(classify, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 10)
    assert [row["text"] for row in rows_of(classify(input=b"0123456789\r\n0123456789"))] == ["0123456789"] * 2
    result = classify(input=b"a\n0123456789a")
    assert "standard input: line 2: found more than 10 bytes" in result.stderr
    assert result.exit_code == 1


def test_model_from_the_environment(run, tweet_sentiment_small):
    assert rows_of(run("classify", "a", ROBERTA_C_MODEL=str(tweet_sentiment_small)))[0]["text"] == "a"


# ---- misuse and failure ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["classify", "--revision", "v1", "a"], "found --revision without --model"),
        (["classify", "--model", "m", "a", "--file", "b"], "both as arguments and in --file"),
        (["classify", "--model", "m", "a", "--all", "--top-k", "2"], "both --all and --top-k"),
        (
            ["classify", "--model", "m", "a", "--format", "xml"],
            "'xml' is not one of 'auto', 'human', 'json', 'jsonl'",
        ),
        (["classify", "--model", "m", "a", "--top-k", "0"], "--top-k"),
        (["classify", "--model", "m", "a", "--threads", "many"], "--threads"),
        (["classify", "--model", "m", "a", "--batch-size", "0"], "--batch-size"),
        (["classify", "--model", "m", "a", "--function-to-apply", "max"], "'max' is not one of"),
        (["classify", "--modle", "m", "a"], "No such option"),
        (["keys"], "Missing argument 'PATH_OR_ID'"),
        (["describe", "a", "--format", "jsonl"], "--format"),
        (["doctor", "a"], "unexpected extra argument"),
        (["doctor", "--format", "jsonl"], "--format"),
        (["doctor", "--revision", "v1"], "--revision without --model"),
        (["classfy", "a"], "No such command 'classfy'"),
    ],
)
def test_misuse(run, arguments, part):
    result = run(*arguments)
    assert_one_line(result, 2, part, "--help'")
    assert result.stdout == ""


def test_a_command_line_without_command_shows_the_help(run):
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: roberta-c ")


def test_failures(classify, run, tmp_path, tweet_sentiment_small):
    missing = tmp_path / "missing"
    assert_one_line(run("classify", "--model", missing, "a"), 1, "no such folder", str(missing))
    assert_one_line(run("classify", "--model", tmp_path, "a"), 1, str(tmp_path))
    assert_one_line(classify("--file", missing), 1, "--file", "cannot be read: No such file or directory")
    assert_one_line(classify("--file", tmp_path), 1, "cannot be read: Is a directory")
    assert_one_line(classify("--file", "a\0b"), 1, "--file", "cannot be read")
    assert_one_line(classify("a", "--dtype", "float8"), 1, "dtype: found 'float8'")
    assert_one_line(classify("a", "--max-length", "513"), 1, "max_length: found 513, expected at most 512")
    assert_one_line(classify("a", "--max-length", "1"), 1, "1 tokens")
    assert_one_line(run("keys", tweet_sentiment_small / "vocab.json"), 1, "vocab.json")
    assert_one_line(run("keys", missing), 1, str(missing))
    assert_one_line(run("describe", tmp_path), 1, str(tmp_path))
    assert_one_line(run("download", "not a name"), 1, "not a name")
    assert_one_line(
        run("download", tmp_path), 1, "a folder on this machine, expected a Hub repository's name"
    )


def test_an_unreadable_file(classify, tmp_path):
    if os.geteuid() == 0:
        return  # who may read everything
    file = tmp_path / "secret.txt"
    file.touch(mode=0)
    assert_one_line(classify("--file", file), 1, "cannot be read: Permission denied")


def test_debug_shows_where(run, tmp_path):
    result = run("--debug", "classify", "--model", tmp_path / "missing", "a")
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback (most recent call last)")
    assert result.stderr.splitlines()[-1].startswith("roberta-c: error: ")


def test_what_nobody_foresaw_is_one_line_too(run, monkeypatch):
    failures = []

    def broken(*arguments, **options):
        raise failures.pop()

    monkeypatch.setattr("roberta_c.pipelines.pipeline", broken)
    for failure, part in (
        (ZeroDivisionError("by\nzero"), "unexpected ZeroDivisionError: by zero (--debug shows where)"),
        (MemoryError(), "out of memory"),
        (InputError("two\nlines"), "error: two lines"),
    ):
        failures.append(failure)
        assert_one_line(run("classify", "--model", "m", "a"), 1, part)


def test_the_same_warning_is_shown_once(run, monkeypatch):
    def warning(*arguments, **options):
        import logging

        for _ in range(3):
            logging.getLogger("roberta_c.model").warning("odd\nfile %s", "x")
        logging.getLogger("roberta_c.model").info("not shown")
        raise InputError("enough")

    monkeypatch.setattr("roberta_c.pipelines.pipeline", warning)
    for _ in range(2):  # and no handler is left behind
        result = run("classify", "--model", "m", "a")
        assert result.stderr == "roberta-c: warning: odd file x\nroberta-c: error: enough\n"


# ---- the other commands ------------------------------------------------------------------------------


def test_help_and_version(run):
    for words in (["-h"], ["--help"]):
        result = run(*words)
        assert (result.exit_code, result.stderr) == (0, "")
        for name in (*COMMANDS, "Examples:"):
            assert name in result.stdout
    for name in COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert f"roberta-c {name} " in result.stdout.split("xample")[1]
    assert run("--version").stdout == f"roberta-c {roberta_c.__version__}\n"


def test_keys_are_the_files(run, tweet_sentiment_small):
    file = tweet_sentiment_small / "pytorch_model.bin"
    tensors = torch.load(file, weights_only=True)
    expected = [
        {"name": name, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}
        for name, tensor in tensors.items()
    ]
    for path in (file, tweet_sentiment_small):
        assert rows_of(run("keys", path, "--format", "jsonl")) == expected
        assert json.loads(run("keys", path, "--format", "json").stdout) == expected
        lines = run("keys", path).stdout.splitlines()
        assert [line.split()[:2] for line in lines] == [[row["name"], row["dtype"]] for row in expected]
        assert lines[1].endswith(f"  {tuple(tensors[expected[1]['name']].shape)}")


def test_describe(run, library, tweet_sentiment_small, tmp_path):
    result = run("describe", tweet_sentiment_small)
    assert (result.exit_code, result.stderr) == (0, "")
    assert repr(library.model) in result.stdout
    assert repr(library.tokenizer) in result.stdout
    for line in (
        "position limit           512 tokens",
        "labels                   negative, neutral, positive",
    ):
        assert line in result.stdout
    assert "unexpected  roberta.pooler.dense.weight, roberta.pooler.dense.bias" in result.stdout
    facts = json.loads(run("describe", tweet_sentiment_small, "--format", "json").stdout)
    assert facts["tree"] == repr(library.model)
    assert facts["position_limit"] == 512
    assert facts["labels"] == ["negative", "neutral", "positive"]
    assert facts["load_report"]["unexpected"] == ["roberta.pooler.dense.weight", "roberta.pooler.dense.bias"]
    assert facts["format"] == "torch-zip"

    # Without a head it is the base model, and a tokenizer is not asked for.
    weights = torch.load(tweet_sentiment_small / "pytorch_model.bin", weights_only=True)
    torch.save(
        {name: one for name, one in weights.items() if "classifier" not in name},
        tmp_path / "pytorch_model.bin",
    )
    (tmp_path / "config.json").write_bytes((tweet_sentiment_small / "config.json").read_bytes())
    facts = json.loads(run("describe", tmp_path, "--format", "json").stdout)
    assert facts["class"] == "RobertaModel"
    assert facts["tokenizer"].startswith(f"no tokenizer: {tmp_path}")


def test_hub_commands(environment, tmp_path, tweet_sentiment_small):
    def process(hub, *words):
        variables = {**hub.environment(tmp_path / "home"), "PYTHONPATH": PACKAGE_PARENT}
        return subprocess.run([*COMMAND, *words], env=variables, capture_output=True, text=True, timeout=60)

    with LoopbackHub({"org/name": {"main": tweet_sentiment_small}}) as hub:
        done = process(hub, "download", "org/name")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1
        weights = Path(done.stdout.removesuffix("\n")) / "pytorch_model.bin"
        assert weights.stat().st_size == (tweet_sentiment_small / "pytorch_model.bin").stat().st_size
        done = process(hub, "keys", "org/other", "--format", "json")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("roberta-c: error: org/other: ")
    done = process(hub, "classify", "--model", "org/name", "--offline", "I love it")
    assert json.loads(done.stdout)["label"] == "positive"


def test_download_passes_its_options_on(run, monkeypatch, tmp_path):
    asked = []

    def download(repo_id, **options):
        asked.append((repo_id, options))
        return tmp_path

    monkeypatch.setattr("roberta_c.files.hub.download", download)
    words = ["--local-dir", "here", "--revision", "v1", "--token", "hf_x", "--cache-dir", "there"]
    assert run("download", "org/name", *words).stdout == f"{tmp_path}\n"
    options = {"local_dir": "here", "revision": "v1", "token": "hf_x", "cache_dir": "there"}
    assert asked == [("org/name", options)]


# ---- processes, pipes and terminals ------------------------------------------------------------------


def test_help_loads_nothing_heavy(environment):
    script = (
        "import sys; from roberta_c.cli.main import program\n"
        "assert program.main(['classify', '--help'], standalone_mode=False) == 0\n"
        "heavy = {'numpy', 'tokenizers', 'huggingface_hub', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)


def test_results_come_while_more_is_read_and_a_closed_pipe_ends_it(command, environment):
    """Standard input never ends here, so that only streaming can answer."""
    with subprocess.Popen(
        [*command, "--batch-size", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        watchdog = threading.Timer(20, process.kill)  # without streaming both would wait for ever
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


def test_ctrl_c_ends_it_quietly(command, environment, test_data):
    with subprocess.Popen(
        [*command, "--file", str(test_data(TWEETS))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        # A shell starts what it puts into the background with Ctrl-C ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        results = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        results += process.stdout.read()
        assert process.stderr.read() == b""
        assert process.wait(30) == 130
    assert results.endswith(b"}\n")  # no half row
    assert results.count(b"\n") < 12_000


def test_a_full_disk(command, environment):
    if not Path("/dev/full").exists():
        return
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*command, "a"], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert done.stderr == b"roberta-c: error: standard output: No space left on device\n"
    assert done.returncode == 1


def test_terminal(command, environment, tmp_path, library):
    """On a terminal: no waiting for typed texts, results for people, and a bar that keeps out of them."""
    score = library("I love it")[0]["score"]

    def bar(width: int) -> str:
        full, eighths = divmod(round(score * width * 8), 8)
        return "█" * full + " ▏▎▍▌▋▊▉"[eighths].strip()

    code, shown = in_terminal(command, environment)
    assert code == 2
    assert shown.startswith("roberta-c: error: found no texts, expected arguments, --file, or lines piped in")

    file = tmp_path / "texts.txt"
    file.write_text("I love it\nthis is the worst\nlast one", encoding="utf-8")
    code, shown = in_terminal([*command, "--file", str(file)], environment)
    assert code == 0
    assert (
        f"positive   {score:.4f}  \x1b[32m{bar(10)}\x1b[0m{' ' * (10 - len(bar(10)))}  I love it\n" in shown
    )
    assert "0/3" in shown  # the total is known ahead

    with open(tmp_path / "results", "wb") as results:
        code, shown = in_terminal([*command, "--file", str(file)], environment, stdout=results)
    assert code == 0
    assert "3/3" in shown
    rows = (tmp_path / "results").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["text"] for row in rows] == ["I love it", "this is the worst", "last one"]

    code, shown = in_terminal([*command, "I love it"], environment)
    assert shown.splitlines()[:2] == [
        "I love it",
        f"  positive   {score:.4f}  \x1b[32m{bar(24)}\x1b[0m",
    ]
    code, shown = in_terminal([*command, "I love it"], {**environment, "NO_COLOR": "1"})
    assert shown.splitlines()[1] == f"  positive   {score:.4f}  {bar(24)}"
    # Plain outputs are no parts of a whole: no bars, even where one lies between 0 and 1, as here.
    code, shown = in_terminal([*command, "so so", "--function-to-apply", "none"], environment)
    assert any(0 < float(line.split()[1]) < 1 for line in shown.splitlines()[1:])
    assert all(len(line.split()) == 2 for line in shown.splitlines()[1:])

    code, shown = in_terminal([*command, "I love it"], environment, stdout=subprocess.DEVNULL)
    assert (code, shown) == (0, "")  # no bar for arguments


def test_shell_completion(environment):
    """As click gives it: a script for the shell, and the answers that the script asks for."""
    program = [sys.executable, "-c", "from roberta_c.cli.main import main; main()"]
    for shell in ("bash", "zsh", "fish"):
        variables = {**environment, "_ROBERTA_C_COMPLETE": f"{shell}_source"}
        done = subprocess.run(program, env=variables, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        assert "_ROBERTA_C_COMPLETE=" in done.stdout
        assert "roberta-c" in done.stdout
    for line, expected in (("roberta-c cl", "classify"), ("roberta-c classify --for", "--format")):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        variables = {**environment, **words, "_ROBERTA_C_COMPLETE": "bash_complete"}
        done = subprocess.run(program, env=variables, capture_output=True, text=True, check=False)
        assert done.stdout == f"plain,{expected}\n", done.stderr


def test_an_encoding_that_lacks_characters(command, environment):
    variables = {**environment, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for form, expected in (("human", b"caf\\xe9"), ("jsonl", "café".encode())):
        words = [*command, "café", "--format", form]
        done = subprocess.run(words, env=variables, capture_output=True, check=True)
        assert expected in done.stdout


def test_memory_does_not_grow_with_the_input(command, environment):
    """Twenty times the lines, 40 MB, must take no more memory."""
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
