"""Draws the results in results/ as SVG files in plots/.

    python benchmarks/plot.py

Equal results give equal bytes: the files hold no date and no random names.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import PercentFormatter
from peak import kind_in_words

HERE = Path(__file__).parent
# The colours of Okabe and Ito, which colour-blind readers can distinguish; markers differ as well.
STYLES = {
    "roberta_c": ("#000000", "o"),
    "torch": ("#D55E00", "v"),
    "onnxruntime": ("#0072B2", "s"),
    "onnxruntime fused": ("#56B4E9", "D"),
    "openvino": ("#009E73", "^"),
    "ctranslate2": ("#CC79A7", "P"),
    "fastembed": ("#E69F00", "X"),
}
SHAPE_STYLES = {"qkv": ("#0072B2", "o"), "up": ("#D55E00", "s"), "down": ("#009E73", "^")}
plt.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "roberta_c",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "figure.facecolor": "white",
    }
)


def encoder(result: dict) -> plt.Figure:
    """Time divided by roberta_c's: a row for each workload, a mark for each engine that computed it."""
    work = result["work"]
    figure, axes = plt.subplots(figsize=(6.4, 0.9 + 0.33 * len(work)), layout="constrained")
    places = range(len(work), 0, -1)
    dtype = result.get("dtype", "float32")
    for engine in result["engines"]:
        colour, marker = STYLES[engine.removesuffix(f" {dtype}")]
        ratios = [row["ms"].get(engine, math.nan) / row["ms"]["roberta_c"] for row in work.values()]
        axes.plot(ratios, places, marker, color=colour, label=engine, markersize=6)
    axes.axvline(1, color="#000000", linewidth=0.8)
    axes.set_yticks(places, list(work))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_xlabel(f"time over roberta_c's, {result['threads']} threads, {dtype} (further right: slower)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def linear(result: dict) -> plt.Figure:
    """Share of the peak by number of rows."""
    figure, axes = plt.subplots(figsize=(6.4, 3), layout="constrained")
    for name, shape in result["shapes"].items():
        colour, marker = SHAPE_STYLES[name]
        points = {
            int(m): row["share_of_peak"] for m, row in shape["by_rows"].items() if "share_of_peak" in row
        }
        label = f"{name}: {shape['depth']} → {shape['columns']}, {shape['epilogue']}"
        axes.plot(points.keys(), points.values(), color=colour, marker=marker, markersize=4, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xticks(result["rows"], [str(m) for m in result["rows"]])
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_xlabel("rows M")
    axes.set_ylabel(f"share of the peak\n({kind_in_words(result['peak_kind'])}, {result['threads']} threads)")
    axes.legend(loc="upper left")
    return figure


def startup(result: dict) -> plt.Figure:
    """Process start to first logits."""
    times = result["from_outside_ms"]
    figure, axes = plt.subplots(figsize=(6.4, 0.7 + 0.3 * len(times)), layout="constrained")
    colours = ["#000000" if "roberta_c" in case else "#999999" for case in times]
    bars = axes.barh(list(times), list(times.values()), color=colours, height=0.6)
    axes.bar_label(bars, [f"{ms:,.0f}" for ms in times.values()], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("process start to first logits (or to the import's end), ms")
    return figure


# picture → result file, what must be in it, how it is drawn
PICTURES = {
    "encoder": ("encoder", "engines", encoder),
    "encoder_bfloat16": ("encoder_bfloat16", "engines", encoder),
    "encoder_int8": ("encoder_int8", "engines", encoder),
    **{name: (name, "engines", encoder) for name in ("embeddings", "embeddings_bfloat16", "embeddings_int8")},
    "linear": ("linear", "shapes", linear),
    "linear_avx2": ("linear_avx2", "shapes", linear),
    "startup": ("startup", "from_outside_ms", startup),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--output", type=Path, default=HERE / "plots")
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True)
    for name, (file, needed, draw) in PICTURES.items():
        path = options.results / f"{file}.json"
        result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if needed not in result:
            print(f"{name}: not drawn, {path.name} has no figures for it")
            continue
        figure = draw(result)
        target = options.output / f"{name}.svg"
        figure.savefig(target, metadata={"Date": None, "Creator": None})
        plt.close(figure)
        # matplotlib leaves blanks at line ends.
        lines = target.read_text(encoding="utf-8").splitlines()
        target.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
        print(f"{target.name} written")


if __name__ == "__main__":
    main()
