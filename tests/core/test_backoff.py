"""Backoff on a simulated clock: how long it waits, when it gives up, and what it logs."""

import logging

import pytest

from components.core.backoff import Backoff, Outage, RetryPolicy, root_cause
from components.core.errors import StepError


class Clock:
    def __init__(self):
        self.now, self.pauses = 0.0, []

    def sleep(self, seconds):
        self.now += seconds
        self.pauses.append(seconds)

    def time(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def backoff(clock):
    policy = RetryPolicy(limit_s=100.0, first_pause_s=1.0, longest_pause_s=8.0, longest_retry_after_s=30.0)
    return Backoff("the server", policy, sleep=clock.sleep, clock=clock.time)


def test_pauses_double_up_to_a_bound(backoff, clock):
    for _ in range(6):
        backoff.failed(ConnectionError())
    for pause_s, bound_s in zip(clock.pauses, [1, 2, 4, 8, 8, 8], strict=True):
        assert bound_s / 2 <= pause_s <= bound_s


def test_it_gives_up_after_the_time_limit_with_the_cause(backoff, clock):
    with pytest.raises(StepError, match=r"^the server has not answered for 1\d\d s: Connection refused$"):
        while True:
            backoff.failed(ConnectionRefusedError(111, "Connection refused"))
    assert 100 <= clock.now <= 108


def test_an_answer_starts_the_time_limit_anew_and_progress_the_pauses_as_well(backoff, clock):
    for _ in range(100):
        backoff.failed(ConnectionError())
        backoff.answered()
    assert clock.now > 100
    assert clock.pauses[-1] >= 4
    backoff.progressed()
    backoff.failed(ConnectionError())
    assert clock.pauses[-1] <= 1


def test_the_pause_that_the_server_asks_for_is_added_up_to_a_bound(backoff, clock):
    backoff.failed(ConnectionError(), retry_after_s=10)
    backoff.failed(ConnectionError(), retry_after_s=3600)
    assert 10 <= clock.pauses[0] <= 11
    assert 30 <= clock.pauses[1] <= 32


def test_one_failure_is_not_logged_and_a_series_once(backoff, caplog):
    with caplog.at_level(logging.INFO, "components.core.backoff"):
        backoff.failed(ConnectionError("reset"))
        assert caplog.messages == []
        for _ in range(3):
            backoff.failed(ConnectionError("reset"))
        backoff.answered()
    assert caplog.messages == ["the server does not answer (reset); trying again for 100 s", "the server answers again"]


def test_conversations_with_one_server_log_its_outage_once(clock, caplog):
    outage = Outage()
    watches = [Backoff("the server", outage=outage, sleep=clock.sleep, clock=clock.time) for _ in range(3)]
    with caplog.at_level(logging.INFO, "components.core.backoff"):
        for _ in range(2):
            for watch in watches * 3:
                watch.failed(ConnectionError("reset"))
            for watch in watches:
                watch.answered()
                watches[-1].failed(ConnectionError("reset"))  # a request that was on its way
    said = ["the server does not answer (reset); trying again for 120 s", "the server answers again"]
    assert caplog.messages == said * 2


def test_the_root_cause_is_the_innermost_error_in_one_line():
    try:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise RuntimeError("max retries exceeded with url: /api") from error
    except RuntimeError as error:
        assert root_cause(error) == "Connection refused"
    assert root_cause(TimeoutError()) == "TimeoutError"
