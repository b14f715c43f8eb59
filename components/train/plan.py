"""What a training is to be, before it begins. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass

from components.artifacts.run_record import RunRecord, RunRecordWriter
from components.artifacts.training_dir import TrainingDir, training_name


@dataclass(frozen=True)
class Plan:
    """A training that is about to start, or to continue.

    Attributes:
        writer: Of its run record.
        config: The gin configuration; None for that of the record's synth, preset and bindings.
        training_dir: Its directory.
    """

    writer: RunRecordWriter
    config: str | None
    training_dir: TrainingDir

    @property
    def record(self) -> RunRecord:
        """The newest run record."""
        return self.writer.record

    @property
    def name(self) -> str:
        """What it is called, "string-harmonic"."""
        return training_name(self.record.family, self.record.synth)
