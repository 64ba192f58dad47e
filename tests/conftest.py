"""Fixtures shared by all tests: where the real test data lies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).resolve().parent.parent
TEST_DATA_ROOT = Path(os.environ.get("ROBERTA_C_TEST_DATA", PROJECT_ROOT / ".." / "shared")).resolve()


def find_test_data(relative_path: str) -> Path:
    """A real data file below ROBERTA_C_TEST_DATA; absent, it fails in CI and skips elsewhere."""
    path = TEST_DATA_ROOT / relative_path
    if not path.exists():
        message = f"test data not found: {relative_path} (set ROBERTA_C_TEST_DATA)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def test_data() -> Callable[[str], Path]:
    """`test_data("models/tweet-sentiment-small")` is that file or folder of the real test data."""
    return find_test_data


@pytest.fixture(scope="session")
def tweet_sentiment_small() -> Path:
    """The trained 4-layer checkpoint in the layout of twitter-roberta-base-sentiment-latest."""
    return find_test_data("models/tweet-sentiment-small")
