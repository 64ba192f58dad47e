"""A program: every kernel on arrays that touch a page no one may read or write.

A stray access by a single byte ends the process with a signal, so tests/kernels/test_side_effects.py runs
this in a process of its own. Inputs and all arrays that `roberta_c/kernels/` allocates end (in a second
round: begin) at such a page.
"""

from __future__ import annotations

import ctypes
import mmap
import resource
import sys

import numpy as np

from roberta_c.kernels import EmbeddingTables, Kernels, Norm, Workspace, _kernels, available_isas, memory
from samples.kernels import normal, random_layer, starts_of

PAGE = mmap.PAGESIZE
kept: list[mmap.mmap] = []  # arrays that view a map do not keep it alive


def beside_guard_page(array: np.ndarray, at_end: bool) -> np.ndarray:
    """A copy of `array` whose last byte (`at_end`) or first byte lies next to a page without access."""
    size = -(-max(array.nbytes, 1) // PAGE) * PAGE
    pages = mmap.mmap(-1, size + PAGE)
    kept.append(pages)
    data = np.frombuffer(pages, np.uint8)
    guard = data.ctypes.data + (size if at_end else 0)
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), 0):
        raise OSError(ctypes.get_errno(), "mprotect")
    first = size - array.nbytes if at_end else PAGE
    view = data[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


class GuardedNumpy:
    """numpy, but new arrays lie beside a guard page; stands in for `np` of the extension."""

    def __init__(self, at_end: bool) -> None:
        self.at_end = at_end

    def __getattr__(self, name: str):
        return getattr(np, name)

    def empty(self, shape, dtype) -> np.ndarray:
        # The extension aligns its arrays in this memory: they begin or end at most 64 bytes from the page.
        return beside_guard_page(np.full(shape, np.nan, dtype), self.at_end)

    def concatenate(self, arrays) -> np.ndarray:
        return beside_guard_page(np.concatenate(arrays), self.at_end)


DTYPES = ("float32", "bfloat16", "bfloat16 weights", "int8", "int8 weights")


def run_every_kernel(kernels: Kernels, at_end: bool, rng: np.random.Generator) -> None:
    def placed(array: np.ndarray) -> np.ndarray:
        return beside_guard_page(array, at_end)

    mr, nr = kernels.tile
    sizes = [(1, 1, 1), (mr + 1, nr + 1, 7), (2 * mr - 1, 2 * nr - 1, 193), (3, nr // 2 + 1, 40)]
    for m, n, k in (*sizes, (32, nr, 64), (33, nr, 128)):  # the last two end with complete tiles of AMX
        for dtype in DTYPES:
            weights, biases = [placed(normal(rng, n, k))] * 2, [placed(normal(rng, n))] * 2
            packed = kernels.pack_linear(weights, biases, dtype=dtype)
            residual = placed(normal(rng, m, 2 * n))
            kernels.linear(placed(normal(rng, m, k)), packed, residual=residual, num_threads=2)
            kernels.linear(placed(normal(rng, m, k)), packed.section(1), "gelu")
    for hidden in (1, nr // 2 + 1, nr, 77):
        norm = Norm(placed(normal(rng, hidden)), placed(normal(rng, hidden)), 1e-5)
        kernels.layer_norm(placed(normal(rng, 3, hidden)), norm, num_threads=2)
        kernels.activate(placed(normal(rng, hidden)), "gelu")
        kernels.exponentiate(placed(normal(rng, hidden)))
        indices = placed(np.array([0, 4, 2, 4]))
        rows = normal(rng, 5, hidden)
        for word, dtype in (
            (rows, "float32"),
            (rows.astype(np.float16), "float16"),
            (rows.astype(np.float16).view(np.uint16), "bfloat16"),
        ):
            tables = EmbeddingTables(placed(word), dtype, placed(rows), placed(rows), norm)
            kernels.embed(tables, indices, indices, indices, num_threads=2)
    for heads, size in ((1, 1), (3, 5), (2, nr + 1), (2, 40)):
        for lengths in ([1], [nr + 1, 1, 2 * mr + 1]):
            hidden, starts = heads * size, placed(starts_of(lengths))
            kernels.attention(placed(normal(rng, sum(lengths), 3 * hidden)), starts, heads, num_threads=2)
            for dtype in DTYPES:
                layer = random_layer(kernels, rng, hidden, heads, 2 * hidden + 1, dtype=dtype)
                x = placed(normal(rng, sum(lengths), hidden))
                kernels.encoder_layer(layer, x, starts, Workspace(), num_threads=2)
                table, ids = placed(normal(rng, sum(lengths), hidden)), placed(np.arange(sum(lengths)))
                norm = Norm(placed(normal(rng, hidden)), placed(normal(rng, hidden)), 1e-5)
                tables = EmbeddingTables(table, "float32", table, table[:1], norm)
                kernels.encode(
                    tables,
                    [layer] * 2,
                    ids,
                    ids,
                    None,
                    starts,
                    Workspace(),
                    placed(starts[1:] - 1),
                    num_threads=2,
                )
                states = placed(np.zeros((2, *x.shape), np.float32))
                kernels.encoder([layer], x, starts, Workspace(), states=states, num_threads=2)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.argv[1:] == ["touch"]:  # shows that the guard works
        beside = beside_guard_page(np.zeros(4, np.float32), at_end=True)
        ctypes.string_at(beside.ctypes.data, 17)
    for at_end in (True, False):
        _kernels.np = memory.np = GuardedNumpy(at_end)
        for isa in (*available_isas(), "reference"):
            run_every_kernel(Kernels(isa), at_end, np.random.default_rng(0))
    print(len(kept), "arrays")


if __name__ == "__main__":
    main()
