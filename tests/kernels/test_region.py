"""region.pxi, the one way to open a team of threads: how many, and what happens where none can start."""

from __future__ import annotations

import os
import re
import sys

import numpy as np
import pytest
from samples.kernels import in_a_process, random_layer, starts_of

from roberta_c.errors import InputError
from roberta_c.kernels import EmbeddingTables, Kernels, Norm, Workspace

pytestmark = pytest.mark.unsanitized

K = Kernels("generic")
X = np.zeros((3, 6), np.float32)
NORM = Norm(np.ones(6, np.float32), np.zeros(6, np.float32), 1e-5)
PACKED = K.pack_linear([np.zeros((4, 6), np.float32)])
INT8 = K.pack_linear([np.zeros((4, 6), np.float32)], dtype="int8")
TABLES = EmbeddingTables(X, "float32", X, X, NORM)
LAYER = random_layer(K, np.random.default_rng(0), 6, 2, 8)
IDS, STARTS = np.array([0, 1, 2]), starts_of([3])

THREADED = {
    "pack_linear": lambda n: K.pack_linear([X], num_threads=n),
    "pack_linears": lambda n: K.pack_linears([([X], None, None)], n),
    "convert_rows": lambda n: K.convert_rows(X, INT8, n),
    "linear": lambda n: K.linear(X, PACKED, num_threads=n),
    "attention": lambda n: K.attention(np.zeros((3, 18), np.float32), STARTS, 2, num_threads=n),
    "layer_norm": lambda n: K.layer_norm(X, NORM, num_threads=n),
    "pool": lambda n: K.pool(X, STARTS, ("mean",), num_threads=n),
    "activate": lambda n: K.activate(X, "gelu", num_threads=n),
    "embed": lambda n: K.embed(TABLES, IDS, IDS, num_threads=n),
    "encoder_layer": lambda n: K.encoder_layer(LAYER, X.copy(), STARTS, Workspace(), num_threads=n),
    "encoder": lambda n: K.encoder([LAYER], X, STARTS, Workspace(), num_threads=n),
    "encode": lambda n: K.encode(TABLES, [LAYER], IDS, IDS, None, STARTS, Workspace(), num_threads=n),
}


@pytest.mark.parametrize("method", THREADED)
def test_num_threads_must_be_from_1_to_1024(method):
    THREADED[method](2)
    for wrong in (0, -1, 1025, 2**70, True, 1.0, "2", None):
        with pytest.raises(
            InputError, match=rf"^num_threads: found {re.escape(ascii(wrong))}, expected 1 to 1024$"
        ):
            THREADED[method](wrong)


LIMITED = """
import resource
from samples.kernels import layer_run, same_bits
from roberta_c.kernels import Kernels
run = layer_run(Kernels("generic"))
expected = run(1)
LIMIT
for threads in (1, 2, 5, 64, 2):
    assert same_bits(run(threads), expected), threads
print("done")
"""
NO_MEMORY = """
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (900 << 10), resource.RLIM_INFINITY))
"""
WARNING = re.compile(
    r"num_threads: found room for 1, expected 2 \(.{5,60}\): a limit of this process or its container; "
    r"computing on fewer threads\n"
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as Linux has them")
def test_where_no_thread_can_be_started_the_call_computes_on_fewer_and_says_so_once():
    """Memory for a thread's stack is refused; as root, a limit on processes would not bind."""
    done = in_a_process("-c", LIMITED.replace("LIMIT", NO_MEMORY), OPENBLAS_NUM_THREADS="1")
    assert done.stdout == "done\n", done.stderr[-2000:]
    assert WARNING.fullmatch(done.stderr), done.stderr


FROM_MANY_THREADS = """
import os, threading, time
from samples.kernels import layer_run, same_bits
from roberta_c.kernels import Kernels
run = layer_run(Kernels("generic"))
expected, wrong = run(1), []
def call():
    for _ in range(20):
        if not same_bits(run(4), expected):
            wrong.append(1)
callers = [threading.Thread(target=call) for _ in range(16)]
for caller in callers: caller.start()
for caller in callers: caller.join()
tasks, until = 99, time.monotonic() + 5
while tasks > 4 and time.monotonic() < until:  # a thread that was joined may be listed for a moment
    tasks = len(os.listdir("/proc/self/task"))
print(len(wrong), tasks)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are listed as Linux does")
def test_calls_from_many_threads_share_the_workers():
    """With a team for each of 16 callers there would be 48 workers; with shared ones no more than 3."""
    wrong, threads = in_a_process("-c", FROM_MANY_THREADS, OPENBLAS_NUM_THREADS="1").stdout.split()
    assert wrong == "0"
    assert int(threads) <= 4


SMALL_STACK = """
import threading, numpy
from roberta_c.kernels import Kernels
from roberta_c.errors import ResourceError
kernels = Kernels()
x = numpy.ones((200, 300), numpy.float32)
def call():
    try:
        for dtype in ("float32", "bfloat16", "int8"):
            packed = kernels.pack_linear([numpy.ones((96, 300), numpy.float32)], dtype=dtype)
            kernels.linear(kernels.convert_rows(x, packed) if dtype == "int8" else x, packed)
        print("computed")
    except ResourceError as error:
        print(error)
threading.stack_size(SIZE)
thread = threading.Thread(target=call)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("size", [32, 64, 112, 136, 160, 256])
def test_a_small_stack_suffices_or_is_an_error(size):
    """32 KiB is the least that Python gives. Below RC_STACK a call is refused; from there on it computes."""
    done = in_a_process("-c", SMALL_STACK.replace("SIZE", str(size << 10)))
    refused = re.fullmatch(
        r"stack of this thread: found \d+ KiB left, expected 96: see threading.stack_size\n", done.stdout
    )
    assert done.stdout == "computed\n" or (refused and size < 136), done.stderr[-2000:]


INTERRUPTED = """
import os, signal, threading, time, numpy
from samples.kernels import random_layer, same_bits, starts_of
from roberta_c.kernels import Kernels, Workspace
kernels = Kernels("generic")
layer = random_layer(kernels, numpy.random.default_rng(0), 256, 4, 1024)
x = numpy.random.default_rng(1).standard_normal((512, 256)).astype(numpy.float32)
few = x[:40].copy()
kernels.encoder_layer(layer, few, starts_of([40]), Workspace(), num_threads=2)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
sent = [0.0]
def interrupt():
    sent[0] = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.3, interrupt).start()
try:
    kernels.encoder([layer] * 1000, x, starts_of([256, 256]), Workspace(), num_threads=2)
    print("not interrupted")
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
again = x[:40].copy()
kernels.encoder_layer(layer, again, starts_of([40]), Workspace(), num_threads=2)
print(same_bits(few, again))
"""


def test_ctrl_c_ends_a_long_call_and_the_next_one_computes():
    seconds, same = in_a_process("-c", INTERRUPTED, timeout=60).stdout.split()
    assert float(seconds) < 0.2 * 10  # ten times the promise, for machines that are busy
    assert same == "True"


FORKED = """
import os, signal, sys, threading, time, numpy
from samples.kernels import random_layer, same_bits, starts_of
from roberta_c.kernels import Kernels, Workspace
kernels = Kernels("generic")
layer = random_layer(kernels, numpy.random.default_rng(0), 256, 4, 1024)
x = numpy.random.default_rng(1).standard_normal((512, 256)).astype(numpy.float32)
parent, children = os.getpid(), []

def run(layers, threads):
    return kernels.encoder([layer] * layers, x, starts_of([256, 256]), Workspace(), num_threads=threads)

def fork(*_):
    children.append(os.fork())
signal.signal(signal.SIGUSR1, fork)
expected = {layers: run(layers, 1) for layers in (1, 40)}
for threads in (1, 2):
    if os.getpid() != parent:
        break
    threading.Timer(0.1, os.kill, (parent, signal.SIGUSR1)).start()
    try:
        same = same_bits(run(40, threads), expected[40])
    except RuntimeError as error:
        same = "forked by a signal handler" in str(error) and os.getpid() != parent
    same = same and all(same_bits(run(1, n), expected[1]) for n in (2, 1, 3))
    if os.getpid() != parent:
        os._exit(0 if same else 1)
    assert same
assert len(children) == 2
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_handler_may_fork_during_a_call():
    """The parent's call goes on. In the child one thread goes on, two are an error. Both compute again."""
    done = in_a_process("-W", "ignore::DeprecationWarning", "-c", FORKED, timeout=60)
    assert done.stdout == "[0, 0]\n", done.stderr[-2000:]
