"""memory.py: new arrays for the kernels, aligned to cache lines, and in huge pages where they are large."""

from __future__ import annotations

import mmap

import numpy as np
import pytest
from samples.kernels import in_a_process

from roberta_c.errors import ResourceError
from roberta_c.kernels import aligned_empty, large_empty, memory

pytestmark = pytest.mark.unsanitized

# More than any machine has, and more than numpy or mmap can represent.
IMPOSSIBLE_COUNTS = (2**50, 2**61, 2**64)


@pytest.mark.parametrize("shape", [(0,), (1,), (15,), (16,), (3, 5), (4, 0, 2), ()])
def test_an_array_starts_on_a_cache_line(shape):
    array = aligned_empty(shape)
    assert array.shape == shape
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    if array.size:  # numpy shows no address of an empty one
        assert array.ctypes.data % 64 == 0
    array[...] = 1


@pytest.mark.parametrize("shape", [(2**50,), (2**61,), (2**40, 2**40), (2**62, 4)])
def test_an_array_that_no_machine_can_hold_is_a_resource_error(shape):
    with pytest.raises(
        ResourceError, match=r"^memory: found too little free, expected [\d,]+ bytes"
    ) as caught:
        aligned_empty(shape)
    assert str(caught.value).endswith(f"for shape {shape}")


def test_what_the_machine_cannot_give_is_not_asked_for(monkeypatch):
    """Linux would promise it, and end the process when it is used."""
    monkeypatch.setattr(memory, "fits", lambda size: size < 1000)
    assert aligned_empty((10, 10)).shape == (10, 10)
    for make in (lambda: aligned_empty((25, 10)), lambda: large_empty(memory.HUGE_FROM)):
        with pytest.raises(ResourceError, match=r"^memory: found too little free, expected [\d,]+ bytes"):
            make()


@pytest.mark.parametrize("count", [0, 1, memory.HUGE_FROM // 4 - 1, memory.HUGE_FROM // 4, memory.HUGE_FROM])
def test_a_large_array_starts_on_a_cache_line(count):
    array = large_empty(count)
    assert array.shape == (count,)
    assert array.dtype == np.float32
    if count:
        assert array.ctypes.data % 64 == 0
    array[...] = 1
    assert array.all()


@pytest.mark.parametrize("count", IMPOSSIBLE_COUNTS)
def test_a_large_array_that_no_machine_can_hold_is_a_resource_error(count):
    with pytest.raises(ResourceError, match=r"^memory: found too little free, expected [\d,]+ bytes"):
        large_empty(count)


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this system has no huge pages to ask for")
def test_huge_pages_are_asked_for_from_a_certain_size_on(monkeypatch):
    advised = []

    class Map(mmap.mmap):
        def madvise(self, advice: int) -> None:
            advised.append((len(self), advice))
            raise OSError("this kernel has none")  # which must not matter

    monkeypatch.setattr(mmap, "mmap", Map)
    large_empty(memory.HUGE_FROM // 4 - 1)
    assert advised == []
    assert large_empty(memory.HUGE_FROM // 4).shape == (memory.HUGE_FROM // 4,)
    assert advised == [(memory.HUGE_FROM, mmap.MADV_HUGEPAGE)]


def test_a_system_without_huge_pages(monkeypatch):
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    monkeypatch.setattr(mmap, "mmap", None)  # not to be called
    array = large_empty(memory.HUGE_FROM)
    assert array.ctypes.data % 64 == 0
    array[...] = 1


def test_large_arrays_are_new_memory():
    """Two that live at the same time share nothing, and one that ends leaves the other as it is."""
    one, other = large_empty(memory.HUGE_FROM), large_empty(memory.HUGE_FROM)
    assert not np.may_share_memory(one, other)
    one[...], other[...] = 1, 2
    del one
    assert (other == 2).all()


FAILING = """
import sys, _testcapi, numpy
from roberta_c.errors import ResourceError
from roberta_c.kernels import Kernels
kernels = Kernels("generic")
weights = [numpy.ones((3, 5), numpy.float32) for _ in range(6)]
biases = [numpy.ones(3, numpy.float32) for _ in weights]
stacks = [([weight], [bias], None) for weight, bias in zip(weights, biases, strict=True)]
kernels.pack_linears(stacks, 1)
before = [sys.getrefcount(array) for array in (*weights, *biases)]
failures = 0
for number in range(1, 1000):
    _testcapi.set_nomemory(number, number + 1)
    try:
        kernels.pack_linears(stacks, 1)
    except (MemoryError, ResourceError, SystemError):  # the last one is numpy's
        failures += 1
    finally:
        _testcapi.remove_mem_hooks()
    assert [sys.getrefcount(array) for array in (*weights, *biases)] == before, number
assert failures > 100
"""


def test_a_failed_allocation_takes_no_reference_from_an_argument():
    """Cython 3.3 releases an element of a list comprehension twice where the list cannot grow."""
    pytest.importorskip("_testcapi", reason="this Python has no set_nomemory")
    done = in_a_process("-c", FAILING)
    assert done.returncode == 0, done.stderr[-2000:]
