"""A reader for the pickles inside torch's checkpoint files. Its only results are descriptions of tensors.

It knows the part of pickle protocol 2 that torch.save writes: about 30 opcodes and 14 global names. All
other opcodes and names are refused, and there is no fallback to another reader. Values are the passive
descriptions of pickle_values.py: no class is looked up, no function called, no attribute set. All limits are
checked before memory is allocated, and no count from the file sets the size of an allocation.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NoReturn

from ..errors import ModelFileError, UnsafeFileError, mismatch, shown
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

MAX_PICKLE_BYTES = 8 << 20  # published checkpoints have tens of kilobytes
MAX_OPCODES = 1_000_000  # a model of 24 layers has about 12,000
MAX_DEPTH = 32
MAX_LONG_BYTES = 16
MAX_NAME_BYTES = 256
MAX_MEMORY = 32 << 20  # bytes, estimated with _COST_*

# Upper estimates of the memory that CPython allocates for one object of each kind, in bytes.
_COST_CONTAINER = 160
_COST_ITEM = 24
_COST_DICT = 300
_COST_DICT_ITEM = 120
_COST_STRING = 64
_COST_NUMBER = 40
_COST_MEMO = 130
_COST_TENSOR = 500

# Number of fields of a persistent id after the word "storage". Legacy files have view_metadata as the fifth.
ZIP_STORAGE_FIELDS = 4
LEGACY_STORAGE_FIELDS = 5

_STOP = ord(".")


class PickleReader:
    """Reads the pickles that follow each other in `data`.

    source          the start of every message: the file's path, for a zip archive with the entry's name
    storage_fields  number of fields of a persistent id; 0: persistent ids are refused
    storages        every storage that the pickles named so far, by key
    position        the byte of `data` at which the next pickle starts

    The limits hold for all pickles together.
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
                "J": lambda: self._push_integer(int.from_bytes(self._take(4), "little", signed=True)),
                "K": lambda: self._push_integer(self._byte()),
                "M": lambda: self._push_integer(int.from_bytes(self._take(2), "little")),
                "G": self._double,
                "\x8a": self._long1,
                "X": lambda: self._push_string(self._unsigned4()),
                "U": lambda: self._push_string(self._byte()),
                "t": lambda: self._push_sequence("tuple", self._pop_to_mark()),
                "\x85": lambda: self._push_sequence("tuple", self._pop_many(1)),
                "\x86": lambda: self._push_sequence("tuple", self._pop_many(2)),
                "\x87": lambda: self._push_sequence("tuple", self._pop_many(3)),
                "q": lambda: self._put(self._byte()),
                "r": lambda: self._put(self._unsigned4()),
                "h": lambda: self._get(self._byte()),
                "j": lambda: self._get(self._unsigned4()),
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
        """The value of the next pickle. Advances `position` to the end of that pickle.

        Raises UnsafeFileError for an opcode, global or call that no checkpoint needs, and ModelFileError for
        a pickle that is malformed, truncated or beyond a limit.
        """
        if self._take(2) != b"\x80\x02":
            self._fail("another start than that of protocol 2", "protocol 2, which torch.save writes")
        self._stack.clear()
        self._marks.clear()
        self._memo.clear()
        while True:
            opcode = self._byte()
            self._opcodes += 1
            if self._opcodes > MAX_OPCODES:
                self._fail(f"more than {MAX_OPCODES} opcodes", "a checkpoint's pickle, which is shorter")
            if opcode == _STOP:
                break
            handler = self._handlers.get(opcode)
            if handler is None:
                self._refuse(f"the opcode {bytes([opcode])!r}")
            handler()
        if len(self._stack) != 1 or self._marks:
            self._fail(f"{len(self._stack)} values on the stack at the end", "1")
        return self._stack.pop()

    # Errors, and reading bytes.

    def _fail(self, found: str, expected: str) -> NoReturn:
        raise ModelFileError(
            mismatch(f"{self._source}: pickle, read up to byte {self.position}", found, expected)
        )

    def _refuse(self, found: str) -> NoReturn:
        place = f"{self._source}: refused: pickle, read up to byte {self.position}"
        raise UnsafeFileError(mismatch(place, found, "only what describes the tensors of a checkpoint"))

    def _take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self._data):
            self._fail("truncated data", f"{length} more bytes")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def _byte(self) -> int:
        position = self.position
        if position >= len(self._data):
            self._fail("truncated data", "1 more byte")
        self.position = position + 1
        return self._data[position]

    def _unsigned4(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def _spend(self, memory: int) -> None:
        self._memory += memory
        if self._memory > MAX_MEMORY:
            self._fail(f"objects that need more than {MAX_MEMORY} bytes of memory", "smaller ones")

    # The stack.

    def _mark(self) -> None:
        if len(self._marks) >= MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} levels of nesting", "fewer")
        self._marks.append(len(self._stack))

    def _pop_many(self, count: int) -> list[Value]:
        floor = self._marks[-1] if self._marks else 0
        start = len(self._stack) - count
        if start < floor:
            self._fail("too few values on the stack", f"at least {count}")
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _pop_to_mark(self) -> list[Value]:
        if not self._marks:
            self._fail("no mark on the stack", "one that was set before")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _top(self) -> Value:
        floor = self._marks[-1] if self._marks else 0
        if len(self._stack) <= floor:
            self._fail("too few values on the stack", "at least 1")
        return self._stack[-1]

    def _put(self, index: int) -> None:
        if index not in self._memo:
            self._spend(_COST_MEMO)
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            self._fail(f"a reference to the memo entry {index}", "one that was set before")
        self._stack.append(self._memo[index])

    # Plain values.

    def _push_integer(self, value: int) -> None:
        self._spend(_COST_NUMBER)
        self._stack.append(value)

    def _double(self) -> None:
        self._spend(_COST_NUMBER)
        self._stack.append(struct.unpack(">d", self._take(8))[0])

    def _long1(self) -> None:
        length = self._byte()
        if length > MAX_LONG_BYTES:
            self._fail(f"an integer of {length} bytes", f"at most {MAX_LONG_BYTES}")
        self._push_integer(int.from_bytes(self._take(length), "little", signed=True))

    def _push_string(self, length: int) -> None:
        # One character outside ASCII can make CPython use four bytes for every character of the string.
        self._spend(_COST_STRING + 4 * length)
        try:
            self._stack.append(self._take(length).decode("utf-8"))
        except UnicodeDecodeError:
            self._fail("a string that is not UTF-8", "UTF-8")

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
            self._fail(f"items appended to a {kind_of(target)}", "a list")
        self._place(values, target)
        target.items.extend(values)

    def _set_items(self, values: list[Value]) -> None:
        target = self._top()
        if not isinstance(target, DictContainer):
            self._fail(f"items set in a {kind_of(target)}", "a dict")
        if len(values) % 2:
            self._fail("a dict key without a value", "one value for each key")
        self._place(values, target)
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Thousands of large integers with the same hash could make this dict slow: only small ones pass.
            if type(key) is not str and not (type(key) is int and abs(key) < 1 << 31):
                self._fail(f"a dict key that is {kind_of(key)}", "str, or an int below 2**31")
            if key in target.items:
                self._fail(f"the dict key {shown(key)} twice", "each key once")
            self._spend(_COST_DICT_ITEM)
            target.items[key] = value

    def _place(self, values: list[Value], target: Container) -> None:
        """Record that `values` become items of `target`. Ensures nesting of at most MAX_DEPTH levels."""
        if target.placed:
            self._fail(f"a change of a {target.kind} that is already part of another value", "no change")
        self._spend(_COST_ITEM * len(values))
        for value in values:
            if isinstance(value, Container):
                if value is target:
                    self._fail(f"a {target.kind} inside itself", "no cycles")
                value.placed = True
                target.depth = max(target.depth, value.depth + 1)
        if target.depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} levels of nesting", "fewer")

    def _build(self) -> None:
        """Ignore the attribute `_metadata` (module versions) of a state dict: it holds no weights."""
        (state,) = self._pop_many(1)
        target = self._top()
        if not isinstance(target, DictContainer) or target.kind != "OrderedDict":
            self._refuse(f"attributes of a {kind_of(target)}")
        if not isinstance(state, DictContainer):
            self._fail(f"a dict's attributes in a {kind_of(state)}", "a dict")

    # Globals, storages, tensors.

    def _global(self) -> None:
        parts = []
        for _ in range(2):
            end = self._data.find(b"\n", self.position, self.position + MAX_NAME_BYTES)
            if end < 0:
                self._fail("a global name without an end", f"at most {MAX_NAME_BYTES} bytes")
            parts.append(self._data[self.position : end])
            self.position = end + 1
        name = b".".join(parts)
        tag = ALLOWED_GLOBALS.get(name.decode("ascii", "replace"))
        if tag is None:
            self._refuse(f"the global {shown(name)[1:]}")
        self._stack.append(tag)

    def _persistent_id(self) -> None:
        (value,) = self._pop_many(1)
        if not self._storage_fields:
            self._refuse("a reference to a storage in a pickle without tensors")
        fields = value.items if isinstance(value, SequenceContainer) and value.kind == "tuple" else []
        if len(fields) != 1 + self._storage_fields or fields[0] != "storage":
            kind = fields[0] if fields and isinstance(fields[0], str) else kind_of(value)
            self._refuse(
                f"a reference to {shown(kind)}, which is no storage with {self._storage_fields} fields"
            )
        tag, key, location, count = fields[1:5]
        dtype = STORAGE_DTYPES.get(tag) if isinstance(tag, GlobalName) else None
        if dtype is None:
            self._fail(f"a storage whose class is a {kind_of(tag)}", "a storage class of torch")
        if type(key) is not str or type(location) is not str or type(count) is not int:
            found = ", ".join(map(kind_of, (key, location, count)))
            self._fail(f"a storage whose key, location and count are {found}", "str, str, int")
        if not 0 <= count < 1 << 56:
            self._fail(f"{shown(count)} elements in the storage {shown(key)}", "a count from 0 to 2**56 - 1")

        storage = Storage(key, dtype, count)
        known = self.storages.get(key)
        if known is None:
            self._spend(_COST_TENSOR)
            self.storages[key] = storage
        elif known != storage:
            both = f"{known.count} x {known.dtype} and {count} x {dtype}"
            self._fail(f"the storage {shown(key)} as {both}", "one description")
        view = StorageView(storage, 0, count)
        if self._storage_fields == LEGACY_STORAGE_FIELDS and fields[5] is not None:
            view = self._partial_view(storage, fields[5])
        self._spend(_COST_CONTAINER)
        self._stack.append(view)

    def _partial_view(self, storage: Storage, metadata: Value) -> StorageView:
        """The part of a storage that `(view_key, first, count)` describes (torch before 0.4)."""
        fields = metadata.items if isinstance(metadata, SequenceContainer) else []
        key, first, count = fields if len(fields) == 3 else (None, None, None)
        if type(key) is not str or type(first) is not int or type(count) is not int:
            self._fail(f"a storage view that is a {kind_of(metadata)}", "a tuple (key, offset, size)")
        if first < 0 or count < 0 or first + count > storage.count:
            found = f"a view of elements {shown(first)} to {shown(first + count)}"
            self._fail(found, f"a part of the {storage.count} elements of the storage {shown(storage.key)}")
        view = StorageView(storage, first, count)
        if key not in self._views:
            self._spend(_COST_TENSOR)
            self._views[key] = view
        elif self._views[key] != view:
            self._fail(f"two descriptions of the storage view {shown(key)}", "one")
        return view

    def _reduce(self) -> None:
        called, arguments = self._pop_many(2)
        if not isinstance(called, GlobalName) or called in STORAGE_DTYPES:
            name = called.name if isinstance(called, GlobalName) else f"a {kind_of(called)}"
            self._refuse(f"a call of {name}")
        if not isinstance(arguments, SequenceContainer) or arguments.kind != "tuple":
            self._fail(f"{called.name} called with a {kind_of(arguments)}", "a tuple")
        items = arguments.items
        if called is ORDERED_DICT:
            if items:
                self._refuse(f"a call of {called.name} with {len(items)} arguments")
            self._push_dict("OrderedDict")
        elif called is REBUILD_PARAMETER:
            self._stack.append(self._parameter(items))
        else:
            self._stack.append(self._tensor(called, items))

    def _parameter(self, items: list[Value]) -> TensorRecord:
        if len(items) != 3 or not isinstance(items[0], TensorRecord):
            found = f"{len(items)} values, the first a {kind_of(items[0]) if items else None}"
            self._fail(f"a parameter made of {found}", "a tensor and two more values")
        self._check_autograd(*items[1:])
        return items[0]

    def _tensor(self, called: GlobalName, items: list[Value]) -> TensorRecord:
        expected = {REBUILD_TENSOR: (4,), REBUILD_TENSOR_V2: (6, 7)}[called]
        if len(items) not in expected:
            self._fail(f"{called.name} called with {len(items)} arguments", f"{expected[0]}")
        view, first, shape, strides = items[:4]
        if not isinstance(view, StorageView) or type(first) is not int:
            self._fail(f"a tensor made of a {kind_of(view)} and a {kind_of(first)}", "a storage and an int")
        if called is REBUILD_TENSOR_V2:
            self._check_autograd(*items[4:6])
        if len(items) == 7 and items[6] is not None:
            metadata = items[6]
            if not isinstance(metadata, DictContainer) or metadata.items:
                self._fail("a tensor with metadata (negated or conjugated)", "no metadata")
        self._spend(_COST_TENSOR)
        return TensorRecord(view, first, self._integers(shape), self._integers(strides))

    def _check_autograd(self, requires_grad: Value, hooks: Value) -> None:
        if type(requires_grad) is not bool or not isinstance(hooks, DictContainer) or hooks.items:
            found = f"a {kind_of(requires_grad)} and a {kind_of(hooks)} as a tensor's requires_grad and hooks"
            self._fail(found, "a bool and an empty OrderedDict")

    def _integers(self, value: Value) -> tuple[int, ...]:
        if not isinstance(value, SequenceContainer) or value.kind != "tuple":
            self._fail(f"a tensor whose shape or strides are a {kind_of(value)}", "a tuple")
        integers = tuple(item for item in value.items if type(item) is int)
        if len(integers) != len(value.items):
            self._fail("a tensor whose shape or strides hold other values than integers", "integers")
        return integers
