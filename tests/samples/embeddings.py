"""How near embeddings are to those of sentence-transformers."""

from __future__ import annotations

import numpy as np

# |ours - theirs| / |theirs|, for each vector. Measured on STS-B and IMDB: at most 2e-6.
TOLERANCE = 2e-5


def assert_near(ours, theirs) -> None:
    """Arrays of one shape whose vectors agree within TOLERANCE."""
    theirs = np.asarray(theirs)
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    difference = np.linalg.norm((ours - theirs).astype(np.float64), axis=-1)
    assert (difference <= TOLERANCE * np.linalg.norm(theirs, axis=-1)).all(), difference.max()
