"""The pickle reader's limits: time and memory stay bounded for any file."""

from __future__ import annotations

import struct
import time
import tracemalloc

import pytest
from samples.checkpoints import (
    PROTO,
    STOP,
    dict_of,
    integer,
    integers,
    is_read,
    list_of,
    mutations,
    name_of,
    ordered_dict,
    pickled,
    storage,
    tensor,
    text,
    tuple_of,
)
from samples.pickles import REST, V2, read

from roberta_c.checkpoint import pickle_reader
from roberta_c.checkpoint.pickle_reader import (
    LEGACY_STORAGE_FIELDS,
    MAX_OPCODES,
    MAX_PICKLE_BYTES,
    ZIP_STORAGE_FIELDS,
    PickleReader,
)
from roberta_c.errors import ModelFileError


def repeated(unit: bytes, opcodes: int) -> bytes:
    """A tuple of as many copies of `unit`, which has `opcodes` opcodes, as the limits allow."""
    count = min(MAX_OPCODES // opcodes, MAX_PICKLE_BYTES // len(unit)) - 4
    return PROTO + b"(" + unit * count + b"t" + STOP


def numbered(make: object, opcodes: int) -> bytes:
    """As `repeated`, with the unit `make(number)` for each number from 0."""
    count = min(MAX_OPCODES // opcodes, MAX_PICKLE_BYTES // len(make(70_000))) - 4
    return PROTO + b"(" + b"".join(make(number) for number in range(count)) + b"t" + STOP


GREEDY = {
    "nothing": lambda: repeated(b"N", 1),
    "tuples": lambda: repeated(b")", 1),
    "lists": lambda: repeated(b"]", 1),
    "dicts": lambda: repeated(b"}", 1),
    "lists of one": lambda: repeated(b"]Na", 3),
    "dicts of one": lambda: repeated(b"}K\x01Ns", 4),
    "nested tuples": lambda: repeated(b")" + b"\x85" * 30, 31),
    "integers": lambda: repeated(b"J\x00\x00\x00\x7f", 1),
    "long integers": lambda: repeated(b"\x8a\x10" + b"\x7f" * 16, 1),
    "floats": lambda: repeated(b"G\x00\x00\x00\x00\x00\x00\x00\x01", 1),
    "short strings": lambda: repeated(b"U\x03\xe2\x82\xac", 1),
    "one long string": lambda: pickled(text("\U0001f642" + "a" * (MAX_PICKLE_BYTES - 32))),
    "memo": lambda: PROTO + b"N" + b"".join(b"r" + struct.pack("<I", n) for n in range(900_000)) + STOP,
    "dict keys": lambda: numbered(lambda n: b"}" + integer(n) + b"Ns", 4),
    "one wide dict": lambda: (
        PROTO + b"}(" + b"".join(text(f"{n:x}") + b"N" for n in range(480_000)) + b"u" + STOP
    ),
    "globals": lambda: repeated(name_of("torch", "IntStorage"), 1),
    "storages": lambda: numbered(lambda n: storage(key=str(n)), 9),
    "tensors": lambda: (
        PROTO
        + tuple_of(storage(), b"K\x00", integers(6), integers(1), REST)
        + b"q\x00"
        + V2
        + b"q\x01("
        + b"h\x01h\x00R" * 330_000
        + b"t\x86"
        + STOP
    ),
    "one value again and again": lambda: PROTO + b"()q\x00" + b"h\x00" * 900_000 + b"t" + STOP,
    "doubling tuples": lambda: PROTO + b"N" + b"q\x00h\x00\x86" * 32 + STOP,
}


@pytest.mark.untraced
@pytest.mark.parametrize("case", GREEDY)
def test_time_stays_bounded(case):
    """Any pickle takes at most 1 s per megabyte, whether it is read or refused."""
    data = GREEDY[case]()
    assert len(data) <= MAX_PICKLE_BYTES
    started = time.process_time()
    is_read(lambda: read(data))
    # Three times that limit, for slow machines; a quadratic step would take minutes.
    assert time.process_time() - started < 3 * max(1, len(data) / 1e6)


# The cases that need most memory; the others were measured once, at 27 MiB or less.
@pytest.mark.parametrize("case", ["one long string", "short strings", "integers", "lists", "one wide dict"])
def test_memory_stays_bounded(case):
    """At most 64 MiB, including the pickle itself."""
    data = GREEDY[case]()
    tracemalloc.start()
    try:
        is_read(lambda: read(data))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak + len(data) <= 64 << 20


def test_messages_never_show_the_items_of_a_container():
    doubling = b")" + b"q\x00h\x00\x86" * 30
    for body in (b"}" + doubling + b"Ns", doubling + b")R", doubling + b"Q", doubling + b"}b"):
        with pytest.raises(ModelFileError) as caught:
            read(pickled(body))
        assert len(str(caught.value)) < 200


def test_mutated_pickles_are_read_or_refused():
    body = dict_of(
        ("a", tensor()), ("b", tensor(first=1, shape=(2, 2), strides=(2, 1))), ("c", list_of(b"N"))
    )
    original = pickled(ordered_dict() + body[1:] + dict_of(("_metadata", ordered_dict())) + b"b")
    read(original)
    outcomes = [is_read(lambda data=data: read(data)) for data in mutations(original, 3000, seed=1)]
    assert 30 < sum(outcomes) < 2970


# What counts against MAX_MEMORY: strings are 64 and 4 for each byte, items of a container 24.
STORAGE = 3 * 64 + 4 * len("storage0cpu") + 40 + 160 + 5 * 24 + 160
VIEW = tuple_of(text("part"), integer(2), integer(3))
COSTS = {
    "integer": (integer(7), 40),
    "long integer": (b"\x8a\x01\x07", 40),
    "string": (text("ab"), 64 + 8),
    "empty tuple": (b")", 160),
    "tuple of one": (b"N\x85", 160 + 24),
    "list of two": (b"](NNe", 160 + 2 * 24),
    "empty dict": (b"}", 300),
    "dict of one": (b"}" + text("a") + b"Ns", 300 + 64 + 4 + 2 * 24 + 120),
    "memo": (b"Nq\x00", 130),
    "storage": (storage(), STORAGE + 500),
    "storage twice": (tuple_of(storage(), storage()), 2 * STORAGE + 500 + 160 + 2 * 24),
    "legacy view": (
        storage(view=VIEW),
        STORAGE + 24 + 500 + (64 + 16) + 2 * 40 + 160 + 3 * 24 + 500,
    ),
    "tensor": (
        tensor(),
        STORAGE + 500 + 40 + 2 * (2 * 40 + 160 + 2 * 24) + (160 + 300) + 160 + 6 * 24 + 500,
    ),
}


@pytest.mark.parametrize("case", COSTS)
def test_every_object_counts(case, monkeypatch):
    body, cost = COSTS[case]
    fields = LEGACY_STORAGE_FIELDS if case == "legacy view" else ZIP_STORAGE_FIELDS
    monkeypatch.setattr(pickle_reader, "MAX_MEMORY", cost)
    PickleReader(pickled(body), "file", fields).read()
    monkeypatch.setattr(pickle_reader, "MAX_MEMORY", cost - 1)
    with pytest.raises(ModelFileError, match=f"objects that need more than {cost - 1} bytes of memory"):
        PickleReader(pickled(body), "file", fields).read()
