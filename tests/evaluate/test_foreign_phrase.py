"""The phrase that comes with the package, and what a model makes of it."""

from __future__ import annotations

import numpy as np

from components.audio.pitch import track
from components.evaluate import foreign_phrase, tune
from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES
from components.synths.instrument import Instrument
from tests.evaluate.make_phrase import made


def test_the_phrase_is_what_its_script_renders_and_plays_its_tune() -> None:
    audio, wanted = foreign_phrase.recording(), made()
    assert len(audio) == len(wanted) and len(audio) % HOP_SAMPLES == 0
    assert np.corrcoef(audio, wanted)[0, 1] > 0.999
    f0_hz = track(audio).on_frames(len(audio) // HOP_SAMPLES)
    fair = tune.SCARBOROUGH_FAIR
    middles = [onset + FRAME_RATE_HZ // 8 for onset in fair.onset_frames]
    heard = 12 * np.log2(f0_hz[middles] / 440) + 69
    assert np.round(heard - heard[0]).tolist() == [pitch - fair.notes[0][0] for pitch, _ in fair.notes]


def test_a_model_plays_it_in_its_own_range(trained_uris: list[str]) -> None:
    instrument, audio = Instrument.load(trained_uris[0]), foreign_phrase.recording()
    rendered = foreign_phrase.transferred(instrument, audio)
    assert rendered.shape == audio.shape and np.isfinite(rendered).all() and np.abs(rendered).max() > 0
