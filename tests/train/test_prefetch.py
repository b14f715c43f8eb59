"""Batches in order, made ahead; errors where they belong; waiting measured."""

from __future__ import annotations

import threading
import time

import pytest

from components.train.prefetch import THREAD_NAME, Prefetcher
from tests.waiting import wait_until


def test_batches_come_in_order_and_ahead_of_their_use():
    made = []
    batches = Prefetcher(lambda step: made.append(step) or step)
    batches.start(first_step=7)
    try:
        assert [batches.get() for _ in range(20)] == list(range(7, 27))
        wait_until(lambda: len(made) >= 23, "batches are made ahead")
        assert len(made) <= 25
        batches.start(first_step=3)
        assert [batches.get() for _ in range(2)] == [3, 4]
    finally:
        batches.close()
    assert not any(thread.name == THREAD_NAME for thread in threading.enumerate())


def test_what_a_slow_input_costs_is_known():
    wanted, start = threading.Semaphore(0), time.monotonic()

    def make(step: int) -> None:
        wanted.acquire(timeout=60)
        time.sleep(0.05)

    slow = Prefetcher(make)
    slow.start(first_step=0)
    try:
        for _ in range(4):
            wanted.release()
            slow.get()
    finally:
        wanted.release(100)
        slow.close()
    assert 0.1 < slow.waited_s < time.monotonic() - start


def test_what_goes_wrong_in_the_thread_is_raised_where_the_batch_is_wanted():
    def make(step: int) -> int:
        if step == 2:
            raise ValueError("the shard is gone")
        return step

    batches = Prefetcher(make)
    batches.start(first_step=0)
    try:
        assert [batches.get(), batches.get()] == [0, 1]
        with pytest.raises(ValueError, match="the shard is gone"):
            batches.get()
    finally:
        batches.close()
