"""What a finished training is, as its run.json tells."""

from __future__ import annotations

from dataclasses import dataclass

from components.artifacts.run_record import RunRecord
from components.artifacts.training_dir import TrainingDir


@dataclass(frozen=True)
class TrainResult:
    """A finished training.

    Attributes:
        training_uri: Its directory.
        model_uri: The model in it.
        family: What it was trained on.
        synth: What was trained.
        steps: Steps done.
        first_spectral_loss: Of the validation before the first step.
        last_spectral_loss: Of the last validation.
        valid_loss: The lowest one; the model's.
        best_step: Its step.
        stopped_by: "flat", "max_steps" or "max_minutes".
        stop_reason: Why it ended, in words.
        reused: It had been finished before; nothing was done.
    """

    training_uri: str
    model_uri: str
    family: str
    synth: str
    steps: int
    first_spectral_loss: float
    last_spectral_loss: float
    valid_loss: float
    best_step: int
    stopped_by: str
    stop_reason: str
    reused: bool

    @classmethod
    def of(cls, record: RunRecord, training_uri: str, reused: bool) -> TrainResult:
        """Returns the result of a finished training."""
        outcome = record.outcome
        assert outcome is not None, "the training has finished"
        return cls(
            training_uri=training_uri,
            model_uri=TrainingDir(training_uri).model_uri,
            family=record.family,
            synth=record.synth,
            steps=outcome.steps,
            first_spectral_loss=outcome.first_spectral_loss,
            last_spectral_loss=outcome.last_spectral_loss,
            valid_loss=outcome.best_valid_loss,
            best_step=outcome.best_step,
            stopped_by=outcome.stopped_by,
            stop_reason=outcome.stop_reason,
            reused=reused,
        )
