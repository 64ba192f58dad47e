"""Limits of control groups, read from files like those of Linux."""

from __future__ import annotations

import os

import pytest

from roberta_c.machine.cgroups import cgroup_free_memory, cgroup_memory_limit, cgroup_quota


@pytest.fixture
def groups(tmp_path):
    """`groups(membership, files)` writes these files; returns the two paths for the tested functions."""

    def groups(membership, files):
        root = tmp_path / "cgroup"
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(os.fsencode(content))
        if membership is not None:
            (tmp_path / "membership").write_bytes(os.fsencode(membership))
        return root, tmp_path / "membership"

    return groups


QUOTAS = {
    "v2 two CPUs": (None, {"cpu.max": "200000 100000\n"}, 2.0),
    "v2 half a CPU": (None, {"cpu.max": "50000 100000\n"}, 0.5),
    "v2 no limit": (None, {"cpu.max": "max 100000\n"}, None),
    "v2 empty": (None, {"cpu.max": ""}, None),
    "v2 one word": (None, {"cpu.max": "200000\n"}, None),
    "v2 not numbers": (None, {"cpu.max": "many few\n"}, None),
    "v2 no period": (None, {"cpu.max": "200000 0\n"}, None),
    "v2 bytes": (None, {"cpu.max": "\udcff\udcfe\0"}, None),
    "v1 three CPUs": (None, {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3.0),
    "v1 no limit": (None, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    "v1 no period": (None, {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "0\n"}, None),
    "v1 half of it": (None, {"cpu/cpu.cfs_quota_us": "300000\n"}, None),
    "v1 not numbers": (None, {"cpu/cpu.cfs_quota_us": "x\n", "cpu/cpu.cfs_period_us": "y\n"}, None),
    "both, the least": (
        None,
        {"cpu.max": "max 100000", "cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"},
        1.0,
    ),
    "v2 group": ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
    "v2 the least": ("0::/a/b\n", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "150000 100000"}, 1.5),
    "v2 another group": ("0::/a/b\n", {"a/c/cpu.max": "150000 100000"}, None),
    "v1 group": (
        "4:memory:/m\n3:cpu,cpuacct:/a\n",
        {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"},
        0.5,
    ),
    "neither": (None, {}, None),
}


@pytest.mark.parametrize("case", QUOTAS)
def test_cgroup_quota(groups, case):
    membership, files, expected = QUOTAS[case]
    assert cgroup_quota(*groups(membership, files)) == expected


LIMITS = {
    "v2 own mount": ("0::/\n", {"memory.max": "1000\n"}, 1000),
    "v2 none": ("0::/\n", {"memory.max": "max\n"}, None),
    "v2 group": ("0::/a/b\n", {"a/b/memory.max": "500\n", "a/memory.max": "700\n"}, 500),
    "v2 group above": ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "700\n"}, 700),
    "v2 another group": ("0::/a/b\n", {"a/c/memory.max": "700\n"}, None),
    "v2 group outside": ("0::/../x\n", {"memory.max": "900\n", "x/memory.max": "1\n"}, 900),
    "v1 group": (
        "9:cpu,memory:/a\n0::/\n",
        {"memory/a/memory.limit_in_bytes": "300\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"},
        300,
    ),
    "v1 no limit": ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    "v1 other controller": ("4:cpu:/a\n", {"memory/a/memory.limit_in_bytes": "300\n"}, None),
    "not a number": ("0::/\n", {"memory.max": "9" * 5000}, None),
    "odd bytes": ("0::/\udcff\nnonsense\n\n", {"memory.max": "\udcff\n"}, None),
    "no membership": (None, {"memory.max": "1000\n"}, 1000),
    "nothing": (None, {}, None),
}


@pytest.mark.parametrize("case", LIMITS)
def test_cgroup_memory_limit(groups, case):
    membership, files, expected = LIMITS[case]
    assert cgroup_memory_limit(*groups(membership, files)) == expected


PAGES = "anon 600\ninactive_file 40\nactive_file 30\n"
FREE = {
    "v2": (None, {"memory.max": "1000", "memory.current": "700", "memory.stat": PAGES}, 370),
    "v2 the least": (
        "0::/a/b\n",
        {"a/b/memory.max": "9", "a/b/memory.current": "1", "a/memory.max": "9", "a/memory.current": "4"},
        5,
    ),
    "v1": (
        "4:memory:/\n",
        {
            "memory/memory.limit_in_bytes": "1000",
            "memory/memory.usage_in_bytes": "700",
            "memory/memory.stat": "inactive_file 1\nactive_file 1\ntotal_inactive_file 70\n",
        },
        370,
    ),
    "v1 no limit": (
        None,
        {"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "700"},
        None,
    ),
    "more than the limit": (None, {"memory.max": "1000", "memory.current": "1100"}, 0),
    "no limit": (None, {"memory.max": "max", "memory.current": "700"}, None),
    "use unknown": (None, {"memory.max": "1000"}, None),
}


@pytest.mark.parametrize("case", FREE)
def test_cgroup_free_memory(groups, case):
    membership, files, expected = FREE[case]
    assert cgroup_free_memory(*groups(membership, files)) == expected


def test_a_system_without_control_groups(tmp_path):
    assert cgroup_quota(tmp_path / "nowhere", tmp_path / "nothing") is None
    assert cgroup_memory_limit(tmp_path / "nowhere", tmp_path / "nothing") is None
    (tmp_path / "cpu.max").mkdir()
    assert cgroup_quota(tmp_path, tmp_path / "nothing") is None


def test_this_process():
    assert cgroup_quota() is None or cgroup_quota() > 0
    assert cgroup_memory_limit() is None or cgroup_memory_limit() > 0
