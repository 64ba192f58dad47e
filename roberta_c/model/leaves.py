"""The leaves of a model's tree, which can be called alone: Linear, LayerNorm, Embedding …

They print as torch's modules do and hold packed weights; the kernels compute. Input and output arrays are
float32 with any leading dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..config.plain_values import plain_value
from ..errors import InputError, mismatch
from ..kernels import Kernels, Norm, PackedLinear
from ..machine.memory import check_memory
from ..machine.threads import threads_for
from .arrays import as_array, as_float32, as_rows, size_of
from .module import Module

if TYPE_CHECKING:
    from ..checkpoint.stored_rows import StoredRows


class Weighted(Module):
    """A leaf with parameters."""

    @property
    def weight(self) -> np.ndarray:
        """The weight as in the model's file: read-only, of the file's dtype, bfloat16 as float32.

        Linear: (out_features, in_features). Embedding: (num_embeddings, embedding_dim). LayerNorm: (H).
        Raises ModelFileError if the file has been changed.
        """
        return self._parameter("weight")


class WeightedAndBiased(Weighted):
    """A leaf with a weight and a bias."""

    @property
    def bias(self) -> np.ndarray:
        """The bias as in the model's file, (out_features) or (H): as `weight`."""
        return self._parameter("bias")


class Linear(WeightedAndBiased):
    """y = x W^T + b (…, in_features) → (…, out_features)."""

    def __init__(self, packed: PackedLinear, num_threads: int = 1) -> None:
        super().__init__()
        self.packed, self.num_threads = packed, num_threads
        self.in_features, self.out_features = packed.k, packed.sections * packed.n

    def __call__(
        self, x: np.ndarray, activation: str = "none", residual: np.ndarray | None = None
    ) -> np.ndarray:
        rows, shape = as_rows(x, self.in_features, "x")
        if residual is not None:
            residual, residual_shape = as_rows(residual, self.out_features, "residual")
            if residual_shape != shape:
                raise InputError(mismatch("residual", f"leading shape {residual_shape}", f"{shape} as x"))
        return self.of_rows(rows, plain_value(activation), residual).reshape(*shape, self.out_features)

    def of_rows(
        self, x_rk: np.ndarray, activation: str = "none", residual_rn: np.ndarray | None = None
    ) -> np.ndarray:
        """The same of rows that are C-contiguous float32: (R, in_features) → (R, out_features)."""
        num_threads = threads_for(x_rk.size * self.out_features, self.num_threads)
        return self.packed.kernels.linear(x_rk, self.packed, activation, residual_rn, num_threads)

    def details(self) -> str:
        bias = self.packed.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"


class LayerNorm(WeightedAndBiased):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimension."""

    def __init__(self, norm: Norm, kernels: Kernels, num_threads: int = 1) -> None:
        super().__init__()
        self.norm, self.kernels, self.num_threads = norm, kernels, num_threads

    @property
    def eps(self) -> float:
        """What is added to the variance."""
        return self.norm.eps

    def __call__(self, x: np.ndarray) -> np.ndarray:
        rows, shape = as_rows(x, len(self.norm.weight), "x")
        y = self.kernels.layer_norm(rows, self.norm, self.num_threads)
        return y.reshape(*shape, len(self.norm.weight))

    def details(self) -> str:
        return f"({len(self.norm.weight)},), eps={self.norm.eps}, elementwise_affine=True"


class Embedding(Weighted):
    """Rows of a table by id: int (…) → float32 (…, embedding_dim)."""

    def __init__(
        self, table: np.ndarray | StoredRows, dtype: str = "float32", padding_idx: int | None = None
    ) -> None:
        super().__init__()
        self.table, self.dtype, self.padding_idx = table, dtype, padding_idx
        self.num_embeddings, self.embedding_dim = int(table.shape[0]), int(table.shape[1])

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        ids = as_array(ids, "ids")
        if ids.dtype.kind not in "iu":
            raise InputError(mismatch("ids", f"dtype {ids.dtype}", "integers"))
        # The rows as they are in the table, and in float32.
        check_memory(2 * 4 * size_of(ids.shape) * self.embedding_dim, "ids", f"shape {ids.shape}")
        if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < self.num_embeddings:
            raise InputError(
                mismatch("ids", f"{ids.min()} to {ids.max()}", f"0 to {self.num_embeddings - 1}")
            )
        rows: np.ndarray = self.table[ids]
        if self.dtype == "bfloat16":
            return (rows.astype(np.uint32) << 16).view(np.float32)
        return rows.astype(np.float32)

    def details(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class Dropout(Module):
    """Returns its input: dropout belongs to training. The printed tree shows it, as in transformers."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x

    def details(self) -> str:
        return f"p={self.p}, inplace=False"


ACTIVATION_NAMES = {
    "gelu": "GELUActivation",
    "gelu_new": "NewGELUActivation",
    "relu": "ReLU",
    "tanh": "Tanh",
}


class Activation(Module):
    """An elementwise function, named as in `Kernels.activate`, printed under its name in torch or
    transformers.
    """

    def __init__(self, name: str, kernels: Kernels, num_threads: int = 1) -> None:
        super().__init__()
        self.name, self.kernels, self.num_threads = name, kernels, num_threads
        self.kind = ACTIVATION_NAMES[name]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.kernels.activate(as_float32(x, "x"), self.name, self.num_threads)
