"""Renders components/evaluate/phrase.flac from samples/: `python -m tests.evaluate.make_phrase`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from components.artifacts.model_card import ModelCard
from components.audio.pitch import track
from components.evaluate import foreign_phrase, tune
from components.nsynth.note import NOTE_FRAMES, SAMPLE_RATE_HZ, FloatArray
from tests.notes import make_note

_REPOSITORY = Path(__file__).parents[2]
_FILE = _REPOSITORY / "components" / "evaluate" / foreign_phrase.FILE_NAME
_PEAK = 0.5


def made() -> FloatArray:
    """Returns the phrase, f32[samples]."""
    notes = []
    for path in sorted((_REPOSITORY / "samples" / "flute").glob("*.flac")):
        audio = soundfile.read(path, dtype="float32")[0]
        f0_hz = track(audio).on_frames(NOTE_FRAMES)
        note = make_note("flute", int(path.stem.split("-")[1]))
        notes.append(replace(note, audio=audio, f0_hz=f0_hz, f0_confidence=(f0_hz > 0).astype(np.float32)))
    phrase = tune.tune(notes, ModelCard("flute", "harmonic"), tune.SCARBOROUGH_FAIR)
    assert phrase, "samples/ has no flute"
    return np.asarray(phrase.audio * (_PEAK / np.abs(phrase.audio).max()), np.float32)


if __name__ == "__main__":
    soundfile.write(_FILE, made(), SAMPLE_RATE_HZ, subtype="PCM_16")
    print(f"{_FILE}: {_FILE.stat().st_size:,} bytes")
