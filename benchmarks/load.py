"""Requests to a server over HTTP: at a rate that does not wait for answers, or as many as it answers.

    python benchmarks/load.py http://127.0.0.1:3000 --rate 40 --seconds 60 --watch /health --pid 1234

The requests are tweets, one each. With a rate they are sent at random moments (a Poisson process), and the
time of an answer counts from the moment at which its request was due: a server that stalls is not spared the
requests that come meanwhile. Without one, so many connections send their next request when they have an
answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np

WITHIN = 1.0  # seconds: an answer that comes later does not count as good
WATCH_SECONDS = 0.1
TEXTS = 2048


class Answer(NamedTuple):
    """What came of a request: its status, 0 if the connection failed, and the seconds since it was due."""

    status: int
    seconds: float


def tweet_bodies(data: Path) -> list[bytes]:
    """A body of TEI's routes for each of the first tweets of TweetEval's sentiment test."""
    text = (data / "data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8")
    return [json.dumps({"inputs": line}).encode() for line in text.split("\n")[:TEXTS] if line.strip()]


@contextlib.asynccontextmanager
async def session_of(seconds: float) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a limit of connections, which gives up on an answer after so many seconds."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=5)
    timeout = aiohttp.ClientTimeout(total=seconds)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        yield session


async def answer_of(session: aiohttp.ClientSession, url: str, body: bytes, due: float) -> Answer:
    try:
        async with session.post(url, data=body) as response:
            await response.read()
            status = response.status
    except (aiohttp.ClientError, asyncio.TimeoutError):
        status = 0
    return Answer(status, time.perf_counter() - due)


async def at_a_rate(
    url: str, bodies: list[bytes], rate: float, seconds: float, seed: int = 0
) -> list[Answer]:
    """Requests at random moments, `rate` a second on average, and what came of each."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, int(rate * seconds * 2) + 100)
    moments = np.cumsum(gaps)
    async with session_of(60) as session:
        begin, tasks = time.perf_counter(), []
        for moment, body in zip(moments[moments < seconds].tolist(), itertools.cycle(bodies), strict=False):
            due = begin + moment
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(answer_of(session, url, body, due)))
        return list(await asyncio.gather(*tasks))


async def as_answered(url: str, bodies: list[bytes], connections: int, seconds: float) -> list[Answer]:
    """Requests of so many connections, each sent when the one before is answered, and what came of each."""
    found: list[Answer] = []
    end = time.perf_counter() + seconds

    async def send(mine: Iterator[bytes], session: aiohttp.ClientSession) -> None:
        while (begin := time.perf_counter()) < end:
            found.append(await answer_of(session, url, next(mine), begin))

    async with session_of(60) as session:
        parts = [
            itertools.cycle(bodies[first::connections] or bodies) for first in range(min(connections, TEXTS))
        ]
        await asyncio.gather(*(send(part, session) for part in parts))
    return found


async def watched(url: str, pid: int | None, seen: list[Answer], kib: list[int]) -> None:
    """Until it is cancelled: the answers of a GET route, and the memory of the server's process."""
    async with session_of(10) as session:
        while True:
            begin = time.perf_counter()
            try:
                async with session.get(url) as response:
                    await response.read()
                    status = response.status
            except (aiohttp.ClientError, asyncio.TimeoutError):
                status = 0
            seen.append(Answer(status, time.perf_counter() - begin))
            if pid is not None:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                kib.append(next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")))
            await asyncio.sleep(WATCH_SECONDS)


def milliseconds(answers: list[Answer]) -> dict[str, float]:
    """The quantiles of the times of these answers."""
    times = [1e3 * answer.seconds for answer in answers]
    names = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99, "most_ms": 100}
    return (
        {name: round(float(np.percentile(times, part)), 2) for name, part in names.items()} if times else {}
    )


def summary(answers: list[Answer], seconds: float) -> dict[str, Any]:
    """Requests by status, answers a second, those within WITHIN seconds, and the times of each status."""
    good = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    soon = sum(answer.seconds <= WITHIN for answer in good)
    return {
        "sent": len(answers),
        "by_status": {str(status): n for status, n in sorted(Counter(a.status for a in answers).items())},
        "answered_per_second": round(len(good) / seconds, 2),
        f"answered_within_{WITHIN:g}s_per_second": round(soon / seconds, 2),
        "answered": milliseconds(good),
        **({"refused": milliseconds(refused)} if refused else {}),
    }


async def loaded(
    base: str,
    route: str,
    bodies: list[bytes],
    rate: float | None,
    connections: int,
    seconds: float,
    watch: str | None = None,
    pid: int | None = None,
) -> dict[str, Any]:
    """The summary of one load, and of the route and process that are watched meanwhile."""
    seen: list[Answer] = []
    kib: list[int] = []
    watcher = asyncio.create_task(watched(base + watch, pid, seen, kib)) if watch else None
    try:
        if rate is None:
            answers = await as_answered(base + route, bodies, connections, seconds)
        else:
            answers = await at_a_rate(base + route, bodies, rate, seconds)
    finally:
        if watcher is not None:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
    found = summary(answers, seconds)
    if seen:
        statuses = {str(status): n for status, n in sorted(Counter(one.status for one in seen).items())}
        found["watched"] = {"by_status": statuses, **milliseconds(seen)}
    if kib:
        found["memory_mib"] = {"first": kib[0] >> 10, "last": kib[-1] >> 10, "most": max(kib) >> 10}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="the server's address, such as http://127.0.0.1:3000")
    parser.add_argument("--route", default="/predict")
    parser.add_argument("--rate", type=float, help="requests a second; without: as many as are answered")
    parser.add_argument("--connections", type=int, default=64, help="without --rate")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--watch", metavar="ROUTE", help="a route to GET every 0.1 s meanwhile: /health")
    parser.add_argument("--pid", type=int, help="with --watch: the server's process, for its memory")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared")
    asked = parser.parse_args()
    bodies = tweet_bodies(asked.data)
    load = asked.url.rstrip("/"), asked.route, bodies, asked.rate, asked.connections, asked.seconds
    print(json.dumps(asyncio.run(loaded(*load, asked.watch, asked.pid)), indent=1))


if __name__ == "__main__":
    main()
