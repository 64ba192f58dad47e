"""Programs and tests of what a process goes through: forks, many callers, lack of memory, long runs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # for `samples`, as pytest does for the tests
