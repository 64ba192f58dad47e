"""Writes the tables of README.md and benchmarks/README.md from results/, between their markers.

python benchmarks/report.py
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import startup as startup_benchmark
import targets
from peak import kind_in_words

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCUMENTS = (HERE.parent / "README.md", HERE / "README.md")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def origin(result: dict) -> str:
    """Where a table's figures are from, a sentence."""
    facts = [result["cpu"]]
    if isinstance(result.get("threads"), int):
        facts.append(f"{result['threads']} threads")
    if "isa" in result:
        facts.append(result["isa"])
    if "batches" not in result:
        facts.append(f"medians of {result['rounds']} rounds" if result["rounds"] > 1 else "one round")
    versions = {name: of for name, of in result["versions"].items() if of and name != "roberta_c"}
    facts += [f"commit {result['commit']}", result["date"]]
    packages = ", ".join(f"{name} {of}" for name, of in versions.items())
    left_out = f" Left out: {'; '.join(result['left_out'])}." if result.get("left_out") else ""
    return f"{', '.join(facts)}. {packages}.{left_out}"


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


def speed(result: dict) -> list[str]:
    """The encoder's table in short, for who has not chosen an engine yet."""
    head = [f"RoBERTa-base, float32, {result['threads']} threads", "ours, ms"]
    rows = []
    for name, row in result["work"].items():
        ms, best = row["ms"], row["best_peer"]
        cells = [f"{ms['torch']:,.1f} ({ms['torch'] / ms['roberta_c']:.1f}×)"]
        cells.append(f"{ms[best]:,.1f} ({row['best_peer_over_ours']:.2f}×, {best})")
        rows.append([name, f"**{ms['roberta_c']:,.1f}**", *cells])
    return table([*head, "torch, ms", "best other engine, ms"], rows)


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


def threads(result: dict) -> list[str]:
    numbers = [str(number) for number in result["threads"]]
    rows = [
        [name, *(f"{row['ms'][one]:,.1f} ({row['times_faster'][one]:.2f}×)" for one in numbers)]
        for name, row in result["work"].items()
    ]
    return table(["ms, by threads", *numbers], rows)


def memory(result: dict) -> list[str]:
    resident, own = result["resident_mb"], result["anonymous_mb"]
    return table(
        ["", "MB"],
        [
            ["most resident, loading and 8 x 128", f"{result['peak_mb']:.0f}"],
            ["the same, loading alone", f"{result['peak_after_loading_mb']:.0f}"],
            ["packed encoder weights", f"{result['packed_encoder_mb']:.0f}"],
            [
                f"most resident over (packed + {result['allowance_mb']} MB)",
                f"{result['peak_over_packed_and_allowance']:.2f}×",
            ],
            [
                f"resident over {result['batches']:,} batches",
                f"{resident[0]:.1f} to {resident[-1]:.1f} ({result['growth']:+.2%})",
            ],
            [
                "the same without mapped files",
                f"{own[0]:.1f} to {own[-1]:.1f} ({result['growth_of_anonymous']:+.2%})",
            ],
        ],
    )


def startup(result: dict) -> list[str]:
    lines = startup_benchmark.table(result["rows"])
    if "from_outside_ms" not in result:
        return lines
    head = ["process start to first logits, or to the end of the program, from outside", "ms"]
    outside = [[case, f"{ms:,.0f}"] for case, ms in result["from_outside_ms"].items()]
    return [*lines, "", *table(head, outside)]


def targets_section(results: Path) -> list[str]:
    found = [list(row) for row in targets.rows(results) if row[-1] != "not measured"]
    return ["### Targets", "", *table(["target", "wanted", "measured", ""], found)] if found else []


# section → heading, what must be in its result file, how it is written
SECTIONS: dict[str, tuple[str, str, Callable[[dict], list[str]]]] = {
    "encoder": ("A whole forward pass", "engines", encoder),
    "encoder_bfloat16": ("A whole forward pass in bfloat16", "engines", encoder),
    "encoder_avx2": ("A whole forward pass with AVX2 forced", "engines", encoder_avx2),
    "linear": ("Linear layers", "shapes", linear),
    "linear_avx2": ("Linear layers with AVX2 forced", "shapes", linear),
    "threads": ("Threads", "work", threads),
    "memory": ("Memory", "growth", memory),
    "startup": ("Startup", "rows", startup),
}
# The same of README.md, where the headings are written by hand: section → its result file, what must be in
# it, how it is written.
SHORT_SECTIONS: dict[str, tuple[str, str, Callable[[dict], list[str]]]] = {
    "speed": ("encoder", "engines", speed),
    "saving": ("startup", "rows", lambda result: startup_benchmark.table(result["rows"])),
}


def result_with(needed: str, path: Path) -> dict | None:
    """A result file with a key that must be in it; else None."""
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return result if needed in result else None


def section(name: str, results: Path) -> list[str]:
    """The lines between a section's markers; none without figures."""
    if name == "targets":
        return targets_section(results)
    if name in SHORT_SECTIONS:
        file, needed, write_short = SHORT_SECTIONS[name]
        result = result_with(needed, results / f"{file}.json")
        return [*write_short(result), "", origin(result)] if result else []
    heading, needed, write = SECTIONS[name]
    result = result_with(needed, results / f"{name}.json")
    if result is None:
        return []
    picture = HERE / f"plots/{name}.svg"
    shown = ["", f"![{heading}](plots/{name}.svg)"] if picture.exists() else []
    return [f"### {heading}", f"`results/{name}.json`: {origin(result)}", "", *write(result), *shown]


def filled(text: str, results: Path) -> str:
    """`text` with every marked section written anew."""

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
