"""A tune of 20 seconds for every model: what its family's real notes make of it, and the model's own rendering of that.

The reference is a sampler's: for every note of the tune, the recorded note with the nearest pitch, resampled to the
tune's pitch and cut to its length. So attacks, vibrato and releases are a player's, and the model gets pitch and
loudness of a sound that was made of recordings. The tunes are anonymous and in the public domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from numpy.typing import NDArray

from components.artifacts.model_card import ModelCard
from components.audio.f0 import confident_hz, fill_nearest, hz_to_midi, melody_name
from components.audio.loudness import loudness_db
from components.audio.program_loudness import program_loudness_lufs
from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES, NOTE_FRAMES, SAMPLE_RATE_HZ, FloatArray, Note

if TYPE_CHECKING:
    from components.synths.instrument import Instrument

Array = NDArray[np.floating[Any]]

_EIGHTH_S = 0.4


@dataclass(frozen=True)
class Tune:
    """A tune: MIDI pitch and length in eighths of each note, and the seconds at which its phrases end."""

    notes: tuple[tuple[int, float], ...]
    phrase_ends_s: tuple[float, ...]

    @property
    def centre(self) -> float:
        """The pitch between its lowest and its highest note."""
        pitches = [pitch for pitch, _ in self.notes]
        return (min(pitches) + max(pitches)) / 2

    @property
    def onset_frames(self) -> tuple[int, ...]:
        """Where its notes begin."""
        lengths = [_frames_of(length) for _, length in self.notes]
        return tuple(sum(lengths[:number]) for number in range(len(lengths)))


# About 1580.
_GREENSLEEVES_NOTES = (
    *((69, 1), (72, 2), (74, 1), (76, 1.5), (77, 0.5), (76, 1), (74, 2), (71, 1), (67, 1.5), (69, 0.5), (71, 1)),
    *((72, 2), (69, 1), (69, 1.5), (68, 0.5), (69, 1), (71, 2), (68, 1), (64, 2)),
    *((69, 1), (72, 2), (74, 1), (76, 1.5), (77, 0.5), (76, 1), (74, 2), (71, 1), (67, 1.5), (69, 0.5), (71, 1)),
    *((72, 1.5), (71, 0.5), (69, 1), (68, 1.5), (66, 0.5), (68, 1), (69, 5)),
)
GREENSLEEVES = Tune(_GREENSLEEVES_NOTES, (9.6, 19.6))
# An English ballad of the 17th century; its first half.
SCARBOROUGH_FAIR = Tune(
    (
        *((62, 2), (62, 1), (69, 2), (69, 1), (64, 1.5), (65, 0.5), (64, 1), (62, 3), (69, 1), (72, 1)),
        *((74, 2), (72, 1), (69, 1), (71, 1), (67, 1), (69, 4)),
    ),
    (4.8, 9.6),
)
_SWELL_DB = 5.0  # from the ends of a phrase to its middle
_RELEASE_S, _GLIDE_FRAMES = 0.12, 9
_ONSET_DB = -30.0  # below the peak: where a recorded note begins
_LEAST_DONOR_S = 0.5
_IN_TUNE_SEMITONES = 0.8  # a label further from the written pitch is wrong
_LEAD_IN_FRAMES, _CROSSFADE_SAMPLES = 100, 160


@dataclass(frozen=True)
class Phrase:
    """A reference and its curves: audio f32[frames * 64]; f0_hz f32[frames], without gaps; where its notes begin."""

    audio: FloatArray
    f0_hz: FloatArray
    onset_frames: tuple[int, ...]


@dataclass(frozen=True)
class _Donor:
    """A recorded note from its onset on: audio, pitch in Hz by frame, its own pitch in MIDI semitones, its loudness."""

    audio: FloatArray
    f0_hz: FloatArray
    midi: float
    lufs: float


def tune(notes: Sequence[Note], card: ModelCard, played: Tune = GREENSLEEVES) -> Phrase | None:
    """Returns a tune, played by a family's recorded notes in the middle of the model's range; None without any.

    Args:
        notes: Notes of the family; those of several pitches, or without a pitch, are left out.
        card: Of the model.
        played: The tune.
    """
    donors = [donor for note in notes if (donor := _donor(note))]
    if not donors:
        return None
    middle = hz_to_midi(np.array(card.f0_hz.median)) if card.f0_hz else np.median([each.midi for each in donors])
    shift, lufs = round(float(middle) - played.centre), float(np.median([each.lufs for each in donors]))
    frames = sum(_frames_of(length) for _, length in played.notes) + round(0.5 * FRAME_RATE_HZ)
    audio, f0_hz = np.zeros(frames * HOP_SAMPLES, np.float32), np.zeros(frames, np.float32)
    for (written, length), first in zip(played.notes, played.onset_frames, strict=True):
        note_lufs = lufs + _swell_db(first / FRAME_RATE_HZ, played.phrase_ends_s)
        sound, pitch = _played(donors, written + shift, _frames_of(length), note_lufs)
        start, end = first * HOP_SAMPLES, min(first * HOP_SAMPLES + len(sound), len(audio))
        audio[start:end] += sound[: end - start]
        f0_hz[first:] = np.pad(pitch, (0, max(0, frames - first - len(pitch))), mode="edge")[: frames - first]
    return Phrase(audio, _glided(f0_hz), played.onset_frames)


def _frames_of(eighths: float) -> int:
    return round(eighths * _EIGHTH_S * FRAME_RATE_HZ)


def _donor(note: Note) -> _Donor | None:
    f0_hz = confident_hz(note.f0_hz, note.f0_confidence)
    level = np.abs(note.audio)
    loud = np.flatnonzero(level > level.max() * 10 ** (_ONSET_DB / 20))
    if not f0_hz.any() or not len(loud) or melody_name(f0_hz):
        return None
    onset_frame = int(loud[0]) // HOP_SAMPLES
    last = (int(loud[-1]) // HOP_SAMPLES) * HOP_SAMPLES
    audio = note.audio[onset_frame * HOP_SAMPLES : last]
    if len(audio) < _LEAST_DONOR_S * SAMPLE_RATE_HZ:
        return None
    curve = fill_nearest(f0_hz)[onset_frame:]
    midi = float(np.median(hz_to_midi(f0_hz[f0_hz > 0])))
    if abs(midi - note.pitch) > _IN_TUNE_SEMITONES:
        midi, curve = float(note.pitch), np.full_like(curve, 440.0 * 2.0 ** ((note.pitch - 69) / 12))
    return _Donor(audio, curve, midi, program_loudness_lufs(audio[:SAMPLE_RATE_HZ]))


def _played(donors: Sequence[_Donor], midi: int, frames: int, lufs: float) -> tuple[FloatArray, FloatArray]:
    """Returns a note of the tune: audio with its release, and pitch by frame, both at the tune's pitch."""
    donor = min(donors, key=lambda each: abs(each.midi - midi))
    ratio = 2.0 ** ((midi - donor.midi) / 12)
    release = round(_RELEASE_S * SAMPLE_RATE_HZ)
    wanted = frames * HOP_SAMPLES + release
    taken = donor.audio[: round(wanted * ratio) + SAMPLE_RATE_HZ // 10]
    sound = np.asarray(soxr.resample(taken, ratio, 1.0), np.float32)[:wanted]
    sound = sound * np.float32(10 ** ((lufs - donor.lufs) / 20))
    fade = min(release, len(sound))
    sound[-fade:] *= np.square(np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32)))
    times = np.minimum(np.arange(frames) * ratio, len(donor.f0_hz) - 1)
    return sound, np.asarray(np.interp(times, np.arange(len(donor.f0_hz)), donor.f0_hz) * ratio, np.float32)


def _swell_db(at_s: float, phrase_ends_s: Sequence[float]) -> float:
    """Returns how much louder a note is than one at the ends of its phrase: a player shapes a phrase."""
    start, end = next(pair for pair in pairwise((0.0, *phrase_ends_s)) if at_s < pair[1])
    return _SWELL_DB * float(np.sin(np.pi * np.clip((at_s - start) / (end - start), 0, 1)) - 0.5)


def _glided(f0_hz: FloatArray) -> FloatArray:
    """Returns the pitch with short glides in the place of steps: over 36 ms, in octaves."""
    window = np.hanning(_GLIDE_FRAMES + 2)[1:-1]
    padded = np.pad(np.log2(f0_hz), _GLIDE_FRAMES // 2, mode="edge")
    return np.asarray(2.0 ** np.convolve(padded, window / window.sum(), "valid"), np.float32)


def render(instrument: Instrument, phrase: Phrase, loudness: FloatArray | None = None) -> FloatArray:
    """Returns a phrase as a model renders it, f32[samples]; by default with the phrase's own loudness, f32[frames].

    A model is compiled for notes of four seconds, so the phrase is rendered in parts of that length. A part begins
    0.4 s before the note at which it takes over: there the network has settled, and a new note hides the seam.
    """
    if loudness is None:
        loudness = np.asarray(loudness_db(phrase.audio[None], instrument.loudness_definition))[0]
    parts = _parts(phrase.onset_frames, len(phrase.f0_hz))
    starts = [max(0, first - _LEAD_IN_FRAMES) for first, _ in parts]
    f0_rows, loudness_rows = (np.stack([_row(curve, each) for each in starts]) for curve in (phrase.f0_hz, loudness))
    rendered = instrument.play(f0_rows, loudness_rows)["audio"]
    audio = np.zeros(len(phrase.audio), np.float32)
    for (first, end), start, row in zip(parts, starts, rendered, strict=True):
        begin, stop = first * HOP_SAMPLES, end * HOP_SAMPLES
        fade = _CROSSFADE_SAMPLES if first else 0
        part = row[begin - fade - start * HOP_SAMPLES : stop - start * HOP_SAMPLES].copy()
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        audio[begin - fade : begin] *= 1 - ramp
        part[:fade] *= ramp
        audio[begin - fade : stop] += part
    return audio


def _parts(onsets: Sequence[int], frames: int) -> list[tuple[int, int]]:
    """Splits frames at onsets into parts that are rendered with their lead-in in NOTE_FRAMES."""
    longest, firsts = NOTE_FRAMES - _LEAD_IN_FRAMES, [0]
    for onset, following in zip(onsets, [*onsets[1:], frames], strict=True):
        if following - firsts[-1] > longest:
            firsts.append(onset)
    return list(zip(firsts, [*firsts[1:], frames], strict=True))


def _row(curve: FloatArray, start: int) -> FloatArray:
    part = curve[start : start + NOTE_FRAMES]
    return np.pad(part, (0, NOTE_FRAMES - len(part)), mode="edge")
