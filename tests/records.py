"""Run records as trainings write them."""

from components.artifacts.outcome import Outcome
from components.artifacts.run_record import FINISHED, RunRecord


def finished_record(family: str, synth: str, *, steps: int = 600, valid_loss: float = 5.0, **fields) -> RunRecord:
    """Returns the run record of a finished training; `fields` replace those of RunRecord."""
    outcome = Outcome(
        finished="2026-01-01T00:01:00+00:00",
        steps=steps,
        first_spectral_loss=4 * valid_loss,
        last_spectral_loss=valid_loss,
        best_step=steps,
        best_valid_loss=valid_loss,
        stopped_by="max_steps",
        stop_reason=f"train.max_steps = {steps}",
        seconds=60.0,
        input_wait_s=0.0,
        restarts=0,
    )
    known = {
        "preset": "smoke",
        "bindings": (),
        "data_uri": "/data/sorted",
        "data_fingerprint": "data-1",
        "started": "2026-01-01T00:00:00+00:00",
        "git_commit": "abc",
        "packages": {"tensorflow": "2.21.0"},
    }
    return RunRecord(family, synth, **{**known, **fields}, status=FINISHED, outcome=outcome)
