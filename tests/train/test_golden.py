"""A training's numbers belong to TRAINING_VERSION: they change with it, and not without."""

from __future__ import annotations

import pytest

from components.core.versions import TRAINING_VERSION
from tests import golden
from tests.train.golden import CASES, DIRECTORY, RTOL, configurations, tolerances, trained_numbers, write_notes


@pytest.fixture(scope="module")
def notes(tmp_path_factory) -> str:
    return write_notes(tmp_path_factory.mktemp("notes"))


@pytest.mark.parametrize("case", list(CASES))
def test_a_training_of_a_few_steps_has_the_numbers_of_its_version(notes, tmp_path, case):
    found = {case: trained_numbers(case, notes, tmp_path)}
    golden.check(DIRECTORY, "training", TRAINING_VERSION, found, RTOL, "trainings", case, tolerances(case))


def test_every_preset_has_the_settings_of_its_version():
    golden.check(DIRECTORY, "training", TRAINING_VERSION, configurations(), RTOL, "configurations")


def test_the_message_names_what_moved_and_says_what_to_do():
    expected = {"harmonic": {"loss of step 1": 2.0, "steps": 3}, "smoke": {"train.seed": "0", "train.old": "1"}}
    found = {"harmonic": {"loss of step 1": 2.1, "steps": 3}, "smoke": {"train.seed": "1", "train.new": "1"}}
    assert list(golden.differences(expected, found, 1e-3)) == [
        "harmonic: loss of step 1 is 2.1, was 2",
        "smoke: train.seed is '1', was '0'",
        "smoke: train.old is gone, was '1'",
        "smoke: train.new is new: '1'",
    ]
    assert not list(golden.differences(expected, expected, 0.0))
    with pytest.raises(
        AssertionError, match=r"no numbers of TRAINING_VERSION 1000: run `python -m tests.train.golden`"
    ):
        golden.check(DIRECTORY, "training", 1000, {}, RTOL)
    with pytest.raises(AssertionError) as failed:
        golden.check(DIRECTORY, "training", TRAINING_VERSION, {}, RTOL)
    assert "raise TRAINING_VERSION in components/core/versions.py, then run" in str(failed.value)
