"""Keywords that code written for transformers passes to a tokenizer's methods, and names that it looks up."""

from __future__ import annotations

import numpy as np
import pytest
import transformers
from samples.tokenizers import assert_one_line

from roberta_c.errors import InputError, MissingNameError
from roberta_c.tokenizer import AutoTokenizer
from roberta_c.tokenizer.missing_names import MISSING_NAMES

TEXT = "a <s> rather </s> longer text"
# Public names of transformers 4.57's fast tokenizers that 5 has no more.
NAMES_OF_4 = (
    "additional_special_tokens",
    "all_special_tokens_extended",
    "as_target_tokenizer",
    "batch_encode_plus",
    "build_inputs_with_special_tokens",
    "create_token_type_ids_from_sequences",
    "encode_plus",
    "prepare_for_model",
    "prepare_seq2seq_batch",
    "sanitize_special_tokens",
    "special_tokens_map_extended",
    "truncate_sequences",
    "vocab_file",
)


@pytest.fixture(scope="module")
def theirs(tweet_sentiment_small):
    return transformers.AutoTokenizer.from_pretrained(tweet_sentiment_small)


@pytest.fixture
def own(tweet_sentiment_small):
    return AutoTokenizer.from_pretrained(tweet_sentiment_small)


def plain(encoded):
    return {
        name: values.tolist() if isinstance(values, np.ndarray) else values
        for name, values in encoded.items()
    }


@pytest.mark.parametrize(
    "keywords",
    [
        {"verbose": False},
        {"text_target": None, "text_pair_target": None, "max_target_length": 3},
        {"tokenizer_kwargs": None},
        {"split_special_tokens": True},
        {"split_special_tokens": True, "truncation": True, "max_length": 6},
        {"split_special_tokens": False},
        {"max_length": np.int64(5), "stride": np.int32(0)},
        {"truncation": True, "max_length": 5, "return_overflowing_tokens": True, "stride": np.int64(1)},
        {"padding": "max_length", "max_length": np.int64(20), "return_tensors": "np"},
        {"return_tensors": "np"},
        {"padding_side": "left", "padding": "max_length", "max_length": 20},
    ],
    ids=str,
)
def test_calls_as_transformers(roberta, theirs, keywords):
    assert plain(roberta(TEXT, **keywords)) == plain(theirs(TEXT, **keywords))
    assert roberta(TEXT).input_ids == theirs(TEXT).input_ids  # a call leaves nothing behind
    found, expected = roberta.encode(TEXT, **keywords), theirs.encode(TEXT, **keywords)
    assert type(found) is type(expected)
    assert np.asarray(found, dtype=object).tolist() == np.asarray(expected, dtype=object).tolist()
    assert plain(roberta.encode_plus(TEXT, **keywords)) == plain(roberta(TEXT, **keywords))
    assert plain(roberta.batch_encode_plus([TEXT], **keywords)) == plain(roberta([TEXT], **keywords))


def test_positions_of_arguments(roberta, theirs):
    options = ("a b c", "d", False, "max_length", True, 9, 0)
    assert roberta.encode(*options) == theirs.encode(*options) == roberta.encode_plus(*options).input_ids
    call = ("a b c", "d", None, None, False, "max_length", True, 9, 0)
    assert plain(roberta(*call)) == plain(theirs(*call))
    assert roberta.batch_encode_plus(["a b"], False).input_ids == [roberta.encode("a b", None, False)]
    assert roberta.tokenize("a b", "c", True) == theirs.tokenize("a b", "c", True)


def test_a_numpy_flag_is_a_flag(roberta):
    assert roberta(["a", "b c"], padding=np.True_).input_ids == roberta(["a", "b c"], padding=True).input_ids
    assert (
        roberta("a b c", truncation=np.True_, max_length=4).input_ids
        == roberta("a b c", max_length=4).input_ids
    )
    assert (
        roberta("a b c", padding=np.False_, max_length=4).input_ids
        == roberta("a b c", max_length=4).input_ids
    )
    assert (
        roberta("a", add_special_tokens=np.False_).input_ids
        == roberta("a", add_special_tokens=False).input_ids
    )


@pytest.mark.parametrize(
    ("keywords", "fragment"),
    [
        (
            {"colour": 1},
            "colour: found an unknown keyword, expected one of text, text_pair, add_special_tokens",
        ),
        ({"text_target": "b"}, "text_target: found 'b', expected None: there is no decoder"),
        ({"text_pair_target": "b"}, "text_pair_target: found 'b', expected None: there is no decoder"),
        ({"pad_to_max_length": True}, "pad_to_max_length: found True, expected padding='max_length'"),
        (
            {"truncation_strategy": "longest_first"},
            "truncation_strategy: found 'longest_first', expected truncation=",
        ),
        ({"is_pretokenized": True}, "is_pretokenized: found True, expected is_split_into_words="),
        (
            {"tokenizer_kwargs": {"padding": True}},
            "tokenizer_kwargs: found {'padding': True}, expected its entries",
        ),
        ({"split_special_tokens": "x"}, "split_special_tokens: found 'x', expected True or False"),
    ],
)
def test_calls_refuse(roberta, keywords, fragment):
    for method in (roberta, roberta.encode, roberta.encode_plus, roberta.batch_encode_plus, roberta.tokenize):
        with pytest.raises(InputError) as raised:
            method("a", **keywords)
        assert_one_line(raised.value, fragment)


def test_a_call_needs_a_text(roberta):
    with pytest.raises(InputError, match="text: found None"):
        roberta()


def test_decoding(roberta, theirs):
    for keywords in ({"use_source_tokenizer": True}, {"spaces_between_special_tokens": False}):
        assert roberta.decode([0, 5, 2], **keywords) == theirs.decode([0, 5, 2], **keywords)
        assert roberta.batch_decode([[0, 5]], **keywords) == theirs.batch_decode([[0, 5]], **keywords)
    for method in (roberta.decode, roberta.batch_decode):
        with pytest.raises(
            InputError, match=r"^colour: found an unknown keyword, expected one of token_ids, "
        ):
            method([[5]], colour=1)
        with pytest.raises(InputError, match=r"^token_ids: found \['ids'\], expected a field input_ids"):
            method({"ids": [5]})


def test_saving(own, tmp_path):
    paths = own.save_pretrained(tmp_path / "a", False, "mine", save_format=None, is_main_process=True)
    assert [path.rpartition("/")[2] for path in paths] == [
        "mine-tokenizer_config.json",
        "mine-tokenizer.json",
    ]
    own.save_pretrained(tmp_path / "b", push_to_hub=False)
    assert AutoTokenizer.from_pretrained(tmp_path / "b")(TEXT).input_ids == own(TEXT).input_ids
    for arguments, fragment in (
        ({"save_directory": 5}, "save_directory: found 5, expected the path of a folder"),
        ({"save_directory": "a\0b"}, "save_directory: found 'a\\x00b'"),
        ({"save_directory": "a\ud800"}, "save_directory: found 'a\\ud800'"),
        (
            {"legacy_format": True},
            "legacy_format: found True, expected False: tokenizer.json is what is written",
        ),
        ({"push_to_hub": True}, "push_to_hub: found True, expected False: upload the folder"),
        ({"save_format": "mistral"}, "save_format: found 'mistral', expected it to be left out"),
        ({"filename_prefix": "../x"}, "filename_prefix: found '../x', expected the beginning of a name"),
        ({"filename_prefix": 5}, "filename_prefix: found 5"),
        ({"colour": 1}, "colour: found an unknown keyword, expected one of save_directory, filename_prefix"),
    ):
        with pytest.raises(InputError) as raised:
            own.save_pretrained(**{"save_directory": tmp_path / "c", **arguments})
        assert_one_line(raised.value, fragment)
    assert not (tmp_path / "c").exists()


def test_loading(tweet_sentiment_small):
    for keywords in (
        {"legacy": False},
        {"from_slow": True},
        {"torch_dtype": "auto", "device_map": None},
        {"tokenizer_type": "roberta"},
        {"errors": "replace"},
        {"verbose": False},
        {"subfolder": ""},
    ):
        AutoTokenizer.from_pretrained(tweet_sentiment_small, **keywords)
    for keywords, fragment in (
        (
            {"subfolder": "x"},
            "subfolder: found 'x', expected it to be left out, and the subfolder's own path",
        ),
        (
            {"tokenizer_type": "bert"},
            "tokenizer_type: found 'bert', expected None, 'roberta' or 'xlm-roberta'",
        ),
        (
            {"vocab_file": "x"},
            "vocab_file: found 'x', expected it to be left out: the folder's files are read",
        ),
        ({"errors": "strict"}, "errors: found 'strict', expected 'replace'"),
        ({"colour": 1}, "tokenizer options: found 'colour', expected one of model_max_length"),
    ):
        with pytest.raises(InputError) as raised:
            AutoTokenizer.from_pretrained(tweet_sentiment_small, **keywords)
        assert_one_line(raised.value, fragment)


# Names


def check_names(own, theirs):
    names = {name for name in dir(theirs) if not name.startswith("_")} | {*NAMES_OF_4}
    for name in sorted(names):
        if name in MISSING_NAMES:
            with pytest.raises(MissingNameError, match=rf"^\w+Fast\.{name}: found no such name, expected "):
                getattr(own, name)
        else:
            getattr(own, name)


def test_every_name_of_transformers_is_here_or_says_what_to_do(own, theirs):
    check_names(own, theirs)


def test_every_name_of_transformers_xlm_roberta_likewise(unigram_folder, tmp_path):
    own = AutoTokenizer.from_pretrained(unigram_folder)
    own.save_pretrained(tmp_path / "saved")
    check_names(own, transformers.AutoTokenizer.from_pretrained(tmp_path / "saved"))


def test_no_missing_name_is_here(own):
    for name in MISSING_NAMES:
        assert not hasattr(own, name)


def test_small_names_as_transformers(own, theirs):
    for name in (
        "SPECIAL_TOKENS_ATTRIBUTES",
        "chat_template",
        "split_special_tokens",
    ):
        assert getattr(own, name) == getattr(theirs, name)
    own.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
    assert str(own.decoder) == str(theirs.decoder)
    text = "so , it 's n't ' it ' . !"
    assert own.clean_up_tokenization(text) == theirs.clean_up_tokenization(text)
    assert own.create_token_type_ids_from_sequences([5], [6, 7]) == [0] * 7  # <s> 5 </s></s> 6 7 </s>
    assert own.create_token_type_ids_from_sequences([5]) == [0] * 3


def test_splitting_special_tokens_by_an_attribute(own, theirs):
    try:
        for tokenizer in (own, theirs):
            tokenizer.split_special_tokens = True
        assert own(TEXT).input_ids == theirs(TEXT).input_ids != [0, 2]
        assert own(TEXT, truncation=True, max_length=6).input_ids == theirs(TEXT, max_length=6).input_ids
    finally:
        theirs.split_special_tokens = False
    own.split_special_tokens = False
    assert own(TEXT).input_ids == theirs(TEXT).input_ids
