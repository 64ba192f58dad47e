"""How much memory does a model take, and does it grow from batch to batch?

    python benchmarks/memory.py --output benchmarks/results/memory.json
    python benchmarks/memory.py --dtype int8 --output benchmarks/results/memory_int8.json

Peak: the largest resident size, mapped files included, of a process that loads RoBERTa-base (random weights)
from its files and computes one batch of 8 × 128.
Growth: the resident size of a process that computes batches of random shapes, 1 to 16 sequences of 1 to 64
tokens. Its model has RoBERTa-base's layer sizes but two layers, since buffers depend on the sizes only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from base_model import save_random_base_model
from machine import description, save

from roberta_c.model import DTYPES

SMALL_LAYERS = 2
BATCHES_BEFORE = 100  # by then the allocators of Python and C hold what these shapes need
ALLOWANCE_MB = 60  # for the interpreter, numpy, this package and the word embeddings in use
MODEL = r"""
import json, re, sys
import numpy as np
import roberta_c

folder, threads, dtype = sys.argv[1], int(sys.argv[2]), sys.argv[3]
model = roberta_c.RobertaForSequenceClassification.from_pretrained(
    folder, num_threads=threads, dtype=dtype, cache=None
)

def resident(field):
    return int(re.search(field + r":\s+(\d+) kB", open("/proc/self/status").read())[1]) * 1024

"""
PEAK = (
    MODEL
    + r"""
loaded = resident("VmHWM")
model(np.random.default_rng(0).integers(3, 50000, (8, 128)))
layers = [layer.packed for layer in model.roberta.encoder.layer]
packed = sum(part.nbytes for layer in layers
             for part in (layer.qkv, layer.attention_output, layer.up, layer.down))
print(json.dumps({"peak_bytes": resident("VmHWM"), "loaded_bytes": loaded, "packed_bytes": packed}))
"""
)
GROWTH = (
    MODEL
    + r"""
batches, before = int(sys.argv[4]), int(sys.argv[5])
rng = np.random.default_rng(0)
def run(sizes):
    model([rng.integers(3, 2003, size).tolist() for size in sizes])
run([64] * 16)  # the largest shape, so that its buffers exist from the start
model(np.arange(3, 2003).reshape(40, 50))  # every id in use, so that their pages of the file are resident
for _ in range(before):
    run(rng.integers(1, 65, rng.integers(1, 17)))
marks, own = [resident("VmRSS")], [resident("RssAnon")]
for index in range(batches):
    run(rng.integers(1, 65, rng.integers(1, 17)))
    if (index + 1) % max(1, batches // 10) == 0:
        marks.append(resident("VmRSS"))
        own.append(resident("RssAnon"))
print(json.dumps({"resident_bytes": marks, "anonymous_bytes": own}))
"""
)


def in_a_process(program: str, *arguments: object) -> dict:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--rounds", type=int, default=3, help="processes whose peak is measured; the largest is reported"
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--batches", type=int, help="default: 10,000, or 200 if --rounds is 1")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    batches = options.batches or (200 if options.rounds == 1 else 10_000)

    with tempfile.TemporaryDirectory() as folder:
        base, small = Path(folder) / "base", Path(folder) / "small"
        save_random_base_model(base)
        save_random_base_model(small, SMALL_LAYERS)
        peaks = [in_a_process(PEAK, base, options.threads, options.dtype) for _ in range(options.rounds)]
        growth = in_a_process(GROWTH, small, options.threads, options.dtype, batches, BATCHES_BEFORE)
    resident, anonymous = growth["resident_bytes"], growth["anonymous_bytes"]

    peak = max(peaks, key=lambda one: one["peak_bytes"])
    allowed = peak["packed_bytes"] + ALLOWANCE_MB * 1_000_000
    result = description(("roberta_c", "numpy", "safetensors"))
    result |= {
        "dtype": options.dtype,
        "threads": options.threads,
        "rounds": options.rounds,
        "peak_mb": round(peak["peak_bytes"] / 1e6, 1),
        "peak_after_loading_mb": round(peak["loaded_bytes"] / 1e6, 1),
        "packed_encoder_mb": round(peak["packed_bytes"] / 1e6, 1),
        "allowance_mb": ALLOWANCE_MB,
        "peak_over_packed_and_allowance": round(peak["peak_bytes"] / allowed, 3),
        "batches": batches,
        "batches_before": BATCHES_BEFORE,
        "layers_of_the_growth_model": SMALL_LAYERS,
        "resident_mb": [round(mark / 1e6, 1) for mark in resident],
        "anonymous_mb": [round(mark / 1e6, 1) for mark in anonymous],
        "growth": round(resident[-1] / resident[0] - 1, 4),
        "growth_of_anonymous": round(anonymous[-1] / anonymous[0] - 1, 4),
    }
    print(
        f"peak {result['peak_mb']:.0f} MB ({result['peak_after_loading_mb']:.0f} when loaded), packed "
        f"encoder {result['packed_encoder_mb']:.0f} MB: {result['peak_over_packed_and_allowance']:.2f} of "
        f"(packed + {ALLOWANCE_MB} MB)\n{batches} batches: {resident[0] / 1e6:.1f} to "
        f"{resident[-1] / 1e6:.1f} MB resident, {result['growth']:+.2%}; without mapped files "
        f"{result['growth_of_anonymous']:+.2%}"
    )
    if options.output:
        save(options.output, result)


if __name__ == "__main__":
    main()
