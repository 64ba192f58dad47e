"""Writes a safetensors file: 8 bytes of header length, a JSON header, then the tensors' data without gaps.

Written here and not by the safetensors library: its numpy interface has no bfloat16, and a tensor goes from
the mapped file to the new one without a copy in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..files.new_file import new_file
from .safetensors_reader import DTYPE_CODES
from .tensor_view import NUMPY_DTYPES

# The data begins at a multiple of this, so that readers can map every dtype; the header ends in spaces.
ALIGNMENT = 8


def write_safetensors(path: Path, tensors: Iterable[tuple[str, str, np.ndarray]]) -> None:
    """Writes (name, dtype, array) triples; a bfloat16 tensor's array holds its bits as uint16.

    No reader sees an incomplete file. Raises ModelFileError if it cannot be written.
    """
    entries = sorted(tensors, key=lambda entry: -NUMPY_DTYPES[entry[1]].itemsize)  # keeps all aligned
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}  # transformers demands the key
    end = 0
    for name, dtype, array in entries:
        begin, end = end, end + array.nbytes
        codes = {"dtype": DTYPE_CODES[dtype], "shape": list(array.shape), "data_offsets": [begin, end]}
        header[name] = codes
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with new_file(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, _, array in entries:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
