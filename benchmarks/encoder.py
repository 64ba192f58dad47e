"""How fast is a complete forward pass of RoBERTa-base, against other engines and the machine's limits?

    python benchmarks/encoder.py --threads 2 --output benchmarks/results/encoder.json
    python benchmarks/encoder.py --dtype bfloat16 --output benchmarks/results/encoder_bfloat16.json
    python benchmarks/encoder.py --dtype int8 --output benchmarks/results/encoder_int8.json

All engines hold the same random weights, in one process. They take turns on the same ids, in one type, with
the same number of threads; times are medians over rounds. First, each engine's logits are compared with
torch's in float32. In every round the peak (peak.py) is measured just before and just after roberta_c's turn.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from base_model import ENCODER_WEIGHTS, TOLERANCE, save_random_base_model, useful_flops
from engines import (
    CTranslate2,
    Engine,
    OnnxRuntime,
    OpenVino,
    Ours,
    Torch,
    convert_to_ctranslate2,
    export_onnx,
    installed,
    optimize_onnx,
    typed,
)
from machine import description, save
from peak import Peak, mean_of
from quantization import calibration_samples, quantize_onnx, quantize_openvino
from turns import rest, seconds_of_one
from workloads import NAMES, workloads

OURS = "roberta_c"
NEEDS = {
    "torch": ("torch",),
    "onnxruntime": ("onnxruntime", "onnx"),
    "onnxruntime fused": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "onnx"),
    "ctranslate2": ("ctranslate2",),
}
# The engines that compute in a type, and the packages that each needs for it.
PEERS: dict[str, dict[str, tuple[str, ...]]] = {
    "float32": dict.fromkeys(NEEDS, ()),
    "bfloat16": {"torch": (), "openvino": ()},
    "int8": {"onnxruntime": (), "onnxruntime fused": (), "openvino": ("nncf",), "ctranslate2": ()},
}
WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


def load(
    names: list[str], data: Path, folder: Path, threads: int, isa: str | None, dtype: str
) -> tuple[list[Engine], Engine]:
    """The engines, and the reference engine (torch in float32).

    The first engine is roberta_c, the second torch if it computes in the type; then come those in `names`.
    """
    checkpoint = folder / "checkpoint"
    reference = save_random_base_model(checkpoint)
    judge = Torch(reference, threads)
    engines: list[Engine] = [Ours(checkpoint, threads, isa, dtype)]
    if "torch" in PEERS[dtype]:
        engines.append(judge if dtype == "float32" else Torch(reference, threads, dtype))
    plain, fused = folder / "plain.onnx", folder / "fused.onnx"
    if {"onnxruntime", "onnxruntime fused", "openvino"} & set(names):
        export_onnx(reference, plain)
    if "onnxruntime fused" in names:
        print("onnxruntime fused:", optimize_onnx(plain, fused))
    for name, graph in (("onnxruntime", plain), ("onnxruntime fused", fused)):
        if name in names:
            if dtype == "int8":
                graph, exact = graph.with_suffix(".int8.onnx"), graph
                quantize_onnx(exact, graph)
            engines.append(OnnxRuntime(typed(name, dtype), graph, threads))
    if "openvino" in names:
        model = quantize_openvino(plain, calibration_samples()) if dtype == "int8" else plain
        engines.append(OpenVino(model, threads, dtype))
    if "ctranslate2" in names:
        convert_to_ctranslate2(checkpoint, data / "data/roberta", folder / "ctranslate2")
        engines.append(CTranslate2(folder / "ctranslate2", reference, threads, dtype))
    return engines, judge


def differences(
    engines: list[Engine], judge: Engine, batches: list[list[list[int]]], tolerance: float
) -> dict[str, float]:
    """The largest difference of each engine's logits from those of `judge` (torch in float32).

    Raises AssertionError above the tolerance.
    """
    expected = judge.run([judge.prepare(batch) for batch in batches])
    found = {}
    for engine in engines:
        if engine is not judge:
            logits = engine.run([engine.prepare(batch) for batch in batches])
            found[engine.name] = float(np.abs(logits - expected).max())
    for name, difference in found.items():
        assert difference < tolerance, f"{name}: logits differ from torch's by {difference}"
    return found


def measure(
    engines: list[Engine], batches: list[list[list[int]]], peak: Peak, rounds: int, weight_bytes: float
) -> dict:
    """The row of one workload: medians over the rounds."""
    flops = useful_flops(batches)
    runs: dict[str, Callable[[], object]] = {}
    for engine in engines:
        prepared = [engine.prepare(batch) for batch in batches]
        runs[engine.name] = lambda engine=engine, prepared=prepared: engine.run(prepared)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    limits: list[float | None] = []
    read: list[float | None] = []
    for _, (name, run) in itertools.product(range(rounds), runs.items()):
        if name == OURS:
            before = peak.arithmetic(), peak.read()
            rest()
        seconds[name].append(seconds_of_one(run))
        rest()
        if name == OURS:
            limits.append(mean_of(before[0], peak.arithmetic()))
            read.append(mean_of(before[1], peak.read()))
    ours = seconds[OURS]
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    best = min((name for name in medians if name != OURS), key=medians.__getitem__)
    row = {
        "ms": {name: round(median * 1e3, 2) for name, median in medians.items()},
        "useful_gflop": round(flops / 1e9, 2),
        "gflops": round(flops / medians[OURS] / 1e9, 1),
        "best_peer": best,
        "best_peer_over_ours": round(medians[best] / medians[OURS], 3),
    }
    if None not in limits:
        row["peak_gflops"] = round(statistics.median(limits), 1)
        row["share_of_peak"] = round(
            statistics.median(flops / s / 1e9 / p for s, p in zip(ours, limits, strict=True)), 4
        )
    if None not in read:
        row["read_gb_per_s"] = round(statistics.median(read), 1)
        if sum(len(row) for batch in batches for row in batch) <= 32:
            floors = [weight_bytes / (r * 1e9) for r in read]
            row["over_memory_floor"] = round(
                statistics.median(s / f for s, f in zip(ours, floors, strict=True)), 3
            )
    return row


def line(name: str, row: dict, engines: list[str]) -> str:
    share = f"{row['share_of_peak']:6.1%}" if "share_of_peak" in row else "unknown"
    cells = "".join(f"{row['ms'][engine]:>{max(9, len(engine) + 2)}.1f}" for engine in engines)
    floor = f", {row['over_memory_floor']:.2f} x the memory floor" if "over_memory_floor" in row else ""
    return (
        f"{name:11}{cells} {row['gflops']:6.0f} GF/s {share} {row['best_peer_over_ours']:6.2f} "
        f"({row['best_peer']}){floor}"
    )


def chosen(text: str | None, known: tuple[str, ...]) -> list[str]:
    """The names in a comma-separated option, ignoring spaces; without the option, all known names."""
    if text is None:
        return list(known)
    by_short = {name.replace(" ", ""): name for name in known}
    wanted = [one.replace(" ", "") for one in text.split(",")]
    unknown = [one for one in wanted if one not in by_short]
    if unknown:
        raise SystemExit(f"found {', '.join(unknown)}, expected some of {', '.join(by_short)}")
    return [name for short, name in by_short.items() if short in wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7, help="1: small shapes only, to check that all runs")
    parser.add_argument("--work", help=f"some of {', '.join(NAMES)}, separated by commas")
    parser.add_argument("--engines", help=f"some of {', '.join(NEEDS)}; torch always, except in int8")
    parser.add_argument("--dtype", choices=PEERS, default="float32", help="of all engines that have it")
    parser.add_argument("--isa", help="roberta_c's instruction set; the peak is measured at its width")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    data = options.data.resolve()
    peers = PEERS[options.dtype]
    wanted = chosen(options.engines, tuple(peers))
    left_out = [
        f"{name} (not installed)" for name in wanted if not all(map(installed, (*NEEDS[name], *peers[name])))
    ]
    if "ctranslate2" in wanted and not (data / "data/roberta/vocab.json").exists():
        left_out.append("ctranslate2 (no data/roberta, whose vocabulary its converter needs; set --data)")
    wanted = [name for name in wanted if not any(one.startswith(f"{name} (") for one in left_out)]
    if not wanted and "torch" not in peers:
        raise SystemExit(f"no engine to compare with: {', '.join(left_out)}")
    names = chosen(options.work or ("1x8,1x32" if options.rounds == 1 else None), NAMES)
    work, missing = workloads(data, names)
    left_out += missing

    with tempfile.TemporaryDirectory() as folder:
        engines, judge = load(wanted, data, Path(folder), options.threads, options.isa, options.dtype)
        kernels = engines[0].model.kernels
        peak = Peak(options.threads, kernels.isa, options.dtype)
        weight_bytes = ENCODER_WEIGHTS * WEIGHT_BYTES[options.dtype]
        packages = ["roberta_c", "torch", "transformers", "onnxruntime", "openvino", "ctranslate2", "numpy"]
        packages += ["nncf"] if options.dtype == "int8" else []
        result = description(tuple(packages))
        result |= {
            "isa": kernels.isa,
            "dtype": options.dtype,
            "peak_kind": peak.kind,
            "threads": options.threads,
            "rounds": options.rounds,
            "engines": [engine.name for engine in engines],
            "left_out": left_out,
            "work": {},
        }
        for one in left_out:
            print(f"left out: {one}")
        rest()  # threads that loaded the engines may still be running
        print(
            f"{result['cpu']}, {options.threads} threads, {kernels.isa}, {options.dtype}; "
            f"{peak.described()}; times in ms, the last ratio best peer / ours"
        )
        print(" " * 11 + "".join(f"{name:>{max(9, len(name) + 2)}}" for name in result["engines"]))
        for name, batches in work.items():
            apart = differences(engines, judge, batches, TOLERANCE[options.dtype])
            row = measure(engines, batches, peak, options.rounds, weight_bytes)
            row["max_abs_logit_difference"] = apart
            result["work"][name] = row
            print(line(name, row, result["engines"]), flush=True)
        worst = {
            name: max(row["max_abs_logit_difference"][name] for row in result["work"].values())
            for name in next(iter(result["work"].values()))["max_abs_logit_difference"]
        }
        print(
            "largest difference from torch's logits:",
            {name: float(f"{of:.1e}") for name, of in worst.items()},
        )
    if options.output:
        save(options.output, result)


if __name__ == "__main__":
    main()
