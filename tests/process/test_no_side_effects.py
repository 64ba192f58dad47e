"""A process after imports, loading, calls and pipelines is as it was before."""

from __future__ import annotations

import os
import sys

import pytest
from samples.kernels import in_a_process

from roberta_c.files.bundled import bundled_model_path

pytestmark = [
    pytest.mark.unsanitized,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

PROGRAM = """
import ctypes, decimal, faulthandler, gc, locale, logging, os, random, re, resource, signal, sys, threading
import warnings
import numpy

folder, = sys.argv[1:]

def environment_in_c():
    strings, found = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ"), []
    while strings[len(found)]:
        found.append(strings[len(found)])
    return found

def state():
    status = open("/proc/self/status").read()
    root = logging.getLogger()
    environment = (ctypes.c_uint32 * 64)()  # glibc's fenv_t; on x86-64 word 7 is MXCSR, low bits are flags
    ctypes.CDLL(None).fegetenv(environment)
    return {
        "float control": environment[7] & ~0x3F if os.uname().machine == "x86_64" else None,
        "rounding": ctypes.CDLL(None).fegetround(),
        "denormals": 1e-323 != 0.0 and numpy.float32(1e-45) * numpy.float32(1) != 0,
        "numpy errors": numpy.geterr(),
        "numpy printing": numpy.get_printoptions(),
        "numpy random": str(numpy.random.get_state()),
        "random": random.getstate(),
        "decimal": str(decimal.getcontext()),
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "signals in C": re.findall(r"Sig(?:Blk|Ign|Cgt):\\s*(\\w+)", status),
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "environment": dict(os.environ),
        "environment in C": environment_in_c(),
        "affinity": os.sched_getaffinity(0),
        "nice": os.nice(0),
        "limits": [resource.getrlimit(number) for number in range(16)],
        "folder": os.getcwd(),

        "locale": locale.setlocale(locale.LC_ALL),
        "warnings": list(warnings.filters),
        "logging": (root.level, list(root.handlers), logging.root.manager.disable, logging.getLoggerClass()),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook, sys.unraisablehook, sys.gettrace()),
        "recursion": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "garbage": (gc.get_threshold(), gc.isenabled(), gc.get_freeze_count()),
        "modules' search": (sys.path[:], sys.meta_path[:], sys.path_hooks[:]),
        "digits": sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else None,
        "faulthandler": faulthandler.is_enabled(),
        "streams": (sys.stdout, sys.stderr, sys.stdin),
        "python threads": threading.enumerate(),
    }

def check(when):
    now = state()
    changed = [name for name in before if now[name] != before[name]]
    assert not changed, f"changed by {when}: {[(name, before[name], now[name]) for name in changed]}"

before = state()
import roberta_c
check("import")
for name in dir(roberta_c):
    getattr(roberta_c, name)
check("all names")
model = roberta_c.AutoModelForSequenceClassification.from_pretrained(folder)
tokenizer = roberta_c.AutoTokenizer.from_pretrained(folder)
check("loading")
for dtype in ("float32", "bfloat16", "int8"):
    classify = roberta_c.pipeline("text-classification", folder, dtype=dtype)
    assert len(classify(["I love it", "no", ""] * 20, batch_size=8)) == 60
    check(f"a pipeline of {dtype}")
model(**tokenizer(["a", "b c"], padding=True), output_hidden_states=True, output_attentions=True)
try:
    model([[10**9]])
except roberta_c.errors.InputError:
    pass
check("calls")
"""


def test_a_process_is_as_it_was_after_loading_and_calls():
    folder = os.fspath(bundled_model_path())
    done = in_a_process("-c", PROGRAM, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (done.stdout, done.stderr) == ("", "")
