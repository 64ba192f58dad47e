"""What does the first answer cost in disk space, time and memory, against torch with transformers?

    python benchmarks/startup.py --output benchmarks/results/startup.json
    python benchmarks/startup.py --dtype int8 --output benchmarks/results/startup_int8.json

Each start is a process of its own, timed from its first line: import, tokenizer, weights, first answer,
second answer. Just before, the same program runs once untimed, so that all files are in the page cache.
Engines take turns; medians are compared. The model is RoBERTa-base with random weights and the real
vocabulary; roberta_c also starts with the bundled model. Disk space is that of the package and all that it
needs at run time, by the file lists of the installed distributions; torch is its smaller build, for CPUs
only.

`from_outside` is the time from before the process starts to its first logits, by a clock that both processes
share. It includes the interpreter's start. ONNX Runtime, if installed, starts there from its .onnx file and
tokenizer.json. For comparison there are `import roberta_c` alone and an empty program. "weights from its
cache" is a later start, which maps the packed weights that an earlier one has written; in all other rows
roberta_c uses no cache.

In bfloat16 and int8 only roberta_c starts, from the same float32 files; in int8, `from_outside` also has ONNX
Runtime with a graph that was quantized before.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from base_model import TOLERANCE, save_random_base_model
from machine import description, save
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PHASES = ("import", "load the tokenizer", "load the weights", "first answer", "second answer")
TEXT = "I love using the Transformers library!"

# A user's program, with a clock between the lines. %s: the imports, an option of loading, the type of ids.
PROGRAM = r"""
import json, re, sys, time
marks = [time.perf_counter()]
%s
marks.append(time.perf_counter())
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
marks.append(time.perf_counter())
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]%s)
marks.append(time.perf_counter())
for _ in range(2):
    logits = model(**tokenizer([sys.argv[2]], return_tensors="%s")).logits
    marks.append(time.perf_counter())
# Not getrusage, which would include the memory of the process that started this one.
peak = int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps({"ms": [1e3 * (b - a) for a, b in zip(marks, marks[1:])], "peak_mib": peak / 1024,
                  "logits": logits[0].tolist()}))
"""
# The clock is CLOCK_MONOTONIC, which all processes share.
FIRST_LOGITS = r"""
import sys, time
%s
print(time.monotonic(), *logits[0].tolist())
"""
USUAL = """
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]%s)
logits = model(**tokenizer([sys.argv[2]], return_tensors="%s")).logits"""
OURS = (
    "from roberta_c import AutoModelForSequenceClassification, AutoTokenizer",
    ", dtype=sys.argv[3], cache=None",
    "np",
)
# The untimed run writes the cache of packed weights.
CACHED = (OURS[0], ", dtype=sys.argv[3], cache=sys.argv[4]", "np")
TORCH = (
    "import torch\ntorch.set_grad_enabled(False)\n"
    "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
    "",
    "pt",
)
FROM_OUTSIDE = {
    "an empty program": "import time; print(time.monotonic())",
    "import roberta_c": "import roberta_c, time; print(time.monotonic())",
    "roberta_c": FIRST_LOGITS % (OURS[0] + USUAL % OURS[1:]),
    "roberta_c, weights from its cache": FIRST_LOGITS % (CACHED[0] + USUAL % CACHED[1:]),
    "torch, transformers": FIRST_LOGITS % (TORCH[0] + USUAL % TORCH[1:]),
    "onnxruntime, tokenizers": FIRST_LOGITS
    % """
import numpy, onnxruntime, tokenizers
tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(
    sys.argv[1] + "/model.onnx", options, providers=["CPUExecutionProvider"])
ids = numpy.array([tokenizer.encode(sys.argv[2]).ids])
logits = session.run(None, {"input_ids": ids, "attention_mask": numpy.ones_like(ids)})[0]""",
}
PROGRAMS = {"roberta_c": PROGRAM % OURS, "torch": PROGRAM % TORCH}
# The programs of `from_outside`, by type.
CASES_IN = {
    "float32": tuple(FROM_OUTSIDE),
    "bfloat16": ("roberta_c", "roberta_c, weights from its cache"),
    "int8": ("roberta_c", "roberta_c, weights from its cache", "onnxruntime, tokenizers"),
}


def last_run(program: str, model: Path, dtype: str, runs: int) -> tuple[float, str]:
    """Runs the program `runs` times. Returns when the last run started, and the last line that it printed.

    The first run may find its files missing from the page cache, which the system can reclaim early, and its
    memory not yet granted by a virtual machine's host, which takes back idle memory: that took 0.3 to 0.5 s
    in one start of four (a shared AMD EPYC, 2026-11-22).
    """
    packed = str(model.parent / "packed")
    command = [sys.executable, "-W", "ignore", "-c", program, str(model), TEXT, dtype, packed]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    for _ in range(runs):
        begin = time.monotonic()
        done = subprocess.run(command, env=offline, capture_output=True, text=True, check=True)
    return begin, done.stdout.splitlines()[-1]


def runs_of(rounds: int) -> int:
    """How often a program runs for one time: twice, or once in a check that all runs."""
    return 1 if rounds == 1 else 2


def start(engine: str, model: Path, dtype: str, runs: int) -> dict:
    """One process from its first line to its second answer."""
    return json.loads(last_run(PROGRAMS[engine], model, dtype, runs)[1])


def first_logits(case: str, model: Path, dtype: str, runs: int) -> tuple[float, list[float]]:
    """Milliseconds from before the process starts to its first logits, and the logits."""
    begin, printed = last_run(FROM_OUTSIDE[case], model, dtype, runs)
    end, *logits = map(float, printed.split())
    return 1e3 * (end - begin), logits


def from_outside(
    folders: dict[str, Path], rounds: int, dtype: str, expected: list[float]
) -> dict[str, float]:
    """The median of each case; the cases take turns."""
    times: dict[str, list[float]] = {case: [] for case in folders}
    answers: dict[str, list[float]] = {}
    for _ in range(rounds):
        for case, folder in folders.items():
            ms, answers[case] = first_logits(case, folder, dtype, runs_of(rounds))
            times[case].append(ms)
    for case, logits in answers.items():
        assert not logits or near(logits, expected, dtype), case
    return {case: round(statistics.median(of), 1) for case, of in times.items()}


def near(logits: list[float], expected: list[float], dtype: str) -> bool:
    return max(abs(a - b) for a, b in zip(logits, expected, strict=True)) < TOLERANCE[dtype]


def logits_of(reference: Any, vocabulary: Path) -> list[float]:
    """The logits of torch in float32."""
    import torch
    from transformers import AutoTokenizer

    with torch.inference_mode():
        return (
            reference(**AutoTokenizer.from_pretrained(vocabulary)([TEXT], return_tensors="pt"))
            .logits[0]
            .tolist()
        )


def make_onnx_folder(reference: Any, vocabulary: Path, folder: Path, dtype: str) -> None:
    """Makes the files of a program without torch and transformers: a graph and a tokenizer.json."""
    from engines import export_onnx, optimize_onnx
    from quantization import quantize_onnx
    from transformers import AutoTokenizer

    folder.mkdir()
    plain, fused, model = folder / "plain.onnx", folder / "fused.onnx", folder / "model.onnx"
    export_onnx(reference, plain)
    optimize_onnx(plain, fused)
    plain.unlink()
    if dtype == "int8":
        quantize_onnx(fused, model)
        fused.unlink()
    else:
        fused.rename(model)
    AutoTokenizer.from_pretrained(vocabulary).save_pretrained(folder)


def run_time_closure(name: str) -> set[str]:
    """The distributions that `name` needs at run time, including itself."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = canonicalize_name(waiting.pop())
        if one in found:
            continue
        try:
            needs = importlib.metadata.requires(one) or []
        except importlib.metadata.PackageNotFoundError:
            raise SystemExit(f"{one} is not installed here: its size cannot be had") from None
        found.add(one)
        requirements = map(Requirement, needs)
        waiting += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def installed_mib(names: set[str]) -> float:
    paths = {
        Path(importlib.metadata.distribution(name).locate_file(path))
        for name in names
        for path in importlib.metadata.files(name) or []
    }
    return sum(path.stat().st_size for path in paths if path.is_file()) / 2**20


def own_mib() -> float:
    """The size of roberta_c's own files, which an editable install does not list."""
    import roberta_c

    folder = Path(roberta_c.__file__).parent
    return sum(path.stat().st_size for path in folder.rglob("*") if path.suffix not in (".c", ".pyx")) / 2**20


def disk() -> dict[str, float]:
    """The installed MiB of each engine, with all that it needs at run time."""
    ours = run_time_closure("roberta_c") - {"roberta-c"}
    theirs = run_time_closure("torch") | run_time_closure("transformers")
    return {"roberta_c": installed_mib(ours) + own_mib(), "torch": installed_mib(theirs)}


def table(rows: list[dict]) -> list[str]:
    """The lines of the table in docs/performance.md."""
    lines = [f"| | {' | '.join(row['case'] for row in rows)} |", "| --- |" + " --- |" * len(rows)]

    def add(title: str, cells: list[float]) -> None:
        lines.append(f"| {title} | {' | '.join(f'{cell:,.0f}' for cell in cells)} |")

    add("installed, MiB", [row["disk_mib"] for row in rows])
    for phase in PHASES:
        add(f"{phase}, ms", [row["ms"][phase] for row in rows])
    add("import to first answer, ms", [row["to_first_answer_ms"] for row in rows])
    add("peak memory, MiB", [row["peak_mib"] for row in rows])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="1: no untimed runs, to check that all runs")
    parser.add_argument("--dtype", choices=CASES_IN, default="float32")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(__file__).resolve().parents[2] / "shared",
        help="where data/roberta is",
    )
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    import roberta_c
    from roberta_c.machine.threads import chosen_num_threads

    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        reference = save_random_base_model(base)
        for name in ("vocab.json", "merges.txt"):
            shutil.copyfile(options.data / "data/roberta" / name, base / name)
        expected = logits_of(reference, base)
        cases = {"roberta_c": ("roberta_c", base)}
        if options.dtype == "float32":
            bundled = ("roberta_c", roberta_c.bundled_model_path())
            cases = {"torch, transformers": ("torch", base), **cases, "roberta_c, bundled model": bundled}
        runs: dict[str, list[dict]] = {case: [] for case in cases}
        for _ in range(options.rounds):
            for case, what in cases.items():
                runs[case].append(start(*what, options.dtype, runs_of(options.rounds)))
        for case, (_, model) in cases.items():
            assert model != base or near(runs[case][0]["logits"], expected, options.dtype), case

        outside = dict.fromkeys(CASES_IN[options.dtype], base)
        left_out = []
        if "onnxruntime, tokenizers" in outside:
            if all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnx")):
                outside["onnxruntime, tokenizers"] = Path(folder) / "onnx"
                make_onnx_folder(reference, base, Path(folder) / "onnx", options.dtype)
            else:
                del outside["onnxruntime, tokenizers"]
                left_out.append("onnxruntime (not installed)")
        outside_ms = from_outside(outside, options.rounds, options.dtype, expected)

    sizes = disk()
    rows = []
    for case, (engine, _) in cases.items():
        timed = runs[case]
        medians = [statistics.median(run["ms"][index] for run in timed) for index in range(len(PHASES))]
        rows.append(
            {
                "case": case,
                "disk_mib": round(sizes[engine]),
                "ms": {phase: round(ms, 1) for phase, ms in zip(PHASES, medians, strict=True)},
                "to_first_answer_ms": round(statistics.median(sum(run["ms"][:-1]) for run in timed)),
                "peak_mib": round(statistics.median(run["peak_mib"] for run in timed)),
            }
        )

    print("\n".join(table(rows)))
    print("\nfrom outside, process start to first logits, ms:", outside_ms)
    for one in left_out:
        print(f"left out: {one}")
    if options.output:
        packages = ("numpy", "tokenizers", "torch", "transformers", "onnxruntime")
        result = {
            **description(packages),
            "dtype": options.dtype,
            "threads": chosen_num_threads()[0],
            "rounds": options.rounds,
            "left_out": left_out,
            "rows": rows,
            "from_outside_ms": outside_ms,
        }
        save(options.output, result)


if __name__ == "__main__":
    main()
