"""CrossEncoder: scores and rankings of sentence-transformers, score conventions, bits, errors."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import sentence_transformers
import torch
import transformers
from samples.rerankers import make_cross_encoder, sentence_pairs
from samples.task_models import make_task_model

from roberta_c import CrossEncoder, SentenceTransformer
from roberta_c.errors import HubError, InputError, MissingNameError, ModelFileError
from roberta_c.sentence.missing_names import CROSS_ENCODER_NAMES
from roberta_c.sentence.pair_encoding import PairEncoder

TOLERANCE = 2e-5  # of float32 scores: measured 4e-7
IDENTITY = "torch.nn.modules.linear.Identity"
# Forms of a repository: what config.json says beside the model's own keys.
CONFIGS = {
    "nothing": {},
    "sentence_transformers": {"sentence_transformers": {"activation_fn": IDENTITY, "version": "5.1.0"}},
    "sbert": {"sbert_ce_default_activation_function": IDENTITY},
    "tanh": {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}},
}


@pytest.fixture(scope="module")
def folder_of(tweet_sentiment_small, tmp_path_factory):
    """`folder_of(labels, form)`: a model of so many labels in a repository of this form."""
    made: dict[tuple[int, str], Path] = {}

    def make(labels=1, form="nothing"):
        if (labels, form) not in made:
            folder = made[labels, form] = tmp_path_factory.mktemp(form) / "model"
            make_cross_encoder(folder, tweet_sentiment_small, labels, **CONFIGS.get(form, {}))
            if form == "version 6":
                theirs = sentence_transformers.CrossEncoder(str(folder), activation_fn=torch.nn.Identity())
                theirs.prompts = {"query": "question: ", "other": "text: "}
                theirs.default_prompt_name = "query"
                theirs.save_pretrained(str(folder.parent / "saved"))
                made[labels, form] = folder.parent / "saved"
        return made[labels, form]

    return make


@pytest.fixture(scope="module")
def pairs(test_data):
    return sentence_pairs(test_data, 100)


@pytest.fixture(scope="module")
def encoder(folder_of):
    """Ours, of one label. Tests leave it as it is."""
    return CrossEncoder(folder_of())


def both(folder, **options):
    return CrossEncoder(folder, **options), sentence_transformers.CrossEncoder(str(folder), **options)


def assert_close(ours, theirs):
    assert ours.dtype == theirs.dtype == np.float32
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < TOLERANCE
    assert np.ptp(ours, axis=0).min() > 100 * TOLERANCE  # wrong code would show


@pytest.mark.parametrize("form", [*CONFIGS, "version 6"])
@pytest.mark.parametrize("labels", [1, 3])
def test_predict_is_sentence_transformers(labels, form, folder_of, pairs):
    ours, theirs = both(folder_of(labels, form))
    assert repr(ours.activation_fn) == repr(theirs.activation_fn)
    assert ours.num_labels == labels
    assert_close(ours.predict(pairs), theirs.predict(pairs))
    one, other = ours.predict(pairs[0]), theirs.predict(pairs[0])
    assert type(one) is type(other)
    assert np.shape(one) == np.shape(other)
    assert_close(ours.predict(pairs, apply_softmax=True), theirs.predict(pairs, apply_softmax=True))
    assert_close(
        ours.predict(pairs, activation_fn=torch.nn.Sigmoid()),
        theirs.predict(pairs, activation_fn=torch.nn.Sigmoid()),
    )
    listed = ours.predict(pairs[:3], convert_to_numpy=False)
    assert isinstance(listed, list)
    assert np.array_equal(np.stack(listed), ours.predict(pairs[:3]))


@pytest.mark.parametrize("max_length", [16, 21])
def test_long_pairs_are_cut_as_in_sentence_transformers(max_length, folder_of, pairs, caplog):
    ours, theirs = both(folder_of(), max_length=max_length)
    assert ours.max_length == ours.max_seq_length == theirs.max_seq_length == max_length
    assert_close(ours.predict(pairs), theirs.predict(pairs))
    messages = [record.message for record in caplog.records if record.name.startswith("roberta_c")]
    assert len(messages) == 1
    assert f"of {len(pairs)} texts truncated: longer than {max_length} tokens" in messages[0]
    ours.max_length = theirs.max_seq_length = 24
    assert_close(ours.predict(pairs), theirs.predict(pairs))


@pytest.mark.parametrize("form", ["nothing", "version 6"])
def test_rank_is_sentence_transformers(form, folder_of, pairs):
    ours, theirs = both(folder_of(1, form))
    # Different ones: the original's scores of equal documents differ with the padding of their batches.
    query, documents = pairs[0][0], list(dict.fromkeys(pair[1] for pair in pairs))
    for options in ({}, {"top_k": 7, "return_documents": True}, {"batch_size": 3, "prompt": "x "}):
        one, other = (model.rank(query, documents, **options) for model in (ours, theirs))
        assert [list(result) for result in one] == [list(result) for result in other]
        assert [result["corpus_id"] for result in one] == [result["corpus_id"] for result in other]
        assert [result.get("text") for result in one] == [result.get("text") for result in other]
        assert all(type(result["score"]) is float for result in one)
        scores = [[result["score"] for result in results] for results in (one, other)]
        assert np.abs(np.subtract(*scores)).max() < TOLERANCE
    assert ours.rank(query, []) == []
    for count in (2, np.uint8(2)):
        assert ours.rank(query, np.array(documents), top_k=count) == ours.rank(query, documents)[:2]


def test_prompts_are_sentence_transformers(folder_of, pairs):
    ours, theirs = both(folder_of(1, "version 6"))
    assert ours.prompts == theirs.prompts
    assert ours.default_prompt_name == theirs.default_prompt_name == "query"
    for options in ({}, {"prompt": "a b c "}, {"prompt_name": "other"}, {"prompt": ""}):
        assert_close(ours.predict(pairs[:20], **options), theirs.predict(pairs[:20], **options))
    with pytest.raises(InputError, match="prompt_name: found 'none', expected one of other, query"):
        ours.predict(pairs, prompt_name="none")
    own = CrossEncoder(
        folder_of(1, "version 6"), prompts={"query": "", "mine": "say "}, default_prompt_name="mine"
    )
    assert own.prompts == {"query": "", "mine": "say ", "other": "text: "}
    assert_close(own.predict(pairs[:20]), theirs.predict(pairs[:20], prompt="say "))


def test_a_prompt_beside_its_name(encoder, folder_of, caplog):
    model = CrossEncoder(folder_of(1, "version 6"))
    with caplog.at_level(logging.WARNING):
        score = model.predict(("a", "b"), prompt="x ", prompt_name="query")
    assert score == model.predict(("a", "b"), prompt="x ")
    assert "prompt_name: found 'query' beside prompt, which is used" in caplog.text


def test_each_query_of_a_list_is_ranked_with_its_own_documents(encoder, pairs, monkeypatch):
    queries = [pair[0] for pair in pairs[:3]]
    lists = [[pair[1] for pair in pairs[start : start + 5]] for start in (0, 3, 40)]
    lists[1] = []
    expected = [
        encoder.rank(*one, top_k=2, return_documents=True) for one in zip(queries, lists, strict=True)
    ]
    calls = []
    predict = CrossEncoder.predict
    monkeypatch.setattr(
        CrossEncoder,
        "predict",
        lambda self, *args, **options: calls.append(args) or predict(self, *args, **options),
    )
    assert encoder.rank(queries, lists, 2, True) == expected
    assert [len(ranking) for ranking in expected] == [2, 0, 2]
    assert len(calls) == 1
    assert encoder.rank([], []) == []


def test_an_iterator_of_pairs_is_read_as_its_scores_are(folder_of, pairs):
    for labels, options in ((1, {}), (3, {"apply_softmax": True}), (1, {"activation_fn": "tanh"})):
        model = CrossEncoder(folder_of(labels, "version 6"), max_length=16)
        expected = model.predict(pairs, **options)
        read = []
        scores = model.predict((read.append(pair) or pair for pair in pairs), batch_size=2, **options)
        assert read == []
        first = next(scores)
        assert first.dtype == np.float32
        assert len(read) == 2 + 4  # a block of one batch, and the next one of two
        assert np.array_equal(np.stack([first, *scores]), expected)
    with pytest.raises(InputError, match=r"pairs\[1\]: found a list of 1, expected a pair"):
        list(model.predict(iter([("a", "b"), ["c"]])))
    with pytest.raises(InputError, match="batch_size: found 0"):
        model.predict(iter([("a", "b")]), batch_size=0)


def test_a_progress_bar_where_info_is_logged(encoder, caplog, capsys):
    encoder.predict([("a", "b")])
    assert capsys.readouterr().err == ""
    encoder.rank("a", ["b", "c"], show_progress_bar=True)
    assert "Pairs: 100%" in capsys.readouterr().err
    with caplog.at_level(logging.INFO, logger="roberta_c.sentence"):
        encoder.predict([("a", "b")])
        assert "Pairs: 100%" in capsys.readouterr().err
        encoder.predict([("a", "b")], show_progress_bar=False)
    assert capsys.readouterr().err == ""


# ---- score conventions -----------------------------------------------------------------------------------


def logits_of(folder, rows):
    """By transformers, one row at a time: no padding."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return np.array([model(torch.tensor([row])).logits[0].tolist() for row in rows], np.float64)


@pytest.mark.parametrize("max_length", [24, 512])
def test_score_conventions_are_their_published_formulas(max_length, folder_of, pairs):
    folder = folder_of(1, "tanh")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pairs = [*pairs[:30], (" ".join(pair[0] for pair in pairs[:9]), "short"), ("", "")]
    firsts, seconds = map(list, zip(*pairs, strict=True))
    longest_first = tokenizer(firsts, seconds, truncation="longest_first", max_length=max_length)["input_ids"]
    queries, passages = (
        tokenizer(texts, add_special_tokens=False)["input_ids"] for texts in (firsts, seconds)
    )
    start, end, only_second = tokenizer.cls_token_id, tokenizer.sep_token_id, []
    for query, passage in zip(queries, passages, strict=True):
        query = query[: max_length * 3 // 4]
        only_second.append([start, *query, end, end, *passage[: max_length - 4 - len(query)], end])
    expected = {
        "sentence-transformers": np.tanh(logits_of(folder, longest_first)),
        "tei": 1 / (1 + np.exp(-logits_of(folder, longest_first))),
        "flag-embedding": logits_of(folder, only_second),
    }
    model = CrossEncoder(folder, max_length=max_length)
    for name, scores in expected.items():
        by_keyword = CrossEncoder(folder, max_length=max_length, score_convention=name).predict(pairs)
        assert np.abs(by_keyword - scores[:, 0]).max() < TOLERANCE
        model.score_convention = name
        assert model.score_convention == name
        assert np.array_equal(model.predict(pairs), by_keyword)
    model.activation_fn = "relu"  # takes the convention's place
    assert np.array_equal(model.predict(pairs), np.maximum(by_keyword, 0))
    model.activation_fn = None
    assert np.array_equal(model.predict(pairs), by_keyword)


# ---- the same bits, and each text once -------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["sentence-transformers", "flag-embedding"])
def test_a_pair_has_the_same_bits_in_any_company(convention, folder_of, pairs):
    model = CrossEncoder(folder_of(), max_length=24, num_threads=1, score_convention=convention)
    scores = model.predict(pairs)
    assert np.array_equal(model.predict(pairs, batch_size=3), scores)
    assert np.array_equal(model.predict(pairs[::-1])[::-1], scores)
    assert np.array_equal(model.predict(pairs * 2), np.tile(scores, 2))
    assert np.array_equal([model.predict(pair) for pair in pairs[:20]], scores[:20])
    ranked = model.rank(pairs[0][0], [pair[1] for pair in pairs])
    assert next(result for result in ranked if result["corpus_id"] == 0)["score"] == scores[0]
    two = CrossEncoder(folder_of(), max_length=24, num_threads=2, score_convention=convention)
    assert np.array_equal(two.predict(pairs), scores)


def test_equal_pairs_are_computed_once_and_a_query_is_tokenized_once(encoder, pairs, monkeypatch):
    texts, rows = [], []
    encode, outputs = PairEncoder._encoded, type(encoder.model).__call__
    monkeypatch.setattr(PairEncoder, "_encoded", lambda self, some: texts.extend(some) or encode(self, some))
    monkeypatch.setattr(
        type(encoder.model),
        "__call__",
        lambda self, ids, **options: rows.extend(ids) or outputs(self, ids, **options),
    )
    documents = [pair[1] for pair in pairs]
    encoder.rank("who?", [*documents, *documents], batch_size=8)
    assert sorted(texts) == sorted({"who?", *documents})
    assert len(rows) == len(set(documents))


# ---- attributes, files, older names ----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["nothing", "sbert", "version 6"])
def test_a_saved_model_gives_its_scores_in_both_packages(form, folder_of, pairs, tmp_path):
    given = {"prompts": {"query": "find ", "empty": ""}, "default_prompt_name": "query"}
    ours = CrossEncoder(folder_of(1, form), max_length=20, activation_fn="tanh", **given)
    ours.save_pretrained(tmp_path / "saved")
    assert not hasattr(ours.config, "sentence_transformers") or form != "nothing"
    scores = ours.predict(pairs)
    again, theirs = both(tmp_path / "saved")
    assert repr(again.activation_fn) == "Tanh()"
    assert again.max_length == 20
    assert again.prompts == theirs.prompts == ours.prompts
    assert again.default_prompt_name == theirs.default_prompt_name == "query"
    assert np.array_equal(again.predict(pairs), scores)
    assert np.abs(theirs.predict(pairs) - scores).max() < TOLERANCE
    assert np.abs(theirs.predict(pairs, prompt="") - scores).max() > 100 * TOLERANCE
    ours.activation_fn = np.tanh
    with pytest.raises(InputError, match="expected one with a name: config"):
        ours.save_pretrained(tmp_path / "other")
    with pytest.raises(
        InputError, match=r"^foo: found an unknown keyword, expected one of save_pretrained's$"
    ):
        ours.save(tmp_path / "other", foo=1)


def test_attributes_and_what_a_model_of_torch_has(encoder, folder_of):
    assert encoder.config is encoder.model.config
    assert encoder.tokenizer.cls_token == "<s>"
    assert encoder.default_activation_function == encoder.activation_fn
    assert encoder.eval().cpu().float().to("cpu") is encoder
    assert encoder.get_max_seq_length() == encoder.max_seq_length == 512
    assert encoder.transformers_model is encoder.model
    assert encoder.processor is encoder.tokenizer
    assert (encoder.get_backend(), encoder.modalities, encoder.supports("image")) == (
        "torch",
        ["text"],
        False,
    )
    with pytest.raises(InputError, match=r"model\.bfloat16\(\): found"):
        encoder.bfloat16()
    with pytest.raises(
        MissingNameError, match=r"CrossEncoder\[0\]: found no modules, expected its attributes"
    ):
        encoder[0]
    assert str(encoder.device) == "cpu"
    assert encoder.dtype == "float32"
    assert "activation_fn=Sigmoid(), max_length=512" in repr(encoder)
    assert np.abs(encoder.activation_fn(np.zeros((2, 1))) - 0.5).max() == 0
    assert CrossEncoder(folder_of(), dtype="int8").dtype == "int8"
    assert CrossEncoder(folder_of(), model_kwargs={"torch_dtype": torch.bfloat16}).dtype == "bfloat16"


def test_a_model_pickles_and_copies(folder_of, pairs):
    model = CrossEncoder(folder_of(1, "tanh"), max_length=20, token="hf_secret")
    stored = pickle.dumps(model)
    assert b"hf_secret" not in stored
    for other in (pickle.loads(stored), copy.deepcopy(model)):
        assert np.array_equal(other.predict(pairs[:5]), model.predict(pairs[:5]))


def test_empty_lists(encoder, folder_of):
    assert encoder.predict([]).shape == (0,)
    assert encoder.predict(np.empty((0, 2), dtype=object)).shape == (0,)
    assert CrossEncoder(folder_of(3)).predict([]).shape == (0, 3)


def test_older_and_other_names_of_keywords(folder_of, pairs, encoder):
    folder = folder_of()
    scores = encoder.predict(pairs[:5])
    for model in (
        CrossEncoder(folder, 1, 512, torch.nn.Sigmoid(), "cpu"),
        CrossEncoder(
            model_name=folder,
            default_activation_function=torch.nn.modules.activation.Sigmoid(),
            automodel_args={"attn_implementation": "sdpa", "low_cpu_mem_usage": True},
            tokenizer_args={"use_fast": True},
            trust_remote_code=False,
            device=torch.device("cpu"),
            backend="torch",
            config_args={},
            cache_dir=None,
        ),
    ):
        assert np.array_equal(model.predict(sentences=pairs[:5], num_workers=0), scores)
        assert np.array_equal(
            model.predict(pairs[:5], show_progress_bar=True, activation_fct="sigmoid"), scores
        )
    ranked = encoder.rank("a", ["b"], convert_to_tensor=True, apply_softmax=False, num_workers=2)
    assert ranked[0]["corpus_id"] == 0
    length = CrossEncoder(folder, tokenizer_kwargs={"model_max_length": 20})
    assert length.max_length == 20


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("stsb-roberta-base", "cross-encoder/stsb-roberta-base"),
        ("roberta-base", "roberta-base"),
        ("org/stsb-roberta-base", "org/stsb-roberta-base"),
    ],
)
def test_names_without_an_organization(name, repository, tmp_path):
    with pytest.raises(HubError, match=f"^{repository}: no such folder"):
        CrossEncoder(name, local_files_only=True, cache_folder=tmp_path)


def test_what_is_no_model():
    with pytest.raises(InputError, match=r"^model_name_or_path: found 5, expected a folder or a Hub"):
        CrossEncoder(5)
    with pytest.raises(
        HubError, match=r"^cross-encoder/nowhere: no such folder.*; no folder 'nowhere' exists$"
    ):
        CrossEncoder("nowhere", local_files_only=True)


def test_the_cache_is_that_of_sentence_transformers(monkeypatch, tmp_path):
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "its own"))
    with pytest.raises(HubError, match=r"in the cache \(.*its own.*\)"):
        CrossEncoder("nowhere", local_files_only=True)
    with pytest.raises(HubError, match=r"in the cache \(.*another.*\)"):
        CrossEncoder("nowhere", local_files_only=True, cache_folder=tmp_path / "another")


def test_every_public_name_of_the_original_is_here_or_says_what_to_do(folder_of):
    ours, theirs = both(folder_of())
    names = [name for name in dir(theirs) if not name.startswith("_")]
    for name in names:
        if name in CROSS_ENCODER_NAMES:
            with pytest.raises(
                MissingNameError, match=rf"CrossEncoder\.{name}: found no such name, expected"
            ):
                getattr(ours, name)
        else:
            getattr(ours, name)
    # transformers gives torch's modules this one when it first loads a model.
    assert CROSS_ENCODER_NAMES.keys() - set(names) <= {"smart_apply"}
    assert not hasattr(ours, "nonsense")


# ---- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 513}, "max_length: found 513, expected at most 512, the model's limit"),
        ({"max_length": 3}, "max_length: found 3, expected an integer from 4 to 512"),
        ({"max_length": "long"}, "max_length: found 'long', expected an integer"),
        ({"activation_fn": "swish"}, "activation_fn: found 'swish', expected a function of arrays or one of"),
        ({"activation_fn": torch.nn.Linear(1, 1)}, "activation_fn: found 'Linear'"),
        ({"activation_fn": torch.nn.Softmax(dim=0)}, "activation_fn: found dim=0"),
        ({"activation_fn": 3}, "activation_fn: found 3, expected a function"),
        ({"score_convention": "cohere"}, "score_convention: found 'cohere', expected one of sentence-"),
        ({"model_name": "b"}, "model_name: found model_name_or_path too, its newer name"),
        ({"num_labels": 0}, "num_labels: found 0, expected an integer of at least 1"),
        ({"device": "cuda"}, "device: found 'cuda', expected 'cpu' or None"),
        ({"backend": "onnx"}, "backend: found 'onnx', expected 'torch': there is one backend"),
        ({"trust_remote_code": True}, "trust_remote_code: found True, expected False"),
        ({"modules": []}, r"modules: found \[\], expected None: the model is read from files"),
        ({"nonsense": 1}, "nonsense: found an unknown keyword, expected one of CrossEncoder's"),
        ({"nonsense_kwargs": {}}, "nonsense_kwargs: found an unknown keyword, expected one of CrossEncoder"),
        ({"model_kwargs": [1]}, r"model_kwargs: found \[1\], expected a dict of keywords or None"),
        ({"tokenizer_kwargs": 3}, "processor_kwargs: found 3, expected a dict of keywords or None"),
        ({"cache_dir": "a", "cache_folder": "b"}, "cache_dir: found cache_folder too, its newer name"),
        ({"prompts": ["a"]}, r"prompts: found \['a'\], expected a dict"),
        (
            {"default_prompt_name": "query"},
            "default_prompt_name: found 'query', expected None: the model has no",
        ),
        (
            {"prompts": {"a": "b"}, "default_prompt_name": "query"},
            "default_prompt_name: .*, expected one of a",
        ),
        ({"dtype": "float8"}, "dtype: found 'float8'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals_of_the_constructor(options, message, folder_of):
    with pytest.raises(InputError, match=message) as raised:
        CrossEncoder(folder_of(), **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.predict("text"), "pairs: found str 'text', expected a list of pairs"),
        (lambda model: model.predict(None), "pairs: found None"),
        (lambda model: model.predict([("a", "b", "c")]), r"pairs\[0\]: found a list of 3"),
        (lambda model: model.predict([("a", "b")], batch_size=0), "batch_size: found 0"),
        (lambda model: model.predict([("a", "b")], activation_fn="no"), "activation_fn: found 'no'"),
        (lambda model: model.predict([("a", "b")], activation_fn=len), "activation_fn's result: found int64"),
        (lambda model: model.predict([("a", "b")], convert_to_tensor=True), "convert_to_tensor: found True"),
        (lambda model: model.predict([("a", "b")], pool={}), "pool: found {}, expected it to be left out"),
        (lambda model: model.predict([("a", "b")], processing_kwargs={"a": 1}), "processing_kwargs: found"),
        (lambda model: model.predict([("a", "b")], show_progress_bar=1), "show_progress_bar: found 1"),
        (lambda model: model.predict([("a", "b")], apply_softmax=2), "apply_softmax: found 2"),
        (lambda model: model.predict([("a", "b")], prompt=3), "prompt: found 3, expected a str or None"),
        (lambda model: model.rank("a", ["b"], nonsense=1), "nonsense: found an unknown keyword"),
        (lambda model: model.predict([("a", "b")], nonsense=1), "nonsense: found an unknown keyword"),
        (lambda model: model.rank("a", "text"), "documents: found 'text', expected a list of str"),
        (lambda model: model.rank("a", ["b", None]), r"documents\[1\]: found None, expected str"),
        (lambda model: model.rank(["a"], ["b"]), r"documents\[0\]: found 'b', expected a list of str"),
        (lambda model: model.rank(["a"], []), "documents: found 0, expected 1 lists of str"),
        (lambda model: model.rank(3, ["b"]), "query: found int 3, expected str"),
        (lambda model: model.rank("a", ["b"], top_k=-1), "top_k: found -1"),
        (lambda model: model.rank("a", ["b"], return_documents=3), "return_documents: found 3, expected Tr"),
        (lambda model: setattr(model, "prompts", {"q": 3}), "prompts: found {'q': 3}, expected a dict"),
        (lambda model: model.save_pretrained(""), "save_directory: found '', expected the path of a folder"),
        (lambda model: model.rank("a", ["b"], device="cuda"), "device: found 'cuda'"),
    ],
    ids=range(24),
)
def test_refusals_of_calls(call, message, encoder):
    with pytest.raises(InputError, match=message) as raised:
        call(encoder)
    assert "\n" not in str(raised.value)


def test_no_path():
    with pytest.raises(InputError, match="model_name_or_path: found None, expected a folder or a Hub"):
        CrossEncoder()


def test_refusals_by_the_number_of_labels(folder_of):
    model = CrossEncoder(folder_of(3))
    with pytest.raises(InputError, match="rank: found a model of 3 labels, expected a model of 1 label"):
        model.rank("a", ["b"])
    with pytest.raises(InputError, match="score_convention: found 'tei' for 3 labels, expected a model of 1"):
        model.score_convention = "tei"
    with pytest.raises(ModelFileError, match=r"out_proj.weight: found shape \(3, 48\), expected \(1, 48\)"):
        CrossEncoder(folder_of(3), num_labels=1)


def test_a_model_without_a_classification_head(tweet_sentiment_small, tmp_path):
    make_task_model(tmp_path / "model", tweet_sentiment_small, "roberta", "Model")
    with pytest.raises(ModelFileError, match="sequence classification head: tensors not found"):
        CrossEncoder(tmp_path / "model")


def test_a_model_of_embeddings(tweet_sentiment_small, tmp_path):
    make_task_model(tmp_path / "encoder", tweet_sentiment_small, "roberta", "Model")
    model = SentenceTransformer(tmp_path / "encoder")
    model.save_pretrained(tmp_path / "saved")
    with pytest.raises(
        ModelFileError, match=r"modules.json: found a model of embeddings: load it with SentenceTransformer"
    ):
        CrossEncoder(tmp_path / "saved")


def test_a_head_beside_the_modules_of_embeddings(folder_of, tmp_path):
    folder = shutil.copytree(folder_of(), tmp_path / "model")
    expected = CrossEncoder(folder).predict([("a", "b")])
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Pooling", "path": "1"}]')
    assert CrossEncoder(folder).predict([("a", "b")]) == expected


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("modules.json", [{"type": "a.Transformer", "path": ""}], "found 'a.Transformer', expected one sent"),
        ("modules.json", {"type": "Transformer"}, "modules.json: found a JSON dict, expected an array"),
        ("config_sentence_transformers.json", {"activation_fn": "torch.nn.Mish"}, "found 'torch.nn.Mish'"),
        ("config_sentence_transformers.json", {"prompts": {"a": 1}}, "prompts: found"),
        ("config_sentence_transformers.json", {"model_type": 3}, "json: model_type: found 3, expected a str"),
        ("config_sentence_transformers.json", {"default_prompt_name": ["a"]}, "default_prompt_name: found"),
        ("sentence_bert_config.json", {"max_seq_length": "long"}, "max_seq_length: found 'long'"),
        ("sentence_bert_config.json", [], "found a JSON list, expected an object"),
    ],
    ids=range(8),
)
def test_damaged_settings(file, content, message, folder_of, tmp_path):
    folder = shutil.copytree(folder_of(1, "version 6"), tmp_path / "model")
    if file.startswith("config_"):
        content = {"model_type": "CrossEncoder", **content}
    (folder / file).write_text(json.dumps(content), "utf-8")
    with pytest.raises(ModelFileError, match=message) as raised:
        CrossEncoder(folder)
    assert "\n" not in str(raised.value)


def test_code_that_a_config_names_is_not_run(tweet_sentiment_small, tmp_path, caplog):
    key = "sbert_ce_default_activation_function"
    make_cross_encoder(tmp_path / "model", tweet_sentiment_small, **{key: "os.system"})
    with caplog.at_level(logging.WARNING):
        model = CrossEncoder(tmp_path / "model")
    assert "found 'os.system', which is not run" in caplog.text
    assert repr(model.activation_fn) == "Sigmoid()"


def test_damaged_weights(tweet_sentiment_small, tmp_path):
    made = make_cross_encoder(tmp_path / "model", tweet_sentiment_small)
    with torch.no_grad():
        made.model.classifier.out_proj.bias[0] = float("nan")
    torch.save(made.model.state_dict(), made.folder / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="found outputs that are NaN or infinite"):
        CrossEncoder(made.folder, allow_nonfinite=True).predict([("a", "b")])
