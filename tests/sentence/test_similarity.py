"""Similarities equal sentence-transformers'."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from samples.tokenizers import assert_one_line
from sentence_transformers import SimilarityFunction as OriginalFunction
from sentence_transformers import util

from roberta_c import sentence
from roberta_c.errors import InputError, ResourceError
from roberta_c.sentence import SentenceTransformer, SimilarityFunction, similarity, vector_rows
from roberta_c.sentence.similarity import ALL_PAIRS, PAIRWISE

NAMES = SimilarityFunction.possible_values()
A = np.random.default_rng(0).standard_normal((70, 24)).astype(np.float32)
B = np.random.default_rng(1).standard_normal((40, 24)).astype(np.float32)
A[3] = 0  # a vector without a direction


@pytest.fixture(scope="module")
def model(saved_model):
    return SentenceTransformer(saved_model("mean")[0])


@pytest.mark.parametrize("name", NAMES)
def test_all_pairs(name, model):
    model.similarity_fn_name = name
    theirs = OriginalFunction.to_similarity_fn(name)
    for a, b in ((A, B), (A[0], B), (A, B[0]), (list(A), torch.from_numpy(B)), (A, A), (A[:0], B)):
        found = model.similarity(a, b)
        assert found.dtype == np.float32
        # torch computes distances of many vectors from products, which costs digits near 0.
        np.testing.assert_allclose(
            found, theirs(a, b).numpy().reshape(found.shape), atol=5e-3 if name == "euclidean" else 1e-5
        )


@pytest.mark.parametrize("name", NAMES)
def test_pairwise(name, model):
    model.similarity_fn_name = SimilarityFunction(name)
    theirs = OriginalFunction.to_similarity_pairwise_fn(name)
    for a, b in ((A[:40], B), (A[0], B[0]), (list(A[:40]), torch.from_numpy(B))):
        found = model.similarity_pairwise(a, b)
        np.testing.assert_allclose(found, theirs(a, b).numpy(), rtol=1e-5, atol=1e-5)


def test_functions_by_name():
    assert SimilarityFunction.to_similarity_fn("cosine") is sentence.cos_sim
    assert SimilarityFunction.to_similarity_pairwise_fn("dot") is sentence.pairwise_dot_score
    np.testing.assert_allclose(sentence.cos_sim(A, B), util.cos_sim(A, B).numpy(), atol=1e-6)
    np.testing.assert_allclose(sentence.manhattan_sim(A, B), util.manhattan_sim(A, B).numpy(), rtol=1e-5)


def test_the_name_is_read_and_set(saved_model):
    folder, _ = saved_model("cls", similarity_fn_name="dot")
    assert SentenceTransformer(folder).similarity_fn_name == "dot"
    model = SentenceTransformer(folder, similarity_fn_name=OriginalFunction.MANHATTAN)
    assert model.similarity_fn_name == "manhattan"
    model.similarity_fn_name = None
    assert model.similarity_fn_name == "cosine"
    with pytest.raises(InputError) as caught:
        model.similarity_fn_name = "maxsim"
    assert_one_line(caught.value, "'maxsim', expected one of cosine, dot, euclidean, manhattan")


def test_angles():
    for a, b in ((A[:40], B), (A[:40, :23], B[:, :23])):
        np.testing.assert_allclose(
            sentence.pairwise_angle_sim(a, b), util.pairwise_angle_sim(a, b).numpy(), atol=1e-6
        )
    assert sentence.pairwise_angle_sim(A[0], B[0]) == sentence.pairwise_angle_sim(A[:1], B[:1])[0]


ALL = {**ALL_PAIRS, **{f"pairwise_{name}": function for name, function in PAIRWISE.items()}}


@pytest.mark.parametrize("name", ALL)
def test_extra_memory_is_bounded(name):
    """Beside the arguments, 31 MB each, and the result."""
    a, b = (np.random.default_rng(seed).standard_normal((10_000, 768)).astype(np.float32) for seed in (0, 1))
    if not name.startswith("pairwise"):
        a = a[:50] if name == "manhattan" else a[:800]
    tracemalloc.start()
    result = ALL[name](a, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - result.nbytes < 16e6


@pytest.mark.parametrize("name", ALL)
def test_blocks_do_not_change_results(name, monkeypatch):
    expected = ALL[name](A[:40], B)
    monkeypatch.setattr(similarity, "BLOCK", 100)
    monkeypatch.setattr(vector_rows, "BLOCK", 100)
    np.testing.assert_allclose(ALL[name](A[:40], B), expected, rtol=1e-6, atol=1e-6)


def test_a_row_is_normalized_to_the_same_bits_in_any_array(monkeypatch):
    rows = np.random.default_rng(0).standard_normal((50, 1000)).astype(np.float32)
    expected = similarity.normalized(rows)
    lengths = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(expected, (rows / lengths).astype(np.float32))
    assert similarity.normalized(rows[7]).tobytes() == expected[7].tobytes()
    assert similarity.normalized(np.asfortranarray(rows)).tobytes() == expected.tobytes()
    assert similarity.normalized(rows.reshape(5, 10, 1000)).tobytes() == expected.tobytes()
    monkeypatch.setattr(vector_rows, "BLOCK", 3000)
    assert similarity.normalized(rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", [*ALL, "angle"])
def test_underflow_raises_nothing(name):
    compare = ALL.get(name, sentence.pairwise_angle_sim)
    small = np.array([[1e-30, 1e-38], [1e-38, 1e-40], [1, 1e-40]], np.float32)
    expected = compare(small, small)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(compare(small, small), expected)
        np.testing.assert_array_equal(compare(small.astype(np.float64), small), expected)
        assert np.isfinite(sentence.normalize_embeddings(small)).all()


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_what_float32_cannot_hold_on_the_way():
    large = np.array([[3e38, 3e38], [3e38, -3e38]], np.float32)
    np.testing.assert_array_equal(sentence.dot_score(large[:1], large), [[np.inf, 0]])
    assert sentence.pairwise_dot_score(*large) == 0
    for length in (1e25, 1e-25):
        expected = np.float32(-length)
        assert sentence.pairwise_euclidean_sim([length], [0.0]) == expected
        assert sentence.euclidean_sim([length], [0.0]) == expected
    np.testing.assert_allclose(sentence.cos_sim(large, large), np.eye(2), atol=1e-7)


@pytest.mark.parametrize("name", [*ALL, "angle"])
def test_numbers_beyond_float32_are_errors(name):
    compare = ALL.get(name, sentence.pairwise_angle_sim)
    with pytest.raises(InputError) as caught:
        compare(A[:2], np.full((2, 24), 1e300))
    assert_one_line(caught.value, "embeddings2: found numbers beyond the range of float32")


@pytest.mark.parametrize("name", [*ALL, "angle"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_that_memory_cannot_hold(name, dtype):
    compare = ALL.get(name, sentence.pairwise_angle_sim)
    for shape in ((3, 1 << 40), (1 << 40, 3), (1 << 40, 0)):
        given = np.broadcast_to(dtype(1), shape)
        with pytest.raises(ResourceError) as caught:
            compare(given, given)
        assert_one_line(caught.value, f"{shape}")


def test_a_range_that_memory_cannot_hold():
    with pytest.raises(ResourceError) as caught:
        sentence.cos_sim(A, range(1 << 50))
    with pytest.raises(ResourceError):
        sentence.cos_sim(A, range(10, -(1 << 70), -3))
    assert_one_line(caught.value, "embeddings2: found shape (1125899906842624,)")


def test_normalizing_without_memory_or_numbers():
    for given in (np.broadcast_to(np.float32(1), shape) for shape in ((3, 1 << 40), (1 << 40, 3))):
        for form in (given, list(given[:2])):
            with pytest.raises(ResourceError) as caught:
                sentence.normalize_embeddings(form if len(given) == 3 else given)
            assert_one_line(caught.value, "embeddings: found shape")
    none = np.zeros((1 << 40, 0), np.float32)
    assert sentence.normalize_embeddings(none).shape == none.shape
    np.testing.assert_array_equal(sentence.cos_sim(none[:2], none[:3]), np.zeros((2, 3)))
    np.testing.assert_array_equal(sentence.pairwise_cos_sim(none[:2], none[:2]), np.zeros(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sentence.cos_sim(A, B[:, :9]), "embeddings2: found width 9, expected 24"),
        (lambda: sentence.cos_sim(A[None], B), r"embeddings1: found shape \(1, 70, 24\)"),
        (lambda: sentence.cos_sim(["a"], B), "embeddings1: found .*expected an array of numbers"),
        (lambda: sentence.dot_score([A[0], A[0, :2]], B), "embeddings1: .*vectors of one width"),
        (
            lambda: sentence.pairwise_cos_sim(A, B),
            r"embeddings2: found shape \(40, 24\), expected \(70, 24\)",
        ),
    ],
)
def test_arrays_that_do_not_fit(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert_one_line(caught.value)
