"""`roberta-c serve` against its own engine without a server, and against another server.

    python benchmarks/serving.py --output benchmarks/results/serving.json

RoBERTa-base with random weights classifies tweets, one in a request. Each server has its own process on all
threads; they take turns, round by round, and the figures are medians of rounds.

offline     texts a second of `pipeline(…)` on a list of the same texts
saturated   64 connections, each with its next request as soon as it has an answer
half        requests at random moments, at half of the least saturated rate of a peer
overload    roberta_c only: ten times its saturated rate, with /health watched, and half of the load after it
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import engines
import load
from base_model import save_random_base_model
from machine import description, save

from roberta_c.machine.threads import chosen_num_threads

OURS, PEER = "roberta_c", "fastapi + onnxruntime"
ROUTE, CONNECTIONS, CHECKED = "/predict", 64, 32
OFFLINE = """
import sys, time
from roberta_c import pipeline
folder, dtype, threads, path, seconds = sys.argv[1:]
texts = open(path, encoding="utf-8").read().split("\\n")
options = {"dtype": dtype, "num_threads": int(threads), "top_k": None, "truncation": True}
classify = pipeline("text-classification", folder, **options)
classify(texts[:64])
done, begin = 0, time.perf_counter()
while time.perf_counter() - begin < float(seconds):
    classify(texts[done % len(texts) :][:256])
    done += len(texts[done % len(texts) :][:256])
print(done / (time.perf_counter() - begin))
"""


class Server(contextlib.AbstractContextManager["Server"]):
    """A process that listens; it ends with the context."""

    def __init__(self, command: list[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([sys.executable, *command, "--port", str(port)], cwd=os.getcwd())
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"{command}: ended with {self.process.returncode} before it listened")
            with contextlib.suppress(OSError), urllib.request.urlopen(self.url + "/health"):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{command}: not ready after a minute")

    def load(
        self, bodies: list[bytes], rate: float | None, seconds: float, watch: str | None = None
    ) -> dict[str, Any]:
        pid = self.process.pid
        asked = self.url, ROUTE, bodies, rate, CONNECTIONS, seconds, watch, pid
        return asyncio.run(load.loaded(*asked))

    def scores(self, body: bytes) -> dict[str, float]:
        """The score of each label."""
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.url + ROUTE, body, headers)) as answer:
            return {one["label"]: one["score"] for one in json.load(answer)}

    def __exit__(self, *_error: object) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def alone(server: Server) -> Iterator[None]:
    """A context in which this server runs; before and after it is stopped, so that it takes no CPU."""
    server.process.send_signal(signal.SIGCONT)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGSTOP)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def texts_file(data: Path, folder: Path) -> Path:
    lines = (data / "data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8").split("\n")
    path = folder / "texts"
    path.write_text("\n".join(line for line in lines[: load.TEXTS] if line.strip()), encoding="utf-8")
    return path


def offline_rate(folder: Path, dtype: str, threads: int, texts: Path, seconds: float) -> float:
    """Texts a second of the pipeline in a process of its own."""
    command = [sys.executable, "-c", OFFLINE, folder, dtype, threads, texts, seconds]
    return float(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)


def median_of(rounds: list[dict[str, Any]], *path: str) -> float:
    values = []
    for one in rounds:
        value: Any = one
        for name in path:
            value = value[name]
        values.append(value)
    return statistics.median(values)


def check_scores(engine: str, found: dict[str, float], expected: dict[str, float]) -> None:
    """Raise RuntimeError unless the probabilities are the peer's, to the bound of the engine's type."""
    bound = 0.1 if engine.endswith("int8") else 1e-4
    if found.keys() != expected.keys() or any(abs(found[one] - expected[one]) > bound for one in found):
        raise RuntimeError(f"{engine}: found {found}, expected {expected} within {bound}")


def overload(server: Server, bodies: list[bytes], rate: float, seconds: float) -> dict[str, Any]:
    """Ten times the rate for so many seconds, and 5 s later half of the rate."""
    found = {"overload": server.load(bodies, 10 * rate, seconds, "/health")}
    time.sleep(5)
    found["after"] = server.load(bodies, rate / 2, 10.0, "/health")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, help="default: all that this process may use")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of one measurement")
    parser.add_argument("--overload-seconds", type=float, help="default: 600, with --rounds 1 as --seconds")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    overload_seconds = asked.overload_seconds or (600.0 if asked.rounds > 1 else asked.seconds)
    threads = asked.threads or chosen_num_threads(None)[0]
    result = description(("roberta_c", "numpy", "starlette", "uvicorn", "fastapi", "onnxruntime"))
    result |= {"threads": threads, "rounds": asked.rounds, "seconds": asked.seconds}
    bodies = load.tweet_bodies(asked.data)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        reference = save_random_base_model(folder / "model")
        for file in ("vocab.json", "merges.txt"):
            shutil.copy(asked.data / "data/roberta" / file, folder / "model")
        engines.export_onnx(reference, folder / "plain.onnx")
        engines.optimize_onnx(folder / "plain.onnx", folder / "optimized.onnx")
        del reference
        texts = texts_file(asked.data, folder)

        peer = [str(Path(__file__).with_name("serving_peer.py")), str(folder / "model")]
        commands = {PEER: [*peer, str(folder / "optimized.onnx"), "--threads", str(threads)]}
        for dtype in ("float32", "int8"):
            options = ["--model", str(folder / "model"), "--dtype", dtype, "--threads", str(threads)]
            commands[f"{OURS} {dtype}"] = ["-m", "roberta_c", "serve", *options]
        servers = {
            engine: stack.enter_context(Server(line, free_port())) for engine, line in commands.items()
        }
        expected = [servers[PEER].scores(body) for body in bodies[:CHECKED]]
        for engine, server in servers.items():
            with alone(server):
                for body, scores in zip(bodies, expected, strict=False):
                    check_scores(engine, server.scores(body), scores)
                server.load(bodies, None, 3.0)

        rounds: dict[str, dict[str, list[Any]]] = {
            engine: {"offline": [], "saturated": [], "half": []} for engine in servers
        }
        for _ in range(asked.rounds):
            for engine, server in servers.items():
                if engine != PEER:
                    dtype = engine.removeprefix(f"{OURS} ")
                    rate = offline_rate(folder / "model", dtype, threads, texts, asked.seconds)
                    rounds[engine]["offline"].append(rate)
                with alone(server):
                    rounds[engine]["saturated"].append(server.load(bodies, None, asked.seconds))
        half = median_of(rounds[PEER]["saturated"], "answered_per_second") / 2
        for _ in range(asked.rounds):
            for engine, server in servers.items():
                with alone(server):
                    rounds[engine]["half"].append(server.load(bodies, half, asked.seconds))

        result |= {"half_rate": round(half, 2), "servers": {}}
        for engine, found in rounds.items():
            row = {
                "saturated": round(median_of(found["saturated"], "answered_per_second"), 2),
                "half_p50_ms": round(median_of(found["half"], "answered", "p50_ms"), 2),
                "half_p99_ms": round(median_of(found["half"], "answered", "p99_ms"), 2),
            }
            if found["offline"]:
                row["offline"] = round(statistics.median(found["offline"]), 2)
                row["of_offline"] = round(row["saturated"] / row["offline"], 3)
            result["servers"][engine] = row
            print(f"{engine:<24}", row, flush=True)
        ours = f"{OURS} float32"
        with alone(servers[ours]):
            saturated = result["servers"][ours]["saturated"]
            result["overload"] = overload(servers[ours], bodies, saturated, overload_seconds)
        print("overload", result["overload"], flush=True)
    if asked.output:
        save(asked.output, result)


if __name__ == "__main__":
    main()
