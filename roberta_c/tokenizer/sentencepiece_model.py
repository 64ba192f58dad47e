"""sentencepiece.bpe.model → pieces, scores, types and the normalizer's character map.

A small reader of the protobuf wire format for the one message kept in such a file (ModelProto of
sentencepiece's sentencepiece_model.proto). Every length is checked against the bytes that are there
before anything is sliced, so a corrupt file costs no more memory than its own size.

Fields read   ModelProto 1 pieces, 2 trainer_spec, 3 normalizer_spec
              SentencePiece 1 piece, 2 score, 3 type
              TrainerSpec 3 model_type, 24 treat_whitespace_as_suffix, 35 byte_fallback
              NormalizerSpec 2 precompiled_charsmap, 3 add_dummy_prefix, 5 escape_whitespaces
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import TokenizerFileError
from .tokenizer_files import read_bytes

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM_MODEL_TYPE = 1

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# A wire value: an integer for varints and fixed-width fields (their offset, see `_fields`), or (start, end).
_Value = int | tuple[int, int]


@dataclass
class SentencePieceModel:
    """What a tokenizer needs of a sentencepiece model; the three lists run over piece ids."""

    pieces: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    charsmap: bytes = b""
    model_type: int = UNIGRAM_MODEL_TYPE
    add_dummy_prefix: bool = True
    escape_whitespaces: bool = True
    treat_whitespace_as_suffix: bool = False
    byte_fallback: bool = False


class _Malformed(ValueError):
    """The bytes are not the protobuf message they should be."""


def read_sentencepiece_model(path: Path) -> SentencePieceModel:
    """The model in the file; TokenizerFileError names the byte where a malformed one goes wrong."""
    data = read_bytes(path)
    try:
        return parse_sentencepiece_model(data)
    except _Malformed as error:
        raise TokenizerFileError(f"{path}: not a sentencepiece model: {error}") from error


def parse_sentencepiece_model(data: bytes) -> SentencePieceModel:
    """The model in `data`; raises ValueError on malformed bytes."""
    model = SentencePieceModel()
    raw = _RawPieces()
    position = 0
    while position < len(data):
        position = _read_plain_pieces(data, position, raw)
        if position == len(data):
            break
        number, wire_type, value, position = _read_field(data, position, len(data))
        if number == 1:
            _read_piece(data, *_as_range(wire_type, value, "pieces"), raw)
        elif number == 2:
            _read_trainer_spec(data, *_as_range(wire_type, value, "trainer_spec"), model)
        elif number == 3:
            _read_normalizer_spec(data, *_as_range(wire_type, value, "normalizer_spec"), model)
    _finish_pieces(data, raw, model)
    return model


@dataclass
class _RawPieces:
    """Pieces as found: UTF-8 text, where the float32 score lies (-1: none, so 0.0), type."""

    texts: list[bytes] = field(default_factory=list)
    score_offsets: list[int] = field(default_factory=list)
    types: list[int] = field(default_factory=list)


def _read_plain_pieces(data: bytes, position: int, raw: _RawPieces) -> int:
    """Append the run of pieces at `position` written the usual way; return where the run ends.

    The usual way is tag, one length byte, then text, score and perhaps type in that order, which
    holds for all 250,000 pieces of XLM-R. This loop is most of the time such a file takes to read,
    hence its plainness; anything unusual is left to `_read_piece`.
    """
    add_text, add_offset, add_type = raw.texts.append, raw.score_offsets.append, raw.types.append
    size = len(data)
    try:
        while position < size and data[position] == 0x0A:  # field 1, bytes
            length = data[position + 1]
            text_length = data[position + 3]
            text_end = position + 4 + text_length
            end = position + 2 + length
            if length > 127 or text_length > 127 or data[position + 2] != 0x0A or end > size:
                break
            tail = end - text_end
            if tail == 5 and data[text_end] == 0x15:  # a score and no type
                add_type(NORMAL)
            elif tail == 7 and data[text_end] == 0x15 and data[text_end + 5] == 0x18 and data[end - 1] < 128:
                add_type(data[end - 1])
            else:
                break
            add_text(data[position + 4 : text_end])
            add_offset(text_end + 1)
            position = end
    except IndexError:
        pass  # the piece at `position` runs over the end of the file: the general reader reports it
    return position


def _read_piece(data: bytes, start: int, end: int, raw: _RawPieces) -> None:
    text, score_offset, kind = b"", -1, NORMAL
    for number, wire_type, value in _fields(data, start, end):
        if number == 1:
            text_start, text_end = _as_range(wire_type, value, "piece")
            text = data[text_start:text_end]
        elif number == 2:
            if wire_type != _FIXED32 or not isinstance(value, int):
                raise _Malformed(f"score has wire type {wire_type}, expected {_FIXED32}")
            score_offset = value
        elif number == 3:
            kind = _as_int(wire_type, value, "type")
    raw.texts.append(text)
    raw.score_offsets.append(score_offset)
    raw.types.append(kind)


def _finish_pieces(data: bytes, raw: _RawPieces, model: SentencePieceModel) -> None:
    """Decode the pieces into `model`, demanding of them what sentencepiece itself does, and finite scores."""
    if not raw.texts:
        raise _Malformed("it holds no pieces")
    for kind in set(raw.types):
        if not NORMAL <= kind <= BYTE:
            raise _Malformed(f"piece {raw.types.index(kind)} has unknown type {kind}")
    try:
        pieces = [text.decode() for text in raw.texts]
    except UnicodeDecodeError as error:
        raise _Malformed("a piece is not UTF-8") from error
    unique = set(pieces)
    if "" in unique:
        raise _Malformed(f"piece {pieces.index('')} is empty")
    if len(unique) != len(pieces):
        first_id: dict[str, int] = {}
        for index, piece in enumerate(pieces):
            if first_id.setdefault(piece, index) != index:
                raise _Malformed(f"pieces {first_id[piece]} and {index} are the same")
    offsets = np.array(raw.score_offsets)
    score_bytes = np.frombuffer(data, np.uint8)[offsets[:, None] + np.arange(4)]
    scores = np.where(offsets < 0, np.float32(0), score_bytes.view("<f4")[:, 0])
    if not np.isfinite(scores).all():
        index = int(np.argmin(np.isfinite(scores)))
        raise _Malformed(f"piece {index} has score {scores[index]}")
    model.pieces, model.scores, model.types = pieces, scores.tolist(), raw.types


def _read_trainer_spec(data: bytes, start: int, end: int, model: SentencePieceModel) -> None:
    for number, wire_type, value in _fields(data, start, end):
        if number == 3:
            model.model_type = _as_int(wire_type, value, "model_type")
        elif number == 24:
            model.treat_whitespace_as_suffix = bool(_as_int(wire_type, value, "treat_whitespace_as_suffix"))
        elif number == 35:
            model.byte_fallback = bool(_as_int(wire_type, value, "byte_fallback"))


def _read_normalizer_spec(data: bytes, start: int, end: int, model: SentencePieceModel) -> None:
    for number, wire_type, value in _fields(data, start, end):
        if number == 2:
            map_start, map_end = _as_range(wire_type, value, "precompiled_charsmap")
            model.charsmap = data[map_start:map_end]
        elif number == 3:
            model.add_dummy_prefix = bool(_as_int(wire_type, value, "add_dummy_prefix"))
        elif number == 5:
            model.escape_whitespaces = bool(_as_int(wire_type, value, "escape_whitespaces"))


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, _Value]]:
    """(field number, wire type, value) of each field of the message in data[start:end]."""
    position = start
    while position < end:
        number, wire_type, value, position = _read_field(data, position, end)
        yield number, wire_type, value


def _read_field(data: bytes, position: int, end: int) -> tuple[int, int, _Value, int]:
    """One field and where the next begins. A varint's value is the number, a fixed-width one's its offset."""
    start = position
    tag, position = _read_varint(data, position, end)
    number, wire_type = tag >> 3, tag & 7
    value: _Value
    if number == 0:
        raise _Malformed(f"field number 0 at byte {start}")
    if wire_type == _VARINT:
        value, position = _read_varint(data, position, end)
    elif wire_type == _BYTES:
        length, position = _read_varint(data, position, end)
        value, position = (position, position + length), position + length
    elif wire_type in (_FIXED32, _FIXED64):
        value, position = position, position + (4 if wire_type == _FIXED32 else 8)
    else:
        raise _Malformed(f"wire type {wire_type} at byte {start}")
    if position > end:
        raise _Malformed(f"field {number} at byte {start} ends {position - end} bytes past its message")
    return number, wire_type, value, position


def _read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    start, number = position, 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise _Malformed(f"varint at byte {start} is cut off")
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number >> 64:
                break
            return number, position
    raise _Malformed(f"varint at byte {start} is longer than 64 bits")


def _as_range(wire_type: int, value: _Value, name: str) -> tuple[int, int]:
    if wire_type != _BYTES or not isinstance(value, tuple):
        raise _Malformed(f"{name} has wire type {wire_type}, expected {_BYTES}")
    return value


def _as_int(wire_type: int, value: _Value, name: str) -> int:
    if wire_type != _VARINT or not isinstance(value, int):
        raise _Malformed(f"{name} has wire type {wire_type}, expected {_VARINT}")
    return value
