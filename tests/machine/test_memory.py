"""Memory that is left: of the machine, the container and the address space, the least of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from samples.command_line import PACKAGE_PARENT

from roberta_c.errors import ResourceError
from roberta_c.machine import memory
from roberta_c.machine.memory import SURELY_FITTING, check_memory, fits, free_memory


@pytest.fixture
def proc(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "proc/meminfo").write_text(
        "MemTotal:       9000 kB\nMemAvailable:   5000 kB\nSwapFree:       1000 kB\n"
    )
    (tmp_path / "cgroup").mkdir()
    return tmp_path / "proc"


def test_the_least_counts(proc):
    cgroups = proc.parent / "cgroup"
    assert free_memory(proc, cgroups) == 6000 * 1024
    (cgroups / "memory.max").write_text("5000")
    (cgroups / "memory.current").write_text("1000")
    assert free_memory(proc, cgroups) == 4000


def test_a_system_that_tells_little(tmp_path, monkeypatch):
    assert free_memory(tmp_path, tmp_path) > SURELY_FITTING  # all memory of the machine
    monkeypatch.delattr(memory.os, "sysconf_names", raising=False)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert free_memory(tmp_path, tmp_path) == 2**60


@pytest.mark.skipif(sys.platform != "linux", reason="the size of the process is read from /proc")
def test_the_address_space_counts():
    script = (
        "import resource, roberta_c.machine.memory as memory\n"
        "limit = 1 << 30\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "assert 0 < memory.free_memory() < limit\n"
        "assert not memory.fits(limit)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": PACKAGE_PARENT})


def test_little_is_taken_without_a_look(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 10)
    assert fits(SURELY_FITTING)
    assert not fits(SURELY_FITTING + 1)
    check_memory(SURELY_FITTING, "x", "small")
    with pytest.raises(ResourceError) as caught:
        check_memory(SURELY_FITTING + 1, "x", "shape (9, 9)")
    expected = (
        "x: found shape (9, 9), 268,435,457 bytes in memory, expected at most 10 bytes, the free memory"
    )
    assert str(caught.value) == expected
