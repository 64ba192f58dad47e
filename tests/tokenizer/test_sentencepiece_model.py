"""The protobuf reader against sentencepiece's own reader and writer, and on hostile bytes."""

from __future__ import annotations

import contextlib
import struct
import time

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2 as pb

from roberta_c.errors import TokenizerFileError
from roberta_c.tokenizer.sentencepiece_model import (
    SentencePieceModel,
    parse_sentencepiece_model,
    read_sentencepiece_model,
)


def proto(pieces=(("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("▁a", -1.5, 1), ("b", -2.25, None))):
    """A ModelProto with the pieces (text, score, type); None leaves a field out."""
    model = pb.ModelProto()
    for text, score, kind in pieces:
        piece = model.pieces.add()
        piece.piece = text
        if score is not None:
            piece.score = score
        if kind is not None:
            piece.type = kind
    model.normalizer_spec.precompiled_charsmap = b"\x00map"
    return model


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, wire_type: int, payload: bytes) -> bytes:
    length = varint(len(payload)) if wire_type == 2 else b""
    return varint(number << 3 | wire_type) + length + payload


def piece(text: bytes, *, score: bytes = struct.pack("<f", -1.0), extra: bytes = b"") -> bytes:
    return field(1, 2, field(1, 2, text) + field(2, 5, score) + extra)


def assert_equals_proto(found: SentencePieceModel, expected) -> None:
    assert found.pieces == [one.piece for one in expected.pieces]
    assert found.scores == [one.score for one in expected.pieces]
    assert found.types == [one.type for one in expected.pieces]
    assert found.charsmap == expected.normalizer_spec.precompiled_charsmap
    assert found.model_type == expected.trainer_spec.model_type
    assert found.byte_fallback == expected.trainer_spec.byte_fallback
    assert found.treat_whitespace_as_suffix == expected.trainer_spec.treat_whitespace_as_suffix
    assert found.add_dummy_prefix == expected.normalizer_spec.add_dummy_prefix
    assert found.escape_whitespaces == expected.normalizer_spec.escape_whitespaces


def test_trained_model(test_data):
    """XLM-RoBERTa's pieces with their normalization; without it, a model that the tests train."""
    name = "data/xlmr/sentencepiece.bpe.rebuilt.model"
    path = test_data(name)
    found = read_sentencepiece_model(path)
    if test_data.has_real(name):
        assert (len(found.pieces), len(found.charsmap)) == (250000, 237539)
    assert_equals_proto(found, pb.ModelProto.FromString(path.read_bytes()))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert found.pieces == [processor.id_to_piece(index) for index in range(len(processor))]


def test_another_real_model(test_data):
    path = test_data.real("data/xlmr/nmt_nfkc_donor.t5_tokenizer_base.model")
    assert_equals_proto(read_sentencepiece_model(path), pb.ModelProto.FromString(path.read_bytes()))


pieces = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
        st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False)),
        st.one_of(st.none(), st.integers(1, 6)),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda one: one[0],
)


@given(pieces, st.booleans(), st.booleans(), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_models_that_protobuf_writes(pieces, flag, other_flag, model_type):
    model = proto(pieces)
    model.trainer_spec.model_type = model_type
    model.trainer_spec.byte_fallback = flag
    model.trainer_spec.treat_whitespace_as_suffix = other_flag
    model.trainer_spec.vocab_size = 250000
    model.trainer_spec.self_test_sample_size = 3
    model.normalizer_spec.add_dummy_prefix = flag
    model.normalizer_spec.escape_whitespaces = other_flag
    model.normalizer_spec.name = "nmt_nfkc"
    model.denormalizer_spec.name = "none"
    assert_equals_proto(parse_sentencepiece_model(model.SerializeToString()), model)


def test_fields_in_any_order_and_unknown_ones():
    data = (
        field(99, 0, varint(2**63))  # an unknown field of each wire type
        + field(98, 1, bytes(8))
        + field(1, 2, field(3, 0, b"\x01") + field(2, 5, struct.pack("<f", -3)) + field(1, 2, b"x"))
        + piece(b"y", extra=field(97, 2, b"unknown") + field(96, 5, bytes(4)))
        + field(3, 2, field(2, 2, b"map"))
        + piece(b"z" * 300)
        + piece(b"line\nbreak")
        + field(1, 2, field(1, 2, b"no score"))
    )
    model = parse_sentencepiece_model(data)
    assert model.pieces == ["x", "y", "z" * 300, "line\nbreak", "no score"]
    assert model.scores == [-3.0, -1.0, -1.0, -1.0, 0.0]
    assert model.types == [1] * 5
    assert model.charsmap == b"map"


MALFORMED = {
    "no pieces": (field(3, 2, b""), "pieces: found none"),
    "text file": (b"hello world, this is no model", "wire type"),
    "field number 0": (b"\x00\x01", "byte 0: found field number 0"),
    "group": (piece(b"a") + b"\x0b", "wire type 3"),
    "varint of 11 bytes": (b"\xff" * 10 + b"\x01", "found more than 64 bits"),
    "varint above 64 bits": (field(9, 0, b"\xff" * 9 + b"\x7f"), "found more than 64 bits"),
    "varint cut off": (piece(b"a") + b"\x18\x80", "found no last byte"),
    "length past the end": (piece(b"a") + b"\x0a\x7f", "found an end 127 bytes past"),
    "huge length": (b"\x0a" + varint(2**62), "past the end of the message"),
    "piece longer than its message": (b"\x0a\x04\x0a\x09ab" + piece(b"c") * 9, "past the end of the message"),
    "float cut off": (b"\x0a\x05\x0a\x01a\x15\x00", "past the end of the message"),
    "pieces as varint": (b"\x08\x01", "pieces: found wire type 0"),
    "piece text as varint": (field(1, 2, b"\x08\x01"), "piece: found wire type 0"),
    "score as varint": (field(1, 2, field(1, 2, b"a") + b"\x10\x01"), "score: found wire type 0"),
    "type as bytes": (piece(b"a", extra=field(3, 2, b"x")), "type: found wire type 2"),
    "unknown type": (piece(b"a", extra=field(3, 0, b"\x07")), "found type 7, expected 1 to 6"),
    "type 0": (piece(b"a", extra=field(3, 0, b"\x00")), "found type 0, expected 1 to 6"),
    "not UTF-8": (piece(b"\xff\xfe"), "not UTF-8"),
    "surrogate": (piece(b"\xed\xa0\x80"), "not UTF-8"),
    "empty piece": (piece(b"a") + piece(b""), "piece 1: found an empty text"),
    "bare piece": (b"\x0a\x00", "piece 0: found an empty text"),
    "the same twice": (piece(b"a") + piece(b"b") + piece(b"a"), "pieces 0 and 2: found the same text"),
    "NaN score": (
        piece(b"a") + piece(b"b", score=struct.pack("<f", float("nan"))),
        "the score of piece 1: found nan",
    ),
    "infinite score": (
        piece(b"a", score=struct.pack("<f", float("-inf"))),
        "the score of piece 0: found -inf",
    ),
    "charsmap as varint": (piece(b"a") + field(3, 2, b"\x10\x01"), "precompiled_charsmap: found wire type 0"),
    "trainer_spec as fixed32": (piece(b"a") + b"\x15" + bytes(4), "trainer_spec: found wire type 5"),
    "model_type as bytes": (piece(b"a") + field(2, 2, field(3, 2, b"")), "model_type: found wire type 2"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name, tmp_path):
    data, fragment = MALFORMED[name]
    path = tmp_path / "sentencepiece.bpe.model"
    path.write_bytes(data)
    with pytest.raises(TokenizerFileError) as raised:
        read_sentencepiece_model(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: not a sentencepiece model: ")
    assert fragment in message
    assert "\n" not in message


def test_every_truncation():
    """A model cut at any byte is an error, or has the pieces that are complete."""
    data = proto().SerializeToString()
    complete = parse_sentencepiece_model(data)
    for end in range(len(data)):
        try:
            found = parse_sentencepiece_model(data[:end])
        except ValueError:
            continue
        assert found.pieces == complete.pieces[: len(found.pieces)]
        assert found.scores == complete.scores[: len(found.scores)]


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_random_bytes(data):
    with contextlib.suppress(ValueError):
        parse_sentencepiece_model(data)


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_mutated_model(data):
    octets = bytearray(proto().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parse_sentencepiece_model(bytes(octets))
    except ValueError:
        return
    assert len(found.pieces) == len(found.scores) == len(found.types)


@pytest.mark.parametrize(
    "unit",
    [
        b"\x0a\x00",
        b"\x08\x00\x0a\x05\x0a\x01a\x10\x00",
        piece(b"a") + b"\x28\x00",
        piece(b"a" * 140),
        b"\x80" * 9,
    ],
    ids=["empty", "odd", "alternating", "long", "varints"],
)
def test_hostile_input_is_read_in_linear_time(unit):
    data = unit * (2**20 // len(unit))
    start = time.process_time()
    with pytest.raises(ValueError):  # noqa: PT011 - any error will do
        parse_sentencepiece_model(data)
    assert time.process_time() - start < 5
