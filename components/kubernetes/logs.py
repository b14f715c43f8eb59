"""Follows a container's log through dropped connections, and brings no line twice.

A log can be asked for from a second on, not from a line on, so every line comes with its time: what was seen is known
by that, to the nanosecond, and by how many lines had it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime

from components.core import environment
from components.core.errors import StepError
from components.kubernetes.client import Api, Dropped
from components.kubernetes.errors import ApiError
from components.telemetry import log

_LOG = log.get(__name__)
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0


class _Position:
    """How far a log has been read."""

    def __init__(self) -> None:
        self.time: tuple[int, int] | None = None
        self._with_time = self._passed = 0

    def reopened(self) -> None:
        self._passed = 0

    def is_new(self, time: tuple[int, int]) -> bool:
        """Tells whether a line is to be shown, and takes it as read."""
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


def lines(api: Api, pod: str, container: str, ended: threading.Event, tail_lines: int | None = None) -> Iterator[str]:
    """Yields the lines of a container's log until it has ended and all has been read.

    Args:
        api: The API.
        pod: Name of the pod.
        container: Name of the container, which has started.
        ended: Set by who knows that the container has ended: then an end of the stream is the end of the log.
        tail_lines: Begin so many lines before the end; at the beginning if None.

    Raises:
        InputError: The user may not read logs.
        StepError: The server was away for too long.
    """
    backoff, position, pause_s = api.backoff(), _Position(), _FIRST_PAUSE_S
    while True:
        was_ended = ended.is_set()  # before the stream is opened: only then does it hold all there is
        try:
            with api.stream("pods", f"{pod}/log", _query(container, position, tail_lines)) as stream:
                backoff.answered()
                position.reopened()
                for line in stream:
                    stamp, text = _split(line)
                    if position.is_new(stamp):
                        backoff.progressed()
                        pause_s = _FIRST_PAUSE_S
                        yield text
            if was_ended:
                return
        except Dropped as error:
            backoff.failed(error)
        except ApiError as error:
            if error.code == 404 or (was_ended and error.code == 400):
                return  # the pod is gone, or never got as far
            if error.code in (401, 403):
                raise api.in_words(error, "pods") from error
            if was_ended:
                backoff.failed(error)  # else the kubelet is restarting, or away, and will be back with its container
        if not was_ended:
            ended.wait(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def relay(api: Api, pod: str, container: str, ended: threading.Event, tail_lines: int | None = None) -> Iterator[str]:
    """Yields readable lines as of `lines`; a log that cannot be had is one warning, and not the end of a training."""
    try:
        for line in lines(api, pod, container, ended, tail_lines):
            yield readable(line)
    except (StepError, ValueError) as error:
        _LOG.warning("the log of %s cannot be read: %s", pod, error)


def readable(line: str) -> str:
    """Returns a line of the trainer's; of one in JSON the message alone, unless this process logs in JSON itself."""
    if not line.startswith('{"') or environment.logs_json():
        return line
    try:
        return str(json.loads(line)["message"])
    except (ValueError, KeyError):
        return line


def _query(container: str, position: _Position, tail_lines: int | None) -> dict[str, str]:
    query = {"container": container, "follow": "true", "timestamps": "true"}
    if position.time:
        seconds = datetime.fromtimestamp(position.time[0]).astimezone()
        return {**query, "sinceTime": seconds.isoformat()}
    return {**query, "tailLines": str(tail_lines)} if tail_lines is not None else query


def _split(line: bytes) -> tuple[tuple[int, int], str]:
    """Returns a line's time, as seconds and nanoseconds, and its text: of "2026-01-02T03:04:05.678901234Z text"."""
    stamp, _, text = line.decode(errors="replace").partition(" ")
    head, dot, tail = stamp.partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    zone = tail[len(digits) :] if dot else ""
    seconds = int(datetime.fromisoformat(head + zone).timestamp())
    return (seconds, int(digits.ljust(9, "0")[:9] or 0)), text.rstrip("\r")
