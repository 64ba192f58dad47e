"""Attributes, options of loading, and saved files of a tokenizer, exchanged with transformers."""

from __future__ import annotations

import pytest
import transformers

from roberta_c.tokenizer import AddedToken, AutoTokenizer

from .both_tokenizers import ODD_TEXTS, as_lists, give_mask_lstrip, load_both


def test_attributes(family):
    ours, theirs = family
    assert len(ours) == len(theirs)
    assert ours.vocab_size == theirs.vocab_size
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.get_added_vocab() == theirs.get_added_vocab()
    assert list(ours.added_tokens_decoder) == list(theirs.added_tokens_decoder)
    for name in (
        "all_special_tokens",
        "all_special_ids",
        "special_tokens_map",
        "padding_side",
        "truncation_side",
        "model_input_names",
        "is_fast",
        "name_or_path",
        "pad_token_type_id",
        "clean_up_tokenization_spaces",
        *(role + suffix for role in theirs.special_tokens_map for suffix in ("", "_id")),
    ):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.num_special_tokens_to_add() == theirs.num_special_tokens_to_add()
    assert ours.num_special_tokens_to_add(pair=True) == theirs.num_special_tokens_to_add(pair=True)
    assert ours.convert_tokens_to_ids(["qwertz", "<s>"]) == theirs.convert_tokens_to_ids(["qwertz", "<s>"])
    assert ours.convert_ids_to_tokens([5, 10**6]) == theirs.convert_ids_to_tokens([5, 10**6])


@pytest.mark.parametrize("prefix_space", [True, False])
def test_add_prefix_space(tokenizer_folder, prefix_space, tmp_path):
    """Given at loading, and kept by saving."""
    ours, theirs = load_both(tokenizer_folder, add_prefix_space=prefix_space)
    give_mask_lstrip(theirs)
    ours.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in ODD_TEXTS:
        mine, reference, reloaded = (one(text, return_offsets_mapping=True) for one in (ours, theirs, again))
        assert as_lists(mine) == as_lists(reference) == as_lists(reloaded)


def test_added_tokens_and_saving(tokenizer_folder, tmp_path):
    """Added tokens act as in transformers. A tokenizer that either library saved is the same in both."""
    ours, theirs = load_both(tokenizer_folder)
    added = [ours.add_tokens(["whaleshark", "unicorn"]), theirs.add_tokens(["whaleshark", "unicorn"])]
    assert added == [2, 2]
    for tokenizer in (ours, theirs):
        tokenizer.add_tokens(AddedToken("<ent>", lstrip=True, rstrip=True))
        tokenizer.add_special_tokens({"extra_special_tokens": ["<x>"]})
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    saved_here = AutoTokenizer.from_pretrained(tmp_path / "ours")
    saved_there = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    loaded_here = AutoTokenizer.from_pretrained(tmp_path / "theirs")
    texts = [
        "new <ent>token here",
        "whaleshark whaleshark unicorn",
        "a<ent> <ent>b unicorns <x> c<x>",
        " <x>",
    ]
    expected = as_lists(ours(texts, return_offsets_mapping=True))
    for tokenizer in (theirs, saved_here, saved_there, loaded_here):
        assert as_lists(tokenizer(texts, return_offsets_mapping=True)) == expected
        assert len(tokenizer) == len(ours)
        assert tokenizer.convert_tokens_to_ids("<x>") == len(ours) - 1
        assert "<x>" not in tokenizer.decode(ours.encode("a<x>b"), skip_special_tokens=True)
    assert type(saved_here) is type(loaded_here) is type(ours)
    assert str(saved_here.added_tokens_decoder) == str(ours.added_tokens_decoder)
    assert saved_here.special_tokens_map == ours.special_tokens_map
    for text in ODD_TEXTS:  # some hold <mask>; transformers reads its lstrip from our tokenizer.json
        mine, reloaded, reference = (
            one(text, return_offsets_mapping=True) for one in (ours, saved_here, saved_there)
        )
        assert as_lists(mine) == as_lists(reloaded) == as_lists(reference)


def test_tokenizer_json_of_transformers(tokenizer_folder, all_tweets, tmp_path):
    """tokenizer.json as transformers saves it is used unchanged, also as the only file of its folder."""
    ours, theirs = load_both(tokenizer_folder)
    theirs.save_pretrained(tmp_path)
    expected = as_lists(theirs(all_tweets[::31], return_offsets_mapping=True))
    assert (
        as_lists(AutoTokenizer.from_pretrained(tmp_path)(all_tweets[::31], return_offsets_mapping=True))
        == expected
    )
    (tmp_path / "tokenizer_config.json").unlink()
    alone = AutoTokenizer.from_pretrained(tmp_path)
    assert type(alone) is type(ours)
    assert as_lists(alone(all_tweets[::31], return_offsets_mapping=True)) == expected
