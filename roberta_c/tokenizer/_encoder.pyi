"""The public names of _encoder.pyx, for type checkers; the docstrings are there."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import Self, disjoint_base

_Places = npt.NDArray[np.int64]

def code_point_properties(code_points: Iterable[int]) -> bytes: ...
def scan_short_pieces(data: bytes, position: int) -> tuple[_Places, int]: ...

@disjoint_base
class Strings:
    def __new__(cls) -> Self: ...

@disjoint_base
class AddedStrings:
    def __new__(cls, contents: list[str]) -> Self: ...

@disjoint_base
class UnigramEncoder:
    def __new__(
        cls,
        data: bytes,
        starts: _Places,
        ends: _Places,
        scores: npt.NDArray[np.float32],
        unknown_id: int,
        charsmap: bytes,
        prepends_space: bool,
    ) -> Self: ...
    @property
    def scores(self) -> npt.NDArray[np.float32]: ...
    @property
    def longest(self) -> int: ...
    def __len__(self) -> int: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Self: ...
    def token(self, index: int) -> str | None: ...
    def find(self, token: str) -> int | None: ...
    def encode(self, text: str, added: AddedStrings, detail: int = 0) -> Any: ...

@disjoint_base
class BytePairEncoder:
    def __new__(
        cls,
        vocab: dict[str, int],
        texts: bytes,
        lengths: _Places,
        ids: npt.NDArray[np.uint32],
        pairs: npt.NDArray[np.uint32],
        results: npt.NDArray[np.uint32],
        byte_tokens: list[int],
        adds_prefix_space: bool,
        trims_offsets: bool,
    ) -> Self: ...
    @property
    def vocab(self) -> dict[str, int]: ...
    @property
    def longest(self) -> int: ...
    def __len__(self) -> int: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Self: ...
    def token(self, index: int) -> str | None: ...
    def find(self, token: str) -> int | None: ...
    def encode(self, text: str, added: AddedStrings, detail: int = 0) -> Any: ...
