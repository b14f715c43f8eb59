"""Checks of recordings: what is reported, and where."""

from __future__ import annotations

import numpy as np
import pytest

from components.prepare.step import CheckResult, check, prepare
from tests.prepare.tones import tone, write_recording

RATE = 44_100


def write(folder, audio, name="take", family="flute"):
    write_recording(folder / family / f"{name}.wav", audio, RATE)
    return str(folder)


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        (np.clip(3 * tone(5.0, 62, RATE), -0.5, 0.5), "is clipped"),
        (np.concatenate([tone(2.0, 62, RATE), np.zeros(6 * RATE)]), "is mostly silent: 75% of it"),
        (tone(4.0, 55, RATE) + tone(4.0, 61, RATE), "more than one note at a time"),
        (tone(0.05, 60, RATE), "is too short"),
        (np.zeros(2 * RATE), "is too quiet"),
    ],
)
def test_each_problem_is_reported(tmp_path, luthier, audio, said):
    folder = write(tmp_path, audio)
    finished = luthier("prepare", "--check", folder)
    unusable = said in ("is too short", "is too quiet")
    assert finished.code == int(unusable) and said in finished.out, finished
    assert not list(tmp_path.glob("*.tfrecord*"))


def test_of_a_good_recording_only_its_length_is_reported(tmp_path):
    (line,) = check([write(tmp_path, tone(8.0, 62, RATE))]).problems
    assert "the family flute has only 8 s of sound" in line and "10 minutes for a good one" in line
    for number in range(8):
        write(tmp_path, tone(8.0, 60 + number, RATE), f"take-{number}")
    assert check([str(tmp_path)]) == CheckResult([], 0, "")


def test_the_report_is_kept_with_the_records(tmp_path, luthier):
    folder = write(tmp_path / "in", np.clip(3 * tone(13.0, 62, RATE), -0.5, 0.5))
    finished = luthier("prepare", folder, "--out", tmp_path / "out")
    assert finished.code == 0 and "warning: flute/take.wav is clipped" in finished.err
    again = prepare([folder], str(tmp_path / "out"))
    assert again.reused and "is clipped" in again.advice[0]
