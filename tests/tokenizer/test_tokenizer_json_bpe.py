"""A tokenizer.json that describes RoBERTa's BPE: its texts are encoded here as the tokenizers library encodes
them; whatever else the file may say is the library's."""

from __future__ import annotations

import copy
import json
import pickle
import random
from pathlib import Path

import pytest
from samples.encoders import CALLS, FIELDS, assert_same_rows, real_texts
from samples.odd_texts import ODD_TEXTS, mixtures
from samples.tokenizers import make_whole_bpe_folder
from tokenizers import Tokenizer

from roberta_c.errors import TokenizerFileError
from roberta_c.tokenizer import RobertaTokenizerFast
from roberta_c.tokenizer.own_backend import OwnBackend

TEXTS = ["the ants' int", " the  rest", "", "a<mask>b <s>", "é 12 ☃", "<pad> x\n y", "t" * 9]


@pytest.fixture
def path(tmp_path) -> Path:
    """A tokenizer.json of a small BPE, alone in its folder."""
    return saved(make_whole_bpe_folder(tmp_path / "files"), tmp_path / "json")


def saved(source: Path, folder: Path, **settings) -> Path:
    RobertaTokenizerFast.from_folder(source, **settings).save_pretrained(folder)
    (folder / "tokenizer_config.json").unlink()
    return folder / "tokenizer.json"


def loaded(path: Path, **options) -> RobertaTokenizerFast:
    return RobertaTokenizerFast.from_folder(path.parent, **options)


def change(path: Path, changed) -> None:
    content = json.loads(path.read_text("utf-8"))
    changed(content)
    path.write_text(json.dumps(content), "utf-8")


# ---- what is encoded here ------------------------------------------------------------------------------


@pytest.mark.parametrize("add_prefix_space", [False, True])
@pytest.mark.parametrize("trim_offsets", [False, True])
def test_real_and_odd_texts(add_prefix_space, trim_offsets, tweet_sentiment_small, tmp_path, test_data):
    settings = {"add_prefix_space": add_prefix_space, "trim_offsets": trim_offsets}
    path = saved(tweet_sentiment_small, tmp_path / "json", **settings)
    own, oracle = loaded(path), Tokenizer.from_file(str(path))
    assert (own.add_prefix_space, own.trim_offsets) == (add_prefix_space, trim_offsets)
    rng = random.Random(3)
    assert_same_rows(own, oracle, rng.sample(real_texts(test_data), 400), 0.98)
    assert_same_rows(own, oracle, [*ODD_TEXTS, *mixtures(rng, 300)])


@pytest.mark.parametrize("call", CALLS)
def test_calls_are_those_of_the_library(path, call):
    own, other = loaded(path), loaded(path)
    other.backend_tokenizer  # noqa: B018 from now on all is the library's
    assert isinstance(own._backend, OwnBackend)
    assert not isinstance(other._backend, OwnBackend)
    for given in (TEXTS, list(zip(TEXTS, reversed(TEXTS), strict=True))):
        found, expected = (one(given, **call, **FIELDS) for one in (own, other))
        assert dict(found) == dict(expected)
    assert own.decode([0, 300, 5, 2]) == other.decode([0, 300, 5, 2])


def test_what_is_saved_is_what_was_read(path, tmp_path):
    """The library's tokenizer that is made of an encoder is the one that it reads from the file itself."""
    own = loaded(path)
    assert isinstance(own._backend, OwnBackend)
    own.save_pretrained(tmp_path / "again")
    expected = Tokenizer.from_file(str(path)).to_str(pretty=True)
    assert (tmp_path / "again/tokenizer.json").read_text("utf-8") == expected


EQUIVALENT = {
    "no settings of the model": lambda content: [
        content["model"].pop(name) for name in list(content["model"]) if name not in ("vocab", "merges")
    ],
    "empty prefixes": lambda content: content["model"].update(
        continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=True
    ),
    "an unknown token": lambda content: content["model"].update(unk_token="<unk>"),
    "merges as texts": lambda content: content["model"].update(
        merges=[" ".join(merge) for merge in content["model"]["merges"]]
    ),
    "no use_regex": lambda content: content["pre_tokenizer"].pop("use_regex"),
}


@pytest.mark.parametrize("case", EQUIVALENT)
def test_other_ways_to_write_the_same(path, case, tmp_path):
    change(path, EQUIVALENT[case])
    own, oracle = loaded(path), Tokenizer.from_file(str(path))
    assert isinstance(own._backend, OwnBackend)
    assert_same_rows(own, oracle, [*TEXTS, *ODD_TEXTS])
    own.save_pretrained(tmp_path / "again")
    again = json.loads((tmp_path / "again/tokenizer.json").read_text("utf-8"))
    assert again == json.loads(oracle.to_str())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies(path, copied):
    own = loaded(path)
    other = copied(own)
    assert isinstance(other._backend, OwnBackend)
    assert other(TEXTS).input_ids == own(TEXTS).input_ids
    assert other.backend_tokenizer.to_str() == own.backend_tokenizer.to_str()


@pytest.mark.parametrize("value", [False, True])
def test_a_callers_add_prefix_space(path, value):
    own = loaded(path, add_prefix_space=value)
    assert isinstance(own._backend, OwnBackend)
    assert own.add_prefix_space is value
    assert (own.tokenize("the")[0] == "Ġthe") is value


# ---- what is left to the library -----------------------------------------------------------------------


def set_in(*names, value):
    def changed(content):
        for name in names[:-1]:
            content = content[name]
        content[names[-1]] = value

    return changed


LEFT_TO_THE_LIBRARY = {
    "no version": lambda content: content.pop("version"),
    "a normalizer": set_in("normalizer", value={"type": "Lowercase"}),
    "another pre-tokenizer": set_in("pre_tokenizer", value={"type": "Whitespace"}),
    "no pre-tokenizer": set_in("pre_tokenizer", value=None),
    "no regular expression": set_in("pre_tokenizer", "use_regex", value=False),
    "prefix spaces that differ": set_in("pre_tokenizer", "add_prefix_space", value=True),
    "no post-processor": set_in("post_processor", value=None),
    "another post-processor": set_in(
        "post_processor", value={"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}
    ),
    "another id of </s>": set_in("post_processor", "sep", value=["</s>", 5]),
    "another id of <s>": set_in("post_processor", "cls", value=["<s>", 5]),
    "no decoder": set_in("decoder", value=None),
    "ignore_merges": set_in("model", "ignore_merges", value=True),
    "byte_fallback": set_in("model", "byte_fallback", value=True),
    "a suffix": set_in("model", "end_of_word_suffix", value="é"),
    "a new token": lambda content: content["added_tokens"].append(
        {**content["added_tokens"][-1], "id": len(content["model"]["vocab"]), "content": "new"}
    ),
    "a byte without a token": lambda content: content["model"]["vocab"].update(
        {"more": content["model"]["vocab"].pop("ÿ")}
    ),
}


@pytest.mark.parametrize("case", LEFT_TO_THE_LIBRARY)
def test_other_files_are_left_to_the_library(path, case):
    change(path, LEFT_TO_THE_LIBRARY[case])
    tokenizer, oracle = loaded(path), Tokenizer.from_file(str(path))
    assert not isinstance(tokenizer._backend, OwnBackend)
    for text in TEXTS:
        assert tokenizer(text).input_ids == oracle.encode(text).ids


REFUSED = {
    "another version": set_in("version", value="2.0"),
    "a number for a bool": set_in("model", "fuse_unk", value=0),
    "a list for a setting": set_in("model", "unk_token", value=[]),
    "a malformed component": set_in("decoder", value={"type": "ByteLevel", "trim_offsets": 5}),
    "an unknown component": set_in("pre_tokenizer", value={"type": "None such"}),
    "an unfinished added token": lambda content: content["added_tokens"][0].pop("content"),
    "a lone surrogate in an added token": lambda content: content["added_tokens"][0].update(content="\udc00"),
    "a lone surrogate": lambda content: content["model"]["vocab"].update({"\ud800": 999}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_library_refuses_is_refused(path, case):
    change(path, REFUSED[case])
    with pytest.raises(Exception, match=r"."):  # the library's errors have no class of their own
        Tokenizer.from_file(str(path))
    with pytest.raises(TokenizerFileError, match="the tokenizers library refuses it"):
        loaded(path)
