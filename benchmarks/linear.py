"""What share of the multiply-add peak does a linear layer with its epilogue reach, by number of rows M?

    python benchmarks/linear.py --threads 2 --output benchmarks/results/linear.json
    python benchmarks/linear.py --threads 2 --isa avx2 --output benchmarks/results/linear_avx2.json
    python benchmarks/linear.py --threads 2 --dtype int8 --output benchmarks/results/linear_int8.json

Measured are the three shapes that take nearly all of RoBERTa-base's time, each with its epilogue. Every call
uses another copy of the weights. All copies together are far larger than the last-level cache, so that
weights come from memory, as in a model. The peak (peak.py) is measured between the pieces of work. For few
rows, the time is also compared with the time of reading the weights at the measured rate.

In bfloat16 and int8, activation rows are converted before the clock starts, and only many rows are measured.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
from base_model import FEED_FORWARD, HIDDEN
from machine import description, save
from peak import Peak, mean_of
from turns import rest, seconds_of_one

from roberta_c.kernels import Kernels, PackedLinear, aligned_empty
from roberta_c.model import DTYPES

ROWS = (1, 4, 8, 12, 16, 32, 64, 128, 256, 512, 1024)
MANY_ROWS = (128, 256, 512, 1024)
FEW_ROWS = 32  # up to this many rows, reading the weights limits the speed; above, arithmetic
WEIGHTS_BYTES = 192 << 20
# name → sections, columns of each, depth, epilogue
SHAPES = {
    "qkv": (3, HIDDEN, HIDDEN, "bias"),
    "up": (1, FEED_FORWARD, HIDDEN, "bias, GELU"),
    "down": (1, HIDDEN, FEED_FORWARD, "bias, residual"),
}


def packed_copies(kernels: Kernels, name: str, threads: int, dtype: str) -> list[PackedLinear]:
    """Copies of one layer, more than any cache holds."""
    sections, n, k, _ = SHAPES[name]
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((n, k), dtype=np.float32) / k**0.5 for _ in range(sections)]
    biases = [rng.standard_normal(n, dtype=np.float32) for _ in range(sections)]
    first = kernels.pack_linear(weights, biases, threads, dtype)
    others = range(WEIGHTS_BYTES // first.nbytes)
    return [first, *(kernels.pack_linear(weights, biases, threads, dtype) for _ in others)]


def call_of(
    kernels: Kernels, name: str, packed: list[PackedLinear], m: int, threads: int
) -> Callable[[], object]:
    """A function that multiplies `m` rows by the next copy."""
    sections, n, k, _ = SHAPES[name]
    rng = np.random.default_rng(m)
    x, out = rng.standard_normal((m, k), dtype=np.float32), aligned_empty((m, sections * n))
    activation = "gelu" if name == "up" else "none"
    residual = rng.standard_normal((m, n), dtype=np.float32) if name == "down" else None
    rows = x if packed[0].dtype == "float32" else kernels.convert_rows(x, packed[0])
    copies = itertools.cycle(packed)

    def call() -> None:
        kernels.linear(rows, next(copies), activation, residual, num_threads=threads, out=out)

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9, help="1: a few M only, to check that all runs")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the products")
    parser.add_argument("--isa", help="an instruction set; the peak is measured at its width")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    kernels = Kernels(options.isa)
    peak = Peak(options.threads, kernels.isa, options.dtype)
    rows = ROWS if options.dtype == "float32" else MANY_ROWS
    if options.rounds == 1:
        rows = tuple(m for m in rows if m in (1, 32, 128))
    threads = options.threads
    packed = {name: packed_copies(kernels, name, threads, options.dtype) for name in SHAPES}
    calls = {
        (name, m): call_of(kernels, name, packed[name], m, threads)
        for name, m in itertools.product(SHAPES, rows)
    }

    def flops(name: str, m: int) -> float:
        sections, n, k, _ = SHAPES[name]
        return 2.0 * m * sections * n * k

    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in calls}
    peaks: dict[tuple[str, int], list[tuple[float | None, float | None]]] = {key: [] for key in calls}
    for _ in range(options.rounds):
        before = peak.arithmetic(), peak.read()
        for key, call in calls.items():
            seconds[key].append(seconds_of_one(call))
            rest()
            after = peak.arithmetic(), peak.read()
            peaks[key].append((mean_of(before[0], after[0]), mean_of(before[1], after[1])))
            before = after

    result = description(("roberta_c", "numpy"))
    result |= {
        "isa": kernels.isa,
        "dtype": options.dtype,
        "tile": list(kernels.tile),
        "peak_kind": peak.kind,
        "threads": threads,
        "rounds": options.rounds,
        "rows": list(rows),
        "shapes": {},
    }
    print(
        f"{result['cpu']}, {threads} threads, {kernels.isa}, {options.dtype}; {peak.described()}; "
        "share of the peak, in brackets time over the memory floor"
    )
    print(f"{'M':>5} " + "".join(f"{name + ' (' + SHAPES[name][3] + ')':>24}" for name in SHAPES))
    for name, (sections, n, k, epilogue) in SHAPES.items():
        shape = {"columns": sections * n, "depth": k, "epilogue": epilogue, "by_rows": {}}
        weight_bytes = packed[name][0].nbytes
        for m in rows:
            times, limits = seconds[name, m], peaks[name, m]
            row = {"us": round(statistics.median(times) * 1e6, 1)}
            row["gflops"] = round(flops(name, m) / row["us"] / 1e3, 1)
            if limits[0][0] is not None:
                row["share_of_peak"] = round(
                    statistics.median(
                        flops(name, m) / s / 1e9 / limit[0] for s, limit in zip(times, limits, strict=True)
                    ),
                    4,
                )
            if limits[0][1] is not None and m <= FEW_ROWS:
                row["over_memory_floor"] = round(
                    statistics.median(
                        s * limit[1] * 1e9 / weight_bytes for s, limit in zip(times, limits, strict=True)
                    ),
                    3,
                )
            shape["by_rows"][str(m)] = row
        result["shapes"][name] = shape
    for m in rows:
        print(
            f"{m:5} " + "".join(f"{cell(result['shapes'][name]['by_rows'][str(m)]):>24}" for name in SHAPES)
        )
    if options.output:
        save(options.output, result)


def cell(row: dict) -> str:
    share = f"{row['share_of_peak']:.1%}" if "share_of_peak" in row else f"{row['gflops']:.0f} GF/s"
    return share + (f" ({row['over_memory_floor']:.2f})" if "over_memory_floor" in row else "")


if __name__ == "__main__":
    main()
