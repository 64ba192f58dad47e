"""The program: its help, its exit codes and its error lines, whatever the command."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples.command_line import COMMAND, assert_one_line
from samples.pseudo_terminal import in_terminal

import roberta_c
from roberta_c.cli import main
from roberta_c.cli.main import COMMANDS, program
from roberta_c.errors import InputError


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
    for word in ("--version", "-V"):
        assert run(word).stdout == f"roberta-c {roberta_c.__version__}\n"


def test_help_has_headings_examples_and_colours(run, environment):
    tasks = ("classify", "ner", "qa", "fill-mask", "zero-shot", "embed", "rerank", "similarity")
    for name in (*tasks, "quantize-report"):
        shown = run(name, "--help").stdout
        places = [
            shown.index(f"\n{heading}:\n") for heading in ("Input", "Output", "Model", "Computing", "Other")
        ]
        assert places == sorted(places)
        assert "--encoding" in shown[places[0] : places[1]]
        assert "--format" in shown[places[1] : places[2]]
        assert "--revision" in shown[places[2] : places[3]]
        assert "--dtype" in shown[places[3] : places[4]]
        assert "--debug" in shown[places[4] :]
        assert "\x1b" not in shown
    for words in (["--help"], ["classify", "--help"]):
        _, shown = in_terminal([*COMMAND, *words], environment)
        assert "\x1b[36m--help" in shown or "\x1b[36m-h, --help" in shown
        assert "\x1b[1m" in shown
        _, plain = in_terminal([*COMMAND, *words], {**environment, "NO_COLOR": "1"})
        assert "\x1b" not in plain
        assert re.sub(r"\x1b\[\d*m", "", shown) == plain


def test_the_note_about_the_bundled_model_is_short(run):
    result = run("classify", "a")
    assert result.stderr == "roberta-c: note: using the bundled model (English tweets); see --model\n"
    assert len(result.stderr) < 80


def test_every_command_has_a_file_and_a_line(run):
    names = {path.stem for path in Path(main.__file__).parent.glob("*.py")}
    for name in COMMANDS:
        assert name.replace("-", "_") in names
        assert program.commands[name].name == name
    assert list(program.commands) == list(COMMANDS)
    assert len(program.commands) == len(COMMANDS)
    assert program.commands.get("nonsense") is None


@pytest.mark.parametrize(
    ("words", "imported"),
    [(["--help"], set()), (["classify", "--help"], {"roberta_c.cli.classify"})],
)
def test_help_loads_nothing_heavy(environment, words, imported):
    """The help of the program imports no command; that of a command imports none but this one."""
    commands = {f"roberta_c.cli.{name.replace('-', '_')}" for name in COMMANDS}
    watched = commands | {"numpy", "tokenizers", "huggingface_hub", "tqdm"}
    script = (
        "import sys; from roberta_c.cli.main import program\n"
        f"assert program.main({words}, standalone_mode=False) == 0\n"
        f"found = {watched} & set(sys.modules)\n"
        f"assert found == {imported}, found\n"
    )
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)


def test_shell_completion(environment):
    """The script for each shell, and the completions that the script requests."""
    program = [sys.executable, "-c", "from roberta_c.cli.main import main; main()"]
    for shell in ("bash", "zsh", "fish"):
        variables = {**environment, "_ROBERTA_C_COMPLETE": f"{shell}_source"}
        done = subprocess.run(program, env=variables, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        assert "_ROBERTA_C_COMPLETE=" in done.stdout
        assert "roberta-c" in done.stdout
    for line, expected in (
        ("roberta-c cl", "classify"),
        ("roberta-c qu", "quantize-report"),
        ("roberta-c classify --for", "--format"),
    ):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        variables = {**environment, **words, "_ROBERTA_C_COMPLETE": "bash_complete"}
        done = subprocess.run(program, env=variables, capture_output=True, text=True, check=False)
        assert done.stdout == f"plain,{expected}\n", done.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("classify --file twe", "file,twe"),
        ("classify -o out", "file,out"),
        ("classify --model mod", "dir,mod"),
        ("classify some", "file,some"),
        ("classify a some", "file,some"),
        ("ner some", "file,some"),
        ("qa --context-file some", "file,some"),
        ("keys some", "file,some"),
        ("describe some", "file,some"),
        ("doctor --model some", "dir,some"),
        ("classify --dtype ", "plain,float32\nplain,bfloat16\nplain,int8"),
        ("quantize-report --dtype b", "plain,bfloat16"),
        ("classify --format j", "plain,json\nplain,jsonl"),
        ("classify --input-format c", "plain,csv"),
        ("ner --strategy a", "plain,average"),
        ("embed -o vec", "file,vec"),
        ("embed --format np", "plain,npy\nplain,npz"),
        ("embed --precision u", "plain,uint8\nplain,ubinary"),
        ("rerank --query q some", "file,some"),
        ("rerank --score-convention t", "plain,tei"),
        ("similarity --similarity e", "plain,euclidean"),
        ("completion z", "plain,zsh"),
    ],
)
def test_values_and_paths_are_completed(environment, line, expected):
    """A shell completes the paths itself where it is told "file" or "dir"."""
    words = {"COMP_WORDS": f"roberta-c {line}", "COMP_CWORD": str(line.count(" ") + 1)}
    variables = {**environment, **words, "_ROBERTA_C_COMPLETE": "bash_complete"}
    program = [sys.executable, "-c", "from roberta_c.cli.main import main; main()"]
    done = subprocess.run(program, env=variables, capture_output=True, text=True, check=False)
    assert done.stdout == f"{expected}\n", done.stderr


def test_completion_in_bash(environment, tmp_path):
    """With the script of `roberta-c completion bash`, an interactive bash completes commands and paths."""
    if shutil.which("bash") is None:
        return
    (tmp_path / "tweets of today.csv").write_text("text\nI love it\n")
    (tmp_path / "roberta-c").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m roberta_c "$@"\n')
    (tmp_path / "roberta-c").chmod(0o755)
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run(
            [*COMMAND, "completion", shell], env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert f"_ROBERTA_C_COMPLETE={shell}_complete" in done.stdout
    variables = {**environment, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb"}
    (tmp_path / "rc").write_text('PS1="> "\neval "$(roberta-c completion bash)"\n')
    leader, follower = pty.openpty()
    words = ["bash", "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"]
    with subprocess.Popen(
        words, env=variables, cwd=tmp_path, stdin=follower, stdout=follower, stderr=follower
    ) as bash:
        os.write(leader, b"roberta-c clas\t--file twe\t-o out.jsonl --format jso\tl\n")
        deadline = time.monotonic() + 60
        while not (tmp_path / "out.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        os.write(leader, b"exit\n")
        bash.wait(30)
    shown = os.read(leader, 1 << 16).decode()
    assert (tmp_path / "out.jsonl").exists(), shown
    assert json.loads((tmp_path / "out.jsonl").read_text())["text"] == "I love it"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["classify", "--revision", "v1", "a"], "--revision: found no --model"),
        (["classify", "--model", "m", "a", "--file", "b"], "texts: found both arguments and --file"),
        (
            ["classify", "--model", "m", "a", "--all", "--top-k", "2"],
            "--all, --top-k: found both, expected one",
        ),
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
        (["doctor", "--revision", "v1"], "--revision: found no --model"),
        (["classfy", "a"], "No such command 'classfy'. Did you mean 'classify'?"),
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
    assert_one_line(classify("a", "--dtype", "float8"), 2, "'--dtype': 'float8'")
    assert_one_line(classify("a", "--max-length", "513"), 2, "--max-length: found 513, expected at most 512")
    assert_one_line(classify("a", "--max-length", "1"), 2, "found 1, expected at least 2")
    assert_one_line(run("keys", tweet_sentiment_small / "vocab.json"), 1, "vocab.json")
    assert_one_line(run("keys", missing), 1, str(missing))
    assert_one_line(run("describe", tmp_path), 1, str(tmp_path))
    assert_one_line(run("download", "not a name"), 1, "not a name")
    assert_one_line(
        run("download", tmp_path), 1, "found a folder on this machine, expected the name of a Hub repository"
    )


def test_an_unreadable_file(classify, tmp_path):
    if os.geteuid() == 0:
        return  # the superuser may read everything
    file = tmp_path / "secret.txt"
    file.touch(mode=0)
    assert_one_line(classify("--file", file), 1, "cannot be read: Permission denied")


def test_debug_shows_the_traceback(run, tmp_path):
    result = run("--debug", "classify", "--model", tmp_path / "missing", "a")
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback (most recent call last)")
    assert result.stderr.splitlines()[-1].startswith("roberta-c: error: ")


def test_an_unexpected_error_is_one_line_too(run, monkeypatch):
    failures = []

    def broken(*arguments, **options):
        raise failures.pop()

    monkeypatch.setattr("roberta_c.pipelines.pipeline", broken)
    for failure, part in (
        (
            ZeroDivisionError("by\nzero"),
            "unexpected ZeroDivisionError: by zero (--debug shows the traceback)",
        ),
        (MemoryError(), "out of memory"),
        (InputError("two\nlines"), r"error: two\nlines"),
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


def test_ctrl_c_ends_it_quietly(command, environment, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("".join(f"text number {number}\n" for number in range(200_000)))
    with subprocess.Popen(
        [*command, "--file", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        # A shell starts background processes with SIGINT ignored, which their children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        results = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        results += process.stdout.read()
        assert process.stderr.read() == b""
        assert process.wait(30) == 130
    assert results.endswith(b"}\n")  # complete rows only
    assert results.count(b"\n") < 200_000


def test_a_full_disk(command, environment):
    if not Path("/dev/full").exists():
        return
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*command, "a"], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert done.stderr == b"roberta-c: error: standard output: No space left on device\n"
    assert done.returncode == 1
