"""What tokenizer.json may switch on and is not switched on: padding, truncation and dropout."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from samples.tokenizers import assert_one_line

from roberta_c.errors import InputError, TokenizerFileError
from roberta_c.tokenizer import AutoTokenizer


@pytest.fixture
def path(bpe_folder) -> Path:
    """A tokenizer.json with the components of the small byte-level BPE."""
    AutoTokenizer.from_pretrained(bpe_folder).save_pretrained(bpe_folder)
    (bpe_folder / "tokenizer_config.json").unlink()
    return bpe_folder / "tokenizer.json"


HUGE = '{"strategy":{"Fixed":1e12},"direction":"Left","pad_id":1}'


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"padding": null', f'"padding": {HUGE}'),
        lambda text: text.replace('"padding": null', f'"p\\u0061dding": {HUGE}'),
        lambda text: text.replace('"padding": null,', "")[:-1] + f', "padding"\n:\t{HUGE}}}',
        lambda text: text.replace(
            '"truncation": null', '"truncation": {"max_length": 0, "stride": 9, "direction": "Left"}'
        ),
    ],
)
def test_padding_and_truncation_never_reach_the_library(path, change):
    plain = AutoTokenizer.from_pretrained(path.parent)
    changed = change(path.read_text("utf-8").rstrip())
    path.write_text(changed, "utf-8")
    tokenizer = AutoTokenizer.from_pretrained(path.parent)
    assert "left" in (tokenizer.padding_side, tokenizer.truncation_side)
    assert tokenizer("ab c").input_ids == plain("ab c").input_ids
    assert tokenizer.backend_tokenizer.to_str() == plain.backend_tokenizer.to_str()


@pytest.mark.parametrize(
    ("name", "value", "fragment"),
    [
        ("padding", "[1]", "padding: found '[1]', expected an object or null"),
        ("padding", '{"direction": "Up"}', "padding: direction: found 'Up', expected 'Right' or 'Left'"),
        ("truncation", '{"direction": [1]}', "truncation: direction: found [1], expected"),
        ("truncation", '{"a": 1, "a": 2}', "truncation: found the key 'a' twice"),
        ("padding", "[" * 100_000, "levels of nesting"),
        ("padding", "{" * 100_000 + '"' * 99_999 + '\\"' * 100_000, "levels of nesting"),
        ("padding", "5", "refuses it"),
    ],
)
def test_malformed_settings(path, name, value, fragment):
    path.write_text(path.read_text("utf-8").replace(f'"{name}": null', f'"{name}": {value}'), "utf-8")
    with pytest.raises(TokenizerFileError) as raised:
        AutoTokenizer.from_pretrained(path.parent)
    assert_one_line(raised.value, str(path), fragment)


def test_dropout_is_off(path, caplog):
    content = json.loads(path.read_text("utf-8"))
    content["model"]["dropout"] = 0.5
    path.write_text(json.dumps(content), "utf-8")
    with caplog.at_level(logging.WARNING):
        tokenizer = AutoTokenizer.from_pretrained(path.parent)
    assert f"{path}: dropout 0.5 is switched off" in caplog.messages
    assert len({tuple(tokenizer("ab" * 20).input_ids) for _ in range(20)}) == 1


def test_a_regular_expression_that_takes_exponential_time_is_an_error_of_the_text(path):
    """The library gives up such a search after a number of steps, and ends in a panic."""
    settings = json.loads(path.read_text("utf-8"))
    split = {"type": "Split", "pattern": {"Regex": "(a+)+b"}, "behavior": "Isolated", "invert": False}
    steps = [split, settings["pre_tokenizer"]]
    settings["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
    path.write_text(json.dumps(settings), "utf-8")
    tokenizer = AutoTokenizer.from_pretrained(path.parent)
    before = tokenizer("a short text")["input_ids"]
    with pytest.raises(InputError, match="Regex search error: retry-limit") as error:
        tokenizer("a" * 40)
    assert_one_line(error.value)
    assert tokenizer("a short text")["input_ids"] == before
