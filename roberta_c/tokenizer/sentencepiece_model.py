"""sentencepiece.bpe.model → pieces, scores, types and the normalizer's character map.

A small reader of the protobuf wire format, for the message in such a file: ModelProto, which sentencepiece
defines in sentencepiece_model.proto. Every length is checked against the bytes that follow before anything is
sliced, so that a corrupt file needs no more memory than its own size.

Fields read   ModelProto 1 pieces, 2 trainer_spec, 3 normalizer_spec
              SentencePiece 1 piece, 2 score, 3 type
              TrainerSpec 3 model_type, 24 treat_whitespace_as_suffix, 35 byte_fallback
              NormalizerSpec 2 precompiled_charsmap, 3 add_dummy_prefix, 5 escape_whitespaces
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from ..errors import TokenizerFileError, mismatch
from ._encoder import scan_short_pieces
from .tokenizer_files import read_bytes

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM_MODEL_TYPE = 1

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# The value of a field: the number of a varint, the offset of a fixed-width value, or (start, end) of bytes.
_Value = int | tuple[int, int]


@dataclass
class _Specs:
    """What a tokenizer needs of the settings in a sentencepiece model."""

    charsmap: bytes = b""
    model_type: int = UNIGRAM_MODEL_TYPE
    add_dummy_prefix: bool = True
    escape_whitespaces: bool = True
    treat_whitespace_as_suffix: bool = False
    byte_fallback: bool = False


@dataclass
class PieceTable(_Specs):
    """A sentencepiece model whose pieces are still in its bytes. Suffix _p: one element for each piece.

    data[starts_p[i]:ends_p[i]] is the text of piece i: perhaps empty, or no UTF-8, or that of another piece.
    """

    data: bytes = b""
    starts_p: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    ends_p: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    scores_p: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    types_p: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass
class SentencePieceModel(_Specs):
    """What a tokenizer needs of a sentencepiece model; piece ids index `pieces`, `scores` and `types`."""

    pieces: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    types: list[int] = field(default_factory=list)


class _Malformed(ValueError):
    """The bytes are not a ModelProto."""


def read_sentencepiece_model(path: Path) -> SentencePieceModel:
    """The model in the file. Raises TokenizerFileError, which says at which byte the file is malformed."""
    return read_sentencepiece(read_bytes(path), path)


def read_sentencepiece(data: bytes, path: Path) -> SentencePieceModel:
    """The model in the bytes of a file, as `read_sentencepiece_model`."""
    try:
        return parse_sentencepiece_model(data)
    except _Malformed as error:
        raise TokenizerFileError(f"{path}: not a sentencepiece model: {error}") from error


def parse_sentencepiece_model(data: bytes) -> SentencePieceModel:
    """The model in `data`; raises ValueError on malformed bytes."""
    table = parse_piece_table(data)
    ends = table.ends_p.tolist()
    texts = [data[start:end] for start, end in zip(table.starts_p.tolist(), ends, strict=True)]
    specs = {one.name: getattr(table, one.name) for one in fields(_Specs)}
    return SentencePieceModel(
        **specs, pieces=_decode(texts), scores=table.scores_p.tolist(), types=table.types_p.tolist()
    )


def parse_piece_table(data: bytes) -> PieceTable:
    """The model in `data`, whose texts are not checked; raises ValueError on malformed bytes."""
    table = PieceTable(data=data)
    # Where the message of each piece starts.
    starts: list[np.ndarray] = []
    count = 0
    # Piece id → where its message ends, for the messages whose length takes more than one byte.
    long_ends: dict[int, int] = {}
    position = 0
    while position < len(data):
        short, position = scan_short_pieces(data, position)
        starts.append(short)
        count += len(short)
        if position == len(data):
            break
        number, wire_type, value, position = _read_field(data, position, len(data))
        if number == 1:
            start, end = _as_range(wire_type, value, "pieces")
            long_ends[count] = end
            starts.append(np.array([start]))
            count += 1
        elif number == 2:
            _read_trainer_spec(data, *_as_range(wire_type, value, "trainer_spec"), table)
        elif number == 3:
            _read_normalizer_spec(data, *_as_range(wire_type, value, "normalizer_spec"), table)
    if not count:
        raise _Malformed(mismatch("pieces", "none", "at least one"))
    _read_pieces(data, np.concatenate(starts), long_ends, table)
    return table


def _read_pieces(data: bytes, starts_p: np.ndarray, long_ends: dict[int, int], table: PieceTable) -> None:
    """Fill the table's arrays from the pieces' messages.

    Messages with text, score and optionally type, in this order, are read together, as arrays; all 250,000
    pieces of XLM-R are such messages. `_read_piece` reads the others one by one.
    """
    # Zeros are appended for reads past the last piece's end.
    octets = np.frombuffer(data + bytes(512), np.uint8)
    # A usual message: 0A, text length, text, 15 (field 2, fixed32), 4 bytes of score; then optionally 18
    # (field 3, varint), type. So 5 or 7 bytes follow the text. The byte before a message is its length.
    ends_p = starts_p + octets[starts_p - 1]
    ends_p[list(long_ends)] = list(long_ends.values())
    text_lengths_p = octets[starts_p + 1]
    text_starts_p = starts_p + 2
    text_ends_p = text_starts_p + text_lengths_p
    tails_p = ends_p - text_ends_p
    written_types_p = octets[text_ends_p + 6]
    has_type_p = (tails_p == 7) & (octets[text_ends_p + 5] == 0x18)
    has_type_p &= (written_types_p >= NORMAL) & (written_types_p <= BYTE)
    usual_p = (octets[starts_p] == 0x0A) & (text_lengths_p < 128) & (octets[text_ends_p] == 0x15)
    usual_p &= (tails_p == 5) | has_type_p
    types_p = np.where(has_type_p, written_types_p, NORMAL)
    score_offsets_p = text_ends_p + 1
    for piece in np.flatnonzero(~usual_p).tolist():
        text, offset, kind = _read_piece(data, int(starts_p[piece]), int(ends_p[piece]))
        (text_starts_p[piece], text_ends_p[piece]), score_offsets_p[piece] = text, offset
        types_p[piece] = kind
    scores_p = octets[score_offsets_p[:, None] + np.arange(4)].view("<f4")[:, 0]
    if not np.isfinite(scores_p).all():
        piece = int(np.argmin(np.isfinite(scores_p)))
        raise _Malformed(mismatch(f"the score of piece {piece}", scores_p[piece], "a finite number"))
    table.starts_p, table.ends_p = text_starts_p, text_ends_p
    table.scores_p, table.types_p = scores_p, types_p


def _read_piece(data: bytes, start: int, end: int) -> tuple[tuple[int, int], int, int]:
    """Where a piece's text starts and ends, the offset of its float32 score, and its type."""
    text, kind = (start, start), NORMAL
    score_offset = len(data)  # the zeros that pad the data: a message without a score means 0.0
    for number, wire_type, value in _fields(data, start, end):
        if number == 1:
            text = _as_range(wire_type, value, "piece")
        elif number == 2:
            if wire_type != _FIXED32 or not isinstance(value, int):
                raise _Malformed(mismatch("score", f"wire type {wire_type}", f"wire type {_FIXED32}"))
            score_offset = value
        elif number == 3:
            kind = _as_int(wire_type, value, "type")
            if not NORMAL <= kind <= BYTE:
                raise _Malformed(mismatch(f"piece at byte {start}", f"type {kind}", f"{NORMAL} to {BYTE}"))
    return text, score_offset, kind


def _decode(texts: list[bytes]) -> list[str]:
    """The pieces' texts. Raises _Malformed if one is empty or two are the same, as in sentencepiece."""
    try:
        pieces = b"\n".join(texts).decode().split("\n")  # takes half the time of decoding one by one
        if len(pieces) != len(texts):
            pieces = [text.decode() for text in texts]
    except UnicodeDecodeError as error:
        raise _Malformed(mismatch("pieces", "one that is not UTF-8", "UTF-8")) from error
    unique = set(pieces)
    if "" in unique:
        raise _Malformed(mismatch(f"piece {pieces.index('')}", "an empty text", "a text"))
    if len(unique) != len(pieces):
        first_id: dict[str, int] = {}
        for index, piece in enumerate(pieces):
            if first_id.setdefault(piece, index) != index:
                raise _Malformed(
                    mismatch(f"pieces {first_id[piece]} and {index}", "the same text", "different ones")
                )
    return pieces


def _read_trainer_spec(data: bytes, start: int, end: int, model: _Specs) -> None:
    for number, wire_type, value in _fields(data, start, end):
        if number == 3:
            model.model_type = _as_int(wire_type, value, "model_type")
        elif number == 24:
            model.treat_whitespace_as_suffix = bool(_as_int(wire_type, value, "treat_whitespace_as_suffix"))
        elif number == 35:
            model.byte_fallback = bool(_as_int(wire_type, value, "byte_fallback"))


def _read_normalizer_spec(data: bytes, start: int, end: int, model: _Specs) -> None:
    for number, wire_type, value in _fields(data, start, end):
        if number == 2:
            map_start, map_end = _as_range(wire_type, value, "precompiled_charsmap")
            model.charsmap = data[map_start:map_end]
        elif number == 3:
            model.add_dummy_prefix = bool(_as_int(wire_type, value, "add_dummy_prefix"))
        elif number == 5:
            model.escape_whitespaces = bool(_as_int(wire_type, value, "escape_whitespaces"))


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, _Value]]:
    """(field number, wire type, value) of each field of the message data[start:end]."""
    position = start
    while position < end:
        number, wire_type, value, position = _read_field(data, position, end)
        yield number, wire_type, value


def _read_field(data: bytes, position: int, end: int) -> tuple[int, int, _Value, int]:
    """(field number, wire type, value) of the field at `position`, and the position of the next field."""
    start = position
    tag, position = _read_varint(data, position, end)
    number, wire_type = tag >> 3, tag & 7
    value: _Value
    if number == 0:
        raise _Malformed(mismatch(f"byte {start}", "field number 0", "at least 1"))
    if wire_type == _VARINT:
        value, position = _read_varint(data, position, end)
    elif wire_type == _BYTES:
        length, position = _read_varint(data, position, end)
        value, position = (position, position + length), position + length
    elif wire_type in (_FIXED32, _FIXED64):
        value, position = position, position + (4 if wire_type == _FIXED32 else 8)
    else:
        raise _Malformed(mismatch(f"byte {start}", f"wire type {wire_type}", "0, 1, 2 or 5"))
    if position > end:
        found = f"an end {position - end} bytes past the end of the message"
        raise _Malformed(mismatch(f"field {number} at byte {start}", found, "an end within it"))
    return number, wire_type, value, position


def _read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """The number at `position`, and the position after it. Raises _Malformed if it does not end by `end`."""
    start, number = position, 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise _Malformed(mismatch(f"varint at byte {start}", "no last byte", "one within the message"))
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number >> 64:
                break
            return number, position
    raise _Malformed(mismatch(f"varint at byte {start}", "more than 64 bits", "at most 64"))


def _as_range(wire_type: int, value: _Value, name: str) -> tuple[int, int]:
    if wire_type != _BYTES or not isinstance(value, tuple):
        raise _Malformed(mismatch(name, f"wire type {wire_type}", f"wire type {_BYTES}"))
    return value


def _as_int(wire_type: int, value: _Value, name: str) -> int:
    if wire_type != _VARINT or not isinstance(value, int):
        raise _Malformed(mismatch(name, f"wire type {wire_type}", f"wire type {_VARINT}"))
    return value
