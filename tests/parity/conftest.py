"""Fixtures of the parity tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")
