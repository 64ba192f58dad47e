"""digests(): as the formula in csrc/digest.c has it, for any length, and other for any other bytes."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from roberta_c.errors import InputError
from roberta_c.kernels import digests

ODD, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def step(lane: int, word: int) -> int:
    mixed = word * ODD & MASK
    mixed = lane ^ mixed ^ mixed >> 32
    return ((mixed << 27 | mixed >> 37) & MASK) * ODD & MASK


def finish(x: int) -> int:
    x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD & MASK
    x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return x ^ x >> 33


def plain_digest(data: bytes) -> int:
    lanes = [ODD * (2 * lane + 1) & MASK for lane in range(8)]
    padded = data + bytes(-len(data) % 64)
    for begin in range(0, len(padded), 64):
        words = np.frombuffer(padded, "<u8", 8, begin).tolist()
        lanes = [step(lane, word) for lane, word in zip(lanes, words, strict=True)]
    found = len(data)
    for lane in lanes:
        found = step(found, finish(lane))
    return finish(found)


@pytest.mark.parametrize("length", [1, 7, 8, 63, 64, 65, 127, 128, 1000, 4096])
def test_equal_to_the_formula(length):
    data = np.random.default_rng(length).bytes(length)
    assert digests(data, 1 << 20).tolist() == [plain_digest(data)]


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_pieces_on_several_threads(num_threads):
    data = np.random.default_rng(0).bytes(10_001)
    expected = [plain_digest(data[begin : begin + 128]) for begin in range(0, len(data), 128)]
    assert digests(data, 128, num_threads).tolist() == expected


def test_every_flipped_bit_and_every_length_changes_it():
    data = bytearray(np.random.default_rng(0).bytes(200))
    seen = {digests(data, 1 << 20)[0]}
    for place in range(8 * len(data)):
        data[place // 8] ^= 1 << place % 8
        seen.add(digests(data, 1 << 20)[0])
        data[place // 8] ^= 1 << place % 8
    for length in range(1, 200):
        seen.add(digests(bytes(length), 1 << 20)[0])
    assert len(seen) == 1 + 8 * 200 + 199


def test_two_flipped_bits_do_not_cancel():
    """In one lane, one or two words apart: a multiplication alone would carry upwards only."""
    data = bytearray(np.random.default_rng(0).bytes(192))
    seen = {digests(data, 1 << 20)[0]}
    for first in range(64):
        for second in range(64):
            for apart in (512, 1024):
                for place in (first, second + apart):
                    data[place // 8] ^= 1 << place % 8
                seen.add(digests(data, 1 << 20)[0])
                for place in (first, second + apart):
                    data[place // 8] ^= 1 << place % 8
    assert len(seen) == 1 + 64 * 64 * 2


def test_blocks_that_change_places_change_it():
    data = np.random.default_rng(0).bytes(1 << 15)
    seen = {digests(data, 1 << 20)[0]}
    for size in (8, 64, 512, 4096, 8192):
        for begin in range(size, len(data), size):
            swapped = data[begin : begin + size] + data[size:begin] + data[:size] + data[begin + size :]
            seen.add(digests(swapped, 1 << 20)[0])
    assert len(seen) == 1 + sum(len(data) // size - 1 for size in (8, 64, 512, 4096, 8192))


def test_any_contiguous_bytes():
    data = np.arange(100, dtype=np.float32)
    expected = digests(data.tobytes(), 4096).tolist()
    data.flags.writeable = False
    assert digests(data, 4096).tolist() == expected
    assert digests(data.reshape(10, 10), 4096).tolist() == expected
    with mmap.mmap(-1, 400) as mapped:
        mapped[:] = data.tobytes()
        assert digests(mapped, 4096).tolist() == expected
    assert digests(b"", 4096).tolist() == []


@pytest.mark.parametrize("piece_bytes", [0, -1, 63, 1 << 62, 64.0, True, None])
def test_wrong_sizes_of_pieces(piece_bytes):
    with pytest.raises(InputError, match="piece_bytes"):
        digests(b"abc", piece_bytes)
