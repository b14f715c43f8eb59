"""Whether a sound has several notes at a time: a chord, where one note is expected.

A pitch tracker takes the common period of a chord for its pitch, far below the notes. All partials are then harmonics
of that pitch, but those that every single note has are missing: the first of them, or all of the first three.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components.audio.spectrum import harmonic_numbers, stft_power
from components.audio.timbre import Array
from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ

_WINDOW_SAMPLES = 4096  # tells the notes of a chord apart
_HOP_SAMPLES = 1024
_PIECE_SAMPLES = 1 << 19  # half a minute: the power of a longer sound at once would need much memory
_LEVELS = 16  # harmonics whose levels are compared
# Of 112 chords of four notes by fourteen General MIDI instruments 97 % had these in more than 40 % of their frames, of
# 266 single notes 4.5 %: bells, and organs with a stop of fifths, which have several pitches at a time.
_RATIO_DB = 4.0
_FIRST_DB = -40.0
_FIRST_THREE_DB = -15.0
_VIBRATO_REACH = 0.12  # of the pitch: two semitones; what is further away is another note
_VIBRATO_MARGIN, _WIDEST_VIBRATO = 1.5, 0.06
MIXED_SHARE = 0.4
"""A note with a larger share of mixed frames has several notes at a time."""
# The window has several sounds of speech or of a quick melody, one after the other: a steady pitch tells a chord.
_STEADY_MOVES = 2 ** (1 / 12) - 1  # of the pitch, from the lowest to the highest
_STEADY_PITCHED = 0.9
MIXED_STEADY_SHARE = 0.2
"""A long sound with a larger share of mixed frames of a steady pitch has several notes at a time.

With this limit, of 54 progressions of chords and of two parts by eighteen General MIDI instruments all have, of 18
melodies none, of 18 with seven notes a second two, of 60 recordings of speech two.
"""


class MixedFrames(NamedTuple):
    """How many frames have a pitch, in how many of them are several notes, and how many of these have a steady pitch.

    Within a steady one, the pitch moves by less than a semitone.
    """

    pitched: int
    mixed: int
    steady: int


def mixed_frames(audio: Array, f0_hz: Array) -> MixedFrames:
    """Returns in how many frames a sound has several notes at a time.

    The harmonics of a vibrato are as wide as the pitch moves within the frame. A frame counts as mixed where the
    harmonics of its pitch are hardly stronger than the rest, or the first harmonic is 40 dB weaker than the strongest,
    or the first three together are 15 dB weaker.

    Args:
        audio: f32[samples] at 16 kHz.
        f0_hz: Its pitch at 250 frames a second, f32[samples / 64]; 0 where there is none.
    """
    power = stft_power(audio, _WINDOW_SAMPLES, _HOP_SAMPLES)
    pitch_hz, vibrato, steady = _moving_pitch(f0_hz)
    pitched = (pitch_hz > 0)[: len(power)]
    power, pitch_hz, vibrato, steady = (
        power[: len(pitched)][pitched],
        pitch_hz[: len(power)][pitched],
        vibrato[: len(power)][pitched],
        steady[: len(power)][pitched],
    )
    if not len(power):
        return MixedFrames(0, 0, 0)
    number = harmonic_numbers(pitch_hz, power.shape[1], SAMPLE_RATE_HZ / _WINDOW_SAMPLES, vibrato)
    levels = np.stack([(power * (number == each)).sum(axis=1) for each in range(1, _LEVELS + 1)], axis=1)
    strongest = np.maximum(levels.max(axis=1), 1e-20)
    tone, rest = (power * (number > 0)).sum(axis=1), (power * (number == 0)).sum(axis=1)
    mixed = (
        (tone < rest * 10 ** (_RATIO_DB / 10))
        | (levels[:, 0] < strongest * 10 ** (_FIRST_DB / 10))
        | (levels[:, :3].sum(axis=1) < strongest * 10 ** (_FIRST_THREE_DB / 10))
    )
    return MixedFrames(len(mixed), int(mixed.sum()), int((mixed & steady).sum()))


def mixed_share(audio: Array, f0_hz: Array) -> float:
    """Returns the share of a long sound's pitched frames that are mixed with a steady pitch, 0..1; see mixed_frames."""
    hops = _PIECE_SAMPLES // HOP_SAMPLES
    pieces = [
        mixed_frames(audio[at * HOP_SAMPLES : (at + hops) * HOP_SAMPLES], f0_hz[at : at + hops])
        for at in range(0, len(f0_hz), hops)
        if len(f0_hz) - at >= _WINDOW_SAMPLES // HOP_SAMPLES
    ]
    pitched, steady = sum(each.pitched for each in pieces), sum(each.steady for each in pieces)
    return steady / pitched if pitched else 0.0


def _moving_pitch(f0_hz: Array) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Returns what the pitch does within each frame's window, [frames] each.

    Returns:
        Its middle in Hz, 0 where the frame's centre has none; the share by which it moves either way; whether it is
        steady.
    """
    around = _WINDOW_SAMPLES // 2 // HOP_SAMPLES
    padded = np.pad(np.append(f0_hz, f0_hz[-1:]).astype(np.float64), around)
    within = np.lib.stride_tricks.sliding_window_view(padded, 2 * around + 1)[:: _HOP_SAMPLES // HOP_SAMPLES]
    centre = within[:, around]
    near = np.abs(within - centre[:, None]) < _VIBRATO_REACH * centre[:, None]
    lowest = np.where(near, within, centre[:, None]).min(axis=1)
    highest = np.where(near, within, centre[:, None]).max(axis=1)
    moves = (highest - lowest) / np.maximum(lowest + highest, 1.0)
    bottom = np.where(within > 0, within, np.inf).min(axis=1)
    steady = (np.mean(within > 0, axis=1) >= _STEADY_PITCHED) & (within.max(axis=1) <= (1 + _STEADY_MOVES) * bottom)
    return (lowest + highest) / 2, np.minimum(_VIBRATO_MARGIN * moves, _WIDEST_VIBRATO), steady
