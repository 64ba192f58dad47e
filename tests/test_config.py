"""The configuration: transformers' defaults and printed form, and every kind of bad config.json."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import transformers

from roberta_c import config as config_module
from roberta_c.config import ACTIVATIONS, CONFIG_CLASSES, RobertaConfig, XLMRobertaConfig
from roberta_c.config import config_from_pretrained as load_config
from roberta_c.errors import HubError, InputError, ModelFileError, RobertaCError

REFERENCE = {RobertaConfig: transformers.RobertaConfig, XLMRobertaConfig: transformers.XLMRobertaConfig}
BOTH = pytest.mark.parametrize("config_class", list(REFERENCE))
GOOD = {"model_type": "roberta", "hidden_size": 36, "num_attention_heads": 3, "vocab_size": 100}


def write(folder: Path, text: str | bytes | dict) -> Path:
    if isinstance(text, dict):
        text = json.dumps(text)
    (folder / "config.json").write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def one_line_message(error: pytest.ExceptionInfo[RobertaCError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert message.isprintable() or "…" in message
    return message


# As transformers has it


@BOTH
def test_defaults_are_those_of_transformers(config_class):
    ours, theirs = config_class(), REFERENCE[config_class]()
    values = ours.to_dict()
    assert set(values) == set(theirs.to_dict()) - {"_name_or_path"}
    for name in {*values, "name_or_path", "num_labels"} - {"transformers_version"}:
        assert getattr(ours, name) == getattr(theirs, name), name
        assert type(getattr(ours, name)) is type(getattr(theirs, name)), name
    assert ours.transformers_version is None


def printed_lines(config: object) -> list[str]:
    lines = repr(config).splitlines()
    return [line for line in lines if "transformers_version" not in line]


@BOTH
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"hidden_size": 36, "num_attention_heads": 3, "layer_norm_eps": 1e-5},
        {"num_labels": 3},
        {"num_labels": 12, "problem_type": "multi_label_classification"},
        {"id2label": {1: "b", 0: "a"}, "label2id": {"a": 0, "b": 1}, "classifier_dropout": 0.25},
        {
            "output_hidden_states": True,
            "architectures": ["RobertaModel"],
            "my_own_key": {"b": [1], "a": None},
        },
        {"position_embedding_type": "absolute", "gradient_checkpointing": False, "dtype": "bfloat16"},
    ],
)
def test_prints_as_transformers_does(config_class, values):
    ours, theirs = config_class(**values), REFERENCE[config_class](**values)
    assert printed_lines(ours) == printed_lines(theirs)
    assert repr(ours).startswith(f"{config_class.__name__} {{\n")
    assert repr(ours) == f"{config_class.__name__} {ours.to_json_string()}"


def test_reads_and_prints_a_published_file_as_transformers_does(tweet_sentiment_small):
    ours = RobertaConfig.from_pretrained(tweet_sentiment_small)
    theirs = transformers.RobertaConfig.from_pretrained(tweet_sentiment_small)
    assert printed_lines(ours) == printed_lines(theirs)
    assert ours.id2label == {0: "negative", 1: "neutral", 2: "positive"} == theirs.id2label
    assert ours.label2id == theirs.label2id
    assert (ours.num_labels, ours.max_tokens, ours.activation) == (3, 512, "gelu")
    assert ours.name_or_path == str(tweet_sentiment_small)
    assert ours.transformers_version == "4.13.0"


@BOTH
def test_transformers_reads_what_we_write(config_class, tmp_path):
    ours = config_class(num_labels=5, hidden_size=48, num_attention_heads=4, my_key="é")
    ours.save_pretrained(tmp_path)
    theirs = REFERENCE[config_class].from_pretrained(tmp_path)
    for name in set(ours.to_dict()) - {"transformers_version"}:
        assert getattr(theirs, name) == getattr(ours, name), name


@BOTH
def test_we_read_what_transformers_writes(config_class, tmp_path):
    theirs = REFERENCE[config_class](num_labels=5, hidden_size=48, num_attention_heads=4, dtype="float16")
    theirs.save_pretrained(tmp_path)
    ours = load_config(tmp_path)
    assert type(ours) is config_class
    assert ours.dtype == "float16"
    for name in set(ours.to_dict()) - {"dtype", "transformers_version"}:
        assert getattr(ours, name) == getattr(theirs, name), name


def test_activations_have_the_formula_of_their_kernel():
    import torch

    x = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    kernels = {
        "gelu": lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5)),
        "gelu_new": lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
        "relu": lambda x: x.clamp(min=0),
        "tanh": torch.tanh,
    }
    for name, kernel in ACTIVATIONS.items():
        theirs = transformers.activations.ACT2FN[name](x)
        assert (theirs - kernels[kernel](x)).abs().max() < 1e-10, name
        assert RobertaConfig(hidden_act=name).activation == kernel


# An object like any other


def test_unknown_keys_are_kept_and_written_back(tmp_path):
    extra = {"adapters": {"adapters": {}}, "torch_dtype": "float16", "_num_labels": 3, "do_sample": False}
    config = RobertaConfig.from_pretrained(write(tmp_path, {**GOOD, **extra}))
    for name, value in extra.items():
        assert getattr(config, name) == value
    config.save_pretrained(tmp_path / "again")
    written = json.loads((tmp_path / "again" / "config.json").read_text())
    assert {name: written[name] for name in extra} == extra
    assert RobertaConfig.from_pretrained(tmp_path / "again") == config
    assert not list((tmp_path / "again").glob(".config*"))


def test_no_key_of_a_file_replaces_a_method(tmp_path):
    hostile = {name: 5 for name in dir(RobertaConfig) if name not in ("model_type", "num_labels")}
    config = RobertaConfig.from_pretrained(write(tmp_path, {**GOOD, **hostile, "_values": 5, "self": 5}))
    assert config.to_dict()["to_dict"] == 5
    assert config.max_tokens == 510
    assert RobertaConfig.from_dict(config.to_dict()) == config


def test_round_trips_and_compares():
    config = XLMRobertaConfig(num_labels=3, hidden_size=36, num_attention_heads=3, extra=[1, {"a": 2}])
    for again in (
        XLMRobertaConfig.from_dict(config.to_dict()),
        copy.copy(config),
        copy.deepcopy(config),
        pickle.loads(pickle.dumps(config)),
    ):
        assert again == config
        again.extra[1]["a"] = 3
        assert again != config
        assert config.extra == [1, {"a": 2}]
    extra = [1]
    config = XLMRobertaConfig(extra=extra)
    extra.append(2)
    config.to_dict()["extra"].append(3)
    assert config.extra == [1]
    assert RobertaConfig(vocab_size=30522) != XLMRobertaConfig()
    assert config != 3
    with pytest.raises(TypeError):
        hash(config)


def test_attributes_can_be_set_and_checked_again():
    config = RobertaConfig()
    config.output_hidden_states = True
    config.hidden_size = 48
    assert config.output_hidden_states is True
    assert "hidden_size" in dir(config)
    config.validate()
    config.num_attention_heads = 5
    with pytest.raises(InputError, match="num_attention_heads is 5, expected a divisor of hidden_size 48"):
        config.validate()
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = config.nonsense


def test_num_labels_makes_labels_as_in_transformers():
    ours, theirs = RobertaConfig(), transformers.RobertaConfig()
    for count in (3, 3, 0, 1):
        ours.num_labels = theirs.num_labels = count
        assert (ours.id2label, ours.label2id) == (theirs.id2label, theirs.label2id)
    with pytest.raises(InputError, match="num_labels is -1"):
        ours.num_labels = -1


@pytest.mark.parametrize(
    ("values", "id2label", "label2id"),
    [
        ({}, {0: "LABEL_0", 1: "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1}),
        ({"id2label": {"1": "b", "0": "a"}}, {0: "a", 1: "b"}, {"a": 0, "b": 1}),
        ({"label2id": {"b": 1, "a": "0"}}, {0: "a", 1: "b"}, {"a": 0, "b": 1}),
        ({"id2label": {0: "a"}, "num_labels": 1}, {0: "a"}, {"a": 0}),
        # Names nobody chose give way to the count, or to the names that somebody did choose.
        ({"id2label": {0: "LABEL_0", 1: "LABEL_1"}, "num_labels": 1}, {0: "LABEL_0"}, {"LABEL_0": 0}),
        ({"id2label": {0: "a"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, {0: "a"}, {"a": 0}),
        # Fewer names than ids: two ids share one.
        ({"id2label": {0: "O", 1: "O"}, "label2id": {"O": 1}}, {0: "O", 1: "O"}, {"O": 1}),
        ({"id2label": {}}, {}, {}),
    ],
)
def test_labels_from_what_is_given(values, id2label, label2id):
    config = RobertaConfig(**values)
    assert (config.id2label, config.label2id) == (id2label, label2id)
    assert config.num_labels == len(id2label)


def test_numpy_integers_are_integers():
    config = RobertaConfig(hidden_size=np.int64(36), num_attention_heads=np.int32(3), num_labels=np.int64(4))
    assert type(config.hidden_size) is int
    assert json.loads(config.to_json_string())["hidden_size"] == 36


def test_overrides_replace_keys_of_the_file(tweet_sentiment_small):
    load = RobertaConfig.from_pretrained
    config = load(tweet_sentiment_small, output_hidden_states=True, id2label={0: "x", 1: "y", 2: "z"})
    assert config.output_hidden_states is True
    assert config.label2id == {"x": 0, "y": 1, "z": 2}
    assert (
        config.hidden_size == json.loads((tweet_sentiment_small / "config.json").read_bytes())["hidden_size"]
    )
    assert config.name_or_path == str(tweet_sentiment_small)
    with pytest.raises(InputError, match="num_labels is 5, expected 3, the length of id2label"):
        load(tweet_sentiment_small, num_labels=5)
    with pytest.raises(InputError, match="force_download is neither an option here nor a key of "):
        load(tweet_sentiment_small, force_download=True)


@pytest.mark.parametrize(
    ("positions", "pad", "usable"), [(514, 1, 512), (8194, 1, 8192), (514, 3, 510), (2, 0, 1)]
)
def test_usable_length_follows_the_padding_id(positions, pad, usable):
    assert RobertaConfig(max_position_embeddings=positions, pad_token_id=pad).max_tokens == usable


def test_a_null_padding_id_is_the_family_s(test_data, caplog):
    with caplog.at_level(logging.INFO):
        config = load_config(test_data("data/roberta"))
    assert type(config) is RobertaConfig
    assert (config.pad_token_id, config.bos_token_id, config.max_tokens) == (1, None, 512)
    assert len(caplog.records) == 1
    assert "pad_token_id" in caplog.text


# Which class


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"model_type": "roberta"}, RobertaConfig),
        ({"model_type": "xlm-roberta"}, XLMRobertaConfig),
        ({"model_type": "roberta", "architectures": ["XLMRobertaModel"]}, RobertaConfig),
        ({"architectures": ["RobertaForSequenceClassification"]}, RobertaConfig),
        ({"model_type": None, "architectures": ["XLMRobertaModel"]}, XLMRobertaConfig),
    ],
)
def test_the_file_says_which_class(values, expected, tmp_path):
    config = load_config(write(tmp_path, values))
    assert type(config) is expected
    assert CONFIG_CLASSES[config.model_type] is expected


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"model_type": "bert"}, "model_type is 'bert', supported are roberta or xlm-roberta"),
        ({"model_type": ["roberta"]}, "model_type is ['roberta'], supported"),
        ({"model_type": 7}, "model_type is 7, supported"),
        ({"architectures": ["XLMRobertaXLForMaskedLM"]}, "expected a model_type of roberta or xlm-roberta"),
        ({"architectures": ["RobertaPreLayerNormModel"]}, "expected a model_type of"),
        ({"architectures": "RobertaModel"}, "expected a model_type of"),
        ({}, "model_type is absent and architectures is None"),
    ],
)
def test_an_unknown_model_type_is_an_error(values, found, tmp_path):
    with pytest.raises(ModelFileError) as error:
        load_config(write(tmp_path, values))
    assert found in one_line_message(error)
    assert str(tmp_path / "config.json") in str(error.value)
    if "model_type" in values:
        with pytest.raises(ModelFileError):
            RobertaConfig.from_pretrained(tmp_path)


def test_the_other_family_s_file_is_read_with_a_warning(tmp_path, caplog):
    write(tmp_path, {"model_type": "xlm-roberta", "vocab_size": 250002})
    config = RobertaConfig.from_pretrained(tmp_path)
    assert (type(config), config.model_type, config.vocab_size) == (RobertaConfig, "roberta", 250002)
    assert "model_type is xlm-roberta" in caplog.text
    with pytest.raises(InputError, match="model_type is 'xlm-roberta', expected 'roberta'"):
        RobertaConfig(model_type="xlm-roberta")


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
            "label2id is {'a': 1}, expected what",
        ),
        ({"id2label": {"0": "a"}, "label2id": {"a": 0, "b": 1}}, "label2id is {'b': 1}"),
        ({"id2label": {"0": "a"}, "num_labels": 2}, "num_labels is 2, expected 1, the length of id2label"),
        ({"label2id": {"a": 0}, "num_labels": 2}, "num_labels is 2, expected 1, the length of label2id"),
    ],
)
def test_labels_that_disagree(values, expected, tmp_path):
    with pytest.raises(InputError) as error:
        RobertaConfig(**values)
    assert expected in one_line_message(error)
    with pytest.raises(ModelFileError) as error:
        load_config(write(tmp_path, {**GOOD, **values}))
    assert expected in one_line_message(error)


def test_values_that_only_code_can_pass():
    class Unprintable:
        def __repr__(self):
            raise RuntimeError

    for value in (10**5000, Unprintable(), float("nan"), float("inf"), "x" * 10**6):
        for field in ("hidden_size", "layer_norm_eps", "num_labels", "hidden_act", "id2label"):
            with pytest.raises(InputError) as error:
                RobertaConfig(**{field: value})
            assert len(one_line_message(error)) < 300
    with pytest.raises(InputError, match="expected a dict"):
        RobertaConfig.from_dict([("hidden_size", 36)])
    with pytest.raises(InputError, match="expected a dict"):
        RobertaConfig.from_dict({1: 2})
    for value in (object(), float("nan"), {1: 2, "a": 3}):
        config = RobertaConfig(extra=value)
        with pytest.raises(InputError, match="JSON cannot hold"):
            config.to_json_string()


# Bad files

BAD_FILES = [
    (b"", "the file is empty"),
    (b" \n", "the file is empty"),
    (b'{"hidden_size": 36', "not JSON at line 1 column 19"),
    (b"\xef\xbb\xbf{}", "not JSON at line 1 column 1"),
    (json.dumps(GOOD).encode("utf-16"), "byte 0 is not UTF-8"),
    (b'{"a": "\xe9"}', "byte 7 is not UTF-8"),
    (b'{"hidden_size": 36, "hidden_size": 48}', "the key 'hidden_size' appears twice"),
    (b'{"extra": {"a": 1, "a": 1}}', "the key 'a' appears twice"),
    (b'{"layer_norm_eps": NaN}', "the number 'NaN', expected a finite one"),
    (b'{"extra": [-Infinity]}', "the number '-Infinity'"),
    (b'{"layer_norm_eps": 1e400}', "the number '1e400'"),
    (b'{"hidden_size": ' + b"9" * 5000 + b"}", "a number of 5000 digits"),
    (b"[" * 100_000, "nested deeper than 100 levels"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper than 100 levels"),
    (b'{"a": "[[", "b": ' + b"[" * 101 + b"]" * 101 + b"}", "nested deeper than 100 levels"),
    (b"[]", "holds a JSON list, expected an object"),
    (b"null", "holds a JSON NoneType, expected an object"),
    (b'{"model_type": "roberta"} {}', "not JSON"),
    (b"<!DOCTYPE html><html>", "it starts with '<!DOCTYPE html><html>'"),
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
        "it starts with 'version https://git-lfs.",
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
        with pytest.raises(ModelFileError, match="nested deeper"):
            load_config(tmp_path)
    finally:
        sys.setrecursionlimit(before)


def test_brackets_inside_strings_are_not_nesting(tmp_path):
    text = json.dumps({**GOOD, "extra": ["[" * 500, '\\"[[{', {"a\\": "{" * 500}]})
    assert load_config(write(tmp_path, text)).extra[0] == "[" * 500


def test_what_is_not_a_file(tmp_path):
    with pytest.raises(ModelFileError) as error:
        load_config(tmp_path)
    assert one_line_message(error) == f"{tmp_path / 'config.json'}: no such file, expected a JSON file"
    for make in (Path.mkdir, lambda path: os.mkfifo(path), lambda path: path.symlink_to(path.name)):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        make(folder / "config.json")
        with pytest.raises(ModelFileError, match=r"is not a regular file|no such file"):
            load_config(folder)
    with pytest.raises(InputError, match="is a file, expected the folder"):
        RobertaConfig.from_pretrained(write(tmp_path, GOOD) / "config.json")
    with pytest.raises(HubError, match="no such folder"):
        RobertaConfig.from_pretrained(tmp_path / "absent")


def test_every_truncation_of_a_real_file_is_an_error(test_data, tmp_path):
    whole = test_data("data/roberta/config.json").read_bytes().rstrip()
    for length in range(len(whole)):
        write(tmp_path, whole[:length])
        with pytest.raises(ModelFileError):
            load_config(tmp_path)


def test_mutations_of_a_real_file_load_or_are_refused(tweet_sentiment_small, tmp_path):
    whole = (tweet_sentiment_small / "config.json").read_bytes()
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
        data = bytearray(whole)
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


# Writing


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    RobertaConfig().save_pretrained(tmp_path)
    before = (tmp_path / "config.json").read_bytes()

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(config_module.os, "fsync", no_space)
    with pytest.raises(ModelFileError) as error:
        RobertaConfig(hidden_size=36, num_attention_heads=3).save_pretrained(tmp_path)
    assert one_line_message(error).endswith("config.json: cannot be written: No space left on device")
    assert (tmp_path / "config.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_writing_elsewhere_than_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file, expected a folder"):
        RobertaConfig().save_pretrained(tmp_path / "file")
    with pytest.raises(ModelFileError, match="cannot be written"):
        RobertaConfig().save_pretrained(tmp_path / "file" / "below")
    RobertaConfig().save_pretrained(tmp_path / "new" / "below")
    mode = (tmp_path / "new" / "below" / "config.json").stat().st_mode
    (tmp_path / "plain").write_text("")
    assert mode == (tmp_path / "plain").stat().st_mode


def test_importing_and_loading_a_folder_needs_no_client(tweet_sentiment_small):
    code = """if True:
        import sys
        from roberta_c.config import config_from_pretrained
        config_from_pretrained(sys.argv[1])
        print([name for name in ("huggingface_hub", "numpy", "torch", "transformers") if name in sys.modules])
    """
    command = [sys.executable, "-c", code, str(tweet_sentiment_small)]
    package_parent = Path(config_module.__file__).parent.parent
    finished = subprocess.run(command, capture_output=True, text=True, cwd=package_parent, check=True)
    assert finished.stdout.strip() == "[]"
