"""Shared by the kernel tests: available instruction sets as parameters, and arrays in guarded memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import roberta_c
from roberta_c.checkpoint.stored_rows import StoredRows
from roberta_c.checkpoint.tensor_view import StoredTensor
from roberta_c.checkpoint.weight_file import WeightFile
from roberta_c.kernels import Kernels, Norm, PackedLayer, PackedLinear, Workspace, _kernels, available_isas

U = 2.0**-24  # the unit roundoff of float32
THREADS = (1, 2, 3, 5, 8)
TESTS = Path(__file__).parent.parent
CANARY = np.uint32(0x7FA5A5A5)  # a signalling NaN: if a kernel reads it, results are NaN


def _for_each_isa(*isas: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kernels", [pytest.param(Kernels(isa), id=isa) for isa in isas])


# Instruction sets that this CPU or build lacks are reported once each, by kernels/test_instruction_sets.py.
each_isa = _for_each_isa(*available_isas(), "reference")
each_fast_isa = _for_each_isa(*available_isas())

# All types of products below float32 on all instruction sets; "int8 pairs" exists in AVX2 alone.
LOWER = ("bfloat16", "bfloat16 weights", "int8", "int8 weights")
each_lower = pytest.mark.parametrize(
    ("kernels", "dtype"),
    [
        pytest.param(Kernels(isa), dtype, id=f"{isa}-{dtype}")
        for isa in available_isas()
        for dtype in (*LOWER, *(["int8 pairs"] if isa == "avx2" else []))
    ],
)


def rows_in(path: Path, stored: np.ndarray, dtype: str, first_byte: int) -> StoredRows:
    """The rows of a matrix like `stored` that begins at this byte of a file."""
    return StoredRows(StoredTensor(WeightFile(path), "words", dtype, stored.shape, None, first_byte))


def lanes(kernels: Kernels) -> int:
    """Floats in a vector."""
    return {"amx": 16, "avx512": 16, "avx2": 8, "neon": 4, "generic": 4, "reference": 1}[kernels.isa]


def rounds_rows(kernels: Kernels, dtype: str) -> bool:
    """Whether rows are rounded to bfloat16: then 1 + 2^-9 becomes 1."""
    packed = kernels.pack_linear([np.ones((1, 1), np.float32)], dtype=dtype)
    return float(kernels.linear(np.full((1, 1), 1 + 2**-9, np.float32), packed)[0, 0]) == 1.0


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool((one.view(np.uint32) == other.view(np.uint32)).all())


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def starts_of(lengths: list[int]) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def layer_run(kernels: Kernels) -> Callable[[int], np.ndarray]:
    """`run(num_threads)`: what a small encoder layer makes of two sequences, the same bits at each call."""
    layer = random_layer(kernels, np.random.default_rng(0), 24, 2, 40)
    x = np.random.default_rng(1).standard_normal((64, 24)).astype(np.float32)

    def run(num_threads: int) -> np.ndarray:
        y = x.copy()
        kernels.encoder_layer(layer, y, starts_of([40, 24]), Workspace(), num_threads=num_threads)
        return y

    return run


def random_layer(
    kernels: Kernels,
    rng: np.random.Generator,
    hidden: int,
    heads: int,
    up: int,
    activation: str = "gelu",
    dtype: str = "float32",
) -> PackedLayer:
    """An encoder layer of random weights, scaled so that attention is far from uniform; of int8, smoothed."""

    def linear(n: int, k: int, sections: int = 1) -> PackedLinear:
        weights = [normal(rng, n, k, scale=1.5 / np.sqrt(k)) for _ in range(sections)]
        biases = [normal(rng, n, scale=0.1) for _ in range(sections)]
        smooth = np.exp2(rng.integers(-2, 3, k)).astype(np.float32) if dtype.startswith("int8") else None
        return kernels.pack_linear(weights, biases, dtype=dtype, smooth=smooth)

    def norm() -> Norm:
        return Norm(1 + normal(rng, hidden, scale=0.1), normal(rng, hidden, scale=0.1), 1e-5)

    return PackedLayer(
        linear(hidden, hidden, 3),
        linear(hidden, hidden),
        norm(),
        linear(up, hidden),
        linear(hidden, up),
        norm(),
        heads,
        activation,
    )


def in_a_process(
    *arguments: str, timeout: float = 60, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs Python in a process that can import this package and the tests' samples."""
    paths = os.pathsep.join([str(Path(roberta_c.__file__).parent.parent), str(TESTS)])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        check=False,
    )


# ---- guarded memory ------------------------------------------------------------------------------------

MARGIN = 64  # 32-bit words of canary on either side: two rows of a register tile

# Offsets in bytes of arrays from a multiple of 64. At 0 a workspace begins where its buffer begins, so that a
# write before it is detected. At 4 it ends one float before its buffer ends, so that a write behind it is
# detected.
each_place = pytest.mark.parametrize("first_byte", [0, 4])


def guarded(array: np.ndarray, first_byte: int = 4) -> np.ndarray:
    """A copy of `array` between canaries, at an address `first_byte` above a multiple of 64 (rounded up to
    its item size)."""
    first_byte = -(-first_byte // array.itemsize) * array.itemsize
    buffer = np.full(array.nbytes // 4 + 2 * MARGIN + 17, CANARY, dtype=np.uint32).view(np.uint8)
    first = 4 * MARGIN + (first_byte - (buffer.ctypes.data + 4 * MARGIN)) % 64
    view = buffer[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def assert_canaries(view: np.ndarray) -> None:
    """Fails unless all bytes around a guarded array are still canaries."""
    buffer = view
    while isinstance(buffer.base, np.ndarray):
        buffer = buffer.base
    found = buffer.view(np.uint8).copy()
    first = view.ctypes.data - buffer.ctypes.data
    assert first >= 4 * MARGIN
    assert len(found) - first - view.nbytes >= 4 * MARGIN
    expected = np.full(len(found) // 4, CANARY).view(np.uint8)
    found[first : first + view.nbytes] = expected[first : first + view.nbytes]
    assert (found == expected).all(), "a kernel wrote outside its array"


class CanaryNumpy:
    """Stands in for the extension's `np`: new arrays lie amid canaries, and `empty` ones hold them too."""

    def __init__(self, first_byte: int) -> None:
        self.first_byte = first_byte
        self.given: list[np.ndarray] = []

    def __getattr__(self, name: str):
        return getattr(np, name)

    def empty(self, shape, dtype) -> np.ndarray:
        assert dtype == np.float32
        view = guarded(np.full(shape, CANARY).view(np.float32), self.first_byte)
        self.given.append(view)
        return view

    def concatenate(self, arrays) -> np.ndarray:
        together = np.concatenate(arrays)
        placed = self.empty(together.shape, together.dtype)
        placed[...] = together
        return placed


@contextmanager
def guarded_outputs(monkeypatch: pytest.MonkeyPatch, first_byte: int) -> Iterator[None]:
    """In this context every array that the extension allocates lies between canaries, which are checked at
    the end."""
    canary_numpy = CanaryNumpy(first_byte)
    with monkeypatch.context() as patch:
        patch.setattr("roberta_c.kernels.memory.np", canary_numpy)  # for `empty`
        patch.setattr(_kernels, "np", canary_numpy)  # for `concatenate`
        yield
    assert canary_numpy.given
    for view in canary_numpy.given:
        assert_canaries(view)
