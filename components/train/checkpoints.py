"""Checkpoints: one object holds all that a training needs to go on as if it had never stopped.

checkpoints/step-00000340.ckpt is a line of JSON, which tells the size and the CRC32C of what follows, and then an npz
archive: the State as JSON, the weights, the optimizer's variables, the sums of the unfinished logging interval, and the
best weights so far. So the newest one alone is enough, for the best model too, and older ones are there for the case
that it is damaged. One object is written whole or not at all, on a local disk as on gs://.
"""

from __future__ import annotations

import errno
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
from components.core.errors import InputError, StepError
from components.storage import ObjectInfo
from components.telemetry import log

_LOG = log.get(__name__)
_FORMAT = "luthier-checkpoint-1"
_KEPT = 2
_NAME = re.compile(r"step-(\d{8,})\.ckpt")
_STATE = "state"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Damaged(Exception):  # noqa: N818 (reads as what it is)
    """A checkpoint is not whole, or not what was written; says how."""


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint holds.

    Attributes:
        state: A State, as a dictionary.
        arrays: Weights and the like, by name.
    """

    state: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


class Checkpoints:
    """The checkpoints of one training directory, local or gs://."""

    def __init__(self, training_uri: str, read_only: bool = False) -> None:
        """Args: the training directory; whether another process is the one that writes to it."""
        self._uri, self._read_only = storage.join(training_uri, CHECKPOINTS_DIR), read_only

    def any(self) -> bool:
        """Tells whether there is one, whole or not."""
        return bool(self._list())

    def save(self, snapshot: Snapshot) -> int:
        """Writes the checkpoint of a step, then removes all but the newest two. Returns its bytes.

        Raises:
            StepError: There is no room; the checkpoints from before are still there.
        """
        if self._read_only:
            return 0
        step = snapshot.state["step"]
        header, payload = encode(snapshot)
        uri = storage.join(self._uri, f"step-{step:08d}.ckpt")
        what = f"cannot save the checkpoint of step {step} ({len(payload) / 1e6:.1f} MB)"
        with no_room_is_one_line(what), storage.open_write(uri) as stream:
            stream.write(header)
            stream.write(payload)
        for old in self._list()[_KEPT:]:
            storage.delete(old.uri)
        return len(header) + len(payload)

    def newest(self) -> Snapshot | None:
        """Returns the newest checkpoint that is whole; None where there is none at all.

        Newer ones that are damaged are removed, and the log tells of each.

        Raises:
            InputError: There are checkpoints, and all are damaged.
        """
        if not self._read_only:
            storage.delete_leftovers(self._uri)
        damaged: dict[str, str] = {}
        found = self._list()
        for info in found:
            try:
                snapshot = decode(storage.read_bytes(info.uri))
            except (Damaged, storage.Corrupted) as problem:
                damaged[info.uri] = str(problem)
                continue
            for uri, reason in damaged.items():
                _LOG.warning("the checkpoint %s is damaged (%s): going on from %s", uri, reason, info.name)
                if not self._read_only:
                    storage.delete(uri)
            return snapshot
        if found:
            reasons = "; ".join(f"{storage.basename(uri)}: {reason}" for uri, reason in damaged.items())
            raise InputError(
                f"none of the checkpoints in '{self._uri}' is whole ({reasons}): copy one back, or begin anew "
                "with --restart"
            )
        return None

    def _list(self) -> list[ObjectInfo]:
        """Lists the checkpoints, newest first."""
        found = ((_NAME.fullmatch(info.name), info) for info in storage.list_objects(self._uri))
        return [info for _, info in sorted(((int(m[1]), info) for m, info in found if m), key=_step, reverse=True)]


def _step(item: tuple[int, ObjectInfo]) -> int:
    return item[0]


@contextmanager
def no_room_is_one_line(what: str) -> Iterator[None]:
    """Turns a full disk inside the block into a StepError that begins with `what`.

    It is not the command line that is at fault, so the exit code is 1, which a Job may try again.
    """
    try:
        yield
    except (OSError, InputError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in _NO_ROOM:
            raise
        raise StepError(
            f"{what}: {cause.strerror}; the checkpoints from before are whole, make room and run the same command again"
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
    """Reads a checkpoint; Damaged where it is not whole."""
    first_line, _, payload = data.partition(b"\n")
    try:
        header = json.loads(first_line)
        expected, size, crc32c = (header[name] for name in ("format", "bytes", "crc32c"))
    except (ValueError, KeyError, TypeError):
        raise Damaged("its first line is not a checkpoint's") from None
    if expected != _FORMAT:
        raise Damaged(f"its format is {expected!r}, expected {_FORMAT!r}")
    if len(payload) != size:
        raise Damaged(f"it has {len(payload)} bytes, expected {size}")
    if storage.crc32c_base64(google_crc32c.value(payload)) != crc32c:
        raise Damaged("its checksum does not match")
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return Snapshot(json.loads(arrays.pop(_STATE).tobytes()), arrays)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Damaged(f"its content cannot be read: {error}") from error
