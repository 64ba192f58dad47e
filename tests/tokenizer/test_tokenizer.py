"""Real tokenizers, limits of length, threads, copies and files; parity/ compares ids with transformers'."""

from __future__ import annotations

import copy
import logging
import pickle
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from samples.tokenizers import write

from roberta_c import AutoConfig
from roberta_c.errors import InputError, MissingNameError, RobertaCError, TokenizerFileError
from roberta_c.tokenizer import AutoTokenizer, XLMRobertaTokenizer
from roberta_c.tokenizer.missing_names import MISSING_NAMES

ISLAND = "I really want to go to an island. Do you want to go?"
ISLAND_IDS = [0, 100, 269, 236, 7, 213, 7, 41, 2946, 4, 1832, 47, 236, 7, 213, 116, 2]


def listing(name: str, path: Path, vocab_size: int, normalized: bool) -> str:
    """The repr of a tokenizer, as published for the tokenizers of two repositories of cardiffnlp."""
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
def tweets(test_data) -> list[str]:
    return test_data("data/tweeteval/sentiment/val_text.txt").read_text("utf-8").splitlines()


# Real tokenizers


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
    """Ids of the real model, from the tests of transformers and fairseq."""
    model = test_data.real("data/xlmr/sentencepiece.bpe.rebuilt.model")
    (tmp_path / "sentencepiece.bpe.model").symlink_to(model)
    tokenizer = XLMRobertaTokenizer.from_pretrained(tmp_path)
    assert tokenizer("Hello world")["input_ids"] == [0, 35378, 8999, 2]
    assert tokenizer("Hello World!")["input_ids"] == [0, 35378, 6661, 38, 2]
    assert tokenizer.decode([0, 35378, 8999, 2], skip_special_tokens=True) == "Hello world"
    assert (tokenizer.vocab_size, tokenizer.mask_token_id, tokenizer.unk_token_id) == (250002, 250001, 3)
    assert repr(tokenizer) == listing("XLMRobertaTokenizerFast", tmp_path, 250002, False)
    assert tokenizer.max_positions is None


# Limits of length


def test_positions(bpe_folder):
    """max_positions = max_position_embeddings - pad_token_id - 1; the tokenizer's id replaces a null one."""
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
    """Texts are truncated to the smaller of model_max_length and max_positions, of those that are known."""
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
    assert "gives a limit" in caplog.text
    with pytest.raises(InputError, match="max_length"):
        tokenizer("a", padding="max_length")
    assert (
        len(AutoTokenizer.from_pretrained(bpe_folder, model_max_length=9)(text, truncation=True).input_ids)
        == 9
    )


def test_arguments_without_effect_are_warned_of(roberta, caplog):
    with caplog.at_level(logging.WARNING, "roberta_c"):
        roberta("a", padding=True, max_length=3)
        roberta("a", pad_to_multiple_of=8)
        roberta.decode([5], clean_up_tokenization_spaces=True)
    assert [record.message.split(" ")[0] for record in caplog.records] == [
        "max_length=3",
        "pad_to_multiple_of=8",
        "clean_up_tokenization_spaces",
    ]


def test_save_into_a_file(bpe_folder, tmp_path):
    write(tmp_path, "taken", "")
    with pytest.raises(TokenizerFileError, match="taken: cannot be written"):
        AutoTokenizer.from_pretrained(bpe_folder).save_pretrained(tmp_path / "taken")


# Sharing, copies, files


def test_calls_leave_nothing_behind(roberta):
    before, ids = roberta.backend_tokenizer.to_str(), roberta("a b c d e").input_ids
    roberta(["a b c", "d"], truncation=True, max_length=4, padding="max_length", stride=1)
    roberta("a b c", "d e f", truncation="only_first", max_length=8)
    assert roberta.backend_tokenizer.to_str() == before
    assert roberta("a b c d e").input_ids == ids
    assert roberta.convert_ids_to_tokens(ids) == ["<s>", "a", "Ġb", "Ġc", "Ġd", "Ġe", "</s>"]


def test_threads_share_a_tokenizer(roberta, tweets):
    """Concurrent calls with different settings return what each returns alone."""
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
    """Symbolic links, which the Hub's cache consists of."""
    for name in ("vocab.json", "merges.txt", "config.json"):
        (tmp_path / name).symlink_to(tweet_sentiment_small / name)
    assert AutoTokenizer.from_pretrained(tmp_path)(ISLAND).input_ids == roberta(ISLAND).input_ids
    (tmp_path / "merges.txt").unlink()
    (tmp_path / "merges.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(TokenizerFileError, match="no tokenizer file"):
        AutoTokenizer.from_pretrained(tmp_path)
    shutil.copy(tweet_sentiment_small / "merges.txt", tmp_path / "copied")


def test_ids_may_be_torchs_tensors(tweet_sentiment_small):
    torch = pytest.importorskip("torch")
    tokenizer = AutoTokenizer.from_pretrained(tweet_sentiment_small)
    ids = tokenizer("so good")["input_ids"]
    assert tokenizer.decode(torch.tensor(ids)) == tokenizer.decode(ids)
    assert tokenizer.convert_ids_to_tokens(torch.tensor(ids)) == tokenizer.convert_ids_to_tokens(ids)
    assert tokenizer.batch_decode(torch.tensor([ids])) == [tokenizer.decode(ids)]


def test_methods_that_are_not_here_say_what_to_do(tweet_sentiment_small):
    tokenizer = AutoTokenizer.from_pretrained(tweet_sentiment_small)
    for name in MISSING_NAMES:
        assert not hasattr(tokenizer, name)
        with pytest.raises(MissingNameError, match=rf"^\w+Fast\.{name}: found no such name, expected "):
            getattr(tokenizer, name)


def test_keywords_that_change_nothing_are_accepted(tweet_sentiment_small):
    load = AutoTokenizer.from_pretrained
    config = AutoConfig.from_pretrained(tweet_sentiment_small)
    ids = load(tweet_sentiment_small, do_lower_case=False, config=config, use_fast=True)("So")["input_ids"]
    assert ids == load(tweet_sentiment_small)("So")["input_ids"]
    for keywords, message in (
        ({"do_lower_case": True}, "do_lower_case: found True, expected False"),
        (
            {"max_length": 128},
            r"max_length: found 128, expected it in the call: tokenizer\(texts, max_length=…\)",
        ),
    ):
        with pytest.raises(InputError, match=message):
            load(tweet_sentiment_small, **keywords)
