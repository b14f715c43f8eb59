"""Batches in order, made ahead; errors where they belong; waiting measured."""

from __future__ import annotations

import threading
import time

import pytest

from components.train.prefetch import THREAD_NAME, Prefetcher


def test_batches_come_in_order_and_ahead_of_their_use():
    made = []
    batches = Prefetcher(lambda step: made.append(step) or step)
    batches.start(first_step=7)
    try:
        assert [batches.get() for _ in range(20)] == list(range(7, 27))
        end = time.monotonic() + 5
        while len(made) < 23 and time.monotonic() < end:
            time.sleep(0.01)
        assert 23 <= len(made) <= 25
        batches.start(first_step=3)
        assert [batches.get() for _ in range(2)] == [3, 4]
    finally:
        batches.close()
    assert not any(thread.name == THREAD_NAME for thread in threading.enumerate())


def test_what_a_slow_input_costs_is_known():
    slow = Prefetcher(lambda step: time.sleep(0.05))
    slow.start(first_step=0)
    try:
        for _ in range(4):
            slow.get()
    finally:
        slow.close()
    assert 0.1 < slow.waited_s < 2


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
