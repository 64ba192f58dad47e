"""Limits that a container, a shell or a scheduler puts on a process: real ones, each on its own process."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest
from samples.kernels import in_a_process

from roberta_c.files.bundled import bundled_model_path

pytestmark = [
    pytest.mark.unsanitized,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are those of Linux"),
]

CHOSEN = "from roberta_c.machine.threads import chosen_num_threads; print(*chosen_num_threads())"
UNSET = {"ROBERTA_C_NUM_THREADS": "", "OMP_NUM_THREADS": ""}


@contextlib.contextmanager
def cpu_group(quota: float):
    """A new control group with a quota of CPUs, below this process's; the file that takes its members."""
    membership = Path("/proc/self/cgroup").read_text().splitlines()
    groups = {
        name: path
        for _, names, path in (line.split(":", 2) for line in membership)
        for name in names.split(",")
    }
    if "cpu" in groups:
        group = Path("/sys/fs/cgroup/cpu", groups["cpu"].lstrip("/"), f"roberta-c-{os.getpid()}")
        files = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": f"{quota * 100000:.0f}"}
    else:
        group = Path("/sys/fs/cgroup", groups.get("", "/").lstrip("/"), f"roberta-c-{os.getpid()}")
        files = {"cpu.max": f"{quota * 100000:.0f} 100000"}
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"this process may not make control groups: {error.strerror}")
    try:
        for name, content in files.items():
            (group / name).write_text(content)
        yield group / "cgroup.procs"
    except FileNotFoundError:
        pytest.skip("this control group has no CPU controller")
    finally:
        group.rmdir()


@pytest.mark.parametrize(("quota", "expected"), [(0.5, "1 cgroup quota"), (1.0, "1 cgroup quota")])
def test_a_real_quota_of_cpus_is_the_number_of_threads(quota, expected):
    with cpu_group(quota) as members:
        join = f"open({str(members)!r}, 'w').write('0'); "
        done = in_a_process("-c", join + CHOSEN, **UNSET)
    if len(os.sched_getaffinity(0)) == 1:
        expected = "1 CPU affinity"
    assert done.stdout == f"{expected}\n", done.stderr


def test_taskset_is_the_number_of_threads():
    cpu = min(os.sched_getaffinity(0))
    done = in_a_process("-c", f"import os; os.sched_setaffinity(0, {{{cpu}}}); {CHOSEN}", **UNSET)
    assert done.stdout == "1 CPU affinity\n", done.stderr


def test_without_room_for_threads_an_answer_is_right_or_a_resource_error(tmp_path):
    """RLIMIT_NPROC does not bind root, so the process becomes nobody once its callers run."""
    program = """
import os, resource, sys, threading
from pathlib import Path
from process.small_model import answer, load_small_model
from roberta_c.errors import ResourceError
model = load_small_model(Path(sys.argv[1]), num_threads=8)
alone = load_small_model(Path(sys.argv[1]), num_threads=1)
expected = [answer(alone, number) for number in range(4)]
together, answers = threading.Barrier(5), [[] for _ in expected]
def call(number):
    together.wait()
    for _ in range(5):
        try:
            answers[number].append(answer(model, number) == expected[number])
        except ResourceError:
            answers[number].append(True)
callers = [threading.Thread(target=call, args=(number,)) for number in range(4)]
for caller in callers:
    caller.start()
if os.getuid() == 0:
    os.setresuid(65534, 65534, 65534)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
together.wait()
for caller in callers:
    caller.join()
assert answers == [[True] * 5] * 4, "other bits, or another error"
print("done")
"""
    done = in_a_process("-c", program, str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-2000:]


@pytest.mark.parametrize("mebibytes", [150, 200, 250, 300, 500])
def test_little_address_space_gives_an_answer_or_one_line(mebibytes):
    """Below 150 MiB numpy's own OpenBLAS ends the process while it is imported."""
    limit = mebibytes << 20
    program = f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
sys.argv[1:] = ["classify", "I love this!", "--model", {os.fspath(bundled_model_path())!r}]
runpy.run_module("roberta_c", run_name="__main__")
"""
    done = in_a_process("-c", program, ROBERTA_C_NUM_THREADS="2")
    if done.returncode == 0:
        assert '"label": "positive"' in done.stdout
    else:
        assert done.returncode == 1, done.stderr[-2000:]
        assert done.stderr.count("\n") == 1, done.stderr[-2000:]
        assert done.stderr.startswith("roberta-c: error: ")


def test_openmps_stack_size_does_not_matter():
    """With stacks of 100 GiB GCC's OpenMP library ends the process; the package starts its own threads."""
    code = (
        "import roberta_c; "
        "model = roberta_c.AutoModel.from_pretrained(roberta_c.bundled_model_path(), num_threads=2); "
        "print(model([[0, 5, 2] * 40]).last_hidden_state[0].shape)"
    )
    done = in_a_process("-c", code, OMP_STACKSIZE="100G", GOMP_STACKSIZE="104857600", **UNSET)
    assert done.stdout.startswith("(120, "), done.stderr
