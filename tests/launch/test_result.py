"""What the launcher and the pipeline say of a finished training."""

from dataclasses import replace

import pytest

from components.launch import result
from tests.records import finished_record


@pytest.mark.parametrize(
    ("stopped_by", "expected"),
    [
        ("max_steps", "600 steps, spectral loss 20.0 -> 5.00 (held out)"),
        ("flat", "600 steps (the loss stopped improving), spectral loss 20.0 -> 5.00 (held out)"),
        ("max_minutes", "600 steps (out of time), spectral loss 20.0 -> 5.00 (held out)"),
    ],
)
def test_the_summary_tells_why_a_training_stopped(stopped_by, expected):
    record = finished_record("string", "harmonic")
    outcome = replace(record.outcome, stopped_by=stopped_by)
    assert result.summary(replace(record, outcome=outcome)) == expected


def test_the_models_artifact_has_the_facts_that_tell_models_apart():
    metadata = result.model_metadata(finished_record("string", "harmonic"))
    assert (metadata["family"], metadata["synth"], metadata["preset"]) == ("string", "harmonic", "smoke")
    assert (metadata["data_fingerprint"], metadata["steps"], metadata["valid_loss"]) == ("data-1", 600, 5.0)
