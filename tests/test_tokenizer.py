"""Loading, settings, arguments and errors of tokenizers; their ids are checked in parity/."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sentencepiece import sentencepiece_model_pb2 as pb

from roberta_c import hub
from roberta_c.errors import InputError, ModelFileError, RobertaCError, TokenizerFileError
from roberta_c.tokenizer import (
    AddedToken,
    AutoTokenizer,
    BatchEncoding,
    PreTrainedTokenizerFast,
    RobertaTokenizerFast,
    XLMRobertaTokenizer,
    XLMRobertaTokenizerFast,
)

ISLAND = "I really want to go to an island. Do you want to go?"
ISLAND_IDS = [0, 100, 269, 236, 7, 213, 7, 41, 2946, 4, 1832, 47, 236, 7, 213, 116, 2]


def listing(name: str, path: Path, vocab_size: int, normalized: bool) -> str:
    """What the two cardiffnlp repositories' tokenizers print, as published."""
    tokens = [
        f'        {index}: AddedToken("{token}", rstrip=False, lstrip={token == "<mask>"}, single_word=False,'
        f" normalized={normalized and token != '<mask>'}, special=True),\n"
        for index, token in [*enumerate(["<s>", "<pad>", "</s>", "<unk>"]), (vocab_size - 1, "<mask>")]
    ]
    return (
        f"{name}(name_or_path='{path}', vocab_size={vocab_size},"
        " model_max_length=1000000000000000019884624838656, is_fast=True, padding_side='right',"
        " truncation_side='right', special_tokens={'bos_token': '<s>', 'eos_token': '</s>',"
        " 'unk_token': '<unk>', 'sep_token': '</s>', 'pad_token': '<pad>', 'cls_token': '<s>',"
        " 'mask_token': '<mask>'}, clean_up_tokenization_spaces=False, added_tokens_decoder={\n"
        f"{''.join(tokens)}}}\n)"
    )


@pytest.fixture(scope="module")
def roberta(tweet_sentiment_small) -> RobertaTokenizerFast:
    """Shared: tests that change a tokenizer copy it first."""
    return AutoTokenizer.from_pretrained(tweet_sentiment_small)


@pytest.fixture(scope="module")
def tweets(test_data) -> list[str]:
    return test_data("data/tweeteval/sentiment/val_text.txt").read_text("utf-8").splitlines()


VOCAB = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "c", "Ġ", "ab", "Ġc", "<mask>"]
MERGES = "#version: 0.2\na b\nĠ c\n"


@pytest.fixture
def bpe_folder(tmp_path) -> Path:
    """A small byte-level BPE with a config.json."""
    folder = tmp_path / "bpe"
    folder.mkdir()
    write(folder, "vocab.json", {token: index for index, token in enumerate(VOCAB)})
    write(folder, "merges.txt", MERGES)
    write(folder, "config.json", {"model_type": "roberta", "max_position_embeddings": 20, "pad_token_id": 1})
    return folder


@pytest.fixture
def unigram_folder(tmp_path) -> Path:
    """A small sentencepiece model, alone in its folder."""
    folder = tmp_path / "unigram"
    folder.mkdir()
    (folder / "sentencepiece.bpe.model").write_bytes(unigram_proto().SerializeToString())
    return folder


def unigram_proto(extra=()):
    model = pb.ModelProto()
    pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁", -1, 1), ("▁a", -2, 1), ("b", -2, 1)]
    for text, score, kind in [*pieces, *extra]:
        model.pieces.add(piece=text, score=score, type=kind)
    return model


def write(folder: Path, name: str, content) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, "utf-8")


def assert_one_line(error: BaseException, *fragments: str) -> None:
    message = str(error)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


# The tutorial


def test_tutorial(tweet_sentiment_small):
    tokenizer = AutoTokenizer.from_pretrained(str(tweet_sentiment_small))
    assert tokenizer(ISLAND)["input_ids"] == ISLAND_IDS
    assert tokenizer.convert_ids_to_tokens(7) == "Ġto"
    assert tokenizer.convert_ids_to_tokens(ISLAND_IDS) == (
        [
            "<s>",
            "I",
            "Ġreally",
            "Ġwant",
            "Ġto",
            "Ġgo",
            "Ġto",
            "Ġan",
            "Ġisland",
            ".",
            "ĠDo",
            "Ġyou",
            "Ġwant",
            "Ġto",
            "Ġgo",
            "?",
            "</s>",
        ]
    )
    assert tokenizer.vocab_size == 50265
    assert repr(tokenizer) == listing("RobertaTokenizerFast", tweet_sentiment_small, 50265, True)
    assert tokenizer("I love using the Transformers library!", return_tensors="np")["input_ids"].shape == (
        1,
        9,
    )
    assert tokenizer.add_tokens(["whaleshark", "unicorn"]) == 2
    assert tokenizer.convert_tokens_to_ids(["whaleshark", "unicorn"]) == [50265, 50266]
    assert (tokenizer.vocab_size, len(tokenizer)) == (50265, 50267)


def test_xlm_roberta(test_data, tmp_path):
    """Ids that transformers' own tests and fairseq's give for the real model."""
    model = test_data("data/xlmr/sentencepiece.bpe.rebuilt.model")
    (tmp_path / "sentencepiece.bpe.model").symlink_to(model)
    tokenizer = XLMRobertaTokenizer.from_pretrained(tmp_path)
    assert tokenizer("Hello world")["input_ids"] == [0, 35378, 8999, 2]
    assert tokenizer("Hello World!")["input_ids"] == [0, 35378, 6661, 38, 2]
    assert tokenizer.decode([0, 35378, 8999, 2], skip_special_tokens=True) == "Hello world"
    assert (tokenizer.vocab_size, tokenizer.mask_token_id, tokenizer.unk_token_id) == (250002, 250001, 3)
    assert repr(tokenizer) == listing("XLMRobertaTokenizerFast", tmp_path, 250002, False)
    assert tokenizer.max_positions is None


# Which class, from which files


@pytest.mark.parametrize(
    ("config", "tokenizer_config", "expected"),
    [
        ({"model_type": "roberta"}, None, RobertaTokenizerFast),
        (None, None, RobertaTokenizerFast),
        ({"model_type": "xlm-roberta"}, {"tokenizer_class": "RobertaTokenizer"}, RobertaTokenizerFast),
        ({"model_type": "bert"}, {"tokenizer_class": "RobertaTokenizerFast"}, RobertaTokenizerFast),
        ({"model_type": "bert", "tokenizer_class": "RobertaTokenizer"}, None, RobertaTokenizerFast),
        ({}, {"tokenizer_class": None}, RobertaTokenizerFast),
    ],
)
def test_class_for_byte_level_bpe(bpe_folder, config, tokenizer_config, expected):
    (bpe_folder / "config.json").unlink()
    if config is not None:
        write(bpe_folder, "config.json", config)
    if tokenizer_config is not None:
        write(bpe_folder, "tokenizer_config.json", tokenizer_config)
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    assert type(tokenizer) is expected
    assert tokenizer("ab c")["input_ids"] == [0, 8, 9, 2]
    assert tokenizer.name_or_path == str(bpe_folder)


def test_class_for_sentencepiece(unigram_folder):
    tokenizer = AutoTokenizer.from_pretrained(unigram_folder)
    assert type(tokenizer) is XLMRobertaTokenizerFast
    assert tokenizer("a b")["input_ids"] == [0, 5, 4, 6, 2]
    assert tokenizer("a", "b")["input_ids"] == [0, 5, 2, 2, 4, 6, 2]
    assert tokenizer.add_prefix_space is True


def test_class_for_tokenizer_json(bpe_folder, unigram_folder, tmp_path):
    for folder, expected in ((bpe_folder, RobertaTokenizerFast), (unigram_folder, XLMRobertaTokenizerFast)):
        target = tmp_path / "only" / folder.name
        AutoTokenizer.from_pretrained(folder).save_pretrained(target)
        assert sorted(os.listdir(target)) == ["tokenizer.json", "tokenizer_config.json"]
        (target / "tokenizer_config.json").unlink()
        tokenizer = AutoTokenizer.from_pretrained(target)
        assert type(tokenizer) is expected
        assert tokenizer("a b").input_ids == AutoTokenizer.from_pretrained(folder)("a b").input_ids


def test_generic_class(bpe_folder, tmp_path):
    AutoTokenizer.from_pretrained(bpe_folder).save_pretrained(tmp_path)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "cls_token": "<s>"}
    write(tmp_path, "tokenizer_config.json", config)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert type(tokenizer) is PreTrainedTokenizerFast
    assert tokenizer.special_tokens_map == {"pad_token": "<pad>", "cls_token": "<s>"}
    assert tokenizer.mask_token is tokenizer.mask_token_id is None
    assert tokenizer("ab c", padding="max_length", max_length=6).input_ids == [0, 8, 9, 2, 1, 1]
    tokenizer.save_pretrained(tmp_path / "again")
    assert type(AutoTokenizer.from_pretrained(tmp_path / "again")) is PreTrainedTokenizerFast


def test_tokenizer_json_comes_first_and_verbatim(bpe_folder):
    """Its ids, its padding side; not its truncation and padding, which happen on demand."""
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    tokenizer.add_tokens("zzz")
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(direction="left", pad_id=1, pad_token="<pad>", length=9)
    tokenizer.backend_tokenizer.save(str(bpe_folder / "tokenizer.json"))
    write(bpe_folder, "vocab.json", "this is not looked at")
    loaded = AutoTokenizer.from_pretrained(bpe_folder)
    assert loaded("ab zzz c").input_ids == [0, 8, 7, 11, 9, 2]
    assert loaded.padding_side == "left"
    assert loaded("a", padding="max_length", max_length=5).input_ids == [1, 1, 0, 4, 2]
    spaced = AutoTokenizer.from_pretrained(bpe_folder, add_prefix_space=True)
    assert spaced.tokenize("c") == ["Ġc"]
    assert spaced("c", return_offsets_mapping=True).offset_mapping[1] == (0, 1)
    assert spaced.add_prefix_space is True


@pytest.mark.parametrize("auto", [AutoTokenizer, RobertaTokenizerFast])
def test_repository(bpe_folder, monkeypatch, auto):
    """What is no folder is the hub module's to find; its folder is what is read."""
    asked = []

    def resolve(path_or_id, files, **where):
        asked.append((path_or_id, files, where))
        return bpe_folder

    monkeypatch.setattr(hub, "resolve", resolve)
    where = {"revision": "main", "token": "t", "cache_dir": "c", "local_files_only": True}
    tokenizer = auto.from_pretrained("org/name", **where, model_max_length=7)
    assert asked == [("org/name", hub.TOKENIZER, where)]
    assert (tokenizer.name_or_path, tokenizer.model_max_length) == ("org/name", 7)
    assert tokenizer.max_positions == 18


def test_no_tokenizer_file(tmp_path):
    write(tmp_path, "vocab.txt", "[PAD]\n[UNK]\n")
    write(tmp_path, "config.json", {"model_type": "bert"})
    expected = "looked for tokenizer.json, vocab.json with merges.txt, sentencepiece.bpe.model"
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(tmp_path)
    assert_one_line(raised.value, str(tmp_path), "no tokenizer file", expected)
    for tokenizer_class, names in (
        (RobertaTokenizerFast, "looked for tokenizer.json, vocab.json with merges.txt"),
        (XLMRobertaTokenizerFast, "looked for tokenizer.json, sentencepiece.bpe.model"),
        (PreTrainedTokenizerFast, "looked for tokenizer.json"),
    ):
        with pytest.raises(TokenizerFileError) as raised:
            tokenizer_class.from_pretrained(tmp_path)
        assert str(raised.value).endswith(names)


def test_auto_tokenizer_is_not_instantiated():
    with pytest.raises(InputError, match="from_pretrained"):
        AutoTokenizer()


@pytest.mark.parametrize(
    ("name", "content", "fragments"),
    [
        ("tokenizer_config.json", {"tokenizer_class": "BertTokenizer"}, ["tokenizer_class", "BertTokenizer"]),
        ("tokenizer_config.json", {"tokenizer_class": 3}, ["tokenizer_class is 3"]),
        ("config.json", {"model_type": "bert"}, ["model_type is 'bert'", "roberta or xlm-roberta"]),
        ("config.json", {"tokenizer_class": "T5Tokenizer"}, ["tokenizer_class is 'T5Tokenizer'"]),
    ],
)
def test_unknown_class(bpe_folder, name, content, fragments):
    write(bpe_folder, name, content)
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, str(bpe_folder / name), *fragments)


# Settings


def test_positions(bpe_folder):
    """BEHAVIOUR M2: positions start behind the padding id; a null one is the tokenizer's."""
    for config, expected in (
        ({"max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"max_position_embeddings": 514, "pad_token_id": None}, 512),
        ({"max_position_embeddings": 514, "pad_token_id": 3}, 510),
        ({"max_position_embeddings": 8194}, 8192),
        ({}, None),
    ):
        write(bpe_folder, "config.json", config)
        tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
        assert tokenizer.max_positions == expected
        assert tokenizer.model_max_length == 10**30 + 19884624838656


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


def test_truncation_without_max_length(bpe_folder, caplog):
    """To the smaller of model_max_length and the model's positions, whichever are known."""
    text = "a" * 50
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    assert len(tokenizer(text, truncation=True).input_ids) == 18
    assert len(tokenizer(text, truncation=True, max_length=30).input_ids) == 30
    assert len(tokenizer("a", padding="max_length").input_ids) == 18
    tokenizer.model_max_length = 7
    assert len(tokenizer(text, truncation=True).input_ids) == 7
    (bpe_folder / "config.json").unlink()
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    assert len(tokenizer(text, truncation=True).input_ids) == 52
    assert "no limit is known" in caplog.text
    with pytest.raises(InputError, match="max_length"):
        tokenizer("a", padding="max_length")
    assert (
        len(AutoTokenizer.from_pretrained(bpe_folder, model_max_length=9)(text, truncation=True).input_ids)
        == 9
    )


def test_ineffective_arguments_are_told(roberta, caplog):
    with caplog.at_level(logging.WARNING, "roberta_c"):
        roberta("a", padding=True, max_length=3)
        roberta("a", pad_to_multiple_of=8)
        roberta.decode([5], clean_up_tokenization_spaces=True)
    assert [record.message.split(" ")[0] for record in caplog.records] == [
        "max_length=3",
        "pad_to_multiple_of=8",
        "clean_up_tokenization_spaces",
    ]


def test_settings_and_their_order(bpe_folder):
    write(
        bpe_folder,
        "tokenizer_config.json",
        {
            "model_max_length": 1e30,
            "padding_side": "left",
            "truncation_side": "left",
            "add_prefix_space": True,
            "mask_token": "b",
            "pad_token": "c",
            "clean_up_tokenization_spaces": True,
            "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
            "some_future_setting": {"x": 1},
        },
    )
    mask = {"content": "a", "lstrip": False, "rstrip": True, "normalized": True, "single_word": True}
    write(bpe_folder, "special_tokens_map.json", {"mask_token": mask, "additional_special_tokens": ["ab"]})
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder, padding_side="right", use_fast=True)
    assert tokenizer.model_max_length == int(1e30)
    assert (tokenizer.padding_side, tokenizer.truncation_side) == ("right", "left")
    assert tokenizer.clean_up_tokenization_spaces is True
    assert (tokenizer.mask_token, tokenizer.pad_token, tokenizer.pad_token_id) == ("a", "c", 6)
    assert tokenizer.extra_special_tokens == tokenizer.additional_special_tokens == ["ab"]
    assert tokenizer.all_special_tokens == ["<s>", "</s>", "<unk>", "c", "a", "ab"]
    assert tokenizer.tokenize("b") == ["Ġ", "b"]
    assert list(tokenizer("b")) == ["input_ids", "token_type_ids", "attention_mask"]
    token = tokenizer.added_tokens_decoder[4]
    assert (token.rstrip, token.lstrip, token.normalized, token.single_word) == (True, False, True, True)
    assert token.special
    overridden = AutoTokenizer.from_pretrained(bpe_folder, mask_token="<mask>", model_max_length=5)
    assert (overridden.mask_token_id, overridden.model_max_length) == (10, 5)
    assert overridden.added_tokens_decoder[10].lstrip


def test_added_tokens_decoder_overrides_special_tokens_map(bpe_folder):
    decoder = {"10": {"content": "<mask>", "lstrip": False, "special": True}, "11": {"content": "<new>"}}
    write(bpe_folder, "tokenizer_config.json", {"added_tokens_decoder": decoder, "mask_token": "<mask>"})
    write(bpe_folder, "special_tokens_map.json", {"pad_token": "a"})
    write(bpe_folder, "added_tokens.json", {"ignored": 4711})
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    assert tokenizer.pad_token == "<pad>"
    assert not tokenizer.added_tokens_decoder[10].lstrip
    assert tokenizer.convert_tokens_to_ids("<new>") == 11
    assert tokenizer.tokenize("a<new>b") == ["a", "<new>", "b"]


def test_added_tokens_json(bpe_folder):
    write(bpe_folder, "added_tokens.json", {"<late>": 12, "<mask>": 10, "<early>": 11})
    write(
        bpe_folder, "special_tokens_map.json", {"sep_token": "</s>", "additional_special_tokens": ["<late>"]}
    )
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    assert tokenizer.convert_tokens_to_ids(["<early>", "<late>"]) == [11, 12]
    assert tokenizer.added_tokens_decoder[10].lstrip  # a token of the class keeps its flags
    assert tokenizer.decode([11, 12], skip_special_tokens=True) == "<early>"


@pytest.mark.parametrize(
    ("name", "content", "fragment"),
    [
        ("added_tokens.json", {"<new>": 99}, "has id 11, expected 99"),
        ("added_tokens.json", {"a": 11}, "has id 4, expected 11"),
        ("added_tokens.json", {"<new>": "11"}, "'<new>' has id '11'"),
        ("added_tokens.json", {"x": 11, "y": 11}, "id 11 is used twice"),
        ("added_tokens.json", [], "JSON list, expected an object"),
        ("special_tokens_map.json", {"mask_token": "[MASK]"}, "mask_token '[MASK]' is not in the vocabulary"),
        ("special_tokens_map.json", {"mask_token": 5}, "mask_token: expected a token"),
        ("special_tokens_map.json", {"mask_token": {"lstrip": True}}, "mask_token: expected a token"),
        ("special_tokens_map.json", {"mask_token": {"content": "a", "lstrip": 1}}, "expected a token"),
        ("special_tokens_map.json", {"additional_special_tokens": "x"}, "expected a list of tokens"),
        ("special_tokens_map.json", {"cls_token": None}, "cls_token is null"),
        ("special_tokens_map.json", "{", "not JSON"),
        ("special_tokens_map.json", '{"a": NaN}', "NaN"),
        ("special_tokens_map.json", '{"a": 1, "a": 2}', "the key 'a'"),
        ("special_tokens_map.json", "[" * 200_000, "nested deeper than 100 levels"),
        ("special_tokens_map.json", '{"a": ' + "9" * 5000 + "}", "5000 digits"),
        ("special_tokens_map.json", "\ufeff{}", "JSON"),
        (
            "tokenizer_config.json",
            {"model_max_length": "512"},
            "model_max_length: expected a positive number",
        ),
        ("tokenizer_config.json", {"model_max_length": 0}, "model_max_length: expected a positive number"),
        ("tokenizer_config.json", {"max_len": -1}, "model_max_length: expected a positive number"),
        ("tokenizer_config.json", {"padding_side": "top"}, "padding_side: expected 'right' or 'left'"),
        ("tokenizer_config.json", {"add_prefix_space": "yes"}, "add_prefix_space: expected true or false"),
        ("tokenizer_config.json", {"model_input_names": "input_ids"}, "expected a list of names"),
        ("tokenizer_config.json", {"added_tokens_decoder": []}, "added_tokens_decoder is []"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": {}}}, "malformed entry 'x'"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"4": {"lstrip": 1}}}, "added_tokens_decoder[4]"),
    ],
)
def test_bad_settings_file(bpe_folder, name, content, fragment):
    write(bpe_folder, name, content)
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, str(bpe_folder), fragment)


@pytest.mark.parametrize(
    ("overrides", "fragment"),
    [
        (
            {"do_lower_case": True},
            "unknown tokenizer option 'do_lower_case', expected one of model_max_length",
        ),
        ({"padding_side": "up"}, "padding_side: expected 'right' or 'left', found 'up'"),
        ({"model_max_length": True}, "model_max_length: expected a positive number"),
        ({"add_prefix_space": 1}, "add_prefix_space: expected true or false"),
        ({"pad_token": 1}, "pad_token: expected a token"),
        ({"pad_token": "[PAD]"}, "pad_token '[PAD]' is not in the vocabulary"),
    ],
)
def test_bad_override(bpe_folder, overrides, fragment):
    with pytest.raises(InputError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder, **overrides)
    assert_one_line(raised.value, fragment)


def test_add_prefix_space_needs_a_byte_level_tokenizer(unigram_folder, tmp_path):
    AutoTokenizer.from_pretrained(unigram_folder, add_prefix_space=False).save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).tokenize("b") == ["b"]
    with pytest.raises(InputError, match="add_prefix_space cannot be set"):
        AutoTokenizer.from_pretrained(tmp_path, add_prefix_space=True)


def test_split_special_tokens(bpe_folder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder, split_special_tokens=True)
    assert 1 not in tokenizer("a<pad>", truncation=True).input_ids
    tokenizer.save_pretrained(tmp_path)
    assert 1 not in AutoTokenizer.from_pretrained(tmp_path)("a<pad>").input_ids


# Bad vocabulary files


GOOD_VOCAB = {token: index for index, token in enumerate(VOCAB)}


@pytest.mark.parametrize(
    ("name", "content", "fragment"),
    [
        ("vocab.json", "", "the file is empty"),
        ("vocab.json", "{}", "expected tokens, found an empty object"),
        ("vocab.json", "[]", "JSON list, expected an object"),
        ("vocab.json", '{"a": 0,', "not JSON"),
        ("vocab.json", '{"a": 0, "a": 1}', "the key 'a'"),
        ("vocab.json", {**GOOD_VOCAB, "x": 11.0}, "the id of 'x' is 11.0"),
        ("vocab.json", {**GOOD_VOCAB, "x": True}, "the id of 'x' is True"),
        ("vocab.json", {**GOOD_VOCAB, "x": "11"}, "the id of 'x' is '11'"),
        ("vocab.json", {**GOOD_VOCAB, "x": 12}, "must be 0 to 11: found 12, missing 11"),
        ("vocab.json", {**GOOD_VOCAB, "x": -1}, "must be 0 to 11: found -1, missing 11"),
        ("vocab.json", {**GOOD_VOCAB, "x": 10**30}, "missing 11"),
        ("vocab.json", {**GOOD_VOCAB, "x": 4}, "id 4 is used twice, by 'a' and 'x'"),
        ("vocab.json", {"<S>" if k == "<s>" else k: v for k, v in GOOD_VOCAB.items()}, "'<s>' is missing"),
        (
            "vocab.json",
            {"[M]" if k == "<mask>" else k: v for k, v in GOOD_VOCAB.items()},
            "mask_token '<mask>'",
        ),
        ("vocab.json", {"[P]" if k == "<pad>" else k: v for k, v in GOOD_VOCAB.items()}, "pad_token '<pad>'"),
        ("vocab.json", "version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
        ("vocab.json", "<!DOCTYPE html><html></html>", "an HTML page"),
        ("merges.txt", "a z\n", "line 1, 'a z': token 'z' is not in the vocabulary"),
        ("merges.txt", "#version: 0.2\na b\nb a\n", "line 3, 'b a': token 'ba' is not in the vocabulary"),
        ("merges.txt", "#merges\na b\n", "line 1 is '#merges', expected two tokens"),
        ("merges.txt", "#version: 0.2\n#version: 0.2\na b\n", "line 2, '#version: 0.2'"),
        ("merges.txt", "a b\n\na b\n", "line 2 is '', expected two tokens"),
        ("merges.txt", "a  b\n", "line 1 is 'a  b', expected two tokens"),
        ("merges.txt", "a b c\n", "line 1 is 'a b c', expected two tokens"),
        ("merges.txt", " ab\n", "line 1 is ' ab', expected two tokens"),
        ("merges.txt", "a b\n<unk> <mask>\n", "line 2, '<unk> <mask>': token '<unk><mask>' is not"),
        ("merges.txt", "{not merges", "line 1, '{not merges': token '{not' is not"),
    ],
)
def test_bad_byte_level_bpe(bpe_folder, name, content, fragment, capfd):
    write(bpe_folder, name, content)
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, str(bpe_folder), fragment)
    assert capfd.readouterr().err == ""  # no Rust panic on the way


def test_file_that_is_none(bpe_folder):
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
        (lambda m: m.trainer_spec.__setattr__("model_type", 2), "model_type is 2, expected 1"),
        (lambda m: m.trainer_spec.__setattr__("byte_fallback", True), "byte_fallback"),
        (lambda m: m.pieces.add(piece="<0x00>", score=0, type=6), "byte_fallback"),
        (lambda m: m.normalizer_spec.__setattr__("add_dummy_prefix", False), "add_dummy_prefix"),
        (lambda m: m.pieces[0].__setattr__("type", 1), "the first pieces are '<unk>', '<s>', '</s>'"),
        (lambda m: m.pieces.add(piece="<mask>", score=0), "'<mask>' has two ids"),
        (lambda m: m.pieces.add(piece="<pad>", score=0), "'<pad>' has two ids"),
        (lambda m: m.normalizer_spec.__setattr__("precompiled_charsmap", b"\xff" * 9), "refuses it"),
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


def test_hostile_charsmap_is_an_error_in_use(unigram_folder):
    """A character map that only panics when text meets it."""
    model = unigram_proto()
    model.normalizer_spec.precompiled_charsmap = b"\x08\0\0\0" + b"\xff" * 8
    (unigram_folder / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    tokenizer = AutoTokenizer.from_pretrained(unigram_folder)
    with pytest.raises(InputError) as raised:
        tokenizer("a b")
    assert_one_line(raised.value, "tokenizers library refuses")


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
        (lambda j: j["model"].update(merges=[["<mask>", "<mask>"]]), "not all in the vocabulary"),
        (lambda j: j["model"].update(merges=["<mask> <mask>"]), "not all in the vocabulary"),
        (lambda j: j["model"].update(merges=[["a", "zz"]]), "model.merges[0]"),
        (lambda j: j["model"].update(merges=[["a"]]), "expected two tokens"),
        (lambda j: j["model"].update(merges={"a": "b"}), "model.merges a list"),
        (lambda j: j["model"].update(continuing_subword_prefix="##"), "not all in the vocabulary"),
        (lambda j: j["model"].update(type="Neural"), "refuses it"),
        (lambda j: j["model"]["vocab"].update(x=-5), "refuses it"),
        (lambda j: j.update(pre_tokenizer={"type": "Quantum"}), "refuses it"),
        (
            lambda j: j.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
            "refuses it",
        ),
        (lambda j: j.pop("model"), "refuses it"),
        (lambda j: j["added_tokens"].clear() or j["model"]["vocab"].pop("<mask>"), "mask_token '<mask>'"),
        (
            lambda j: j.update(
                post_processor={
                    "type": "TemplateProcessing",
                    "single": [{"SpecialToken": {"id": "<q>", "type_id": 0}}],
                    "pair": [{"SpecialToken": {"id": "<q>", "type_id": 0}}],
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


# Text


BAD_TEXT = {
    "None": ((None,), "text is NoneType, expected str"),
    "bytes": ((b"abc",), "text is bytes b'abc', expected str"),
    "NaN": ((float("nan"),), "text is float nan, expected str"),
    "int": ((5,), "text is int 5, expected str"),
    "array": ((np.array(["a"]),), "text is ndarray"),
    "generator": ((iter("ab"),), "text is str_"),
    "dict": (({"text": "a"},), "text is dict"),
    "None in a batch": ((["a", None],), "text[1] is NoneType, expected str"),
    "NaN in a batch": ((["a", "b", float("nan")],), "text[2] is float nan"),
    "bytes in a batch": (([b"a"],), "text[0] is bytes"),
    "empty list in a batch": (([[]],), "text[0] is a list of 0"),
    "three in a row": (([["a", "b", "c"]],), "text[0] is a list of 3"),
    "half a pair": (([("a", None)],), "text[0] is a tuple of 2"),
    "pair among texts": ((["a", ("b", "c")],), "text[1] is a tuple of 2, expected str"),
    "text among pairs": (([("b", "c"), "a"],), "text[1] is str 'a', expected a pair"),
    "None as text of a pair": ((None, "b"), "text is NoneType"),
    "int as text_pair": (("a", 5), "text_pair is int 5, expected str"),
    "list as text_pair of a text": (("a", ["b"]), "text_pair is a list of 1, expected str"),
    "text as text_pair of a list": ((["a"], "b"), "text_pair is str 'b', expected a list"),
    "fewer text_pairs": ((["a", "b"], ["c"]), "text has 2 texts and text_pair 1"),
    "None in text_pair": ((["a", "b"], ["c", None]), "text_pair[1] is NoneType"),
    "pairs with text_pair": (([("a", "b")], ["c"]), "text[0] is a tuple of 2"),
    "surrogate": (("ab\ud800c",), "text holds the lone surrogate U+D800 at position 2"),
    "surrogate in a batch": ((["a", "\udfff"],), "text[1] holds the lone surrogate U+DFFF at position 0"),
    "surrogate in a text_pair": (
        (["a", "b"], ["c", "d\ud8ab"]),
        "text_pair[1] holds the lone surrogate U+D8AB",
    ),
}


@pytest.mark.parametrize("name", BAD_TEXT)
def test_bad_text(roberta, name):
    arguments, fragment = BAD_TEXT[name]
    for call in (roberta, roberta.encode):
        with pytest.raises(InputError) as raised:
            call(*arguments)
        assert_one_line(raised.value, fragment)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("not split", "text is str 'not split', expected a list of str"),
        (["a", 5], "text[0] is str 'a', expected a list of str"),
        ([["a"], "b"], "text[1] is str 'b'"),
        ([["a"], ["b", None]], "text[1] is a list of 2"),
        ([["a"], ["b\ud800"]], "text[1] holds the lone surrogate"),
    ],
)
def test_bad_words(roberta, text, fragment):
    with pytest.raises(InputError) as raised:
        roberta(text, is_split_into_words=True)
    assert_one_line(raised.value, fragment)


class Hostile(str):
    """A str whose every method lies or fails."""

    def __len__(self):
        raise RuntimeError("len")

    def __str__(self):
        return "something else"

    def __eq__(self, other):
        raise RuntimeError("eq")

    def __iter__(self):
        raise RuntimeError("iter")

    def encode(self, *arguments):
        raise RuntimeError("encode")

    __hash__ = None


def test_accepted_text(roberta):
    """Empty text, an empty batch, subclasses of str, NUL: each has one result."""
    assert roberta("").input_ids == [0, 2]
    assert roberta(["", " "]).input_ids == [[0, 2], [0, 1437, 2]]
    assert roberta([]).data == {"input_ids": [], "attention_mask": []}
    assert roberta([], [], padding=True).data == {"input_ids": [], "attention_mask": []}
    for arguments in ({}, {"padding": True}, {"truncation": True}, {"padding": "max_length"}):
        empty = roberta([], return_tensors="np", return_offsets_mapping=True, **arguments)
        assert empty["input_ids"].shape == empty["attention_mask"].shape == (0, 0) or arguments
        assert empty["input_ids"].dtype == np.int64
    assert roberta(Hostile("Hello world")).input_ids == roberta("Hello world").input_ids
    assert roberta([Hostile("a"), "b"]).input_ids == roberta(["a", "b"]).input_ids
    assert roberta(np.str_("abc")).input_ids == roberta("abc").input_ids
    assert roberta.decode(roberta("a\x00b").input_ids, skip_special_tokens=True) == "a\x00b"
    assert roberta(("a", "b")).input_ids == roberta(["a", "b"]).input_ids
    assert roberta([["a", "b"]]).input_ids == roberta([("a", "b")]).input_ids == [roberta("a", "b").input_ids]


def test_an_empty_second_text_is_a_second_text(roberta):
    """Alone as in a batch (transformers drops it when alone)."""
    assert roberta("a", "").input_ids == [0, 102, 2, 2, 2]
    assert roberta(["a"], [""]).input_ids == roberta([("a", "")]).input_ids == [[0, 102, 2, 2, 2]]


def test_long_text(roberta):
    text = "word " * 200_000
    assert len(roberta(text, truncation=True).input_ids) == 512
    assert len(roberta("\u0301" * 100_000, truncation=True).input_ids) == 512


# Arguments


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({"padding": "longst"}, "padding is 'longst', expected True, False or one of longest"),
        ({"padding": 1}, "padding is 1"),
        ({"padding": None}, "padding is None"),
        ({"truncation": "first"}, "truncation is 'first', expected True, False or one of longest_first"),
        ({"truncation": 0}, "truncation is 0"),
        ({"truncation": ""}, "truncation is ''"),
        ({"max_length": 0}, "max_length is 0, expected an integer from 1 to 2147483647"),
        ({"max_length": 10**30}, "max_length is 1000000000000000000000000000000, expected an integer"),
        ({"max_length": -3}, "max_length is -3"),
        ({"max_length": 7.5}, "max_length is 7.5"),
        ({"max_length": "7"}, "max_length is '7'"),
        ({"max_length": True}, "max_length is True"),
        ({"max_length": 1}, "truncation to 1 tokens leaves -1"),
        ({"max_length": 6, "stride": 4}, "leaves 4 beside the special tokens, expected more than stride=4"),
        ({"stride": -1}, "stride is -1"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of is 0"),
        ({"padding": True, "truncation": True, "max_length": 9, "pad_to_multiple_of": 8}, "no multiple"),
        ({"padding_side": "middle"}, "padding_side: expected 'right' or 'left', found 'middle'"),
        ({"return_tensors": "pt"}, "return_tensors is 'pt', expected 'np'"),
        ({"return_tensors": "tf"}, "return_tensors is 'tf', expected 'np'"),
        ({"return_tensors": True}, "return_tensors is True"),
    ],
)
def test_bad_argument(roberta, arguments, fragment):
    for texts in ("a", ["a", "b"], []):
        if texts == [] and "leaves" in fragment:
            continue
        with pytest.raises(InputError) as raised:
            roberta(texts, **arguments)
        assert_one_line(raised.value, fragment)


def test_truncation_that_cannot_be(roberta):
    text = "one two three four five six seven eight"
    for arguments in (
        {"truncation": "only_second", "max_length": 5},
        {"text_pair": text, "truncation": "only_first", "max_length": 5},
    ):
        with pytest.raises(InputError) as raised:
            roberta(text, **arguments)
        cut = f"(truncation='{arguments['truncation']}' to 5): 'Truncation error: "
        assert_one_line(raised.value, "the tokenizers library refuses the text", cut)


def test_rows_of_different_length(roberta):
    with pytest.raises(InputError) as raised:
        roberta(["a", "a b c d"], return_tensors="np")
    assert_one_line(raised.value, "have 3, 6 tokens", "padding=True")
    with pytest.raises(InputError) as raised:
        roberta(["a"] * 20 + ["a b"], return_tensors="np")
    assert_one_line(raised.value, "3, 3, 3, 3, 3, 3, 3, 3, … tokens")
    with pytest.raises(InputError):
        roberta(["a b c d e f", "a"], padding="max_length", max_length=4, return_tensors="np")


def test_padding_needs_a_pad_token(bpe_folder, tmp_path):
    AutoTokenizer.from_pretrained(bpe_folder).save_pretrained(tmp_path)
    write(tmp_path, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    with pytest.raises(InputError, match="pad_token"):
        AutoTokenizer.from_pretrained(tmp_path)(["a"], padding=True)


def test_decode_arguments(roberta):
    expected = " the,"
    for ids in ([5, 6], (5, 6), np.array([5, 6]), {"input_ids": [5, 6]}, [np.int32(5), np.uint8(6)]):
        assert roberta.decode(ids) == expected
    assert roberta.decode(5) == roberta.decode(np.int64(5)) == " the"
    assert roberta.decode([]) == ""
    rows = [[5, 6], [5]]
    assert roberta.decode(rows) == roberta.batch_decode(rows) == [" the,", " the"]
    assert roberta.batch_decode(np.array([[5, 6]])) == roberta.batch_decode([np.array([5, 6])]) == [" the,"]
    assert roberta.batch_decode([5, 6]) == [" the,"]
    assert roberta.decode([5, 10**6]) == " the"  # as transformers, which has no text for it either
    assert roberta.convert_ids_to_tokens(np.int64(5)) == "Ġthe"
    for bad in (-1, [-100], [5.0], ["5"], "5", None, [None], 2**32, np.array([0.5])):
        for method in (roberta.decode, roberta.convert_ids_to_tokens):
            with pytest.raises(InputError) as raised:
                method(bad)
            assert_one_line(raised.value)
    for bad in (5, None, [5], b"a"):
        with pytest.raises(InputError):
            roberta.convert_tokens_to_ids(bad)
        with pytest.raises(InputError):
            roberta.convert_tokens_to_string(bad if isinstance(bad, list) else "text")


# Tokens and roles


def test_roles(bpe_folder):
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    assert (tokenizer.mask_token, tokenizer.mask_token_id) == ("<mask>", 10)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 2, 3)
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id) == (0, 2, 1)
    tokenizer.pad_token = tokenizer.eos_token
    assert tokenizer(["a", "a b"], padding=True).input_ids[0] == [0, 4, 2, 2, 2]
    tokenizer.mask_token_id = 4
    assert tokenizer.mask_token == "a"
    tokenizer.mask_token = None
    assert tokenizer.mask_token_id is None
    assert "mask_token" not in tokenizer.special_tokens_map
    for name, value in (("mask_token", "[MASK]"), ("mask_token_id", 99), ("mask_token", 5)):
        with pytest.raises(InputError) as raised:
            setattr(tokenizer, name, value)
        assert_one_line(raised.value)


def test_add_tokens(bpe_folder):
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    truncated = {"truncation": True, "max_length": 4}
    assert tokenizer("xa xb", **truncated).input_ids == [0, 4, 7, 2]
    assert tokenizer.add_tokens("xa") == 1
    assert tokenizer.add_tokens(["xa", "xb"]) == 1
    assert tokenizer.add_tokens({"content": "<d>", "lstrip": True}) == 1
    assert tokenizer.add_tokens([AddedToken("<e>", special=True)], special_tokens=True) == 1
    assert tokenizer.add_tokens([]) == 0
    assert tokenizer.convert_tokens_to_ids(["xa", "xb", "<d>", "<e>"]) == [11, 12, 13, 14]
    assert tokenizer.added_tokens_decoder[13].lstrip
    assert tokenizer("xa xb", **truncated).input_ids == [0, 11, 7, 2]
    assert tokenizer.decode([11, 14], skip_special_tokens=True) == "xa"
    for bad in (5, None, [5], [None], [b"x"], {"lstrip": True}):
        with pytest.raises(InputError) as raised:
            tokenizer.add_tokens(bad)
        assert_one_line(raised.value, "new_tokens")


def test_add_special_tokens(bpe_folder):
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    added = tokenizer.add_special_tokens({"mask_token": "[M]", "additional_special_tokens": ["<x>", "<y>"]})
    assert added == 3
    assert (tokenizer.mask_token, tokenizer.mask_token_id) == ("[M]", 11)
    assert tokenizer.additional_special_tokens == ["<x>", "<y>"]
    assert tokenizer.all_special_ids[-2:] == [12, 13]
    tokenizer.add_special_tokens({"extra_special_tokens": ["<z>"]}, replace_extra_special_tokens=False)
    assert tokenizer.extra_special_tokens == ["<x>", "<y>", "<z>"]
    tokenizer.add_special_tokens({"extra_special_tokens": ["<z>"]})
    assert tokenizer.extra_special_tokens == ["<z>"]
    for bad in ({"my_token": "x"}, {"mask_token": 5}, {"extra_special_tokens": "x"}):
        with pytest.raises(InputError):
            tokenizer.add_special_tokens(bad)


def test_build_inputs_with_special_tokens(roberta):
    first, second = (roberta.encode(text, add_special_tokens=False) for text in ("one two", "three"))
    assert roberta.build_inputs_with_special_tokens(first) == roberta.encode("one two")
    assert roberta.build_inputs_with_special_tokens(first, second) == roberta.encode("one two", "three")
    assert roberta.num_special_tokens_to_add() == 2
    assert roberta.num_special_tokens_to_add(True) == 4


def test_save_into_a_file(bpe_folder, tmp_path):
    write(tmp_path, "taken", "")
    with pytest.raises(TokenizerFileError, match="taken: cannot be written"):
        AutoTokenizer.from_pretrained(bpe_folder).save_pretrained(tmp_path / "taken")


# BatchEncoding


def test_batch_encoding_is_a_mapping(roberta):
    encoded = roberta(["a", "b c"], padding=True, return_tensors="np")
    assert isinstance(encoded, BatchEncoding)
    assert {**encoded}.keys() == {"input_ids", "attention_mask"}
    assert encoded.input_ids is encoded["input_ids"]
    assert encoded.to("cpu") is encoded
    assert encoded.tokens(0) == ["<s>", "a", "</s>", "<pad>"]
    assert encoded.encodings[0].attention_mask == [1, 1, 1, 0]
    assert encoded[1].ids == encoded["input_ids"][1].tolist()
    assert encoded.token_to_chars(1, -2) == (2, 3)
    lists = roberta(["a", "b"])
    assert lists.convert_to_tensors("np")["input_ids"].shape == (2, 3)
    for wrong in (
        lambda: encoded.to("cuda"),
        lambda: encoded.tokens(7),
        lambda: encoded.token_to_chars(0, 99),
        lambda: encoded.char_to_token(0, -1),
        lambda: roberta(["a", "b c"]).convert_to_tensors("np"),
        lambda: lists.convert_to_tensors("pt"),
        lambda: BatchEncoding({"input_ids": [1]}).tokens(),
    ):
        with pytest.raises(InputError) as raised:
            wrong()
        assert_one_line(raised.value)
    with pytest.raises(AttributeError):
        encoded.nothing  # noqa: B018
    with pytest.raises(KeyError):
        encoded["nothing"]


def test_batch_encoding_copies(roberta):
    encoded = roberta(["a", "b c"], padding=True)
    for other in (copy.copy(encoded), copy.deepcopy(encoded), pickle.loads(pickle.dumps(encoded))):
        assert other.data == encoded.data
        assert other.tokens(0) == ["<s>", "a", "</s>", "<pad>"]


# Sharing


def test_calls_leave_nothing_behind(roberta):
    before = roberta.backend_tokenizer.to_str()
    roberta(["a b c", "d"], truncation=True, max_length=4, padding="max_length", stride=1)
    roberta("a b c", "d e f", truncation="only_first", max_length=8)
    assert roberta.backend_tokenizer.to_str() == before
    assert roberta("a b c d e").input_ids == [0, 102, 741, 740, 385, 364, 2]


def test_threads_share_a_tokenizer(roberta, tweets):
    """Concurrent calls with different settings give what each gives alone."""
    settings = [{"padding": True}, {}] + [
        {"truncation": True, "max_length": length, "padding": padding, "padding_side": side}
        for length in range(5, 17)
        for padding, side in ((False, "right"), (True, "left"), ("max_length", "right"))
    ]
    jobs = [(tweets[start : start + 20], settings[start % len(settings)]) for start in range(0, 1000, 7)]
    expected = [roberta(texts, **arguments).data for texts, arguments in jobs]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(roberta, texts, **arguments) for texts, arguments in jobs * 3]
            assert [future.result().data for future in futures] == expected * 3
    finally:
        sys.setswitchinterval(interval)


def test_copies(roberta):
    for other in (copy.deepcopy(roberta), pickle.loads(pickle.dumps(roberta))):
        assert other(ISLAND).input_ids == ISLAND_IDS
        assert repr(other) == repr(roberta)
        other.add_tokens(["whaleshark"])
        assert len(other) == len(roberta) + 1
        assert other("a whaleshark", truncation=True, max_length=5).input_ids[-2] == 50265


def test_errors_are_the_packages_own():
    assert issubclass(TokenizerFileError, (RobertaCError, OSError))
    assert issubclass(InputError, (RobertaCError, ValueError))


def test_symlinked_files(tweet_sentiment_small, tmp_path):
    """As the Hub's cache lays files out."""
    for name in ("vocab.json", "merges.txt", "config.json"):
        (tmp_path / name).symlink_to(tweet_sentiment_small / name)
    assert AutoTokenizer.from_pretrained(tmp_path)(ISLAND).input_ids == ISLAND_IDS
    (tmp_path / "merges.txt").unlink()
    (tmp_path / "merges.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(TokenizerFileError, match="no tokenizer file"):
        AutoTokenizer.from_pretrained(tmp_path)
    shutil.copy(tweet_sentiment_small / "merges.txt", tmp_path / "copied")
