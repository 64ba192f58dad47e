"""python -m tests.process.allocations PLACE CRASHES [SAMPLES]: one allocation after the other fails.

PLACE is "python" (allocations of CPython, by _testcapi.set_nomemory) or "c" (malloc and its relatives, by
failing_malloc.c, preloaded). CRASHES is crash_place.c as a library. For each n, or SAMPLES of them, a forked
process loads a model and calls it with the n-th allocation failing, once and many times. What may come of it:
the right answer, MemoryError, ResourceError, or what CPython and numpy themselves raise instead, as os.stat
and ndarray.max do. Afterwards a model that was loaded before still gives the same bits. For some n the
failure is repeated, and no memory of C may be lost.

CPython itself may crash: 3.11 does where there is no memory for the tuple of `dict.items()`'s iterator
(dictiter_new). Such crashes are counted, and are few; one with a function of this package on the stack fails.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
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
CPYTHONS = "a crash of CPython"
MANY = 10_000  # failures one after the other; more than an exception needs on its way
CRASH_OUTSIDE = 86  # the exit code that crash_place.c gives
LOST_SAMPLES, LOST_REPEATS = 40, 20
# For each failure. CPython 3.11 loses objects of its own now and then: up to 1,130 bytes by one failure have
# been seen. Each packed matrix of the model has 9 KiB at least.
MAX_LOST_BYTES = 4096


class MallocNumbers(ctypes.Structure):
    """What glibc's mallinfo2() gives."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def bytes_in_use() -> int:
    """Of malloc and its relatives, in this process."""
    gc.collect()
    numbers = ctypes.CDLL(None).mallinfo2
    numbers.restype = MallocNumbers
    found = numbers()
    return found.uordblks + found.hblkhd


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


def in_a_fork(call: Callable[[], tuple[str, int]]) -> tuple[str, int]:
    """What `call` returns in a forked process; (CPYTHONS, 0) for a crash outside of this package."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.write(writing, json.dumps(call()).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code == CRASH_OUTSIDE:
        return CPYTHONS, 0
    assert code == 0, f"the process ended with {code}, expected 0"
    return tuple(json.loads(found))


def main(place: str, crashes: str, samples: int | None = None) -> None:
    logging.disable(logging.WARNING)
    fail, end = failures_of(place)
    ctypes.CDLL(crashes).tell_crashes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        kept = load_small_model(path, num_threads=1)
        expected = answer(kept, 0)

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

        def outcome_and_files(first: int, last: int) -> tuple[str, int]:
            """The outcome, and how many files it left open."""
            files = open_files()
            found = outcome(first, last)
            assert answer(kept, 0) == expected, f"a model that was loaded before is wrong after {first}"
            gc.collect()
            return found, open_files() - files

        def outcome_of(first: int, last: int) -> tuple[str, int]:
            return in_a_fork(lambda: outcome_and_files(first, last))

        def outcome_and_bytes_lost(first: int) -> tuple[str, int]:
            """The last outcome of some failures, and the bytes that each of them lost."""
            for _ in range(3):  # what is allocated once
                outcome(first, first + 1)
            before = bytes_in_use()
            names = [outcome(first, first + 1) for _ in range(LOST_REPEATS)]
            return names[-1], (bytes_in_use() - before) // LOST_REPEATS

        count = next(one for one in (10**p for p in range(2, 9)) if outcome_of(one, one + 1)[0] == "right")
        few = np.unique(np.geomspace(1, count, samples or 2).astype(int)).tolist()
        numbers = range(1, count) if samples is None else few
        found: Counter[str] = Counter()
        left_open = 0
        for number in numbers:
            for last in (number + 1, number + MANY):
                name, opened = outcome_of(number, last)
                found[name] += 1
                left_open += max(opened, 0)
        repeated = np.unique(
            np.geomspace(1, count, min(samples or LOST_SAMPLES, LOST_SAMPLES)).astype(int)
        ).tolist()
        lost = max(in_a_fork(lambda number=number: outcome_and_bytes_lost(number))[1] for number in repeated)
        print(f"{place}: {sum(found.values())} failures: {dict(found)}; at most {lost} bytes lost by one")
        assert lost <= MAX_LOST_BYTES, f"a failure loses {lost} bytes"
        # Where the allocation of a frame fails, CPython 3.11 loses references: two descriptors of a model.
        assert left_open <= sum(found.values()) / 20, f"{left_open} files were left open"
        named = sum(found[name] for name in ("right", "MemoryError", "ResourceError", NUMPYS))
        foreign = sum(found[error.__name__] for error in FOREIGN)
        assert named + foreign + found[CPYTHONS] == sum(found.values()), "other errors"
        assert foreign <= named / 10
        assert found[CPYTHONS] <= named / 50
        assert found["MemoryError"] + found["ResourceError"] > 0


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
