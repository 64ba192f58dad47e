"""How much faster is a forward pass on more threads?

    python benchmarks/threads.py --output benchmarks/results/threads.json
    python benchmarks/threads.py --dtype int8 --output benchmarks/results/threads_int8.json

RoBERTa-base with random weights is loaded once for every number of threads, in one process. The models take
turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from base_model import save_random_base_model
from engines import Ours
from machine import description, save
from turns import rest, seconds_of_one
from workloads import random_batch

from roberta_c.machine.threads import chosen_num_threads
from roberta_c.model import DTYPES

SHAPES = ((8, 128), (1, 32), (1, 8))


def numbers_of_threads(most: int) -> list[int]:
    """1, 2, 4, … and `most`."""
    return sorted({most, *(1 << power for power in range(most.bit_length()) if 1 << power <= most)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--threads", type=int, help="the largest number; default: all that this process may use"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    numbers = numbers_of_threads(options.threads or chosen_num_threads(None)[0])
    with tempfile.TemporaryDirectory() as folder:
        save_random_base_model(Path(folder))
        models = {number: Ours(Path(folder), number, dtype=options.dtype) for number in numbers}
        result = description(("roberta_c", "numpy"))
        result |= {
            "isa": models[1].model.kernels.isa,
            "dtype": options.dtype,
            "rounds": options.rounds,
            "threads": numbers,
            "work": {},
        }
        facts = f"{result['cpu']}, {result['isa']}, {options.dtype}"
        print(f"{facts}; ms, in brackets times faster than on one thread")
        for size, length in SHAPES:
            batch = random_batch(size, length)
            logits = {number: model.logits(batch) for number, model in models.items()}
            assert all(np.array_equal(one, logits[1]) for one in logits.values()), "threads change the bits"
            seconds: dict[int, list[float]] = {number: [] for number in numbers}
            for _ in range(options.rounds):
                for number, model in models.items():
                    seconds[number].append(
                        seconds_of_one(lambda model=model, batch=batch: model.logits(batch))
                    )
                    rest()
            medians = {number: statistics.median(times) for number, times in seconds.items()}
            result["work"][f"{size} x {length}"] = {
                "ms": {str(number): round(of * 1e3, 2) for number, of in medians.items()},
                "times_faster": {str(number): round(medians[1] / of, 3) for number, of in medians.items()},
            }
            cells = (f"{number}: {of * 1e3:.1f} ({medians[1] / of:.2f})" for number, of in medians.items())
            print(f"{size} x {length:<5}", "  ".join(cells), flush=True)
    if options.output:
        save(options.output, result)


if __name__ == "__main__":
    main()
