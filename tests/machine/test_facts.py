"""Facts about the machine, from files and variables that the tests make."""

from __future__ import annotations

import platform

from roberta_c.machine import facts
from roberta_c.machine.facts import cpu_model, environment_facts, memory_facts, version_facts


def test_the_cpus_name(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel\t\t: 2\nmodel name\t: Some CPU @ 3 GHz \n", encoding="utf-8")
    assert cpu_model(file) == "Some CPU @ 3 GHz"
    file.write_bytes(b"processor\t: 0\nFeatures\t: fp asimd\n\nModel\t\t: Some Board \xff\n")
    assert cpu_model(file).startswith("Some Board")
    file.write_text("processor\t: 0\nmodel name\t:\n", encoding="utf-8")
    assert cpu_model(file) == cpu_model(tmp_path / "missing") == (platform.processor() or platform.machine())


def test_memory_where_the_files_are_missing(tmp_path):
    found = memory_facts(tmp_path, tmp_path)
    assert found["total_bytes"] == memory_facts()["total_bytes"]
    assert (found["available_bytes"], found["cgroup_limit_bytes"]) == (None, None)
    assert found["peak_bytes"] > 1 << 20


def test_a_missing_package(monkeypatch):
    monkeypatch.setattr(facts, "PACKAGES", ("no-such-package",))
    assert version_facts()["no-such-package"] is None


def test_the_environment():
    variables = {
        "ROBERTA_C_ISA": "avx2", "OMP_NUM_THREADS": "2", "OMP_PROC_BIND": "close", "HF_TOKEN": "a",
        "HF_TOKEN_PATH": "/t", "HF_X_SECRET": "b", "PATH": "/bin", "XDG_CACHE_HOME": "/c", "MY_HF_TOKEN": "d",
    }  # fmt: skip
    assert environment_facts(variables) == {
        "HF_TOKEN": "set, not shown",
        "HF_TOKEN_PATH": "/t",
        "HF_X_SECRET": "set, not shown",
        "OMP_NUM_THREADS": "2",
        "OMP_PROC_BIND": "close",
        "ROBERTA_C_ISA": "avx2",
        "XDG_CACHE_HOME": "/c",
    }
