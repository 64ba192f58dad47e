"""Roles of tokens, added tokens, and rows built from ids."""

from __future__ import annotations

import pytest
from samples.tokenizers import assert_one_line

from roberta_c.errors import InputError
from roberta_c.tokenizer import AddedToken, AutoTokenizer


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
