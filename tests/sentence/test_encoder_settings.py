"""sentence_bert_config.json of both kinds of model, and the keywords of Transformer and Dense."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import sentence_transformers
import torch
from samples.embeddings import assert_near
from samples.rerankers import make_cross_encoder
from samples.tokenizers import assert_one_line

from roberta_c import CrossEncoder
from roberta_c.errors import HubError, InputError, ModelFileError
from roberta_c.sentence import Dense, Pooling, SentenceTransformer, Transformer

TOLERANCE = 2e-5
PAIRS = [("So GOOD a Day", "what a BAD day " * 9), ("HELLO", "hello"), ("one two three " * 9, "FOUR")]


@pytest.fixture(scope="module")
def reranker(tweet_sentiment_small, tmp_path_factory):
    """A folder that CrossEncoder of sentence-transformers 6 saved."""
    root = tmp_path_factory.mktemp("reranker")
    make_cross_encoder(root / "plain", tweet_sentiment_small)
    theirs = sentence_transformers.CrossEncoder(str(root / "plain"), activation_fn=torch.nn.Identity())
    theirs.save_pretrained(str(root / "saved"))
    return root / "saved"


@pytest.fixture
def with_settings(reranker, tmp_path):
    """`with_settings(max_seq_length=…)`: the folder with these in its sentence_bert_config.json."""

    def make(tokenizer_length=None, **settings):
        folder = shutil.copytree(reranker, tmp_path / "model", dirs_exist_ok=True)
        names = {"sentence_bert_config.json": settings}
        if tokenizer_length is not None:
            names["tokenizer_config.json"] = {"model_max_length": tokenizer_length}
        for name, changes in names.items():
            values = json.loads((folder / name).read_text("utf-8"))
            (folder / name).write_text(json.dumps({**values, **changes}), "utf-8")
        return folder

    return make


def assert_same_scores(folder, **options):
    ours = CrossEncoder(folder, **options)
    theirs = sentence_transformers.CrossEncoder(str(folder), device="cpu", **options)
    assert ours.max_length == min(theirs.max_seq_length, 512)
    scores = ours.predict(PAIRS)
    assert np.abs(scores - theirs.predict(PAIRS)).max() < TOLERANCE
    return ours, scores


@pytest.mark.parametrize(("in_file", "of_tokenizer"), [(16, 30), (30, 16)])
def test_the_files_length_replaces_the_tokenizers_and_a_callers_replaces_both(
    in_file, of_tokenizer, with_settings
):
    folder = with_settings(of_tokenizer, max_seq_length=in_file)
    ours, first = assert_same_scores(folder)
    assert ours.max_length == in_file
    ours, second = assert_same_scores(folder, processor_kwargs={"model_max_length": 20})
    assert ours.max_length == 20
    assert np.abs(first - second).min() == 0 < np.abs(first - second).max()
    assert assert_same_scores(folder, max_length=12)[0].max_length == 12


def test_a_cross_encoder_that_lower_cases(with_settings):
    _, scores = assert_same_scores(with_settings())
    _, lowered = assert_same_scores(with_settings(do_lower_case=True))
    assert np.abs(scores - lowered).min() > 100 * TOLERANCE


def test_keywords_for_the_parts_of_a_cross_encoder(with_settings):
    """The file's arithmetic is passed over; a caller's keywords come first."""
    folder = with_settings(
        model_args={"torch_dtype": "float32", "revision": "v3"}, tokenizer_args={"model_max_length": 14}
    )
    ours, _ = assert_same_scores(folder)
    assert (ours.max_length, ours.dtype) == (14, "float32")
    assert assert_same_scores(folder, processor_kwargs={"model_max_length": 18})[0].max_length == 18


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"surprise": 1}, "sentence_bert_config.json: surprise: found 1, expected no such setting"),
        ({"transformer_task": "fill-mask"}, "found 'fill-mask', expected 'sequence-classification'"),
        ({"module_output_name": "token_embeddings"}, "found 'token_embeddings', expected 'scores'"),
        ({"query_length": 3}, "query_length: found 3, expected None"),
        ({"do_lower_case": 3}, "do_lower_case: found 3, expected True or False"),
        ({"max_seq_length": 0}, "max_seq_length: found 0, expected an integer of at least 1"),
        ({"model_args": 3}, "model_args: found 3, expected an object"),
        ({"max_seq_length": 3}, "bert_config.json: max_seq_length: found 3, expected at least 4, the speci"),
        ({"tokenizer_args": {"model_max_length": 3}}, "bert_config.json: model_max_length: found 3"),
        ({"tokenizer_args": {"model_max_length": "x"}}, "bert_config.json: model_max_length: found 'x'"),
        ({"processor_kwargs": {"truncation_side": "up"}}, "bert_config.json: truncation_side: found 'up'"),
        ({"processor_kwargs": {"evil": 1}}, "bert_config.json: tokenizer options: found 'evil'"),
        ({"model_args": {"evil": 1}}, "bert_config.json: evil: found an unknown option"),
        ({"config_args": {"vocab_size": 10**12}}, "bert_config.json: vocab_size: found 1000000000000"),
        ({"config_args": {"id2label": 3}}, "bert_config.json: id2label: found 3, expected a map"),
        ({"config_args": {"num_labels": 5}}, "out_proj.weight: found shape (1, 48), expected (5, 48)"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_settings_of_a_cross_encoder_that_would_change_its_scores(settings, message, with_settings):
    with pytest.raises(ModelFileError) as caught:
        CrossEncoder(with_settings(**settings))
    assert_one_line(caught.value, message)


def test_errors_about_a_callers_keywords_name_no_file(with_settings):
    folder = with_settings(
        tokenizer_args={"model_max_length": 14, "truncation_side": "up"}, model_args={"num_threads": 0}
    )
    ours = CrossEncoder(folder, processor_kwargs={"truncation_side": "left"}, num_threads=1)
    assert (ours.max_length, ours.tokenizer.truncation_side, ours.model.num_threads) == (14, "left", 1)
    for given, message in (
        ({"truncation_side": "down"}, "truncation_side: found 'down'"),
        (
            {"truncation_side": "left", "evil": 1},
            "tokenizer options: found 'evil', expected one of model_max",
        ),
    ):
        with pytest.raises(InputError) as caught:
            CrossEncoder(folder, processor_kwargs=given)
        assert str(caught.value).startswith(message)


def test_a_callers_word_that_is_also_a_setting_of_the_file_is_the_callers(with_settings):
    """The file's settings fit by themselves."""
    folder = with_settings(max_seq_length=16, config_args={"num_labels": 1})
    with pytest.raises(InputError) as caught:
        CrossEncoder(folder, processor_kwargs={"max_seq_length": 3})
    assert str(caught.value).startswith("tokenizer options: found 'max_seq_length'")
    with pytest.raises(InputError) as caught:
        CrossEncoder(folder, config_kwargs={"vocab_size": "num_labels"})
    assert str(caught.value).startswith("vocab_size: found 'num_labels'")


@pytest.mark.parametrize("name", ["a", ["a"], {}])
def test_a_default_prompt_that_is_no_name_of_a_prompt(name, with_settings):
    folder = with_settings()
    settings = {"model_type": "CrossEncoder", "prompts": {"b": "B"}, "default_prompt_name": name}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings), "utf-8")
    with pytest.raises(ModelFileError) as caught:
        CrossEncoder(folder)
    assert_one_line(caught.value, f"default_prompt_name: found {name!r}, expected one of b")


@pytest.mark.parametrize("type_name", ["my_code.Transformer", "sentence_transformers.models.Dense"])
def test_a_cross_encoder_is_one_transformer_of_sentence_transformers(type_name, with_settings):
    folder = with_settings()
    listed = [{"idx": 0, "name": "0", "path": "", "type": type_name}]
    (folder / "modules.json").write_text(json.dumps(listed), "utf-8")
    with pytest.raises(ModelFileError) as caught:
        CrossEncoder(folder)
    assert_one_line(caught.value, f"found '{type_name}', expected one sentence_transformers Transformer")


def test_without_modules_json_other_settings_are_not_read(with_settings):
    """As in sentence-transformers."""
    folder = with_settings(max_seq_length=7)
    (folder / "modules.json").unlink()
    ours, _ = assert_same_scores(folder)
    assert ours.max_length == 512
    assert repr(ours.activation_fn) == "Sigmoid()"


# Transformer and Dense


def test_older_forms_of_transformer(encoder_folder, sentences):
    texts = sentences[:5]
    expected = Transformer(encoder_folder, 32, processor_kwargs={"model_max_length": 16}, dtype="bfloat16")
    model_args = {"torch_dtype": "bfloat16", "attn_implementation": "eager"}
    by_keyword = Transformer(
        encoder_folder,
        max_seq_length=32,
        model_args=model_args,
        tokenizer_args={"model_max_length": 16},
        config_args={"use_fast": True},
        cache_dir="cache",
        do_lower_case=False,
        backend="torch",
        transformer_task="feature-extraction",
        tokenizer_name_or_path=None,
    )
    by_position = Transformer(encoder_folder, 16, model_args)
    for one in (expected, by_keyword, by_position):
        assert (one.max_seq_length, one.auto_model.dtype) == (16, "bfloat16")
    vectors = [
        SentenceTransformer(modules=[one, Pooling(48)]).encode(texts)
        for one in (expected, by_keyword, by_position)
    ]
    np.testing.assert_array_equal(vectors[1], vectors[0])
    np.testing.assert_array_equal(vectors[2], vectors[0])


def test_cache_dir_is_the_folder_of_the_cache(tmp_path):
    for options in ({"cache_dir": tmp_path / "a"}, {"model_args": {"cache_dir": tmp_path / "a"}}):
        with pytest.raises(HubError) as caught:
            Transformer("org/name", config_args={"local_files_only": True}, **options)
        assert_one_line(caught.value, f"no configuration in the cache ({tmp_path / 'a'})")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_args": {}, "model_kwargs": {}}, "model_args: found model_kwargs too, its newer name"),
        ({"surprise": 1}, "surprise: found 1, expected no such setting"),
        ({"transformer_task": "fill-mask"}, "found 'fill-mask', expected 'feature-extraction'"),
        ({"backend": "onnx"}, "backend: found 'onnx', expected 'torch'"),
        ({"model_kwargs": {"config": 1}}, "model_kwargs: found the keyword 'config', expected config_kwargs"),
        ({"processor_kwargs": {"facts": 1}}, "processor_kwargs: found the keyword 'facts', expected the f"),
        (
            {"model_kwargs": {"revision": "a"}, "processor_kwargs": {"revision": "b"}},
            "processor_kwargs: revision: found another one than for other files, expected one value for all",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_keywords_of_transformer_that_are_refused(options, message, encoder_folder):
    with pytest.raises(InputError) as caught:
        Transformer(encoder_folder, **options)
    assert_one_line(caught.value, message)


@pytest.mark.parametrize(
    "function",
    [torch.nn.Tanh(), torch.nn.GELU(), torch.nn.LeakyReLU(), None],
    ids=lambda one: type(one).__name__,
)
def test_a_dense_with_torchs_activation(function):
    torch.manual_seed(0)
    theirs = sentence_transformers.sentence_transformer.modules.Dense(8, 5, activation_function=function)
    weight, bias = (parameter.detach().numpy() for parameter in theirs.linear.parameters())
    ours = Dense(8, 5, activation_function=function, init_weight=weight, init_bias=bias)
    x_nd = torch.randn(7, 8)
    with torch.no_grad():
        expected = theirs({"sentence_embedding": x_nd})["sentence_embedding"].numpy()
    assert_near(ours.rows(x_nd.numpy()), expected)
    assert ours.get_config_dict() == {
        key: value for key, value in theirs.get_config_dict().items() if not key.startswith("module_")
    }


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (torch.nn.GELU("tanh"), "found GELU(approximate='tanh'), expected GELU with default arguments"),
        (torch.nn.LeakyReLU(0.2), "found LeakyReLU(negative_slope=0.2), expected LeakyReLU with default"),
        (torch.nn.PReLU(), "found PReLU(num_parameters=1), expected torch.nn's Identity"),
        (torch.tanh, "expected torch.nn's Identity"),
        (3, "found 3, expected torch.nn's Identity"),
    ],
    ids=["GELU", "LeakyReLU", "PReLU", "function", "number"],
)
def test_activations_of_dense_that_are_refused(function, message):
    with pytest.raises(InputError) as caught:
        Dense(2, 2, activation_function=function, init_weight=np.eye(2), init_bias=np.zeros(2))
    assert_one_line(caught.value, message)
