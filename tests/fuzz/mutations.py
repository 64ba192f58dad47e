"""Changes of one input: of any bytes, and of the formats whose structure most changed bytes would break.

Each function takes the bytes of an input and a random generator, and returns other bytes. Bytes that are not
of the expected format are changed as any bytes are.
"""

from __future__ import annotations

import io
import json
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

Mutation = Callable[[bytes, Random], bytes]

MAX_BYTES = 1 << 16  # of an input
_BOUNDARIES = (0, 1, 2, 7, 8, 9, 127, 128, 255, 256, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1, 2**32)
_BOUNDARIES_64 = (*_BOUNDARIES, 2**53, 2**56, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def of_bytes(data: bytes, rng: Random, words: tuple[bytes, ...] = ()) -> bytes:
    """One to four changes of single bytes, runs of bytes, or binary numbers. words: what may be inserted."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        run = rng.choice((1, 1, 2, 4, 8, rng.randint(1, 64)))
        match rng.randrange(9):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                del changed[at : at + run]
            case 3:
                changed[at:at] = changed[at : at + run]
            case 4:
                start = rng.randrange(len(changed) + 1)
                changed[at : at + run] = changed[start : start + run]
            case 5 | 6:
                size = rng.choice((1, 2, 4, 8))
                number = rng.choice(_BOUNDARIES_64) % (1 << 8 * size)
                changed[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))
            case 7 if rng.random() < 0.2:
                del changed[at:]
            case _:
                word = rng.choice(words) if words else bytes([rng.choice(b'\0\x01\x7f\x80\xff\n {"[,:')])
                changed[at : at + rng.choice((0, len(word)))] = word
    return bytes(changed[:MAX_BYTES])


# ---- JSON ----------------------------------------------------------------------------------------------

_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 1.5, 1e308, 2**31, 2**53, 2**63, 2**64, 10**40, "", "a", " ", "\0",
    "\ud800", "é", "🙂", "x" * 300, "../x", "/x", "<s>", "<mask>", [], {}, [[]], [None], {"": ""}, {"a": {}},
)  # fmt: skip


def of_json(data: bytes, rng: Random) -> bytes:
    """Values replaced, removed, doubled, exchanged or moved to another key."""
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        return of_bytes(data, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        root = _changed_json(root, rng)
    text = json.dumps(root, ensure_ascii=rng.random() < 0.9)
    raw = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.05 and b'"' in raw:  # the same key twice
        raw = raw.replace(b"{", b'{"a":0,"a":1,', 1)
    return of_bytes(raw, rng) if rng.random() < 0.1 else raw[:MAX_BYTES]


def _changed_json(root: Any, rng: Random) -> Any:
    places = []

    def collect(value: Any) -> None:
        if isinstance(value, dict | list):
            keys = value.keys() if isinstance(value, dict) else range(len(value))
            for key in keys:
                places.append((value, key))
                collect(value[key])

    collect(root)
    if not places or rng.random() < 0.02:
        return _copied(rng.choice(_ODD_VALUES))
    holder, key = rng.choice(places)
    other, other_key = rng.choice(places)
    match rng.randrange(8):
        case 0 | 1:
            holder[key] = _copied(rng.choice(_ODD_VALUES))
        case 2:
            del holder[key]
        case 3 if isinstance(holder, dict):
            names = [name for where, name in places if isinstance(where, dict)]
            name = rng.choice((rng.choice(names), "", _changed_text(key, rng), _changed_text(key, rng)))
            holder[name] = holder.pop(key) if rng.random() < 0.5 else _copied(holder[key])
        case 3:
            holder.insert(key, _copied(holder[key]))
        case 4:
            holder[key] = _copied(other[other_key])
        case 5:
            first, second = _copied(holder[key]), _copied(other[other_key])
            holder[key] = second
            if key in range(len(holder)) or isinstance(holder, dict):
                other[other_key] = first
        case _ if isinstance(holder[key], int | float):
            number = holder[key]
            holder[key] = rng.choice(
                (number + 1, number - 1, -number, number * 2, float(number), str(number))
            )
        case _ if isinstance(holder[key], str):
            holder[key] = _changed_text(holder[key], rng)
        case _:
            holder[key] = [holder[key]] * rng.choice((1, 2, 40))
    return root


def _changed_text(text: str, rng: Random) -> str:
    at = rng.randrange(len(text) + 1)
    insert = rng.choice(("", " ", "é", "\ud800", "\udc00", "Ġ", "▁", "\n", "\0", "/", "a"))
    return text[:at] + insert + text[at + rng.randrange(2) :]


def _copied(value: Any) -> Any:
    return json.loads(json.dumps(value)) if isinstance(value, dict | list) else value


# ---- pickles and torch's files -------------------------------------------------------------------------

_PICKLE_WORDS = (
    b"(", b")", b"]", b"}", b"N", b"\x88", b"\x89", b"t", b"\x85", b"\x86", b"\x87", b"q\0", b"h\0", b"a",
    b"e", b"s", b"u", b"b", b"Q", b"R", b".", b"0", b"2", b"\x80\x02", b"\x80\x04", b"K\x01", b"M\0\1",
    b"\x8a\0", b"\x8a\x09\0\0\0\0\0\0\0\0\1", b"J\xff\xff\xff\xff", b"G\x7f\xf0\0\0\0\0\0\0", b"X\0\0\0\0",
    b"U\0", b"j\xff\xff\xff\xff", b"r\xff\xff\xff\x7f", b"X\xff\xff\xff\x7f", b"\x81", b"\x93", b"\x8c\1a",
    b"i", b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_tensor\n", b"ctorch._utils\n_rebuild_parameter\n", b"ctorch\nFloatStorage\n",
    b"ctorch\nBFloat16Storage\n", b"ctorch\nBoolStorage\n", b"cos\nsystem\n", b"cbuiltins\neval\n",
    b"ctorch\nload\n", b"X\x07\0\0\0storage", b"X\1\0\0\x000", b"X\3\0\0\0cpu",
)  # fmt: skip


def of_pickle(data: bytes, rng: Random) -> bytes:
    """Opcodes removed, doubled, exchanged, inserted, and their arguments changed."""
    opcodes = _opcodes(data)
    if len(opcodes) < 2 or rng.random() < 0.1:
        return of_bytes(data, rng, _PICKLE_WORDS)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, run = rng.randrange(len(opcodes)), rng.choice((1, 1, 1, 2, 5))
        match rng.randrange(7):
            case 0:
                del opcodes[at : at + run]
            case 1:
                opcodes[at:at] = opcodes[at : at + run]
            case 2:
                other = rng.randrange(len(opcodes))
                opcodes[at], opcodes[other] = opcodes[other], opcodes[at]
            case 3:
                opcodes.insert(at, rng.choice(_PICKLE_WORDS))
            case 4:
                opcodes[at] = rng.choice(_PICKLE_WORDS)
            case _:
                opcodes[at] = _changed_opcode(opcodes[at], rng)
        opcodes = opcodes or [b"."]
    return b"".join(opcodes)[:MAX_BYTES]


def _changed_opcode(opcode: bytes, rng: Random) -> bytes:
    code, argument = opcode[:1], opcode[1:]
    if code in b"JKMQ\x8a" and rng.random() < 0.9:  # an integer: a size, stride, offset or count
        value = rng.choice((rng.randrange(13), rng.choice(_BOUNDARIES_64))) * rng.choice((1, 1, 1, -1))
        if -(1 << 31) <= value < 1 << 31:
            return b"J" + struct.pack("<i", value)
        raw = value.to_bytes(9, "little", signed=True)
        return b"\x8a" + bytes([len(raw)]) + raw
    return code + of_bytes(argument, rng) if argument else rng.choice(_PICKLE_WORDS)


def _opcodes(data: bytes) -> list[bytes]:
    """The opcodes of one pickle with their arguments; what follows its end is part of the last one."""
    starts = []
    try:
        for _, _, position in pickletools.genops(data):
            starts.append(position or 0)
    except Exception:  # genops raises errors of many types over bytes that are no pickle
        return [data]
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def of_legacy(data: bytes, rng: Random) -> bytes:
    """One of a legacy stream's five pickles changed, or its storages."""
    parts, rest = [], data
    while len(parts) < 5 and rest.startswith(b"\x80\x02"):
        size = sum(map(len, _opcodes_of_first(rest)))
        parts.append(rest[:size])
        rest = rest[size:]
    if len(parts) < 5 or rng.random() < 0.15:
        return of_bytes(data, rng)
    which = rng.choice((1, 2, 3, 3, 3, 3, 4, 4, 5))
    if which == 5:
        rest = of_bytes(rest, rng)
    else:
        parts[which] = of_pickle(parts[which], rng)
    return (b"".join(parts) + rest)[:MAX_BYTES]


def _opcodes_of_first(data: bytes) -> list[bytes]:
    stream = io.BytesIO(data)
    try:
        for _ in pickletools.genops(stream):
            pass
    except Exception:  # see `_opcodes`
        return [data]
    return [data[: stream.tell()]]


def of_zip(data: bytes, rng: Random) -> bytes:
    """An entry changed, renamed, removed or doubled, with the checksums and sizes that then are right; or
    bytes of the archive, which are mostly those of its headers."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [(one.filename, archive.read(one)) for one in archive.infolist()]
    except Exception:  # zipfile raises errors of many types over damaged archives
        return of_bytes(data, rng)
    if not entries or rng.random() < 0.25:
        return of_zip_bytes(data, rng)
    at = rng.randrange(len(entries))
    if rng.random() < 0.6:
        at = next((n for n, (name, _) in enumerate(entries) if name.endswith("data.pkl")), at)
    name, content = entries[at]
    match rng.randrange(12):
        case 0:
            del entries[at]
        case 1:
            entries.insert(rng.randrange(len(entries) + 1), entries[at])
        case 2:
            names = ("data.pkl", "archive/data/0", "archive/constants.pkl", "archive/../x", "/x", "a\\b", "é")
            entries[at] = rng.choice((*names, of_bytes(name.encode(), rng).decode("latin-1"))), content
        case 3:
            rng.shuffle(entries)
        case 4:
            entries[at] = name, rng.choice((b"", b"big", b"little", b"11", b"3\n", content * 2, content[:-1]))
        case _:
            mutate = of_pickle if name.endswith(".pkl") else of_bytes
            entries[at] = name, mutate(content, rng)
    return _zip(entries, rng)[:MAX_BYTES]


def of_zip_bytes(data: bytes, rng: Random) -> bytes:
    """Bytes of an archive, most often those of its directory and the records at its end."""
    words = (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08")
    start = data.find(b"PK\1\2") if rng.random() < 0.7 else 0
    return (data[: max(0, start)] + of_bytes(data[max(0, start) :], rng, words))[:MAX_BYTES]


def _zip(entries: list[tuple[str, bytes]], rng: Random) -> bytes:
    """An archive of these entries in torch's layout: stored, checksum and sizes behind the data."""
    archive, directory = bytearray(), bytearray()
    flags, wide = rng.choice((0x0808, 0x0808, 0x0808, 0, 8, 0x0809, 0x0800)), rng.random() < 0.1
    method = 0 if rng.random() < 0.97 else 8
    for name, content in entries:
        raw, crc, size, offset = (
            name.encode("utf-8", "replace"),
            zlib.crc32(content),
            len(content),
            len(archive),
        )
        crc = 0 if rng.random() < 0.05 else crc
        here = (0, 0, 0) if flags & 8 else (crc, size, size)
        padding = b"FB\x04\0ZZZZ" if rng.random() < 0.3 else b""
        archive += struct.pack("<4s5H3I2H", b"PK\3\4", 0, flags, method, 0, 0, *here, len(raw), len(padding))
        archive += raw + padding + content
        if flags & 8:
            layout = "<4sI2Q" if wide else "<4s3I"
            archive += struct.pack(layout, b"PK\7\x08", crc, size, size)
        extra = struct.pack("<2H2Q", 1, 16, size, size) if wide else b""
        sizes = (0xFFFFFFFF,) * 2 if wide else (size, size)
        fields = (b"PK\1\2", 0, 0, flags, method, 0, 0, crc, *sizes, len(raw), len(extra), 0, 0, 0, 0, offset)
        directory += struct.pack("<4s6H3I5H2I", *fields) + raw + extra
    end = len(archive), len(directory)
    if wide:
        record = struct.pack(
            "<4sQ2H2I4Q", b"PK\6\6", 44, 0, 0, 0, 0, len(entries), len(entries), end[1], end[0]
        )
        directory += record + struct.pack("<4sIQI", b"PK\6\7", 0, sum(end), 1)
    count = min(len(entries), 0xFFFF)
    directory += struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, end[1], end[0], 0)
    return bytes(archive + directory)


def of_safetensors(data: bytes, rng: Random) -> bytes:
    """The header changed as JSON, with the length that it then has; or data added, removed or changed."""
    length = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + length], data[8 + length :]
    if len(data) < 8 or len(header) < length or rng.random() < 0.15:
        return of_bytes(data, rng)
    if rng.random() < 0.85:
        header = of_json(header, rng)
    else:
        rest = of_bytes(rest, rng)
    return (len(header).to_bytes(8, "little") + header + rest)[:MAX_BYTES]


def of_packed_cache(data: bytes, rng: Random) -> bytes:
    """The header changed as JSON, with the length and the digest that it then has; or any byte changed."""
    from roberta_c.cache.identity import digest_of
    from roberta_c.cache.layout import END, FORMAT, MAGIC

    length = int.from_bytes(data[-END.size + 24 : -END.size + 32], "little") if len(data) > END.size else 0
    first = len(data) - END.size - length
    if not length or first < 0 or rng.random() < 0.2:
        return of_bytes(data, rng)
    header, payload = data[first : first + length], data[:first]
    if rng.random() < 0.85:
        header = of_json(header, rng)
    else:
        payload = of_bytes(payload, rng)
    end = END.pack(MAGIC, FORMAT, 0, len(header), digest_of(header).encode())
    return payload[: MAX_BYTES // 2] + header + end


# ---- protocol buffers ----------------------------------------------------------------------------------


def of_protobuf(data: bytes, rng: Random, depth: int = 0) -> bytes:
    """Fields of a message removed, doubled, exchanged, of another number or type, or changed inside."""
    fields = _fields(data)
    if not fields or rng.random() < 0.1:
        return of_bytes(data, rng)
    at = rng.randrange(len(fields))
    tag, content = fields[at]
    match rng.randrange(8):
        case 0:
            del fields[at]
        case 1:
            fields.insert(rng.randrange(len(fields)), fields[at])
        case 2:
            other = rng.randrange(len(fields))
            fields[at], fields[other] = fields[other], fields[at]
        case 3:
            fields[at] = rng.choice((tag ^ rng.randrange(8), rng.randrange(1, 300) << 3 | (tag & 7))), content
        case _ if tag & 7 == 2 and depth < 2:
            fields[at] = tag, of_protobuf(content, rng, depth + 1)
        case _ if tag & 7 == 0:
            fields[at] = tag, _varint(rng.choice(_BOUNDARIES_64))
        case _:
            fields[at] = tag, of_bytes(content, rng)
    return b"".join(_varint(tag) + (_varint(len(one)) if tag & 7 == 2 else b"") + one for tag, one in fields)[
        :MAX_BYTES
    ]


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """(tag, content) of the fields of a message; empty if it is malformed."""
    fields, position = [], 0
    try:
        while position < len(data):
            tag, position = _read_varint(data, position)
            match tag & 7:
                case 0:
                    _, end = _read_varint(data, position)
                case 2:
                    length, position = _read_varint(data, position)
                    end = position + length
                case 1 | 5 as kind:
                    end = position + (8 if kind == 1 else 4)
                case _:
                    return []
            if end > len(data):
                return []
            fields.append((tag, data[position:end]))
            position = end
    except IndexError:
        return []
    return fields


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return number, position


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


# ---- text ----------------------------------------------------------------------------------------------

PART_END = b"\n\0\n"  # between the parts of an input that stands for several files


def of_vocabulary(data: bytes, rng: Random) -> bytes:
    """vocab.json and merges.txt in one input: the one as JSON, the other by lines."""
    vocab, _, merges = data.partition(PART_END)
    if rng.random() < 0.5:
        return of_json(vocab, rng) + PART_END + merges
    lines = merges.split(b"\n")
    at = rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, rng.choice(lines))
        case 2:
            lines[at] = b" ".join((lines[at], rng.choice(lines))[: rng.randint(1, 2)][::-1])
        case _:
            lines[at] = of_bytes(
                lines[at], rng, (b" ", b"\r", b"\xc4\xa0", b"#version: 0.2", b"a b", b"\xe2\x80\xa8")
            )
    return vocab + PART_END + b"\n".join(lines)


_TEXT_WORDS = (
    b'"', b'""', b",", b";", b"\t", b"\r", b"\n", b"\r\n", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3",
    b"\xed\xa0\x80", b"text", b"\\u0000", b"\\ud800", b"NaN", b"1e999", b"[" * 2000, b'{"text":' * 300,
    b"9" * 5000,
)  # fmt: skip


def of_text(data: bytes, rng: Random) -> bytes:
    """Quotes, delimiters, ends of lines and odd bytes inserted."""
    return of_bytes(data, rng, _TEXT_WORDS)


def of_json_lines(data: bytes, rng: Random) -> bytes:
    """One line changed as JSON, or all of it as text."""
    lines = data.split(b"\n")
    if rng.random() < 0.3:
        return of_text(data, rng)
    at = rng.randrange(len(lines))
    lines[at] = of_json(lines[at], rng)
    return b"\n".join(lines)[:MAX_BYTES]
