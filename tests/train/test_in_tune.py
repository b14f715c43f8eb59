"""Free sinusoids play in tune after a short training, and at pitches that were not in it."""

from __future__ import annotations

import numpy as np
import pytest

from components.audio.loudness import loudness_db
from components.audio.pitch import track
from components.synths.instrument import Instrument
from tests.notes import make_note
from tests.train.trainings import options


@pytest.fixture(scope="module")
def sinusoids(data, nursery, tmp_path_factory) -> Instrument:
    out = tmp_path_factory.mktemp("sinusoids")
    few = options(["train.max_steps = 60", "train.eval_every_steps = 60", "train.valid_notes = 1"])
    code, said = nursery.run("train", "--data", data, "--synth", "sinusoidal", "--family", "string", "--out", out, *few)
    assert code == 0, said
    return Instrument.load(str(out))


@pytest.mark.parametrize("pitch", [54, 60, 67])
def test_sinusoids_are_in_tune_at_a_pitch_they_were_not_trained_on(sinusoids, pitch):
    note = make_note(pitch=pitch, seed=2)
    heard = sinusoids.play(note.f0_hz[None], loudness_db(note.audio[None]))["audio"][0]
    voiced = note.f0_hz > 0
    heard_hz = track(heard).on_frames(len(voiced))
    both = voiced & (heard_hz > 0)
    cents = 1200 * np.abs(np.log2(heard_hz[both] / note.f0_hz[both]))
    assert len(cents) > 0.5 * voiced.sum()  # as the gate asks; the release is long and quiet
    assert np.median(cents) < 15
