"""What a test needs and may not find: data files, compilers, an emulator."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(requirement: str) -> NoReturn:
    """Skips the test. In CI (the variable CI is set), where .ci/run provides all of them, fails it."""
    if os.environ.get("CI"):
        pytest.fail(requirement)
    pytest.skip(requirement)
