"""roberta_c.util has sentence-transformers' functions of vectors; other names of its util say what to do."""

from __future__ import annotations

import inspect

import pytest
from samples.tokenizers import assert_one_line
from sentence_transformers import util as original

from roberta_c import util


def test_every_public_name_is_here_or_says_what_to_do():
    for name in original.__all__:
        if name in util.__all__ or name.startswith("_"):
            continue
        for ask in (f"util.{name}", f"from roberta_c.util import {name}"):
            with pytest.raises(ImportError) as caught:
                exec(ask, {"util": util})
            assert_one_line(caught.value, f"roberta_c.util: found no {name}, expected ")
    assert set(util.MISSING_NAMES) | set(util.__all__) <= set(original.__all__)
    with pytest.raises(AttributeError, match=r"module 'roberta_c.util' has no attribute 'nonsense'"):
        _ = util.nonsense


def test_arguments_have_the_names_order_and_defaults_of_the_original():
    for name in util.__all__:
        if name in ("SimilarityFunction", "information_retrieval"):  # the second has *args, **kwargs there
            continue
        ours, theirs = (inspect.signature(getattr(package, name)).parameters for package in (util, original))
        for one, other in zip(ours.values(), theirs.values(), strict=True):
            assert one.name == other.name
            assert callable(one.default) or one.default == other.default


def test_names_are_imported_as_from_the_original():
    from roberta_c.sentence import cos_sim as same
    from roberta_c.util import cos_sim, semantic_search

    assert cos_sim is same is util.pytorch_cos_sim
    assert semantic_search is util.semantic_search
