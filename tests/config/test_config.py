"""The configuration: transformers' defaults and printed form, labels, overrides, writing."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import transformers
from samples.configs import GOOD, one_line_message, write

from roberta_c import AutoConfig
from roberta_c import config as config_module
from roberta_c.config import ACTIVATIONS, CONFIG_CLASSES, RobertaConfig, XLMRobertaConfig, load_config
from roberta_c.errors import InputError, ModelFileError

REFERENCE = {RobertaConfig: transformers.RobertaConfig, XLMRobertaConfig: transformers.XLMRobertaConfig}
BOTH = pytest.mark.parametrize("config_class", list(REFERENCE))


# Equal to transformers


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


# The config as a Python object


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
    with pytest.raises(
        InputError, match="num_attention_heads: found 5, expected a divisor of hidden_size 48"
    ):
        config.validate()
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = config.nonsense


def test_num_labels_makes_labels_as_in_transformers():
    ours, theirs = RobertaConfig(), transformers.RobertaConfig()
    for count in (3, 3, 0, 1):
        ours.num_labels = theirs.num_labels = count
        assert (ours.id2label, ours.label2id) == (theirs.id2label, theirs.label2id)
    with pytest.raises(InputError, match="num_labels: found -1"):
        ours.num_labels = -1


@pytest.mark.parametrize(
    ("values", "id2label", "label2id"),
    [
        ({}, {0: "LABEL_0", 1: "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1}),
        ({"id2label": {"1": "b", "0": "a"}}, {0: "a", 1: "b"}, {"a": 0, "b": 1}),
        ({"label2id": {"b": 1, "a": "0"}}, {0: "a", 1: "b"}, {"a": 0, "b": 1}),
        ({"id2label": {0: "a"}, "num_labels": 1}, {0: "a"}, {"a": 0}),
        # Default names (LABEL_0) give way to num_labels, and to names that are not default ones.
        ({"id2label": {0: "LABEL_0", 1: "LABEL_1"}, "num_labels": 1}, {0: "LABEL_0"}, {"LABEL_0": 0}),
        ({"id2label": {0: "a"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, {0: "a"}, {"a": 0}),
        # Two ids share one name.
        ({"id2label": {0: "O", 1: "O"}, "label2id": {"O": 1}}, {0: "O", 1: "O"}, {"O": 1}),
        ({"id2label": {}}, {}, {}),
    ],
)
def test_missing_labels_are_completed_from_those_given(values, id2label, label2id):
    config = RobertaConfig(**values)
    assert (config.id2label, config.label2id) == (id2label, label2id)
    assert config.num_labels == len(id2label)


def test_assigned_labels_replace_both_maps():
    config = RobertaConfig(num_labels=2)
    config.id2label = {"1": "b", "0": "a"}
    assert (config.id2label, config.label2id) == ({0: "a", 1: "b"}, {"a": 0, "b": 1})
    config.validate()
    with pytest.raises(InputError, match=r"id2label: found .*, expected the ids 0 to 1, each once"):
        config.id2label = {0: "a", 2: "b"}
    config.id2label[0] = "c"
    with pytest.raises(InputError, match=r"label2id: found {'a': 0}, .* set id2label to change both"):
        config.validate()


def test_small_methods_are_transformers():
    config = RobertaConfig(num_labels=3, return_dict=False)
    assert config.use_return_dict is False
    config.update({"hidden_size": 36, "return_dict": True})
    assert (config.hidden_size, config.use_return_dict) == (36, True)
    assert config.to_diff_dict() == json.loads(config.to_json_string(), object_hook=_with_integers)


def _with_integers(found):
    return {int(key) if key.isdigit() else key: value for key, value in found.items()}


def test_methods_of_files(tweet_sentiment_small, tmp_path):
    config = RobertaConfig.from_pretrained(tweet_sentiment_small, trust_remote_code=False)
    config.to_json_file(tmp_path / "here.json")
    assert RobertaConfig.from_json_file(tmp_path / "here.json") == config
    values, unused = RobertaConfig.get_config_dict(tweet_sentiment_small, other=5)
    assert values == json.loads((tweet_sentiment_small / "config.json").read_text())
    assert unused == {"other": 5}
    made = AutoConfig.for_model("xlm-roberta", hidden_size=48)
    assert (type(made).__name__, made.hidden_size) == ("XLMRobertaConfig", 48)
    assert RobertaConfig(dtype="float16").torch_dtype == "float16"
    config.hidden_size = "x"
    for call, message in (
        (lambda: config.to_json_file(tmp_path / "other.json"), "hidden_size: found 'x'"),
        (lambda: config.save_pretrained(tmp_path), "hidden_size: found 'x'"),
        (lambda: made.to_json_file(5), "json_file_path: found 5"),
        (lambda: made.to_json_file("a\0b"), r"json_file_path: found 'a\\x00b'"),
        (lambda: made.save_pretrained("\ud800"), r"save_directory: found '\\ud800'"),
        (lambda: made.to_json_file(tmp_path / "x", use_diff=False), "use_diff: found False"),
        (lambda: made.save_pretrained(5), "save_directory: found 5"),
        (lambda: made.save_pretrained(tmp_path, push_to_hub=True), "push_to_hub: found True"),
        (lambda: made.save_pretrained(tmp_path, other=True), "other: found an unknown keyword"),
        (lambda: made.update(5), "values: found 5, expected a dict"),
        (lambda: setattr(made, "id2label", ["a"]), "id2label: found .*, expected a map from ids to labels"),
        (lambda: made.push_to_hub, "RobertaConfig.push_to_hub: found no such name"),
        (lambda: AutoConfig.for_model("bert"), "model_type: found 'bert', expected roberta or xlm-roberta"),
    ):
        with pytest.raises(InputError, match=message):
            call()
    assert [path.name for path in tmp_path.iterdir()] == ["here.json"]


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
    assert load(tweet_sentiment_small, num_labels=3).id2label[0] != "LABEL_0"
    assert load(tweet_sentiment_small, num_labels=2).label2id == {"LABEL_0": 0, "LABEL_1": 1}
    with pytest.raises(
        InputError,
        match="force_downloads: found an unknown option, expected an option of this call or a key of ",
    ):
        load(tweet_sentiment_small, force_downloads=True)


@pytest.mark.parametrize(
    ("positions", "pad", "usable"), [(514, 1, 512), (8194, 1, 8192), (514, 3, 510), (2, 0, 1)]
)
def test_the_longest_sequence_depends_on_the_padding_id(positions, pad, usable):
    assert RobertaConfig(max_position_embeddings=positions, pad_token_id=pad).max_tokens == usable


def test_a_null_padding_id_becomes_the_family_s_default(test_data, caplog):
    with caplog.at_level(logging.INFO):
        config = load_config(test_data("data/roberta"))
    assert type(config) is RobertaConfig
    assert (config.pad_token_id, config.bos_token_id, config.max_tokens) == (1, None, 512)
    assert len(caplog.records) == 1
    assert "pad_token_id" in caplog.text


# The class of a config


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
def test_the_file_chooses_the_class(values, expected, tmp_path):
    config = load_config(write(tmp_path, values))
    assert type(config) is expected
    assert CONFIG_CLASSES[config.model_type] is expected


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"model_type": "bert"}, "model_type: found 'bert', expected roberta or xlm-roberta"),
        ({"model_type": ["roberta"]}, "model_type: found ['roberta'], expected"),
        ({"model_type": 7}, "model_type: found 7, expected"),
        ({"architectures": ["XLMRobertaXLForMaskedLM"]}, "expected roberta or xlm-roberta"),
        ({"architectures": ["RobertaPreLayerNormModel"]}, "expected roberta or"),
        ({"architectures": "RobertaModel"}, "expected roberta or"),
        ({}, "model_type: found nothing, and architectures None"),
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
    assert "model_type: found xlm-roberta" in caplog.text
    with pytest.raises(InputError, match="model_type: found 'xlm-roberta', expected 'roberta'"):
        RobertaConfig(model_type="xlm-roberta")


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
    with pytest.raises(InputError, match="found a file, expected a folder"):
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
        from roberta_c.config import load_config
        load_config(sys.argv[1])
        print([name for name in ("huggingface_hub", "numpy", "torch", "transformers") if name in sys.modules])
    """
    command = [sys.executable, "-c", code, str(tweet_sentiment_small)]
    package_parent = Path(config_module.__file__).parents[2]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=package_parent, check=True)
    assert finished.stdout.strip() == "[]"
