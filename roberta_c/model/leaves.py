"""The leaves of a model's tree, which can be called alone: Linear, LayerNorm, Embedding …

They print as torch's modules do and hold packed weights; the kernels compute. Input and output arrays are
float32 with any leading dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError, mismatch
from ..kernels import Kernels, Norm, PackedLinear
from ..machine.threads import threads_for


class Module:
    """A node of the model tree: children are the attributes that are Modules, in order of assignment.

    `kind` is transformers' class name without the family, for printing only; None: this class's name.
    `family` is printed in front of it: one class serves Roberta… and XLMRoberta….
    """

    kind: str | None = None

    def __init__(self, family: str = "") -> None:
        self.family = family

    def children(self) -> dict[str, Module]:
        """Name → child, in order."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def details(self) -> str:
        """The text in the parentheses of a leaf."""
        return ""

    def display_name(self) -> str:
        """The class name that is printed."""
        return self.family + (self.kind or type(self).__name__)

    def __repr__(self) -> str:
        lines = [f"({name}): {_indented(repr(child))}" for name, child in self.children().items()]
        return _tree(self.display_name(), self.details(), lines)


class ModuleList(Module):
    """A list of modules; equal neighbours are printed once, as torch does."""

    def __init__(self, modules: list[Any]) -> None:
        super().__init__()
        self.modules = modules

    def __len__(self) -> int:
        return len(self.modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.modules)

    def __getitem__(self, index: int) -> Any:
        return self.modules[index]

    def __repr__(self) -> str:
        runs: list[tuple[int, int, str]] = []
        for index, module in enumerate(self.modules):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], index, text)
            else:
                runs.append((index, index, text))
        lines = []
        for first, last, text in runs:
            label = f"({first}): " if first == last else f"({first}-{last}): {last - first + 1} x "
            lines.append(label + _indented(text))
        return _tree("ModuleList", "", lines)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _tree(name: str, details: str, lines: list[str]) -> str:
    if not lines:
        return f"{name}({details})"
    return f"{name}(\n  " + "\n  ".join(lines) + "\n)"


class Linear(Module):
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
        num_threads = threads_for(rows.size * self.out_features, self.num_threads)
        y = self.packed.kernels.linear(rows, self.packed, activation, residual, num_threads)
        return y.reshape(*shape, self.out_features)

    def details(self) -> str:
        bias = self.packed.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimension."""

    def __init__(self, norm: Norm, kernels: Kernels, num_threads: int = 1) -> None:
        super().__init__()
        self.norm, self.kernels, self.num_threads = norm, kernels, num_threads

    def __call__(self, x: np.ndarray) -> np.ndarray:
        rows, shape = as_rows(x, len(self.norm.weight), "x")
        y = self.kernels.layer_norm(rows, self.norm, self.num_threads)
        return y.reshape(*shape, len(self.norm.weight))

    def details(self) -> str:
        return f"({len(self.norm.weight)},), eps={self.norm.eps}, elementwise_affine=True"


class Embedding(Module):
    """Rows of a table by id: int (…) → float32 (…, embedding_dim)."""

    def __init__(self, table: np.ndarray, dtype: str = "float32", padding_idx: int | None = None) -> None:
        super().__init__()
        self.table, self.dtype, self.padding_idx = table, dtype, padding_idx
        self.num_embeddings, self.embedding_dim = table.shape

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        ids = as_array(ids, "ids")
        if ids.dtype.kind not in "iu":
            raise InputError(mismatch("ids", f"dtype {ids.dtype}", "integers"))
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


def as_array(x: Any, name: str) -> np.ndarray:
    """`x` as an array. InputError if its rows differ in length."""
    try:
        return np.asarray(x)
    except ValueError:
        raise InputError(mismatch(name, "rows of different lengths", "a padded array")) from None


def first_tokens(hidden_states: Any) -> np.ndarray:
    """The first token of each sequence, (S, width, H) → (S, H). InputError for another shape."""
    hidden = as_float32(hidden_states, "hidden_states")
    if hidden.ndim != 3 or hidden.shape[1] == 0:
        raise InputError(mismatch("hidden_states", f"shape {hidden.shape}", "(batch, length, hidden)"))
    return hidden[:, 0]


def as_float32(x: Any, name: str) -> np.ndarray:
    """`x` as a C-contiguous float32 array. InputError if it holds no numbers."""
    array = as_array(x, name)
    if array.dtype.kind not in "fiu":
        raise InputError(mismatch(name, f"dtype {array.dtype}", "float32"))
    return np.ascontiguousarray(array, dtype=np.float32)


def as_rows(x: Any, columns: int, name: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """`x` (…, columns) as a float32 matrix, and its leading dimensions."""
    array = as_float32(x, name)
    if array.ndim < 1 or array.shape[-1] != columns:
        raise InputError(mismatch(name, f"shape {array.shape}", f"(…, {columns})"))
    return array.reshape(-1, columns), array.shape[:-1]
