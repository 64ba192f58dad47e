"""Packed weights may come from a file that another run wrote: their bits change only with LAYOUT_VERSION."""

from __future__ import annotations

import numpy as np
import pytest

from roberta_c.kernels import LAYOUT_VERSION, Kernels, Norm, available_isas, digests
from roberta_c.model.smoothing import smoothing

# Digests of what the generic kernels pack of one matrix. A change of these makes cache files of older
# versions wrong: raise RC_LAYOUT_VERSION in csrc/roberta_c.h, and write the new digests here.
VERSION = 1
DIGESTS = {
    "float32": "87a01d17d86b636e",
    "bfloat16": "bd53b9a6a58fc7cf",
    "int8": "1fa791b67d06acbf",
    "smoothed int8": "89a2bb53ab6cb8dc",
    "smoothing": "79fc93a2353f192b",
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
        dtype, smooth = dtype.removeprefix("smoothed "), smoothing(norm, [weights])
    return Kernels(isa).pack_linear([weights], dtype=dtype, smooth=smooth).panels


def test_the_bits_of_a_version():
    weights, norm = given()
    found = {name: digest(packed(name)) for name in DIGESTS if name != "smoothing"}
    found["smoothing"] = digest(smoothing(norm, [weights]))
    assert LAYOUT_VERSION == VERSION, "a new version: write its digests"
    assert found == DIGESTS, "other bits: raise RC_LAYOUT_VERSION"


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
