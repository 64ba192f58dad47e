"""The next item is worked on while the caller uses the one before it."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from roberta_c.pipelines.ahead import one_ahead


def test_items_keep_their_order_and_results():
    assert list(one_ahead(range(5), lambda item: item * 10)) == [(n, n * 10) for n in range(5)]
    assert list(one_ahead([], str)) == []


def test_the_next_item_is_worked_on_while_one_is_used():
    begun = [threading.Event() for _ in range(3)]
    used = [threading.Event() for _ in range(3)]

    def work(item):
        begun[item].set()
        if item:  # it ends although nothing has used it yet, and begins before the one before it was used
            assert not used[item].is_set()
        return threading.current_thread()

    threads = []
    for item, thread in one_ahead(range(3), work):
        if item < 2:
            assert begun[item + 1].wait(10)
        used[item].set()
        threads.append(thread)
    assert threads[0] is threading.current_thread()
    assert threads[1] is threads[2] is not threading.current_thread()


def test_a_single_item_starts_no_thread():
    before = threading.active_count()
    ((_, count),) = one_ahead([0], lambda _: threading.active_count())
    assert count == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("taken", range(1, 6))
def test_a_child_that_is_forked_between_two_items_goes_on(taken):
    """The parent's thread, and what it was working on, do not exist in the child."""
    asleep = threading.Event()
    parent = os.getpid()

    def work(item):
        if item == taken and os.getpid() == parent:
            asleep.wait()
        return item * 10

    items = one_ahead(range(6), work)
    found = [next(items) for _ in range(taken)]
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        right = found + list(items) == [(n, n * 10) for n in range(6)]
        os._exit(0 if right else 1)
    asleep.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert found + list(items) == [(n, n * 10) for n in range(6)]


def failing(at):
    for item in range(4):
        if item == at:
            raise ValueError(at)
        yield item


@pytest.mark.parametrize("at", range(4))
def test_errors_come_in_their_items_turn(at):
    found = []
    with pytest.raises(ValueError, match=str(at)):
        found.extend(one[0] for one in one_ahead(failing(at), str))
    assert found == list(range(at))
    found.clear()
    with pytest.raises(ZeroDivisionError):
        found.extend(one[0] for one in one_ahead(range(4), lambda item: 1 // (item - at)))
    assert found == list(range(at))


def test_the_thread_ends_with_the_iterator():
    before = threading.active_count()
    running = one_ahead(range(100), str)
    next(running)
    next(running)
    running.close()
    assert threading.active_count() == before
