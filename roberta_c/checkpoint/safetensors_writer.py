"""Writes a safetensors file: 8 bytes of header length, a JSON header, then the tensors' data without gaps.

Written here and not by the safetensors library: its numpy interface has no bfloat16, and a tensor goes from
one file to the other in pieces.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..files.new_file import new_file
from .safetensors_reader import DTYPE_CODES
from .tensor_loading import pieces
from .tensor_view import NUMPY_DTYPES, StoredTensor

# The data begins at a multiple of this, so that readers can map every dtype; the header ends in spaces.
ALIGNMENT = 8


def write_safetensors(path: Path, tensors: Iterable[tuple[str, str, np.ndarray | StoredTensor]]) -> None:
    """Writes (name, dtype, values) triples: an array, with a bfloat16's bits as uint16, or another file's.

    No reader sees an incomplete file. Raises ModelFileError if it cannot be written, or another file read.
    """
    entries = sorted(tensors, key=lambda entry: -NUMPY_DTYPES[entry[1]].itemsize)  # keeps all aligned
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}  # transformers demands the key
    end = 0
    for name, dtype, values in entries:
        begin, end = end, end + math.prod(values.shape) * NUMPY_DTYPES[dtype].itemsize
        codes = {"dtype": DTYPE_CODES[dtype], "shape": list(values.shape), "data_offsets": [begin, end]}
        header[name] = codes
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with new_file(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, _, values in entries:
            for array in pieces(values) if isinstance(values, StoredTensor) else [values]:
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
