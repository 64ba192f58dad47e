"""What a test needs and may not find: real data files, compilers, an emulator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from .stand_ins import make_stand_in


def missing(requirement: str) -> NoReturn:
    """Skips the test. In CI (the variable CI is set), where .ci/run provides all of them, fails it."""
    if os.environ.get("CI"):
        pytest.fail(requirement)
    pytest.skip(requirement)


@dataclass(frozen=True)
class DataFiles:
    """Files of the test data by their paths below `root`, the folder that ROBERTA_C_TEST_DATA names.

    In CI a missing file fails the test. Elsewhere a file that tests can make, below `stand_in_root`, takes
    its place; a test is skipped if the file has no such stand-in.
    """

    root: Path
    stand_in_root: Path

    def __call__(self, relative_path: str) -> Path:
        """The real file or folder; where it is absent, its stand-in."""
        if not self.has_real(relative_path) and not os.environ.get("CI"):
            stand_in = make_stand_in(relative_path, self.stand_in_root)
            if stand_in is not None:
                return stand_in
        return self.real(relative_path)

    def has_real(self, relative_path: str) -> bool:
        """Whether the real file is there. For tests of what holds for the real file only."""
        return (self.root / relative_path).exists()

    def real(self, relative_path: str) -> Path:
        """The real file or folder, for tests whose point it is."""
        if not self.has_real(relative_path):
            missing(f"test data not found: {relative_path} (set ROBERTA_C_TEST_DATA)")
        return self.root / relative_path
