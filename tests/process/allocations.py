"""python -m tests.process.allocations PLACE [SAMPLES]: one allocation after the other fails.

PLACE is "python" (allocations of CPython, by _testcapi.set_nomemory) or "c" (malloc and its relatives, by a
library that the tests compile and preload). For each n, or SAMPLES of them, a model is loaded and called with
the n-th allocation failing, once and many times. What may come of it: the right answer, MemoryError,
ResourceError, or what CPython and numpy themselves raise instead, as os.stat and ndarray.max do. Afterwards a
model that was loaded before still gives the same bits.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from roberta_c import RobertaModel
from roberta_c.errors import ResourceError, RobertaCError

from .small_model import answer, load_small_model, open_files

Fail = Callable[[int, int], None]  # makes the allocations from one number to before another fail
FOREIGN = (SystemError, TypeError, RuntimeError)
NUMPYS = "numpy's SystemError"  # of reductions such as ndarray.max, in place of a MemoryError
MANY = 10_000  # failures one after the other; more than an exception needs on its way


def failures_of(place: str) -> tuple[Fail, Callable[[], None]]:
    """What makes allocations fail, and what ends that."""
    if place == "python":
        import _testcapi

        return _testcapi.set_nomemory, _testcapi.remove_mem_hooks
    library = ctypes.PyDLL(None)

    def end() -> None:
        while True:  # a call of a library allocates too
            try:
                library.end_failures()
                return
            except MemoryError:
                pass

    return library.fail_allocations, end


def _raised_in_numpy(error: BaseException) -> bool:
    *_, last = traceback.extract_tb(error.__traceback__)
    return isinstance(error, SystemError) and Path(np.__file__).parent in Path(last.filename).parents


def main(place: str, samples: int | None = None) -> None:
    logging.disable(logging.WARNING)
    fail, end = failures_of(place)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        kept = load_small_model(path, num_threads=1)
        expected, files = answer(kept, 0), open_files()

        def load_and_call() -> bool:
            model = RobertaModel.from_pretrained(path, add_pooling_layer=False, num_threads=1)
            return answer(model, 0) == expected

        def outcome(first: int, last: int) -> str:
            gc.collect()
            try:
                fail(first, last)
                right = load_and_call()
            except (MemoryError, ResourceError) as error:
                end()
                return type(error).__name__
            except RobertaCError as error:
                end()
                return f"{type(error).__name__}: {error}"
            except FOREIGN as error:
                end()
                return NUMPYS if _raised_in_numpy(error) else type(error).__name__
            end()
            return "right" if right else "wrong"

        count = next(10**power for power in range(2, 9) if outcome(10**power, 10**power + 1) == "right")
        few = np.unique(np.geomspace(1, count, samples or 2).astype(int)).tolist()
        numbers = range(1, count) if samples is None else few
        found: Counter[str] = Counter()
        for number in numbers:
            for last in (number + 1, number + MANY):
                found[outcome(number, last)] += 1
                assert answer(kept, 0) == expected, f"a model that was loaded before is wrong after {number}"
        gc.collect()
        print(f"{place}: {sum(found.values())} failures: {dict(found)}")
        # Where the allocation of a frame fails, CPython 3.11 loses references: two descriptors of a model.
        assert open_files() - files <= sum(found.values()) / 20, (
            f"{open_files() - files} files were left open"
        )
        named = sum(found[name] for name in ("right", "MemoryError", "ResourceError", NUMPYS))
        foreign = sum(found[error.__name__] for error in FOREIGN)
        assert named + foreign == sum(found.values()), "other errors"
        assert foreign <= named / 10
        assert found["MemoryError"] + found["ResourceError"] > 0


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
