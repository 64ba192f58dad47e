"""Fixtures shared by all tests: the real test data, and files that stand in for it where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from samples.requirements import DataFiles

if "PYTEST_XDIST_WORKER" in os.environ:
    # Teams of several processes on the same cores wait for one another: one thread each, unless a test asks
    # for more. The bits are the same (parity/test_same_bits.py).
    os.environ.setdefault("ROBERTA_C_NUM_THREADS", "1")
    os.environ.setdefault("MKL_NUM_THREADS", "1")  # torch's

# No test writes into the user's cache of packed weights, and none depends on what is there. Those of the
# cache itself say where it is.
os.environ["ROBERTA_C_CACHE"] = "off"

PROJECT_ROOT = Path(__file__).resolve().parent.parent
TEST_DATA_ROOT = Path(os.environ.get("ROBERTA_C_TEST_DATA", PROJECT_ROOT / ".." / "shared")).resolve()
SMALL_CHECKPOINT = "models/tweet-sentiment-small"


@pytest.fixture(scope="session")
def test_data(tmp_path_factory) -> DataFiles:
    """`test_data("data/xquad")` is that file or folder, real or made; `test_data.real(…)` only a real one."""
    return DataFiles(TEST_DATA_ROOT, tmp_path_factory.mktemp("stand-ins"))


@pytest.fixture(scope="session")
def tweet_sentiment_small(test_data) -> Path:
    """A trained checkpoint in the layout of twitter-roberta-base-sentiment-latest: a real one of 4 layers, or
    the bundled model saved in that layout."""
    return test_data(SMALL_CHECKPOINT)


@pytest.fixture(scope="session")
def real_checkpoint(test_data) -> Path:
    """The real one of these two, for tests of what only it holds: RoBERTa's vocabulary, known logits."""
    return test_data.real(SMALL_CHECKPOINT)


def pytest_report_header() -> str:
    """Says which test data is used."""
    if (TEST_DATA_ROOT / SMALL_CHECKPOINT).exists():
        return f"test data: {TEST_DATA_ROOT}"
    return (
        f"test data: none in {TEST_DATA_ROOT}; the bundled model and files that the tests make take its place"
    )
