"""What the pickle reader builds: inert descriptions, never the objects that a pickle asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .tensor_view import NUMPY_DTYPES


@dataclass(frozen=True, slots=True)
class GlobalName:
    """A name from the allow-list. It stands for nothing; the reader compares it with its own."""

    name: str


ORDERED_DICT = GlobalName("collections.OrderedDict")
REBUILD_TENSOR = GlobalName("torch._utils._rebuild_tensor")
REBUILD_TENSOR_V2 = GlobalName("torch._utils._rebuild_tensor_v2")
REBUILD_PARAMETER = GlobalName("torch._utils._rebuild_parameter")

# Which dtype each of torch's storage classes holds.
STORAGE_DTYPES = {
    GlobalName(f"torch.{stem}Storage"): dtype
    for stem, dtype in (
        ("Float", "float32"),
        ("Half", "float16"),
        ("BFloat16", "bfloat16"),
        ("Double", "float64"),
        ("Long", "int64"),
        ("Int", "int32"),
        ("Short", "int16"),
        ("Char", "int8"),
        ("Byte", "uint8"),
        ("Bool", "bool"),
    )
}

ALLOWED_GLOBALS = {
    tag.name: tag
    for tag in (ORDERED_DICT, REBUILD_TENSOR, REBUILD_TENSOR_V2, REBUILD_PARAMETER, *STORAGE_DTYPES)
}


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of `count` elements that the file keeps under `key`."""

    key: str
    dtype: str
    count: int

    @property
    def size_bytes(self) -> int:
        """Bytes that the elements take in the file."""
        return self.count * NUMPY_DTYPES[self.dtype].itemsize


@dataclass(frozen=True, slots=True)
class StorageView:
    """`count` elements of `storage` from element `first`; only old legacy files have partial ones."""

    storage: Storage
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """A tensor as the pickle describes it: integers in elements, not yet checked against anything."""

    view: StorageView
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Container:
    """A tuple, list or dict of a pickle.

    `depth` is 1 for a container of plain values. Once placed inside another, a container may not change any
    more: so no container can come to hold itself, and `depth` stays true.
    """

    __slots__ = ("depth", "kind", "placed")

    kind: str
    depth: int
    placed: bool


class SequenceContainer(Container):
    """Kind "tuple" or "list"."""

    __slots__ = ("items",)

    def __init__(self, kind: str, items: list[Value]) -> None:
        self.kind = kind
        self.depth = 1
        self.placed = False
        self.items = items


class DictContainer(Container):
    """Kind "dict" or "OrderedDict"."""

    __slots__ = ("items",)

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.depth = 1
        self.placed = False
        self.items: dict[str | int, Value] = {}


Value: TypeAlias = "bool | int | float | str | GlobalName | StorageView | TensorRecord | Container | None"


def kind_of(value: Value) -> str:
    """A word for messages. Never shows contents: a container may unfold to exponential size."""
    if isinstance(value, Container):
        return value.kind
    words = {TensorRecord: "tensor", StorageView: "storage", GlobalName: "global", type(None): "None"}
    return words.get(type(value), type(value).__name__)
