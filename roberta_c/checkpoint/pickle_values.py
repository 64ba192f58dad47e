"""The values that the pickle reader builds: passive descriptions, never the objects that a pickle names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .tensor_view import NUMPY_DTYPES


@dataclass(frozen=True, slots=True)
class GlobalName:
    """A name from the list of allowed ones. The reader only compares it; it never looks it up."""

    name: str


ORDERED_DICT = GlobalName("collections.OrderedDict")
REBUILD_TENSOR = GlobalName("torch._utils._rebuild_tensor")
REBUILD_TENSOR_V2 = GlobalName("torch._utils._rebuild_tensor_v2")
REBUILD_PARAMETER = GlobalName("torch._utils._rebuild_parameter")

# The dtype of each of torch's storage classes.
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
    """`count` elements of one dtype, which the file stores together under `key`."""

    key: str
    dtype: str
    count: int

    @property
    def size_bytes(self) -> int:
        """The size of the elements in the file, in bytes."""
        return self.count * NUMPY_DTYPES[self.dtype].itemsize


@dataclass(frozen=True, slots=True)
class StorageView:
    """`count` elements of `storage` from element `first`. Views of a part occur only in old legacy files."""

    storage: Storage
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """A tensor as the pickle describes it. `first` and `strides` are in elements. Nothing is checked yet."""

    view: StorageView
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Container:
    """A tuple, list or dict of a pickle.

    kind    "tuple", "list", "dict" or "OrderedDict"
    depth   1 for a container of plain values, else 1 more than the deepest container inside
    placed  whether it is an item of another container. It may then no longer change: so no container can hold
            itself, and `depth` stays correct
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
    """The kind of a value, for messages.

    Never the items of a container: their text can be exponentially long if items are shared.
    """
    if isinstance(value, Container):
        return value.kind
    words = {TensorRecord: "tensor", StorageView: "storage", GlobalName: "global", type(None): "None"}
    return words.get(type(value), type(value).__name__)
