"""What a finished training leaves beside the weights: the model card and the outcome in the run record."""

from __future__ import annotations

from components.artifacts.model_card import ModelCard
from components.artifacts.outcome import Outcome
from components.artifacts.run_record import RunRecord, utc_now
from components.train.dataset import Dataset
from components.train.state import State, StopReason


def card_of(record: RunRecord, state: State, dataset: Dataset) -> ModelCard:
    """Returns the card of the model with the weights of the best validation."""
    percentiles = dataset.train.percentiles()
    return ModelCard(
        family=record.family,
        synth=record.synth,
        preset=record.preset,
        data_fingerprint=record.data_fingerprint,
        steps=state.best_step,
        valid_loss=state.best_loss,
        f0_hz=percentiles["f0_hz"],
        loudness_db=percentiles["loudness_db"],
        expression=dataset.train.expression(),
    )


def outcome_of(state: State, reason: StopReason, validation: str) -> Outcome:
    """Returns the outcome of a training that has ended for a reason."""
    return Outcome(
        finished=utc_now(),
        steps=state.step,
        first_spectral_loss=state.first_loss,
        last_spectral_loss=state.last_loss,
        best_step=state.best_step,
        best_valid_loss=state.best_loss,
        stopped_by=reason.kind,
        stop_reason=reason.text,
        seconds=round(state.seconds, 1),
        input_wait_s=round(state.waited_s, 3),
        restarts=state.restarts,
        rollbacks=tuple(state.rollbacks),
        attempts=tuple(state.attempts),
        validation=validation,
    )
