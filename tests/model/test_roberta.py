"""Loading and calling models: accepted arguments, and the one-line error of every bad one."""

from __future__ import annotations

import json
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import roberta_c
from roberta_c import AutoModelForSequenceClassification, RobertaForSequenceClassification, RobertaModel
from roberta_c.errors import InputError, ModelFileError, RobertaCError, UnsafeFileError


@pytest.fixture(scope="module")
def model(tweet_sentiment_small):
    return RobertaForSequenceClassification.from_pretrained(tweet_sentiment_small, num_threads=2)


@pytest.fixture
def copied(tweet_sentiment_small, tmp_path):
    """A copy of the trained checkpoint, which a test may damage."""
    folder = tmp_path / "model"
    shutil.copytree(tweet_sentiment_small, folder, copy_function=shutil.copyfile)
    return folder


def one_line(caught) -> str:
    message = str(caught.value)
    assert "\n" not in message
    assert isinstance(caught.value, RobertaCError)
    return message


IDS = [[0, 100, 657, 2], [0, 713, 2]]


# ---- what is accepted ------------------------------------------------------------------------------------


def test_outputs_by_name_key_and_place(model):
    output = model(IDS, output_hidden_states=True)
    assert output[np.int64(0)] is output.logits
    assert "logits" in output
    assert not any(key in output for key in (0, None, "other", []))
    assert output.logits is output["logits"] is output[0] is output.to_tuple()[0]
    assert list(output) == ["logits", "hidden_states"]
    assert "hidden_states" in output
    assert "attentions" not in output
    logits, states = model(IDS, output_hidden_states=True, return_dict=False)
    assert np.array_equal(logits, output.logits)
    assert len(states) == model.config.num_hidden_layers + 1
    assert output.logits.dtype == np.float32
    with pytest.raises(KeyError):
        output["attentions"]
    assert list(model(IDS)) == ["logits"]


def test_arrays_give_arrays_and_lists_give_lists(tweet_sentiment_small):
    base = RobertaModel.from_pretrained(tweet_sentiment_small)
    array = base(np.array([IDS[0]])).last_hidden_state
    hidden = base.config.hidden_size
    assert array.shape == (1, 4, hidden)
    ragged = base(IDS).last_hidden_state
    assert [state.shape for state in ragged] == [(4, hidden), (3, hidden)]
    assert np.array_equal(array[0], ragged[0])


def test_encodings_go_straight_in(model, tweet_sentiment_small):
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(tweet_sentiment_small)
    texts = ["good", "a much longer and quite bad text"]
    ragged = model(**tokenizer(texts)).logits
    as_lists = model(**tokenizer(texts, padding=True)).logits
    as_arrays = model(**tokenizer(texts, padding=True, return_tensors="np")).logits
    assert np.array_equal(ragged, as_lists)
    assert np.array_equal(ragged, as_arrays)


def test_methods_kept_for_code_written_for_transformers(model):
    assert model.eval() is model
    assert model.to("cpu") is model
    assert model.to(torch.device("cpu")) is model
    with pytest.raises(InputError, match="device: found 'cuda', expected 'cpu'"):
        model.to("cuda")


def test_empty_batch(model):
    assert model([]).logits.shape == (0, 3)
    assert model(np.empty((0, 5), dtype=np.int64)).logits.shape == (0, 3)


def test_parts_can_be_called_alone(model):
    """The parts of a layer, called one after the other, give the layer's output, and the layers the
    model's."""
    ids = np.array([IDS[0]])
    states = model(ids, output_hidden_states=True).hidden_states
    hidden = model.roberta.embeddings(ids)
    assert np.array_equal(hidden, states[0])
    for index, layer in enumerate(model.roberta.encoder.layer):
        attended = layer.attention(hidden)
        separate = layer.attention.output(layer.attention.self(hidden), hidden)
        assert np.array_equal(attended, separate)
        by_parts = layer.output(layer.intermediate(attended), attended)
        assert np.array_equal(by_parts, states[index + 1])
        hidden = layer(hidden)
        assert np.array_equal(hidden, states[index + 1])
    assert np.array_equal(model.roberta.encoder(states[0]), states[-1])
    assert np.array_equal(model.classifier(hidden), model(ids).logits)
    query = model.roberta.encoder.layer[0].attention.self.query
    size = model.config.hidden_size
    assert query(states[0]).shape == (1, 4, size)
    assert repr(query) == f"Linear(in_features={size}, out_features={size}, bias=True)"


def test_many_threads_share_one_model(model):
    expected = model(IDS).logits
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: model(IDS).logits, range(64)):
            assert np.array_equal(found, expected)


def test_config_overrides_and_given_config(tweet_sentiment_small):
    load = RobertaForSequenceClassification.from_pretrained
    assert "hidden_states" in load(tweet_sentiment_small, output_hidden_states=True)(IDS)
    config = roberta_c.AutoConfig.from_pretrained(tweet_sentiment_small)
    assert load(tweet_sentiment_small, config=config).config is config


def test_a_model_does_not_change_when_its_output_does(model):
    first = model(IDS)
    first.logits[:] = 0
    assert model(IDS).logits.any()


# ---- bad calls -------------------------------------------------------------------------------------------

BAD_CALLS = {
    "no ids": ({}, "input_ids: found None"),
    "text": ({"input_ids": "good"}, "input_ids: found str, expected a numpy array or a list of lists"),
    "flat list": ({"input_ids": [0, 5, 2]}, r"input_ids\[0\]: found int, expected a list of ids"),
    "one dimension": ({"input_ids": np.array([0, 5, 2])}, r"input_ids: found shape \(3,\)"),
    "floats": ({"input_ids": np.ones((1, 2))}, "input_ids: found dtype float64, expected integers"),
    "mask of another shape": (
        {"input_ids": np.zeros((2, 3), int), "attention_mask": np.ones((2, 4), int)},
        "attention_mask: found 4 values in row 0, expected 3",
    ),
    "mask of fewer rows": (
        {"input_ids": IDS, "attention_mask": [[1, 1, 1, 1]]},
        "attention_mask: found 1 rows, expected 2",
    ),
    "mask of other values": (
        {"input_ids": np.zeros((1, 2), int), "attention_mask": np.array([[1, 2]])},
        "attention_mask: found 2, expected 0 and 1",
    ),
    "row without tokens": ({"input_ids": [[0, 2], []]}, "found no tokens in row 1"),
    "row all masked": (
        {"input_ids": np.zeros((1, 2), int), "attention_mask": np.zeros((1, 2), int)},
        "found no tokens in row 0",
    ),
    "too long": ({"input_ids": [[0, 2], [5] * 600]}, "found 600 tokens in row 1, expected at most 512"),
    "token type 1": (
        {"input_ids": [[0, 2]], "token_type_ids": [[0, 1]]},
        r"token_type_ids: found 1, expected 0 to 0 \(type_vocab_size 1\)",
    ),
    "position beyond the table": (
        {"input_ids": [[0, 2]], "position_ids": [[2, 514]]},
        "position_ids: found 514, expected 0 to 513",
    ),
    "embeddings": ({"input_ids": IDS, "inputs_embeds": np.zeros(3)}, "inputs_embeds: .*expected input_ids"),
    "attentions": ({"input_ids": IDS, "output_attentions": 1}, "output_attentions: found 1, expected True"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls(case, model):
    arguments, message = BAD_CALLS[case]
    with pytest.raises(InputError, match=message) as caught:
        model(**arguments)
    one_line(caught)


def test_ids_outside_the_vocabulary(model):
    size = model.config.vocab_size
    for bad in (size, -1):
        with pytest.raises(InputError, match=f"input_ids: found {bad}, expected 0 to {size - 1}") as caught:
            model([[0, bad]])
        one_line(caught)


# ---- bad files -------------------------------------------------------------------------------------------


def test_bad_options(tweet_sentiment_small):
    load = AutoModelForSequenceClassification.from_pretrained
    for options, message in [
        ({"dtype": "float8"}, "dtype: found 'float8', expected one of float32"),
        ({"isa": "avx1024"}, "isa: found 'avx1024', expected one of .*not an instruction set"),
        ({"num_threads": 0}, "num_threads: found 0"),
        ({"num_threads": "two"}, "num_threads: found 'two'"),
        ({"torch_dtypo": 1}, "torch_dtypo: found an unknown option"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            load(tweet_sentiment_small, **options)
        one_line(caught)


def test_isa_from_the_environment(tweet_sentiment_small, monkeypatch):
    monkeypatch.setenv("ROBERTA_C_ISA", "generic")
    assert RobertaModel.from_pretrained(tweet_sentiment_small).kernels.isa == "generic"
    monkeypatch.setenv("ROBERTA_C_ISA", "sse9")
    with pytest.raises(InputError, match="ROBERTA_C_ISA: found 'sse9'"):
        RobertaModel.from_pretrained(tweet_sentiment_small)


def test_missing_folder_and_empty_folder(tmp_path):
    with pytest.raises(RobertaCError, match="nowhere"):
        RobertaModel.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match=r"config\.json"):
        RobertaModel.from_pretrained(tmp_path)


def test_no_weights(copied):
    (copied / "pytorch_model.bin").unlink()
    with pytest.raises(ModelFileError, match=r"expected one of model\.safetensors") as caught:
        RobertaModel.from_pretrained(copied)
    one_line(caught)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 65195947\n", "LFS"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "HTML"),
        (b"", "empty"),
    ],
)
def test_not_weights(copied, content, message):
    (copied / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"pytorch_model\.bin.*{message}") as caught:
        RobertaModel.from_pretrained(copied)
    one_line(caught)


def test_pickle_that_wants_to_run_code(copied, tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    with open(copied / "pytorch_model.bin", "wb") as file:
        torch.save({"roberta.embeddings.word_embeddings.weight": Evil()}, file, pickle_module=pickle)
    with pytest.raises(UnsafeFileError, match="print") as caught:
        RobertaModel.from_pretrained(copied)
    one_line(caught)


def damage(folder, change) -> None:
    file = folder / "pytorch_model.bin"
    state = torch.load(file, weights_only=True)
    change(state)
    torch.save(state, file)


def test_wrong_shape_missing_and_foreign_tensors(copied):
    name = "roberta.encoder.layer.2.output.dense.weight"
    original = (copied / "pytorch_model.bin").read_bytes()
    hidden, up = torch.load(copied / "pytorch_model.bin", weights_only=True)[name].shape

    def loading_fails_with(message):
        with pytest.raises(ModelFileError, match=message) as caught:
            RobertaForSequenceClassification.from_pretrained(copied)
        assert "pytorch_model.bin" in one_line(caught)
        (copied / "pytorch_model.bin").write_bytes(original)

    damage(copied, lambda state: state.update({name: torch.zeros(256, 1000)}))
    loading_fails_with(rf"{name}: found shape \(256, 1000\), expected \({hidden}, {up}\)")
    damage(copied, lambda state: state.pop(name))
    loading_fails_with(r"encoder: tensors not found: encoder\.layer\.2\.output\.dense\.weight")
    damage(copied, lambda state: state.update({name: state[name].long()}))
    loading_fails_with(rf"{name}: found dtype int64, expected one of float32")
    damage(copied, lambda state: [state.pop(key) for key in list(state) if key.startswith("classifier")])
    loading_fails_with("sequence classification head: tensors not found: .*heads found in the file: none")
    damage(copied, lambda state: state.update({name.removeprefix("roberta."): state[name]}))
    loading_fails_with("found both")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "bert"}, r"config\.json.*model_type.*'bert'"),
        ({"hidden_act": "swish"}, r"config\.json.*hidden_act"),
        ({"num_attention_heads": 5}, r"config\.json.*num_attention_heads|hidden_size"),
        ({"vocab_size": "many"}, r"config\.json.*vocab_size"),
        ({"position_embedding_type": "relative_key"}, r"config\.json.*position_embedding_type"),
        (
            {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}},
            r"out_proj.*, expected \(2, \d+\)",
        ),
        ({"vocab_size": 50000}, r"found shape \(\d+, (\d+)\), expected \(50000, \1\)"),
    ],
)
def test_bad_config(copied, change, message):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelFileError, match=message) as caught:
        AutoModelForSequenceClassification.from_pretrained(copied)
    one_line(caught)


def test_class_of_the_other_family(copied):
    """An XLM class loads a RoBERTa file, since the computation is the same; it prints its own names."""
    model = roberta_c.XLMRobertaForSequenceClassification.from_pretrained(copied)
    assert repr(model).startswith("XLMRobertaForSequenceClassification(\n  (roberta): XLMRobertaModel(")
