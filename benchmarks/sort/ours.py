"""Runs `luthier sort` through its entry point, in the calling process."""

from __future__ import annotations

import sys

from components import cli
from components.sort import command, step  # noqa: F401 (imported here, so that it counts as start-up)


def sort(source: str, out: str, workers: str) -> None:
    """Runs `luthier sort --source SOURCE --out OUT --workers WORKERS`."""
    sys.argv = ["luthier", "sort", "--source", source, "--out", out, "--workers", workers]
    if source.startswith("gs://") or out.startswith("gs://"):
        from google.cloud import storage  # noqa: F401 (likewise)
    try:
        cli.main()
    except SystemExit as end:
        if end.code:
            raise
