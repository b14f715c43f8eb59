"""One note in the report: a column for the original and one for every synth, with clips, pitch and controls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts import listening
from components.artifacts.evaluation import ListeningSample
from components.artifacts.listening import Controls
from components.artifacts.scores import NoteNumbers
from components.audio import pictures
from components.audio.f0 import melody_name, note_name
from components.audio.levels import sounding_frames
from components.core.text import counted
from components.evaluate import pitch_plot, plots
from components.evaluate.clip_view import ORIGINAL, Clip, Sound, clips
from components.evaluate.training_view import TrainingView

Array = NDArray[np.floating[Any]]

_LOUDNESS = plots.Axis(-80, 0, 0, 0, [(-60, "−60"), (-40, "−40"), (-20, "−20 dB")])
_LEVEL = plots.Axis(-90, 10, 0, 0, [(-60, "−60"), (-30, "−30"), (0, "0 dB")])
_RECORDING = "Recording"


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
    clip: Clip | None = None
    pitch: plots.Plot | None = None
    facts: list[str] = field(default_factory=list)
    noise: Clip | None = None
    controls: list[plots.Plot | HeatMap] = field(default_factory=list)
    missing: str = ""


@dataclass(frozen=True)
class NoteView:
    """One note, with all its columns."""

    title: str
    subtitle: str
    id: str
    columns: list[Column]


@dataclass(frozen=True)
class _Heard:
    """A training's listening sample: its clips, f32[samples] by kind, and its controls."""

    training: TrainingView
    sample: ListeningSample
    audio: dict[str, Array]
    controls: Controls

    def heard_midi(self) -> Array:
        """Returns the pitch that a tracker hears in the sounding part of the resynthesis, NaN elsewhere, [frames]."""
        return np.where(sounding_frames(self.controls.heard_db), pitch_plot.midi_curve(self.controls.heard_hz), np.nan)

    def recorded_midi(self) -> Array:
        """Returns the pitch that a tracker hears in the sounding part of the recording, NaN elsewhere, [frames]."""
        heard_hz = self.controls.original_hz
        if heard_hz is None:  # an older file
            return np.full(len(self.controls.f0_hz), np.nan)
        return np.where(sounding_frames(self.controls.loudness_db), pitch_plot.midi_curve(heard_hz), np.nan)


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


def name_of(family: str, pitch: int, velocity: int) -> str:
    """Returns what a note is called: "string A3, velocity 50"."""
    return f"{family} {note_name(pitch)}, velocity {velocity}"


def sounds(training: TrainingView, sample: ListeningSample, kinds: Sequence[str]) -> dict[str, Array]:
    """Returns clips of a training's listening sample, f32[samples] by kind."""
    return {kind: listening.read_audio(training.uri, sample.clips[kind]) for kind in kinds}


def _view(note: ListeningSample, trainings: Sequence[TrainingView]) -> NoteView:
    found: dict[str, _Heard] = {}
    for training in trainings:
        mine = next((sample for sample in training.samples() if sample.id == note.id), None)
        if mine:
            audio = sounds(training, mine, [ORIGINAL, "resynthesis", "noise"])
            found[training.synth] = _Heard(training, mine, audio, listening.read_controls(training.uri, mine))
    first, name = next(iter(found.values())), name_of(note.family, note.pitch, note.velocity)
    made = {clip.name: clip for clip in clips(_sounds(found, first, name))}
    label, recorded = pitch_plot.midi_curve(first.controls.f0_hz), first.recorded_midi()
    axis = pitch_plot.axis([label, recorded, *(each.heard_midi() for each in found.values())], note.pitch)
    pitch = _pitch(f"recording, {name}", [(label, "input"), (recorded, "result")], axis)
    columns = [Column(_RECORDING, made[f"recording, {name}"], pitch)]
    for training in trainings:
        heard = found.get(training.synth)
        if heard is None:
            columns.append(Column(training.synth, missing=training.missing() or "was evaluated on other notes"))
            continue
        curves = [(label, "input"), (heard.heard_midi(), "result")]
        columns.append(
            Column(
                training.synth,
                made[f"{training.synth}, {name}"],
                _pitch(f"{training.synth}, {name}", curves, axis),
                _facts(training, note),
                made[f"{training.synth}, noise alone, {name}"],
                _controls(training.synth, heard.controls),
            )
        )
    melody = melody_name(first.controls.f0_hz)
    return NoteView(f"Melody, {melody}" if melody else note_name(note.pitch), _subtitle(note), note.id, columns)


def _sounds(found: dict[str, _Heard], first: _Heard, name: str) -> list[Sound]:
    some = [Sound(_RECORDING, f"recording, {name}", first.audio[ORIGINAL], ORIGINAL)]
    for synth, heard in found.items():
        whole = Sound(synth, f"{synth}, {name}", heard.audio["resynthesis"], synth)
        noise = Sound("Noise alone", f"{synth}, noise alone, {name}", heard.audio["noise"], part_of=whole.name)
        some += [whole, noise]
    return some


def _subtitle(note: ListeningSample) -> str:
    strength = next(word for limit, word in ((40, "soft"), (90, "medium"), (200, "loud")) if note.velocity <= limit)
    return f"{strength}, velocity {note.velocity}"


def _pitch(name: str, curves: list[tuple[Array, str]], axis: plots.Axis) -> plots.Plot:
    legend = "line: heard · dashes: label"
    return plots.over_time("Pitch", f"Pitch over time in notes: {name}", curves, axis, legend, pitch_plot.HEIGHT)


def _facts(training: TrainingView, sample: ListeningSample) -> list[str]:
    assert training.evaluation is not None
    notes: dict[str, NoteNumbers] = {note.id: note for note in training.evaluation.notes}
    if sample.id not in notes:
        return []
    numbers = notes[sample.id].numbers
    facts = [f"spectral loss {numbers.spectral_loss:.2f}"]
    if math.isfinite(numbers.loudness_error_db):  # a silent note has none
        facts.append(f"loudness error {numbers.loudness_error_db:.1f} dB")
    if numbers.pitch_error_cents is not None:
        facts.append(f"pitch error {pitch_distance(numbers.pitch_error_cents)}")
    if numbers.pitch_heard_share is not None and numbers.pitch_heard_share < 0.9:
        facts.append(f"pitch detected in {100 * numbers.pitch_heard_share:.0f} % of the note")
    if notes[sample.id].pitch_finding:
        facts.append(f"pitch: {notes[sample.id].pitch_finding}")
    return facts


def _decibels(amplitudes: Array) -> Array:
    level: Array = 20.0 * np.log10(np.maximum(amplitudes, 1e-5))
    return level


def _controls(synth: str, controls: Controls) -> list[plots.Plot | HeatMap]:
    # The powers of free sinusoids add up; the other synths have one amplitude for the whole tone.
    tone_db = _decibels(np.sqrt(np.square(controls.amplitudes).sum(axis=-1)))
    noise_db = _decibels(np.sqrt(np.square(controls.noise_magnitudes).mean(axis=-1)))
    return [
        plots.over_time(
            "Loudness",
            f"Loudness over time: recording and {synth}",
            [(controls.loudness_db, "input"), (controls.heard_db, "result")],
            _LOUDNESS,
            "line: copy · dashes: recording",
        ),
        plots.over_time(
            "Amplitudes",
            f"Amplitude of the tone and of the noise over time: {synth}",
            [(noise_db, "noise"), (tone_db, "result")],
            _LEVEL,
            "line: tone · dots: noise",
        ),
        _tone(synth, controls),
        HeatMap(
            "Noise filter",
            pictures.level_picture(controls.noise_magnitudes),
            f"Magnitudes of the noise filter of {synth}: frequency over time",
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
        picture = pictures.partials_picture(controls.tone, np.broadcast_to(controls.amplitudes, controls.tone.shape))
        return HeatMap("Free sinusoids", picture, "Frequencies of the sinusoids over time", "C1", "7.8 kHz")
    picture = pictures.wave_picture(controls.tone)
    return HeatMap("Wavetable", picture, "One period of the wave over time, crests light", "start", "one period")
