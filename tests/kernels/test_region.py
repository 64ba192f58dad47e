"""region.pxi, the one way to open a team of threads: how many, and what happens where none can start."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
from samples.kernels import random_layer, starts_of

from roberta_c.errors import InputError, ResourceError
from roberta_c.kernels import EmbeddingTables, Kernels, Norm, Workspace, _kernels

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


def test_threads_that_cannot_be_started_raise_an_error(monkeypatch):
    """libgomp ends the process if it cannot start a thread, so the extension first tries to start as many."""
    kernels = Kernels()
    x = np.ones(8, np.float32)
    start, count = threading.Thread.start, 0

    def limited(thread):
        nonlocal count
        count += 1
        if count > 3:
            raise RuntimeError("can't start new thread")
        start(thread)

    _kernels._largest_team.__dict__.clear()
    monkeypatch.setattr(threading.Thread, "start", limited)
    expected = r"^num_threads: found room for 4 threads, expected 8; a limit of this process or its "
    with pytest.raises(ResourceError, match=expected):
        kernels.activate(x, "relu", num_threads=8)
    monkeypatch.undo()
    assert kernels.activate(x, "relu", num_threads=8).all()
