"""How fast is it beside a busy process, as several processes, and with several callers?

    python benchmarks/neighbours.py --output benchmarks/results/neighbours.json

RoBERTa-base with random weights classifies tweets one by one. Every engine has processes of its own, each
with the model loaded for one thread and for all. Engines and situations take turns, round by round; rates are
medians.

beside     one process on all threads while another process keeps one CPU busy; also alone, and on one thread
processes  four processes at once, each on all threads, and each on one
callers    eight Python threads that call one model of roberta_c on all threads, and one such thread
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple

import engines
from base_model import save_random_base_model
from machine import description, save
from turns import rest
from workloads import tweets

from roberta_c.machine.threads import chosen_num_threads

SPAWN = multiprocessing.get_context("spawn")
OURS, PACKAGES = "roberta_c", ("roberta_c", "numpy", "torch", "transformers")
PEERS = ("torch", "onnxruntime", "openvino")  # also the names of their packages
PROCESSES, CALLERS, TEXTS = 4, 8, 32
MODEL, GRAPH, OPTIMIZED = "model", "plain.onnx", "optimized.onnx"
SETTLING_SECONDS = 0.2  # threads are placed on CPUs anew when the load changes


class Run(NamedTuple):
    """What one process did: texts a second, and the seconds of each call."""

    rate: float
    seconds: list[float]


def loaded(engine: str, folder: Path, threads: int) -> engines.Engine:
    if engine == OURS:
        return engines.Ours(folder / MODEL, threads)
    if engine == "torch":
        import transformers

        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder / MODEL).eval()
        return engines.Torch(model, threads)
    if engine == "openvino":
        return engines.OpenVino(folder / GRAPH, threads)
    return engines.OnnxRuntime(engine, folder / OPTIMIZED, threads)


def timed(model: engines.Engine, texts: list[Any], seconds: float, callers: int) -> Run:
    """Calls the model with one text after the other for so many seconds, from `callers` threads."""
    end = time.perf_counter() + seconds

    def call(caller: int) -> list[float]:
        first, found = caller * len(texts) // callers, []
        for text in itertools.cycle(texts[first:] + texts[:first]):
            begin = time.perf_counter()
            if begin >= end:
                break
            model.logits(text)
            found.append(time.perf_counter() - begin)
        return found

    begin = time.perf_counter()
    if callers == 1:
        found = call(0)
    else:
        with ThreadPoolExecutor(callers) as pool:
            found = [one for of_caller in pool.map(call, range(callers)) for one in of_caller]
    return Run(len(found) / (time.perf_counter() - begin), found)


def serve(asked: Connection, engine: str, folder: Path, data: Path, threads: tuple[int, ...]) -> None:
    """A process: loads an engine for each number of threads, then answers (threads, seconds, callers)."""
    ids = [row for batch in tweets(data) for row in batch][:TEXTS]
    models: dict[int, engines.Engine] = {}
    texts: dict[int, list[Any]] = {}
    for number in threads:
        if engine == "torch" and models:
            models[number] = next(iter(models.values()))
        else:
            models[number] = loaded(engine, folder, number)
        texts[number] = [models[number].prepare([row]) for row in ids]
        for text in texts[number]:  # once untimed: engines prepare themselves for each length
            models[number].logits(text)
    asked.send(None)
    while True:  # until the process is ended
        number, seconds, callers = asked.recv()
        if engine == "torch":  # the number of threads belongs to the process, not to a model
            engines.torch.set_num_threads(number)
        asked.send(timed(models[number], texts[number], seconds, callers))
        rest()
        asked.send(None)


class Group(contextlib.AbstractContextManager["Group"]):
    """Processes of one engine that work at once; they end with the context."""

    def __init__(self, engine: str, count: int, folder: Path, data: Path, threads: tuple[int, ...]) -> None:
        self.connections: list[Connection] = []
        self.processes: list[SpawnProcess] = []
        for _ in range(count):
            ours, theirs = SPAWN.Pipe()
            process = SPAWN.Process(target=serve, args=(theirs, engine, folder, data, threads), daemon=True)
            process.start()
            theirs.close()  # so that a process that ends is an EOFError here
            self.connections.append(ours)
            self.processes.append(process)
        self.gather()

    def gather(self) -> list[Any]:
        return [connection.recv() for connection in self.connections]

    def run(self, threads: int, seconds: float, callers: int = 1) -> list[Run]:
        for connection in self.connections:
            connection.send((threads, seconds, callers))
        runs = self.gather()
        self.gather()
        return runs

    def rate(self, threads: int, seconds: float) -> float:
        """Texts a second of all processes."""
        return sum(run.rate for run in self.run(threads, seconds))

    def __exit__(self, *_error: object) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def stay_busy(asked: Connection) -> None:
    """A neighbour: computes until the other end of the connection is closed."""
    asked.send(None)
    while not asked.poll():
        sum(range(100_000))


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    """A context in which another process keeps one CPU busy."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=stay_busy, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()
        time.sleep(SETTLING_SECONDS)
        yield
    finally:
        process.kill()
        process.join()


def beside(groups: dict[str, Group], threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Texts a second by engine: alone on one thread and on all, and on all beside a busy process."""
    rates: dict[str, dict[str, list[float]]] = {
        engine: {"one_thread": [], "alone": [], "beside": []} for engine in groups
    }
    for number in range(rounds):
        names = list(groups)
        names = names[number % len(names) :] + names[: number % len(names)]
        for engine in names:
            rates[engine]["one_thread"].append(groups[engine].rate(1, seconds))
            rates[engine]["alone"].append(groups[engine].rate(threads, seconds))
        with busy_process():
            for engine in names:
                rates[engine]["beside"].append(groups[engine].rate(threads, seconds))
    found = {}
    for engine, of_engine in rates.items():
        medians = {name: statistics.median(values) for name, values in of_engine.items()}
        found[engine] = {name: round(value, 2) for name, value in medians.items()}
        found[engine]["beside_over_one_thread"] = round(medians["beside"] / medians["one_thread"], 3)
    best = max(engine["beside"] for name, engine in found.items() if name != OURS) if len(found) > 1 else None
    over_best = {"over_best_peer": round(found[OURS]["beside"] / best, 3)} if best else {}
    return {"by_engine": found} | over_best


def processes(group: Group, threads: int, rounds: int, seconds: float) -> dict[str, float]:
    """Texts a second of four processes: each on one thread, each on all."""
    rates: dict[int, list[float]] = {1: [], threads: []}
    for _ in range(rounds):
        for number, found in rates.items():
            found.append(group.rate(number, seconds))
    one, every = (statistics.median(found) for found in rates.values())
    return {"one_thread": round(one, 2), "all_threads": round(every, 2), "ratio": round(every / one, 3)}


def callers(group: Group, threads: int, rounds: int, seconds: float) -> dict[str, float]:
    """Texts a second of eight callers and of one; the median and the 99th percentile of the eight's calls."""
    serial, together, latencies = [], [], []
    for _ in range(rounds):
        serial.append(group.rate(threads, seconds))
        (run,) = group.run(threads, seconds, CALLERS)
        together.append(run.rate)
        latencies += run.seconds
    p50, p99 = (sorted(latencies)[int(share * (len(latencies) - 1))] for share in (0.5, 0.99))
    one, eight = statistics.median(serial), statistics.median(together)
    return {
        "one_caller": round(one, 2),
        "eight_callers": round(eight, 2),
        "ratio": round(eight / one, 3),
        "p50_ms": round(p50 * 1e3, 2),
        "p99_ms": round(p99 * 1e3, 2),
        "p99_over_p50": round(p99 / p50, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, help="default: all that this process may use")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement")
    parser.add_argument("--engines", default=",".join(PEERS), help="beside roberta_c")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    threads = options.threads or chosen_num_threads(None)[0]
    if threads < 2:
        parser.error(f"--threads: found {threads}, expected 2 or more")
    peers = [name for name in options.engines.split(",") if name]
    missing = [name for name in peers if not engines.installed(name)]
    names = [OURS, *(name for name in peers if name not in missing)]

    result = description((*PACKAGES, *(name for name in names[1:] if name not in PACKAGES)))
    result |= {"threads": threads, "rounds": options.rounds, "seconds": options.seconds}
    result |= {"processes_at_once": PROCESSES, "callers_at_once": CALLERS, "left_out": missing}
    print(f"{result['cpu']}, {threads} threads, float32; texts/s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference = save_random_base_model(folder / MODEL)
        if any(name != "torch" for name in names[1:]):
            engines.export_onnx(reference, folder / GRAPH)
        if "onnxruntime" in names:
            engines.optimize_onnx(folder / GRAPH, folder / OPTIMIZED)
        del reference
        place = folder, options.data, tuple(sorted({1, threads}))
        with contextlib.ExitStack() as stack:
            groups = {engine: stack.enter_context(Group(engine, 1, *place)) for engine in names}
            result["beside"] = beside(groups, threads, options.rounds, options.seconds)
            for engine, row in result["beside"]["by_engine"].items():
                print(f"beside     {engine:<12}", row, flush=True)
            result["callers"] = callers(groups[OURS], threads, options.rounds, options.seconds)
            print(f"callers    {OURS:<12}", result["callers"], flush=True)
        result["processes"] = {}
        for engine in names:
            with Group(engine, PROCESSES, *place) as group:
                row = processes(group, threads, options.rounds, options.seconds)
            result["processes"][engine] = row
            print(f"processes  {engine:<12}", row, flush=True)
    if options.output:
        save(options.output, result)


if __name__ == "__main__":
    main()
