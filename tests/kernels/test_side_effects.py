"""What kernels leave alone: memory beside their arrays, and the state of the process."""

from __future__ import annotations

import pytest
from samples.kernels import in_a_process

pytestmark = pytest.mark.unsanitized


def test_no_kernel_touches_a_byte_beside_its_arrays():
    """Arrays end, then begin, at pages without access: the process would die of a stray read or write."""
    done = in_a_process("-m", "samples.guard_pages")
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[0]) > 500
    assert in_a_process("-m", "samples.guard_pages", "touch").returncode < 0


SIDE_EFFECTS = r"""
import ctypes, locale, os, re, signal, sys

import numpy

def float_control():
    # glibc's fenv_t on x86-64: 28 bytes of x87 state, then MXCSR, whose low six bits are sticky flags.
    environment = (ctypes.c_uint32 * 64)()
    ctypes.CDLL(None).fegetenv(environment)
    return environment[7] & ~0x3F if os.uname().machine == "x86_64" else ctypes.CDLL(None).fegetround()

def state():
    status = open("/proc/self/status").read() if os.path.exists("/proc/self/status") else ""
    return {
        "float control": float_control(),
        "rounding": ctypes.CDLL(None).fegetround(),
        "denormals": 1e-323 != 0.0 and numpy.float32(1e-45) * numpy.float32(1) != 0,
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "signals in C": re.findall(r"Sig(?:Blk|Ign|Cgt):\s*(\w+)", status),
        "environment": dict(os.environ),
        "affinity": os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "recursion": sys.getrecursionlimit(),
    }

before = state()
import roberta_c
from roberta_c.kernels import Kernels, Workspace, available_isas
assert state() == before, "changed by import"

from samples.kernels import random_layer, starts_of
rng = numpy.random.default_rng(0)
for isa in available_isas():
    kernels = Kernels(isa)
    layer = random_layer(kernels, rng, 24, 2, 40)
    x = rng.standard_normal((64, 24)).astype(numpy.float32)
    for threads in (1, 3):
        kernels.encoder_layer(layer, x, starts_of([40, 24]), Workspace(), num_threads=threads)
        # 2^-140 is a denormal; it must survive on every thread that computes some of the rows.
        tiny = numpy.full((64, 1), 2.0**-70, numpy.float32)
        product = kernels.linear(tiny, kernels.pack_linear([tiny]), num_threads=threads)
        assert (product == 2.0**-140).all(), f"denormals lost by {isa} with {threads} threads"
    assert state() == before, f"changed by {isa}"
"""


FLUSHING_HOST = """
import numpy, torch
from roberta_c.kernels import Kernels, available_isas
assert torch.set_flush_denormal(True)
tiny = numpy.full((64, 1), 2.0**-70, numpy.float32)
for isa in available_isas():
    kernels = Kernels(isa)
    for threads in (1, 3):
        product = kernels.linear(tiny, kernels.pack_linear([tiny]), num_threads=threads)
        assert (product.view(numpy.uint32) == 1 << 9).all(), f"2^-140 flushed by {isa} with {threads} threads"
assert (torch.tensor([1e-30]) * torch.tensor([1e-12])).item() == 0.0, "the host's own setting was lost"
"""


def test_a_host_that_flushes_denormals_changes_no_bits():
    done = in_a_process("-c", FLUSHING_HOST)
    assert done.returncode == 0, done.stderr


def test_process_state_is_the_same_after_import_and_calls():
    done = in_a_process("-c", SIDE_EFFECTS)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (done.stdout, done.stderr) == ("", "")
