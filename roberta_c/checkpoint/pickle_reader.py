"""A reader for the pickles inside torch's checkpoint files. It can describe tensors and do nothing else.

Written against the pickle protocol 2 that torch.save emits: about 30 opcodes, 14 global names. Values are the
inert descriptions of pickle_values.py; no class is looked up, no function called, no attribute set. Whatever
is not on the lists is refused, and there is no other reader to fall back on. All limits are checked before
memory is spent; counts taken from the file never size an allocation.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NoReturn

from ..errors import ModelFileError, UnsafeFileError, shown
from .pickle_values import (
    ALLOWED_GLOBALS,
    ORDERED_DICT,
    REBUILD_PARAMETER,
    REBUILD_TENSOR,
    REBUILD_TENSOR_V2,
    STORAGE_DTYPES,
    Container,
    DictContainer,
    GlobalName,
    SequenceContainer,
    Storage,
    StorageView,
    TensorRecord,
    Value,
    kind_of,
)

MAX_PICKLE_BYTES = 8 << 20  # real ones have tens of kilobytes
MAX_OPCODES = 1_000_000  # a 24-layer model has about 12,000
MAX_DEPTH = 32
MAX_LONG_BYTES = 16
MAX_NAME_BYTES = 256
MAX_MEMORY = 32 << 20  # estimated, see _COST_*

# Upper estimates of what CPython allocates for one thing, in bytes.
_COST_CONTAINER = 160
_COST_ITEM = 24
_COST_DICT = 300
_COST_DICT_ITEM = 120
_COST_STRING = 64
_COST_NUMBER = 40
_COST_MEMO = 130
_COST_TENSOR = 500

# Fields of a persistent id after the word "storage": zip files have four, legacy files add view_metadata.
ZIP_STORAGE_FIELDS = 4
LEGACY_STORAGE_FIELDS = 5

_STOP = ord(".")


class PickleReader:
    """Reads the pickles that lie back to back in `data`.

    `source` begins every message (the file's path, with the entry's name for a zip archive).
    `storage_fields` says which persistent ids are expected; 0 refuses all. `storages` collects every storage
    that the pickles name, by key. Limits count over all pickles read.
    """

    def __init__(self, data: bytes, source: str, storage_fields: int) -> None:
        self.storages: dict[str, Storage] = {}
        self.position = 0
        self._data = data
        self._source = source
        self._storage_fields = storage_fields
        self._views: dict[str, StorageView] = {}
        self._opcodes = 0
        self._memory = 0
        self._stack: list[Value] = []
        self._marks: list[int] = []
        self._memo: dict[int, Value] = {}
        self._handlers: dict[int, Callable[[], None]] = {
            ord(code): handler
            for code, handler in {
                "(": self._mark,
                ")": lambda: self._push_sequence("tuple", []),
                "]": lambda: self._push_sequence("list", []),
                "}": lambda: self._push_dict("dict"),
                "N": lambda: self._stack.append(None),
                "\x88": lambda: self._stack.append(True),
                "\x89": lambda: self._stack.append(False),
                "J": lambda: self._push_number("<i", 4),
                "K": lambda: self._push_number("<B", 1),
                "M": lambda: self._push_number("<H", 2),
                "G": lambda: self._push_number(">d", 8),
                "\x8a": self._long1,
                "X": lambda: self._push_string(self._unsigned(4)),
                "U": lambda: self._push_string(self._unsigned(1)),
                "t": lambda: self._push_sequence("tuple", self._pop_to_mark()),
                "\x85": lambda: self._push_sequence("tuple", self._pop_many(1)),
                "\x86": lambda: self._push_sequence("tuple", self._pop_many(2)),
                "\x87": lambda: self._push_sequence("tuple", self._pop_many(3)),
                "q": lambda: self._put(self._unsigned(1)),
                "r": lambda: self._put(self._unsigned(4)),
                "h": lambda: self._get(self._unsigned(1)),
                "j": lambda: self._get(self._unsigned(4)),
                "a": lambda: self._append(self._pop_many(1)),
                "e": lambda: self._append(self._pop_to_mark()),
                "s": lambda: self._set_items(self._pop_many(2)),
                "u": lambda: self._set_items(self._pop_to_mark()),
                "b": self._build,
                "c": self._global,
                "Q": self._persistent_id,
                "R": self._reduce,
            }.items()
        }

    def read(self) -> Value:
        """The value of the next pickle; `position` moves behind it.

        Raises UnsafeFileError for an opcode, global or call that no checkpoint needs, and ModelFileError for
        a pickle that is malformed, truncated or beyond a limit.
        """
        if self._take(2) != b"\x80\x02":
            self._fail("does not begin as a pickle of protocol 2, the one that torch.save writes")
        self._stack.clear()
        self._marks.clear()
        self._memo.clear()
        while True:
            opcode = self._take(1)[0]
            self._opcodes += 1
            if self._opcodes > MAX_OPCODES:
                self._fail(f"has more than {MAX_OPCODES} opcodes")
            if opcode == _STOP:
                break
            handler = self._handlers.get(opcode)
            if handler is None:
                self._refuse(f"uses the pickle opcode {bytes([opcode])!r}, which no checkpoint needs")
            handler()
        if len(self._stack) != 1 or self._marks:
            self._fail(f"ends with {len(self._stack)} values on its stack, expected 1")
        return self._stack.pop()

    # Failing, and taking bytes.

    def _fail(self, problem: str) -> NoReturn:
        raise ModelFileError(f"{self._source}: pickle {problem} (at byte {self.position})")

    def _refuse(self, problem: str) -> NoReturn:
        raise UnsafeFileError(f"{self._source}: refused: {problem} (at byte {self.position})")

    def _take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self._data):
            self._fail("is truncated")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def _unsigned(self, length: int) -> int:
        return int.from_bytes(self._take(length), "little")

    def _spend(self, memory: int) -> None:
        self._memory += memory
        if self._memory > MAX_MEMORY:
            self._fail(f"describes objects of more than {MAX_MEMORY} bytes")

    # The stack.

    def _mark(self) -> None:
        if len(self._marks) >= MAX_DEPTH:
            self._fail(f"is nested more than {MAX_DEPTH} deep")
        self._marks.append(len(self._stack))

    def _pop_many(self, count: int) -> list[Value]:
        floor = self._marks[-1] if self._marks else 0
        start = len(self._stack) - count
        if start < floor:
            self._fail("takes more from its stack than is there")
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _pop_to_mark(self) -> list[Value]:
        if not self._marks:
            self._fail("goes back to a mark that it never set")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _top(self) -> Value:
        floor = self._marks[-1] if self._marks else 0
        if len(self._stack) <= floor:
            self._fail("takes more from its stack than is there")
        return self._stack[-1]

    def _put(self, index: int) -> None:
        if index not in self._memo:
            self._spend(_COST_MEMO)
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            self._fail(f"refers to memo {index}, which it never set")
        self._stack.append(self._memo[index])

    # Plain values.

    def _push_number(self, layout: str, length: int) -> None:
        self._spend(_COST_NUMBER)
        self._stack.append(struct.unpack(layout, self._take(length))[0])

    def _long1(self) -> None:
        length = self._unsigned(1)
        if length > MAX_LONG_BYTES:
            self._fail(f"has an integer of {length} bytes, expected at most {MAX_LONG_BYTES}")
        self._spend(_COST_NUMBER)
        self._stack.append(int.from_bytes(self._take(length), "little", signed=True))

    def _push_string(self, length: int) -> None:
        # One character outside ASCII can make CPython spend four bytes on every other.
        self._spend(_COST_STRING + 4 * length)
        try:
            self._stack.append(self._take(length).decode("utf-8"))
        except UnicodeDecodeError:
            self._fail("has a string that is not UTF-8")

    # Containers.

    def _push_sequence(self, kind: str, items: list[Value]) -> None:
        self._spend(_COST_CONTAINER)
        container = SequenceContainer(kind, items)
        if items:
            self._place(items, container)
        self._stack.append(container)

    def _push_dict(self, kind: str) -> None:
        self._spend(_COST_DICT)
        self._stack.append(DictContainer(kind))

    def _append(self, values: list[Value]) -> None:
        target = self._top()
        if not isinstance(target, SequenceContainer) or target.kind != "list":
            self._fail(f"appends to a {kind_of(target)}, expected a list")
        self._place(values, target)
        target.items.extend(values)

    def _set_items(self, values: list[Value]) -> None:
        target = self._top()
        if not isinstance(target, DictContainer):
            self._fail(f"sets items of a {kind_of(target)}, expected a dict")
        if len(values) % 2:
            self._fail("sets a dict key without a value")
        self._place(values, target)
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Small integers only: large ones can be made to collide by the thousand.
            if type(key) is not str and not (type(key) is int and abs(key) < 1 << 31):
                self._fail(f"has a dict key that is {kind_of(key)}, expected str")
            if key in target.items:
                self._fail(f"sets the dict key {shown(key)} twice")
            self._spend(_COST_DICT_ITEM)
            target.items[key] = value

    def _place(self, values: list[Value], target: Container) -> None:
        """Note that `values` are going into `target`; keeps nesting finite and shallow."""
        if target.placed:
            self._fail(f"changes a {target.kind} that is already part of another value")
        self._spend(_COST_ITEM * len(values))
        for value in values:
            if isinstance(value, Container):
                if value is target:
                    self._fail(f"puts a {target.kind} into itself")
                value.placed = True
                target.depth = max(target.depth, value.depth + 1)
        if target.depth > MAX_DEPTH:
            self._fail(f"is nested more than {MAX_DEPTH} deep")

    def _build(self) -> None:
        """torch hangs `_metadata` (module versions) on a state dict; no weights lie there."""
        (state,) = self._pop_many(1)
        target = self._top()
        if not isinstance(target, DictContainer) or target.kind != "OrderedDict":
            self._refuse(f"it sets the state of a {kind_of(target)}")
        if not isinstance(state, DictContainer):
            self._fail(f"sets a dict's attributes from a {kind_of(state)}, expected a dict")

    # Globals, storages, tensors.

    def _global(self) -> None:
        parts = []
        for _ in range(2):
            end = self._data.find(b"\n", self.position, self.position + MAX_NAME_BYTES)
            if end < 0:
                self._fail("is truncated in a global name, or has an endless one")
            parts.append(self._data[self.position : end])
            self.position = end + 1
        name = b".".join(parts)
        tag = ALLOWED_GLOBALS.get(name.decode("ascii", "replace"))
        if tag is None:
            self._refuse(f"it asks for the global {shown(name)[1:]}, which no checkpoint needs")
        self._stack.append(tag)

    def _persistent_id(self) -> None:
        (value,) = self._pop_many(1)
        if not self._storage_fields:
            self._refuse("it refers to a storage where none belongs")
        fields = value.items if isinstance(value, SequenceContainer) and value.kind == "tuple" else []
        if len(fields) != 1 + self._storage_fields or fields[0] != "storage":
            kind = fields[0] if fields and isinstance(fields[0], str) else kind_of(value)
            self._refuse(f"it refers to {shown(kind)}, expected a storage with {self._storage_fields} fields")
        tag, key, location, count = fields[1:5]
        dtype = STORAGE_DTYPES.get(tag) if isinstance(tag, GlobalName) else None
        if dtype is None:
            self._fail(f"has a storage whose class is a {kind_of(tag)}")
        if type(key) is not str or type(location) is not str or type(count) is not int:
            self._fail("has a storage whose key, location or count has the wrong type")
        if not 0 <= count < 1 << 56:
            self._fail(f"has the storage {shown(key)} of {shown(count)} elements")

        storage = Storage(key, dtype, count)
        known = self.storages.get(key)
        if known is None:
            self._spend(_COST_TENSOR)
            self.storages[key] = storage
        elif known != storage:
            self._fail(
                f"has the storage {shown(key)} as {known.count} x {known.dtype} and as {count} x {dtype}"
            )
        view = StorageView(storage, 0, count)
        if self._storage_fields == LEGACY_STORAGE_FIELDS and fields[5] is not None:
            view = self._partial_view(storage, fields[5])
        self._spend(_COST_CONTAINER)
        self._stack.append(view)

    def _partial_view(self, storage: Storage, metadata: Value) -> StorageView:
        """The part of a storage that `(view_key, first, count)` stands for (torch before 0.4)."""
        fields = metadata.items if isinstance(metadata, SequenceContainer) else []
        key, first, count = fields if len(fields) == 3 else (None, None, None)
        if type(key) is not str or type(first) is not int or type(count) is not int:
            self._fail("has a storage view that is not (key, offset, size)")
        if first < 0 or count < 0 or first + count > storage.count:
            self._fail(
                f"has a view of elements {shown(first)} to {shown(first + count)} "
                f"of the storage {shown(storage.key)}, which has {storage.count}"
            )
        view = StorageView(storage, first, count)
        if key not in self._views:
            self._spend(_COST_TENSOR)
            self._views[key] = view
        elif self._views[key] != view:
            self._fail(f"has the storage view {shown(key)} in two ways")
        return view

    def _reduce(self) -> None:
        called, arguments = self._pop_many(2)
        if not isinstance(called, GlobalName) or called in STORAGE_DTYPES:
            name = called.name if isinstance(called, GlobalName) else f"a {kind_of(called)}"
            self._refuse(f"it calls {name}")
        if not isinstance(arguments, SequenceContainer) or arguments.kind != "tuple":
            self._fail(f"calls {called.name} with a {kind_of(arguments)}, expected a tuple")
        items = arguments.items
        if called is ORDERED_DICT:
            if items:
                self._refuse(f"it calls {called.name} with {len(items)} arguments, expected none")
            self._push_dict("OrderedDict")
        elif called is REBUILD_PARAMETER:
            self._stack.append(self._parameter(items))
        else:
            self._stack.append(self._tensor(called, items))

    def _parameter(self, items: list[Value]) -> TensorRecord:
        if len(items) != 3 or not isinstance(items[0], TensorRecord):
            self._fail(f"has a parameter that is not made of a tensor and two more values: {len(items)}")
        self._check_autograd(*items[1:])
        return items[0]

    def _tensor(self, called: GlobalName, items: list[Value]) -> TensorRecord:
        expected = {REBUILD_TENSOR: (4,), REBUILD_TENSOR_V2: (6, 7)}[called]
        if len(items) not in expected:
            self._fail(f"calls {called.name} with {len(items)} arguments, expected {expected[0]}")
        view, first, shape, strides = items[:4]
        if not isinstance(view, StorageView) or type(first) is not int:
            self._fail(f"has a tensor made of a {kind_of(view)} and a {kind_of(first)}")
        if called is REBUILD_TENSOR_V2:
            self._check_autograd(*items[4:6])
        if len(items) == 7 and items[6] is not None:
            metadata = items[6]
            if not isinstance(metadata, DictContainer) or metadata.items:
                self._fail("has a tensor with metadata (negated or conjugated), which is not read")
        self._spend(_COST_TENSOR)
        return TensorRecord(view, first, self._integers(shape), self._integers(strides))

    def _check_autograd(self, requires_grad: Value, hooks: Value) -> None:
        if type(requires_grad) is not bool or not isinstance(hooks, DictContainer) or hooks.items:
            self._fail("has a tensor whose requires_grad and hooks are not a bool and an empty OrderedDict")

    def _integers(self, value: Value) -> tuple[int, ...]:
        if not isinstance(value, SequenceContainer) or value.kind != "tuple":
            self._fail(f"has a tensor whose shape or strides are a {kind_of(value)}, expected a tuple")
        integers = tuple(item for item in value.items if type(item) is int)
        if len(integers) != len(value.items):
            self._fail("has a tensor whose shape or strides are not all integers")
        return integers
