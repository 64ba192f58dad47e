"""The names of poolings; their results are tested in kernels/test_pool.py and sentence/test_parity.py."""

from __future__ import annotations

import pytest

from roberta_c.errors import InputError
from roberta_c.sentence.pooling import checked_modes


@pytest.mark.parametrize("value", ["average", 3, [], ["mean", "average"], [["mean"]], None])
def test_unknown_modes(value):
    with pytest.raises(InputError, match=r"pooling_mode: found .*, expected one of cls, max, mean"):
        checked_modes(value)
