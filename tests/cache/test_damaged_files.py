"""A cache file that is not as it was written is found, removed and written again; no bit is believed."""

from __future__ import annotations

import logging
import os
import random
import shutil
import textwrap

import numpy as np
import pytest
from samples.caches import bits, load, packed_files
from samples.kernels import in_a_process

from roberta_c.cache import folder as private
from roberta_c.cache import reader
from roberta_c.cache.errors import DamagedError
from roberta_c.cache.layout import END, PIECE_BYTES, header_bytes, parse_header
from roberta_c.cache.reader import PackedFile, read_header


@pytest.fixture
def packed(made, cache_folder):
    """The cache file of the tiny model, and the header it has."""
    load(made, cache_folder)
    [path] = packed_files(cache_folder)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        header = read_header(descriptor)
    finally:
        os.close(descriptor)
    return path, header


def replace(path, data: bytes) -> None:
    """The file with other bytes: cache files are read-only, and never changed in place."""
    path.unlink()
    path.write_bytes(data)
    path.chmod(0o400)


def is_read(path, key: str) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        PackedFile(path.parent, descriptor, key, 1)
    except DamagedError:
        return False
    finally:
        os.close(descriptor)
    return True


@pytest.mark.parametrize("place", ["mapped", "copied"])
def test_every_flipped_bit_is_found(packed, monkeypatch, place):
    """Case 90: in files, a sample of all bits: payload and gaps, header, end."""
    monkeypatch.setattr(reader, "is_local", lambda _: place == "mapped")
    path, header = packed
    data = bytearray(path.read_bytes())
    assert is_read(path, header.key)
    last = header.payload_bytes
    rng = random.Random(0)
    places = rng.sample(range(8 * last, 8 * len(data)), 100) + rng.sample(range(8 * last), 400)
    path.chmod(0o600)
    with open(path, "r+b", buffering=0) as file:
        for place_of_bit in places:
            byte, bit = divmod(place_of_bit, 8)
            os.pwrite(file.fileno(), bytes([data[byte] ^ 1 << bit]), byte)
            assert not is_read(path, header.key), f"bit {bit} of byte {byte}"
            os.pwrite(file.fileno(), data[byte : byte + 1], byte)
    assert is_read(path, header.key)


def test_every_flipped_bit_of_the_header_is_found(packed):
    """Case 90: all bits of the header and of the end, in memory."""
    path, header = packed
    data = bytearray(path.read_bytes())
    size = len(data)

    def parsed():
        end = bytes(data[-END.size :])
        length = header_bytes(end, size)
        return parse_header(bytes(data[size - END.size - length : -END.size]), end, size)

    assert parsed() == header
    for byte in range(header.payload_bytes, size):
        for bit in range(8):
            data[byte] ^= 1 << bit
            with pytest.raises(DamagedError):
                parsed()
            data[byte] ^= 1 << bit
    assert parsed() == header


@pytest.mark.parametrize("kernel", ["new", "old"])
def test_a_file_that_is_cut_off_while_it_is_opened(made, cache_folder, kernel):
    """Case 96: what no disk can read any more is no bus error, with and without MADV_POPULATE_READ."""
    program = """
    from samples.caches import allow_tiny_models, bits, load, packed_files
    from roberta_c.cache import reader
    made, folder, kernel = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    allow_tiny_models(pytest.MonkeyPatch())
    reader.is_local = lambda _: True
    if kernel == "old":
        reader.POPULATE_READ = 9999
    expected = bits(load(made, folder))
    [path] = packed_files(folder)
    assert load(made, folder).cache_report.is_mapped
    mapped = mmap.mmap
    def cut_off(*arguments):
        found = mapped(*arguments)
        path.chmod(0o600)
        os.truncate(path, 0)
        return found
    reader.mmap.mmap = cut_off
    model = load(made, folder)
    reader.mmap.mmap = mapped
    assert model.cache_report.state == "written", model.cache_report
    assert bits(model) == expected
    again = load(made, folder)
    assert again.cache_report.state == "read"
    assert bits(again) == expected
    """
    program = "import mmap, os, pytest, sys\nfrom pathlib import Path\n" + textwrap.dedent(program)
    done = in_a_process("-c", program, str(made), str(cache_folder), kernel)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])


def test_a_file_that_is_cut_off_before_it_is_mapped(packed, monkeypatch):
    path, header = packed
    monkeypatch.setattr(reader, "is_local", lambda _: True)

    def read_and_cut_off(descriptor):
        found = read_header(descriptor)
        path.chmod(0o600)
        os.truncate(path, 4096)
        return found

    monkeypatch.setattr(reader, "read_header", read_and_cut_off)
    assert not is_read(path, header.key)


def test_only_the_damaged_file_itself_is_removed(tmp_path):
    """Another process may have replaced it."""
    (tmp_path / "0.packed").touch()
    inode = (tmp_path / "0.packed").stat().st_ino
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        private.remove_damaged(descriptor, "0.packed", inode + 1, "damaged")
        assert (tmp_path / "0.packed").exists()
        private.remove_damaged(descriptor, "0.packed", inode, "damaged")
        assert not (tmp_path / "0.packed").exists()
        private.remove_damaged(descriptor, "0.packed", inode, "damaged")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("call", ["pread", "preadv"])
def test_a_disk_that_fails(packed, made, cache_folder, monkeypatch, caplog, call):
    """Case 96: the file goes, and is written again where the disk is well."""
    path, _ = packed
    inode, function, failures = path.stat().st_ino, getattr(os, call), []
    other = os.open(path, os.O_RDONLY)  # keeps its inode from being given away

    def fail(descriptor, *arguments):
        if os.fstat(descriptor).st_ino == inode:
            failures.append(1)
            raise OSError(5, os.strerror(5))
        return function(descriptor, *arguments)

    expected = bits(load(made, None))
    monkeypatch.setattr(os, call, fail)
    models = [load(made, cache_folder) for _ in range(2)]
    os.close(other)
    assert failures
    assert [model.cache_report.state for model in models] == ["written", "read"]
    assert bits(models[0]) == bits(models[1]) == expected
    assert "cannot be read" in caplog.text


def test_every_length_is_found(packed):
    """Case 96: a file that was not written, or not copied, to its end."""
    path, header = packed
    data = path.read_bytes()
    lengths = [*range(0, len(data), 97), *range(len(data) - 300, len(data))]
    for length in lengths:
        replace(path, data[:length])
        assert not is_read(path, header.key), length
    for longer in (data + b"\0", data + b"\0" * 4096, b"\0" * 64 + data, data + data):
        replace(path, longer)
        assert not is_read(path, header.key)


@pytest.mark.parametrize("damage", ["bit", "short", "empty", "other", "swapped"])
def test_a_damaged_file_is_removed_and_written_again(packed, made, cache_folder, caplog, damage):
    """Cases 90, 94, 98: whatever a file holds, answers stay right, with one warning."""
    path, _ = packed
    data = bytearray(path.read_bytes())
    expected = bits(load(made, None))
    if damage == "bit":
        data[len(data) // 3] ^= 16
    elif damage == "short":
        del data[len(data) // 2 :]
    elif damage == "empty":
        data = bytearray()
    elif damage == "other":  # a complete file of another key
        load(made, cache_folder, dtype="int8")
        [other] = [one for one in packed_files(cache_folder) if one != path]
        data = bytearray(other.read_bytes())
    else:  # two writers into one file, as a file system without locks allows
        half = len(data) // 128 * 64
        data[:64], data[half : half + 64] = data[half : half + 64], data[:64]
    replace(path, bytes(data))
    with caplog.at_level(logging.WARNING):
        first, second = load(made, cache_folder), load(made, cache_folder)
    assert (first.cache_report.state, second.cache_report.state) == ("written", "read")
    assert bits(first) == bits(second) == expected
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "it is removed, and written again" in warnings[0].message
    assert path.read_bytes()[-200:] != bytes(data)[-200:] or damage in ("bit", "swapped")


def test_the_wrong_digest_of_a_payload(packed, made, cache_folder):
    """Case 98: a header that is right in itself, with the digests of other bytes."""
    import dataclasses

    path, header = packed
    data = path.read_bytes()
    digest = int(header.digests[:16], 16)
    for other in (0, digest ^ 1, digest ^ 1 << 63, digest + 1):
        wrong = dataclasses.replace(header, digests=f"{other % 2**64:016x}" + header.digests[16:])
        replace(path, data[: header.payload_bytes] + wrong.encoded())
        assert not is_read(path, header.key)
    replace(path, data[: header.payload_bytes] + header.encoded())
    assert is_read(path, header.key)


def test_every_piece_has_its_digest(made, tmp_path, monkeypatch, cache_folder):
    """A payload of several pieces, whose arrays cross their ends."""
    for room in ("reader", "writer", "layout"):
        monkeypatch.setattr(f"roberta_c.cache.{room}.PIECE_BYTES", 256)
    expected = bits(load(made, None))
    for _ in range(2):
        model = load(made, cache_folder)
        assert bits(model) == expected
    assert model.cache_report.state == "read"
    [path] = packed_files(cache_folder)
    descriptor = os.open(path, os.O_RDONLY)
    header = read_header(descriptor)
    os.close(descriptor)
    assert len(header.digests) == 16 * -(-header.payload_bytes // 256)
    assert PIECE_BYTES == 2 << 20


def test_arrays_are_read_only_and_outlive_their_file(packed, made, cache_folder):
    expected = bits(load(made, None))
    model = load(made, cache_folder)
    panels = model.encoder.layer[0].packed.qkv.panels
    assert not panels.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        panels[0] = 0
    shutil.rmtree(cache_folder)
    assert bits(model) == expected
    assert np.isfinite(panels).all()
