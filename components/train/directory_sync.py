"""Directory sync: a training directory on gs:// has a local copy, which TensorFlow and the metrics log write to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components import storage
from components.artifacts.metrics_log import METRICS_NAME
from components.core.scratch import scratch_directory


class DirectorySync:
    """Copies the files of a local directory to a training directory.

    Attributes:
        local_dir: The local directory; the training directory itself if that is local.
    """

    def __init__(self, local_dir: Path, out_uri: str) -> None:
        """Args: the local directory; the training directory."""
        self.local_dir, self._out_uri = local_dir, out_uri
        self._copied: dict[str, tuple[int, str]] = {}

    def publish(self) -> None:
        """Copies what is new or has changed since the last call; does nothing if the training directory is local."""
        if not storage.is_remote(self._out_uri):
            return
        for info in storage.list_objects(str(self.local_dir)):
            if self._copied.get(info.name) != (info.size, info.generation):
                storage.write_bytes(storage.join(self._out_uri, info.name), storage.read_bytes(info.uri))
                self._copied[info.name] = (info.size, info.generation)


@contextmanager
def synced_directory(out_uri: str, read_only: bool = False) -> Iterator[DirectorySync]:
    """Yields the sync of a training directory; the local one holds the metrics log of an earlier process, if any.

    Args:
        out_uri: The training directory.
        read_only: Another process writes there: what this one writes is discarded.
    """
    if read_only:
        with scratch_directory() as scratch:
            yield DirectorySync(scratch, str(scratch))
        return
    if not storage.is_remote(out_uri):
        Path(out_uri).mkdir(parents=True, exist_ok=True)
        yield DirectorySync(Path(out_uri), out_uri)
        return
    with scratch_directory() as scratch:
        log_uri = storage.join(out_uri, METRICS_NAME)
        if storage.exists(log_uri):
            (scratch / METRICS_NAME).write_bytes(storage.read_bytes(log_uri))
        yield DirectorySync(scratch, out_uri)
