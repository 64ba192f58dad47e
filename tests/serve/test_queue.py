"""The queue and the engine: batches by tokens, who goes first, equal windows once, who has left, failures."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from roberta_c.errors import ModelFileError
from roberta_c.pipelines.windows import Window
from roberta_c.serve.engine import BatchFailed, Engine
from roberta_c.serve.metrics import Metrics
from roberta_c.serve.queue import Group, QueueClosed, Ticket, WorkQueue
from roberta_c.serve.settings import ServeSettings


def window(length, token=5):
    return Window([token] * length)


def sizes(windows):
    return [len(one.ids) for one in windows]


GROUP = Group("group", "model", sizes)
OTHER = Group("other", "other model", sizes)


def queue_of(budget=100, seconds=lambda model, tokens: tokens / 100, bypass=1.0):
    return WorkQueue(lambda model: budget, seconds, bypass)


def run(test):
    asyncio.run(asyncio.wait_for(test(), 20))


def taken(queue):
    """The next batch, now: `take` would wait where there is none."""
    return queue._formed(time.monotonic())


def lengths(batch):
    return [unit.tokens for unit in batch]


def test_a_batch_is_bounded_by_tokens_and_of_one_group():
    async def test():
        queue = queue_of(budget=10, seconds=lambda model, tokens: 0.0)
        for group, length in ((GROUP, 4), (OTHER, 2), (GROUP, 5), (GROUP, 7), (GROUP, 30)):
            queue.put(Ticket(group, [window(length)], None))
        batches = [[(unit.group, unit.tokens) for unit in taken(queue)] for _ in range(4)]
        assert batches == [[(GROUP, 4), (GROUP, 5)], [(OTHER, 2)], [(GROUP, 7)], [(GROUP, 30)]]

    run(test)


def test_a_short_request_overtakes_a_long_one_by_at_most_the_bypass():
    async def test():
        queue = queue_of(budget=10)
        long, short, late = (Ticket(GROUP, [window(length)], None) for length in (90, 3, 4))
        long.arrived = 100.0  # in line at 100.9
        short.arrived = 100.5  # 100.53
        late.arrived = 102.0
        for ticket in (long, late, short):
            queue.put(ticket)
        assert [lengths(taken(queue)) for _ in range(3)] == [[3], [90], [4]]

        endless = Ticket(GROUP, [window(9000)], None)
        endless.arrived = 100.0  # in line at 101, and not at 190
        later = Ticket(GROUP, [window(2)], None)
        later.arrived = 101.0
        queue.put(later)
        queue.put(endless)
        assert [lengths(taken(queue)) for _ in range(2)] == [[9000], [2]]

    run(test)


def test_equal_windows_in_work_are_computed_once():
    async def test():
        queue = queue_of(seconds=lambda model, tokens: 0.0)
        first, second = (Ticket(GROUP, [window(4), window(4), window(6)], None) for _ in range(2))
        queue.put(first)
        queue.put(second)
        queue.put(Ticket(OTHER, [window(4)], None))
        batch = taken(queue)
        assert lengths(batch) == [4, 6]
        third = Ticket(GROUP, [window(6)], None)  # joins what is being computed
        queue.put(third)
        queue.done(batch, ["four", "six"])
        assert await first.future == await second.future == ["four", "four", "six"]
        assert await third.future == ["six"]
        assert queue.waiting_units == 1  # the other group's
        again = Ticket(GROUP, [window(6)], None)  # nothing is kept
        queue.put(again)
        assert lengths(taken(queue)) == [4]
        assert lengths(taken(queue)) == [6]

    run(test)


def test_an_urgent_caller_moves_a_waiting_window_ahead():
    async def test():
        queue = queue_of(budget=5)
        big = Ticket(GROUP, [window(60, 6), window(5)], None)
        big.arrived = 100.0
        middle, small = Ticket(GROUP, [window(4)], None), Ticket(GROUP, [window(5)], None)
        middle.arrived, small.arrived = 100.5, 100.2
        for ticket in (big, middle, small):
            queue.put(ticket)
        assert [lengths(taken(queue)) for _ in range(3)] == [[5], [4], [60]]

    run(test)


def test_who_has_left_and_who_is_late_cost_nothing():
    async def test():
        queue = queue_of(budget=5)
        left, late, stays = (Ticket(GROUP, [window(length)], None) for length in (5, 4, 3))
        shared = Ticket(GROUP, [window(5), window(2)], None)
        late.deadline = time.monotonic() - 1
        for ticket in (left, late, stays, shared):
            queue.put(ticket)
        left.cancel()
        assert [lengths(taken(queue)) for _ in range(2)] == [[3], [5]]  # another waits for the 5
        shared.cancel()
        assert lengths(taken(queue)) == []
        assert queue.waiting_seconds() == 0

    run(test)


def test_a_failure_reaches_all_callers_and_a_closed_queue_takes_no_more():
    async def test():
        queue = queue_of()
        one, two = Ticket(GROUP, [window(4), window(3)], None), Ticket(GROUP, [window(4)], None)
        queue.put(one)
        queue.put(two)
        queue.done(taken(queue), [ValueError("four"), "three"])
        for ticket in (one, two):
            with pytest.raises(ValueError, match="four"):
                await ticket.future
        waiting, computed = Ticket(GROUP, [window(5)], None), Ticket(OTHER, [window(5)], None)
        queue.put(computed)
        taken(queue)
        queue.put(waiting)
        queue.close(RuntimeError("dead"), drops=True)
        for ticket in (waiting, computed):
            with pytest.raises(RuntimeError, match="dead"):
                await ticket.future
        with pytest.raises(QueueClosed):
            queue.put(Ticket(GROUP, [window(5)], None))
        assert queue.take() is None

    run(test)


# ---- the engine ------------------------------------------------------------------------------------------


def engine(**settings):
    return Engine(ServeSettings(**settings), Metrics())


def test_the_engine_computes_until_it_is_stopped():
    async def test():
        made = engine()
        made.start()
        made.start()
        tickets = [Ticket(GROUP, [window(n), window(n + 1)], None) for n in range(1, 30)]
        for ticket in tickets:
            made.queue.put(ticket)
        assert [await ticket.future for ticket in tickets] == [[n, n + 1] for n in range(1, 30)]
        assert made.is_healthy
        made.stop(5)
        assert not made.is_healthy

    run(test)


def test_one_bad_text_does_not_fail_its_neighbours():
    def compute(windows):
        if any(len(one.ids) == 13 for one in windows):
            raise ModelFileError("weights: found outputs that are NaN")
        return sizes(windows)

    async def test():
        made = engine()
        group = Group("group", "model", compute)
        tickets = [Ticket(group, [window(n)], None) for n in range(10, 16)]
        for ticket in tickets:
            made.queue.put(ticket)
        made.start()
        for n, ticket in zip(range(10, 16), tickets, strict=True):
            if n == 13:
                with pytest.raises(BatchFailed, match="found outputs that are NaN"):
                    await ticket.future
            else:
                assert await ticket.future == [n]
        assert made.is_healthy

    run(test)


@pytest.mark.parametrize("error", [MemoryError(), ValueError("the text"), IndexError("the text")])
def test_messages_of_foreign_errors_are_not_passed_on(error):
    def compute(windows):
        raise error

    async def test():
        made = engine()
        made.start()
        ticket = Ticket(Group("group", "model", compute), [window(3)], None)
        made.queue.put(ticket)
        with pytest.raises(BatchFailed, match=f"^{type(error).__name__} while computing$"):
            await ticket.future
        made.stop(5)

    run(test)


def test_a_dead_thread_fails_everyone_and_is_unhealthy():
    def compute(windows):
        raise SystemExit

    async def test():
        made = engine()
        tickets = [Ticket(Group(key, "model", compute), [window(3)], None) for key in "ab"]
        for ticket in tickets:
            made.queue.put(ticket)
        made.start()
        for ticket in tickets:
            with pytest.raises(SystemExit):
                await ticket.future
        with pytest.raises(QueueClosed):
            made.queue.put(Ticket(GROUP, [window(3)], None))
        assert not made.is_healthy
        assert isinstance(made.failure, SystemExit)

    run(test)


def test_the_tokens_of_a_batch_follow_the_speed():
    made = engine(max_batch_tokens=5000, batch_seconds=0.1)
    assert made.queue._budget("model") == 1024
    for _ in range(30):
        made._note_speed("model", 1000, 0.5)
    assert made.queue._budget("model") == 512  # never less
    for _ in range(30):
        made._note_speed("model", 1000, 0.05)
    assert made.queue._budget("model") == pytest.approx(2000, rel=0.01)
    for _ in range(60):
        made._note_speed("model", 5000, 0.01)
    assert made.queue._budget("model") == 5000  # never more
    made._note_speed("model", 5, 5)  # too few to say anything
    assert made.queue._budget("model") == 5000


def test_many_callers_from_many_loops():
    made = engine()
    made.start()
    results = {}

    def caller(seed):
        async def test():
            found = []
            for n in range(1, 60):
                ticket = Ticket(GROUP, [window(1 + (seed * n) % 7), window(1 + n % 3)], None)
                made.queue.put(ticket)
                if n % 5 == 0:
                    ticket.cancel()
                    continue
                found.append(await ticket.future == [1 + (seed * n) % 7, 1 + n % 3])
            results[seed] = all(found)

        run(test)

    threads = [threading.Thread(target=caller, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(8), True)
    made.stop(5)
