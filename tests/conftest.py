"""Fixtures shared by all tests: the real test data, and files that stand in for it where it is absent."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from samples.requirements import missing
from samples.stand_ins import make_stand_in

PROJECT_ROOT = Path(__file__).resolve().parent.parent
TEST_DATA_ROOT = Path(os.environ.get("ROBERTA_C_TEST_DATA", PROJECT_ROOT / ".." / "shared")).resolve()
SMALL_CHECKPOINT = "models/tweet-sentiment-small"


@dataclass(frozen=True)
class DataFiles:
    """Files of the test data by their paths below ROBERTA_C_TEST_DATA. In CI (the variable CI is set) a
    missing file fails the test. Elsewhere a file that tests can make takes its place, and without one the
    test is skipped."""

    stand_in_root: Path

    def __call__(self, relative_path: str) -> Path:
        """The real file or folder; where it is absent, its stand-in."""
        if not self.has_real(relative_path) and not os.environ.get("CI"):
            stand_in = make_stand_in(relative_path, self.stand_in_root)
            if stand_in is not None:
                return stand_in
        return self.real(relative_path)

    def has_real(self, relative_path: str) -> bool:
        """Whether the real file is there: what holds for it alone can be checked."""
        return (TEST_DATA_ROOT / relative_path).exists()

    def real(self, relative_path: str) -> Path:
        """The real file or folder, for tests whose point it is."""
        path = TEST_DATA_ROOT / relative_path
        if not path.exists():
            missing(f"test data not found: {relative_path} (set ROBERTA_C_TEST_DATA)")
        return path


@pytest.fixture(scope="session")
def test_data(tmp_path_factory) -> DataFiles:
    """`test_data("data/xquad")` is that file or folder, real or made; `test_data.real(…)` only a real one."""
    return DataFiles(tmp_path_factory.mktemp("stand-ins"))


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
