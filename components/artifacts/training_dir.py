"""A training directory, <workspace>/runs/<run-id>/<family>-<synth>/: the names of its files, and how far it is.

run.json                the run record; see run_record
operative_config.gin    every gin binding in force
checkpoints/            see train.checkpoints
metrics.jsonl           the metrics log; see metrics_log
summaries/              TensorBoard
model/                  the model, which loads without the rest; see model_card
evaluation.json         see evaluation; it commits listening/ and report.html
listening/              clips and controls of held-out notes; see listening
report.html
play.html               the model as a page to play, where one could be made
failure.json            why the last attempt of a pipeline failed; see failure
lease.json              while a process trains here; see train.lease
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components import storage
from components.artifacts.metrics_log import METRICS_NAME, Line, parse_lines
from components.artifacts.model_card import CONFIG_NAME, MODEL_DIR
from components.artifacts.run_record import RECORD_NAME, RunRecord

CHECKPOINTS_DIR = "checkpoints"
SUMMARIES_DIR = "summaries"
LISTENING_DIR = "listening"
EVALUATION_NAME = "evaluation.json"
REPORT_NAME = "report.html"
PLAY_NAME = "play.html"
FAILURE_NAME = "failure.json"
LEASE_NAME = "lease.json"

_FILES = (RECORD_NAME, METRICS_NAME, CONFIG_NAME, EVALUATION_NAME, REPORT_NAME, PLAY_NAME, FAILURE_NAME)
_DIRS = (CHECKPOINTS_DIR, SUMMARIES_DIR, MODEL_DIR, LISTENING_DIR)


def training_name(family: str, synth: str) -> str:
    """Returns the name of a training, which is its directory's: "string-harmonic"."""
    return f"{family}-{synth}"


@dataclass(frozen=True)
class TrainingDir:
    """A training directory, of which anything may be missing.

    Attributes:
        uri: Local or gs://.
    """

    uri: str

    @classmethod
    def of(cls, run_uri: str, family: str, synth: str) -> TrainingDir:
        """Returns the directory of a training of a run."""
        return cls(storage.join(run_uri, training_name(family, synth)))

    @property
    def name(self) -> str:
        """The directory's own name; by custom <family>-<synth>."""
        return storage.basename(self.uri)

    @property
    def run_id(self) -> str:
        """The name of the directory above: the run that the training belongs to."""
        uri = self.uri if storage.is_remote(self.uri) else str(Path(self.uri).absolute())
        return storage.basename(uri.rstrip("/").rpartition("/")[0])

    @property
    def record_uri(self) -> str:
        return storage.join(self.uri, RECORD_NAME)

    @property
    def lease_uri(self) -> str:
        return storage.join(self.uri, LEASE_NAME)

    @property
    def config_uri(self) -> str:
        return storage.join(self.uri, CONFIG_NAME)

    @property
    def metrics_uri(self) -> str:
        return storage.join(self.uri, METRICS_NAME)

    @property
    def checkpoints_uri(self) -> str:
        return storage.join(self.uri, CHECKPOINTS_DIR)

    @property
    def model_uri(self) -> str:
        return storage.join(self.uri, MODEL_DIR)

    @property
    def evaluation_uri(self) -> str:
        return storage.join(self.uri, EVALUATION_NAME)

    @property
    def report_uri(self) -> str:
        return storage.join(self.uri, REPORT_NAME)

    @property
    def play_uri(self) -> str:
        return storage.join(self.uri, PLAY_NAME)

    @property
    def failure_uri(self) -> str:
        return storage.join(self.uri, FAILURE_NAME)

    def family_and_synth(self) -> tuple[str, str]:
        """Returns the two parts of a name <family>-<synth>, for a training that has left no file to say so."""
        family, _, synth = self.name.rpartition("-")
        return family, synth

    def read_record(self) -> RunRecord | None:
        """Returns the run record; None where there is none. InputError where it is not one."""
        return RunRecord.read(self.record_uri) if storage.exists(self.record_uri) else None

    def finished_record(self) -> RunRecord | None:
        """Returns the run record of a training that has finished; None where it has not."""
        record = self.read_record()
        return record if record and record.is_finished else None

    def metrics(self) -> list[Line]:
        """Returns the whole lines of the metrics log; none where there is no file."""
        if not storage.exists(self.metrics_uri):
            return []
        return parse_lines(storage.read_bytes(self.metrics_uri).decode(errors="replace"))

    def clear(self) -> None:
        """Removes the training, its record first: what a kill leaves of the rest then belongs to no training."""
        for name in _FILES:
            storage.delete(storage.join(self.uri, name))
        for name in _DIRS:
            storage.delete_tree(storage.join(self.uri, name))


def report_uri(run_uri: str) -> str:
    """Returns the URI of the comparison report of a whole run."""
    return storage.join(run_uri, REPORT_NAME)
