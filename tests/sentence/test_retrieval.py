"""Searches, pairs and groups equal sentence-transformers', on embeddings of STS-B."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from samples.tokenizers import assert_one_line
from sentence_transformers import util as original

from roberta_c import util
from roberta_c.errors import InputError, ResourceError
from roberta_c.sentence import SentenceTransformer, communities, retrieval, similarity

# Scores that differ by less are equal: the original's order among them is any.
EQUAL = 5e-6
NO_NUMBERS = np.zeros((1 << 40, 0), np.float32)


@pytest.fixture(scope="module")
def models(saved_model):
    folder, theirs = saved_model("mean")
    return SentenceTransformer(folder), theirs


@pytest.fixture(scope="module")
def vectors(models, sentences):
    """Centred, so that cosines of a random encoder's vectors are of all sizes. Some texts are there twice."""
    vectors = models[0].encode(sentences)
    return vectors - vectors.mean(axis=0)


def assert_same_hits(ours, theirs):
    """The same rows with the same scores; the same order but for equal scores."""
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        scores = [hit["score"] for hit in one]
        np.testing.assert_allclose(scores, [hit["score"] for hit in other], rtol=EQUAL, atol=EQUAL)
        least = scores[-1] + EQUAL * max(1, abs(scores[-1]))
        places, others = ({hit["corpus_id"] for hit in hits if hit["score"] > least} for hits in (one, other))
        assert places == others


@pytest.mark.parametrize("name", ["cos_sim", "dot_score", "manhattan_sim"])
def test_searches(name, vectors):
    theirs = original.semantic_search(
        torch.from_numpy(vectors[:40]),
        torch.from_numpy(vectors[20:]),
        top_k=7,
        score_function=getattr(original, name),
    )
    ours = util.semantic_search(vectors[:40], vectors[20:], top_k=7, score_function=getattr(util, name))
    assert_same_hits(ours, theirs)
    assert {type(value) for hits in ours for hit in hits for value in hit.values()} == {int, float}


def test_chunks_do_not_change_what_is_found(vectors, monkeypatch):
    """Ids at least; a product of other shapes may round otherwise."""
    expected = util.semantic_search(vectors[:20], vectors, top_k=30)
    chunked = util.semantic_search(vectors[:20], vectors, query_chunk_size=3, corpus_chunk_size=7, top_k=30)
    assert_same_hits(chunked, expected)
    monkeypatch.setattr(retrieval, "_SCORES", 64)
    assert_same_hits(util.semantic_search(vectors[:20], vectors, top_k=30), expected)


def test_other_forms_of_searches(vectors):
    tensors = torch.from_numpy(vectors)
    expected = util.semantic_search(vectors[:1], vectors)
    for queries, corpus in (
        (vectors[0], vectors),
        (tensors[:1], tensors),
        (list(vectors[:1]), list(tensors)),
    ):
        assert util.semantic_search(queries, corpus) == expected
    assert len(expected[0]) == 10
    assert len(util.semantic_search(vectors[:2], vectors[:3])[1]) == 3
    assert util.semantic_search(vectors[:2], vectors[:0]) == [[], []]
    assert util.semantic_search([], vectors) == []
    assert util.information_retrieval(vectors[:1], vectors) == expected
    by_original = util.semantic_search(vectors[:1], vectors, score_function=original.cos_sim)
    assert_same_hits(by_original, expected)


def test_of_equal_scores_the_first_are_taken():
    scores = np.array([[1, 3, 3, 3, 2, 3], [5, 4, 4, 0, 4, 4], [1, 2, 3, 4, 5, 6]], np.float32)
    np.testing.assert_array_equal(retrieval.best_columns(scores, 3), [[1, 2, 3], [0, 1, 2], [5, 4, 3]])
    np.testing.assert_array_equal(retrieval.best_columns(scores, 9)[0], [1, 2, 3, 5, 4, 0])
    corpus = np.ones((9, 4), np.float32)
    (hits,) = util.semantic_search(corpus[:1], corpus, corpus_chunk_size=2, top_k=5)
    assert [hit["corpus_id"] for hit in hits] == [0, 1, 2, 3, 4]


def assert_same_pairs(ours, theirs):
    assert len(ours) == len(theirs)
    scores = [score for score, _, _ in ours]
    np.testing.assert_allclose(scores, [score for score, _, _ in theirs], atol=EQUAL)
    first, second = (
        {(i, j) for score, i, j in pairs if score > scores[-1] + EQUAL} for pairs in (ours, theirs)
    )
    assert first == second


def test_paraphrases(models, sentences):
    """Of texts that are all different: where texts are equal, the original takes any of their pairs."""
    ours, theirs = models
    sentences = list(dict.fromkeys(sentences))
    vectors = ours.encode(sentences)
    vectors -= vectors.mean(axis=0)
    options = {"top_k": 5, "max_pairs": 200, "batch_size": 64}
    pairs = util.paraphrase_mining(ours, sentences, **options)
    assert_same_pairs(pairs, original.paraphrase_mining(theirs, sentences, **options))
    assert [type(value) for value in pairs[0]] == [float, int, int]
    assert all(i < j for _, i, j in pairs)
    assert pairs == sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))
    for options in ({}, {"top_k": 2}, {"max_pairs": 50}, {"query_chunk_size": 9, "corpus_chunk_size": 20}):
        assert_same_pairs(
            util.paraphrase_mining_embeddings(vectors, **options),
            original.paraphrase_mining_embeddings(torch.from_numpy(vectors), **options),
        )
    assert util.paraphrase_mining_embeddings([]) == []
    assert util.paraphrase_mining_embeddings(vectors[:1]) == []


@pytest.mark.parametrize(("threshold", "size"), [(0.5, 3), (0.3, 10), (0.9, 2), (-1, 5), (0.99, 200)])
def test_communities(threshold, size, vectors):
    theirs = original.community_detection(vectors, threshold, size)
    ours = util.community_detection(vectors, threshold, size)
    assert [len(group) for group in ours] == [len(group) for group in theirs]
    assert [group[0] for group in ours] == [group[0] for group in theirs]
    assert [set(group) for group in ours] == [set(group) for group in theirs]


def test_smaller_blocks_find_the_same_communities(vectors, monkeypatch, capsys):
    expected = util.community_detection(vectors, 0.5, 3)
    assert util.community_detection(torch.from_numpy(vectors), 0.5, 3, batch_size=7) == expected
    monkeypatch.setattr(communities, "_COSINES", 1000)
    assert util.community_detection(vectors, 0.5, 3, show_progress_bar=True) == expected
    assert "100%" in capsys.readouterr().err
    assert util.community_detection(vectors[:4], 0.5) == []
    assert util.community_detection([]) == []


def test_cut_and_normalized(vectors):
    tensor = torch.from_numpy(vectors)
    np.testing.assert_array_equal(
        util.truncate_embeddings(vectors, 9), original.truncate_embeddings(vectors, 9)
    )
    assert util.truncate_embeddings(tensor, None).shape == vectors.shape
    assert util.truncate_embeddings(vectors.astype(np.int8), 3).dtype == np.int8
    np.testing.assert_allclose(
        util.normalize_embeddings(tensor), original.normalize_embeddings(tensor).numpy(), atol=1e-7
    )
    np.testing.assert_allclose(util.normalize_embeddings(vectors[0]), util.normalize_embeddings(vectors)[0])


def test_memory_is_bounded():
    """Neither a matrix of all scores nor copies of the embeddings."""
    embeddings = np.random.default_rng(0).standard_normal((4000, 64)).astype(np.float32)
    calls = [
        lambda: util.semantic_search(embeddings, embeddings, query_chunk_size=4000, top_k=1),
        lambda: util.community_detection(embeddings, 0.9, 2),
        lambda: util.paraphrase_mining_embeddings(embeddings, top_k=2),
    ]
    for call in calls:
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 30e6  # all scores: 64 MB


def test_counts_of_numpy_are_those_of_python(vectors):
    pairs = {"query_chunk_size": 200, "corpus_chunk_size": 100, "top_k": 127}
    groups = {"threshold": -1, "min_community_size": 255, "batch_size": 255}
    for kind in (np.uint8, np.int64):
        small = {name: kind(value) for name, value in pairs.items()}
        assert util.semantic_search(vectors, vectors, **small) == util.semantic_search(
            vectors, vectors, **pairs
        )
        small |= {"max_pairs": kind(255), "top_k": np.int8(127)}
        assert util.paraphrase_mining_embeddings(vectors, **small) == util.paraphrase_mining_embeddings(
            vectors, max_pairs=255, **pairs
        )
        small = {**groups, "min_community_size": kind(255), "batch_size": kind(255)}
        assert util.community_detection(vectors, **small) == util.community_detection(vectors, **groups)
        assert util.truncate_embeddings(vectors, kind(7)).shape == (300, 7)
    assert len(util.semantic_search(vectors, vectors, top_k=np.uint8(255))[0]) == 255
    assert len(util.semantic_search(vectors[:1], vectors, top_k=10**30)[0]) == 300


def test_underflow_raises_nothing():
    small = np.array([[1e-30, 1e-38], [1e-38, 1e-40], [1, 1e-40]], np.float32)
    with np.errstate(all="raise"):
        for score_function in (util.cos_sim, util.dot_score, util.euclidean_sim):
            assert len(util.semantic_search(small, small, score_function=score_function)) == 3
            assert len(util.paraphrase_mining_embeddings(small, score_function=score_function)) == 3
        # The others are shorter than 1e-12, by which they are divided instead of their lengths.
        assert util.community_detection(small, 0.9, 1) == [[2]]
        assert util.community_detection(small, 1e300, 1) == []


@pytest.mark.parametrize("shape", [(3, 1 << 40), (1 << 40, 3)])
def test_arrays_that_memory_cannot_hold(shape):
    given = np.broadcast_to(np.float32(1), shape)
    calls = [util.community_detection, lambda x: util.semantic_search(x, x)]
    if shape[0] == 3:
        calls.append(util.paraphrase_mining_embeddings)
    for call in calls:
        with pytest.raises(ResourceError) as caught:
            call(given)
        assert_one_line(caught.value, f"embeddings: found shape {shape}")


def not_finite(vectors, row, value):
    changed = vectors.copy()
    changed[row, 5] = value
    return changed


def test_scores_of_minus_infinity_leave_rows_out(vectors):
    def masked(queries, rows):
        scores = util.cos_sim(queries, rows)
        scores[:, 0] = -np.inf
        return scores

    best = util.semantic_search(vectors[0], vectors, top_k=300, score_function=masked)[0]
    assert (best[-1]["corpus_id"], best[-1]["score"]) == (0, -np.inf)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: util.semantic_search(v, v[:, :3]), "corpus_embeddings: found width 3, expected 48"),
        (lambda v: util.semantic_search(v[None], v), "query_embeddings: found shape (1, 300, 48)"),
        (lambda v: util.semantic_search(v, v, top_k=0), "top_k: found 0, expected an integer of at least 1"),
        (lambda v: util.semantic_search(v, v, query_chunk_size=0), "query_chunk_size: found 0"),
        (lambda v: util.semantic_search(v, v, score_function=None), "score_function: found None, expected a"),
        (lambda v: util.paraphrase_mining_embeddings(v, score_function=3), "score_function: found 3"),
        (
            lambda v: util.semantic_search(v, v, score_function=similarity.pairwise_cos_sim),
            "embeddings2: found",
        ),
        (
            lambda v: util.semantic_search(v, v, score_function=lambda a, b: a[:, :2]),
            "score_function: found scores of shape (100, 2), expected (100, 300)",
        ),
        (
            lambda v: util.semantic_search(v, not_finite(v, 299, np.nan), corpus_chunk_size=7),
            "corpus_embeddings[299]: found numbers that are NaN or infinite, expected finite ones",
        ),
        (
            lambda v: util.semantic_search(not_finite(v, 150, np.inf), v),
            "query_embeddings[150]: found num",
        ),
        (
            lambda v: util.semantic_search(v, v, score_function=lambda a, b: np.nan * util.cos_sim(a, b)),
            "score_function: found scores that are NaN, expected numbers",
        ),
        (
            lambda v: util.paraphrase_mining_embeddings(not_finite(v, 3, np.nan)),
            "embeddings[3]: found numbers",
        ),
        (lambda v: util.community_detection(not_finite(v, 3, np.nan)), "embeddings[3]: found numbers"),
        (lambda v: util.paraphrase_mining_embeddings(v, max_pairs=0), "max_pairs: found 0"),
        (lambda v: util.community_detection(v, "near"), "threshold: found 'near', expected a number"),
        (lambda v: util.community_detection(v, 10**5000), "threshold: found a int that cannot be shown"),
        (lambda v: util.community_detection(v, np.nan), "threshold: found nan, expected a number"),
        (
            lambda v: util.semantic_search(v, v.astype(np.float64) * 1e300),
            "corpus_embeddings: found numbers beyond",
        ),
        (lambda v: util.community_detection(np.full((2, 2), 1e300)), "embeddings: found numbers beyond the"),
        (
            lambda v: util.paraphrase_mining_embeddings(np.broadcast_to(v[0, :1], (1 << 40, 1))),
            "embeddings: found 1,099,511,627,776 rows, expected at most 3,037,000,499",
        ),
        *(
            (call, f"{name}: found shape (1099511627776, 0), expected vectors of at least one number")
            for name, call in (
                ("query_embeddings", lambda v: util.semantic_search(NO_NUMBERS, NO_NUMBERS)),
                ("embeddings", lambda v: util.paraphrase_mining_embeddings(NO_NUMBERS)),
                ("embeddings", lambda v: util.community_detection(NO_NUMBERS)),
            )
        ),
        (lambda v: util.community_detection(v, 0.5, 0), "min_community_size: found 0"),
        (lambda v: util.community_detection(v, show_progress_bar=v), "show_progress_bar: found a ndarray of"),
        (lambda v: util.paraphrase_mining("all-MiniLM", ["a"]), "model: found 'all-MiniLM', expected a"),
        (lambda v: util.paraphrase_mining(v, ["a"]), "model: found a ndarray of shape (300, 48), expected a"),
        (lambda v: util.truncate_embeddings(v, 49), "truncate_dim: found 49, expected at most 48, the width"),
        (
            lambda v: util.truncate_embeddings(v, -1),
            "truncate_dim: found -1, expected an integer from 1",
        ),
        (lambda v: util.normalize_embeddings(["a"]), "embeddings: found ['a'], expected an array of numbers"),
    ],
)
def test_errors(call, message, vectors):
    with pytest.raises(InputError) as caught:
        call(vectors)
    assert_one_line(caught.value, message)
