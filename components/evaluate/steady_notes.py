"""Scores of steady notes: aliasing, a level that wobbles, sound where silence was asked for. They need no recording.

A model gets ten steady pitches of a second each, from C2 to C7, at the loudness of its training, and then silence. What
it does with the curves of a recording is mixed with what the recording does; here every change is the model's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.model_card import ModelCard
from components.artifacts.scores import Steady, rounded
from components.audio.f0 import hz_to_midi, midi_to_hz
from components.audio.loudness import FLOOR_DB
from components.nsynth.note import NOTE_FRAMES, NOTE_SECONDS, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from components.synths.instrument import Instrument

Array = NDArray[np.floating[Any]]

PITCHES = (36, 48, 54, 60, 66, 72, 78, 84, 90, 96)
"""MIDI pitches of the steady notes."""
_PER_ROW = NOTE_SECONDS  # a row has the length of a note, for which the network is compiled already
_SETTLED_S = 0.5  # after a change of pitch or loudness: what follows is measured
_WINDOW = (0.35875, -0.48829, 0.14128, -0.01168)  # the cosines of the Blackman-Harris window (Harris 1978)
_LOBE_BINS = 5  # half the main lobe of the window, whose side lobes are at -92 dB
_LEVEL_SAMPLES = 800  # 50 ms
_DEFAULT_DB = -30.0  # for a card without the loudness of the training
_SEMITONE = 2 ** (1 / 12)
_LEAST_DB = -120.0
_SILENT_POWER = 1e-11  # of a tone that is hardly there: nothing lies beside it


def steady_scores(instrument: Instrument) -> Steady:
    """Lets a model play steady notes, and scores them."""
    played = instrument.play(*_curves(instrument.card))
    tones, sounds = (_settled(played[name]) for name in ("tonal", "audio"))
    partials_hz = _settled(_partials_hz(played["controls"]))
    aliasing = [beside_partials_db(tones[slot], partials_hz[slot]) for slot in range(len(PITCHES))]
    wobble = {pitch: wobble_db(sounds[PITCHES.index(pitch)]) for pitch in _trained(instrument.card)}
    worst, shakiest = int(np.argmax(aliasing)), max(wobble, key=lambda pitch: wobble[pitch])
    return Steady(
        aliasing_db=rounded(aliasing[worst]),
        aliasing_pitch=PITCHES[worst],
        wobble_db=rounded(wobble[shakiest]),
        wobble_pitch=shakiest,
        silence_db=rounded(_db(float(np.mean(np.square(sounds[-1], dtype=np.float64))))),
    )


def beside_partials_db(tone: Array, partials_hz: Array) -> float:
    """Returns the power of a tone beside its partials, relative to all of it, in dB; -120 at least.

    Args:
        tone: The tonal part of a steady note, f32[samples].
        partials_hz: Frequencies of its partials, [frames, partials]; 0 for none.
    """
    power = np.square(np.abs(np.fft.rfft(tone.astype(np.float64) * _window(len(tone)))))
    if np.mean(np.square(tone, dtype=np.float64)) < _SILENT_POWER:
        return _LEAST_DB
    bin_hz = SAMPLE_RATE_HZ / len(tone)
    beside = np.ones(len(power), bool)
    for low_hz, high_hz in zip(partials_hz.min(axis=0), partials_hz.max(axis=0), strict=True):
        first, last = int(low_hz / bin_hz) - _LOBE_BINS, int(np.ceil(high_hz / bin_hz)) + _LOBE_BINS
        beside[max(first, 0) : max(last + 1, 0)] = False
    return _db(float(power[beside].sum() / power.sum()))


def wobble_db(sound: Array) -> float:
    """Returns the range of the level of a steady note in windows of 50 ms, in dB. sound: f32[samples]."""
    whole = sound[: len(sound) // _LEVEL_SAMPLES * _LEVEL_SAMPLES].astype(np.float64)
    level_db = 10.0 * np.log10(np.maximum(np.square(whole).reshape(-1, _LEVEL_SAMPLES).mean(axis=1), 1e-12))
    return float(np.ptp(level_db))


def _curves(card: ModelCard) -> tuple[Array, Array]:
    """Returns pitch in Hz and loudness in dB of a second each of all pitches, of a middle one and of silence there.

    [rows, frames] each, four seconds in a row.
    """
    middle_hz = card.f0_hz.median if card.f0_hz else midi_to_hz(60)
    loud_db = card.loudness_db.median if card.loudness_db else _DEFAULT_DB
    slots = [*((midi_to_hz(pitch), loud_db) for pitch in PITCHES), (middle_hz, loud_db), (middle_hz, FLOOR_DB)]
    rows = np.repeat(np.array(slots).reshape(-1, _PER_ROW, 2), NOTE_FRAMES // _PER_ROW, axis=1)
    return rows[..., 0], rows[..., 1]


def _trained(card: ModelCard) -> list[int]:
    """Returns the pitches that lie in the range of the training; the nearest one where none does."""
    if card.f0_hz is None:
        return list(PITCHES)
    low, high = card.f0_hz.p5 / _SEMITONE, card.f0_hz.p95 * _SEMITONE
    inside = [pitch for pitch in PITCHES if low <= midi_to_hz(pitch) <= high]
    median = float(hz_to_midi(np.array(card.f0_hz.median)))
    return inside or [min(PITCHES, key=lambda pitch: abs(pitch - median))]


def _settled(rows: Array) -> Array:
    """Returns the settled end of each second, [seconds, ...], of rows of four."""
    seconds = rows.reshape(_PER_ROW * len(rows), -1, *rows.shape[2:])
    return np.asarray(seconds[:, int(seconds.shape[1] * _SETTLED_S) :])


def _partials_hz(controls: dict[str, Array]) -> Array:
    """Returns the frequencies of a tone's partials below 8 kHz, [rows, frames, partials]; 0 for none."""
    if "frequencies" in controls:
        return controls["frequencies"]
    f0_hz = controls["f0_hz"]
    numbers = np.arange(1, int(SAMPLE_RATE_HZ / 2 / f0_hz.min()) + 1)
    partials = f0_hz * numbers
    return np.where(partials < SAMPLE_RATE_HZ / 2, partials, 0.0)


def _window(samples: int) -> Array:
    phases = 2 * np.pi * np.arange(samples) / (samples - 1)
    window: Array = np.sum([weight * np.cos(number * phases) for number, weight in enumerate(_WINDOW)], axis=0)
    return window


def _db(power: float) -> float:
    return max(_LEAST_DB, float(10.0 * np.log10(max(power, 1e-20))))
