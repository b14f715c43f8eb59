"""Timbre transfer of a phrase that comes with the package: what a model makes of another instrument.

phrase.flac is the first half of Scarborough Fair (public domain), played by a sampler with the flute notes of samples/,
whose licence allows it: `python -m tests.evaluate.make_phrase` renders it. Pitch and loudness are fitted to the model's
training as `luthier transfer` fits them.
"""

from __future__ import annotations

import io
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from components.artifacts.loudness_fit import fit_loudness_db
from components.audio.f0 import fill_nearest, octaves_to_fit
from components.audio.levels import gate, sounding_frames
from components.audio.loudness import FLOOR_DB, LOUDNESS_DEFINITION, loudness_db
from components.audio.pitch import track
from components.evaluate import tune
from components.nsynth.note import HOP_SAMPLES, FloatArray

if TYPE_CHECKING:
    from components.synths.instrument import Instrument

FILE_NAME = "phrase.flac"


def recording() -> FloatArray:
    """Returns the phrase, f32[samples] at 16 kHz, whole frames."""
    content = resources.files(__package__).joinpath(FILE_NAME).read_bytes()
    audio: FloatArray = soundfile.read(io.BytesIO(content), dtype="float32")[0]
    return audio


def transferred(instrument: Instrument, audio: FloatArray) -> FloatArray:
    """Returns the phrase as a model plays it, f32[samples]."""
    card, definition = instrument.card, instrument.loudness_definition
    audible_db, own_db = (np.asarray(loudness_db(audio[None], name))[0] for name in (LOUDNESS_DEFINITION, definition))
    sounding, f0_hz = sounding_frames(audible_db), track(audio).on_frames(len(own_db))
    octaves = octaves_to_fit(f0_hz, sounding, card.f0_hz.median) if card.f0_hz else 0
    if card.loudness_db:
        own_db = fit_loudness_db(own_db, own_db[sounding], card.loudness_db)
    moved_hz = (fill_nearest(f0_hz) * 2.0**octaves).astype(np.float32)
    phrase = tune.Phrase(audio, moved_hz, tune.SCARBOROUGH_FAIR.onset_frames)
    rendered = tune.render(instrument, phrase, np.maximum(own_db, FLOOR_DB).astype(np.float32))
    gains = np.interp(np.arange(len(rendered)) / HOP_SAMPLES, np.arange(len(sounding)), gate(sounding))
    return np.asarray(rendered * gains, np.float32)
