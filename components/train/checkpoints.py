"""Checkpoints: one object holds all that a training needs to resume exactly where it was.

checkpoints/step-00000340.ckpt is a line of JSON, with the size and the CRC32C of what follows, and then an npz archive:
the State as JSON, the weights, the optimizer's variables, the sums of the unfinished logging interval, and the best
weights so far. The newest checkpoint alone is enough, for the best model too; the one before it is a spare in case the
newest is damaged. An object is written whole or not at all, on a local disk as on gs://.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from components import storage
from components.artifacts.training_dir import CHECKPOINTS_DIR
from components.core.errors import InputError, StepError, is_disk_full
from components.core.strict_json import parse_json
from components.core.text import counted
from components.storage import ObjectInfo
from components.telemetry import log

_LOG = log.get(__name__)
_FORMAT_NAME, _FORMAT_NUMBER = "luthier-checkpoint", 1
_FORMAT = f"{_FORMAT_NAME}-{_FORMAT_NUMBER}"
_NEWER = re.compile(rf"{_FORMAT_NAME}-(\d{{1,9}})")
_FIRST_LINE_BYTES = 4096
_KEPT = 2
_NAME = re.compile(r"(?:attempt-(\d+)-)?step-(\d{8,})\.ckpt")
_STATE, _BEST = "state", "best/"

Arrays = dict[str, npt.NDArray[Any]]
Weights = list[npt.NDArray[Any]]


class Damaged(Exception):  # noqa: N818 (not an error of its own: an older checkpoint is read)
    """A checkpoint is not what was written; the message says how."""


@dataclass(frozen=True)
class Snapshot:
    """The content of a checkpoint.

    Attributes:
        state: A State, as a dictionary.
        arrays: The trainer's arrays by name, and the best weights.
    """

    state: dict[str, Any]
    arrays: Arrays

    @classmethod
    def of(cls, state: dict[str, Any], arrays: Arrays, best: Weights) -> Snapshot:
        """Returns a snapshot of a state, the trainer's arrays and the weights of the best validation so far."""
        return cls(state, {**arrays, **{f"{_BEST}{index:03d}": weight for index, weight in enumerate(best)}})

    @property
    def best_weights(self) -> Weights:
        """The weights of the best validation; empty if there was none yet."""
        return [np.asarray(self.arrays[name]) for name in sorted(self.arrays) if name.startswith(_BEST)]


class Checkpoints:
    """The checkpoints of one training directory, local or gs://."""

    def __init__(self, training_uri: str, read_only: bool = False) -> None:
        """Args: the training directory; whether another process writes to it, and this one only reads."""
        self._uri, self._read_only = storage.join(training_uri, CHECKPOINTS_DIR), read_only

    def any(self) -> bool:
        """Returns whether there is one, whole or not."""
        return bool(self._list())

    def check_release(self) -> None:
        """Checks that none is of a newer release: this one could not read it, and would delete it later.

        Raises:
            InputError: One is.
        """
        for info in self._list():
            number = _newer_format(_first_bytes(info))
            if number:
                raise InputError(
                    f"the checkpoint '{info.uri}' is of a newer release of Luthier: its format is {number}, expected "
                    f"{_FORMAT_NUMBER}; continue with that release, or start again with `luthier train --restart`"
                )

    def save(self, snapshot: Snapshot) -> int:
        """Writes the checkpoint of a step, then removes all but the newest two. Returns its bytes.

        Raises:
            StepError: The disk is full; the earlier checkpoints are still there.
        """
        if self._read_only:
            return 0
        step, attempt = snapshot.state["step"], len(snapshot.state.get("attempts", []))
        header, payload = encode(snapshot)
        # Those of a training that has begun again are newer than those of the attempt before, whatever their step.
        uri = storage.join(self._uri, f"{f'attempt-{attempt + 1}-' if attempt else ''}step-{step:08d}.ckpt")
        what = f"cannot save the checkpoint of step {step} ({len(payload) / 1e6:.1f} MB)"
        with disk_full_as_step_error(what), storage.open_write(uri) as stream:
            stream.write(header)
            stream.write(payload)
        for old in self._list()[_KEPT:]:
            storage.delete(old.uri)
        return len(header) + len(payload)

    def newest(self) -> Snapshot | None:
        """Returns the newest checkpoint that is whole; None if there are no checkpoints.

        Damaged ones that are newer are removed, with a warning for each.

        Raises:
            InputError: There are checkpoints, and all are damaged, or one is of a newer release.
            Corrupted: One arrived damaged, twice; where it lies, it is whole.
        """
        self.check_release()
        if not self._read_only:
            storage.delete_leftovers(self._uri)
        damaged: dict[str, str] = {}
        found = self._list()
        for info in found:
            try:
                snapshot = decode(storage.read_bytes(info.uri))
            except Damaged as problem:
                damaged[info.uri] = str(problem)
                continue
            for uri, reason in damaged.items():
                _LOG.warning("the checkpoint %s is damaged (%s): resuming from %s", uri, reason, info.name)
                if not self._read_only:
                    storage.delete(uri)
            return snapshot
        if found:
            reasons = "; ".join(f"{storage.basename(uri)}: {reason}" for uri, reason in damaged.items())
            raise InputError(
                f"none of the checkpoints in '{self._uri}' is whole ({reasons}): copy one back, or start "
                "again with `luthier train --restart`"
            )
        return None

    def _list(self) -> list[ObjectInfo]:
        """Lists the checkpoints, newest first."""
        found = ((_NAME.fullmatch(info.name), info) for info in storage.list_objects(self._uri))
        numbered = [((int(m[1] or 1), int(m[2])), info) for m, info in found if m]
        return [info for _, info in sorted(numbered, key=lambda item: item[0], reverse=True)]


def _first_bytes(info: ObjectInfo) -> bytes:
    """Returns the start of a checkpoint; nothing where another process has just deleted or replaced it."""
    try:
        with storage.open_read(info.uri, info.generation, 0, min(info.size, _FIRST_LINE_BYTES)) as stream:
            return stream.read(_FIRST_LINE_BYTES)
    except InputError:
        return b""


def _newer_format(start: bytes) -> int:
    """Returns the number of the format of a newer release that a checkpoint begins with; 0 for none."""
    try:
        header = parse_json(start.partition(b"\n")[0])
    except ValueError:
        return 0
    found = _NEWER.fullmatch(str(header.get("format"))) if isinstance(header, dict) else None
    number = int(found[1]) if found else 0
    return number if number > _FORMAT_NUMBER else 0


class _DiskFullError(StepError):
    """The disk is full; the message says what could not be written."""


@contextmanager
def disk_full_as_step_error(what: str) -> Iterator[None]:
    """Turns a full disk inside the block into a StepError that begins with `what`.

    It is not the user's input that is at fault, so the exit code is 1, which a Job may retry.
    """
    try:
        yield
    except _DiskFullError:
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error, StepError) else error
        if not is_disk_full(cause):
            raise
        said = cause.strerror if isinstance(cause, OSError) else " ".join(str(cause).split())
        raise _DiskFullError(
            f"{what}: {said}; the earlier checkpoints are intact: free some space and run the command again"
        ) from error


def encode(snapshot: Snapshot) -> tuple[bytes, bytes]:
    """Returns a checkpoint's first line and the rest."""
    stream = io.BytesIO()
    state = np.frombuffer(json.dumps(snapshot.state).encode(), np.uint8)
    np.savez(stream, **{_STATE: state}, **snapshot.arrays)  # type: ignore[arg-type]
    payload = stream.getvalue()
    header = {
        "format": _FORMAT,
        "step": snapshot.state["step"],
        "bytes": len(payload),
        "crc32c": storage.crc32c_base64(google_crc32c.value(payload)),
    }
    return json.dumps(header).encode() + b"\n", payload


def decode(data: bytes) -> Snapshot:
    """Reads a checkpoint; raises Damaged if it is not what `encode` returned."""
    first_line, _, payload = data.partition(b"\n")
    try:
        header = parse_json(first_line)
        expected, size, crc32c = (header[name] for name in ("format", "bytes", "crc32c"))
    except (ValueError, KeyError, TypeError):
        raise Damaged("its first line is not a checkpoint's") from None
    if expected != _FORMAT:
        raise Damaged(f"its format is {expected!r}, expected {_FORMAT!r}")
    if len(payload) != size:
        raise Damaged(f"it has {counted(len(payload), 'byte')}, expected {size:,}")
    if storage.crc32c_base64(google_crc32c.value(payload)) != crc32c:
        raise Damaged("its checksum does not match")
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return Snapshot(json.loads(arrays.pop(_STATE).tobytes()), arrays)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Damaged(f"its content cannot be read: {error}") from error
