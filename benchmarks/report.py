"""Writes the tables of README.md, docs/performance.md and benchmarks/README.md from results/.

A table stands between two markers, such as <!-- speed --> and <!-- /speed -->.

python benchmarks/report.py
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import embeddings as embeddings_benchmark
import startup as startup_benchmark
import targets
from peak import kind_in_words

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCUMENTS = (HERE.parent / "README.md", HERE.parent / "docs/performance.md", HERE / "README.md")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def origin(result: dict) -> str:
    """The machine, options, commit and versions of a result, as a sentence."""
    facts = [result["cpu"]]
    if isinstance(result.get("threads"), int):
        facts.append(f"{result['threads']} threads")
    if "isa" in result:
        facts.append(result["isa"])
    if "rounds" in result and "batches" not in result:
        facts.append(f"medians of {result['rounds']} rounds" if result["rounds"] > 1 else "one round")
    versions = {name: of for name, of in result["versions"].items() if of and name != "roberta_c"}
    facts += [f"commit {result['commit']}", result["date"]]
    packages = ", ".join(f"{name} {of}" for name, of in versions.items())
    left_out = f" Left out: {'; '.join(result['left_out'])}." if result.get("left_out") else ""
    return f"{', '.join(facts)}. {packages}.{left_out}"


def dtype_of(result: dict) -> str:
    return result.get("dtype", "float32")


def share(row: dict) -> str:
    return f"{row['share_of_peak']:.1%}" if "share_of_peak" in row else "unknown"


def encoder(result: dict) -> list[str]:
    engines = result["engines"]
    head = ["ms", *engines, "best peer / ours", "ours, useful GF/s", "share of the peak"]
    head.append("over the memory floor")
    rows = []
    for name, row in result["work"].items():
        best = row["best_peer"]
        times = [f"{row['ms'][one]:,.1f}" for one in engines]
        cells = [f"**{cell}**" if one == best else cell for one, cell in zip(engines, times, strict=True)]
        floor = f"{row['over_memory_floor']:.2f}" if "over_memory_floor" in row else ""
        ratio = f"{row['best_peer_over_ours']:.2f}"
        rows.append([name, *cells, ratio, f"{row['gflops']:.0f}", share(row), floor])
    worst: dict[str, float] = {}
    for row in result["work"].values():
        for name, apart in row["max_abs_logit_difference"].items():
            worst[name] = max(worst.get(name, 0.0), apart)
    apart = ", ".join(f"{name} {of:.1e}" for name, of in worst.items())
    return [
        *table(head, rows),
        "",
        f"The best peer is in bold. Largest difference from torch's float32 logits: {apart}.",
    ]


# The rows of README's table: workload → its title there.
README_ROWS = {
    "1 x 32": "a text of 32 tokens",
    "8 x 128": "8 texts of 128 tokens",
    "256 tweets": "256 tweets",
}


def speed(float32: dict, *lower: dict) -> list[str]:
    """README's table: three workloads; roberta_c in every type."""
    head = ["RoBERTa-base, ms", "torch", "best other engine", "**roberta_c**"]
    head += [f"in {dtype_of(result)}" for result in lower]
    rows = []
    for name, title in README_ROWS.items():
        of_types = [result["work"].get(name) for result in (float32, *lower)]
        if row := of_types[0]:
            best = f"{row['ms'][row['best_peer']]:,.1f} ({row['best_peer']})"
            ours = [f"**{of['ms']['roberta_c']:,.1f}**" if of else "" for of in of_types]
            rows.append([title, f"{row['ms']['torch']:,.1f}", best, *ours])
    facts = f"{float32['cpu']}, {float32['threads']} threads, {float32['isa']}, {float32['date'].split()[0]}"
    return [
        *table(head, rows),
        "",
        f"{facts}; torch and the best other engine compute in float32. [More rows, versions, lower types of "
        "other engines](docs/performance.md).",
    ]


def speed_by_type(float32: dict, *lower: dict) -> list[str]:
    """All workloads: for each type, roberta_c and the best other engine."""
    head = [f"RoBERTa-base, {float32['threads']} threads, ms", "ours", "torch", "best other engine"]
    rows = []
    for name, row in float32["work"].items():
        ms = row["ms"]
        cells = [f"{ms['torch']:,.1f} ({ms['torch'] / ms['roberta_c']:.1f}×)", best_of(row, "float32")]
        rows.append([name, f"**{ms['roberta_c']:,.1f}**", *cells])
    for result in lower:
        head += [f"ours, {dtype_of(result)}", "best other engine"]
        for cells in rows:
            row = result["work"].get(cells[0])
            ours = row and f"**{row['ms']['roberta_c']:,.1f}**"
            cells += [ours, best_of(row, dtype_of(result))] if row else ["", ""]
    return table(head, rows)


def best_of(row: dict, dtype: str) -> str:
    """The fastest of the other engines; the type is in the column's head."""
    best = row["best_peer"]
    name = best.removesuffix(f" {dtype}")
    return f"{row['ms'][best]:,.1f} ({row['best_peer_over_ours']:.2f}×, {name})"


def encoder_avx2(result: dict) -> list[str]:
    rows = []
    for name, row in result["work"].items():
        peak = f"{row['peak_gflops']:.0f}" if "peak_gflops" in row else "unknown"
        rows.append([name, f"{row['ms']['roberta_c']:,.1f}", f"{row['gflops']:.0f}", peak, share(row)])
    peak = f"peak {kind_in_words(result['peak_kind'])}, GF/s"
    return table(["", "ms", "useful GF/s", peak, "share"], rows)


def linear(result: dict) -> list[str]:
    shapes = result["shapes"]
    head = ["M"]
    for name, shape in shapes.items():
        head.append(f"{name}: {shape['depth']} → {shape['columns']}, {shape['epilogue']}")
        head.append("over the memory floor")
    rows = []
    for m in result["rows"]:
        cells = [shape["by_rows"][str(m)] for shape in shapes.values()]
        floors = [f"{cell['over_memory_floor']:.2f}" if "over_memory_floor" in cell else "" for cell in cells]
        pairs = zip(map(share, cells), floors, strict=True)
        rows.append([str(m), *(one for pair in pairs for one in pair)])
    return [f"Share of the peak {kind_in_words(result['peak_kind'])}:", "", *table(head, rows)]


def linear_lower(*results: dict) -> list[str]:
    """The shares of the lower types, side by side."""
    head, rows = ["share of the peak, M"], [[str(m)] for m in results[0]["rows"]]
    for result in results:
        head += [f"{name}, {dtype_of(result)}" for name in result["shapes"]]
        for row in rows:
            cells = [shape["by_rows"].get(row[0], {}) for shape in result["shapes"].values()]
            row += map(share, cells)
    return table(head, rows)


def threads(*results: dict) -> list[str]:
    numbers = [str(number) for number in results[0]["threads"]]
    rows = [
        [
            f"{name}, {dtype_of(result)}",
            *(f"{row['ms'][one]:,.1f} ({row['times_faster'][one]:.2f}×)" for one in numbers),
        ]
        for result in results
        if result["threads"] == results[0]["threads"]
        for name, row in result["work"].items()
    ]
    return table(["ms, by threads", *numbers], rows)


def neighbours(result: dict) -> list[str]:
    n, count = result["threads"], result["processes_at_once"]
    beside = [
        [
            engine,
            f"{row['one_thread']:.1f}",
            f"{row['alone']:.1f}",
            f"{row['beside']:.1f} ({row['beside_over_one_thread']:.2f}×)",
        ]
        for engine, row in result["beside"]["by_engine"].items()
    ]
    for row in beside:
        at_once = result["processes"][row[0]]
        row += [f"{at_once['one_thread']:.1f}", f"{at_once['all_threads']:.1f} ({at_once['ratio']:.2f}×)"]
    head = ["texts/s", "1 thread", f"{n} threads", f"{n} threads beside a busy process"]
    calls = result["callers"]
    return [
        *table([*head, f"{count} processes of 1 thread", f"{count} processes of {n} threads"], beside),
        "",
        f"{result['callers_at_once']} Python threads that call one model of roberta_c on {n} threads: "
        f"{calls['eight_callers']:.1f} texts/s, for {calls['one_caller']:.1f} of one "
        f"({calls['ratio']:.2f}×); a call takes {calls['p50_ms']:.1f} ms in the median, "
        f"{calls['p99_ms']:.1f} ms in the 99th percentile.",
    ]


def memory(*results: dict) -> list[str]:
    first = results[0]

    def by_dtype(title: str, cell: Callable[[dict], str]) -> list[str]:
        return [title, *map(cell, results)]

    def growth(of: str, by: str) -> Callable[[dict], str]:
        return lambda result: f"{result[of][0]:.1f} to {result[of][-1]:.1f} ({result[by]:+.2%})"

    return table(
        ["MB", *map(dtype_of, results)],
        [
            by_dtype("most resident, loading and 8 x 128", lambda result: f"{result['peak_mb']:.0f}"),
            by_dtype("the same, loading alone", lambda result: f"{result['peak_after_loading_mb']:.0f}"),
            by_dtype("packed encoder weights", lambda result: f"{result['packed_encoder_mb']:.0f}"),
            by_dtype(
                f"most resident over (packed + {first['allowance_mb']} MB)",
                lambda result: f"{result['peak_over_packed_and_allowance']:.2f}×",
            ),
            by_dtype(f"resident over {first['batches']:,} batches", growth("resident_mb", "growth")),
            by_dtype("the same without mapped files", growth("anonymous_mb", "growth_of_anonymous")),
        ],
    )


def startup(*results: dict) -> list[str]:
    """The columns of the lower types follow float32's, whose names do not mention a type."""
    phases = [{**row, "case": typed(row["case"], result)} for result in results for row in result["rows"]]
    head = ["process start to first logits, or to the end of the program, from outside", "ms"]
    outside = [
        [typed(case, result), f"{ms:,.0f}"]
        for result in results
        for case, ms in result.get("from_outside_ms", {}).items()
    ]
    return [*startup_benchmark.table(phases), "", *table(head, outside)]


def accuracy(result: dict) -> list[str]:
    """Every second hidden state, and the logits; without the outlier dimensions of the second model."""
    lines = []
    for title, rows in result["models"].items():
        first = next(iter(rows.values()))
        kind = "ordinary_states" if "ordinary_states" in first else "states"
        layers = range(0, len(first[kind]), 2)
        head = [f"{title}; hidden state", *map(str, layers), "logits"]
        body = []
        for name, row in rows.items():
            values = [*(row[kind][layer] for layer in layers), row["logits"]]
            body.append([name, *("" if value is None else f"{value:.1e}" for value in values)])
        lines += ["", *table(head, body)]
    return lines[1:]


def typed(case: str, result: dict) -> str:
    return case if dtype_of(result) == "float32" else f"{case}, {dtype_of(result)}"


def targets_section(results: Path) -> list[str]:
    found: dict[str, dict[str, str]] = {}
    for one in targets.findings(results):
        if one.verdict != "not measured":
            found.setdefault(one.what, {})[one.dtype] = f"{one.figure} ({one.wanted}) {one.verdict}"
    dtypes = [dtype for dtype in targets.DTYPES if any(dtype in cells for cells in found.values())]
    rows = [[what, *(cells.get(dtype, "") for dtype in dtypes)] for what, cells in found.items()]
    return ["### Targets", "", *table(["target", *dtypes], rows)] if found else []


class Section(NamedTuple):
    """`write` gets the results that exist and have the key `needed`; the first of `files` must."""

    heading: str  # in benchmarks/README.md; the other documents have headings of their own
    files: tuple[str, ...]
    needed: str
    write: Callable[..., list[str]]


def in_types(file: str) -> tuple[str, ...]:
    """The result files of a benchmark: float32's, then those of the lower types."""
    return (file, f"{file}_bfloat16", f"{file}_int8")


def command_line(result: dict) -> list[str]:
    texts = result["texts"]
    rows = [
        [f"`roberta-c {name}`", f"{row['s']:.1f}", f"{texts / row['s']:,.0f}", f"{row['peak_mb']:.0f}"]
        for name, row in result["commands"].items()
    ]
    head = [f"{texts:,} tweets, CSV to CSV", "s", "texts/s", "most memory, MB"]
    return [*table(head, rows), "", f"The bundled model's encoder. {origin(result)}"]


def saving(result: dict) -> list[str]:
    return startup_benchmark.table(result["rows"])


def embeddings(result: dict) -> list[str]:
    engines = result["engines"]
    head = ["texts/s (most resident)", *engines, "best peer / ours", "ours, useful GF/s", "share of the peak"]
    rows = []
    for name, row in result["work"].items():
        cells = [embeddings_benchmark.cell(row, engine) for engine in engines]
        best = row.get("best_peer")
        cells = [f"**{cell}**" if one == best else cell for one, cell in zip(engines, cells, strict=True)]
        ratio = f"{row['best_peer_over_ours']:.2f}" if best else ""
        texts = f"{row['texts']:,} text{'' if row['texts'] == 1 else 's'}"
        title = f"{name}: {texts}, {row['tokens']:,} tokens"
        rows.append([title, *cells, ratio, f"{row['gflops']:.0f}", share(row)])
    worst: dict[str, float] = {}
    for row in result["work"].values():
        for name, apart in row["max_relative_difference"].items():
            worst[name] = max(worst.get(name, 0.0), apart)
    apart = ", ".join(f"{name} {of:.1e}" for name, of in worst.items() if of)
    return [
        *table(head, rows),
        "",
        "The best other engine is in bold; all but fastembed are backends of sentence-transformers. Largest "
        f"difference of a vector from torch's in float32, relative to its length: {apart}.",
    ]


def embedding_speed(*results: dict) -> list[str]:
    """docs/performance.md: for each type, roberta_c, sentence-transformers with torch, and the best other."""
    rows = []
    for result in results:
        for name, row in result["work"].items():
            rates = {engine: embeddings_benchmark.cell(row, engine) for engine in row["ms"]}
            best = row.get("best_peer")
            title = f"{name} ({row['tokens'] / row['texts']:,.0f} tokens a text), {dtype_of(result)}"
            other = f"{rates[best]}, {best}" if best else ""
            ratio = f"{row['best_peer_over_ours']:.2f}×" if best else ""
            rows.append([title, f"**{rates['roberta_c']}**", rates.get("torch", ""), other, ratio])
    head = ["texts/s (most resident)", "ours", "sentence-transformers, torch", "best other engine", "ratio"]
    return table(head, rows)


SECTIONS = {
    "encoder": Section("A complete forward pass", ("encoder",), "engines", encoder),
    "encoder_bfloat16": Section(
        "A complete forward pass in bfloat16", ("encoder_bfloat16",), "engines", encoder
    ),
    "encoder_int8": Section("A complete forward pass in int8", ("encoder_int8",), "engines", encoder),
    "encoder_avx2": Section(
        "A complete forward pass with AVX2 forced", ("encoder_avx2",), "engines", encoder_avx2
    ),
    "linear": Section("Linear layers", ("linear",), "shapes", linear),
    "linear_lower": Section(
        "Linear layers in bfloat16 and int8", in_types("linear")[1:], "shapes", linear_lower
    ),
    "linear_avx2": Section("Linear layers with AVX2 forced", ("linear_avx2",), "shapes", linear),
    "threads": Section("Threads", in_types("threads"), "work", threads),
    "neighbours": Section("Neighbours and callers", ("neighbours",), "beside", neighbours),
    "memory": Section("Memory", in_types("memory"), "growth", memory),
    "embeddings": Section("Embeddings", ("embeddings",), "engines", embeddings),
    "embeddings_bfloat16": Section("Embeddings in bfloat16", ("embeddings_bfloat16",), "engines", embeddings),
    "embeddings_int8": Section("Embeddings in int8", ("embeddings_int8",), "engines", embeddings),
    "startup": Section("Startup", in_types("startup"), "rows", startup),
    "accuracy": Section("Accuracy", ("accuracy",), "models", accuracy),
}
SHORT_SECTIONS = {
    "speed_by_type": Section("", in_types("encoder"), "engines", speed_by_type),
    "embedding_speed": Section("", in_types("embeddings"), "work", embedding_speed),
    "saving": Section("", ("startup",), "rows", saving),
}


README_SECTIONS = {
    "speed": Section("", in_types("encoder"), "engines", speed),
    "command_line": Section("", ("command_line",), "commands", command_line),
}


def result_with(needed: str, path: Path) -> dict | None:
    """The contents of a result file that has the key `needed`; else None."""
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return result if needed in result else None


def section(name: str, results: Path) -> list[str]:
    """The lines between a section's markers; none without results."""
    if name == "targets":
        return targets_section(results)
    of = SECTIONS.get(name) or SHORT_SECTIONS.get(name) or README_SECTIONS[name]
    read = {file: result_with(of.needed, results / f"{file}.json") for file in of.files}
    found = {file: result for file, result in read.items() if result}
    if of.files[0] not in found:
        return []
    lines = of.write(*found.values())
    if name in README_SECTIONS:
        return lines
    if name in SHORT_SECTIONS:
        first, *others = found.values()
        return [*lines, "", origin(first), *(f"{dtype_of(other)}: {origin(other)}" for other in others)]
    origins = [f"`results/{file}.json`: {origin(result)}" for file, result in found.items()]
    picture = HERE / f"plots/{name}.svg"
    shown = ["", f"![{of.heading}](plots/{name}.svg)"] if picture.exists() else []
    return [f"### {of.heading}", *origins, "", *lines, *shown]


def filled(text: str, results: Path) -> str:
    """`text` with every marked section rewritten."""

    def one(match: re.Match[str]) -> str:
        lines = section(match[1], results)
        return "\n".join([f"<!-- {match[1]} -->", *lines, f"<!-- /{match[1]} -->"])

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- /\1 -->", one, text, flags=re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        document.write_text(filled(text, options.results), encoding="utf-8")


if __name__ == "__main__":
    main()
