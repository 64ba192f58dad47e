"""Which tokenizer class is chosen for which files, and how a folder or repository is found."""

from __future__ import annotations

import os

import pytest
from samples.tokenizers import assert_one_line, write

from roberta_c.errors import InputError, TokenizerFileError
from roberta_c.files import hub
from roberta_c.files.file_sets import TOKENIZER
from roberta_c.files.hub_options import HubOptions
from roberta_c.tokenizer import (
    AutoTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizerFast,
    XLMRobertaTokenizerFast,
)


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


def test_tokenizer_json_comes_before_other_files(bpe_folder):
    """Its ids and its padding side are used; truncation and padding that it switches on are not."""
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    tokenizer.add_tokens("zzz")
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(direction="left", pad_id=1, pad_token="<pad>", length=9)
    tokenizer.backend_tokenizer.save(str(bpe_folder / "tokenizer.json"))
    write(bpe_folder, "vocab.json", "this is not read")
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
    """`hub.resolve` gets the name and the Hub's arguments; it returns the folder of the tokenizer's files."""
    calls = []

    def resolve(path_or_id, files, options):
        calls.append((path_or_id, files, options))
        return bpe_folder

    monkeypatch.setattr(hub, "resolve", resolve)
    where = {"revision": "main", "token": "t", "cache_dir": "c", "local_files_only": True}
    tokenizer = auto.from_pretrained("org/name", **where, model_max_length=7)
    assert calls == [("org/name", TOKENIZER, HubOptions(**where))]
    assert (tokenizer.name_or_path, tokenizer.model_max_length) == ("org/name", 7)
    assert tokenizer.max_positions == 18


def test_no_tokenizer_file(tmp_path):
    write(tmp_path, "vocab.txt", "[PAD]\n[UNK]\n")
    write(tmp_path, "config.json", {"model_type": "roberta"})
    expected = "expected tokenizer.json, vocab.json with merges.txt or sentencepiece.bpe.model"
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(tmp_path)
    assert_one_line(raised.value, str(tmp_path), "no tokenizer file", expected)
    for tokenizer_class, names in (
        (RobertaTokenizerFast, "expected tokenizer.json or vocab.json with merges.txt"),
        (XLMRobertaTokenizerFast, "expected tokenizer.json or sentencepiece.bpe.model"),
        (PreTrainedTokenizerFast, "expected tokenizer.json"),
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
        ("tokenizer_config.json", {"tokenizer_class": 3}, ["tokenizer_class: found 3"]),
        ("config.json", {"model_type": "bert"}, ["model_type: found 'bert'", "roberta or xlm-roberta"]),
        ("config.json", {"tokenizer_class": "T5Tokenizer"}, ["tokenizer_class: found 'T5Tokenizer'"]),
    ],
)
def test_unknown_class(bpe_folder, name, content, fragments):
    write(bpe_folder, name, content)
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder)
    assert_one_line(raised.value, str(bpe_folder / name), *fragments)
