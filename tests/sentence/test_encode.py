"""Calls of SentenceTransformer: forms of input, the same bits in any company, streams, copies, settings."""

from __future__ import annotations

import copy
import inspect
import itertools
import logging
import pickle
import tracemalloc

import numpy as np
import pandas
import pytest
from samples.tokenizers import assert_one_line
from sentence_transformers import SentenceTransformer as Original

from roberta_c import SentenceTransformer
from roberta_c.errors import HubError, InputError, ModelFileError
from roberta_c.model import RobertaModel
from roberta_c.sentence import Dense, Normalize, Pooling, Transformer

PROMPTS = (("query", "query: "), ("passage", "passage: "))


@pytest.fixture(scope="module")
def folder(saved_model):
    return saved_model("mean", "cls", then=("dense", "normalize"), prompts=PROMPTS)[0]


@pytest.fixture
def model(folder):
    return SentenceTransformer(folder, num_threads=1)


@pytest.mark.parametrize("modes", [("mean",), ("cls", "lasttoken"), ("max", "weightedmean")], ids="+".join)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_the_same_bits_in_any_company(modes, dtype, saved_model, sentences):
    folder, _ = saved_model(*modes, then=("dense", "normalize"), activation="Sigmoid", prompts=PROMPTS)
    one, two = (SentenceTransformer(folder, dtype=dtype, num_threads=threads) for threads in (1, 2))
    assert one.dtype == dtype
    texts = sentences[-40:]
    options = {"prompt_name": "query", "normalize_embeddings": True, "truncate_dim": 33}
    expected = one.encode(texts, **options)
    for model, batch_size in ((one, 1), (one, 7), (two, 32), (two, 3)):
        found = model.encode(texts, batch_size=batch_size, **options)
        assert found.tobytes() == expected.tobytes()
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = one.encode([texts[index] for index in order], **options)
    assert shuffled.tobytes() == expected[order].tobytes()
    for text, vector in zip(texts[:12], expected, strict=False):
        assert two.encode(text, **options).tobytes() == vector.tobytes()
    features = one.encode(texts, output_value=None, prompt_name="query")
    plain = one.encode(texts, prompt_name="query")
    for feature, vector in zip(features, plain, strict=True):
        assert feature["sentence_embedding"].tobytes() == vector.tobytes()


def test_one_text_several_and_none(model):
    assert model.encode("so good").shape == (40,)
    assert model.encode(["so good"]).shape == (1, 40)
    assert model.encode(("so good", "so bad")).shape == (2, 40)
    assert model.encode([]).shape == (0, 40)
    assert model.encode([]).dtype == np.float32
    assert model.encode([], truncate_dim=9).shape == (0, 9)
    assert model.encode([], precision="int8").dtype == np.int8
    assert model.encode([], precision="ubinary").shape == (0, 5)
    assert model.encode([], output_value="token_embeddings") == []
    assert model.encode([], convert_to_numpy=False) == []


@pytest.mark.parametrize("options", [{}, {"truncate_dim": 48}, {"output_value": "token_embeddings"}], ids=str)
def test_a_list_holds_each_vector_once(options, saved_model):
    """Beside the result, there are the vectors and rows of some batches, and the texts by their places."""
    model = SentenceTransformer(saved_model("cls", "max", "mean", "weightedmean")[0], num_threads=1)
    texts = [f"text {index}" for index in range(4000)]
    model.encode(texts[:100], **options)
    tracemalloc.start()
    result = model.encode(texts, **options)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = sum(rows.nbytes for rows in result) if isinstance(result, list) else result.nbytes
    assert len(result) == 4000
    # The token ids, vectors and rows of 16 batches of 32 texts: 1 MB. A dict of 4000 texts: 0.3 MB.
    assert peak < size + 3e6
    assert held < size + 1.5e6
    del result


def test_positional_arguments_are_the_originals():
    for name in ("encode", "encode_query", "encode_document"):
        theirs = list(inspect.signature(getattr(Original, name)).parameters.values())[:-1]
        ours = [
            one
            for one in list(inspect.signature(SentenceTransformer.encode).parameters.values())[:-1]
            if one.name not in ("long_text", "stride", "return_lengths")
        ]
        assert [one.name for one in ours] == [one.name for one in theirs]
        for one, other in zip(ours[2:], theirs[2:], strict=True):
            assert one.default == other.default
            assert one.kind == other.kind


def test_roles_take_the_arguments_of_encode(model):
    options = (32, False, "sentence_embedding", "float32", True, False, None, True, 9)
    for role, prompt in ((model.encode_query, "query: "), (model.encode_document, "")):
        found = role(["so good"], None, None, *options)
        np.testing.assert_array_equal(found, model.encode(["so good"], None, prompt, *options))
        assert found.shape == (1, 9)
        np.testing.assert_array_equal(role(sentences=["so good"], truncate_dim=9).shape, (1, 9))


def test_what_holds_several_texts(model):
    expected = model.encode(["so good", "so bad"])
    for texts in (np.array(["so good", "so bad"]), pandas.Series(["so good", "so bad"])):
        np.testing.assert_array_equal(model.encode(texts), expected)
    np.testing.assert_array_equal(model.encode(sentences=["so good", "so bad"]), expected)
    vectors = model.encode(["so good", "so bad"], convert_to_numpy=False)
    assert isinstance(vectors, list)
    np.testing.assert_array_equal(vectors, expected)


def test_results_belong_to_the_caller(model):
    for options in ({}, {"output_value": "token_embeddings"}, {"convert_to_numpy": False}):
        first, second = model.encode(["so good", "so good"], **options)
        first[:] = 0
        assert np.abs(second).sum() > 0


def test_an_iterator_is_read_some_batches_at_a_time(model, sentences):
    read = 0

    def endless():
        nonlocal read
        for text in itertools.cycle(sentences):
            read += 1
            yield text

    vectors = model.encode(endless(), batch_size=4)
    assert read == 0
    first = list(itertools.islice(vectors, 100))
    assert read <= 200
    np.testing.assert_array_equal(first, model.encode(sentences[:100]))
    bits = list(model.encode(iter(sentences[:9]), precision="binary"))
    np.testing.assert_array_equal(bits, model.encode(sentences[:9], precision="binary"))
    tokens = list(model.encode(iter(sentences[:9]), output_value="token_embeddings"))
    for one, other in zip(tokens, model.encode(sentences[:9], output_value="token_embeddings"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_equal_texts_are_computed_once_and_only_rows_that_are_read(saved_model, monkeypatch):
    """ "cls" and "lasttoken" ask the encoder for one row of a text; others are computed in its pass."""
    asked = []
    encode, pooled = RobertaModel.encode, RobertaModel.pooled

    def counting_rows(self, batch, with_states=False, rows_wanted_r=None):
        asked.append(len(rows_wanted_r))
        return encode(self, batch, with_states, rows_wanted_r)

    def counting_texts(self, batch, modes, skipped=0):
        asked.append((len(batch), modes))
        return pooled(self, batch, modes, skipped)

    monkeypatch.setattr(RobertaModel, "encode", counting_rows)
    monkeypatch.setattr(RobertaModel, "pooled", counting_texts)
    texts = ["so good", "so bad", "so good"] * 100
    for modes, rows in ((("cls",), [2]), (("lasttoken",), [2]), (("mean", "cls"), [])):
        SentenceTransformer(saved_model(*modes)[0]).encode(texts)
        assert asked == [(2, modes), *rows]
        asked.clear()


def test_texts_that_are_cut_are_counted_once(model, caplog):
    with caplog.at_level(logging.WARNING):
        model.encode(["a " * 300, "b", "a " * 300, "c " * 200])
    assert [record.getMessage() for record in caplog.records] == [
        '3 of 4 texts truncated: longer than 128 tokens; long_text="windows" reads all of them'
    ]


def test_max_seq_length(model, encoder_folder):
    assert model.max_seq_length == model.get_max_seq_length() == 128
    model.max_seq_length = 5
    assert [len(rows) for rows in model.encode(["a " * 9, "a"], output_value="token_embeddings")] == [5, 3]
    assert model.tokenize(["a " * 9])["input_ids"].shape == (1, 5)
    model.max_seq_length = None
    assert model.max_seq_length == model[0].max_seq_length == 512
    for value in (0, 1, 513, "8", True):  # <s> and </s> are 2 tokens
        with pytest.raises(InputError, match="max_seq_length: found"):
            model.max_seq_length = value
    assert SentenceTransformer(encoder_folder).max_seq_length == 512


def test_which_prompt(folder):
    model = SentenceTransformer(folder, prompts={"topic": "About: ", "query": "Q: "})
    assert model.prompts == {"query": "Q: ", "document": "", "topic": "About: ", "passage": "passage: "}

    def same(found, text):
        np.testing.assert_array_equal(found, model.encode(text, prompt=""))

    same(model.encode("x"), "x")
    same(model.encode("x", prompt_name="topic"), "About: x")
    same(model.encode("x", prompt="P: "), "P: x")
    same(model.encode_query("x"), "Q: x")
    same(model.encode_query("x", prompt_name="passage"), "passage: x")
    same(model.encode_document("x"), "x")  # "document" is there, and empty
    del model.prompts["document"]
    same(model.encode_document("x"), "passage: x")
    model.default_prompt_name = "topic"
    same(model.encode("x"), "About: x")
    same(model.encode_query("x"), "Q: x")
    same(model.encode(["x", "y"])[1], "About: y")


def test_prompts_are_checked_where_they_are_assigned_and_used(folder):
    model = SentenceTransformer(folder)
    for value, message in ((3, "prompts: found 3"), ({"q": 3}, "prompts: found {'q': 3}, expected a dict")):
        with pytest.raises(InputError) as caught:
            model.prompts = value
        assert_one_line(caught.value, message)
    model.prompts = {"q": "Q: "}
    np.testing.assert_array_equal(model.encode("x", prompt_name="q"), model.encode("Q: x"))
    model.prompts["q"] = 3
    with pytest.raises(InputError) as caught:
        model.encode("x", prompt_name="q")
    assert_one_line(caught.value, "prompts['q']: found int 3, expected str")


def test_outputs_that_are_not_numbers_are_errors(model):
    large = Dense(48, 48, False, None, init_weight=1e30 * np.eye(48))
    damaged = SentenceTransformer(modules=[model[0], Pooling(48), large, large])
    for call in (
        lambda: damaged.encode("a"),
        lambda: damaged.encode("a", output_value=None),
        lambda: damaged(damaged.preprocess(["a"])),
    ):
        with pytest.raises(ModelFileError) as caught:
            call()
        assert_one_line(caught.value, "found outputs that are NaN or infinite")
    assert np.isfinite(damaged.encode("a", output_value="token_embeddings")).all()


def test_a_prompt_beside_its_name(model, caplog):
    with caplog.at_level(logging.WARNING):
        found = model.encode("x", prompt="P: ", prompt_name="query")
    np.testing.assert_array_equal(found, model.encode("P: x"))
    assert caplog.records[0].getMessage() == "prompt_name: found 'query' beside prompt, which is used"


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("all-distilroberta-v1", "sentence-transformers/all-distilroberta-v1"),
        ("roberta-base-nli-mean-tokens", "sentence-transformers/roberta-base-nli-mean-tokens"),
        ("roberta-base", "roberta-base"),
        ("org/all-distilroberta-v1", "org/all-distilroberta-v1"),
    ],
)
def test_names_without_an_organization(name, repository, tmp_path):
    with pytest.raises(HubError, match=f"^{repository}: no such folder"):
        SentenceTransformer(name, local_files_only=True, cache_folder=tmp_path)


def test_what_is_no_model(tmp_path):
    with pytest.raises(InputError, match=r"^model_name_or_path: found 5, expected a folder or a Hub"):
        SentenceTransformer(5)
    with pytest.raises(
        HubError, match=r"^sentence-transformers/nowhere: no such.*; no folder 'nowhere' exists$"
    ):
        SentenceTransformer("nowhere", local_files_only=True, cache_folder=tmp_path)


def test_the_cache_is_that_of_sentence_transformers(monkeypatch, tmp_path):
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "its own"))
    with pytest.raises(HubError, match=r"in the cache \(.*its own.*\)"):
        SentenceTransformer("nowhere", local_files_only=True)
    with pytest.raises(HubError, match=r"in the cache \(.*another.*\)"):
        SentenceTransformer("nowhere", local_files_only=True, cache_folder=tmp_path / "another")


def test_copies(model, sentences):
    texts = sentences[:9]
    expected = model.encode(texts)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        np.testing.assert_array_equal(other.encode(texts), expected)
        assert other.prompts == model.prompts
    deep = copy.deepcopy(model)
    deep.max_seq_length, deep.prompts["query"], deep.truncate_dim = 5, "", 3
    deep.set_pooling_include_prompt(False)
    assert (model.max_seq_length, model.prompts["query"], model.truncate_dim) == (128, "query: ", None)
    assert model[1].include_prompt


def test_modules_as_in_torch(model):
    assert len(model) == 4
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert model[-1] is model._last_module()
    assert model[0] is model._first_module()
    assert list(model.named_children())[1] == ("1", model[1])
    assert isinstance(model[0].auto_model, RobertaModel)
    assert model.transformers_model is model[0].auto_model is model[0].model
    assert model.tokenizer is model[0].tokenizer
    assert str(model) == (
        "SentenceTransformer(\n"
        "  (0): Transformer({'max_seq_length': 128, 'do_lower_case': False, "
        "'architecture': 'RobertaModel'})\n"
        "  (1): Pooling({'embedding_dimension': 48, 'pooling_mode': ('mean', 'cls'), "
        "'include_prompt': True})\n"
        "  (2): Dense({'in_features': 96, 'out_features': 40, 'bias': True, "
        "'activation_function': 'torch.nn.modules.activation.Tanh'})\n"
        "  (3): Normalize({'module_input_name': 'sentence_embedding', "
        "'module_output_name': 'sentence_embedding'})\n"
        ")"
    )
    assert model.eval() is model.cpu() is model.to("cpu") is model.float() is model
    assert model.device == "cpu"
    assert model.get_backend() == "torch"


def test_a_model_of_modules(encoder_folder, sentences):
    encoder = Transformer(encoder_folder)
    model = SentenceTransformer(modules=[encoder, Pooling(48, "mean")])
    np.testing.assert_array_equal(
        model.encode(sentences[:9]), SentenceTransformer(encoder_folder).encode(sentences[:9])
    )
    with pytest.raises(InputError) as caught:
        SentenceTransformer(modules=[encoder, Pooling(48)], dtype="int8")
    assert_one_line(caught.value, "dtype: found 'int8' beside modules, expected it of the Transformer")
    legacy = Pooling(word_embedding_dimension=48, pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    assert legacy.pooling_mode == "cls"
    assert legacy.get_embedding_dimension() == encoder.get_word_embedding_dimension() == 48


def test_a_progress_bar_where_info_is_logged(model, caplog, capsys):
    model.encode(["a", "b"])
    assert "Texts" not in capsys.readouterr().err
    model.encode(["a", "b"], show_progress_bar=True)
    assert "Texts: 100%" in capsys.readouterr().err
    with caplog.at_level(logging.INFO, logger="roberta_c.sentence"):
        model.encode(["a", "b"])
    assert "Texts: 100%" in capsys.readouterr().err


ENCODE_ERRORS = [
    ({"sentences": ["b"]}, "inputs, sentences: found both, expected one of the two"),
    ({"inputs": 3}, "inputs: found int, expected a str, or a list or iterator of these"),
    ({"inputs": None}, "inputs: found NoneType"),
    ({"inputs": {"text": "a"}}, "inputs: found dict"),
    ({"inputs": [{"text": "a"}]}, "inputs[0]: found dict {'text': 'a'}, expected str"),
    ({"inputs": [{"role": "user", "content": "a"}]}, "inputs[0]: found dict"),
    ({"inputs": np.zeros((2, 3))}, "inputs[0]: found list [0.0, 0.0, 0.0], expected str"),
    ({"inputs": b"RIFF"}, "inputs: found bytes, expected a str, or a list or iterator of these"),
    ({"inputs": ["a", 3]}, "inputs[1]: found int 3, expected str"),
    ({"inputs": ["a", None]}, "inputs[1]: found None, expected str"),
    ({"inputs": [("a", "b")]}, "inputs[0]: found tuple"),
    ({"inputs": "\ud800"}, "inputs: found the lone surrogate U+D800 at position 0"),
    ({"prompt_name": "topic"}, "prompt_name: found 'topic', expected one of query, document, passage"),
    ({"prompt_name": 3}, "prompt_name: found 3"),
    ({"prompt": 3}, "prompt: found 3, expected a str or None"),
    ({"batch_size": 0}, "batch_size: found 0, expected an integer of at least 1"),
    (
        {"truncate_dim": 0},
        "truncate_dim: found 0, expected an integer from 1 to 40, the width of the vectors",
    ),
    ({"truncate_dim": 41}, "truncate_dim: found 41, expected an integer from 1 to 40"),
    ({"truncate_dim": True}, "truncate_dim: found True"),
    ({"precision": "int4"}, "precision: found 'int4', expected one of float32, int8"),
    ({"precision": "int8"}, "embeddings for int8: found one embedding, expected ranges="),
    (
        {"precision": "int8", "inputs": iter(["a"])},
        "precision of an iterator: found 'int8', expected quantize",
    ),
    ({"output_value": "logits"}, "output_value: found 'logits', expected 'sentence_embedding', 'token"),
    ({"convert_to_tensor": True}, "convert_to_tensor: found True, expected False: results are NumPy"),
    ({"device": "cuda"}, "device: found 'cuda', expected 'cpu' or None"),
    ({"device": ["cpu", "cuda"]}, "device: found ['cpu', 'cuda'], expected 'cpu' or None"),
    ({"pool": {"input": 1}}, "pool: found {'input': 1}, expected it to be left out: one process"),
    ({"normalize_embeddings": 1}, "normalize_embeddings: found 1, expected True or False"),
    ({"show_progress_bar": 1}, "show_progress_bar: found 1, expected True, False or None"),
    ({"max_length": 9}, "max_length: found an unknown keyword, expected one of encode's"),
]


@pytest.mark.parametrize(("options", "message"), ENCODE_ERRORS, ids=[m[:40] for _, m in ENCODE_ERRORS])
def test_errors_of_encode(options, message, model):
    with pytest.raises(InputError) as caught:
        model.encode(**{"inputs": ["a"], **options})
    assert_one_line(caught.value, message)


def test_accepted_without_effect(model):
    expected = model.encode(["a"])
    found = model.encode(["a"], device="cpu", pool=None, chunk_size=None, task="query", convert_to_numpy=True)
    np.testing.assert_array_equal(found, expected)


LOAD_ERRORS = [
    ({"device": "cuda"}, "device: found 'cuda', expected 'cpu' or None: this package runs on the CPU"),
    ({"backend": "onnx"}, "backend: found 'onnx', expected 'torch': there is one backend"),
    ({"trust_remote_code": True}, "trust_remote_code: found True, expected False"),
    ({"truncate_dim": 41}, "truncate_dim: found 41, expected an integer from 1 to 40"),
    ({"similarity_fn_name": "maxsim"}, "similarity_fn_name: found 'maxsim', expected one of cosine"),
    ({"default_prompt_name": "topic"}, "default_prompt_name: found 'topic', expected one of query"),
    ({"prompts": ["a"]}, "prompts: found ['a'], expected a dict of names and prompts"),
    ({"prompts": {"a": 3}}, "prompts: found {'a': 3}"),
    ({"prompts": {"a": "\ud800"}}, "prompts['a']: found the lone surrogate U+D800 at position 0"),
    ({"model_kwargs": 3}, "model_kwargs: found 3, expected a dict of keywords"),
    ({"model_kwargs": {"dtype": "int8"}, "dtype": "float32"}, "dtype: found 'float32', and another in model"),
    ({"model_kwargs": {"torch_dtype": "float16"}}, "torch_dtype: found 'float16', expected 'bfloat16'"),
    ({"processor_kwargs": {}, "tokenizer_kwargs": {}}, "tokenizer_kwargs: found it beside processor_kwargs"),
    ({"dtype": "float64"}, "dtype: found 'float64', expected one of float32"),
    ({"modules": []}, "model_name_or_path and modules: found both, expected one of them"),
    ({"layers": 3}, "layers: found an unknown keyword"),
]


@pytest.mark.parametrize(("options", "message"), LOAD_ERRORS, ids=[m[:40] for _, m in LOAD_ERRORS])
def test_errors_of_loading(options, message, folder):
    with pytest.raises(InputError) as caught:
        SentenceTransformer(folder, **options)
    assert_one_line(caught.value, message)


WRONG_MODULES = [
    ([], "modules: found no modules, expected a Transformer first"),
    (3, "modules: found int, expected a list of modules"),
    ([Pooling(48)], "modules[0]: found Pooling, expected a Transformer first"),
    (
        [None, Pooling(32)],
        "modules[1]: embedding_dimension: found 32, expected 48, the width of a token's row",
    ),
    ([None, Pooling(48), Pooling(48)], "modules[2]: found a second Pooling, expected one"),
    (
        [None, Pooling(48), 3],
        "modules[2]: found int, expected a Transformer, then Pooling, Dense or Normalize",
    ),
    ([None], "modules[0]: found the end of the modules, expected a Pooling before it"),
    ([None, Normalize()], "found 'sentence_embedding' before the Pooling, expected 'token_embeddings'"),
    (
        [None, Pooling(48), Normalize("token_embeddings")],
        "'token_embeddings' behind the Pooling, expected 's",
    ),
    (
        [None, Pooling(48), Dense(9, 3, False, init_weight=np.zeros((3, 9)))],
        "modules[2]: in_features: found 9, expected 48, the width of what it reads",
    ),
]


@pytest.mark.parametrize(("modules", "message"), WRONG_MODULES, ids=[m[:40] for _, m in WRONG_MODULES])
def test_modules_that_do_not_fit(modules, message, model):
    if isinstance(modules, list):
        modules = [model[0] if module is None else module for module in modules]
    with pytest.raises(InputError) as caught:
        SentenceTransformer(modules=modules)
    assert_one_line(caught.value, message)


def test_keywords_of_parts(folder):
    model = SentenceTransformer(
        str(folder),
        device="cpu",
        backend="torch",
        trust_remote_code=False,
        model_kwargs={"torch_dtype": "bfloat16", "attn_implementation": "sdpa"},
        tokenizer_kwargs={"model_max_length": 77, "use_fast": True},
        config_kwargs={"layer_norm_eps": 1e-6},
    )
    assert model.dtype == "bfloat16"
    assert model.max_seq_length == 77
    assert model[0].auto_model.config.layer_norm_eps == 1e-6
