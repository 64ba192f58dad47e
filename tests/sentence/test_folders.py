"""Folders and repositories of sentence-transformers: layouts of all versions, what is refused, saving."""

from __future__ import annotations

import json
import logging
import os
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from samples.embeddings import assert_near
from samples.hub_calls import run_on_hub
from samples.loopback_hub import LoopbackHub
from samples.tokenizers import assert_one_line
from sentence_transformers import SentenceTransformer as Original

from roberta_c import SentenceTransformer
from roberta_c.errors import ModelFileError, RobertaCError, UnsafeFileError
from roberta_c.sentence import Pooling, model_folder
from roberta_c.sentence.pooling import MODES

OLD = "sentence_transformers.models"


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def edit_json(path, **changes):
    settings = json.loads(path.read_text("utf-8"))
    write_json(path, {key: value for key, value in {**settings, **changes}.items() if value is not ...})


@pytest.fixture
def legacy_folder(encoder_folder, tmp_path):
    """`legacy_folder(modes, below="0_Transformer", …)`: a folder as version 0.3 to 2 wrote it, by hand."""

    def make(*modes, below="", settings="sentence_bert_config.json", weights="pytorch_model.bin"):
        folder = tmp_path / "legacy"
        shutil.copytree(encoder_folder, folder / below, dirs_exist_ok=True)
        write_json(folder / below / settings, {"max_seq_length": 100, "do_lower_case": False})
        kinds = [("Transformer", below), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")]
        listed = [
            {"idx": index, "name": str(index), "path": path, "type": f"{OLD}.{kind}"}
            for index, (kind, path) in enumerate([*kinds, ("Normalize", "3_Normalize")])
        ]
        write_json(folder / "modules.json", listed)
        names = {mode: f"pooling_mode_{mode}_tokens" for mode in MODES}
        names |= {"cls": "pooling_mode_cls_token", "lasttoken": "pooling_mode_lasttoken"}
        names["mean_sqrt_len_tokens"] = "pooling_mode_mean_sqrt_len_tokens"
        names["mean_sqrt_len_tokens"] = "pooling_mode_mean_sqrt_len_tokens"
        flags = {names[mode]: mode in modes for mode in MODES if mode in modes or mode in MODES[:4]}
        write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 48, **flags})
        width = 48 * max(1, len(modes))
        activation = "torch.nn.modules.activation.Tanh"
        dense = {"in_features": width, "out_features": 20, "bias": True, "activation_function": activation}
        write_json(folder / "2_Dense" / "config.json", dense)
        torch.manual_seed(0)
        state = {"linear.weight": torch.randn(20, width) / 7, "linear.bias": torch.randn(20) / 7}
        if weights == "pytorch_model.bin":
            torch.save(state, folder / "2_Dense" / weights)
        else:
            from safetensors.torch import save_file

            save_file({name: tensor.half() for name, tensor in state.items()}, folder / "2_Dense" / weights)
        write_json(
            folder / "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "2.0.0"}}
        )
        return folder

    return make


@pytest.mark.parametrize("below", ["", "0_Transformer"])
@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ("sentence_bert_config.json", "pytorch_model.bin"),
        ("sentence_roberta_config.json", "model.safetensors"),
        ("sentence_xlm-roberta_config.json", "pytorch_model.bin"),
    ],
)
def test_older_layouts(below, settings, weights, legacy_folder, sentences):
    folder = legacy_folder("mean", below=below, settings=settings, weights=weights)
    ours, theirs = SentenceTransformer(folder), Original(str(folder), device="cpu")
    assert ours.max_seq_length == 100
    assert_near(ours.encode(sentences[:40]), theirs.encode(sentences[:40]))


@pytest.mark.parametrize("modes", [(), *((mode,) for mode in MODES), ("mean", "cls"), MODES], ids="+".join)
def test_older_poolings(modes, legacy_folder, sentences):
    """Modes are concatenated in the order of MODES; none of them means the mean."""
    folder = legacy_folder(*modes)
    ours, theirs = SentenceTransformer(folder), Original(str(folder), device="cpu")
    assert ours[1].modes == (tuple(mode for mode in MODES if mode in modes) or ("mean",))
    assert_near(ours.encode(sentences[:40]), theirs.encode(sentences[:40]))


def test_an_encoder_alone_is_pooled_by_its_mean(encoder_folder, sentences, caplog):
    with caplog.at_level(logging.WARNING):
        ours = SentenceTransformer(encoder_folder)
        found = ours.encode(sentences[:40])
    assert [record.getMessage() for record in caplog.records] == [
        f"{encoder_folder}: no modules.json: the embedding is the mean of the tokens"
    ]
    assert_near(found, Original(str(encoder_folder), device="cpu").encode(sentences[:40]))


def test_settings_of_the_model(saved_model):
    folder, _ = saved_model(
        "max", prompts=(("q", "Q: "),), default_prompt_name="q", truncate_dim=30, similarity_fn_name="dot"
    )
    model = SentenceTransformer(folder)
    assert model.prompts == {"query": "", "document": "", "q": "Q: "}
    assert (model.default_prompt_name, model.similarity_fn_name, model.truncate_dim) == ("q", "dot", 30)
    assert model.get_sentence_embedding_dimension() == model.encode("a").shape[0] == 30
    np.testing.assert_array_equal(model.encode("a"), model.encode("Q: a", prompt=""))
    again = SentenceTransformer(folder, truncate_dim=8, similarity_fn_name="cosine", prompts={"q": "P: "})
    assert (again.prompts["q"], again.similarity_fn_name, again.truncate_dim) == ("P: ", "cosine", 8)


# Saving


@pytest.mark.parametrize(
    ("modes", "then", "include_prompt"),
    [
        (("mean",), (), True),
        (("cls", "mean"), ("dense", "normalize"), False),
        (("mean", "cls"), ("dense without bias",), True),
        (("lasttoken",), ("residual dense",), True),
    ],
)
def test_what_is_saved_loads_in_both(modes, then, include_prompt, saved_model, sentences, tmp_path):
    prompts, texts = (("query", "query: "),), sentences[:40]
    folder, original = saved_model(*modes, then=then, include_prompt=include_prompt, prompts=prompts)
    first = SentenceTransformer(folder, dtype="int8", truncate_dim=31, similarity_fn_name="manhattan")
    first.max_seq_length = 64
    first.save_pretrained(tmp_path / "saved", create_model_card=False, safe_serialization=True)
    again, theirs = SentenceTransformer(tmp_path / "saved"), Original(str(tmp_path / "saved"), device="cpu")
    original, plain = Original(str(folder), device="cpu", truncate_dim=31), SentenceTransformer(folder)
    original.max_seq_length = plain.max_seq_length = 64
    expected = plain.encode(texts, prompt_name="query", truncate_dim=31)
    np.testing.assert_array_equal(again.encode(texts, prompt_name="query"), expected)
    np.testing.assert_array_equal(theirs.encode_query(texts), original.encode_query(texts))
    for model in (again, theirs):
        assert model.max_seq_length == 64
        assert model.prompts == first.prompts
        assert (model.similarity_fn_name, model.truncate_dim) == ("manhattan", 31)
    again.save(tmp_path / "twice")
    names = sorted(path.relative_to(tmp_path / "saved") for path in (tmp_path / "saved").rglob("*"))
    for name in names:
        if (tmp_path / "saved" / name).is_file():
            assert (tmp_path / "saved" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes(), name


def test_saved_configurations_are_those_of_older_versions(saved_model, tmp_path):
    SentenceTransformer(saved_model("cls", "mean", then=("dense",))[0]).save_pretrained(tmp_path)
    listed = json.loads((tmp_path / "modules.json").read_text())
    assert [(one["path"], one["type"]) for one in listed] == [
        ("", f"{OLD}.Transformer"),
        ("1_Pooling", f"{OLD}.Pooling"),
        ("2_Dense", f"{OLD}.Dense"),
    ]
    pooling = json.loads((tmp_path / "1_Pooling" / "config.json").read_text())
    assert pooling["word_embedding_dimension"] == 48
    assert pooling["pooling_mode_cls_token"] is pooling["pooling_mode_mean_tokens"] is True
    assert pooling["pooling_mode_max_tokens"] is False
    assert load_file(tmp_path / "2_Dense" / "model.safetensors").keys() == {"linear.weight", "linear.bias"}
    Pooling(48, ["mean", "cls"]).save(tmp_path / "other")
    assert json.loads((tmp_path / "other" / "config.json").read_text()) == {
        "embedding_dimension": 48,
        "pooling_mode": ["mean", "cls"],
        "include_prompt": True,
    }


def test_what_cannot_be_saved(encoder_folder, tmp_path):
    model = SentenceTransformer(encoder_folder)
    (tmp_path / "file").write_text("")
    for path, options, message in (
        (tmp_path / "file", {}, "found a file, expected a folder to write into"),
        (3, {}, "save_directory: found 3, expected the path of a folder"),
        ("", {}, "save_directory: found '', expected the path of a folder"),
        (tmp_path, {"safe_serialization": False}, "safe_serialization: found False, expected True"),
        (tmp_path, {"shards": 3}, "shards: found an unknown keyword"),
    ):
        with pytest.raises(RobertaCError) as caught:
            model.save_pretrained(path, **options)
        assert_one_line(caught.value, message)


# What is refused


def broken(name, change, message):
    return pytest.param(name, change, message, id=message[:50])


def replaced(**changes):
    return lambda path: edit_json(path, **changes)


def link_to(name):
    def change(path):
        path.unlink(missing_ok=True)
        path.symlink_to(name)

    return change


def tensors(changes):
    return lambda path: torch.save({**torch.load(path, weights_only=True), **changes}, path)


def module(index, **changes):
    def change(path):
        listed = json.loads(path.read_text("utf-8"))
        listed[index].update(changes)
        write_json(path, listed)

    return change


def whole(value):
    return lambda path: write_json(path, value)


SUPPORTED = "expected a sentence_transformers Transformer, Pooling, Dense or Normalize"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        broken("modules.json", module(1, type=f"{OLD}.WordWeights"), f"WordWeights', {SUPPORTED}"),
        broken(
            "modules.json", module(2, type="custom.Dense"), f"[2]: type: found 'custom.Dense', {SUPPORTED}"
        ),
        broken("modules.json", module(2, type=None), "[2]: type: found None, expected a name such as"),
        broken(
            "modules.json", module(1, path="../x"), "[1]: path: found '../x', expected a folder below this"
        ),
        broken("modules.json", module(1, path="/x"), "[1]: path: found '/x'"),
        broken("modules.json", module(1, path=None), "[1]: path: found None"),
        broken("modules.json", whole([]), "modules.json: found no modules, expected a Transformer first"),
        broken("modules.json", whole({}), "modules.json: found a JSON dict, expected an array"),
        broken("modules.json", whole([3]), "[0]: found 3, expected an object with type and path"),
        broken("modules.json", lambda path: path.write_text("["), "modules.json: found text not JSON"),
        broken(
            "modules.json", lambda path: path.write_text(" "), "found an empty file, expected a JSON array"
        ),
        broken(
            "modules.json", module(0, type=f"{OLD}.Pooling", path="1_Pooling"), "expected a Transformer first"
        ),
        broken("modules.json", module(2, type=f"{OLD}.Pooling", path="1_Pooling"), "found a second Pooling"),
        broken(
            "modules.json",
            module(1, type=f"{OLD}.Normalize", path="3_Normalize"),
            "'sentence_embedding' before",
        ),
        broken(
            "1_Pooling/config.json", os.unlink, "1_Pooling/config.json: found no such file, expected a JSON"
        ),
        broken(
            "1_Pooling/config.json", replaced(word_embedding_dimension=32), "found 32, expected 48, the width"
        ),
        broken(
            "1_Pooling/config.json", replaced(word_embedding_dimension=...), "found None, expected an integer"
        ),
        broken("1_Pooling/config.json", replaced(pooling_mode="average"), "pooling_mode: found 'average'"),
        broken(
            "1_Pooling/config.json",
            replaced(pooling_mode_last=False),
            "pooling_mode_last: found no setting of a Pooling, expected",
        ),
        broken(
            "1_Pooling/config.json", replaced(include_prompt=3), "include_prompt: found 3, expected True or"
        ),
        broken("2_Dense/config.json", os.unlink, "2_Dense/config.json: found no such file"),
        broken("2_Dense/config.json", replaced(in_features=...), "found no in_features, expected an integer"),
        broken(
            "2_Dense/config.json", replaced(in_features=0), "in_features: found 0, expected an integer of at"
        ),
        broken(
            "2_Dense/config.json", replaced(out_features=30), "linear.weight: found shape (20, 48), expected"
        ),
        broken("2_Dense/config.json", replaced(use_residual=True), "residual.weight: found no such weight"),
        broken("2_Dense/config.json", replaced(bias=3), "bias: found 3, expected True or False"),
        broken(
            "2_Dense/config.json", replaced(dropout=0.5), "config.json: dropout: found 0.5, expected no such"
        ),
        broken(
            "2_Dense/config.json",
            replaced(activation_function="os.system"),
            "found 'os.system', expected torch",
        ),
        broken(
            "2_Dense/config.json",
            replaced(activation_function="torch.nn.PReLU"),
            "expected torch.nn's Identity",
        ),
        broken(
            "2_Dense/config.json", replaced(module_input_name="x"), "module_input_name: found 'x', expected"
        ),
        broken(
            "2_Dense/config.json", replaced(module_output_name="x"), "module_output_name: found 'x', expected"
        ),
        broken(
            "2_Dense/pytorch_model.bin", os.unlink, "found no weights, expected one of model.safetensors, py"
        ),
        broken(
            "2_Dense/pytorch_model.bin",
            tensors({"linear.scale": torch.ones(20)}),
            "found the tensor 'linear.scale', expected linear.weight, linear.bias alone",
        ),
        broken("2_Dense/config.json", replaced(bias=False), "found the tensor 'linear.bias', expected lin"),
        broken(
            "2_Dense/pytorch_model.bin",
            tensors({"linear.bias": torch.full((20,), torch.inf)}),
            "pytorch_model.bin: linear.bias: found numbers that are NaN or infinite, expected finite ones",
        ),
        broken("sentence_bert_config.json", replaced(max_seq_length=0), "max_seq_length: found 0, expected"),
        broken(
            "sentence_bert_config.json",
            replaced(max_seq_length=1),
            "sentence_bert_config.json: max_seq_length: found 1, expected at least 2, the special tokens",
        ),
        broken(
            "sentence_bert_config.json",
            replaced(model_args={"evil": 1}),
            "sentence_bert_config.json: evil: found an unknown option",
        ),
        broken(
            "sentence_bert_config.json", replaced(do_lower_case=3), "do_lower_case: found 3, expected True"
        ),
        broken(
            "sentence_bert_config.json", replaced(query_length=32), "query_length: found 32, expected None"
        ),
        broken(
            "sentence_bert_config.json", replaced(surprise=1), "surprise: found 1, expected no such setting"
        ),
        broken(
            "sentence_bert_config.json", replaced(model_args=3), "model_args: found 3, expected an object"
        ),
        broken(
            "sentence_bert_config.json",
            replaced(transformer_task="fill-mask"),
            "expected 'feature-extraction'",
        ),
        broken(
            "config_sentence_transformers.json",
            replaced(prompts=3),
            "config_sentence_transformers.json: prompts: found 3, expected a dict of names and prompts",
        ),
        broken(
            "config_sentence_transformers.json",
            replaced(prompts={"q": "\ud800"}),
            "config_sentence_transformers.json: prompts['q']: found the lone surrogate",
        ),
        broken("modules.json", link_to("nowhere"), "modules.json: found a link to no file, expected a JSON"),
        broken("modules.json", link_to("modules.json"), "modules.json: found a link to no file"),
        broken(
            "modules.json", module(1, path="a" * 5000), "[1]: path: found 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        ),
        broken("sentence_bert_config.json", link_to("nowhere"), "config.json: found a link to no file"),
        broken("config_sentence_transformers.json", link_to("nowhere"), "json: found a link to no file"),
        broken(
            "config_sentence_transformers.json", replaced(truncate_dim=99), "truncate_dim: found 99, expected"
        ),
        broken(
            "config_sentence_transformers.json",
            replaced(truncate_dim="9"),
            "truncate_dim: found '9', expected int",
        ),
        broken(
            "config_sentence_transformers.json",
            replaced(model_type="SparseEncoder"),
            "found 'SparseEncoder', expected 'SentenceTransformer': this package does not support sparse enc",
        ),
        broken(
            "config_sentence_transformers.json",
            replaced(model_type="CrossEncoder"),
            "found 'CrossEncoder', expected 'SentenceTransformer': load it with CrossEncoder",
        ),
        broken(
            "config_sentence_transformers.json",
            replaced(default_prompt_name="t"),
            "found 't', expected one of",
        ),
        broken("config.json", replaced(model_type="bert"), "model_type: found 'bert', expected"),
    ],
)
def test_files_that_do_not_fit(name, change, message, legacy_folder):
    folder = legacy_folder("mean")
    change(folder / name)
    with pytest.raises(RobertaCError) as caught:
        SentenceTransformer(folder)
    assert isinstance(caught.value, OSError), "the error of a file"
    assert_one_line(caught.value, message, "legacy")


ODD_VALUES = [
    None,
    True,
    -1,
    10**25,
    0.5,
    "x",
    "",
    [],
    ["mean"],
    [[]],
    {},
    {"self": 1, "config": 2, "facts": 3},
]


@pytest.mark.parametrize(
    "name",
    [
        "modules.json",
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ],
)
def test_odd_values_are_refused_in_one_line(name, legacy_folder, monkeypatch):
    """Any value in any setting loads or raises an error of this package."""
    folder = legacy_folder("mean")
    if name != "sentence_bert_config.json":  # the encoder is loaded once, to save time
        encoder = SentenceTransformer(folder)[0]
        monkeypatch.setattr(model_folder, "_transformer", lambda *_: encoder)
    original = json.loads((folder / name).read_text("utf-8"))
    more = ["self", "prompts", "truncate_dim", "similarity_fn_name", "default_prompt_name", "model_type"]
    more += ["pooling_mode", "include_prompt", "model_args", "tokenizer_args", "config_args", "use_residual"]
    refused = 0
    for value in ODD_VALUES:
        changed = [value]
        if isinstance(original, list):
            for key in original[1]:
                changed.append([original[0], {**original[1], key: value}, *original[2:]])
        else:
            changed += [{**original, key: value} for key in (*original, *more)]
        for settings in changed:
            write_json(folder / name, settings)
            try:
                SentenceTransformer(folder, num_threads=1)
            except RobertaCError as error:
                refused += 1
                assert_one_line(error)
    assert refused > 20


def test_a_dense_that_would_run_code(legacy_folder):
    folder = legacy_folder("mean")

    class Attack:
        def __reduce__(self):
            return os.system, ("true",)

    torch.save({"linear.weight": Attack()}, folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(UnsafeFileError) as caught:
        SentenceTransformer(folder)
    assert_one_line(caught.value, "2_Dense/pytorch_model.bin")


def test_keywords_in_the_encoders_settings(legacy_folder):
    """Those that need nothing done, an arithmetic and threads are passed over; the caller's come first."""
    folder = legacy_folder("mean")
    edit_json(
        folder / "sentence_bert_config.json",
        model_args={
            "torch_dtype": "float16",
            "attn_implementation": "flash_attention_2",
            "num_threads": 7,
            "isa": "no such set",
        },
        tokenizer_args={"model_max_length": 33},
        config_args={"trust_remote_code": True},
    )
    assert SentenceTransformer(folder).dtype == "float32"
    assert SentenceTransformer(folder, num_threads=1)[0].auto_model.num_threads == 1
    assert SentenceTransformer(folder).max_seq_length == 33
    assert SentenceTransformer(folder, processor_kwargs={"model_max_length": 44}).max_seq_length == 44


def test_a_limit_beyond_the_models_is_the_models(legacy_folder, sentences):
    folder = legacy_folder("mean")
    edit_json(folder / "sentence_bert_config.json", max_seq_length=514)
    assert SentenceTransformer(folder).max_seq_length == 512
    assert SentenceTransformer(folder).encode("a " * 600).shape == (20,)


# The Hub


@pytest.mark.unsanitized
@pytest.mark.parametrize("below", ["", "0_Transformer"])
def test_a_repository_on_the_hub(below, legacy_folder, tmp_path):
    """All files are of one commit, those of subfolders too; the third time they come from the cache."""
    folder = legacy_folder("mean", below=below)
    script = """
        import pickle
        from roberta_c import SentenceTransformer
        model = SentenceTransformer({name!r}{options})
        print(pickle.loads(pickle.dumps(model)).encode("so good").tobytes().hex())
    """
    expected = SentenceTransformer(folder).encode("so good").tobytes().hex()
    with LoopbackHub({"sentence-transformers/mini": {"main": folder}}) as hub:
        for name in ("mini", "sentence-transformers/mini"):
            assert run_on_hub(hub, tmp_path, script.format(name=name, options="")).strip() == expected
        commit = hub.commit("sentence-transformers/mini")
        by_branch = {path for _, path in hub.requests if f"/resolve/{commit}/" not in path}
        assert len(by_branch) == 1  # the first file tells the commit of the others
    offline = script.format(name="sentence-transformers/mini", options=", local_files_only=True")
    assert run_on_hub(hub, tmp_path, offline).strip() == expected


@pytest.mark.unsanitized
@pytest.mark.parametrize("below", ["", "0_Transformer"])
def test_a_downloaded_repository_is_complete(below, legacy_folder, tmp_path):
    """`roberta-c download`, into the cache and into a folder, fetches what SentenceTransformer reads."""
    folder = legacy_folder("cls", below=below)
    expected = SentenceTransformer(folder).encode("so good").tobytes().hex()
    script = """
        from roberta_c import SentenceTransformer
        from roberta_c.files import hub
        print(hub.download("org/mini").name)
        folder = hub.download("org/mini", local_dir="copy")
        print(SentenceTransformer(folder).encode("so good").tobytes().hex())
    """
    with LoopbackHub({"org/mini": {"main": folder}}) as hub:
        script = script.replace('"copy"', repr(str(tmp_path / "copy")))
        assert run_on_hub(hub, tmp_path, script).split() == [hub.commit("org/mini"), expected]
        hub.stop()
        offline = """
            from roberta_c import SentenceTransformer
            model = SentenceTransformer("org/mini", local_files_only=True)
            print(model.encode("so good").tobytes().hex())
        """
        assert run_on_hub(hub, tmp_path, offline).strip() == expected


@pytest.mark.unsanitized
def test_a_repository_of_an_encoder_alone(encoder_folder, tmp_path):
    script = """
        from roberta_c import SentenceTransformer
        print(SentenceTransformer("org/encoder").encode("so good").tobytes().hex())
    """
    expected = SentenceTransformer(encoder_folder).encode("so good").tobytes().hex()
    with LoopbackHub({"org/encoder": {"main": encoder_folder}}) as hub:
        assert run_on_hub(hub, tmp_path, script).strip() == expected


@pytest.mark.unsanitized
def test_shards_in_a_subfolder(legacy_folder, tmp_path):
    folder = legacy_folder("mean", below="0_Transformer")
    encoder = folder / "0_Transformer"
    expected = SentenceTransformer(folder).encode("so good").tobytes().hex()
    state = torch.load(encoder / "pytorch_model.bin")
    names = sorted(state)
    parts = {"pytorch_model-1.bin": names[::2], "pytorch_model-2.bin": names[1::2]}
    for file, part in parts.items():
        torch.save({name: state[name] for name in part}, encoder / file)
    weight_map = {name: file for file, part in parts.items() for name in part}
    write_json(encoder / "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": weight_map})
    (encoder / "pytorch_model.bin").unlink()
    script = """
        from roberta_c import SentenceTransformer
        print(SentenceTransformer("org/shards").encode("so good").tobytes().hex())
    """
    with LoopbackHub({"org/shards": {"main": folder}}) as hub:
        assert run_on_hub(hub, tmp_path, script).strip() == expected


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RobertaCError, match="no such folder"):
        SentenceTransformer(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFileError, match=r"config.json: found no such file"):
        SentenceTransformer(tmp_path / "empty")
