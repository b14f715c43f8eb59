"""A training directory on gs://: what TensorFlow and the curves write is local, and is copied from there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components import storage
from components.artifacts.metrics_log import METRICS_NAME


class Mirror:
    """Keeps a training directory's files up to date at its URI.

    Attributes:
        folder: The local folder; the directory itself where that is local.
    """

    def __init__(self, folder: Path, out_uri: str) -> None:
        self.folder, self._out_uri = folder, out_uri
        self._copied: dict[str, tuple[int, str]] = {}

    def publish(self) -> None:
        """Copies what is new or has changed since the last time; does nothing where the directory is local."""
        if not storage.is_remote(self._out_uri):
            return
        for info in storage.list_objects(str(self.folder)):
            if self._copied.get(info.name) != (info.size, info.generation):
                storage.write_bytes(storage.join(self._out_uri, info.name), storage.read_bytes(info.uri))
                self._copied[info.name] = (info.size, info.generation)


@contextmanager
def mirrored(out_uri: str, read_only: bool = False) -> Iterator[Mirror]:
    """Yields the mirror of a training directory, with the curves of an earlier process if there are any.

    Args:
        out_uri: The training directory.
        read_only: Another process writes there: what this one makes is thrown away.
    """
    if read_only:
        with tempfile.TemporaryDirectory(prefix="luthier-train-") as scratch:
            yield Mirror(Path(scratch), scratch)
        return
    if not storage.is_remote(out_uri):
        Path(out_uri).mkdir(parents=True, exist_ok=True)
        yield Mirror(Path(out_uri), out_uri)
        return
    with tempfile.TemporaryDirectory(prefix="luthier-train-") as scratch:
        curves_uri = storage.join(out_uri, METRICS_NAME)
        if storage.exists(curves_uri):
            Path(scratch, METRICS_NAME).write_bytes(storage.read_bytes(curves_uri))
        yield Mirror(Path(scratch), out_uri)
