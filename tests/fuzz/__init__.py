"""Fuzzing of everything that reads what strangers may have written; `python -m tests.fuzz --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # for `samples`, as pytest does for the tests
