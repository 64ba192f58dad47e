"""Which tokenizer is loaded, with which settings, and what it may be used for; ids are checked in parity/."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from samples.tokenizers import assert_one_line, make_bpe_folder, make_unigram_folder, write

from roberta_c.errors import InputError, RobertaCError, TokenizerFileError
from roberta_c.files import hub
from roberta_c.tokenizer import (
    AddedToken,
    AutoTokenizer,
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
    """Shared: tests that change a tokenizer make their own."""
    return AutoTokenizer.from_pretrained(tweet_sentiment_small)


@pytest.fixture(scope="module")
def tweets(test_data) -> list[str]:
    return test_data("data/tweeteval/sentiment/val_text.txt").read_text("utf-8").splitlines()


@pytest.fixture
def bpe_folder(tmp_path) -> Path:
    return make_bpe_folder(tmp_path / "bpe")


@pytest.fixture
def unigram_folder(tmp_path) -> Path:
    return make_unigram_folder(tmp_path / "unigram")


# The tutorial


def test_tutorial(real_checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(str(real_checkpoint))
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
    assert repr(tokenizer) == listing("RobertaTokenizerFast", real_checkpoint, 50265, True)
    assert tokenizer("I love using the Transformers library!", return_tensors="np")["input_ids"].shape == (
        1,
        9,
    )
    assert tokenizer.add_tokens(["whaleshark", "unicorn"]) == 2
    assert tokenizer.convert_tokens_to_ids(["whaleshark", "unicorn"]) == [50265, 50266]
    assert (tokenizer.vocab_size, len(tokenizer)) == (50265, 50267)


def test_xlm_roberta(test_data, tmp_path):
    """Ids that transformers' own tests and fairseq's give for the real model."""
    model = test_data.real("data/xlmr/sentencepiece.bpe.rebuilt.model")
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


# Sharing


def test_calls_leave_nothing_behind(roberta):
    before, ids = roberta.backend_tokenizer.to_str(), roberta("a b c d e").input_ids
    roberta(["a b c", "d"], truncation=True, max_length=4, padding="max_length", stride=1)
    roberta("a b c", "d e f", truncation="only_first", max_length=8)
    assert roberta.backend_tokenizer.to_str() == before
    assert roberta("a b c d e").input_ids == ids
    assert roberta.convert_ids_to_tokens(ids) == ["<s>", "a", "Ġb", "Ġc", "Ġd", "Ġe", "</s>"]


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
        assert other(ISLAND).input_ids == roberta(ISLAND).input_ids
        assert repr(other) == repr(roberta)
        other.add_tokens(["whaleshark"])
        assert len(other) == len(roberta) + 1
        assert other("a whaleshark", truncation=True, max_length=5).input_ids[-2] == len(roberta)


def test_errors_are_the_packages_own():
    assert issubclass(TokenizerFileError, (RobertaCError, OSError))
    assert issubclass(InputError, (RobertaCError, ValueError))


def test_symlinked_files(roberta, tweet_sentiment_small, tmp_path):
    """As the Hub's cache lays files out."""
    for name in ("vocab.json", "merges.txt", "config.json"):
        (tmp_path / name).symlink_to(tweet_sentiment_small / name)
    assert AutoTokenizer.from_pretrained(tmp_path)(ISLAND).input_ids == roberta(ISLAND).input_ids
    (tmp_path / "merges.txt").unlink()
    (tmp_path / "merges.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(TokenizerFileError, match="no tokenizer file"):
        AutoTokenizer.from_pretrained(tmp_path)
    shutil.copy(tweet_sentiment_small / "merges.txt", tmp_path / "copied")
