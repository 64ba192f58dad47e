"""FlagModel and BGEM3FlagModel: the published formulas with torch, and their names, bits and errors."""

from __future__ import annotations

import copy
import dataclasses
import logging
import pickle
import shutil

import numpy as np
import pytest
import torch
import transformers
from samples.models import make_random_model
from samples.rerankers import HIDDEN, make_bge_m3, make_small_xlmr_tokenizer, save_heads, sentence_pairs

from roberta_c import BGEM3FlagModel, FlagModel
from roberta_c.errors import InputError, MissingNameError, ModelFileError, UnsafeFileError
from roberta_c.sentence import bge_m3_scores
from roberta_c.sentence.missing_names import FLAG_NAMES

TOLERANCE = 2e-5
EVERYTHING = {"return_dense": True, "return_sparse": True, "return_colbert_vecs": True}


@pytest.fixture(scope="module")
def made(test_data, tmp_path_factory):
    tokenizer_folder = make_small_xlmr_tokenizer(tmp_path_factory.mktemp("xlmr"), test_data)
    return make_bge_m3(tmp_path_factory.mktemp("m3"), tokenizer_folder)


@pytest.fixture(scope="module")
def folder(made):
    return made.folder


@pytest.fixture(scope="module")
def pairs(test_data):
    return sentence_pairs(test_data, 40)


@pytest.fixture(scope="module")
def texts(pairs):
    return [*(pair[0] for pair in pairs), "", "𓀀 word word <s> </s>", " ".join(pair[1] for pair in pairs)]


@pytest.fixture(scope="module")
def model(folder):
    """Ours. Tests leave it as it is."""
    return BGEM3FlagModel(folder, use_fp16=True)


@pytest.fixture(scope="module")
def published(folder):
    """`published(text, max_length)`: the ids and last states (t, H) by transformers, and the three
    representations that FlagEmbedding 1.4.2 makes of them."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoder = transformers.AutoModel.from_pretrained(folder).eval()
    heads = {}
    for name in ("sparse", "colbert"):
        state = torch.load(folder / f"{name}_linear.pt", weights_only=True)
        heads[name] = torch.nn.Linear(HIDDEN, len(state["bias"]))
        heads[name].load_state_dict(state)
    unused = {tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}

    def represent(text, max_length=512):
        ids = tokenizer(text, truncation=True, max_length=max_length)["input_ids"]
        with torch.no_grad():
            states = encoder(torch.tensor([ids])).last_hidden_state[0]
            weights = torch.relu(heads["sparse"](states))[:, 0].tolist()
            vectors = torch.nn.functional.normalize(heads["colbert"](states[1:]), dim=-1)
            dense = torch.nn.functional.normalize(states[0], dim=-1)
        lexical = {}
        for token_id, weight in zip(ids, weights, strict=True):
            if token_id not in unused and weight > lexical.get(str(token_id), 0):
                lexical[str(token_id)] = weight
        return states.numpy(), dense.numpy(), lexical, vectors.numpy()

    return represent


@pytest.mark.parametrize("max_length", [None, 16])
def test_the_three_representations_are_the_published_ones(max_length, model, texts, published, caplog):
    found = model.encode(texts, max_length=max_length, **EVERYTHING)
    assert list(found) == ["dense_vecs", "lexical_weights", "colbert_vecs"]
    assert found["dense_vecs"].shape == (len(texts), HIDDEN)
    assert found["dense_vecs"].dtype == np.float32
    seen = 0
    for index, text in enumerate(texts):
        _, dense, lexical, vectors = published(text, max_length or 512)
        assert np.abs(found["dense_vecs"][index] - dense).max() < TOLERANCE
        assert list(found["lexical_weights"][index]) == list(lexical)
        assert found["lexical_weights"][index] == pytest.approx(lexical, abs=TOLERANCE)
        assert found["colbert_vecs"][index].dtype == np.float32
        assert found["colbert_vecs"][index].shape == vectors.shape
        assert np.abs(found["colbert_vecs"][index] - vectors).max() < TOLERANCE
        seen += len(lexical)
    assert seen > len(texts)  # not only empty ones
    cuts = [record.message for record in caplog.records if "truncated" in record.message]
    lengths = [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
    count = sum(length > (max_length or 512) for length in lengths)
    limit = f'longer than {max_length or 512} tokens; long_text="windows" reads all of them'
    assert cuts == ([f"{count} of {len(texts)} texts truncated: {limit}"] if count else [])


def test_all_come_from_one_pass_of_the_encoder(model, texts, monkeypatch):
    tokens = []
    encode = type(model.model).encode
    monkeypatch.setattr(
        type(model.model),
        "encode",
        lambda self, batch, **options: (
            tokens.append(len(batch.token_ids_t)) or encode(self, batch, **options)
        ),
    )
    model.encode([texts[0]] * 3, **EVERYTHING)
    assert tokens == [len(model.tokenizer(texts[0])["input_ids"])]


def test_each_representation_alone_and_one_text(model, texts):
    everything = model.encode(texts, **EVERYTHING)
    names = dict(zip(everything, EVERYTHING, strict=True))
    for name, option in names.items():
        wanted = {other: other == option for other in EVERYTHING}
        alone = model.encode(texts, **wanted)
        assert {key for key, value in alone.items() if value is not None} == {name}
        assert same(alone[name], everything[name])
    one = model.encode(texts[0], **EVERYTHING)
    assert all(same(one[name], everything[name][0]) for name in names)
    assert model.encode(texts)["lexical_weights"] is None
    nothing = model.encode([], **EVERYTHING)
    assert nothing["dense_vecs"].shape == (0, HIDDEN)
    assert nothing["lexical_weights"] == nothing["colbert_vecs"] == []


def same(one, other):
    """Equal to the last bit."""
    if isinstance(one, list):
        return len(one) == len(other) and all(same(*parts) for parts in zip(one, other, strict=True))
    return one == other if isinstance(one, dict) else np.array_equal(one, other)


def test_a_text_has_the_same_bits_in_any_company(folder, texts):
    alone = BGEM3FlagModel(folder, num_threads=1, **EVERYTHING)
    found = alone.encode(texts)
    for other in (
        alone.encode(texts, batch_size=3),
        {name: values[::-1] for name, values in alone.encode(texts[::-1]).items()},
        BGEM3FlagModel(folder, num_threads=2, **EVERYTHING).encode(texts),
        {name: values[: len(texts)] for name, values in alone.encode(texts * 2).items()},
    ):
        assert all(same(other[name], found[name]) for name in found)
    vectors = FlagModel(folder, pooling_method="mean").encode(texts)
    assert same(
        [FlagModel(folder, pooling_method="mean").encode(text) for text in texts[:5]], list(vectors[:5])
    )


def test_a_model_pickles_and_copies_without_the_token(folder, texts):
    model = BGEM3FlagModel(folder, token="hf_secret", **EVERYTHING)
    stored = pickle.dumps(model)
    assert b"hf_secret" not in stored
    found = model.encode(texts[:5])
    for other in (pickle.loads(stored), copy.deepcopy(model)):
        assert all(same(values, found[name]) for name, values in other.encode(texts[:5]).items())


def test_results_of_equal_texts_can_be_changed_apart(model, texts):
    found = model.encode([texts[0], texts[0]], **EVERYTHING)
    before = model.encode(texts[0], **EVERYTHING)
    found["colbert_vecs"][0][:] = 0
    found["dense_vecs"][0][:] = 0
    found["lexical_weights"][0].clear()
    assert all(same(found[name][1], before[name]) for name in found)


def test_scores_are_the_published_ones(model, pairs, published):
    weights = [0.4, 0.2, 0.4]
    scores = model.compute_score(pairs, weights_for_different_modes=weights, batch_size=7)
    assert list(scores) == ["colbert", "sparse", "dense", "sparse+dense", "colbert+sparse+dense"]
    for index, pair in enumerate(pairs):
        (_, dense_q, lexical_q, vectors_q), (_, dense_p, lexical_p, vectors_p) = map(published, pair)
        dense = float(dense_q @ dense_p)
        sparse = sum(weight * lexical_p.get(token, 0) for token, weight in lexical_q.items())
        colbert = float((vectors_q @ vectors_p.T).max(axis=1).mean())
        expected = {
            "colbert": colbert,
            "sparse": sparse,
            "dense": dense,
            "sparse+dense": (0.2 * sparse + 0.4 * dense) / 0.6,
            "colbert+sparse+dense": 0.4 * colbert + 0.2 * sparse + 0.4 * dense,
        }
        assert {name: values[index] for name, values in scores.items()} == pytest.approx(
            expected, abs=TOLERANCE
        )
    two_threads = BGEM3FlagModel(model.model_name_or_path, num_threads=2)
    for other in (model, two_threads):
        again = other.compute_score(pairs[::-1], weights_for_different_modes=weights)
        assert {name: values[::-1] for name, values in again.items()} == scores
    one = model.compute_score(pairs[0], weights_for_different_modes=weights)
    assert one == {name: values[0] for name, values in scores.items()}
    equal = model.compute_score(pairs[0])
    total = equal["colbert"] + equal["sparse"] + equal["dense"]
    assert equal["colbert+sparse+dense"] == pytest.approx(total / 3)
    assert model.compute_score([]) == []
    assert model.compute_score(pairs[0], batch_size=np.uint8(200)) == equal  # 2 * 200 texts
    assert np.isnan(model.compute_score(pairs[0], weights_for_different_modes=[0, 0, 1])["sparse+dense"])
    cut = model.compute_score(pairs[0], max_query_length=4, max_passage_length=5)
    assert cut != equal


def test_scores_are_of_complete_vectors_whatever_encode_cuts(folder, model, pairs):
    """As in FlagEmbedding, whose compute_score does not read truncate_dim."""
    cut = BGEM3FlagModel(folder, truncate_dim=7, **EVERYTHING)
    assert cut.compute_score(pairs) == model.compute_score(pairs)
    assert cut.encode(["a"])["dense_vecs"].shape == (1, 7)
    assert cut.encode(["a"])["colbert_vecs"][0].shape[1] == 7


def test_a_repeated_query_is_encoded_once_and_its_vectors_are_not_copied(folder, model, pairs, monkeypatch):
    query, passages = pairs[0][0], [pair[1] for pair in pairs[:20]]
    expected = [model.compute_score((query, passage)) for passage in passages]
    seen, held = [], []
    encode = type(model.model).encode
    monkeypatch.setattr(
        type(model.model),
        "encode",
        lambda self, batch, **options: seen.append(len(batch)) or encode(self, batch, **options),
    )
    score = bge_m3_scores.colbert_score
    monkeypatch.setattr(
        bge_m3_scores, "colbert_score", lambda one, other: held.append(one) or score(one, other)
    )
    scores = model.compute_score([(query, passage) for passage in passages])
    assert sum(seen) == 1 + len(set(passages))
    assert len({id(array) for array in held}) == 1
    assert scores == {name: [one[name] for one in expected] for name in scores}


def test_one_warning_counts_the_texts_of_pairs_that_are_truncated(model, pairs, caplog):
    long = " ".join(pair[0] for pair in pairs)
    advice = '; long_text="windows" reads all of them'
    for options, message in (
        ({"max_query_length": 16, "max_passage_length": 16}, "2 of 6 texts truncated: longer than 16 tokens"),
        ({"max_query_length": 16}, "1 of 6 texts truncated: longer than 16 or 512 tokens"),
    ):
        caplog.clear()
        model.compute_score([(long, "a"), ("a", "b"), ("b", long)], batch_size=1, **options)
        assert [record.getMessage() for record in caplog.records] == [message + advice]


def test_vectors_keep_no_others_in_memory(folder, texts):
    """What an array that is kept alive is a part of is as large as it."""
    for options in ({}, {"truncate_dim": 5}, {"truncate_dim": 5, "normalize_embeddings": False}):
        found = BGEM3FlagModel(folder, **options, **EVERYTHING).encode(texts[0])
        for array in (found["dense_vecs"], found["colbert_vecs"]):
            assert array.base is None or array.base.size == array.size
        both = BGEM3FlagModel(folder, **options, **EVERYTHING).encode(texts[:9])["colbert_vecs"]
        assert all(array.base is None or array.base.size == array.size for array in both)


def test_a_progress_bar_is_shown_when_asked_for(model, texts, capsys):
    model.encode(texts, batch_size=2)
    assert capsys.readouterr().err == ""  # no terminal
    model.encode_queries(texts, show_progress_bar=True)
    assert "Texts: 100%" in capsys.readouterr().err
    model.compute_score([("a", "b")], show_progress_bar=True)
    assert "Pairs: 100%" in capsys.readouterr().err


def test_scores_of_representations(model, pairs):
    queries, passages = ([pair[part] for pair in pairs[:4]] for part in (0, 1))
    one, other = model.encode(queries, **EVERYTHING), model.encode(passages, **EVERYTHING)
    scores = model.compute_score(pairs[:4])
    matrix = model.compute_lexical_matching_score(one["lexical_weights"], other["lexical_weights"])
    assert matrix.shape == (4, 4)
    assert np.diag(matrix).tolist() == scores["sparse"]
    single = model.compute_lexical_matching_score(one["lexical_weights"][0], other["lexical_weights"][0])
    assert single == matrix[0, 0]
    for index in range(4):
        score = model.colbert_score(one["colbert_vecs"][index], other["colbert_vecs"][index])
        assert score.item() == pytest.approx(scores["colbert"][index], abs=1e-6)
    assert model.compute_lexical_matching_score([], other["lexical_weights"]).shape == (0, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda model: model.compute_lexical_matching_score({}, []),
            "lexical_weights: found dict and list, expected two dicts",
        ),
        (
            lambda model: model.compute_lexical_matching_score([1], [2]),
            r"lexical_weights_1\[0\]: found 1, expected a dict of token ids and weights",
        ),
        (
            lambda model: model.compute_lexical_matching_score({"1": 2.0}, {"1": "a"}),
            r"lexical_weights_2\['1'\]: found 'a', expected a number",
        ),
        (
            lambda model: model.compute_lexical_matching_score({"1": 10**400}, {"1": 1.0}),
            r"lexical_weights_1\['1'\]: found 1000",
        ),
        (
            lambda model: model.colbert_score(np.ones((2, 4)), np.ones((3, 5))),
            r"p_reps: found shape \(3, 5\), expected \(tokens, 4\), at least one token",
        ),
        (
            lambda model: model.colbert_score(np.ones((2, 4)), np.ones((0, 4))),
            r"p_reps: found shape \(0, 4\)",
        ),
        (
            lambda model: model.colbert_score(np.ones((0, 4)), np.ones((2, 4))),
            r"q_reps: found shape \(0, 4\)",
        ),
        (lambda model: model.colbert_score(None, np.ones((2, 4))), "q_reps: found None, expected an array"),
        (lambda model: model.convert_id_to_token({"x": 1}), "lexical_weights: a key: found 'x', expected an"),
        (lambda model: model.convert_id_to_token({10**30: 1}), "lexical_weights: a key: found 1000000000000"),
        (lambda model: model.convert_id_to_token({"-1": 1}), "lexical_weights: a key: found '-1'"),
        (
            lambda model: model.convert_id_to_token(3),
            "lexical_weights: found 3, expected a dict of token ids",
        ),
        (lambda model: model.convert_id_to_token([{}, 3]), r"lexical_weights: found \[\{\}, 3\]"),
        (
            lambda model: model.compute_score([("a", "b")], weights_for_different_modes=[10**400, 1, 1]),
            "weights_for_different_modes: found",
        ),
        (
            lambda model: model.compute_score([("a", "b")], weights_for_different_modes=range(10**12)),
            r"weights_for_different_modes: found range\(0, 1000000000000\), expected three numbers",
        ),
        (
            lambda model: model.compute_score([("a", "b")], weights_for_different_modes="123"),
            "weights_for_different_modes: found '123', expected three numbers",
        ),
    ],
    ids=range(16),
)
def test_refusals_of_calls_on_representations(call, message, model):
    with pytest.raises(InputError, match=message) as raised:
        call(model)
    assert "\n" not in str(raised.value)


def test_ids_as_tokens(model, texts):
    weights = model.encode(texts[:3], return_sparse=True)["lexical_weights"]
    assert all(weights)
    named = model.convert_id_to_token(weights)
    for one, tokens in zip(weights, named, strict=True):
        assert tokens == {model.tokenizer.decode([int(token)]): weight for token, weight in one.items()}
    assert model.convert_id_to_token(weights[0]) == model.convert_id_to_token(weights[:1]) == named[0]


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_flag_model_is_the_published_formula(pooling, folder, texts, published):
    states = [published(text)[0] for text in texts]
    pooled = np.stack([one[0] if pooling == "cls" else one.mean(axis=0) for one in states])
    for options, expected in (
        ({"normalize_embeddings": False}, pooled),
        ({}, pooled / np.linalg.norm(pooled, axis=1, keepdims=True)),
        ({"truncate_dim": 7}, pooled[:, :7] / np.linalg.norm(pooled[:, :7], axis=1, keepdims=True)),
    ):
        ours = FlagModel(folder, pooling_method=pooling, **options)
        vectors = ours.encode(texts)
        assert vectors.dtype == np.float32
        assert vectors.shape == expected.shape
        assert np.abs(vectors - expected).max() < TOLERANCE
        assert np.array_equal(ours.encode(texts[0]), vectors[0])
        assert ours.encode([]).shape == (0, expected.shape[1])
        of_m3 = BGEM3FlagModel(folder, pooling_method=pooling, **options).encode(texts)["dense_vecs"]
        assert np.array_equal(of_m3, vectors)


@pytest.mark.parametrize("kind", [FlagModel, BGEM3FlagModel])
def test_instructions_and_lengths_of_queries_and_corpus(kind, folder, texts):
    given = {"query_max_length": 12, "passage_max_length": 20, "num_threads": 1}
    plain = kind(folder, **given)
    instructed = kind(
        folder,
        query_instruction_for_retrieval="find:",
        query_instruction_format="{}\\n{}",
        passage_instruction_for_retrieval="text: ",
        **given,
    )

    def dense(found):
        return found["dense_vecs"] if kind is BGEM3FlagModel else found

    written = [f"find:\n{text}" for text in texts]
    assert np.array_equal(
        dense(instructed.encode_queries(texts)), dense(plain.encode(written, max_length=12))
    )
    written = [f"text: {text}" for text in texts]
    assert np.array_equal(dense(instructed.encode_corpus(texts)), dense(plain.encode(written)))
    assert np.array_equal(dense(instructed.encode(texts)), dense(plain.encode(texts)))
    assert np.array_equal(
        dense(plain.encode_queries(texts, max_length=9)), dense(plain.encode(texts, max_length=9))
    )


def test_the_last_token_and_dimensions_of_tokens(made, folder, texts, published, tmp_path):
    last = BGEM3FlagModel(folder, pooling_method="last_token", normalize_embeddings=False).encode(texts)
    expected = np.stack([published(text)[0][-1] for text in texts])
    assert np.abs(last["dense_vecs"] - expected).max() < TOLERANCE
    narrow = shutil.copytree(folder, tmp_path / "narrow")
    save_heads(dataclasses.replace(made, folder=narrow), colbert_dim=5)
    vectors = BGEM3FlagModel(narrow, colbert_dim=5).encode(texts, return_colbert_vecs=True)["colbert_vecs"]
    assert {array.shape[1] for array in vectors} == {5}
    with pytest.raises(
        ModelFileError, match=r"weight: found shape \(5, 48\), expected \(48, 48\) \(colbert_dim"
    ):
        BGEM3FlagModel(narrow)


@pytest.mark.parametrize("form", ["legacy", "half", "bfloat16"])
def test_heads_in_other_formats(form, folder, texts, model, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    for name in ("sparse_linear.pt", "colbert_linear.pt"):
        state = torch.load(folder / name, weights_only=True)
        if form != "legacy":
            state = {key: value.to(getattr(torch, form)) for key, value in state.items()}
        torch.save(state, other / name, _use_new_zipfile_serialization=form != "legacy")
    one, two = model.encode(texts, **EVERYTHING), BGEM3FlagModel(other).encode(texts, **EVERYTHING)
    tolerance = {"legacy": 0, "half": 2e-3, "bfloat16": 2e-2}[form]
    for array, expected in zip(two["colbert_vecs"], one["colbert_vecs"], strict=True):
        assert np.abs(array - expected).max() <= tolerance
    if form == "legacy":
        assert same(one["lexical_weights"], two["lexical_weights"])


def test_without_heads_there_are_dense_vectors_alone(folder, texts, model, tmp_path):
    bare = shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns("*_linear.pt"))
    found = BGEM3FlagModel(bare).encode(texts)
    assert np.array_equal(found["dense_vecs"], model.encode(texts)["dense_vecs"])
    for option, name in (("return_sparse", "sparse"), ("return_colbert_vecs", "colbert")):
        with pytest.raises(
            ModelFileError, match=f"{name}_linear.pt: found no such file, expected it"
        ) as raised:
            BGEM3FlagModel(bare).encode(texts, **{option: True})
        assert "\n" not in str(raised.value)


def test_damaged_heads(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    path = other / "sparse_linear.pt"
    ones = {"weight": torch.ones(1, HIDDEN), "bias": torch.ones(1)}
    for state, message in (
        ({"weight": ones["weight"]}, r"found the tensors \['weight'\], expected weight and bias"),
        ({**ones, "weight": torch.ones(1, 7)}, r"weight: found shape \(1, 7\), expected \(1, 48\)"),
        ({**ones, "weight": torch.ones(2, HIDDEN)}, r"weight: found shape \(2, 48\), expected \(1, 48\)"),
        ({**ones, "bias": torch.ones(1, dtype=torch.int64)}, "bias: found dtype int64, expected float32"),
        ({**ones, "bias": torch.full((1,), float("nan"))}, "found numbers that are NaN or infinite"),
    ):
        torch.save(state, path)
        with pytest.raises(ModelFileError, match=message):
            BGEM3FlagModel(other)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(ModelFileError, match=r"sparse_linear\.pt: cannot be opened"):
        BGEM3FlagModel(other)
    path.unlink()
    torch.save(Harmful(), path)
    with pytest.raises(UnsafeFileError):
        BGEM3FlagModel(other)
    path.write_bytes(pickle.dumps({"weight": [1.0]}))
    with pytest.raises(ModelFileError, match="a pickle that torch"):
        BGEM3FlagModel(other)


@pytest.mark.parametrize("name", ["sparse", "colbert"])
def test_heads_whose_outputs_are_not_numbers(name, folder, pairs, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    columns = {"sparse": 1, "colbert": HIDDEN}[name]
    large = {"weight": torch.full((columns, HIDDEN), 3e38), "bias": torch.zeros(columns)}
    torch.save(large, other / f"{name}_linear.pt")
    damaged = BGEM3FlagModel(other)
    for call in (lambda: damaged.encode(pairs[0], **EVERYTHING), lambda: damaged.compute_score(pairs[:1])):
        with pytest.raises(ModelFileError, match="found outputs that are NaN or infinite, expected finite"):
            call()
    assert np.isfinite(damaged.encode(pairs[0])["dense_vecs"]).all()


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


@pytest.mark.parametrize("kind", [FlagModel, BGEM3FlagModel])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling_method": "max"}, "pooling_method: found 'max', expected one of cls, mean"),
        ({"passage_max_length": 600}, "passage_max_length: found 600, expected at most 512"),
        ({"query_max_length": 0}, "query_max_length: found 0"),
        ({"batch_size": -1}, "batch_size: found -1"),
        ({"truncate_dim": 0}, "truncate_dim: found 0"),
        ({"truncate_dim": 1000}, "truncate_dim: found 1000, expected an integer from 1 to 48, the width"),
        ({"normalize_embeddings": "yes"}, "normalize_embeddings: found 'yes'"),
        ({"devices": "cuda:0"}, "devices: found 'cuda:0', expected 'cpu' or None"),
        ({"convert_to_numpy": False}, "convert_to_numpy: found False, expected True"),
        ({"nonsense": 1}, "nonsense: found an unknown keyword"),
        ({"query_instruction_for_retrieval": 5}, "query_instruction: found 5, expected a str"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_refusals_of_constructors(kind, options, message, folder):
    with pytest.raises(InputError, match=message) as raised:
        kind(folder, **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.encode(None), "sentences: found None, expected a str or a list of str"),
        (lambda model: model.encode(["a", 3]), r"sentences\[1\]: found int 3, expected str"),
        (lambda model: model.encode(["a"], max_length=513), "max_length: found 513, expected at most 512"),
        (lambda model: model.encode(["a"], batch_size=0), "batch_size: found 0"),
        (lambda model: model.encode(["a"], return_dense=False), "return_colbert_vecs: found all False"),
        (lambda model: model.encode(["a"], return_sparse=1.5), "return_sparse: found 1.5"),
        (lambda model: model.encode(["a"], device="cuda"), "device: found 'cuda'"),
        (lambda model: model.encode(["a"], nonsense=1), "nonsense: found an unknown keyword"),
        (lambda model: model.encode_corpus(["a"], show_progress_bar=1), "show_progress_bar: found 1"),
        (
            lambda model: model.compute_score([("a", "b")], max_query_length=513),
            "max_query_length: found 513",
        ),
        (lambda model: model.compute_score([("a", "b")], nonsense=1), "nonsense: found an unknown keyword"),
        (lambda model: model.compute_score(["a", "b", "c"]), "sentence_pairs: found a list of 3"),
        (lambda model: model.compute_score("a"), "sentence_pairs: found str 'a'"),
        (lambda model: model.compute_score([("a", "b")], batch_size=0), "batch_size: found 0"),
        (
            lambda model: model.compute_score([("a", "b")], weights_for_different_modes=[1, 2]),
            r"weights_for_different_modes: found \[1, 2\], expected three numbers",
        ),
    ],
    ids=range(15),
)
def test_refusals_of_calls(call, message, model):
    with pytest.raises(InputError, match=message) as raised:
        call(model)
    assert "\n" not in str(raised.value)


# What FlagEmbedding 1.4.2's classes have beside what is missing here; those of bge-m3's alone come last.
NAMES = (
    *(
        "model_name_or_path",
        "normalize_embeddings",
        "use_fp16",
        "use_bf16",
        "query_instruction_for_retrieval",
    ),
    *("query_instruction_format", "batch_size", "query_max_length", "passage_max_length", "convert_to_numpy"),
    *("truncate_dim", "model", "tokenizer", "pooling_method", "DEFAULT_POOLING_METHOD", "stop_self_pool"),
    *("get_detailed_instruct", "encode", "encode_queries", "encode_corpus"),
)
NAMES_OF_M3 = (
    *("return_dense", "return_sparse", "return_colbert_vecs", "compute_score", "colbert_score"),
    *("compute_lexical_matching_score", "convert_id_to_token"),
)


def test_names_that_are_not_here_and_defaults(model, folder):
    assert all(hasattr(model, name) for name in (*NAMES, *NAMES_OF_M3))
    assert all(hasattr(FlagModel(folder), name) for name in NAMES)
    for name in FLAG_NAMES:
        with pytest.raises(MissingNameError, match=f"BGEM3FlagModel.{name}: found no such name, expected "):
            getattr(model, name)
    assert (model.batch_size, model.query_max_length, model.passage_max_length) == (256, 512, 512)


def test_a_smaller_model_has_its_own_limit_by_default(tmp_path, folder, texts, caplog):
    small = tmp_path / "small"
    make_random_model(
        small,
        "xlm-roberta",
        head="Model",
        hidden_size=32,
        num_attention_heads=2,
        num_hidden_layers=1,
        intermediate_size=32,
        max_position_embeddings=26,
        vocab_size=20002,
        pad_token_id=1,
    )
    shutil.copy(folder / "sentencepiece.bpe.model", small)
    model = FlagModel(small)
    assert model.passage_max_length == 24
    with caplog.at_level(logging.WARNING):
        assert model.encode(texts).shape == (len(texts), 32)
    assert f"of {len(texts)} texts truncated: longer than 24 tokens" in caplog.text
