"""A finished training as the registry records it: the files of its training directory, read from a local copy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from components import storage
from components.artifacts import evaluation
from components.artifacts.evaluation import Evaluation
from components.artifacts.metrics_log import METRICS_NAME
from components.artifacts.model_card import CARD_NAME, CONFIG_NAME, MODEL_DIR, ModelCard
from components.artifacts.run_record import RECORD_NAME, RunRecord
from components.artifacts.training_dir import (
    EVALUATION_NAME,
    LISTENING_DIR,
    PLAY_NAME,
    REPORT_NAME,
    TrainingDir,
    training_name,
)
from components.config.gate import LOSS
from components.config.gin_text import LONGEST_TEXT, GinSyntaxError
from components.config.gin_text import parameters as gin_parameters
from components.core.errors import InputError
from components.core.fingerprint import content_fingerprint
from components.registry.mlflow_values import Point, milliseconds, numbers, points, run_name
from components.registry.tags import (
    DATA_TAG,
    DATA_URI_TAG,
    LOSS_TAG,
    NOTES_TAG,
    SETTINGS_TAG,
    SOURCE_TAG,
    TRAINING_URI_TAG,
    VERSION_TAG,
    settings_fingerprint,
)

# What a registration shows beside the model. Checkpoints and TensorBoard's summaries are not copied.
TRAINING_FILES = (RECORD_NAME, CONFIG_NAME, METRICS_NAME)
EVALUATION_FILES = (EVALUATION_NAME, REPORT_NAME, PLAY_NAME, LISTENING_DIR)
_NOT_SETTINGS = ("schema_version", "packages", "best", "rollbacks", "status", "started", "finished", "mlflow_run_id")
_TAGS_OF_VERSIONS = (
    *("valid_loss", "git_commit", "image", "pipeline_run_id"),
    *(TRAINING_URI_TAG, DATA_URI_TAG, DATA_TAG, SETTINGS_TAG, VERSION_TAG, SOURCE_TAG),
)
_FINGERPRINT_DIGITS = 64


@dataclass(frozen=True)
class TrainedModel:
    """A finished training in a local directory.

    Attributes:
        uri: URI of the training directory; `directory` may be a copy of it.
        directory: Holds run.json, metrics.jsonl, model/ and, once evaluated, evaluation.json, report.html, listening/
            and the page to play.
        run_id: The run that it belongs to: the name of the directory above.
        record: Its run record.
        card: Its model's card.
        evaluation: Its evaluation; None where there is none.
        fingerprint: SHA-256 of the model's files. A model with the same fingerprint is the same model.
    """

    uri: str
    directory: Path
    run_id: str
    record: RunRecord
    card: ModelCard
    evaluation: Evaluation | None
    fingerprint: str

    @property
    def family(self) -> str:
        return self.card.family

    @property
    def synth(self) -> str:
        return self.card.synth

    @property
    def training_name(self) -> str:
        """For instance "string-harmonic"."""
        return training_name(self.family, self.synth)

    @property
    def name(self) -> str:
        """The name of its MLflow run; see mlflow_values.run_name."""
        return run_name(self.run_id, self.training_name)

    @property
    def model_path(self) -> Path:
        return self.directory / MODEL_DIR

    @property
    def started_ms(self) -> int | None:
        """When the training started, in milliseconds since 1970; None where its record does not say."""
        return milliseconds(self.record.started or None)

    @property
    def finished_ms(self) -> int | None:
        """When the training finished, in milliseconds since 1970; None where its record does not say."""
        return milliseconds((self.record.outcome and self.record.outcome.finished) or None)

    def tags(self) -> dict[str, str]:
        """Returns the tags that say where the model comes from. What is not known has no tag."""
        record = self.record
        facts = {
            "family": self.family,
            "synth": self.synth,
            "preset": record.preset,
            "run_id": self.run_id,
            "git_commit": record.git_commit,
            "image": record.image,
            "model_fingerprint": self.fingerprint,
            "valid_loss": self.card.valid_loss,
            TRAINING_URI_TAG: self.uri,
            DATA_URI_TAG: record.data_uri,
            DATA_TAG: record.data_fingerprint,
            SETTINGS_TAG: settings_fingerprint(record.preset, record.bindings),
            VERSION_TAG: record.training_version,
        }
        return {name: str(value) for name, value in facts.items() if value not in (None, "")}

    def run_tags(self, lineage: Mapping[str, str]) -> dict[str, str]:
        """Returns the tags of its MLflow run: what to filter by. The version has all tags, the description as well.

        Args:
            lineage: Tags beside those of `tags`.
        """
        every = {**self.tags(), **lineage}
        return {name: value for name, value in every.items() if name not in _TAGS_OF_VERSIONS}

    def metrics(self) -> dict[str, float]:
        """Returns the numbers of its MLflow run beside the curves: "valid_loss", and medians as "held_out_NAME".

        MLflow's page sorts charts by the part of a name before the slash, and those without one last: so the curves are
        before these bars.
        """
        summary = self.evaluation.summary if self.evaluation else {}
        medians = dict(numbers({f"held_out_{name}": each.median for name, each in summary.items()}))
        return medians if self.card.valid_loss is None else {"valid_loss": self.card.valid_loss, **medians}

    def parameters(self) -> dict[str, str]:
        """Returns the settings of the run record and the gin bindings in force: "steps", "Adam.learning_rate".

        Raises:
            InputError: The gin configuration is damaged.
        """
        settings = {
            name: value
            for name, value in self.record.as_dict().items()
            if value is not None and name not in _NOT_SETTINGS
        }
        as_text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
        return as_text | self._gin_parameters()

    def _gin_parameters(self) -> dict[str, str]:
        config = self.directory / CONFIG_NAME
        if not config.exists():
            return {}
        try:
            return gin_parameters(storage.read_text(str(config), LONGEST_TEXT))
        except GinSyntaxError as error:
            uri = storage.join(self.uri, CONFIG_NAME)
            raise InputError(f"cannot register '{self.uri}': '{uri}' cannot be read: {error}; copy it again") from error

    def requirements(self) -> list[str]:
        """Returns the packages that the model was trained with, pinned.

        For the record: pip alone cannot install them, because ddsp's own pins are stale (see pyproject.toml).
        """
        return [f"{name}=={version}" for name, version in sorted(self.record.packages.items())]

    def curves(self) -> list[Point]:
        """Returns the points of the metrics log, if there is one."""
        return points(TrainingDir(str(self.directory)).metrics(), self.started_ms or 0)

    def numbers(self) -> dict[str, float]:
        """Returns the validation loss and the evaluation's summary by path, "evaluation/spectral_loss/mean"."""
        summary = self.evaluation.summary if self.evaluation else {}
        found = dict(numbers({name: asdict(each) for name, each in summary.items()}, ("evaluation",)))
        return found if self.card.valid_loss is None else {"valid_loss": self.card.valid_loss, **found}

    def means(self) -> dict[str, float]:
        """Returns the means over the held-out notes by name; nothing where the model was not evaluated."""
        summary = self.evaluation.summary if self.evaluation else {}
        return dict(numbers({name: each.mean for name, each in summary.items()}))

    @property
    def notes_fingerprint(self) -> str:
        """Fingerprint of the held-out notes of the evaluation; "" where there is none."""
        return self.evaluation.notes_fingerprint if self.evaluation else ""

    def score_tags(self) -> dict[str, str]:
        """Returns the tags that hold the score on the held-out notes, and which notes they are."""
        means = self.means()
        return {LOSS_TAG: str(means[LOSS]), NOTES_TAG: self.notes_fingerprint} if LOSS in means else {}

    def evaluation_fingerprint(self) -> str:
        """Returns the SHA-256 of the evaluation's files: a newer evaluation of a registered model has another one."""
        return _fingerprint(path for name in EVALUATION_FILES for path in _files(self.directory / name))


@contextmanager
def open_trained_model(uri: str) -> Iterator[TrainedModel]:
    """Opens a training directory. A remote one is copied to a local directory until the block ends.

    Raises:
        InputError: There is no training at `uri`, or it has not finished.
    """
    with TemporaryDirectory(prefix="luthier-") as scratch:
        training = TrainingDir(uri if storage.is_remote(uri) else str(Path(uri).absolute()))
        directory = _download(uri, Path(scratch)) if storage.is_remote(uri) else Path(uri)
        # They are copied to MLflow.
        storage.check_no_link_leaves(directory, (*TRAINING_FILES, *EVALUATION_FILES, MODEL_DIR))
        local = TrainingDir(str(directory))
        record = local.read_record()
        if record is None:
            raise InputError(
                f"cannot register '{uri}': got no {RECORD_NAME} there, expected a directory that `luthier train` wrote"
            )
        if not record.is_finished:
            raise InputError(
                f"cannot register '{uri}': got a training with status '{record.status}', expected 'finished'; "
                "run the training again, it continues"
            )
        if not (directory / MODEL_DIR / CARD_NAME).is_file():
            raise InputError(
                f"cannot register '{uri}': got no {MODEL_DIR}/{CARD_NAME} in it, expected a finished model; train again"
            )
        yield TrainedModel(
            uri=training.uri,
            directory=directory,
            run_id=training.run_id,
            record=record,
            card=ModelCard.read(local.model_uri),
            evaluation=evaluation.read(str(directory)),
            fingerprint=_fingerprint(_files(directory / MODEL_DIR)),
        )


def _download(uri: str, target: Path) -> Path:
    wanted = (*TRAINING_FILES, *EVALUATION_FILES, MODEL_DIR)
    storage.download_tree(uri, target, lambda name: name.partition("/")[0] in wanted)
    return target


def _files(path: Path) -> Iterator[Path]:
    """Yields the file, or the files below the directory, in a stable order; nothing where there is none."""
    yield from [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())


def _fingerprint(files: Iterator[Path]) -> str:
    def parts() -> Iterator[bytes]:
        for path in files:
            yield f"{path.name}\0{path.stat().st_size}\0".encode()
            yield path.read_bytes()

    return content_fingerprint(parts(), _FINGERPRINT_DIGITS)
