"""`roberta-c doctor`: each fact about the machine against another source of it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from samples.command_line import sections_of

import roberta_c
from roberta_c.diagnose import doctor
from roberta_c.diagnose.doctor import diagnose
from roberta_c.errors import InputError, ModelFileError
from roberta_c.files import bundled
from roberta_c.kernels import Kernels, available_isas, cpu_features
from roberta_c.machine import threads

linux = pytest.mark.skipif(sys.platform != "linux", reason="compares with files of Linux")
SECRET = "hf_0123456789abcdefghij"


# ---- CPU ---------------------------------------------------------------------------------------------


@linux
@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs the features of an x86 CPU")
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
    if has:  # kernels are available only with the features that they need
        assert has["avx2"] or "avx2" not in cpu["available_isas"]
        assert has["avx512f"] or "avx512" not in cpu["available_isas"]
    assert (cpu["architecture"], cpu["count"]) == (platform.machine(), os.cpu_count())


@pytest.mark.parametrize("isa", [*available_isas(), "reference"])
def test_the_isa_is_the_variables(facts_of, isa):
    cpu = facts_of(ROBERTA_C_ISA=isa)["cpu"]
    assert (cpu["isa"], cpu["isa_chosen_by"]) == (isa, "ROBERTA_C_ISA")


# ---- threads -----------------------------------------------------------------------------------------


@linux
def test_threads_as_this_process_may_run(facts_of, monkeypatch):
    monkeypatch.setattr(doctor, "_has_threads", lambda: True)
    facts = facts_of()["threads"]
    assert facts["affinity"] == len(os.sched_getaffinity(0))
    assert facts["number"] == threads.chosen_num_threads()[0]
    assert facts["argument"] is facts["ROBERTA_C_NUM_THREADS"] is facts["OMP_NUM_THREADS"] is None


@pytest.mark.parametrize(
    ("affinity", "quota", "variables", "arguments", "number", "chosen_by"),
    [
        (8, None, {}, [], 8, "CPU affinity"),
        (8, 2.5, {}, [], 3, "cgroup quota"),
        (8, 8.0, {}, [], 8, "CPU affinity"),
        (8, 4.0, {"OMP_NUM_THREADS": "2,1"}, [], 2, "OMP_NUM_THREADS"),
        (8, 4.0, {"OMP_NUM_THREADS": "many"}, [], 4, "cgroup quota"),
        (5000, None, {}, [], 1024, "this package's limit"),
        (8, 8.0, {"OMP_NUM_THREADS": "2", "ROBERTA_C_NUM_THREADS": "7"}, [], 7, "ROBERTA_C_NUM_THREADS"),
        (8, 4.0, {"ROBERTA_C_NUM_THREADS": "7"}, ["--threads", "3"], 3, "num_threads"),
    ],
)
def test_what_decides_the_threads(
    run, facts_of, monkeypatch, affinity, quota, variables, arguments, number, chosen_by
):
    monkeypatch.setattr(threads, "affinity_count", lambda: affinity)
    monkeypatch.setattr(threads, "cgroup_quota", lambda: quota)
    monkeypatch.setattr(doctor, "_has_threads", lambda: True)
    facts = facts_of(*arguments, **variables)["threads"]
    assert (facts["number"], facts["chosen_by"]) == (number, chosen_by)
    assert (facts["affinity"], facts["cgroup_quota"]) == (affinity, quota)
    shown = sections_of(run(*arguments, **variables).stdout)["Threads"]
    assert shown["number"] == f"{number} ({'--threads' if chosen_by == 'num_threads' else chosen_by})"
    assert shown["CPU affinity"] == f"{affinity} CPUs"
    if variables.get("OMP_NUM_THREADS") == "many":
        assert shown["OMP_NUM_THREADS"].startswith("ignored")


def test_a_build_without_threads_has_one_thread(run, facts_of, monkeypatch):
    monkeypatch.setattr(doctor, "_has_threads", lambda: False)
    monkeypatch.setattr(threads, "affinity_count", lambda: 8)
    facts = facts_of()["threads"]
    assert (facts["number"], facts["chosen_by"], facts["threads_in_build"]) == (
        1,
        "build without threads",
        False,
    )
    assert sections_of(run().stdout)["Threads"]["threads in this build"] == "no: one thread is used"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity mask")
def test_affinity_in_a_process(environment):
    script = "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    script += "from roberta_c.cli.main import program; program(['doctor', '--format', 'json'])"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    facts = json.loads(done.stdout)["threads"]
    assert (facts["number"], facts["affinity"]) == (1, 1)


# ---- memory ------------------------------------------------------------------------------------------


@linux
def test_memory_is_the_systems(facts_of):
    memory = facts_of()["memory"]
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0.01 * total < memory["total_bytes"] <= 1.01 * total  # in a container the files may show less
    assert 0 < memory["available_bytes"] <= memory["total_bytes"]
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert memory["peak_bytes"] >= 0.9 * resident_pages * os.sysconf("SC_PAGE_SIZE")


@linux
def test_peak_memory_is_our_own_and_grows_with_the_model(in_process, tweet_sentiment_small):
    ballast = np.ones(1 << 26)  # 512 MiB, which getrusage of a child process would include
    done = in_process("--model", tweet_sentiment_small, "--format", "json")
    facts = json.loads(done.stdout)
    assert facts["memory"]["peak_bytes"] < facts["model"]["peak_bytes"] < ballast.nbytes
    assert (
        facts["model"]["peak_bytes"] > facts["memory"]["peak_bytes"] + 4_000_000
    )  # at least the packed layers


# ---- versions, caches, environment -------------------------------------------------------------------


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
def test_the_cache_in_effect(environment, tmp_path, variables, arguments, folder, chosen_by, in_process):
    """In processes, because the Hub's client reads its variables only once."""
    placed = {name: str(tmp_path / value) for name, value in variables.items()}
    words = [str(tmp_path / word) if word == "d" else word for word in arguments]
    for exists in (False, True):
        done = in_process(*words, "--format", "json", HOME=str(tmp_path / "home"), **placed)
        facts = json.loads(done.stdout)
        caches = facts["caches"]
        assert (caches["folder"], caches["chosen_by"]) == (str(tmp_path / folder), chosen_by)
        assert caches["exists"] is exists
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    assert {name: facts["environment"][name] for name in placed} == placed


def test_no_secret_is_shown(environment, tmp_path, in_process):
    home = tmp_path / "home"
    where = {"HF_HOME": str(home), "HOME": str(tmp_path)}
    sources = [
        ({"HF_TOKEN": SECRET}, [], "HF_TOKEN"),
        ({"HUGGING_FACE_HUB_TOKEN": SECRET, "HF_TOKEN": ""}, [], "HUGGING_FACE_HUB_TOKEN"),
        (
            {"HUGGING_FACE_HUB_TOKEN": SECRET, "HF_TOKEN": " "},
            [],
            None,
        ),  # with a blank token the client sends none
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
            done = in_process(*words, "--debug", "--format", form, **variables)
            assert done.returncode == 0, done.stderr
            assert SECRET not in done.stdout + done.stderr
        facts = json.loads(done.stdout)
        assert facts["caches"]["token"] == source
        assert facts["caches"]["endpoint"] == "https://…@hub.example"
        assert set(facts["environment"]) == {name for name in variables if name != "HOME"}


def test_no_secret_is_in_an_error(in_process, tmp_path):
    endpoint = f"http://me:a@{SECRET}@127.0.0.1:9"
    done = in_process("--model", "org/name", "--format", "json", HF_HOME=str(tmp_path), HF_ENDPOINT=endpoint)
    assert done.returncode == 1
    assert "http://…@127.0.0.1:9" in json.loads(done.stdout)["problems"][0]
    assert SECRET not in done.stdout
    ours = [line for line in done.stderr.splitlines() if line.startswith("roberta-c: ")]
    assert len(ours) == 1
    assert SECRET not in ours[0]


def test_offline(in_process):
    # In processes, because the client reads its variable only once.
    for words, variables, offline in (
        ([], {}, False),
        (["--offline"], {}, True),
        ([], {"HF_HUB_OFFLINE": "1"}, True),
    ):
        done = in_process(*words, "--format", "json", **variables)
        assert json.loads(done.stdout)["caches"]["offline"] is offline


def test_bytes_that_are_no_text(environment, tmp_path, in_process):
    home = tmp_path / os.fsdecode(b"caf\xe9")
    done = in_process("--format", "json", HF_HOME=home)
    assert json.loads(done.stdout)["environment"]["HF_HOME"] == str(home)
    assert "caf\\udce9" in in_process(HF_HOME=home).stdout


def test_the_bundled_model(run, facts_of, monkeypatch, tmp_path):
    def missing():
        raise ModelFileError("not there")

    monkeypatch.setattr(bundled, "bundled_model_path", missing)
    assert facts_of()["bundled_model"] is None
    assert sections_of(run().stdout)["Model"] == {"bundled": "missing"}
    monkeypatch.setattr(bundled, "bundled_model_path", lambda: tmp_path)
    assert facts_of()["bundled_model"] == str(tmp_path)
    assert sections_of(run().stdout)["Model"] == {"bundled": str(tmp_path)}


# ---- as a function -----------------------------------------------------------------------------------


def test_as_a_function(tweet_sentiment_small, tmp_path):
    facts = diagnose().facts
    assert (facts["model"], facts["examined"]) == (None, None)
    json.dumps(facts, allow_nan=False)
    diagnosis = diagnose(tmp_path / "missing", local_files_only=True)
    assert len(diagnosis.errors) == len(diagnosis.facts["problems"]) == 1
    assert type(diagnose(num_threads=0).errors[0]) is InputError
