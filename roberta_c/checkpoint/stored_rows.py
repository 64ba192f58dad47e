"""Rows of a large matrix, such as a table of word embeddings, read from its file when they are asked for."""

from __future__ import annotations

import math

import numpy as np

from .finite import all_finite
from .tensor_loading import nonfinite_value
from .tensor_view import NUMPY_DTYPES, StoredTensor

# Rows that are checked at a time.
_CHECKED_ROWS = 256


class StoredRows:
    """`rows[ids]`: the rows of a matrix (V, H) in a file, in the file's own dtype.

    file, first_byte  where the matrix lies
    shape, dtype      (V, H), and numpy's type of its values: bits as uint16 for bfloat16
    """

    def __init__(self, tensor: StoredTensor) -> None:
        self.file, self.first_byte = tensor.file, tensor.offset
        self.shape, self.dtype = tensor.shape, NUMPY_DTYPES[tensor.dtype]
        self._tensor = tensor
        # Rows that were found to be finite. Several threads may mark the same row.
        self._finite_v = np.zeros(self.shape[0], bool)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __getitem__(self, ids: np.ndarray) -> np.ndarray:
        """Integers from 0 to V - 1, (…) → (…, H). Raises ModelFileError if the file has changed."""
        rows = np.empty((*ids.shape, self.shape[1]), self.dtype)
        row_bytes = rows.reshape(-1, self.shape[1]).view(np.uint8)
        for target, row in zip(row_bytes, ids.reshape(-1).tolist(), strict=True):
            self.file.read_into(target.data, self.first_byte + row * len(target))
        self.file.check_unchanged()
        return rows

    def check_finite(self, ids_t: np.ndarray) -> None:
        """Read those of the rows that were not checked before, and check them.

        Raises ModelFileError for a value that is NaN or infinite.
        """
        seen_t = self._finite_v[ids_t]
        if seen_t.all():
            return
        unseen = np.unique(ids_t[~seen_t])
        for begin in range(0, len(unseen), _CHECKED_ROWS):
            ids_n = unseen[begin : begin + _CHECKED_ROWS]
            rows_nh = self[ids_n]
            if not all_finite(rows_nh, self._tensor.dtype):
                self._raise_nonfinite(ids_n, rows_nh)
            self._finite_v[ids_n] = True

    def _raise_nonfinite(self, ids_n: np.ndarray, rows_nh: np.ndarray) -> None:
        values = rows_nh
        if self._tensor.dtype == "bfloat16":
            values = (rows_nh.astype(np.uint32) << 16).view(np.float32)
        row, column = (int(one) for one in np.argwhere(~np.isfinite(values))[0])
        raise nonfinite_value(self._tensor, (int(ids_n[row]), column), values[row, column])
