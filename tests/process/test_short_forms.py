"""Short forms of the programs in this folder; the make targets `processes` and `soak` run the long ones."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from samples.kernels import in_a_process
from samples.requirements import missing

pytestmark = [
    pytest.mark.unsanitized,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and reads /proc"),
]


def run(program: str, *arguments: object, **environment: str) -> str:
    """The last line that a program of this folder prints."""
    done = in_a_process("-m", f"process.{program}", *map(str, arguments), timeout=120, **environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_children_compute_the_same_while_their_parent_computes():
    assert run("forks", 30).startswith("30 forks")


def test_64_threads_get_the_bits_of_one_and_memory_stays():
    assert "by 64 threads" in run("callers", 3)


def test_memory_files_and_threads_stay_over_many_texts():
    assert run("soak", 2 / 3600, 2).endswith(" 0 wrong")


def compiled(name: str, folder: Path) -> str:
    """A C file of this folder as a library."""
    compiler = shutil.which("cc")
    if compiler is None:
        missing("no C compiler")
    library = str(folder / f"{name}.so")
    source = str(Path(__file__).with_name(f"{name}.c"))
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", source, "-o", library], check=True)
    return library


@pytest.mark.untraced
def test_python_without_memory_raises_and_a_loaded_model_stays_right(tmp_path):
    pytest.importorskip("_testcapi", reason="this Python has no set_nomemory")
    assert "MemoryError" in run("allocations", "python", compiled("crash_place", tmp_path), 40)


@pytest.mark.untraced
def test_c_without_memory_raises_and_a_loaded_model_stays_right(tmp_path):
    library = compiled("failing_malloc", tmp_path)
    assert "Error" in run("allocations", "c", compiled("crash_place", tmp_path), 40, LD_PRELOAD=library)
