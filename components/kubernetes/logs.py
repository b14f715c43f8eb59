"""Follows a container's log through lost connections, and yields no line twice.

A log can be requested from a second on, not from a line on. So every line is requested with its time, to the
nanosecond: a line is new if its time is later, or if it comes after as many lines of the same time as were read before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime

from components.kubernetes.client import Api
from components.kubernetes.errors import ApiError, BadRequest, ConnectionLost, Forbidden, NotFound, Unauthorized


class _Position:
    """How far a log has been read: the time of the last line, and how many lines had that time."""

    def __init__(self) -> None:
        self.time: tuple[int, int] | None = None
        self._with_time = self._passed = 0

    def reopened(self) -> None:
        self._passed = 0

    def is_new(self, time: tuple[int, int]) -> bool:
        """Tells whether a line was not read before, and counts it as read."""
        if self.time is None or time > self.time:
            self.time, self._with_time, self._passed = time, 1, 1
            return True
        if time < self.time:
            return False
        self._passed += 1
        if self._passed <= self._with_time:
            return False
        self._with_time += 1
        return True


def lines(
    api: Api,
    pod: str,
    container: str,
    ended: threading.Event,
    tail_lines: int | None = None,
    limit_s: float | None = None,
) -> Iterator[str]:
    """Yields the lines of a container's log until the container has ended and all lines have been read.

    Args:
        api: The API.
        pod: Name of the pod.
        container: Name of the container, which has started.
        ended: Set by the caller once the container has ended: then the end of the stream is the end of the log. As
            long as it is not set, the log is requested again after a pause.
        tail_lines: Start so many lines before the end; at the beginning if None.
        limit_s: The server may be away for this time, instead of that of its RetryPolicy.

    Raises:
        Forbidden, Unauthorized: The user may not read logs.
        StepError: The server did not answer for too long.
        StreamsClosed: `Api.close` was called.
    """

    def sleep(seconds: float) -> None:
        if ended.is_set():
            time.sleep(seconds)
        else:
            ended.wait(seconds)  # the rest of the log can be read as soon as the container has ended

    backoff, position = api.backoff(limit_s, sleep=sleep), _Position()
    while True:
        was_ended = ended.is_set()  # read before the stream is opened: only then does the stream have the whole log
        try:
            with api.stream("pods", f"{pod}/log", _query(container, position, tail_lines)) as stream:
                backoff.answered()
                position.reopened()
                for line in stream:
                    stamp, text = _split(line)
                    if stamp is None:
                        break  # the kubelet's own: "unable to retrieve container logs for ...", of a pod that is gone
                    if position.is_new(stamp):
                        backoff.progressed()
                        yield text
            if was_ended:
                return
            backoff.pause()
        except ConnectionLost as error:
            backoff.failed(error)
        except (Forbidden, Unauthorized):
            raise
        except NotFound:
            return  # the pod was deleted
        except ApiError as error:
            if was_ended and isinstance(error, BadRequest):
                return  # the container never started
            if was_ended:
                backoff.failed(error)
            else:
                backoff.pause()  # the kubelet restarts, or its node is lost, and may come back


def _query(container: str, position: _Position, tail_lines: int | None) -> dict[str, str]:
    query = {"container": container, "follow": "true", "timestamps": "true"}
    if position.time:
        seconds = datetime.fromtimestamp(position.time[0]).astimezone()
        return {**query, "sinceTime": seconds.isoformat()}
    return {**query, "tailLines": str(tail_lines)} if tail_lines is not None else query


def _split(line: bytes) -> tuple[tuple[int, int] | None, str]:
    """Splits "2026-01-02T03:04:05.678901234Z text" into its time, as seconds and nanoseconds, and its text.

    The time is None for a line that begins with none.
    """
    whole = line.decode(errors="replace")
    stamp, _, text = whole.partition(" ")
    head, dot, tail = stamp.partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    zone = tail[len(digits) :] if dot else ""
    try:
        seconds = int(datetime.fromisoformat(head + zone).timestamp())
    except ValueError:
        return None, whole
    return (seconds, int(digits.ljust(9, "0")[:9] or 0)), text.rstrip("\r")
