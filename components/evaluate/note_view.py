"""One note in the report: a column for the original and one for every synth, each with clips and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts import listening
from components.artifacts.clips import decode_flac
from components.artifacts.evaluation import ListeningSample, NoteNumbers
from components.artifacts.listening import Controls
from components.audio import pictures
from components.audio.f0 import melody_name, midi_to_hz, note_name
from components.core.text import counted
from components.evaluate import plots
from components.evaluate.training_view import TrainingView

Array = NDArray[np.floating[Any]]

_CENTS = plots.Axis(-100, 100, 0, 0, [(-50, "−50"), (0, "0 cents"), (50, "+50")])
_LOUDNESS = plots.Axis(-80, 0, 0, 0, [(-60, "−60"), (-40, "−40"), (-20, "−20 dB")])
_LEGEND = "line: resynthesis · dashes: input"
_LEVEL = plots.Axis(-90, 10, 0, 0, [(-60, "−60"), (-30, "−30"), (0, "0 dB")])


@dataclass(frozen=True)
class Clip:
    """A clip: title, audio and spectrogram as data: URIs, and a text alternative for the spectrogram."""

    title: str
    audio: str
    picture: str
    description: str
    small: bool = False


@dataclass(frozen=True)
class HeatMap:
    """A control with many values per frame; `low` and `high` label the bottom and the top."""

    title: str
    picture: str
    description: str
    low: str
    high: str


@dataclass(frozen=True)
class Column:
    """The content of one column; `missing` says why it is empty."""

    title: str
    clips: list[Clip] = field(default_factory=list)
    controls: list[plots.Plot | HeatMap] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    missing: str = ""


@dataclass(frozen=True)
class NoteView:
    """One note, with all its columns."""

    title: str
    subtitle: str
    id: str
    columns: list[Column]


def pitch_distance(cents: float) -> str:
    """Returns a distance of pitches with its unit: "12 cents"."""
    value, unit = (cents, "cent") if cents < 200 else (cents / 100, "semitone")
    return counted(round(value), unit)


def views(trainings: Sequence[TrainingView], max_notes: int) -> list[NoteView]:
    """Returns the notes with listening samples, each with all trainings of a family.

    Args:
        trainings: Of one family, in the order of the columns.
        max_notes: Maximum number of notes.
    """
    notes: dict[str, ListeningSample] = {}
    for training in trainings:
        for sample in training.samples():
            notes.setdefault(sample.id, sample)
    return [_view(note, trainings) for note in list(notes.values())[:max_notes]]


def _view(note: ListeningSample, trainings: Sequence[TrainingView]) -> NoteView:
    original: Column | None = None
    melody = ""
    columns = []
    for training in trainings:
        mine = next((sample for sample in training.samples() if sample.id == note.id), None)
        if mine is None:
            columns.append(Column(training.synth, missing=training.missing() or "was evaluated on other notes"))
            continue
        controls = listening.read_controls(training.uri, mine)
        original = original or _original_column(training, mine, controls)
        melody = melody or melody_name(controls.f0_hz)
        columns.append(_synth_column(training, mine, controls))
    assert original is not None, "a note is in the report because a training has listening samples of it"
    name = f"Melody, {melody}" if melody else note_name(note.pitch)
    return NoteView(name, _subtitle(note), note.id, [original, *columns])


def _subtitle(note: ListeningSample) -> str:
    strength = next(word for limit, word in ((40, "soft"), (90, "medium"), (200, "loud")) if note.velocity <= limit)
    return f"{strength}, velocity {note.velocity}"


def clip(training: TrainingView, sample: ListeningSample, kind: str, title: str, small: bool = False) -> Clip:
    """Returns a clip of a note that a training kept; `kind` is a key of its clips."""
    flac = listening.read_clip(training.uri, sample.clips[kind])
    picture = pictures.spectrogram(decode_flac(flac))
    description = f"Spectrogram of {sample.family} note {note_name(sample.pitch)}: {title.lower()}"
    return Clip(title, pictures.data_uri("audio/flac", flac), picture, description, small)


def _original_column(training: TrainingView, sample: ListeningSample, controls: Controls) -> Column:
    pitch = _cents(controls.f0_hz, sample)
    return Column(
        "original",
        [clip(training, sample, "original", "Original")],
        [
            plots.over_time("Pitch input", "Pitch over time", [(pitch, "input")], _CENTS, ""),
            plots.over_time("Loudness input", "Loudness over time", [(controls.loudness_db, "input")], _LOUDNESS, ""),
        ],
    )


def _synth_column(training: TrainingView, sample: ListeningSample, controls: Controls) -> Column:
    return Column(
        training.synth,
        [
            clip(training, sample, "resynthesis", "Resynthesis"),
            clip(training, sample, "noise", "Noise part alone", small=True),
        ],
        _controls(training.synth, sample, controls),
        _facts(training, sample),
    )


def _facts(training: TrainingView, sample: ListeningSample) -> list[str]:
    assert training.evaluation is not None
    notes: dict[str, NoteNumbers] = {note.id: note for note in training.evaluation.notes}
    if sample.id not in notes:
        return []
    numbers = notes[sample.id].numbers
    facts = [f"spectral loss {numbers.spectral_loss:.2f}", f"loudness error {numbers.loudness_error_db:.1f} dB"]
    if numbers.pitch_error_cents is not None:
        facts.append(f"pitch error {pitch_distance(numbers.pitch_error_cents)}")
    if numbers.pitch_heard_share is not None and numbers.pitch_heard_share < 0.9:
        facts.append(f"pitch detected in {100 * numbers.pitch_heard_share:.0f} % of the note")
    return facts


def _cents(hz: Array, sample: ListeningSample) -> Array:
    """Returns the distance from the written note in cents, [frames]; NaN where there is no pitch."""
    written_hz = midi_to_hz(sample.pitch)
    cents: Array = 1200.0 * np.log2(np.where(hz > 0, hz, np.nan) / written_hz)
    return cents


def _decibels(amplitudes: Array) -> Array:
    level: Array = 20.0 * np.log10(np.maximum(amplitudes, 1e-5))
    return level


def _controls(synth: str, sample: ListeningSample, controls: Controls) -> list[plots.Plot | HeatMap]:
    # The powers of free sinusoids add up; the other synths have one amplitude for the whole tone.
    tone_db = _decibels(np.sqrt(np.square(controls.amplitudes).sum(axis=-1)))
    noise_db = _decibels(np.sqrt(np.square(controls.noise_magnitudes).mean(axis=-1)))
    pitch = [(_cents(controls.f0_hz, sample), "input"), (_cents(controls.heard_hz, sample), "result")]
    return [
        plots.over_time(
            "Pitch", "Pitch over time: input and resynthesis", pitch, _CENTS, "line: resynthesis · dashes: input"
        ),
        plots.over_time(
            "Loudness",
            "Loudness over time: input and resynthesis",
            [(controls.loudness_db, "input"), (controls.heard_db, "result")],
            _LOUDNESS,
            _LEGEND,
        ),
        plots.over_time(
            "Amplitudes",
            "Amplitude of the tone and of the noise over time",
            [(noise_db, "noise"), (tone_db, "result")],
            _LEVEL,
            "line: tone · dots: noise",
        ),
        _tone(synth, controls),
        HeatMap(
            "Noise filter",
            pictures.level_picture(controls.noise_magnitudes),
            "Magnitudes of the noise filter: frequency over time",
            "0",
            "8 kHz",
        ),
    ]


def _tone(synth: str, controls: Controls) -> HeatMap:
    if synth == "harmonic":
        overtones = controls.tone * controls.amplitudes
        picture = pictures.level_picture(overtones)
        return HeatMap("Harmonics", picture, "Level of each harmonic over time", "1st", f"{overtones.shape[1]}th")
    if synth == "sinusoidal":
        picture = pictures.partials_picture(controls.tone, controls.amplitudes)
        return HeatMap("Free sinusoids", picture, "Frequencies of the sinusoids over time", "C1", "7.8 kHz")
    picture = pictures.wave_picture(controls.tone)
    return HeatMap("Wavetable", picture, "One period of the wave over time, crests light", "start", "one period")
