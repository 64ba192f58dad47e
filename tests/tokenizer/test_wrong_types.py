"""Wrong types and values: every method and attribute of a tokenizer answers with one line that names them."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from samples.tokenizers import assert_one_line
from tokenizers import decoders

from roberta_c.errors import HubError, InputError, RobertaCError
from roberta_c.tokenizer import AutoTokenizer, RobertaTokenizerFast

WRONG = [
    *(5, -1, 1.5, True, None, "x", "", b"x", "\ud800", 10**30, float("nan"), object(), int),
    *([], [5], ["a"], [None], [[1]], [1.5], ["\ud800"], [object()], (1, 2), {1}, iter([1])),
    *({}, {"a": 1}, {"input_ids": 5}, {"input_ids": ["a"]}, np.array([1.5]), np.array(3), np.array(["a"])),
]
# An argument for each parameter without a default.
GOOD = {
    "batch_text_or_text_pairs": ["a"],
    "encoded_inputs": {"input_ids": [[1]]},
    "ids": [5],
    "max_tokens": 5,
    "new_tokens": ["zz"],
    "sequences": [[5]],
    "special_tokens_dict": {},
    "text": "a b",
    "texts": ["a"],
    "token_ids": [5],
    "token_ids_0": [5],
    "tokens": ["a"],
    "vocab_size": 60_000,
}
# Methods that are not called here: they read or write files, or take another tokenizer's objects.
ELSEWHERE = {"from_folder", "from_pretrained", "save_pretrained", "join_parts"}


@pytest.fixture(scope="module")
def methods(roberta):
    names = [name for name in dir(roberta) if not name.startswith("_") and name not in ELSEWHERE]
    found = [name for name in names if callable(getattr(roberta, name))]
    assert {"decode", "pad", "add_tokens", "convert_ids_to_tokens", "tokenize"} <= {*found}
    return ["__call__", *found]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: type(value).__name__)
def test_every_argument_of_every_method(value, roberta, methods, bpe_folder):
    for name in methods:
        tokenizer = AutoTokenizer.from_pretrained(bpe_folder) if name.startswith("add_") else roberta
        method = getattr(tokenizer, name)
        parameters = inspect.signature(method).parameters.values()
        named = [one for one in parameters if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        needed = {one.name: GOOD[one.name] for one in named if one.default is inspect.Parameter.empty}
        for parameter in named:
            try:
                method(**{**needed, parameter.name: value})
            except RobertaCError as error:
                assert_one_line(error)


@pytest.mark.parametrize(
    ("name", "value", "fragment"),
    [
        ("padding_side", "x", "padding_side: found 'x', expected 'right' or 'left'"),
        ("padding_side", 5, "padding_side: found 5"),
        ("truncation_side", None, "truncation_side: found None, expected 'right' or 'left'"),
        ("model_max_length", "a", "model_max_length: found 'a', expected a positive number of tokens"),
        ("model_max_length", 0, "model_max_length: found 0"),
        ("model_max_length", True, "model_max_length: found True"),
        ("max_positions", "a", "max_positions: found 'a', expected a positive number"),
        ("pad_token", 5, "pad_token: found 5, expected a token"),
        (
            "pad_token",
            "not in the vocabulary",
            "pad_token: found 'not in the vocabulary', expected a token of",
        ),
        ("mask_token", "\ud800", "mask_token: found '\\ud800', expected a token"),
        ("pad_token_id", "x", "pad_token_id: found 'x', expected an id of the vocabulary"),
        ("pad_token_id", [1, 2], "pad_token_id: found [1, 2], expected an id of the vocabulary"),
        ("pad_token_id", 10**9, "pad_token_id: found 1000000000, expected an id of the vocabulary"),
        ("pad_token_type_id", "x", "pad_token_type_id: found 'x', expected an integer of at least 0"),
        ("extra_special_tokens", "x", "extra_special_tokens: found 'x', expected a list of tokens"),
        ("additional_special_tokens", ["no such token"], "expected a token of the vocabulary"),
        ("model_input_names", "input_ids", "model_input_names: found 'input_ids', expected a list of names"),
        (
            "clean_up_tokenization_spaces",
            "x",
            "clean_up_tokenization_spaces: found 'x', expected true or false",
        ),
        ("add_prefix_space", 5, "add_prefix_space: found 5, expected true or false"),
        ("split_special_tokens", "x", "split_special_tokens: found 'x', expected true or false"),
        ("chat_template", "{{ x }}", "chat_template: found '{{ x }}', expected None"),
    ],
)
def test_attributes_refuse_at_once(bpe_folder, name, value, fragment):
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    before = repr(tokenizer)
    with pytest.raises(InputError) as raised:
        setattr(tokenizer, name, value)
    assert_one_line(raised.value, fragment)
    assert repr(tokenizer) == before


def test_attributes_take_what_is_right(bpe_folder):
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    tokenizer.model_max_length = float("inf")
    assert tokenizer.model_max_length == int(1e30)
    tokenizer.clean_up_tokenization_spaces = None
    tokenizer.model_max_length = np.int64(9)
    tokenizer.max_positions = None
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.pad_token_id = np.int64(tokenizer.eos_token_id)
    tokenizer.extra_special_tokens = [tokenizer.mask_token]
    assert tokenizer.additional_special_tokens == [tokenizer.mask_token]
    assert tokenizer.extra_special_tokens_ids == [tokenizer.mask_token_id]
    tokenizer.additional_special_tokens = None
    assert tokenizer.extra_special_tokens == []
    assert tokenizer("a", padding="max_length").input_ids[0] == tokenizer.eos_token_id
    assert len(tokenizer("a", padding="max_length").input_ids) == 9


@pytest.mark.parametrize("load", [AutoTokenizer.from_pretrained, RobertaTokenizerFast.from_pretrained])
def test_a_folder_that_is_not_there(load, tmp_path):
    for value, error, found in (
        (str(tmp_path / "nope"), HubError, f"'{tmp_path}/nope', no such folder"),
        (tmp_path / "nope", HubError, f"'{tmp_path}/nope', no such folder"),
        ("./nope", HubError, "'./nope', no such folder"),
        (5, InputError, "5"),
        (None, InputError, "None"),
    ):
        with pytest.raises(error) as raised:
            load(value)
        expected = f"pretrained_model_name_or_path: found {found}, expected a folder or the name of a Hub"
        assert_one_line(raised.value, expected)


def test_join_parts_checks_its_arguments(roberta):
    first, second = roberta.encode_parts(["a b c", "d e"])
    assert roberta.join_parts(first, second, 7).ids == roberta("a", "d e").input_ids
    for length, fragment in (
        (3, "max_length: found 3, expected at least 4, the number of special tokens"),
        (5, "max_length: found 5 for a second part of 2 tokens, expected more"),
        (-1, "max_length: found -1"),
        ("7", "max_length: found '7'"),
    ):
        with pytest.raises(InputError) as raised:
            roberta.join_parts(first, second, length)
        assert_one_line(raised.value, fragment)


def test_a_decoder_that_panics_is_an_error_of_the_call(bpe_folder):
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    tokenizer.backend_tokenizer.decoder = decoders.Strip("b", 0, 9)
    for call in (lambda: tokenizer.decode([5]), lambda: tokenizer.convert_tokens_to_string(["b"])):
        with pytest.raises(InputError) as raised:
            call()
        assert_one_line(raised.value, "the tokenizers library cannot decode them")


def test_a_tokenizer_is_not_made_without_files():
    for make, fragment in (
        (
            lambda: RobertaTokenizerFast("/nope"),
            "RobertaTokenizerFast('/nope'): found a call with no files read",
        ),
        (lambda: RobertaTokenizerFast(vocab_file="/nope"), "RobertaTokenizerFast(vocab_file='/nope'): found"),
        (lambda: RobertaTokenizerFast(), "expected RobertaTokenizerFast.from_pretrained(folder)"),
        (lambda: AutoTokenizer("/nope"), "AutoTokenizer('/nope'): found"),
        (lambda: AutoTokenizer(), "expected AutoTokenizer.from_pretrained(folder)"),
    ):
        with pytest.raises(InputError) as raised:
            make()
        assert_one_line(raised.value, fragment)
