"""python -m tests.fuzz TARGET… [--executions N] [--seed S] [--engine atheris] [--keep]

Runs that many inputs of each target (names: tests/fuzz/targets.py; "all": every one) and prints a line for
each: executions, executions a second, lines covered of those in the target's modules. Exit code 1 if an input
fails; it is then in build/fuzz, and `--input FILE` runs it again.

The engine "lines" changes the inputs in tests/fuzz/corpus and keeps those that reach new lines. "atheris"
(pip install '.[fuzz]') does the same by branches and compared values, and runs more inputs a second. --keep
puts the kept inputs that reach lines which those in the repository do not into tests/fuzz/corpus.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import logging
import os
import re
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BUILD = ROOT / "build" / "fuzz"
MAX_KEPT_BYTES = 2048
# Atheris 3.0 never frees the array that a comparison of arrays gives: about 1 KB for each input of a model.
EXECUTIONS_OF_A_PROCESS = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n\n", 1)[1])
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("lines", "atheris"), default="lines")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--input", type=Path, help="run this file alone")
    parser.add_argument(
        "--folder", type=Path, default=BUILD, help="where inputs are kept; default: build/fuzz"
    )
    options = parser.parse_args()
    names = options.targets
    if names == ["all"]:
        names = sorted(path.name for path in Path(__file__).with_name("corpus").iterdir())
    return max([fuzz(name, options) for name in names])


def fuzz(name: str, options: argparse.Namespace) -> int:
    """Fuzz one target in processes of its own; 0: no input failed."""
    folder = options.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    began = time.monotonic()
    guided_by_atheris = options.engine == "atheris"
    step = EXECUTIONS_OF_A_PROCESS if guided_by_atheris else max(options.executions, 1)
    executions = 0
    for first in range(0, max(options.executions, 1), step):
        count, seed = min(step, options.executions - first), options.seed + first
        code = in_a_fork(lambda count=count, seed=seed: child(name, options, folder, count, seed), log)
        text = log.read_text("utf-8", "replace")
        if code != 0:
            return report_failure(name, code, folder, text)
        found = re.search(r"stat::number_of_executed_units: (\d+)", text)
        executions += int(found[1]) if found else count
    seconds = time.monotonic() - began
    if guided_by_atheris:
        code = in_a_fork(lambda: measure(name, options, folder), log)
        text = log.read_text("utf-8", "replace")
    result = re.search(r"^result: (.*)", text, re.M)
    if code != 0 or result is None:
        return report_failure(name, code, folder, text)
    print(f"{name}: {executions} executions, {executions / seconds:.0f}/s, {result[1]}", flush=True)
    return 0


def report_failure(name: str, code: int, folder: Path, text: str) -> int:
    print(re.sub(r"^(INFO|WARNING): .*\n", "", text, flags=re.M)[-3000:])
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    current = folder / "current-input"
    if current.exists():
        failed = folder / f"failed-{hashlib.sha256(current.read_bytes()).hexdigest()[:12]}"
        shutil.copyfile(current, failed)
        print(
            f"{name}: failed ({how}): python -m tests.fuzz {name} --input {os.path.relpath(failed)}",
            flush=True,
        )
    else:
        print(f"{name}: failed before its first input ({how})", flush=True)
    return 1


def in_a_fork(body: Callable[[], None], log: Path) -> int:
    """Run `body` in a fork whose output goes to `log`; its exit code, negative for a signal."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            sys.stdout = sys.stderr = os.fdopen(descriptor, "w", buffering=1)
            body()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def child(name: str, options: argparse.Namespace, folder: Path, executions: int, seed: int) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # no threads, whose stacks would count as memory
    os.environ["ROBERTA_C_NUM_THREADS"] = "1"
    logging.disable(logging.WARNING)  # warnings are allowed, and there would be a million of them
    instrumented = contextlib.nullcontext()
    if options.engine == "atheris":
        import atheris

        instrumented = atheris.instrument_imports(include=["roberta_c"])
    with instrumented:
        from .harness import CORPUS, Runner, run_atheris, run_guided, seeds_of
        from .targets import TARGETS

        if name not in TARGETS:
            raise SystemExit(f"{name}: found no such target, expected one of {', '.join(TARGETS)}")
        target = TARGETS[name]
        run = Runner(target, folder)
        seeds = [options.input.read_bytes()] if options.input else seeds_of(name)
        for data in seeds:  # imports the rest of the package, and allocates what is allocated once
            run(data)
    run.limit_memory()
    if options.input:
        print("result: the input does not fail")
    elif options.engine == "atheris":
        run_atheris(target, run, executions, seed, folder, CORPUS / name)
    else:
        kept, _ = run_guided(target, seeds, run, executions, seed)
        print_result(target, name, [*seeds, *kept], run, options.keep)


def measure(name: str, options: argparse.Namespace, folder: Path) -> None:
    """Run again what Atheris has kept, to count lines."""
    from .harness import Runner, seeds_of
    from .targets import TARGETS

    logging.disable(logging.WARNING)
    target = TARGETS[name]
    kept = [path.read_bytes() for path in (folder / "kept").iterdir()]
    print_result(target, name, [*seeds_of(name), *kept], Runner(target, folder), options.keep)


def print_result(target, name: str, inputs: list[bytes], run, keep: bool) -> None:
    from .harness import CORPUS, covered, lines_of, seeds_of

    if keep:
        seeds = seeds_of(name)
        needed, _ = covered(target, [data for data in inputs if len(data) <= MAX_KEPT_BYTES], run, seeds)
        for data in needed:
            (CORPUS / name / f"kept-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
    needed, lines = covered(target, inputs, run)
    print(f"result: {lines} of {lines_of(target)} lines covered by {len(needed)} inputs")


if __name__ == "__main__":
    sys.exit(main())
