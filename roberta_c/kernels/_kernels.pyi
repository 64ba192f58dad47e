"""The public names of _kernels.pyx, for type checkers; the docstrings are there."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer, Self, disjoint_base

from ..checkpoint.stored_rows import StoredRows
from ..checkpoint.tensor_view import StoredTensor

_Floats = npt.NDArray[np.float32]
_Integers = npt.NDArray[np.int64]

HAS_THREADS: Final[bool]
LAYOUT_VERSION: Final[int]

def known_isas() -> tuple[str, ...]: ...
def available_isas() -> tuple[str, ...]: ...
def cpu_features() -> dict[str, bool]: ...
def digests(data: Buffer, piece_bytes: int, num_threads: int = 1) -> npt.NDArray[np.uint64]: ...

@disjoint_base
class PackedLinear:
    def __new__(
        cls,
        kernels: Kernels,
        panels: _Floats,
        bias: _Floats | None,
        sections: int,
        n: int,
        k: int,
        dtype: str = "float32",
        smooth: _Floats | None = None,
    ) -> Self: ...
    @property
    def smooth(self) -> _Floats | None: ...
    @property
    def kernels(self) -> Kernels: ...
    @property
    def panels(self) -> _Floats: ...
    @property
    def bias(self) -> _Floats | None: ...
    @property
    def sections(self) -> int: ...
    @property
    def n(self) -> int: ...
    @property
    def k(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    def section(self, index: int) -> PackedLinear: ...

@disjoint_base
class ConvertedRows:
    def __new__(cls, packed: PackedLinear, count: int) -> Self: ...
    @property
    def packed(self) -> PackedLinear: ...
    @property
    def rows(self) -> _Floats: ...
    @property
    def quantizations(self) -> _Floats: ...

@disjoint_base
class Norm:
    def __new__(cls, weight: _Floats, bias: _Floats, eps: float) -> Self: ...
    @property
    def weight(self) -> _Floats: ...
    @property
    def bias(self) -> _Floats: ...
    @property
    def eps(self) -> float: ...

@disjoint_base
class EmbeddingTables:
    def __new__(
        cls,
        word: npt.NDArray[np.float32 | np.float16 | np.uint16] | StoredRows,
        word_dtype: str,
        position: _Floats,
        token_type: _Floats,
        norm: Norm,
    ) -> Self: ...
    @property
    def word(self) -> npt.NDArray[np.float32 | np.float16 | np.uint16] | StoredRows: ...
    @property
    def word_dtype(self) -> str: ...
    @property
    def position(self) -> _Floats: ...
    @property
    def token_type(self) -> _Floats: ...
    @property
    def norm(self) -> Norm: ...
    @property
    def stored_rows(self) -> StoredRows | None: ...

@disjoint_base
class PackedLayer:
    def __new__(
        cls,
        qkv: PackedLinear,
        attention_output: PackedLinear,
        attention_norm: Norm,
        up: PackedLinear,
        down: PackedLinear,
        output_norm: Norm,
        heads: int,
        activation: str,
    ) -> Self: ...
    @property
    def qkv(self) -> PackedLinear: ...
    @property
    def attention_output(self) -> PackedLinear: ...
    @property
    def attention_norm(self) -> Norm: ...
    @property
    def up(self) -> PackedLinear: ...
    @property
    def down(self) -> PackedLinear: ...
    @property
    def output_norm(self) -> Norm: ...
    @property
    def heads(self) -> int: ...
    @property
    def activation(self) -> str: ...

@disjoint_base
class Workspace:
    def __new__(cls) -> Self: ...
    @property
    def nbytes(self) -> int: ...

@disjoint_base
class Kernels:
    def __new__(cls, isa: str | None = None) -> Self: ...
    @property
    def isa(self) -> str: ...
    @property
    def tile(self) -> tuple[int, int]: ...
    def pack_linear(
        self,
        weights: Sequence[_Floats],
        biases: Sequence[_Floats] | None = None,
        num_threads: int = 1,
        dtype: str = "float32",
        smooth: _Floats | None = None,
    ) -> PackedLinear: ...
    def pack_linears(
        self,
        stacks: Sequence[tuple[Sequence[_Floats | StoredTensor], Sequence[_Floats] | None, _Floats | None]],
        num_threads: int = 1,
        dtype: str = "float32",
        allow_nonfinite: bool = True,
    ) -> list[PackedLinear]: ...
    def column_sizes(self, weights: Sequence[_Floats | StoredTensor], num_threads: int = 1) -> _Floats: ...
    def panel_shape(self, n: int, k: int, dtype: str = "float32") -> tuple[int, int, int]: ...
    def layout(self, dtype: str = "float32") -> str: ...
    def convert_rows(self, x: _Floats, packed: PackedLinear, num_threads: int = 1) -> ConvertedRows: ...
    def linear(
        self,
        x: _Floats | ConvertedRows,
        packed: PackedLinear,
        activation: str = "none",
        residual: _Floats | None = None,
        num_threads: int = 1,
        out: _Floats | None = None,
    ) -> _Floats: ...
    def attention(
        self, qkv: _Floats, seq_starts: _Integers, heads: int, num_threads: int = 1, dtype: str = "float32"
    ) -> _Floats: ...
    def layer_norm(self, x: _Floats, norm: Norm, num_threads: int = 1) -> _Floats: ...
    def activate(self, x: _Floats, activation: str, num_threads: int = 1) -> _Floats: ...
    def exponentiate(self, x: _Floats) -> _Floats: ...
    def exp2_short(self, x: _Floats) -> _Floats: ...
    def embed(
        self,
        tables: EmbeddingTables,
        ids: _Integers,
        positions: _Integers,
        types: _Integers | None = None,
        num_threads: int = 1,
    ) -> _Floats: ...
    def encoder_layer(
        self,
        layer: PackedLayer,
        x: _Floats,
        seq_starts: _Integers,
        workspace: Workspace,
        num_threads: int = 1,
    ) -> None: ...
    def encoder(
        self,
        layers: list[PackedLayer],
        x: _Floats,
        seq_starts: _Integers,
        workspace: Workspace,
        rows_wanted: _Integers | None = None,
        states: _Floats | None = None,
        num_threads: int = 1,
    ) -> _Floats: ...
    def pool(
        self,
        x: _Floats,
        seq_starts: _Integers,
        pooling: tuple[str, ...],
        skipped: int = 0,
        num_threads: int = 1,
    ) -> _Floats: ...
    def encode(
        self,
        tables: EmbeddingTables,
        layers: list[PackedLayer],
        ids: _Integers,
        positions: _Integers,
        types: _Integers | None,
        seq_starts: _Integers,
        workspace: Workspace,
        rows_wanted: _Integers | None = None,
        states: _Floats | None = None,
        num_threads: int = 1,
        pooling: tuple[str, ...] | None = None,
        skipped: int = 0,
    ) -> _Floats: ...
