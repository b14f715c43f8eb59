"""Loggers as they were: what runs in the tests' process gives them the streams of a test, which are closed after it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

OURS = ("components", "pipelines")
"""Luthier's loggers, which `log.setup` gives a handler."""


@contextmanager
def restored(*names: str) -> Iterator[None]:
    """Restores the handlers, the level and the propagation of loggers after the block; "" is the root logger."""
    loggers = [logging.getLogger(name) for name in names]
    before = [(list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
