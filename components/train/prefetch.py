"""Batches of the steps to come, made by a thread while the device computes, and the time that the device waited."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from components.config.settings import TrainSettings
from components.synths.ddsp_imports import tf
from components.train.batch import Sounds
from components.train.dataset import batch
from components.train.devices import Devices

T = TypeVar("T")
_AHEAD = 4  # batches in memory beside the one in use
_POLL_S = 0.1


class Feed(Generic[T]):
    """Makes the batches of consecutive steps in a thread of its own. Use `close`, or it goes on for ever.

    Attributes:
        waited_s: How long `get` has waited for batches that were not ready.
    """

    def __init__(self, make: Callable[[int], T], first_step: int) -> None:
        """Starts the thread.

        Args:
            make: Returns the batch of a step.
            first_step: What `get` is to return first.
        """
        self.waited_s = 0.0
        self._make = make
        self._ready: queue.Queue[T | BaseException] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(first_step,), name="feed", daemon=True)
        self._thread.start()

    def get(self) -> T:
        """Returns the next step's batch; raises what making it raised."""
        start = time.monotonic()
        item = self._ready.get()
        self.waited_s += time.monotonic() - start
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Ends the thread: an interpreter that shuts down around a thread in TensorFlow's code may crash."""
        self._closed.set()
        self._thread.join()

    def _run(self, step: int) -> None:
        while not self._closed.is_set():
            try:
                item: T | BaseException = self._make(step)
            except BaseException as error:  # it is the caller's, whatever it is
                item = error
            self._put(item)
            if isinstance(item, BaseException):
                return
            step += 1

    def _put(self, item: T | BaseException) -> None:
        while not self._closed.is_set():
            try:
                self._ready.put(item, timeout=_POLL_S)
                return
            except queue.Full:
                continue


def batches(sounds: Sounds, settings: TrainSettings, devices: Devices, first_step: int) -> Feed[tuple[Any, ...]]:
    """Returns the feed of a training: what Trainer.step takes, from `first_step` on."""

    def make(step: int) -> tuple[Any, ...]:
        return *devices.split(batch(sounds, settings, step)), tf.constant([settings.seed, step], tf.int32)

    return Feed(make, first_step)
