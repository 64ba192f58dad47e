"""Whether the numbers of an array are all finite, by their bits."""

from __future__ import annotations

import numpy as np

# The float type → signed and unsigned integers of its width, and the bits of infinity.
_BITS = {
    "float64": (np.int64, np.uint64, 0x7FF0_0000_0000_0000),
    "float32": (np.int32, np.uint32, 0x7F80_0000),
    "float16": (np.int16, np.uint16, 0x7C00),
    "bfloat16": (np.int16, np.uint16, 0x7F80),
}


def all_finite(values: np.ndarray, dtype: str) -> bool:
    """Whether no value is NaN or infinite. dtype: a name of FLOAT_DTYPES; bfloat16 are bits as uint16.

    Of all positive numbers, infinity and NaN have the largest bits. As signed integers the negative numbers
    are below these, as unsigned ones the positive numbers are below the negative ones. numpy finds such a
    maximum with vectors, and `isfinite` would write an array of bool.
    """
    signed, unsigned, infinity = _BITS[dtype]
    sign = 1 << (values.itemsize * 8 - 1)
    if not values.size:
        return True
    largest_positive, largest_negative = int(values.view(signed).max()), int(values.view(unsigned).max())
    return largest_positive < infinity and largest_negative < infinity | sign
