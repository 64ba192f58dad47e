"""`roberta-c doctor`: every fact against another source of it, and what is wrong found and told."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import roberta_c
from roberta_c.cli.main import program
from roberta_c.diagnose import doctor
from roberta_c.diagnose.doctor import diagnose
from roberta_c.errors import InputError, ModelFileError
from roberta_c.files import bundled
from roberta_c.kernels import Kernels, available_isas, cpu_features
from roberta_c.machine import threads

PACKAGE_PARENT = str(Path(roberta_c.__file__).resolve().parent.parent)
OURS = re.compile(r"(ROBERTA_C|OMP|HF|HUGGINGFACE|HUGGING_FACE)_.*|XDG_CACHE_HOME")
linux = pytest.mark.skipif(sys.platform != "linux", reason="compares with what Linux says")
SECRET = "hf_0123456789abcdefghij"


@pytest.fixture(autouse=True)
def nothing_set_outside(monkeypatch):
    for name in filter(OURS.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)


@pytest.fixture
def run():
    """`run(*arguments)` in this process: .exit_code, .stdout, .stderr."""

    def run(*arguments, **variables):
        words = [os.fspath(argument) for argument in arguments]
        return CliRunner(env=variables).invoke(program, ["doctor", *words], prog_name="roberta-c")

    return run


@pytest.fixture
def facts_of(run):
    """The JSON form of a run in which all is well."""

    def facts_of(*arguments, **variables):
        result = run(*arguments, "--format", "json", **variables)
        assert (result.exit_code, result.stderr) == (0, "")
        facts = json.loads(result.stdout)
        assert facts["problems"] == []
        return facts

    return facts_of


@pytest.fixture(scope="module")
def examined(tweet_sentiment_small):
    return diagnose(tweet_sentiment_small, num_threads=2)


@pytest.fixture
def copied(tweet_sentiment_small, tmp_path):
    """A copy of the trained checkpoint to spoil."""
    folder = tmp_path / "model"
    shutil.copytree(tweet_sentiment_small, folder, copy_function=shutil.copyfile)
    return folder


@pytest.fixture
def environment():
    """For processes: nothing of ours is set."""
    return {
        **{name: value for name, value in os.environ.items() if not OURS.fullmatch(name)},
        "PYTHONPATH": PACKAGE_PARENT,
    }


def in_process(environment, *words, **variables):
    return subprocess.run(
        [sys.executable, "-m", "roberta_c", "doctor", *map(str, words)],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def rows_of(text):
    """The human form as {section: {name: value}}."""
    sections = {}
    for block in text.strip().split("\n\n"):
        title, *lines = block.split("\n")
        sections[title] = dict(
            re.split(r"  +", line.strip(), maxsplit=1) for line in lines if "  " in line[2:]
        )
    return sections


# ---- CPU -----------------------------------------------------------------------------------------------


@linux
@pytest.mark.skipif(platform.machine() != "x86_64", reason="asks for features of x86")
def test_features_are_those_that_linux_lists():
    flags = set(re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)[1].split())
    linux = {
        "avx512vnni": "avx512_vnni", "avx512bf16": "avx512_bf16", "avx512fp16": "avx512_fp16",
        "avxvnni": "avx_vnni", "amx-tile": "amx_tile", "amx-int8": "amx_int8", "amx-bf16": "amx_bf16",
    }  # fmt: skip
    features = cpu_features()
    assert {"avx", "fma", "avx2", "avx512f", "avx512vnni", "avx512bf16"} <= set(features)
    for name, has in features.items():
        assert has is (linux.get(name, name) in flags), name


def test_isas_fit_the_features(facts_of):
    cpu = facts_of()["cpu"]
    has = cpu["features"]
    assert cpu["available_isas"] == list(available_isas())
    assert cpu["isa"] == cpu["available_isas"][0] == Kernels().isa
    assert cpu["isa_chosen_by"] == "best available"
    if has:  # what the kernels need, they were given only where it is there
        assert has["avx2"] or "avx2" not in cpu["available_isas"]
        assert has["avx512f"] or "avx512" not in cpu["available_isas"]
    assert (cpu["architecture"], cpu["count"]) == (platform.machine(), os.cpu_count())


@pytest.mark.parametrize("isa", [*available_isas(), "reference"])
def test_the_isa_is_the_variables(facts_of, isa):
    cpu = facts_of(ROBERTA_C_ISA=isa)["cpu"]
    assert (cpu["isa"], cpu["isa_chosen_by"]) == (isa, "ROBERTA_C_ISA")


# ---- threads -------------------------------------------------------------------------------------------


@linux
def test_threads_as_this_process_may_run(facts_of, monkeypatch):
    monkeypatch.setattr(doctor, "_has_openmp", lambda: True)
    facts = facts_of()["threads"]
    assert facts["affinity"] == len(os.sched_getaffinity(0))
    assert facts["number"] == threads.default_num_threads()
    assert facts["argument"] is facts["ROBERTA_C_NUM_THREADS"] is facts["OMP_NUM_THREADS"] is None


@pytest.mark.parametrize(
    ("affinity", "quota", "variables", "arguments", "number", "chosen_by"),
    [
        (8, None, {}, [], 8, "CPU affinity"),
        (8, 2.5, {}, [], 3, "cgroup quota"),
        (8, 8.0, {}, [], 8, "CPU affinity"),
        (8, 4.0, {"OMP_NUM_THREADS": "2,1"}, [], 2, "OMP_NUM_THREADS"),
        (8, 4.0, {"OMP_NUM_THREADS": "many"}, [], 4, "cgroup quota"),
        (5000, None, {}, [], 1024, "the most this package takes"),
        (8, 4.0, {"OMP_NUM_THREADS": "2", "ROBERTA_C_NUM_THREADS": "9"}, [], 9, "ROBERTA_C_NUM_THREADS"),
        (8, 4.0, {"ROBERTA_C_NUM_THREADS": "9"}, ["--threads", "3"], 3, "num_threads"),
    ],
)
def test_what_decides_the_threads(
    run, facts_of, monkeypatch, affinity, quota, variables, arguments, number, chosen_by
):
    monkeypatch.setattr(threads, "affinity_count", lambda: affinity)
    monkeypatch.setattr(threads, "cgroup_quota", lambda: quota)
    monkeypatch.setattr(doctor, "_has_openmp", lambda: True)
    facts = facts_of(*arguments, **variables)["threads"]
    assert (facts["number"], facts["chosen_by"]) == (number, chosen_by)
    assert (facts["affinity"], facts["cgroup_quota"]) == (affinity, quota)
    shown = rows_of(run(*arguments, **variables).stdout)["Threads"]
    assert shown["number"] == f"{number} ({'--threads' if chosen_by == 'num_threads' else chosen_by})"
    assert shown["CPU affinity"] == f"{affinity} CPUs"
    if variables.get("OMP_NUM_THREADS") == "many":
        assert shown["OMP_NUM_THREADS"].startswith("ignored")


def test_a_build_without_openmp_has_one_thread(run, facts_of, monkeypatch):
    monkeypatch.setattr(doctor, "_has_openmp", lambda: False)
    monkeypatch.setattr(threads, "affinity_count", lambda: 8)
    facts = facts_of()["threads"]
    assert (facts["number"], facts["chosen_by"], facts["openmp"]) == (1, "build without OpenMP", False)
    assert rows_of(run().stdout)["Threads"]["OpenMP in this build"] == "no: one thread in effect"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity mask")
def test_affinity_in_a_process(environment):
    script = "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    script += "from roberta_c.cli.main import program; program(['doctor', '--format', 'json'])"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    facts = json.loads(done.stdout)["threads"]
    assert (facts["number"], facts["affinity"]) == (1, 1)


# ---- memory --------------------------------------------------------------------------------------------


@linux
def test_memory_is_the_systems(facts_of):
    memory = facts_of()["memory"]
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0.01 * total < memory["total_bytes"] <= 1.01 * total  # a container's files may tell of less
    assert 0 < memory["available_bytes"] <= memory["total_bytes"]
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert memory["peak_bytes"] >= 0.9 * resident_pages * os.sysconf("SC_PAGE_SIZE")


@linux
def test_peak_memory_is_our_own_and_grows_with_the_model(environment, tweet_sentiment_small):
    ballast = np.ones(1 << 26)  # 512 MiB, which a child's getrusage would count
    done = in_process(environment, "--model", tweet_sentiment_small, "--format", "json")
    facts = json.loads(done.stdout)
    assert facts["memory"]["peak_bytes"] < facts["model"]["peak_bytes"] < ballast.nbytes
    assert facts["model"]["peak_bytes"] > facts["memory"]["peak_bytes"] + 4_000_000  # its packed layers alone


# ---- versions, caches, environment -----------------------------------------------------------------------


def test_versions(facts_of):
    versions = facts_of()["versions"]
    assert versions["roberta_c"] == roberta_c.__version__
    assert versions["python"].startswith(platform.python_version())
    assert (versions["numpy"], versions["platform"]) == (np.__version__, platform.platform())
    for name in ("tokenizers", "huggingface_hub", "safetensors", "click"):
        assert versions[name] == importlib.metadata.version(name)


@pytest.mark.parametrize(
    ("variables", "arguments", "folder", "chosen_by"),
    [
        ({}, [], "home/.cache/huggingface/hub", "default"),
        ({"XDG_CACHE_HOME": "x"}, [], "x/huggingface/hub", "XDG_CACHE_HOME"),
        ({"XDG_CACHE_HOME": "x", "HF_HOME": "h"}, [], "h/hub", "HF_HOME"),
        ({"HF_HOME": "h", "HF_HUB_CACHE": "c"}, [], "c", "HF_HUB_CACHE"),
        ({"HF_HOME": "h"}, ["--cache-dir", "d"], "d", "cache_dir"),
    ],
)
def test_the_cache_in_effect(environment, tmp_path, variables, arguments, folder, chosen_by):
    """In processes, since the Hub's client reads its variables once."""
    placed = {name: str(tmp_path / value) for name, value in variables.items()}
    words = [str(tmp_path / word) if word == "d" else word for word in arguments]
    for exists in (False, True):
        done = in_process(environment, *words, "--format", "json", HOME=str(tmp_path / "home"), **placed)
        facts = json.loads(done.stdout)
        caches = facts["caches"]
        assert (caches["folder"], caches["chosen_by"]) == (str(tmp_path / folder), chosen_by)
        assert caches["exists"] is exists
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    assert {name: facts["environment"][name] for name in placed} == placed


def test_no_secret_is_shown(environment, tmp_path):
    home = tmp_path / "home"
    where = {"HF_HOME": str(home), "HOME": str(tmp_path)}
    sources = [
        ({"HF_TOKEN": SECRET}, [], "HF_TOKEN"),
        ({"HUGGING_FACE_HUB_TOKEN": SECRET, "HF_TOKEN": ""}, [], "HUGGING_FACE_HUB_TOKEN"),
        ({"HUGGING_FACE_HUB_TOKEN": SECRET, "HF_TOKEN": " "}, [], None),  # what the client sends then: none
        ({"HF_TOKEN": SECRET, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, [], None),
        ({}, ["--token", SECRET], "argument"),
        ({}, [], None),
        ({}, [], "stored"),
    ]
    for variables, words, source in sources:
        if source == "stored":
            home.mkdir()
            (home / "token").write_text(SECRET, encoding="utf-8")
        variables = {**where, **variables, "HF_ENDPOINT": f"https://me:a@{SECRET}@hub.example/"}
        for form in ("human", "json"):
            done = in_process(environment, *words, "--debug", "--format", form, **variables)
            assert done.returncode == 0, done.stderr
            assert SECRET not in done.stdout + done.stderr
        facts = json.loads(done.stdout)
        assert facts["caches"]["token"] == source
        assert facts["caches"]["endpoint"] == "https://…@hub.example"
        assert set(facts["environment"]) == {name for name in variables if name != "HOME"}


def test_no_secret_is_in_an_error(environment, tmp_path):
    endpoint = f"http://me:a@{SECRET}@127.0.0.1:9"
    done = in_process(
        environment, "--model", "org/name", "--format", "json", HF_HOME=str(tmp_path), HF_ENDPOINT=endpoint
    )
    assert done.returncode == 1
    assert "http://…@127.0.0.1:9" in json.loads(done.stdout)["problems"][0]
    assert SECRET not in done.stdout
    ours = [line for line in done.stderr.splitlines() if line.startswith("roberta-c: ")]
    assert len(ours) == 1
    assert SECRET not in ours[0]


def test_offline(environment):
    # In processes: the client reads its variable once.
    for words, variables, offline in (
        ([], {}, False),
        (["--offline"], {}, True),
        ([], {"HF_HUB_OFFLINE": "1"}, True),
    ):
        done = in_process(environment, *words, "--format", "json", **variables)
        assert json.loads(done.stdout)["caches"]["offline"] is offline


def test_bytes_that_are_no_text(environment, tmp_path):
    home = tmp_path / os.fsdecode(b"caf\xe9")
    done = in_process(environment, "--format", "json", HF_HOME=home)
    assert json.loads(done.stdout)["environment"]["HF_HOME"] == str(home)
    assert "caf\\udce9" in in_process(environment, HF_HOME=home).stdout


def test_the_bundled_model(run, facts_of, monkeypatch, tmp_path):
    def missing():
        raise ModelFileError("not there")

    monkeypatch.setattr(bundled, "bundled_model_path", missing)
    assert facts_of()["bundled_model"] is None
    assert rows_of(run().stdout)["Model"] == {"bundled": "missing"}
    monkeypatch.setattr(bundled, "bundled_model_path", lambda: tmp_path)
    assert facts_of()["bundled_model"] == str(tmp_path)
    assert rows_of(run().stdout)["Model"] == {"bundled": str(tmp_path)}


# ---- a model ---------------------------------------------------------------------------------------------


def test_what_a_model_is(examined, tweet_sentiment_small, run):
    model = examined.facts["model"]
    assert examined.errors == []
    config = json.loads((tweet_sentiment_small / "config.json").read_bytes())
    for name, value in model["config"].items():
        assert value == config[name], name
    assert model["position_limit"] == config["max_position_embeddings"] - config["pad_token_id"] - 1
    assert model["labels"] == ["negative", "neutral", "positive"]
    tensors = torch.load(tweet_sentiment_small / "pytorch_model.bin", weights_only=True)
    assert model["stored_values"] == sum(tensor.numel() for tensor in tensors.values())
    assert (model["format"], model["stored_dtypes"]) == ("torch-zip", ["float32", "int64"])
    assert [(file["part"], Path(file["path"]).name) for file in model["files"]] == [
        ("config", "config.json"),
        ("weights", "pytorch_model.bin"),
        ("tokenizer", "vocab.json"),
        ("tokenizer", "merges.txt"),
        ("tokenizer", "special_tokens_map.json"),
    ]
    for file in model["files"]:
        assert file["bytes"] == Path(file["path"]).stat().st_size
    assert model["tokenizer"] == {
        "class": "RobertaTokenizerFast",
        "route": "vocab.json + merges.txt",
        "vocab_size": config["vocab_size"],
    }
    assert model["load_report"]["unexpected"] == ["roberta.pooler.dense.weight", "roberta.pooler.dense.bias"]
    assert min(model["load_ms"].values()) > 0
    described = json.loads(
        CliRunner().invoke(program, ["describe", str(tweet_sentiment_small), "--format", "json"]).stdout
    )  # one description, two commands
    for name in ("class", "config", "labels", "load_report", "position_limit", "stored_dtypes"):
        assert model[name] == described[name]


def test_the_route_of_a_tokenizer_json(copied, facts_of):
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(copied)
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        (copied / name).unlink()
    tokenizer.save_pretrained(copied)
    facts = facts_of("--model", copied)
    assert facts["model"]["tokenizer"]["route"] == "tokenizer.json"
    parts = [Path(file["path"]).name for file in facts["model"]["files"] if file["part"] == "tokenizer"]
    assert parts == ["tokenizer.json", "tokenizer_config.json"]


def test_people_and_programs_read_the_same(run, facts_of, tweet_sentiment_small):
    facts = facts_of("--model", tweet_sentiment_small, "--threads", "1")
    result = run("--model", tweet_sentiment_small, "--threads", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = rows_of(result.stdout)
    expected = ["CPU", "Threads", "Memory", "Versions", "Caches", "Environment", "Model", "Check", "Problems"]
    assert list(shown) == expected
    assert shown["CPU"]["kernels"].startswith(f"{facts['cpu']['isa']} (best available")
    assert set(shown["CPU"]["has"].split()) == {name for name, has in facts["cpu"]["features"].items() if has}
    assert shown["Versions"] == {name: value or "missing" for name, value in facts["versions"].items()}
    assert shown["Memory"]["total"] == f"{facts['memory']['total_bytes'] / 2**30:.1f} GiB"
    assert shown["Caches"]["Hub files"].startswith(facts["caches"]["folder"])
    assert shown["Model"]["position limit"] == "512 tokens"
    for file in facts["model"]["files"]:
        assert shown["Model"][f"{file['part']}: {Path(file['path']).name}"].endswith(file["path"])
    assert shown["Check"]["token ids"].startswith(facts["check"]["token_digest"])
    assert shown["Check"]["logits"].startswith(facts["check"]["output_digest"])
    assert shown["Check"]["from the plain kernels"].endswith(": agrees")
    for row in facts["check"]["logits"]:
        assert " ".join(f"{value:12.6f}" for value in row) in result.stdout
    assert result.stdout.endswith("\n\nProblems\n  none\n")


# ---- what is wrong ---------------------------------------------------------------------------------------


def assert_wrong(run, part, *arguments, **variables):
    """Exit code 1, one line of error with `part`, and the machine's facts all the same. Returns all facts."""
    shown = run(*arguments, **variables)
    assert shown.exit_code == 1
    assert "CPU\n" in shown.stdout
    assert "\n\nProblems\n  none" not in shown.stdout
    result = run(*arguments, "--format", "json", **variables)
    assert result.exit_code == 1
    assert result.stderr.startswith("roberta-c: error: ")
    assert result.stderr.count("\n") == 1
    assert part in result.stderr
    assert result.stderr == shown.stderr
    facts = json.loads(result.stdout)
    assert facts["versions"]["roberta_c"] == roberta_c.__version__
    assert result.stderr == f"roberta-c: error: {facts['problems'][0]}\n"
    assert facts["problems"][0] in shown.stdout
    return facts


def test_a_damaged_model(run, copied, tmp_path):
    assert_wrong(run, "no such folder", "--model", tmp_path / "missing")
    config, weights = copied / "config.json", copied / "pytorch_model.bin"
    whole = config.read_bytes()
    config.write_bytes(whole[:-5])
    assert_wrong(run, str(config), "--model", copied)
    config.write_bytes(whole)
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    facts = assert_wrong(run, str(weights), "--model", copied)
    assert (facts["examined"], facts["model"], facts["check"]) == (str(copied), None, None)
    assert f"  {copied}  not loaded" in run("--model", copied).stdout


def test_a_model_without_a_tokenizer(run, copied):
    (copied / "merges.txt").unlink()
    facts = assert_wrong(run, "no tokenizer file", "--model", copied)
    assert (facts["model"]["position_limit"], facts["model"]["tokenizer"], facts["check"]) == (
        512,
        None,
        None,
    )
    assert rows_of(run("--model", copied).stdout)["Check"] == {"result": "not done: see the problems"}


def test_variables_that_are_wrong(run, tweet_sentiment_small):
    facts = assert_wrong(run, "ROBERTA_C_ISA: found 'sse9'", ROBERTA_C_ISA="sse9")
    assert (facts["cpu"]["isa"], facts["cpu"]["isa_chosen_by"]) == (None, "ROBERTA_C_ISA")
    assert facts["cpu"]["available_isas"] == list(available_isas())
    facts = assert_wrong(run, "ROBERTA_C_NUM_THREADS: found 'few'", ROBERTA_C_NUM_THREADS="few")
    assert (facts["threads"]["number"], facts["threads"]["ROBERTA_C_NUM_THREADS"]) == (None, "few")
    # The model's loading fails by the same, which is told once.
    assert_wrong(run, "found 'sse9'", "--model", tweet_sentiment_small, ROBERTA_C_ISA="sse9")
    assert_wrong(run, "num_threads: found 5000", "--model", tweet_sentiment_small, "--threads", "5000")
    both = run(ROBERTA_C_ISA="sse9", ROBERTA_C_NUM_THREADS="few")
    assert (both.exit_code, both.stderr.count("\n")) == (1, 2)


def test_debug_shows_where(run, tmp_path):
    result = run("--model", tmp_path / "missing", "--debug")
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback (most recent call last)")
    assert result.stderr.splitlines()[-1].startswith("roberta-c: error: ")


def test_kernels_that_compute_something_else(run, copied, monkeypatch):
    """The oracle is given other weights, so that the kernels disagree with it."""
    other = copied.parent / "other"
    shutil.copytree(copied, other)
    weights = torch.load(other / "pytorch_model.bin", weights_only=True)
    weights["classifier.out_proj.bias"][0] += 1e-3
    torch.save(weights, other / "pytorch_model.bin")
    model_class = roberta_c.RobertaForSequenceClassification
    load = model_class.from_pretrained

    def spoilt(path, **options):
        return load(other if options.get("isa") == "reference" else path, **options)

    monkeypatch.setattr(model_class, "from_pretrained", spoilt)
    facts = assert_wrong(run, "kernels and the plain ones differ: found 1.0e-03", "--model", copied)
    assert facts["check"]["agrees"] is False
    assert facts["check"]["largest_difference"] == pytest.approx(1e-3, rel=0.01)
    assert "DISAGREES" in run("--model", copied).stdout


def test_weights_that_are_no_numbers(run, copied):
    weights = torch.load(copied / "pytorch_model.bin", weights_only=True)
    weights["classifier.out_proj.bias"][1] = float("nan")
    torch.save(weights, copied / "pytorch_model.bin")
    facts = assert_wrong(run, "found logits that are not finite", "--model", copied)
    assert (facts["check"]["finite"], facts["check"]["largest_difference"]) == (False, None)
    assert [row[1] for row in facts["check"]["logits"]] == [None] * len(facts["check"]["texts"])
    assert "   no number" in run("--model", copied).stdout


def test_what_nobody_foresaw_hides_nothing_else(run, monkeypatch):
    def broken():
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(doctor, "version_facts", broken)
    result = run("--format", "json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert (facts["versions"], facts["problems"]) == (None, ["unexpected ZeroDivisionError: by zero"])
    assert facts["memory"]["total_bytes"] > 0
    assert "Versions" not in run().stdout


def test_the_machine_is_told_before_the_model_is_touched(run, monkeypatch, tweet_sentiment_small):
    """What ends the process while loading (no memory, an illegal instruction) must leave the facts behind."""

    def killed(*arguments, **options):
        raise SystemExit(9)

    monkeypatch.setattr(doctor, "_open", killed)
    result = run("--model", tweet_sentiment_small)
    assert result.exit_code == 9
    assert list(rows_of(result.stdout))[:2] == ["CPU", "Threads"]


# ---- as a function and as a process ------------------------------------------------------------------------


def test_as_a_function(tweet_sentiment_small, tmp_path):
    facts = diagnose().facts
    assert (facts["model"], facts["examined"]) == (None, None)
    json.dumps(facts, allow_nan=False)
    diagnosis = diagnose(tmp_path / "missing", local_files_only=True)
    assert len(diagnosis.errors) == len(diagnosis.facts["problems"]) == 1
    assert type(diagnose(num_threads=0).errors[0]) is InputError


def test_in_a_process(environment, tweet_sentiment_small, examined):
    done = in_process(environment, "--model", tweet_sentiment_small, "--threads", "1", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    for name in ("token_digest", "output_digest", "logits", "largest_difference"):
        assert facts["check"][name] == examined.facts["check"][name]


def test_without_a_model_nothing_heavy_is_loaded(environment):
    script = (
        "import sys; from roberta_c.cli.main import program\n"
        "assert program.main(['doctor'], standalone_mode=False) == 0\n"
        "heavy = {'tokenizers', 'torch', 'roberta_c.model'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)
