"""How many texts a second become embeddings, against sentence-transformers and fastembed?

    python benchmarks/embeddings.py --threads 2 --output benchmarks/results/embeddings.json
    python benchmarks/embeddings.py --dtype int8 --output benchmarks/results/embeddings_int8.json

From texts to normalized vectors, tokenization included. Every engine has a process of its own, for its memory
is told beside its rate: the largest resident size, mapped files included. The engines take turns, round by
round, with the same number of threads; rates are of medians. First, some vectors are compared with those of
torch in float32. The model of sentences and reviews has the shape of all-distilroberta-v1, that of
full-length texts the positions of bge-m3 in 12 layers of width 768; both have random weights.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from base_model import flops_of_lengths
from embedding_processes import JUDGE, OURS, TOLERANCE, Bench
from machine import description, save

import roberta_c

# Other engines → the modules that they need beside torch and sentence-transformers.
NEEDS = {
    "torch": (),
    "onnxruntime": ("onnxruntime", "onnx"),
    "onnxruntime fused": ("onnxruntime", "onnx"),
    "openvino": ("openvino",),
    "fastembed": ("fastembed",),  # or an interpreter that has it, in --fastembed-python
}
# Types of which an engine has none, and why.
WITHOUT = {
    ("bfloat16", "onnxruntime"): "it has no bfloat16 on CPUs",
    ("bfloat16", "onnxruntime fused"): "it has no bfloat16 on CPUs",
    ("bfloat16", "fastembed"): "its ONNX Runtime has no bfloat16 on CPUs",
    ("int8", "torch"): "its quantization is deprecated",
}
LONG = "full length"
COUNTS = {"STS-B": 10_000, "IMDB": 200, LONG: 4}  # at most so many texts
COUNTS_OF_A_CHECK = {"STS-B": 300, "IMDB": 16, LONG: 1}
LONG_ROUNDS = 3  # at most; a round of full-length texts takes minutes


def row_of(
    lengths: list[int],
    flops: float,
    seconds: dict[str, list[float]],
    memory: dict[str, float],
    peaks: list[float | None],
) -> dict[str, Any]:
    """The figures of one work."""
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    row: dict[str, Any] = {
        "texts": len(lengths),
        "tokens": sum(lengths),
        "ms": {name: round(median * 1e3, 1) for name, median in medians.items()},
        "peak_mb": memory,
        "useful_gflop": round(flops / 1e9, 1),
        "gflops": round(flops / medians[OURS] / 1e9, 1),
    }
    if peers := [name for name in medians if name != OURS]:
        best = min(peers, key=medians.__getitem__)
        row |= {"best_peer": best, "best_peer_over_ours": round(medians[best] / medians[OURS], 3)}
    if None not in peaks:
        row["peak_gflops"] = round(statistics.median(peaks), 1)
        shares = [flops / s / 1e9 / p for s, p in zip(seconds[OURS], peaks, strict=True)]
        row["share_of_peak"] = round(statistics.median(shares), 4)
    return row


def cell(row: dict[str, Any], engine: str) -> str:
    """Texts a second and the most resident memory, for example "45.1 (812 MB)"; empty without the engine."""
    if engine not in row["ms"]:
        return ""
    rate = row["texts"] / row["ms"][engine] * 1e3
    memory = f" ({row['peak_mb'][engine]:,.0f} MB)" if engine in row["peak_mb"] else ""
    return f"{rate:,.{0 if rate >= 100 else 1 if rate >= 10 else 3}f}{memory}"


def line(name: str, row: dict[str, Any], engines: list[str]) -> str:
    cells = "".join(f"{cell(row, engine):>{max(17, len(engine) + 2)}}" for engine in engines)
    share = f"{row['share_of_peak']:.1%}" if "share_of_peak" in row else "unknown"
    ratio = f"{row['best_peer_over_ours']:.2f} ({row['best_peer']})" if "best_peer" in row else "no peer"
    apart = ", ".join(f"{of} {worst:.1e}" for of, worst in row["max_relative_difference"].items())
    return (
        f"{name:12}{cells} {row['gflops']:6.0f} GF/s {share:>7} {ratio}\n"
        f"{'':12}{row['texts']} texts, {row['tokens']:,} tokens; off torch's vectors: {apart}"
    )


def chosen(text: str | None, known: Iterable[str]) -> list[str]:
    """The names in a comma-separated option; without it, all known names."""
    wanted = list(known) if text is None else [one.strip() for one in text.split(",")]
    if unknown := [one for one in wanted if one not in known]:
        raise SystemExit(f"found {', '.join(unknown)}, expected some of {', '.join(known)}")
    return wanted


def reason_to_leave_out(name: str, options: argparse.Namespace) -> str | None:
    """Why an engine cannot run, if so."""
    if (options.dtype, name) in WITHOUT:
        return WITHOUT[options.dtype, name]
    if name == "fastembed" and options.fastembed_python:
        return None
    needed = (*NEEDS[name], *(("nncf",) if (name, options.dtype) == ("openvino", "int8") else ()))
    return None if all(map(importlib.util.find_spec, needed)) else "not installed"


def prepared(folder: Path, work: str, engines: list[str], options: argparse.Namespace) -> Bench:
    """The model of a work and its graphs, written into a new folder."""
    from embedding_models import WORKS, export_graphs, save_model

    folder.mkdir()
    design, model, data = WORKS[work].design, folder / "model", options.data.resolve()
    if options.model and work != LONG:
        model.symlink_to(options.model.resolve())
        layers = json.loads((model / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    else:
        layers = 1 if options.rounds == 1 else design.layers
        save_model(design, model, data, layers)
    export_graphs(model, folder / "graphs", engines, options.dtype, data)
    return Bench(folder, layers, options)


def token_counts(model: Path, texts: list[str]) -> list[int]:
    """The tokens of each text that go through the model."""
    loaded = roberta_c.SentenceTransformer(model)
    encoding = loaded.tokenizer(texts, truncation=True, max_length=loaded.max_seq_length)
    return [len(ids) for ids in encoding["input_ids"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="1: few and short texts, one layer, as a check")
    parser.add_argument("--work", help=f"some of {', '.join(COUNTS)}, separated by commas")
    parser.add_argument("--engines", help=f"some of {', '.join(NEEDS)}; torch alone if --rounds is 1")
    parser.add_argument("--dtype", choices=TOLERANCE, default="float32", help="of all engines that have it")
    parser.add_argument("--model", type=Path, help="folder of a model for STS-B and IMDB; default: random")
    parser.add_argument("--full-length-texts", type=int, help="how many; default: 4, or 1 if --rounds is 1")
    parser.add_argument("--fastembed-python", help="the interpreter of an environment with fastembed")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if missing := [name for name in ("torch", "sentence_transformers") if not importlib.util.find_spec(name)]:
        raise SystemExit(f"no engine to compare with: {' and '.join(missing)} not installed")
    from embedding_models import WORKS, texts_of

    is_check, data = options.rounds == 1, options.data.resolve()
    wanted = chosen(options.engines or (JUDGE if is_check else None), NEEDS)
    reasons = {name: reason for name in wanted if (reason := reason_to_leave_out(name, options))}
    engines = [OURS, *(name for name in wanted if name not in reasons)]
    works = chosen(options.work, COUNTS)
    for name in works:
        if not all((data / file).exists() for file in (WORKS[name].file, *WORKS[name].design.tokenizer)):
            reasons[name] = f"its texts or tokenizer are not in {data.name}; set --data"
    works = [name for name in works if name not in reasons]
    counts = dict(COUNTS_OF_A_CHECK if is_check else COUNTS)
    counts[LONG] = options.full_length_texts or counts[LONG]

    result = description(("roberta_c", "numpy")) | {"dtype": options.dtype, "threads": options.threads}
    result |= {"rounds": options.rounds, "engines": engines, "work": {}}
    print(f"{result['cpu']}, {options.threads} threads, {options.dtype}; texts/s (most resident)")
    print(" " * 12 + "".join(f"{name:>{max(17, len(name) + 2)}}" for name in engines))
    benches: dict[str, Bench] = {}
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as running:
        for name in works:
            work = WORKS[name]
            family = work.design.family
            if family not in benches:
                benches[family] = prepared(Path(temporary) / family, name, engines, options)
                running.callback(benches[family].close)
            bench, stay = benches[family], name != LONG
            texts = texts_of(name, data, counts[name], 5_000 if is_check else 50_000)
            path = bench.folder / f"{name}.json"
            path.write_text(json.dumps(texts), encoding="utf-8")
            apart = bench.differences(engines, path, work.checked, work.batch_size, stay)
            rounds = options.rounds if stay else min(options.rounds, LONG_ROUNDS)
            found = bench.turns(list(apart), path, work.batch_size, rounds, stay)
            reasons |= {f"{engine}, {name}": reason for engine, reason in bench.failed.items()}
            lengths = token_counts(bench.folder / "model", texts)
            flops = flops_of_lengths(lengths, bench.layers, work.design.pooling == "cls")
            row = row_of(lengths, flops, *found)
            result["work"][name] = row | {"max_relative_difference": apart}
            result["versions"] = bench.versions | result["versions"]
            result["isa"] = bench.isa
            print(line(name, result["work"][name], engines), flush=True)
    result["left_out"] = [f"{name} ({reason})" for name, reason in reasons.items()]
    print(f"left out: {'; '.join(result['left_out']) or 'nothing'}")
    if options.output:
        save(options.output, result)


if __name__ == "__main__":
    main()
