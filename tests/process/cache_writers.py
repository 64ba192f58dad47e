"""python -m tests.process.cache_writers KILLS ROUNDS: kills processes that write the cache of packed weights.

Each of KILLS children loads a model whose cache file is missing, and is killed at a random time. After each,
another child loads the model and must get the right bits. Then, ROUNDS times, 8 children load at once.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from samples.tiny_model import make_tiny_model

from roberta_c import RobertaModel
from roberta_c.cache import folder as private
from roberta_c.cache import settings

SIZES = {"hidden_size": 384, "num_attention_heads": 4, "num_hidden_layers": 4, "intermediate_size": 1536}
WRITERS = 8
CHILD_SECONDS = 60


def load(model: Path, cache: Path | None) -> RobertaModel:
    return RobertaModel.from_pretrained(model, cache=cache, num_threads=1, add_pooling_layer=False)


def answer(model: RobertaModel) -> bytes:
    return np.asarray(model([[0, 5, 6, 7, 2]]).last_hidden_state).tobytes()


def in_a_child(run: Callable[[], int]) -> int:
    """Run it in a forked process; returns that one's id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        signal.alarm(CHILD_SECONDS)  # ends the child if it hangs
        code = run()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(kills: int, rounds: int) -> None:
    settings.MIN_BYTES, settings.SETTLED_SECONDS, settings.FREE_BYTES = 1, -60, 0
    began, rng, unfinished = time.monotonic(), random.Random(0), 0
    with tempfile.TemporaryDirectory() as place:
        model, cache = make_tiny_model(Path(place, "model"), **SIZES), Path(place, "cache")
        expected = answer(load(model, None))

        def load_and_write() -> int:
            load(model, cache)
            return 0

        def check() -> int:
            found = load(model, cache)
            return 0 if answer(found) == expected else 1

        # Who looks for what a killed one left is alone; those that write at once have time to lock files.
        kept, private.UNLOCKED_SECONDS = private.UNLOCKED_SECONDS, 0
        started = time.monotonic()
        assert exit_code(in_a_child(load_and_write)) == 0
        longest = 1.5 * (time.monotonic() - started)
        for number in range(kills):
            for path in cache.glob("*.packed"):
                path.unlink()
            child = in_a_child(load_and_write)
            time.sleep(rng.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            unfinished += any(private.UNFINISHED.fullmatch(name) for name in os.listdir(cache))
            for _ in range(2):  # the first may write, the second may read what it wrote
                code = exit_code(in_a_child(check))
                assert code == 0, f"after kill {number}: exit code {code}"
            left = [name for name in os.listdir(cache) if not private.FILE.fullmatch(name)]
            assert not left, f"after kill {number}: {left} were left to clean"

        private.UNLOCKED_SECONDS = kept

        def check_at_once() -> int:
            time.sleep(max(0, start - time.time()))  # all begin together
            found = load(model, cache)
            right = answer(found) == expected
            return 0 if right and found.cache_report.state in ("read", "written") else 1

        for number in range(rounds):
            for path in cache.glob("*.packed"):
                path.unlink()
            start = time.time() + 0.3
            children = [in_a_child(check_at_once) for _ in range(WRITERS)]
            codes = [exit_code(child) for child in children]
            assert not any(codes), f"round {number}: exit codes {codes}"
            names = os.listdir(cache)
            assert len(names) == 1, f"round {number}: {names}"
            assert exit_code(in_a_child(check)) == 0
    print(
        f"{kills} kills, {unfinished} of them in the middle of a file; {rounds} rounds of {WRITERS} writers; "
        f"{time.monotonic() - began:.1f} s"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
