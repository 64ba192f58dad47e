"""Similarities equal sentence-transformers'."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples.tokenizers import assert_one_line
from sentence_transformers import SimilarityFunction as OriginalFunction
from sentence_transformers import util

from roberta_c import sentence
from roberta_c.errors import InputError
from roberta_c.sentence import SentenceTransformer, SimilarityFunction

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
