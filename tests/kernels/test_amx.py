"""AMX's registers, which Linux gives to a process that asks: threads, forks, refusals."""

from __future__ import annotations

import pytest
from samples.kernels import in_a_process

from roberta_c.kernels import available_isas

pytestmark = [
    pytest.mark.unsanitized,
    pytest.mark.skipif("amx" not in available_isas(), reason="this CPU, system or build has no AMX"),
]

PREPARED = r"""
import ctypes, os, threading

import numpy as np

libc = ctypes.CDLL(None, use_errno=True)
ARCH_GET_XCOMP_PERM, XTILEDATA, SYS_arch_prctl = 0x1022, 1 << 18, 158


def is_granted():
    mask = ctypes.c_uint64()
    assert libc.syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, ctypes.byref(mask)) == 0
    return bool(mask.value & XTILEDATA)


def product(kernels, dtype="bfloat16"):
    rng = np.random.default_rng(0)
    w, x = (rng.standard_normal(shape).astype(np.float32) for shape in ((50, 130), (40, 130)))
    return kernels.linear(x, kernels.pack_linear([w], dtype=dtype)).tobytes()
"""


def run(program: str, **environment: str) -> None:
    done = in_a_process("-c", PREPARED + program, **environment)
    assert done.returncode == 0, done.stderr[-2000:]


def test_nothing_is_asked_for_where_another_instruction_set_is_named():
    run(
        """
from roberta_c.kernels import Kernels
product(Kernels())
Kernels("generic")
assert not is_granted()
assert Kernels("amx").isa == "amx" and is_granted()
""",
        ROBERTA_C_ISA="avx512",
    )


def test_threads_from_before_and_forked_children_compute_the_same_bits():
    run("""
results, granted = {}, threading.Event()
def in_thread():
    granted.wait()
    results["thread"] = product(kernels)
thread = threading.Thread(target=in_thread)
thread.start()
from roberta_c.kernels import Kernels
assert not is_granted()
kernels = Kernels("amx")
granted.set()
expected = product(kernels)
thread.join()
assert results["thread"] == expected
child = os.fork()
if child == 0:
    os._exit(0 if product(kernels) == product(Kernels("amx")) == expected else 1)
assert os.waitpid(child, 0)[1] == 0
assert product(kernels) == expected
""")


def test_a_small_alternate_signal_stack_leaves_the_next_instruction_set():
    run("""
class SignalStack(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]
memory = ctypes.create_string_buffer(8192)
stack = SignalStack(ctypes.addressof(memory), 0, len(memory))
assert libc.sigaltstack(ctypes.byref(stack), None) == 0
from roberta_c.kernels import Kernels, available_isas
assert "amx" not in available_isas()
assert Kernels().isa == "avx512"
product(Kernels()), product(Kernels(), "int8")
""")


def test_no_register_stays_in_use():
    """XGETBV with ECX 1 tells which state components are not in their initial state; 17 and 18 are AMX's."""
    run(r"""
import mmap
from roberta_c.kernels import Kernels
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\xb9\x01\x00\x00\x00\x0f\x01\xd0\xc3")  # mov ecx, 1; xgetbv; ret
in_use = ctypes.CFUNCTYPE(ctypes.c_uint32)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
for dtype in ("bfloat16", "int8"):
    product(Kernels("amx"), dtype)
    assert not in_use() & (1 << 17 | 1 << 18), dtype
""")
