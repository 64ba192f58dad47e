"""python -m tests.process.forks COUNT: forks so often while other threads call a model.

Each child calls the model too, must get the same bits, and may not hang. Then processes of multiprocessing's
other two start methods get the model as an argument.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from .small_model import answer, load_small_model

CALLERS = 2
CHILD_SECONDS = 30


def main(count: int) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what this tests
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        model = load_small_model(Path(folder))
        expected = [answer(model, number) for number in range(4)]
        stop, wrong = threading.Event(), []

        def call(number: int) -> None:
            while not stop.is_set():
                if answer(model, number) != expected[number]:
                    wrong.append(number)

        callers = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            for number in range(count):
                child = os.fork()
                if child == 0:
                    signal.alarm(CHILD_SECONDS)  # ends the child if it hangs
                    same = all(answer(model, one) == expected[one] for one in (number % 4, 3))
                    os._exit(0 if same else 1)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                if code != 0:
                    raise SystemExit(f"child {number}: exit code {code}")
        finally:
            stop.set()
            for caller in callers:
                caller.join()
        assert not wrong, "a caller got other bits while the process forked"
        for method in ("forkserver", "spawn"):
            with multiprocessing.get_context(method).Pool(1) as pool:
                assert pool.apply_async(answer, (model, 2)).get(CHILD_SECONDS) == expected[2], method
    print(f"{count} forks, {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]))
