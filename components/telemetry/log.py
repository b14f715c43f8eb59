"""Logging: lines of text, or with LUTHIER_LOG_FORMAT=json (in a cluster) one JSON object on each line.

Lines and tracebacks have no passwords (core/redaction.py).
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from types import TracebackType

from components.core import environment
from components.core.redaction import redact


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _JsonFormatter(logging.Formatter):
    """Field names follow Cloud Logging's structured logging, which other collectors read as well."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "severity": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: redact(value) for name, value in entry.items()}, ensure_ascii=False)


def setup(verbose: bool = False) -> None:
    """Sends Luthier's log lines and tracebacks to stderr. The command line or a pipeline component calls it once."""
    sys.excepthook = _print_traceback
    threading.excepthook = _print_traceback_of_thread
    handler = logging.StreamHandler(sys.stderr)
    if environment.logs_json():
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(_TextFormatter("%(asctime)s %(levelname).1s %(name)s: %(message)s", "%H:%M:%S"))
    for name in ("components", "pipelines"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.DEBUG if verbose else logging.INFO)
        logger.propagate = False


def verbosity() -> bool | None:
    """Returns what `setup` was called with, None before: for a worker process, which has to call it as well."""
    logger = logging.getLogger("components")
    return logger.level == logging.DEBUG if logger.handlers else None


def get(name: str) -> logging.Logger:
    """Returns the logger of a module: `_LOG = log.get(__name__)`."""
    return logging.getLogger(name)


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _print_traceback_of_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        _print_traceback(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
