"""The pickle reader: what it reads, and everything that it must refuse."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict

import pytest
from samples.checkpoints import (
    PROTO,
    STOP,
    call,
    dict_of,
    integer,
    integers,
    list_of,
    name_of,
    ordered_dict,
    pickled,
    storage,
    tensor,
    text,
    tuple_of,
)
from samples.pickles import REST, V2, read

from roberta_c.checkpoint.pickle_reader import (
    LEGACY_STORAGE_FIELDS,
    MAX_OPCODES,
    ZIP_STORAGE_FIELDS,
    PickleReader,
)
from roberta_c.checkpoint.pickle_values import (
    DictContainer,
    SequenceContainer,
    Storage,
    StorageView,
    TensorRecord,
)
from roberta_c.errors import ModelFileError, UnsafeFileError

SIX_FLOATS = StorageView(Storage("0", "float32", 6), 0, 6)


def plain(value: object) -> object:
    """`value` with Python's own containers, for comparisons."""
    if isinstance(value, DictContainer):
        return {key: plain(item) for key, item in value.items.items()}
    if isinstance(value, SequenceContainer):
        items = [plain(item) for item in value.items]
        return tuple(items) if value.kind == "tuple" else items
    return value


PYTHON_VALUES = [
    None,
    True,
    False,
    0,
    255,
    256,
    65535,
    65536,
    -1,
    -(1 << 31),
    1 << 31,
    (1 << 127) - 1,
    1.5,
    float("-inf"),
    "",
    "weight",
    "größe \U0001f642",
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4),
    [],
    [1],
    ["a", ["b"], ("c", [])],
    {},
    {"a": 1},
    {"a": {"b": {"c": (1, [2])}}, "d": None},
    {str(number): number for number in range(2500)},
    list(range(2500)),
    ["same", "same", ("same",)],
    OrderedDict(a=1, b=OrderedDict()),
    {0: "zero", 1: "one"},
]


@pytest.mark.parametrize("value", PYTHON_VALUES, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize(
    "write", [pickle.dumps, lambda value, protocol: pure_python_dumps(value)], ids=["c", "py"]
)
def test_reads_what_python_pickles(value, write):
    assert plain(read(write(value, protocol=2))) == value


def pure_python_dumps(value: object) -> bytes:
    buffer = io.BytesIO()
    pickle._Pickler(buffer, 2).dump(
        value
    )  # the pickler in pure Python, which torch uses: it writes more memo entries
    return buffer.getvalue()


def test_reads_short_strings_of_python_2():
    assert read(pickled(b"U\x06weight")) == "weight"


def test_ignores_the_attributes_of_an_ordered_dict():
    metadata = dict_of(
        ("_metadata", ordered_dict() + b"(" + text("") + dict_of(("version", b"K\x01")) + b"u")
    )
    value = read(pickled(ordered_dict() + text("w") + b"K\x05s" + metadata + b"b"))
    assert plain(value) == {"w": 5}


def test_describes_a_tensor_and_its_storage():
    reader = PickleReader(pickled(tensor()), "file.bin", ZIP_STORAGE_FIELDS)
    assert reader.read() == TensorRecord(SIX_FLOATS, 0, (2, 3), (3, 1))
    assert reader.storages == {"0": SIX_FLOATS.storage}
    assert reader.position == len(pickled(tensor()))


def test_describes_tensors_of_other_writers():
    expected = TensorRecord(SIX_FLOATS, 0, (6,), (1,))
    old = call(name_of("torch._utils", "_rebuild_tensor"), storage(), b"K\x00", integers(6), integers(1))
    assert read(pickled(old)) == expected
    new = call(name_of("torch._utils", "_rebuild_tensor_v2"), storage(), b"K\x00", integers(6), integers(1))
    for metadata in (b"N", b"}"):
        longer = new[:-2] + b"\x88" + ordered_dict() + metadata + b"tR"
        assert read(pickled(longer)) == expected
    parameter = call(name_of("torch._utils", "_rebuild_parameter"), old, b"\x88", ordered_dict())
    assert read(pickled(parameter)) == expected


@pytest.mark.parametrize(
    ("stem", "dtype"),
    [
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
    ],
)
def test_knows_every_storage_class(stem, dtype):
    assert read(pickled(storage(stem))).storage.dtype == dtype


def test_describes_a_legacy_view():
    view = tuple_of(text("view"), integer(2), integer(3))
    value = read(pickled(storage(view=view)), LEGACY_STORAGE_FIELDS)
    assert value == StorageView(SIX_FLOATS.storage, 2, 3)
    assert read(pickled(storage(view=b"N")), LEGACY_STORAGE_FIELDS) == SIX_FLOATS


PARAMETER = name_of("torch._utils", "_rebuild_parameter")

FOREIGN = {
    "os.system": name_of("os", "system") + tuple_of(text("true")) + b"R",
    "builtins.eval": name_of("builtins", "eval"),
    "__builtin__.eval": name_of("__builtin__", "eval"),
    "torch.load": name_of("torch", "load"),
    "torch.ComplexFloatStorage": name_of("torch", "ComplexFloatStorage"),
    "torch.QInt8Storage": name_of("torch", "QInt8Storage"),
    "torch.storage.UntypedStorage": name_of("torch.storage", "UntypedStorage"),
    "torch._utils._rebuild_tensor_v3": name_of("torch._utils", "_rebuild_tensor_v3"),
    "torch._utils._rebuild_qtensor": name_of("torch._utils", "_rebuild_qtensor"),
    "torch.nn.parameter.Parameter": name_of("torch.nn.parameter", "Parameter"),
    "numpy.core.multiarray._reconstruct": name_of("numpy.core.multiarray", "_reconstruct"),
    "collections.OrderedDict.fromkeys": name_of("collections.OrderedDict", "fromkeys"),
    "collections.orderedDict": name_of("collections", "orderedDict"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_refuses_foreign_globals_by_name(name):
    with pytest.raises(UnsafeFileError) as caught:
        read(pickled(FOREIGN[name]))
    assert repr(name) in str(caught.value)
    assert str(caught.value).startswith("file.bin: refused")


def test_a_global_name_split_at_another_dot_is_the_same_name():
    """`torch` + `_utils._rebuild_tensor` is an allowed name too: harmless, because no name is looked up."""
    assert read(pickled(name_of("torch", "_utils._rebuild_tensor"))).name == "torch._utils._rebuild_tensor"


ALLOWED_OPCODES = set(b"().]}NXUGJKMcQRbstuaeqrhj\x85\x86\x87\x88\x89\x8a")


@pytest.mark.parametrize("opcode", sorted(set(range(256)) - ALLOWED_OPCODES), ids=lambda code: f"{code:#04x}")
def test_refuses_every_other_opcode(opcode):
    with pytest.raises(UnsafeFileError, match="opcode"):
        read(pickled(b"N" + bytes([opcode]) + b"\x00" * 16))


STRUCTURE = {
    # Protocol and end.
    "empty": (b"", "truncated"),
    "no protocol": (b"N.", "protocol 2"),
    "protocol 3": (b"\x80\x03N.", "protocol 2"),
    "protocol 4": (b"\x80\x04N.", "protocol 2"),
    "no stop": (PROTO + b"N", "truncated"),
    "nothing to stop with": (pickled(b""), "0 values"),
    "two values": (pickled(b"NN"), "2 values"),
    "open mark": (pickled(b"N("), "1 values"),
    # Truncated arguments.
    "short string": (PROTO + b"X\x05\x00\x00\x00abc", "truncated"),
    "huge string": (PROTO + b"X\xff\xff\xff\xffabc", "more than"),
    "short integer": (PROTO + b"J\x00\x00", "truncated"),
    "short float": (PROTO + b"G\x00\x00", "truncated"),
    "short long": (PROTO + b"\x8a\x08\x00", "truncated"),
    "short global": (PROTO + b"ccollections\nOrderedD", "global name"),
    "endless global": (PROTO + b"c" + b"a" * 400 + b"\nb\n.", "global name"),
    "string not utf-8": (pickled(b"X\x02\x00\x00\x00\xff\xfe"), "UTF-8"),
    "surrogate": (pickled(text(b"\xed\xa0\x80")), "UTF-8"),
    "long of 17 bytes": (pickled(b"\x8a\x11" + b"\x01" * 17), "17 bytes"),
    # Stack and memo.
    "pop from nothing": (pickled(b"\x85"), "stack"),
    "pop beyond a mark": (pickled(b"NN(\x86t"), "stack"),
    "no mark": (pickled(b"NNt"), "mark"),
    "append to nothing": (pickled(b"(e"), "stack"),
    "dangling memo": (pickled(b"h\x07"), "memo entry 7"),
    "dangling large memo": (pickled(b"j\xff\xff\xff\xff"), "memo entry 4294967295"),
    "memo of nothing": (pickled(b"q\x00"), "stack"),
    "memo below a mark": (pickled(b"N(q\x00t"), "stack"),
    # Containers.
    "set item of a list": (pickled(b"]K\x01K\x02s"), "items set in a list"),
    "set item of a string": (pickled(text("s") + b"K\x01K\x02s"), "items set in a str"),
    "set item of a tensor": (pickled(tensor() + b"K\x01K\x02s"), "items set in a tensor"),
    "set item of a storage": (pickled(storage() + b"K\x01K\x02s"), "items set in a storage"),
    "set item of a global": (pickled(V2 + b"K\x01K\x02s"), "items set in a global"),
    "set items of a tuple": (pickled(b")(K\x01K\x02u"), "items set in a tuple"),
    "odd set items": (pickled(b"}(" + text("a") + b"K\x01" + text("b") + b"u"), "without a value"),
    "append to a dict": (pickled(b"}Na"), "items appended to a dict"),
    "append to a tuple": (pickled(b")Na"), "items appended to a tuple"),
    "appends to None": (pickled(b"N(Ne"), "items appended to a None"),
    "duplicate key": (pickled(dict_of(("a", b"N"), ("a", b"N"))), "'a' twice"),
    "duplicate key later": (pickled(dict_of(("a", b"N")) + text("a") + b"Ns"), "'a' twice"),
    "None as key": (pickled(b"}NNs"), "key that is None"),
    "float as key": (pickled(b"}G" + b"\x00" * 8 + b"Ns"), "key that is float"),
    "bool as key": (pickled(b"}\x88Ns"), "key that is bool"),
    "tuple as key": (pickled(b"})Ns"), "key that is tuple"),
    "large integer as key": (pickled(b"}" + integer(1 << 61) + b"Ns"), "key that is int"),
    "list in itself": (pickled(b"]q\x00h\x00a"), "inside itself"),
    "dict in itself": (pickled(b"}q\x00" + text("a") + b"h\x00s"), "inside itself"),
    "list in itself by a tuple": (pickled(b"]q\x00h\x00\x85a"), "already part"),
    "dict in itself by a list": (pickled(b"}q\x00" + text("a") + b"]h\x00as"), "already part"),
    "33 open marks": (pickled(b"(" * 33), "levels of nesting"),
    "33 deep at once": (pickled(b"(" * 33 + b"t" * 33), "levels of nesting"),
    "33 deep step by step": (pickled(b")" + b"\x85" * 32), "levels of nesting"),
    "33 deep by lists": (pickled(b"]" * 33 + b"a" * 32), "levels of nesting"),
    "attributes of a dict": (pickled(b"}}b"), "attributes of a dict"),
    "attributes of a tensor": (pickled(tensor() + b"}b"), "attributes of a tensor"),
    "attributes of a global": (pickled(V2 + b"}b"), "attributes of a global"),
    "state that is a list": (pickled(ordered_dict() + b"]b"), "attributes in a list"),
    # Calls.
    "call a string": (pickled(text("os.system") + b")R"), "a call of a str"),
    "call a dict": (pickled(b"})R"), "a call of a dict"),
    "call a storage class": (
        pickled(name_of("torch", "FloatStorage") + b")R"),
        "a call of torch.FloatStorage",
    ),
    "arguments are None": (pickled(V2 + b"NR"), "with a None"),
    "arguments are a string": (pickled(V2 + text("()") + b"R"), "with a str"),
    "arguments in a list": (pickled(V2 + b"]R"), "with a list"),
    "OrderedDict of something": (pickled(name_of("collections", "OrderedDict") + b"]\x85R"), "1 arguments"),
    "tensor of 0": (pickled(V2 + b")R"), "0 arguments"),
    "tensor of 5": (pickled(call(V2, storage(), b"K\x00", integers(6), integers(1), b"\x89")), "5 arguments"),
    "tensor of 8": (
        pickled(call(V2, storage(), b"K\x00", integers(6), integers(1), REST, b"NN")),
        "8 arguments",
    ),
    "old tensor of 6": (
        pickled(call(name_of("torch._utils", "_rebuild_tensor"), storage(), b"K\x00", b"))", REST)),
        "6 arguments",
    ),
    "tensor of a tensor": (pickled(tensor(tensor())), "made of a tensor"),
    "tensor of None": (pickled(tensor(b"N")), "made of a None"),
    "offset is a float": (
        pickled(call(V2, storage(), b"G" + b"\x00" * 8, integers(6), integers(1), REST)),
        "storage and a float",
    ),
    "offset is a bool": (pickled(call(V2, storage(), b"\x89", integers(6), integers(1), REST)), "and a bool"),
    "shape is a list": (pickled(call(V2, storage(), b"K\x00", b"]", integers(1), REST)), "are a list"),
    "shape is an integer": (pickled(call(V2, storage(), b"K\x00", b"K\x06", integers(1), REST)), "are a int"),
    "size is a string": (
        pickled(call(V2, storage(), b"K\x00", tuple_of(text("6")), integers(1), REST)),
        "expected integers",
    ),
    "size is a bool": (
        pickled(call(V2, storage(), b"K\x00", tuple_of(b"\x88"), integers(1), REST)),
        "expected integers",
    ),
    "stride is None": (
        pickled(call(V2, storage(), b"K\x00", integers(6), tuple_of(b"N"), REST)),
        "expected integers",
    ),
    "requires_grad is 1": (
        pickled(call(V2, storage(), b"K\x00", integers(6), integers(1), b"K\x01", ordered_dict())),
        "requires_grad",
    ),
    "hooks are None": (
        pickled(call(V2, storage(), b"K\x00", integers(6), integers(1), b"\x89N")),
        "requires_grad",
    ),
    "hooks are not empty": (
        pickled(call(V2, storage(), b"K\x00", integers(6), integers(1), b"\x89", dict_of(("a", b"N")))),
        "requires_grad",
    ),
    "negated tensor": (
        pickled(call(V2, storage(), b"K\x00", integers(6), integers(1), REST, dict_of(("neg", b"\x88")))),
        "metadata",
    ),
    "metadata is a list": (
        pickled(call(V2, storage(), b"K\x00", integers(6), integers(1), REST, b"]")),
        "metadata",
    ),
    "parameter of 2": (pickled(call(PARAMETER, tensor(), b"\x88")), "parameter"),
    "parameter of a storage": (pickled(call(PARAMETER, storage(), b"\x88", ordered_dict())), "parameter"),
    "parameter hooks": (pickled(call(PARAMETER, tensor(), b"\x88", b"N")), "requires_grad"),
    # Persistent ids.
    "persistent id is a string": (pickled(text("storage") + b"Q"), "no storage with"),
    "persistent id is a module": (
        pickled(tuple_of(text("module"), text("Net"), text("net.py"), text("import os"), b"N") + b"Q"),
        "'module'",
    ),
    "persistent id too short": (pickled(tuple_of(text("storage")) + b"Q"), "no storage with"),
    "legacy id in a zip": (pickled(storage(view=b"N")), "4 fields"),
    "storage class is a string": (
        pickled(tuple_of(text("storage"), text("FloatStorage"), text("0"), text("cpu"), b"K\x06") + b"Q"),
        "class is a str",
    ),
    "storage class is a call": (
        pickled(tuple_of(text("storage"), V2, text("0"), text("cpu"), b"K\x06") + b"Q"),
        "class is a global",
    ),
    "storage key is an integer": (
        pickled(
            tuple_of(text("storage"), name_of("torch", "FloatStorage"), b"K\x00", text("cpu"), b"K\x06")
            + b"Q"
        ),
        "expected str, str, int",
    ),
    "storage location is None": (
        pickled(
            tuple_of(text("storage"), name_of("torch", "FloatStorage"), text("0"), b"N", b"K\x06") + b"Q"
        ),
        "expected str, str, int",
    ),
    "storage count is a bool": (
        pickled(
            tuple_of(text("storage"), name_of("torch", "FloatStorage"), text("0"), text("cpu"), b"\x88")
            + b"Q"
        ),
        "expected str, str, int",
    ),
    "negative count": (pickled(storage(count=-1)), "-1 elements"),
    "endless count": (pickled(storage(count=1 << 62)), "elements"),
    "same key, other class": (
        pickled(tuple_of(storage("Float"), storage("Int"))),
        "float32 and 6 x int32",
    ),
    "same key, other count": (pickled(tuple_of(storage(count=6), storage(count=7))), "and 7 x float32"),
}


@pytest.mark.parametrize("case", STRUCTURE)
def test_refuses_malformed_pickles(case):
    data, fragment = STRUCTURE[case]
    with pytest.raises(ModelFileError) as caught:
        read(data)
    message = str(caught.value)
    assert message.startswith("file.bin: ")
    assert fragment in message
    assert "\n" not in message


LEGACY_ONLY = {
    "zip id in a legacy file": (storage(), "5 fields"),
    "view is a list": (storage(view=list_of(text("v"))), "expected a tuple (key, offset, size)"),
    "view of two": (storage(view=tuple_of(text("v"), b"K\x00")), "expected a tuple (key, offset, size)"),
    "view offset is None": (
        storage(view=tuple_of(text("v"), b"N", b"K\x00")),
        "expected a tuple (key, offset, size)",
    ),
    "view key is an integer": (
        storage(view=tuple_of(b"K\x00", b"K\x00", b"K\x00")),
        "expected a tuple (key, offset, size)",
    ),
    "view size is None": (
        storage(view=tuple_of(text("v"), b"K\x00", b"N")),
        "expected a tuple (key, offset, size)",
    ),
    "view below": (storage(view=tuple_of(text("v"), integer(-1), integer(2))), "elements -1 to 1"),
    "view of negative size": (storage(view=tuple_of(text("v"), integer(2), integer(-1))), "elements 2 to 1"),
    "view beyond": (storage(view=tuple_of(text("v"), integer(4), integer(3))), "elements 4 to 7"),
    "view in two descriptions": (
        tuple_of(
            storage(view=tuple_of(text("v"), integer(0), integer(3))),
            storage(view=tuple_of(text("v"), integer(0), integer(4))),
        ),
        "two descriptions",
    ),
}


@pytest.mark.parametrize("case", LEGACY_ONLY)
def test_refuses_malformed_legacy_storages(case):
    body, fragment = LEGACY_ONLY[case]
    with pytest.raises(ModelFileError) as caught:
        read(pickled(body), LEGACY_STORAGE_FIELDS)
    assert fragment in str(caught.value)


def test_refuses_storages_in_a_pickle_without_tensors():
    with pytest.raises(UnsafeFileError, match="in a pickle without tensors"):
        read(pickled(storage()), 0)


def test_depth_32_is_still_read():
    assert isinstance(read(pickled(b"(" * 32 + b"t" * 32)), SequenceContainer)
    assert isinstance(read(pickled(b")" + b"\x85" * 31)), SequenceContainer)


def test_opcode_limit():
    many = b"N" * (MAX_OPCODES // 2) + b"t"
    assert len(read(PROTO + b"(" + many + STOP).items) == MAX_OPCODES // 2
    with pytest.raises(ModelFileError, match="opcodes"):
        read(PROTO + b"(" + b"N" * MAX_OPCODES + b"t" + STOP)


def test_opcodes_count_over_all_pickles_of_a_stream():
    one = pickled(b"(" + b"N" * (MAX_OPCODES // 2) + b"t")
    reader = PickleReader(one * 2, "file.bin", 0)
    reader.read()
    with pytest.raises(ModelFileError, match="opcodes"):
        reader.read()


def test_pickles_of_a_stream_do_not_share_memos():
    reader = PickleReader(pickled(b"Nq\x00") + pickled(b"h\x00"), "file.bin", 0)
    reader.read()
    with pytest.raises(ModelFileError, match="memo entry 0"):
        reader.read()
