"""Which of the project's targets for float32 are met by the figures in results/?

    python benchmarks/targets.py

A target is for RoBERTa-base on 2 threads; "best peer" is the fastest of the other engines in the same run.
"""

from __future__ import annotations

import argparse
import json
import operator
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
THREADS, BATCHES = 2, 10_000


class Target(NamedTuple):
    what: str
    file: str
    keys: tuple[str, ...]
    compare: str
    value: float
    form: str


def against_peer(work: str, ratio: float) -> Target:
    keys = ("work", work, "best_peer_over_ours")
    return Target(f"{work}: times faster than the best peer", "encoder", keys, ">=", ratio, ".2f")


SHARE = "share_of_peak"
TARGETS = [
    *(
        Target(
            f"{shape} and its epilogue at M = {rows}: share of the peak",
            "linear",
            ("shapes", shape, "by_rows", str(rows), SHARE),
            ">=",
            0.95,
            ".1%",
        )
        for shape in ("qkv", "up", "down")
        for rows in (128, 256, 512, 1024)
    ),
    Target(
        "8 x 128, whole forward: share of the peak", "encoder", ("work", "8 x 128", SHARE), ">=", 0.93, ".1%"
    ),
    *(against_peer(work, 1.2) for work in ("8 x 128", "32 x 32", "4 x 512")),
    against_peer("1 x 128", 1.4),
    against_peer("1 x 32", 1.7),
    Target(
        "1 x 8: time over the memory floor",
        "encoder",
        ("work", "1 x 8", "over_memory_floor"),
        "<=",
        1.1,
        ".2f",
    ),
    against_peer("256 tweets", 1.5),
    Target(
        "8 x 128: times faster on 2 threads than on 1",
        "threads",
        ("work", "8 x 128", "times_faster", "2"),
        ">=",
        1.9,
        ".2f",
    ),
    Target(
        "8 x 128 with AVX2 forced: share of the 256-bit peak",
        "encoder_avx2",
        ("work", "8 x 128", SHARE),
        ">=",
        0.9,
        ".1%",
    ),
    Target(
        "process start to first logits, files in the page cache, ms",
        "startup",
        ("from_outside_ms", "roberta_c"),
        "<=",
        400,
        ".0f",
    ),
    Target(
        "peak memory over (packed encoder weights + 60 MB)",
        "memory",
        ("peak_over_packed_and_allowance",),
        "<=",
        1.1,
        ".2f",
    ),
    Target("memory growth over 10,000 batches of random shapes", "memory", ("growth",), "<=", 0.02, ".2%"),
]


def measured(target: Target, results: Path) -> float | None:
    """The figure, or None if it has not been measured with these threads and so many batches."""
    path = results / f"{target.file}.json"
    if not path.exists():
        return None
    found: Any = json.loads(path.read_text(encoding="utf-8"))
    if found.get("batches", BATCHES) < BATCHES or found.get("threads") not in (THREADS, [1, THREADS]):
        return None  # another question
    for key in target.keys:
        if key not in found:
            return None
        found = found[key]
    return found


def rows(results: Path = RESULTS) -> list[tuple[str, str, str, str]]:
    """What, the target, the figure, and met or missed."""
    found = []
    for target in TARGETS:
        value = measured(target, results)
        meets = {">=": operator.ge, "<=": operator.le}[target.compare]
        verdict = "not measured" if value is None else "met" if meets(value, target.value) else "missed"
        sign = {">=": "≥", "<=": "≤"}[target.compare]
        figure = "" if value is None else format(value, target.form)
        found.append((target.what, f"{sign} {format(target.value, target.form)}", figure, verdict))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = rows(options.results)
    for what, wanted, figure, verdict in found:
        print(f"{what:60} {wanted:>9} {figure:>9}  {verdict}")
    verdicts = [verdict for *_, verdict in found]
    print(", ".join(f"{verdicts.count(one)} {one}" for one in ("met", "missed", "not measured")))


if __name__ == "__main__":
    main()
