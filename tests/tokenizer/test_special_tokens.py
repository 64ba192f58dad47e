"""The settings files, their order, and the overrides of `from_pretrained`."""

from __future__ import annotations

import pytest
from samples.tokenizers import assert_one_line, write

from roberta_c.errors import InputError
from roberta_c.tokenizer import AutoTokenizer


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
    ("overrides", "fragment"),
    [
        (
            {"strip_accents": True},
            "tokenizer options: found 'strip_accents', expected one of model_max_length",
        ),
        ({"padding_side": "up"}, "padding_side: found 'up', expected 'right' or 'left'"),
        ({"model_max_length": True}, "model_max_length: found True, expected a positive number"),
        ({"add_prefix_space": 1}, "add_prefix_space: found 1, expected true or false"),
        ({"pad_token": 1}, "pad_token: found 1, expected a token"),
        ({"pad_token": "[PAD]"}, "pad_token: found '[PAD]', expected a token of the vocabulary"),
    ],
)
def test_bad_override(bpe_folder, overrides, fragment):
    with pytest.raises(InputError) as raised:
        AutoTokenizer.from_pretrained(bpe_folder, **overrides)
    assert_one_line(raised.value, fragment)


def test_add_prefix_space_needs_a_byte_level_tokenizer(unigram_folder, tmp_path):
    AutoTokenizer.from_pretrained(unigram_folder, add_prefix_space=False).save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).tokenize("b") == ["b"]
    with pytest.raises(InputError, match=r"add_prefix_space: found True .*, expected a byte-level tokenizer"):
        AutoTokenizer.from_pretrained(tmp_path, add_prefix_space=True)


def test_split_special_tokens(bpe_folder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder, split_special_tokens=True)
    assert 1 not in tokenizer("a<pad>", truncation=True).input_ids
    tokenizer.save_pretrained(tmp_path)
    assert 1 not in AutoTokenizer.from_pretrained(tmp_path)("a<pad>").input_ids
