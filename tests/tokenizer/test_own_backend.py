"""Backends that encode themselves: copies, pickles, forks, what files they take, and their hash tables."""

from __future__ import annotations

import copy
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from samples.encoders import FIELDS, as_states, assert_same_rows
from samples.tokenizers import make_unigram_folder, unigram_proto, write

from roberta_c.errors import InputError, TokenizerFileError
from roberta_c.tokenizer import RobertaTokenizerFast, XLMRobertaTokenizerFast, byte_level_bpe, unigram
from roberta_c.tokenizer._encoder import BytePairEncoder, UnigramEncoder
from roberta_c.tokenizer.byte_level_bpe import CHARACTER_OF_BYTE
from roberta_c.tokenizer.own_backend import OwnBackend

TEXTS = ["a b", "b<mask> a", "", "a ☃ b", "ab" * 20]


@pytest.fixture(params=["Unigram", "BPE"])
def loader(request, tmp_path):
    """Loads a small tokenizer of its own."""
    if request.param == "Unigram":
        folder = make_unigram_folder(tmp_path / "unigram")
        return lambda: XLMRobertaTokenizerFast.from_folder(folder)
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *CHARACTER_OF_BYTE.values(), "ab", "Ġa", "<mask>"]
    write(tmp_path, "vocab.json", {token: index for index, token in enumerate(tokens)})
    write(tmp_path, "merges.txt", "#version: 0.2\na b\nĠ a\n")
    return lambda: RobertaTokenizerFast.from_folder(tmp_path)


CHANGES = {
    "a token": lambda one: one.add_tokens(["zzz"]),
    "lower case": lambda one: one.lower_case(),
    "the library's object": lambda one: one.backend_tokenizer.add_tokens(["zzz"]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("is_copy_changed", [False, True])
def test_a_shallow_copy_shares_changes(loader, change, is_copy_changed):
    """As two names of the library's object would: for every text alike."""
    tokenizer, other = loader(), loader()
    copied = copy.copy(tokenizer)
    CHANGES[change](copied if is_copy_changed else tokenizer)
    CHANGES[change](other)
    for one in (tokenizer, copied):
        assert len(one) == len(other)
        assert one.get_vocab() == other.get_vocab()
        for text in (*TEXTS, "zzz a", "zzz <mask>", "A B"):
            assert one(text).input_ids == other(text).input_ids
            assert max(one(text).input_ids) < len(one)
            options = {"truncation": True, "max_length": 6}
            assert one(text, "b", **options).input_ids == other(text, "b", **options).input_ids
        ids = [0, len(one) - 1, 4, 2]
        assert one.decode(ids) == other.decode(ids)
        assert one.convert_tokens_to_ids("zzz") == other.convert_tokens_to_ids("zzz")
        joined = one.join_parts(*one.encode_parts(["zzz a", "b"]), 9)
        assert joined.ids == other.join_parts(*other.encode_parts(["zzz a", "b"]), 9).ids


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda one: pickle.loads(pickle.dumps(one))}


@pytest.mark.parametrize("how", COPIES)
def test_copies_encode_themselves(loader, how):
    tokenizer, other = loader(), loader()
    tokenizer.split_special_tokens = True
    copied = COPIES[how](tokenizer)
    assert copied.split_special_tokens
    tokenizer.split_special_tokens = copied.split_special_tokens = False
    assert tokenizer._backend._library is None  # it was not made for the copy
    assert isinstance(copied._backend, OwnBackend)
    assert copied._backend.is_own
    assert copied._backends._backend is copied._backend
    found, expected = copied(TEXTS, **FIELDS), other(TEXTS, **FIELDS)
    assert dict(found) == dict(expected)
    assert as_states(found) == as_states(expected)
    assert copied("b<mask> a").input_ids == other("b<mask> a").input_ids
    copied.add_tokens(["zzz"])
    assert len(copied) == len(tokenizer) + 1
    again = COPIES[how](copied)
    assert again("a zzz").input_ids == copied("a zzz").input_ids


FORK = """
import os, signal, sys, threading
from roberta_c.tokenizer import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
with tokenizer._backend._lock:  # as a thread would that makes the library's tokenizer
    child = os.fork()
    if not child:
        signal.alarm(20)
        assert tokenizer("a<mask>").input_ids[-2] == len(tokenizer) - 1
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_while_the_library_is_made(tmp_path):
    folder = make_unigram_folder(tmp_path / "unigram")
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(folder)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_library_raises_later_is_an_error_about_the_file(loader, monkeypatch):
    def refuse(*_):
        raise RuntimeError("no such vocabulary")

    tokenizer = loader()
    name = "sentencepiece.bpe.model" if tokenizer._backend.kind == "Unigram" else "merges.txt"
    monkeypatch.setattr(unigram.models, "Unigram", refuse)
    monkeypatch.setattr(byte_level_bpe, "_library_model", refuse)
    expected = rf"{name}: the tokenizers library refuses it: 'no such vocabulary'"
    with pytest.raises(TokenizerFileError, match=expected):
        tokenizer("a<mask>")
    monkeypatch.undo()
    assert tokenizer("a<mask>").input_ids[-2] == len(tokenizer) - 1


# Files


def folder_of(model, folder: Path) -> Path:
    (folder / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    return folder


@pytest.mark.parametrize(("text", "first"), [("<unk>", 0), ("<s>", 1), ("</s>", 2)])
def test_a_piece_like_one_that_a_special_token_replaces(text, first, tmp_path):
    folder = folder_of(unigram_proto([(text, -1, 1)]), tmp_path)
    names = dict.fromkeys(("bos_token", "cls_token"), "[B]")
    names |= dict.fromkeys(("eos_token", "sep_token"), "[E]") | {"unk_token": "[U]"}
    with pytest.raises(TokenizerFileError, match=f"pieces {first} and 6: found the same text"):
        XLMRobertaTokenizerFast.from_folder(folder, **names)


def test_special_tokens_with_other_names(tmp_path):
    folder = folder_of(unigram_proto(), tmp_path)
    tokenizer = XLMRobertaTokenizerFast.from_folder(folder, bos_token="[B]", cls_token="[B]")
    assert isinstance(tokenizer._backend, OwnBackend)
    assert tokenizer("a b").input_ids == tokenizer.backend_tokenizer.encode("a b").ids


def charsmap_of(texts: dict[str, str]) -> bytes:
    """A character map. Each node of its trie has 256 units for its children, the first for its own text."""
    nodes: dict[bytes, int] = {b"": 0}
    for key in texts:
        for size in range(1, len(key.encode()) + 1):
            nodes.setdefault(key.encode()[:size], len(nodes))
    units = [0] * (256 * (len(nodes) + 1))
    blob = b""
    place_of = {
        name: 256 * (nodes[name[:-1]] + 1) ^ name[-1] if name else 0
        for name in sorted(nodes, key=lambda name: nodes[name])
    }
    for name, index in nodes.items():
        base = 256 * (index + 1)
        place = place_of[name]
        units[place] = (place ^ base) << 10 | (name[-1] if name else 0)
        if name and name.decode(errors="replace") in texts:
            units[place] |= 256
            units[base] = 1 << 31 | len(blob)
            blob += texts[name.decode()].encode() + b"\0"
    return struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + blob


CHARACTERS = [
    *"abé½",
    "\u0340",
    "\u0301",
    "\u200d",
    "\u00ad",
    "日",
    "\U0001d173",
    "\U000e0001",
    "👍",
    "©",
    " ",
]


@pytest.mark.parametrize("seed", range(12))
def test_random_character_maps(seed, tmp_path):
    """With keys of several characters, and texts that are shorter, longer or nothing."""
    rng = random.Random(seed)
    keys = {"".join(rng.choices(CHARACTERS, k=rng.randint(1, 3))) for _ in range(rng.randint(5, 40))}
    texts = {key: "".join(rng.choices([*CHARACTERS, "▁", "xyz"], k=rng.randint(0, 3))) for key in keys}
    pieces = [*(one for one in CHARACTERS if one not in "b "), "x", "y", "xyz", "éa", "a▁"]
    model = unigram_proto([(piece, -1 - index / 7, 1) for index, piece in enumerate(pieces)])
    model.normalizer_spec.precompiled_charsmap = charsmap_of(texts)
    folder = folder_of(model, tmp_path)
    own, other = (XLMRobertaTokenizerFast.from_folder(folder) for _ in range(2))
    assert isinstance(own._backend, OwnBackend)
    samples = ["".join(rng.choices(CHARACTERS, k=rng.randint(0, 12))) for _ in range(800)]
    assert_same_rows(own, other.backend_tokenizer, samples, 0.5)


def test_a_character_map_whose_texts_are_not_utf8(tmp_path):
    charsmap = charsmap_of({"a": "xx"})
    bad = charsmap.replace(b"xx\0", b"\xc3x\0")
    starts = np.array([0, 1])
    scores = np.zeros(2, np.float32)
    UnigramEncoder(b"ab", starts, starts + 1, scores, 0, charsmap, True)
    with pytest.raises(ValueError, match="not UTF-8"):
        UnigramEncoder(b"ab", starts, starts + 1, scores, 0, bad, True)
    model = unigram_proto()
    model.normalizer_spec.precompiled_charsmap = bad
    with pytest.raises(TokenizerFileError, match="the tokenizers library refuses it"):
        XLMRobertaTokenizerFast.from_folder(folder_of(model, tmp_path))


# Hash tables


@pytest.mark.parametrize("byte", [0, 1, 0xFF])
def test_no_multiplier_makes_many_edges_collide(byte, monkeypatch):
    """Keys of edges are in order; multipliers are random."""
    count = 60_000
    data = "".join(f"{index:06x}" for index in range(count)).encode()
    starts = np.arange(count) * 6
    scores = np.zeros(count, np.float32)

    def seconds() -> float:
        start = time.process_time()
        UnigramEncoder(data, starts, starts + 6, scores, 0, b"", True)
        pairs = np.column_stack([np.arange(count) // 300, np.arange(count)]).astype(np.uint32)
        sizes = np.ones(1, np.int64)
        results = np.zeros(count, np.uint32)
        vocab = {"a": 0}
        BytePairEncoder(
            vocab, b"a", sizes, np.zeros(1, np.uint32), pairs.ravel(), results, [0] * 256, False, False
        )
        return time.process_time() - start

    usual = min(seconds() for _ in range(3))
    monkeypatch.setattr(os, "urandom", lambda size: bytes([byte] * size))
    assert min(seconds() for _ in range(3)) < 3 * usual + 0.05


LARGE = """
import resource
import numpy as np
from roberta_c.tokenizer._encoder import UnigramEncoder
size = (1 << 24) + 1
data = b"a" * size
starts, ends = np.array([0]), np.array([size])
scores = np.zeros(1, np.float32)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 26),) * 2)
try:
    UnigramEncoder(data, starts, ends, scores, 0, b"", True)
except OverflowError:
    print("too large")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are Linux's")
def test_a_piece_that_is_too_long_asks_for_no_memory():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("too large\n", "")


# Pairs


@pytest.mark.parametrize("strategy", ["longest_first", "only_first", "only_second"])
def test_random_pairs_cut_to_few_tokens(loader, strategy):
    rng = random.Random(strategy)
    own, twin = loader(), loader()
    assert twin.backend_tokenizer is twin._backend
    for _ in range(150):
        pair = ["".join(rng.choices("ab ☃\n", k=rng.randint(0, 9))) for _ in range(2)]
        options = {"truncation": strategy, "max_length": rng.randint(3, 12), **FIELDS}
        results = []
        for tokenizer in (own, twin):
            try:
                results.append(dict(tokenizer(*pair, **options)))
            except InputError as error:
                results.append({"error": re.sub("[0-9]", "", str(error))})
        assert results[0] == results[1], (pair, options)
