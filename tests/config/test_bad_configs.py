"""Bad configurations: every kind of bad value and bad config.json is refused, with a clear message."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import pytest
from samples.configs import GOOD, one_line_message, write

from roberta_c.config import RobertaConfig, load_config
from roberta_c.errors import HubError, InputError, ModelFileError

# Bad values, from a file and from code

BAD_VALUES = [
    ("hidden_size", "768", "expected an integer from 1 to 2147483647"),
    ("hidden_size", 768.0, "expected an integer"),
    ("hidden_size", True, "expected an integer"),
    ("hidden_size", None, "expected an integer"),
    ("hidden_size", [36], "expected an integer"),
    ("hidden_size", 0, "expected an integer from 1"),
    ("vocab_size", -5, "expected an integer from 1"),
    ("vocab_size", 2**63, "expected an integer from 1"),
    ("vocab_size", 2**31 - 1, "at most 1099511627776 elements with hidden_size 768"),
    ("max_position_embeddings", 2**40, "expected an integer from 1"),
    ("max_position_embeddings", 1, "expected at least 2"),
    ("max_position_embeddings", 2, "expected an integer from 0 to 0"),
    ("intermediate_size", 2**31, "expected an integer from 1"),
    ("type_vocab_size", 0, "expected an integer from 1"),
    ("num_hidden_layers", 0, "expected an integer from 1 to 1024"),
    ("num_hidden_layers", 2**31, "expected an integer from 1 to 1024"),
    ("num_attention_heads", 0, "expected an integer from 1"),
    ("num_attention_heads", 7, "expected a divisor of hidden_size 768"),
    ("num_attention_heads", 1536, "expected a divisor of hidden_size 768"),
    ("chunk_size_feed_forward", -1, "expected an integer from 0"),
    ("layer_norm_eps", "1e-5", "expected a number between 0 and 1"),
    ("layer_norm_eps", 0, "expected a number between 0 and 1"),
    ("layer_norm_eps", -1e-5, "expected a number between 0 and 1"),
    ("layer_norm_eps", False, "expected a number"),
    ("initializer_range", None, "expected a number"),
    ("hidden_dropout_prob", 1.5, "expected a number from 0 to 1"),
    ("hidden_dropout_prob", True, "expected a number from 0 to 1"),
    ("hidden_dropout_prob", None, "expected a number from 0 to 1"),
    ("classifier_dropout", "0.1", "expected a number from 0 to 1"),
    ("hidden_act", "swish", "expected one of gelu, gelu_python, gelu_new"),
    ("hidden_act", {"gelu": 1}, "expected one of gelu"),
    ("position_embedding_type", "relative_key", "expected 'absolute'"),
    ("position_embedding_type", None, "expected 'absolute'"),
    ("is_decoder", True, "expected false"),
    ("add_cross_attention", True, "expected false"),
    ("is_encoder_decoder", 1, "expected false"),
    ("pruned_heads", {"1": [0, 2]}, "expected none"),
    ("pad_token_id", -1, "expected an integer from 0 to 510"),
    ("pad_token_id", 50265, "expected an integer from 0 to 510"),
    ("pad_token_id", 511, "below vocab_size and max_position_embeddings - 1"),
    ("pad_token_id", True, "expected an integer from 0"),
    ("pad_token_id", "1", "expected an integer from 0"),
    ("bos_token_id", "<s>", "expected an integer or null"),
    ("eos_token_id", [2, "x"], "expected an integer or null"),
    ("output_hidden_states", "yes", "expected true or false"),
    ("problem_type", "ranking", "expected null or one of regression"),
    ("problem_type", ["regression"], "expected null or one of"),
    ("architectures", "RobertaModel", "expected null or a list"),
    ("architectures", [1], "expected null or a list"),
    ("num_labels", -1, "expected an integer from 0"),
    ("num_labels", 2**31, "expected an integer from 0 to 1048576"),
    ("num_labels", "3", "expected an integer"),
    ("id2label", ["a", "b"], "expected a map from ids to labels"),
    ("id2label", {"0": "a", "2": "b"}, "expected the ids 0 to 1, each once"),
    ("id2label", {"0": "a", "00": "b"}, "expected the ids 0 to 1, each once"),
    ("id2label", {"-1": "a"}, "expected an integer from 0"),
    ("id2label", {"zero": "a"}, "expected an integer from 0"),
    ("id2label", {"99999999": "a"}, "expected an integer from 0"),
    ("id2label", {"0": 1}, "expected text"),
    ("id2label", {"0": "\ud800"}, "expected text"),
    ("label2id", {"a": 0, "b": 0}, "expected the ids 0 to 1, each once"),
    ("label2id", {"a": 0.0}, "expected an integer from 0"),
    ("label2id", ["a"], "expected a map from labels to ids"),
]


@pytest.mark.parametrize(("field", "value", "expected"), BAD_VALUES)
def test_a_bad_value_names_field_found_and_expected(field, value, expected, tmp_path):
    with pytest.raises(InputError) as error:
        RobertaConfig(**{field: value})
    message = one_line_message(error)
    assert field in message
    assert expected in message
    assert isinstance(error.value, ValueError)
    path = write(tmp_path, {"model_type": "roberta", field: value}) / "config.json"
    for load in (
        load_config,
        RobertaConfig.from_pretrained,
        lambda p: RobertaConfig.from_json_file(path),
    ):
        with pytest.raises(ModelFileError) as error:
            load(tmp_path)
        assert one_line_message(error) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 1, "b": 0}},
            "label2id: found {'a': 1}, expected the label",
        ),
        ({"id2label": {"0": "a"}, "label2id": {"a": 0, "b": 1}}, "label2id: found {'b': 1}"),
        (
            {"id2label": {"0": "a"}, "num_labels": 2},
            "num_labels: found 2, expected 1, the length of id2label",
        ),
        ({"label2id": {"a": 0}, "num_labels": 2}, "num_labels: found 2, expected 1, the length of label2id"),
    ],
)
def test_labels_that_disagree(values, expected, tmp_path):
    with pytest.raises(InputError) as error:
        RobertaConfig(**values)
    assert expected in one_line_message(error)
    with pytest.raises(ModelFileError) as error:
        load_config(write(tmp_path, {**GOOD, **values}))
    assert expected in one_line_message(error)


def test_bad_values_that_no_file_can_hold():
    class Unprintable:
        def __repr__(self):
            raise RuntimeError

    for value in (10**5000, Unprintable(), float("nan"), float("inf"), "x" * 10**6):
        for field in ("hidden_size", "layer_norm_eps", "num_labels", "hidden_act", "id2label"):
            with pytest.raises(InputError) as error:
                RobertaConfig(**{field: value})
            assert len(one_line_message(error)) < 300
    beyond = {"label2id": {"a": 0, "b": -1}}, {"id2label": {-1: "a", 0: "b"}}, {"label2id": {"a": 10**7}}
    for labels in beyond:
        with pytest.raises(InputError, match="expected an integer from 0 to "):
            RobertaConfig(**labels)
    for values in (
        [("hidden_size", 36)],
        ["hidden_size"],
        {1: 2},
        {"hidden_size": 36, 1: 2},
        None,
        "hidden_size",
    ):
        for take in (RobertaConfig.from_dict, RobertaConfig().update):
            with pytest.raises(InputError, match="expected a dict"):
                take(values)
    for value in (object(), float("nan"), {1: 2, "a": 3}):
        config = RobertaConfig(extra=value)
        with pytest.raises(InputError, match="JSON cannot hold"):
            config.to_json_string()


# Bad files

BAD_FILES = [
    (b"", "an empty file"),
    (b" \n", "an empty file"),
    (b'{"hidden_size": 36', "not JSON at line 1 column 19"),
    (b"\xef\xbb\xbf{}", "not JSON at line 1 column 1"),
    (json.dumps(GOOD).encode("utf-16"), "byte 0 is not UTF-8"),
    (b'{"a": "\xe9"}', "byte 7 is not UTF-8"),
    (b'{"hidden_size": 36, "hidden_size": 48}', "the key 'hidden_size' twice"),
    (b'{"extra": {"a": 1, "a": 1}}', "the key 'a' twice"),
    (b'{"layer_norm_eps": NaN}', "the number 'NaN', expected a finite one"),
    (b'{"extra": [-Infinity]}', "the number '-Infinity'"),
    (b'{"layer_norm_eps": 1e400}', "the number '1e400'"),
    (b'{"hidden_size": ' + b"9" * 5000 + b"}", "a number of 5000 digits"),
    (b"[" * 100_000, "more than 100 levels of nesting"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "more than 100 levels of nesting"),
    (b'{"a": "[[", "b": ' + b"[" * 101 + b"]" * 101 + b"}", "more than 100 levels of nesting"),
    (b"[]", "found a JSON list, expected an object"),
    (b"null", "found a JSON NoneType, expected an object"),
    (b'{"model_type": "roberta"} {}', "not JSON"),
    (b"<!DOCTYPE html><html>", "beginning with '<!DOCTYPE html><html>'"),
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
        "beginning with 'version https://git-lfs.",
    ),
    (b'{"a": "' + b"x" * 2**23 + b'"}', "more than 8388608 bytes"),
]


@pytest.mark.parametrize(("data", "expected"), BAD_FILES, ids=[expected for _, expected in BAD_FILES])
def test_a_bad_file_is_named(data, expected, tmp_path):
    write(tmp_path, data)
    for load in (load_config, RobertaConfig.from_pretrained):
        with pytest.raises(ModelFileError) as error:
            load(tmp_path)
        message = one_line_message(error)
        assert message.startswith(f"{tmp_path / 'config.json'}: ")
        assert expected in message
        assert len(message) < len(str(tmp_path)) + 200


def test_deep_nesting_does_not_depend_on_the_recursion_limit(tmp_path):
    write(tmp_path, b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        with pytest.raises(ModelFileError, match="levels of nesting"):
            load_config(tmp_path)
    finally:
        sys.setrecursionlimit(before)


def test_brackets_inside_strings_are_not_nesting(tmp_path):
    text = json.dumps({**GOOD, "extra": ["[" * 500, '\\"[[{', {"a\\": "{" * 500}]})
    assert load_config(write(tmp_path, text)).extra[0] == "[" * 500


def test_a_path_that_is_no_regular_file(tmp_path):
    with pytest.raises(ModelFileError) as error:
        load_config(tmp_path)
    assert one_line_message(error) == f"{tmp_path / 'config.json'}: found no such file, expected a JSON file"
    for make in (Path.mkdir, lambda path: os.mkfifo(path), lambda path: path.symlink_to(path.name)):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        make(folder / "config.json")
        with pytest.raises(
            ModelFileError, match=r"that is not a regular file|no such file|a link to no file"
        ):
            load_config(folder)
    with pytest.raises(InputError, match="found a file, expected the folder"):
        RobertaConfig.from_pretrained(write(tmp_path, GOOD) / "config.json")
    with pytest.raises(HubError, match="no such folder"):
        RobertaConfig.from_pretrained(tmp_path / "absent")


def test_every_truncation_of_a_real_file_is_an_error(test_data, tmp_path):
    original = test_data("data/roberta/config.json").read_bytes().rstrip()
    for length in range(len(original)):
        write(tmp_path, original[:length])
        with pytest.raises(ModelFileError):
            load_config(tmp_path)


def test_mutations_of_a_real_file_load_or_are_refused(tweet_sentiment_small, tmp_path):
    original = (tweet_sentiment_small / "config.json").read_bytes()
    tokens = [
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"[]",
        b"{}",
        b'"',
        b",",
        b"9" * 30,
        b"\xff",
        b"\\ud800",
        b":",
    ]
    choose = random.Random(2)
    loaded = 0
    for _ in range(3000):
        data = bytearray(original)
        for _ in range(choose.choice((1, 1, 2, 5))):
            at = choose.randrange(len(data))
            data[at : at + choose.choice((0, 1, 1, 5))] = choose.choice(
                (*tokens, bytes([choose.randrange(256)]))
            )
        write(tmp_path, bytes(data))
        try:
            config = load_config(tmp_path)
        except ModelFileError:
            continue
        loaded += 1
        assert RobertaConfig.from_dict(config.to_dict()) == config
        assert json.loads(config.to_json_string())
        assert config.max_tokens >= 1
    assert 50 < loaded < 2900
