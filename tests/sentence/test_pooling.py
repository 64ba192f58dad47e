"""The names of poolings; their results are tested in kernels/test_pool.py and sentence/test_parity.py."""

from __future__ import annotations

import pytest

from roberta_c.errors import InputError
from roberta_c.sentence.pooling import LEGACY_MODES, Pooling, checked_modes


@pytest.mark.parametrize("value", ["average", 3, [], ["mean", "average"], [["mean"]], None])
def test_unknown_modes(value):
    with pytest.raises(InputError, match=r"pooling_mode: found .*, expected one of cls, max, mean"):
        checked_modes(value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"foo": 0}, "foo: found no setting of a Pooling, expected one of pooling_mode_cls_token, "),
        ({"pooling_mode_cls_token": "no"}, "pooling_mode_cls_token: found 'no', expected True or False"),
        ({"word_embedding_dimension": 9}, "word_embedding_dimension: found 9 beside embedding_dimension=8"),
        (
            {"pooling_mode": "cls", "pooling_mode_mean_tokens": True},
            "pooling_mode_mean_tokens: found True beside pooling_mode='cls'",
        ),
        (
            {"pooling_mode": ["cls", "max"], "pooling_mode_max_tokens": False},
            "pooling_mode_max_tokens: found False beside pooling_mode=",
        ),
    ],
)
def test_settings_that_contradict_one_another(settings, message):
    with pytest.raises(InputError) as caught:
        Pooling(embedding_dimension=8, **settings)
    assert str(caught.value).startswith(message)


def test_older_and_newer_settings_that_agree():
    assert Pooling(8, word_embedding_dimension=8).embedding_dimension == 8
    assert Pooling(8, "max", pooling_mode_max_tokens=True, pooling_mode_cls_token=False).modes == ("max",)
    flags = dict.fromkeys(LEGACY_MODES, False)  # as sentence-transformers 2 to 5 write them, without any mode
    assert Pooling(word_embedding_dimension=8, **flags).modes == ("mean",)
