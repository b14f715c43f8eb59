"""What the launcher and the pipeline say of a finished training."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from components.core.errors import StepError
from components.launch import result
from tests.records import finished_record


@pytest.mark.parametrize(
    ("stopped_by", "expected"),
    [
        ("max_steps", "600 steps, spectral loss 5.00 (held out)"),
        ("flat", "600 steps (the loss stopped improving), spectral loss 5.00 (held out)"),
        ("max_minutes", "600 steps (out of time), spectral loss 5.00 (held out)"),
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


def test_an_evaluation_by_another_version_is_told_from_none(tmp_path, monkeypatch):
    monkeypatch.setattr(result, "read", lambda _: finished_record("string", "harmonic"))
    request = SimpleNamespace(evaluates=True, out_uri=str(tmp_path))
    with pytest.raises(StepError, match="Job x is complete: the model was trained but not evaluated"):
        result.after_job(request, "Job x is complete")
    (tmp_path / "evaluation.json").write_text('{"evaluation_version": 1}')
    with pytest.raises(StepError, match="is one of another version of Luthier; build and push the images again"):
        result.after_job(request, "Job x is complete")
