"""The run record of a training, run.json: what is trained, from what, how far it is, and how it ended.

One object writes it: RunRecordWriter. Every change is applied to the newest record under a lock, so that threads that
each know one field (the loop the status, the MLflow logger its run) never undo each other's.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from components import storage
from components.artifacts.outcome import Outcome
from components.config.catalog import SYNTHS
from components.config.settings import stop_settings, without_stop
from components.core import environment, git
from components.core.errors import InputError
from components.core.fields import Fields
from components.core.fingerprint import fingerprint
from components.core.versions import TRAINING_VERSION, UNKNOWN_VERSION, version_of_fingerprint
from components.nsynth.families import FAMILIES
from components.nsynth.sorted_set import SortedSet

RECORD_NAME = "run.json"
LARGEST_RECORD_BYTES = 16 << 20
SCHEMA_VERSION = 2
"""2: training_version instead of code_fingerprint. Records without a version are of schema 1 and are read as well."""

RUNNING, FINISHED, FAILED = "running", "finished", "failed"
_STATUSES = (RUNNING, FINISHED, FAILED)
_PACKAGES = ("ddsp", "gin-config", "numpy", "tensorflow", "tensorflow-probability", "tf-keras")
# They become lines of a requirements.txt.
_PACKAGE, _PACKAGE_VERSION = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,99}"
_IDENTITY = ("family", "synth", "preset", "bindings", "data_fingerprint")


@dataclass(frozen=True)
class WarmStart:
    """The model that a training begins with.

    Attributes:
        uri: Its directory.
        weights: Checksum of its weights, as its card has it.
    """

    uri: str
    weights: str = ""


@dataclass(frozen=True)
class RunRecord:
    """What run.json holds.

    Attributes:
        family: Instrument family.
        synth: Synthesizer.
        preset: Preset.
        bindings: Gin bindings on top of the preset.
        data_uri: Root of the sorted set.
        data_fingerprint: Of the family's records in it.
        training_version: See core.versions; UNKNOWN_VERSION for a training of an older release.
        config_fingerprint: Of the whole gin configuration, where that is not the preset's with the bindings; None where
            an older release did not say.
        started: When, UTC, ISO 8601.
        status: "running", "finished" or "failed".
        failure: Why it failed; "" unless it did.
        outcome: What it came to; None unless it has finished.
        warm_start: The model that it begins with; None where it begins anew.
        reproduced_from: The training that it reproduces; "" for none.
        mlflow_run_id: The MLflow run that its curves are sent to; "" for none.
        run_id: The pipeline's run; "" where there is none.
        packages: Versions of the packages that make the numbers.
        git_commit: Of the code; None where that is not known.
        image: The container image; None outside a container.
        code_fingerprint: Hash of the source code that an older release wrote; "" since there are versions.
    """

    family: str
    synth: str
    preset: str
    bindings: tuple[str, ...]
    data_uri: str
    data_fingerprint: str
    training_version: int = TRAINING_VERSION
    config_fingerprint: str | None = ""
    started: str = ""
    status: str = RUNNING
    failure: str = ""
    outcome: Outcome | None = None
    warm_start: WarmStart | None = None
    reproduced_from: str = ""
    mlflow_run_id: str = ""
    run_id: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    image: str | None = None
    code_fingerprint: str = ""

    @property
    def is_finished(self) -> bool:
        return self.status == FINISHED and self.outcome is not None

    @property
    def fingerprint(self) -> str:
        """What identifies the training: equal for equal data, settings and training version. Not the data's address."""
        identity = {name: getattr(self, name) for name in _IDENTITY} | {"bindings": list(self.bindings)}
        return fingerprint([identity, self.training_version, self.config_fingerprint])

    @property
    def stop_settings(self) -> dict[str, Any]:
        """When it stops, by the names of settings.STOP_SETTINGS."""
        return stop_settings(self.synth, self.preset, self.bindings)

    def has_reached(self, stop: Mapping[str, Any]) -> bool:
        """Tells whether it has finished, and would have stopped there with other stop settings too."""
        if not self.is_finished or self.outcome is None:
            return False
        return self.stop_settings == stop or self.outcome.steps == stop["max_steps"]

    def difference(self, other: RunRecord) -> str:
        """Returns the name of the first field in which another training differs from this one; "" where none does."""
        for name in (*_IDENTITY, "training_version"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if name == "bindings":  # with another stop it is the same training
                mine, theirs = without_stop(mine), without_stop(theirs)
            if mine != theirs:
                return name
        known = None not in (self.config_fingerprint, other.config_fingerprint)
        return "config_fingerprint" if known and self.config_fingerprint != other.config_fingerprint else ""

    @classmethod
    def begin(
        cls,
        data: SortedSet,
        family: str,
        synth: str,
        preset: str,
        bindings: Sequence[str],
        *,
        config: str = "",
        warm_start: WarmStart | None = None,
        reproduced_from: str = "",
        run_id: str = "",
    ) -> RunRecord:
        """Returns the record of a training that is about to start.

        Args:
            data: The sorted set.
            family: Which of its families.
            synth: Which synthesizer.
            preset: Which preset.
            bindings: Gin bindings from outside.
            config: The whole gin configuration, where it is not that of the preset and the bindings.
            warm_start: The model that it begins with.
            reproduced_from: The training that it reproduces.
            run_id: The pipeline's run.
        """
        return cls(
            family=family,
            synth=synth,
            preset=preset,
            bindings=tuple(bindings),
            data_uri=data.uri if storage.is_remote(data.uri) else str(Path(data.uri).absolute()),
            data_fingerprint=data.family_fingerprint(family),
            config_fingerprint=fingerprint(config) if config else "",
            started=utc_now(),
            warm_start=warm_start,
            reproduced_from=reproduced_from,
            run_id=run_id,
            packages={name: metadata.version(name) for name in _PACKAGES},
            git_commit=git.commit(),
            image=environment.get(environment.TRAIN_IMAGE) or None,
        )

    @classmethod
    def read(cls, uri: str) -> RunRecord:
        """Reads a run.json. InputError where there is none, or it is not one."""
        return cls.parse(storage.read_json(uri, LARGEST_RECORD_BYTES), uri)

    @classmethod
    def parse(cls, values: Any, uri: str) -> RunRecord:
        """Reads the content of a run.json, also of an older release.

        Args:
            values: The JSON value.
            uri: Where it was read, for errors.

        Raises:
            InputError: A field is missing, of a wrong type or out of range, or the record is of a newer release.
        """
        fields = Fields(values, uri, "a training's run record")
        schema = fields.whole("schema_version", 1, low=1)
        if schema > SCHEMA_VERSION:
            raise fields.wrong("schema_version", f"{SCHEMA_VERSION} or lower; it is of a newer Luthier: update")
        status = fields.one_of("status", _STATUSES)
        code, reproduced_from = fields.text("code_fingerprint", ""), fields.text("reproduced_from", "")
        warm_start = fields.object("warm_start")
        return cls(
            family=fields.one_of("family", FAMILIES),
            synth=fields.one_of("synth", SYNTHS),
            preset=fields.name("preset"),
            bindings=fields.texts("bindings"),
            data_uri=fields.text("data_uri"),
            data_fingerprint=fields.name("data_fingerprint"),
            training_version=fields.whole("training_version", version_of_fingerprint(code)),
            config_fingerprint=fields.name("config_fingerprint", "") if schema > 1 else None,
            started=fields.time("started"),
            status=status,
            failure=fields.text("failure", ""),
            outcome=Outcome.parse(fields) if status == FINISHED else None,
            warm_start=WarmStart(warm_start.text("uri"), warm_start.name("weights", "")) if warm_start else None,
            reproduced_from=reproduced_from or fields.text("rebuilt_from", ""),
            mlflow_run_id=fields.name("mlflow_run_id", ""),
            run_id=fields.text("run_id", ""),
            packages=fields.text_map("packages", keys=_PACKAGE, values=_PACKAGE_VERSION),
            git_commit=fields.name("git_commit", "") or None,
            image=fields.text("image", "") or None,
            code_fingerprint=code,
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns the record as the file holds it; what is not known is left out."""
        warm_start = self.warm_start and {"uri": self.warm_start.uri, "weights": self.warm_start.weights}
        optional = {
            "failure": self.failure,
            "warm_start": warm_start,
            "reproduced_from": self.reproduced_from,
            "mlflow_run_id": self.mlflow_run_id,
            "run_id": self.run_id,
            "config_fingerprint": self.config_fingerprint,
            "code_fingerprint": self.code_fingerprint,
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "family": self.family,
            "synth": self.synth,
            "preset": self.preset,
            "bindings": list(self.bindings),
            "data_uri": self.data_uri,
            "data_fingerprint": self.data_fingerprint,
            "training_version": self.training_version,
            "fingerprint": self.fingerprint,
            "started": self.started,
            "status": self.status,
            "packages": dict(self.packages),
            "git_commit": self.git_commit,
            "image": self.image,
            **{name: value for name, value in optional.items() if value},
            **(self.outcome.as_dict() if self.outcome else {}),
        }


class RunRecordWriter:
    """The one writer of a training's run.json. Safe to use from several threads."""

    def __init__(self, record_uri: str, record: RunRecord, read_only: bool = False) -> None:
        """Writes nothing yet.

        Args:
            record_uri: The file.
            record: What it is to hold.
            read_only: Another process writes the file: this one keeps the record in memory alone.
        """
        self._uri, self._record, self._read_only = record_uri, record, read_only
        self._lock = threading.Lock()

    @property
    def record(self) -> RunRecord:
        """The newest record."""
        return self._record

    def update(self, **changes: Any) -> None:
        """Changes some fields of the newest record and writes it; without any, writes it as it is."""
        with self._lock:
            self._record = replace(self._record, **changes)
            if not self._read_only:
                storage.write_json(self._uri, self._record.as_dict())


def check_same_training(found: RunRecord, wanted: RunRecord, out_uri: str) -> None:
    """Checks that a training directory holds the training that is asked for, so that it may continue.

    Args:
        found: The record in the directory.
        wanted: The record of the training that is asked for.
        out_uri: The directory.

    Raises:
        InputError: It holds another training, or one whose numbers another version of the code made.
    """
    name = wanted.difference(found)
    if not name:
        return
    if name == "training_version":
        theirs = (
            "an unknown version" if found.training_version == UNKNOWN_VERSION else f"version {found.training_version}"
        )
        raise InputError(
            f"'{out_uri}' holds a training by {theirs} of the training code, this release has version "
            f"{wanted.training_version}, whose numbers differ: it cannot be continued; "
            "begin anew with `luthier train --restart`, or try another directory"
        )
    raise InputError(
        f"'{out_uri}' holds another training: its {name} is {getattr(found, name)!r}, "
        f"expected {getattr(wanted, name)!r}; try another directory"
    )


def utc_now() -> str:
    """Returns the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
