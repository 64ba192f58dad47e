"""Malformed and hostile tokenizer files: each raises a TokenizerFileError, one line with file and reason."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path

import pytest
from samples.tokenizers import (
    VOCAB,
    assert_one_line,
    unigram_proto,
    write,
)

from roberta_c.errors import ModelFileError, ResourceError, TokenizerFileError
from roberta_c.tokenizer import AutoTokenizer, tokenizer_files


@pytest.mark.parametrize(
    "config",
    [
        {"max_position_embeddings": "514"},
        {"max_position_embeddings": 2, "pad_token_id": 1},
        {"max_position_embeddings": 514, "pad_token_id": -1},
        {"model_type": 5},
        "[]",
        "{",
    ],
)
def test_bad_config(bpe_folder, config):
    write(bpe_folder, "config.json", config)
    with pytest.raises(ModelFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, str(bpe_folder / "config.json"))


@pytest.mark.parametrize(
    ("name", "content", "fragment"),
    [
        ("added_tokens.json", {"<new>": 99}, "added token '<new>': found id 11, expected id 99"),
        ("added_tokens.json", {"a": 11}, "added token 'a': found id 4, expected id 11"),
        ("added_tokens.json", {"<new>": "11"}, "the id of '<new>': found '11'"),
        ("added_tokens.json", {"x": 11, "y": 11}, "id 11: found 'x' and 'y', expected one token"),
        ("added_tokens.json", [], "JSON list, expected an object"),
        ("added_tokens.json", {"\ud800": 11}, "added_tokens.json: id 11: found '\\ud800', expected a token"),
        ("special_tokens_map.json", {"mask_token": "[MASK]"}, "mask_token: found '[MASK]', expected a token"),
        ("special_tokens_map.json", {"mask_token": 5}, "mask_token: found 5, expected a token"),
        (
            "special_tokens_map.json",
            {"mask_token": {"lstrip": True}},
            "mask_token: found {'lstrip': True}, expected",
        ),
        ("special_tokens_map.json", {"mask_token": {"content": "a", "lstrip": 1}}, "expected a token"),
        ("special_tokens_map.json", {"additional_special_tokens": "x"}, "expected a list of tokens"),
        ("special_tokens_map.json", {"cls_token": None}, "cls_token: found null"),
        ("special_tokens_map.json", "{", "not JSON"),
        ("special_tokens_map.json", '{"a": NaN}', "NaN"),
        ("special_tokens_map.json", '{"a": 1, "a": 2}', "the key 'a'"),
        ("special_tokens_map.json", "[" * 200_000, "more than 100 levels of nesting"),
        ("special_tokens_map.json", '{"a": ' + "9" * 5000 + "}", "5000 digits"),
        ("special_tokens_map.json", "\ufeff{}", "JSON"),
        (
            "tokenizer_config.json",
            {"model_max_length": "512"},
            "expected a positive number",
        ),
        ("tokenizer_config.json", {"model_max_length": 0}, "expected a positive number"),
        ("tokenizer_config.json", {"max_len": -1}, "expected a positive number"),
        (
            "tokenizer_config.json",
            {"padding_side": "top"},
            "padding_side: found 'top', expected 'right' or 'left'",
        ),
        (
            "tokenizer_config.json",
            {"add_prefix_space": "yes"},
            "add_prefix_space: found 'yes', expected true or false",
        ),
        ("tokenizer_config.json", {"model_input_names": "input_ids"}, "expected a list of names"),
        ("tokenizer_config.json", {"added_tokens_decoder": []}, "added_tokens_decoder: found []"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": {}}}, "found 'x': {}, expected an id"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"4": {"lstrip": 1}}}, "added_tokens_decoder[4]"),
        (
            "tokenizer_config.json",
            {"added_tokens_decoder": {"0": {"content": "<s>"}, "00": {"content": "a"}}},
            "found id 0 twice, expected once",
        ),
    ],
)
def test_bad_settings_file(bpe_folder, name, content, fragment):
    write(bpe_folder, name, content)
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, str(bpe_folder), fragment)


TEXT_A, TEXT_B = ({"Sequence": {"id": one, "type_id": 0}} for one in "AB")
GOOD_VOCAB = {token: index for index, token in enumerate(VOCAB)}


@pytest.mark.parametrize(
    ("name", "content", "fragment"),
    [
        ("vocab.json", "", "found an empty file"),
        ("vocab.json", "{}", "found an empty object, expected tokens"),
        ("vocab.json", "[]", "JSON list, expected an object"),
        ("vocab.json", '{"a": 0,', "not JSON"),
        ("vocab.json", '{"a": 0, "a": 1}', "the key 'a'"),
        ("vocab.json", {**GOOD_VOCAB, "x": 11.0}, "the id of 'x': found 11.0"),
        ("vocab.json", {**GOOD_VOCAB, "x": True}, "the id of 'x': found True"),
        ("vocab.json", {**GOOD_VOCAB, "x": "11"}, "the id of 'x': found '11'"),
        ("vocab.json", {**GOOD_VOCAB, "x": -1}, "the id of 'x': found -1, expected an integer from 0 to 42"),
        ("vocab.json", {**GOOD_VOCAB, "x": 2**32}, "the id of 'x': found 4294967296, expected an integer"),
        ("vocab.json", {**GOOD_VOCAB, "x": 10**30}, "the id of 'x': found 1000000000000000000000000000000"),
        ("vocab.json", {**GOOD_VOCAB, "x": 4}, "id 4: found 'a' and 'x', expected one token"),
        ("vocab.json", {**GOOD_VOCAB, "x\ud800": 11}, r"found a lone surrogate in 'x\ud800'"),
        (
            "vocab.json",
            {"<S>" if k == "<s>" else k: v for k, v in GOOD_VOCAB.items()},
            "found no token '<s>'",
        ),
        (
            "vocab.json",
            {"[M]" if k == "<mask>" else k: v for k, v in GOOD_VOCAB.items()},
            "mask_token: found '<mask>'",
        ),
        (
            "vocab.json",
            {"[P]" if k == "<pad>" else k: v for k, v in GOOD_VOCAB.items()},
            "pad_token: found '<pad>'",
        ),
        ("vocab.json", "version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
        ("vocab.json", "<!DOCTYPE html><html></html>", "an HTML page"),
        ("merges.txt", "a z\n", "line 1, 'a z': found token 'z', expected a token of the vocabulary"),
        (
            "merges.txt",
            "#version: 0.2\na b\nb a\n",
            "line 3, 'b a': found token 'ba', expected a token of the vocabulary",
        ),
        ("merges.txt", "#merges\na b\n", "line 1: found '#merges', expected two tokens"),
        ("merges.txt", "#version: 0.2\n#version: 0.2\na b\n", "line 2, '#version: 0.2': found token"),
        ("merges.txt", "a b\n\na b\n", "line 2: found '', expected two tokens"),
        ("merges.txt", "a  b\n", "line 1: found 'a  b', expected two tokens"),
        ("merges.txt", "a b c\n", "line 1: found 'a b c', expected two tokens"),
        ("merges.txt", " ab\n", "line 1: found ' ab', expected two tokens"),
        ("merges.txt", "a b\n<unk> <mask>\n", "line 2, '<unk> <mask>': found token '<unk><mask>'"),
        ("merges.txt", "{not merges", "line 1, '{not merges': found token '{not'"),
    ],
)
def test_bad_byte_level_bpe(bpe_folder, name, content, fragment, capfd):
    write(bpe_folder, name, content)
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, str(bpe_folder), fragment)
    assert capfd.readouterr().err == ""  # a Rust panic would print there


def test_not_a_text_file(bpe_folder):
    (bpe_folder / "vocab.json").write_bytes(b'{"\xff": 0}')
    with pytest.raises(TokenizerFileError, match="byte 2"):
        AutoTokenizer.from_pretrained(bpe_folder)
    (bpe_folder / "vocab.json").unlink()
    os.mkfifo(bpe_folder / "vocab.json")
    with pytest.raises(TokenizerFileError, match="special file"):
        AutoTokenizer.from_pretrained(bpe_folder)
    (bpe_folder / "vocab.json").unlink()
    (bpe_folder / "vocab.json").mkdir()
    with pytest.raises(TokenizerFileError, match="directory"):
        AutoTokenizer.from_pretrained(bpe_folder)


@pytest.mark.parametrize(
    "content", ["a b\nĠ c", "#version: 0.2\r\na b\r\nĠ c\r\n\r\n", "#version: 1\na b\nĠ c\n\n\n"]
)
def test_forms_of_merges(bpe_folder, content):
    (bpe_folder / "merges.txt").write_bytes(content.encode())
    assert AutoTokenizer.from_pretrained(bpe_folder)("ab c").input_ids == [0, 8, 9, 2]


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda m: m.trainer_spec.__setattr__("model_type", 2), "model_type: found 2, expected 1"),
        (lambda m: m.trainer_spec.__setattr__("byte_fallback", True), "byte_fallback"),
        (lambda m: m.pieces.add(piece="<0x00>", score=0, type=6), "byte_fallback"),
        (lambda m: m.normalizer_spec.__setattr__("add_dummy_prefix", False), "add_dummy_prefix"),
        (
            lambda m: m.pieces[0].__setattr__("type", 1),
            "the first pieces: found '<unk>', '<s>', '</s>' of the types 1, 3, 3",
        ),
        (lambda m: m.pieces.add(piece="<mask>", score=0), "special token '<mask>': found two ids"),
        (lambda m: m.pieces.add(piece="<pad>", score=0), "special token '<pad>': found two ids"),
        (lambda m: m.normalizer_spec.__setattr__("precompiled_charsmap", b"\xff" * 9), "a trie of"),
    ],
)
def test_bad_sentencepiece(unigram_folder, change, fragment):
    model = unigram_proto()
    change(model)
    path = unigram_folder / "sentencepiece.bpe.model"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(unigram_folder)
    assert_one_line(raised.value, str(path), fragment)


def units(*numbers):
    """A character map with these units of a trie, filled up to 256, and the text "a"."""
    filled = [*numbers, *[0] * (256 - len(numbers))]
    return struct.pack("<257I", 1024, *filled) + b"a\0"


@pytest.mark.parametrize(
    ("charsmap", "fragment"),
    [
        (b"\x08\0\0\0" + b"\x7f" * 8, "found a unit that leads out of the trie"),
        (units(1 << 18), "found a unit that leads out of the trie"),
        (units(1 << 10 | 1 << 8, 3), "found a unit without a text"),
        (units(1 << 8)[:-2] + b"\x80", "found a unit without a text"),
        (b"\x05\0\0\0" + b"\0" * 8, "found a trie of 5 bytes"),
        (b"\x09\0\0\0" + b"\0" * 8, "found a trie of 9 bytes"),
        (b"\xfc\xff\xff\xff", "found a trie of 4294967292 bytes"),
    ],
)
def test_a_character_map_that_leads_out_of_itself(unigram_folder, charsmap, fragment, capfd):
    """The library accepts it, and panics when it normalizes a text."""
    model = unigram_proto()
    model.normalizer_spec.precompiled_charsmap = charsmap
    (unigram_folder / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(unigram_folder)
    assert_one_line(raised.value, "sentencepiece.bpe.model: precompiled_charsmap: ", fragment)
    assert capfd.readouterr().err == ""


def test_user_defined_symbols(unigram_folder):
    model = unigram_proto([("<sym>", 0, 4)])
    (unigram_folder / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    tokenizer = AutoTokenizer.from_pretrained(unigram_folder)
    assert tokenizer.tokenize("b<sym>b") == ["▁", "b", "<sym>", "▁", "b"]
    assert tokenizer.decode([7], skip_special_tokens=True) == "<sym>"


@pytest.fixture
def tokenizer_json(bpe_folder) -> tuple[Path, dict]:
    AutoTokenizer.from_pretrained(bpe_folder).save_pretrained(bpe_folder)
    path = bpe_folder / "tokenizer.json"
    return path, json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda j: j["model"].update(merges=[["<mask>", "<mask>"]]), "expected two tokens of the vocabulary"),
        (lambda j: j["model"].update(merges=["<mask> <mask>"]), "expected two tokens of the vocabulary"),
        (lambda j: j["model"].update(merges=[["a", "zz"]]), "model.merges[0]"),
        (lambda j: j["model"].update(merges=[["a"]]), "expected two tokens"),
        (
            lambda j: j["model"].update(merges={"a": "b"}),
            "and model.merges {'a': 'b'}, expected an object and a list",
        ),
        (
            lambda j: j["model"].update(continuing_subword_prefix="##"),
            "expected two tokens of the vocabulary",
        ),
        (lambda j: j["model"].update(type="Neural"), "refuses it"),
        (lambda j: j["model"]["vocab"].update(x=-5), "the id of 'x': found -5"),
        (lambda j: j.update(pre_tokenizer={"type": "Quantum"}), "refuses it"),
        (
            lambda j: j.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
            "refuses it",
        ),
        (lambda j: j.pop("model"), "refuses it"),
        (
            lambda j: j["added_tokens"].clear() or j["model"]["vocab"].pop("<mask>"),
            "mask_token: found '<mask>'",
        ),
        (
            lambda j: j.update(
                post_processor={
                    "type": "TemplateProcessing",
                    "single": [{"SpecialToken": {"id": "<q>", "type_id": 0}}, TEXT_A],
                    "pair": [TEXT_A, TEXT_B],
                    "special_tokens": {},
                }
            ),
            "refuses it",
        ),
    ],
)
def test_bad_tokenizer_json(tokenizer_json, change, fragment):
    path, content = tokenizer_json
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(path.parent)
    assert_one_line(raised.value, str(path), fragment)


def test_every_truncation_of_tokenizer_json(tokenizer_json):
    path, _ = tokenizer_json
    data = path.read_bytes().rstrip()
    for end in range(0, len(data), 97):
        path.write_bytes(data[:end])
        with pytest.raises(TokenizerFileError):
            AutoTokenizer.from_pretrained(path.parent)


REPLACE = {"type": "Replace", "content": "x"}
TEMPLATE = {"type": "TemplateProcessing", "special_tokens": {}}


@pytest.mark.parametrize(
    ("name", "component", "fragment"),
    [
        ("normalizer", {"type": "Prepend", "prepend": ""}, "normalizer Prepend: found an empty text"),
        (
            "normalizer",
            {**REPLACE, "pattern": {"String": ""}},
            "normalizer Replace: found the pattern '', which matches an empty text",
        ),
        (
            "normalizer",
            {"type": "Sequence", "normalizers": [{**REPLACE, "pattern": {"Regex": "(?=b)"}}]},
            "found the pattern '(?=b)', which matches an empty text",
        ),
        ("pre_tokenizer", {"type": "FixedLength", "length": 0}, "FixedLength: found 0, expected at least 1"),
        (
            "post_processor",
            {**TEMPLATE, "single": [TEXT_B], "pair": [TEXT_A, TEXT_B]},
            "post_processor: single: found $B, expected $A",
        ),
        (
            "post_processor",
            {**TEMPLATE, "single": [], "pair": [TEXT_A, TEXT_B]},
            "post_processor: single: found no text, expected $A",
        ),
        (
            "post_processor",
            {**TEMPLATE, "single": [TEXT_A], "pair": [TEXT_A]},
            "post_processor: pair: found $A, expected $A and $B",
        ),
        (
            "post_processor",
            {"type": "BertProcessing", "sep": ["</s>", 99], "cls": ["<s>", 0]},
            "the id of '</s>': found 99, expected an id of the vocabulary",
        ),
        (
            "post_processor",
            {
                **TEMPLATE,
                "single": [{"SpecialToken": {"id": "q", "type_id": 0}}, TEXT_A],
                "pair": [TEXT_A, TEXT_B],
                "special_tokens": {"q": {"id": "q", "ids": [0, 99], "tokens": ["<s>", "q"]}},
            },
            "the id of 'q': found 99, expected an id of the vocabulary",
        ),
    ],
)
def test_components_with_which_the_library_panics(tokenizer_json, name, component, fragment, capfd):
    path, content = tokenizer_json
    path.write_text(json.dumps({**content, name: component}), "utf-8")
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(path.parent)
    assert_one_line(raised.value, str(path), fragment)
    assert capfd.readouterr().err == ""


def test_files_that_need_too_much_memory(bpe_folder, monkeypatch):
    write(bpe_folder, "merges.txt", "a b\n" * 10_000)
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, "merges.txt: found 10000 merges, expected at most ")
    write(bpe_folder, "tokenizer_config.json", '{"a": [' + "[]," * 200_000 + "1]}")
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, "tokenizer_config.json: found values that need more than")
    with (bpe_folder / "tokenizer_config.json").open("wb") as file:
        file.truncate(40 << 20)
    monkeypatch.setattr(tokenizer_files, "memory_bytes", lambda: 14_000 << 20)
    with pytest.raises(ResourceError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, "found 41943040 bytes, expected at most 40777955, for 14000 MiB of memory")
    with (bpe_folder / "tokenizer_config.json").open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(TokenizerFileError, match="found 1073741825 bytes, expected at most 1073741824"):
        AutoTokenizer.from_pretrained(bpe_folder)


def test_many_added_tokens_are_read_in_linear_time(bpe_folder):
    write(bpe_folder, "added_tokens.json", {f"<{index}>": 11 + index for index in range(20_000)})
    start = time.process_time()
    assert len(AutoTokenizer.from_pretrained(bpe_folder)) == 20_011
    assert time.process_time() - start < 5  # added one by one, they took minutes
