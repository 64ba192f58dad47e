"""A tiny model, and a cache that takes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from samples.caches import allow_tiny_models
from samples.tiny_model import make_tiny_model

from roberta_c import cache as cache_room


@pytest.fixture(autouse=True)
def _tiny_models_are_cached(monkeypatch):
    allow_tiny_models(monkeypatch)
    monkeypatch.delenv("ROBERTA_C_CACHE", raising=False)
    monkeypatch.setattr(cache_room, "_told", set())


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """One that no test changes."""
    return make_tiny_model(tmp_path_factory.mktemp("made"))


@pytest.fixture
def model_folder(made, tmp_path) -> Path:
    """One that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "model"))


@pytest.fixture
def cache_folder(tmp_path) -> Path:
    """A folder for cache files, which is not there yet."""
    return tmp_path / "cache"
