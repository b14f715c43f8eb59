"""Logging: lines of text, or with LUTHIER_LOG_FORMAT=json (in a cluster) one JSON object on each line."""

from __future__ import annotations

import json
import logging
import sys
import time

from components.core import environment


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
        return json.dumps(entry, ensure_ascii=False)


def setup(verbose: bool = False) -> None:
    """Sends the log lines of Luthier to stderr. The command line or a pipeline component calls it once."""
    handler = logging.StreamHandler(sys.stderr)
    if environment.logs_json():
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(name)s: %(message)s", "%H:%M:%S"))
    for name in ("components", "pipelines"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.DEBUG if verbose else logging.INFO)
        logger.propagate = False


def get(name: str) -> logging.Logger:
    """Returns the logger of a module: `_LOG = log.get(__name__)`."""
    return logging.getLogger(name)
