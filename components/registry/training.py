"""A finished training as the registry wants it: contract 3.4's folder, read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components import storage
from components.artifacts.model_card import CARD_NAME, CONFIG_NAME, MODEL_DIR, ModelCard
from components.artifacts.run_record import RunRecord
from components.config.gate import LOSS
from components.core.errors import InputError
from components.core.fingerprint import content_fingerprint
from components.registry.metric_points import Point, points
from components.registry.parameters import gin_parameters, milliseconds, numbers
from components.registry.tags import CONFIG_TAG, LOSS_TAG, NOTES_TAG, config_fingerprint

# What a registration shows beside the model. Checkpoints and TensorBoard's summaries stay where they are.
RECORDS = ("run.json", CONFIG_NAME, "metrics.jsonl")
EVALUATION = ("evaluation.json", "report.html", "listening")
_NOT_SETTINGS = ("packages", "best", "status", "started", "finished", "mlflow_run_id")


@dataclass(frozen=True)
class Training:
    """A finished training in a local folder.

    Attributes:
        uri: Where it is kept.
        folder: Holds run.json, metrics.jsonl, model/ and, once evaluated, evaluation.json, report.html, listening/.
        run_id: The run that it belongs to: the name of the folder above.
        record: The run record.
        card: The model's card.
        fingerprint: SHA-256 of the model's files. A model with the same fingerprint is the same model.
    """

    uri: str
    folder: Path
    run_id: str
    record: RunRecord
    card: ModelCard
    fingerprint: str

    @property
    def family(self) -> str:
        return self.card.family

    @property
    def synth(self) -> str:
        return self.card.synth

    @property
    def name(self) -> str:
        return f"{self.run_id}/{self.family}-{self.synth}"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def valid_loss(self) -> float | None:
        """The model's spectral loss on the validation split; None where there was nothing to validate on."""
        return self.card.valid_loss

    @property
    def data_fingerprint(self) -> str:
        return self.record.data_fingerprint

    @property
    def steps(self) -> int:
        """Training steps behind the model."""
        return self.card.steps

    @property
    def started_ms(self) -> int | None:
        """When the training started, in milliseconds since 1970; None where the record does not say."""
        return milliseconds(self.record.started or None)

    @property
    def finished_ms(self) -> int | None:
        """When the training finished, in milliseconds since 1970; None where the record does not say."""
        return milliseconds(self.record.outcome.finished or None) if self.record.outcome else None

    def tags(self) -> dict[str, str]:
        """Returns where the model comes from, by tag. What is not known has no tag."""
        facts: dict[str, Any] = {
            name: getattr(self.record, name) for name in ("preset", "training_version", "git_commit", "image")
        }
        facts |= {"family": self.family, "synth": self.synth, "run_id": self.run_id}
        facts |= {"data_fingerprint": self.data_fingerprint, "model_fingerprint": self.fingerprint}
        facts |= {"valid_loss": self.valid_loss, "training_uri": self.uri, "data_uri": self.record.data_uri}
        facts |= {CONFIG_TAG: config_fingerprint(self.record.preset, self.record.bindings)}
        return {name: str(value) for name, value in facts.items() if value not in (None, "")}

    def parameters(self) -> dict[str, str]:
        """Returns the settings of run.json and the bindings that were in force: "steps", "Adam.learning_rate"."""
        known = {name: value for name, value in self.record.as_dict().items() if value is not None}
        settings = {name: value for name, value in known.items() if name not in _NOT_SETTINGS}
        as_text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
        config = self.folder / CONFIG_NAME
        return as_text | (gin_parameters(config.read_text()) if config.exists() else {})

    def requirements(self) -> list[str]:
        """Returns the packages that the model was trained with, pinned.

        A record of what was there; pip alone cannot install it, because ddsp's own pins are stale (see pyproject.toml).
        """
        return [f"{name}=={version}" for name, version in sorted(self.record.packages.items())]

    def curves(self) -> list[Point]:
        """Returns the points of metrics.jsonl, if there is one."""
        path = self.folder / "metrics.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return points(rows, self.started_ms or 0)

    def evaluation(self) -> dict[str, float]:
        """Returns evaluation.json's summary by path, "evaluation/f0_cents/mean"; nothing where there is no file."""
        return dict(numbers(self.summary(), ("evaluation",)))

    def summary(self) -> dict[str, dict[str, Any]]:
        """Returns evaluation.json's summary: {"spectral_loss": {"mean": 6.1, "median": 6.0, ...}, ...}, or nothing."""
        found: dict[str, dict[str, Any]] = self._evaluation().get("summary", {})
        return found

    def notes_played(self) -> int:
        """Returns how many held-out notes were played."""
        return len(self._evaluation().get("notes", []))

    def means(self) -> dict[str, float]:
        """Returns the means over the held-out notes by name; nothing where they were not played."""
        return {name.removesuffix("/mean"): value for name, value in numbers(self.summary()) if name.endswith("/mean")}

    def held_out_notes(self) -> str:
        """Returns what identifies the held-out notes that were played; "" where none were."""
        return str(self._evaluation().get("notes_fingerprint", ""))

    def heard_tags(self) -> dict[str, str]:
        """Returns the tags that tell how the model played which held-out notes."""
        means = self.means()
        return {LOSS_TAG: str(means[LOSS]), NOTES_TAG: self.held_out_notes()} if LOSS in means else {}

    def _evaluation(self) -> dict[str, Any]:
        path = self.folder / "evaluation.json"
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        return found

    def evaluation_fingerprint(self) -> str:
        """Returns the SHA-256 of the evaluation's files, so that a newer evaluation of a known model is noticed."""
        return _fingerprint(path for name in EVALUATION for path in _files(self.folder / name))


@contextmanager
def opened(uri: str) -> Iterator[Training]:
    """Opens a training. A remote one is copied to a local folder for as long as the block runs.

    Raises:
        InputError: There is no training at `uri`, or it has not finished.
    """
    with TemporaryDirectory(prefix="luthier-") as scratch:
        folder = _download(uri, Path(scratch)) if storage.is_remote(uri) else Path(uri)
        if not (folder / "run.json").is_file():
            raise InputError(
                f"cannot register '{uri}': got no run.json there, expected the folder that `luthier train` wrote"
            )
        record = RunRecord.read(str(folder / "run.json"))
        if not record.is_finished:
            raise InputError(
                f"cannot register '{uri}': got a training with status '{record.status}', expected 'finished'"
            )
        if not (folder / MODEL_DIR / CARD_NAME).is_file():
            raise InputError(
                f"cannot register '{uri}': got no model/model.json in it, expected a finished model; train it again"
            )
        card = ModelCard.read(str(folder / MODEL_DIR))
        run_id = Path(uri).absolute().parent.name
        home = uri if storage.is_remote(uri) else str(Path(uri).absolute())
        yield Training(home, folder, run_id, record, card, _fingerprint(_files(folder / "model")))


def _download(uri: str, target: Path) -> Path:
    for info in storage.list_objects(uri):
        if info.name.partition("/")[0] in (*RECORDS, *EVALUATION, "model"):
            path = target / info.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(storage.read_bytes(info.uri))
    return target


def _files(path: Path) -> Iterator[Path]:
    """Yields the file, or the files below the folder, in a stable order; nothing where there is none."""
    yield from [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())


def _fingerprint(files: Iterator[Path]) -> str:
    parts = ((f"{path.name}\0{path.stat().st_size}\0".encode(), path.read_bytes()) for path in files)
    return content_fingerprint(chain.from_iterable(parts), 64)
