"""What code written for torch and transformers calls on a model: it works as there, or says what to do."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file
from samples.models import make_model_of_shape

import roberta_c
from roberta_c.errors import InputError, MissingNameError, ModelFileError
from roberta_c.model.missing_names import MISSING_NAMES

SHAPE = (36, 3, 2, 50, 64)
HEADS = ["ForMaskedLM", "ForMultipleChoice", "ForQuestionAnswering", "ForTokenClassification", "Model"]
IDS = [[0, 100, 657, 2], [0, 713, 2]]


@pytest.fixture(scope="module")
def model(tweet_sentiment_small):
    return roberta_c.AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small, num_threads=1)


def test_calls_that_change_nothing_return_the_model(model):
    assert model.eval() is model
    assert model.cpu() is model
    assert model.float() is model
    assert model.train(False) is model
    assert model.requires_grad_(False) is model
    for target in ("cpu", "cpu:0", torch.device("cpu"), torch.float32, model.device, "float32"):
        assert model.to(target) is model
    assert model.to(device="cpu", dtype=torch.float32, non_blocking=True) is model
    assert model.training is False
    assert model.can_generate() is model.is_gradient_checkpointing is False
    assert model.set_attn_implementation("sdpa") is None
    prefixed = model.state_dict(prefix="module.")
    assert list(prefixed) == [f"module.{name}" for name in model.state_dict()]
    assert np.array_equal(model.forward(IDS).logits, model(IDS).logits)


def test_calls_that_would_change_something_say_what_to_do(model):
    for call, message in (
        (lambda: model.train(), r"model.train\(\): found a call, expected no call: train with transformers"),
        (
            lambda: model.cuda(),
            r"model.cuda\(\): found a call, expected no call: this package runs on the CPU",
        ),
        (lambda: model.half(), r'model.half\(\): .*, expected from_pretrained\(…, dtype="bfloat16"\)'),
        (lambda: model.bfloat16(), r'expected from_pretrained\(…, dtype="bfloat16"\)'),
        (lambda: model.to(torch.bfloat16), r"dtype: found .*bfloat16 for a model loaded in float32"),
        (lambda: model.to("cuda"), "device: found 'cuda', expected 'cpu'"),
        (lambda: model.to(torch.device("meta")), "device: found .*, expected 'cpu'"),
        (lambda: model.requires_grad_(), "requires_grad: found True, expected False"),
        (lambda: model.to(np.array([1, 2])), "device: found a ndarray of shape"),
        (lambda: model.to(place="cpu"), r"model.to\(place=…\): found an unknown keyword"),
        (lambda: model.save_pretrained("x", push_to_hub=True), "push_to_hub: found True, expected False"),
        (lambda: model.save_pretrained("x", anything=1), "anything: found an unknown keyword"),
        (lambda: model.save_pretrained(None), "save_directory: found None, expected the path of a folder"),
        (
            lambda: dict(model.named_parameters(remove_duplicate=False)),
            "remove_duplicate: found False, expected",
        ),
        (lambda: model(IDS, labels=[1, 0]), "labels: .*there is no training, and so no loss"),
        (lambda: model(IDS, inputs_embeds=np.zeros((2, 4, 8))), "inputs_embeds: .*expected input_ids"),
        (lambda: model(IDS, encoder_hidden_states=np.zeros(2)), "encoder_hidden_states: .*without a decoder"),
    ):
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.parametrize("head", [*HEADS, "ForSequenceClassification"])
def test_the_config_says_whether_outputs_are_tuples(head, tmp_path):
    make_model_of_shape(tmp_path, SHAPE, "roberta", head)
    auto = getattr(roberta_c, f"Auto{head}" if head == "Model" else f"AutoModel{head}")
    ids = [IDS] if head == "ForMultipleChoice" else IDS
    for model in (auto.from_pretrained(tmp_path, return_dict=False), auto.from_pretrained(tmp_path)):
        model.config.return_dict = False
        named, values = model(ids, return_dict=True), model(ids)
        assert type(values) is tuple
        for one, other in zip(values, named.to_tuple(), strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_device_is_a_name_with_torchs_attributes(model):
    assert (str(model.device), model.device.type, model.device.index) == ("cpu", "cpu", None)
    assert model.device == "cpu"
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(model.name_or_path)
    encoded = tokenizer("good", return_tensors="np")
    for device in (model.device, "cpu", torch.device("cpu")):
        assert encoded.to(device) is encoded
    with pytest.raises(InputError, match="device: found 'cuda', expected 'cpu'"):
        encoded.to("cuda")


# ---- parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
@pytest.mark.parametrize("head", HEADS)
def test_parameters_are_transformers(head, family, tmp_path):
    made = make_model_of_shape(tmp_path, SHAPE, family, head)
    ours = getattr(roberta_c, f"Auto{head}" if head == "Model" else f"AutoModel{head}").from_pretrained(
        tmp_path
    )
    theirs = {name: values.detach().numpy() for name, values in made.model.named_parameters()}
    if "lm_head.decoder.weight" in theirs:  # transformers lists a tied tensor by the first of its names
        theirs["roberta.embeddings.word_embeddings.weight"] = theirs.pop("lm_head.decoder.weight")
    found = dict(ours.named_parameters())
    assert set(found) == set(theirs)
    for name, values in theirs.items():
        assert np.array_equal(found[name], values), name
        assert not found[name].flags.writeable
    assert set(ours.state_dict()) == {name for name in made.model.state_dict() if "_ids" not in name}
    assert ours.num_parameters() == made.model.num_parameters()
    # There transformers counts the word table, as the decoder.
    if (head, family) != ("ForMaskedLM", "xlm-roberta"):
        without = made.model.num_parameters(exclude_embeddings=True)
        assert ours.num_parameters(exclude_embeddings=True) == without
    assert sum(values.size for values in ours.parameters()) == ours.num_parameters()


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
@pytest.mark.parametrize("head", [*HEADS, "ForSequenceClassification"])
def test_parts_have_transformers_names_and_parameters(head, family, tmp_path):
    made = make_model_of_shape(tmp_path, SHAPE, family, head)
    auto = getattr(roberta_c, f"Auto{head}" if head == "Model" else f"AutoModel{head}")
    ours = auto.from_pretrained(tmp_path, dtype="int8")
    theirs = dict(made.model.named_modules())
    assert {name for name, _ in ours.named_modules()} == set(theirs)
    compared = 0
    for name, part in ours.named_modules():
        for parameter in ("weight", "bias"):
            wanted = getattr(theirs[name], parameter, None)
            assert hasattr(part, parameter) == (wanted is not None), (name, parameter)
            if wanted is not None:
                assert np.array_equal(getattr(part, parameter), wanted.detach().numpy()), (name, parameter)
                compared += 1
    _, _, layers, *_ = SHAPE
    assert compared >= 5 + 16 * layers
    for name in ("encoder.layer.1", "embeddings"):
        name = name if head == "Model" else f"roberta.{name}"
        part, their_part = dict(ours.named_modules())[name], theirs[name]
        wanted_names = {parameter for parameter, _ in their_part.named_parameters()}
        assert (
            {parameter for parameter, _ in part.named_parameters()} == wanted_names == set(part.state_dict())
        )
        assert len(list(part.parameters())) == len(wanted_names)
        assert list(part.parameters(recurse=False)) == []
        for parameter in wanted_names:
            wanted = their_part.get_parameter(parameter).detach().numpy()
            assert np.array_equal(part.get_parameter(parameter), wanted)
        assert ours.get_submodule(name) is part
        with pytest.raises(InputError, match=r"target: found 'x', expected a name of named_parameters\(\)"):
            part.get_parameter("x")
        with pytest.raises(InputError, match=r"target: found 'x', expected a name of named_modules\(\)"):
            part.get_submodule("x")
        assert list(part.buffers()) == list(part.named_buffers()) == []
        epsilons = [norm.eps for norm in their_part.modules() if isinstance(norm, torch.nn.LayerNorm)]
        assert [norm.eps for norm in part.modules() if hasattr(norm, "eps")] == epsilons
    assert (ours.base_model_prefix, ours.main_input_name) == (
        made.model.base_model_prefix,
        made.model.main_input_name,
    )
    embeddings = made.model.get_input_embeddings().weight.detach().numpy()
    assert np.array_equal(ours.get_input_embeddings().weight, embeddings)
    assert (ours.get_output_embeddings() is None) == (made.model.get_output_embeddings() is None)


def test_methods_that_are_not_here_say_what_to_do(model):
    for name in MISSING_NAMES:
        # Models of transformers 5 no longer have three of them.
        is_theirs = hasattr(transformers.RobertaForSequenceClassification, name)
        assert is_theirs or name in ("generate", "prune_heads", "to_bettertransformer")
        assert not hasattr(model, name)
        with pytest.raises(MissingNameError, match=rf"Classification\.{name}: found no such name, expected "):
            getattr(model, name)
    with pytest.raises(AttributeError, match="object has no attribute 'anything'"):
        _ = model.anything


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("head", [*HEADS, "ForSequenceClassification"])
def test_saved_models_load_again_bit_for_bit(head, dtype, tmp_path):
    """transformers and this package load what `save_pretrained` writes, in the file's own type."""
    made = make_model_of_shape(tmp_path / "from", SHAPE, "xlm-roberta", head)
    state = {name: values.to(dtype) for name, values in made.model.state_dict().items()}
    torch.save(state, tmp_path / "from/pytorch_model.bin")
    auto = getattr(roberta_c, f"Auto{head}" if head == "Model" else f"AutoModel{head}")
    ours = auto.from_pretrained(tmp_path / "from")
    ours.save_pretrained(tmp_path / "to")
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["config.json", "model.safetensors"]
    again = auto.from_pretrained(tmp_path / "to")
    ids = [IDS] if head == "ForMultipleChoice" else IDS
    ids = np.array([[[0, 100, 657, 2]]]) if head == "ForMultipleChoice" else np.array([[0, 100, 657, 2]])
    assert np.array_equal(ours(ids)[0], again(ids)[0])
    saved = load_file(tmp_path / "to/model.safetensors")
    for name, values in saved.items():
        assert torch.equal(values, state[name]), name
    theirs = type(made.model).from_pretrained(tmp_path / "to", dtype=dtype)
    for name, values in theirs.state_dict().items():
        if "_ids" not in name:
            assert torch.equal(values, state[name]), name
    assert again.config.architectures == [type(made.model).__name__]


def test_a_config_that_does_not_fit_the_weights_is_not_saved(tweet_sentiment_small, tmp_path):
    """Its file would make a folder that nothing loads."""
    for change, message in (
        ({"hidden_size": 512}, r"config\.hidden_size: found 512, expected 256, as when the model was loaded"),
        ({"num_attention_heads": 8}, r"config\.num_attention_heads: found 8, expected 4"),
        ({"hidden_act": "relu"}, r"config\.hidden_act: found 'relu'"),
        ({"num_labels": 5}, r"config\.num_labels: found 5, expected 3"),
        ({"layer_norm_eps": "x"}, "layer_norm_eps: found 'x', expected a number"),
    ):
        model = roberta_c.AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small)
        model.config.update(change)
        with pytest.raises(InputError, match=message):
            model.save_pretrained(tmp_path / "to")
    model = roberta_c.AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small)
    model.config.id2label[7] = "more"
    with pytest.raises(InputError, match="id2label: found"):
        model.save_pretrained(tmp_path / "to")
    assert not (tmp_path / "to").exists()
    base = roberta_c.RobertaModel.from_pretrained(tweet_sentiment_small)
    base.config.num_labels = 5  # not of its weights
    base.save_pretrained(tmp_path / "to")
    assert roberta_c.AutoConfig.from_pretrained(tmp_path / "to").num_labels == 5


def test_saving_writes_the_weights_before_the_config(model, tmp_path):
    """Where the disk is full, a folder that was a model is still that model."""
    (tmp_path / "model.safetensors").mkdir()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelFileError):
        model.save_pretrained(tmp_path)
    assert (tmp_path / "config.json").read_text() == "{}"


def test_saving_where_it_cannot_be_saved(model, tmp_path):
    for path in (5, None, "a\0b"):
        with pytest.raises(InputError, match=r"save_directory: found .*, expected the path of a folder"):
            model.save_pretrained(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="found a file, expected a folder"):
        model.save_pretrained(tmp_path / "file")
    with pytest.raises(ModelFileError, match="cannot be written: File name too long"):
        model.save_pretrained(tmp_path / ("z" * 5000))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/model.safetensors").mkdir()
    with pytest.raises(ModelFileError, match=r"model\.safetensors: cannot be written"):
        model.save_pretrained(tmp_path / "full")


# ---- copies ----------------------------------------------------------------------------------------------


def test_models_pickle_by_path_and_options(tweet_sentiment_small, monkeypatch):
    monkeypatch.chdir(tweet_sentiment_small.parent)
    relative = tweet_sentiment_small.name
    model = roberta_c.AutoModelForSequenceClassification.from_pretrained(
        relative, dtype="bfloat16", num_threads=1, token="hf_secret", output_hidden_states=True
    )
    pickled = pickle.dumps(model)
    assert len(pickled) < 5000
    assert b"hf_secret" not in pickled
    monkeypatch.chdir("/")
    again = pickle.loads(pickled)
    assert (type(again), again.dtype, again.num_threads) == (type(model), "bfloat16", 1)
    assert again.config.output_hidden_states
    assert np.array_equal(again(IDS).logits, model(IDS).logits)


def test_the_encoder_below_a_head_is_a_model_too(model, tmp_path):
    encoder = model.roberta
    assert encoder is model.base_model
    again = pickle.loads(pickle.dumps(encoder))
    assert type(again) is type(encoder)
    ids = np.array([IDS[0]])
    assert np.array_equal(again(ids).last_hidden_state, encoder(ids).last_hidden_state)
    assert not any(name.startswith(("roberta.", "classifier.")) for name in encoder.state_dict())
    assert encoder.num_parameters() < model.num_parameters()
    encoder.save_pretrained(tmp_path)
    saved = roberta_c.AutoModel.from_pretrained(tmp_path)
    assert np.array_equal(saved(ids).last_hidden_state, encoder(ids).last_hidden_state)
    assert copy.deepcopy(model.classifier) is model.classifier


def test_a_changed_config_is_pickled(tweet_sentiment_small):
    model = roberta_c.RobertaModel.from_pretrained(tweet_sentiment_small, add_pooling_layer=False)
    model.config.output_attentions = True
    again = pickle.loads(pickle.dumps(model))
    assert again.config.output_attentions
    assert again.pooler is None


@pytest.mark.parametrize("head", ["SequenceClassification", None])
def test_copies_share_the_weights_and_have_a_config_of_their_own(head, tweet_sentiment_small):
    kind = f"RobertaFor{head}" if head else "RobertaModel"
    model = getattr(roberta_c, kind).from_pretrained(tweet_sentiment_small)
    assert copy.copy(model) is model
    copied = copy.deepcopy({"model": model})["model"]
    assert copied.base_model.encoder is model.base_model.encoder
    copied.config.output_hidden_states = True
    assert copied.base_model.config is copied.config
    assert (len(copied(IDS)), len(model(IDS))) == ((2, 1) if head else (3, 2))
    assert [name for name, _ in copied.named_parameters()] == [name for name, _ in model.named_parameters()]
    again = pickle.loads(pickle.dumps(copied))
    assert again.config.output_hidden_states is True
    assert model.config.output_hidden_states is False


def test_pipelines_and_tokenizers_pickle_and_copy(tweet_sentiment_small):
    classify = roberta_c.pipeline("text-classification", tweet_sentiment_small, top_k=2, num_threads=1)
    expected = classify("I love it")
    for again in (pickle.loads(pickle.dumps(classify)), copy.deepcopy(classify)):
        assert again("I love it") == expected
    assert copy.deepcopy(classify).model.roberta.encoder is classify.model.roberta.encoder


def test_what_does_not_pickle_says_so(tweet_sentiment_small):
    classify = roberta_c.pipeline("text-classification", tweet_sentiment_small, num_threads=1)
    model, tokenizer = classify.model, classify.tokenizer
    for part in (model.classifier, model.roberta.embeddings, model.roberta.encoder.layer[0]):
        with pytest.raises(InputError, match="found pickling a part of a model, expected pickling the model"):
            pickle.dumps(part)
    for held in (tokenizer, classify, tokenizer("a")):
        for protocol in (0, 1):
            with pytest.raises(InputError, match=f"protocol: found pickle's {protocol}, expected 2"):
                pickle.dumps(held, protocol)
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(held, protocol))


def test_a_spawned_process_gets_the_pipeline(tweet_sentiment_small):
    script = f"""
import multiprocessing, roberta_c
if __name__ == "__main__":
    classify = roberta_c.pipeline("text-classification", {str(tweet_sentiment_small)!r}, num_threads=1)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(classify, ["I love it"] * 3) == [classify("I love it")] * 3)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_models_and_tokenizers_are_made_from_files_alone():
    for call, message in (
        (
            lambda: roberta_c.RobertaModel(roberta_c.RobertaConfig()),
            r"RobertaModel\(…\): found",
        ),
        (
            lambda: roberta_c.AutoModel.from_config(roberta_c.RobertaConfig()),
            r"AutoModel\.from_config: found",
        ),
        (
            lambda: roberta_c.RobertaTokenizer("vocab.json", "merges.txt"),
            r"^RobertaTokenizerFast\(.vocab.json., .merges.txt.\): found a call",
        ),
        (
            lambda: roberta_c.RobertaTokenizer(vocab_file="v", merges_file="m"),
            "expected RobertaTokenizer",
        ),
    ):
        with pytest.raises(InputError, match=message):
            call()


# ---- names that are not there ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "GPT2Model",
        "DataCollatorWithPadding",
        "RobertaForCausalLM",
        "CamembertForMaskedLM",
        "BertTokenizer",
        "Trainer",
    ],
)
def test_a_class_of_transformers_that_is_not_here(name):
    assert hasattr(transformers, name)
    with pytest.raises(
        ImportError, match=f"^roberta_c: found no {name}, expected Roberta…, .*ForMaskedLM"
    ) as caught:
        exec(f"from roberta_c import {name}", {})
    assert "\n" not in str(caught.value)
    with pytest.raises(AttributeError, match="has no attribute 'anything_else'"):
        getattr(roberta_c, "anything_else")  # noqa: B009 - the attribute is missing
