"""Packed weights may come from a file that another run wrote: their bits change only with LAYOUT_VERSION."""

from __future__ import annotations

import numpy as np
import pytest

from roberta_c.kernels import LAYOUT_VERSION, Kernels, Norm, available_isas, digests
from roberta_c.model.smoothing import smoothing

# Digests of what kernels pack of one matrix, and of two stacked ones with a depth of several blocks. A change
# of these makes cache files of older versions wrong: raise RC_LAYOUT_VERSION in csrc/roberta_c.h, and write
# the new digests here.
VERSION = 1
SMOOTHING = "79fc93a2353f192b"
DIGESTS = {
    "generic": {
        "float32": "87a01d17d86b636e",
        "bfloat16": "bd53b9a6a58fc7cf",
        "int8": "1fa791b67d06acbf",
        "smoothed int8": "89a2bb53ab6cb8dc",
        "stacked float32": "4fd2595be3aa9290",
        "stacked bfloat16": "aee3ecca2271e37d",
        "stacked int8": "a884cbdcee0ae12c",
    },
    "avx2": {
        "float32": "a780fca835e9ada2",
        "bfloat16": "9cc77629ea251c41",
        "int8": "6e767c620471dc7a",
        "smoothed int8": "4a174afb395bc116",
        "stacked float32": "c244c098a09cdd31",
        "stacked bfloat16": "abecf5a959e0a40a",
        "stacked int8": "06fab47f327c36c0",
    },
    "reference": {
        "float32": "913cdbc6ea4ca46e",
        "bfloat16": "a1239576ae523204",
        "int8": "0588b0e39ccc34b2",
        "smoothed int8": "f1ebd81864d7ddab",
        "stacked float32": "f6c5713f7209ee6f",
        "stacked bfloat16": "635932798deeecbd",
        "stacked int8": "534d51b40744e8be",
    },
}


def given() -> tuple[np.ndarray, Norm]:
    """A matrix (37, 51) and a LayerNorm with outliers, without a random generator that may change."""
    values = np.arange(37 * 51, dtype=np.uint32) * np.uint32(2654435761)
    weights = ((values >> np.uint32(8)).astype(np.float32) / np.float32(1 << 23) - 1).reshape(37, 51)
    scale = np.ones(51, np.float32)
    scale[[4, 30]] = 40, 9
    return weights, Norm(scale, np.zeros(51, np.float32), 1e-5)


def digest(array: np.ndarray) -> str:
    return f"{int(digests(array, array.nbytes)[0]):016x}"


def packed(dtype: str, isa: str = "generic") -> np.ndarray:
    weights, norm = given()
    smooth = None
    if dtype.startswith("smoothed "):
        dtype, smooth = dtype.removeprefix("smoothed "), smoothing(norm, Kernels(isa).column_sizes([weights]))
    return Kernels(isa).pack_linear([weights], dtype=dtype, smooth=smooth).panels


def packed_stack(dtype: str, isa: str) -> np.ndarray:
    values = np.arange(2 * 37 * 1100, dtype=np.uint32) * np.uint32(2654435761)
    stack = ((values >> np.uint32(8)).astype(np.float32) / np.float32(1 << 23) - 1).reshape(2, 37, 1100)
    return Kernels(isa).pack_linear([stack[0], stack[1]], dtype=dtype).panels


@pytest.mark.parametrize("isa", [*available_isas(), "reference"])
def test_the_bits_of_a_version(isa):
    if isa not in DIGESTS:
        pytest.skip(f"nobody has written down the digests of {isa}")
    found = {name: digest(packed(name, isa)) for name in ("float32", "bfloat16", "int8", "smoothed int8")}
    found |= {f"stacked {name}": digest(packed_stack(name, isa)) for name in ("float32", "bfloat16", "int8")}
    assert LAYOUT_VERSION == VERSION, "a new version: write its digests"
    assert found == DIGESTS[isa], "other bits: raise RC_LAYOUT_VERSION"


def test_the_smoothing_factors_of_a_version():
    weights, norm = given()
    assert digest(smoothing(norm, Kernels("generic").column_sizes([weights]))) == SMOOTHING


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_layouts_differ_where_bits_do(dtype):
    """Kernels with the same layout, if there are any, pack the same bits."""
    found = {}
    for isa in available_isas():
        layout = Kernels(isa).layout(dtype)
        assert isa in layout
        found.setdefault(layout, set()).add(packed(dtype, isa).tobytes())
    assert all(len(bits) == 1 for bits in found.values())
    assert Kernels("generic").layout("float32") != Kernels("generic").layout("int8")
