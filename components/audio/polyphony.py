"""Whether a sound has several notes at a time: a chord, where one note is expected.

A pitch tracker takes the common period of a chord for its pitch, far below the notes. All partials are then harmonics
of that pitch, but those that every single note has are missing: the first of them, or all of the first three.
"""

from __future__ import annotations

import numpy as np

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
"""A sound with a larger share of mixed frames has several notes at a time."""


def mixed_frames(audio: Array, f0_hz: Array) -> tuple[int, int]:
    """Returns in how many frames a sound has a pitch, and in how many of them it has several notes at a time.

    The harmonics of a vibrato are as wide as the pitch moves within the frame. A frame counts as mixed where the
    harmonics of its pitch are hardly stronger than the rest, or the first harmonic is 40 dB weaker than the strongest,
    or the first three together are 15 dB weaker.

    Args:
        audio: f32[samples] at 16 kHz.
        f0_hz: Its pitch at 250 frames a second, f32[samples / 64]; 0 where there is none.
    """
    power = stft_power(audio, _WINDOW_SAMPLES, _HOP_SAMPLES)
    pitch_hz, vibrato = _moving_pitch(f0_hz)
    power, pitch_hz, vibrato = power[: len(pitch_hz)], pitch_hz[: len(power)], vibrato[: len(power)]
    power, vibrato, pitch_hz = power[pitch_hz > 0], vibrato[pitch_hz > 0], pitch_hz[pitch_hz > 0]
    if not len(power):
        return 0, 0
    number = harmonic_numbers(pitch_hz, power.shape[1], SAMPLE_RATE_HZ / _WINDOW_SAMPLES, vibrato)
    levels = np.stack([(power * (number == each)).sum(axis=1) for each in range(1, _LEVELS + 1)], axis=1)
    strongest = np.maximum(levels.max(axis=1), 1e-20)
    tone, rest = (power * (number > 0)).sum(axis=1), (power * (number == 0)).sum(axis=1)
    mixed = (
        (tone < rest * 10 ** (_RATIO_DB / 10))
        | (levels[:, 0] < strongest * 10 ** (_FIRST_DB / 10))
        | (levels[:, :3].sum(axis=1) < strongest * 10 ** (_FIRST_THREE_DB / 10))
    )
    return len(mixed), int(mixed.sum())


def mixed_share(audio: Array, f0_hz: Array) -> float:
    """Returns the share of a long sound's pitched frames that have several notes at a time, 0..1; see mixed_frames."""
    hops = _PIECE_SAMPLES // HOP_SAMPLES
    pieces = [
        mixed_frames(audio[at * HOP_SAMPLES : (at + hops) * HOP_SAMPLES], f0_hz[at : at + hops])
        for at in range(0, len(f0_hz), hops)
        if len(f0_hz) - at >= _WINDOW_SAMPLES // HOP_SAMPLES
    ]
    pitched, mixed = (sum(counts) for counts in zip(*pieces, strict=True)) if pieces else (0, 0)
    return mixed / pitched if pitched else 0.0


def _moving_pitch(f0_hz: Array) -> tuple[Array, Array]:
    """Returns the middle pitch in Hz within each frame's window, and the share by which it moves either way, [frames].

    The pitch is 0 where the frame's centre has none.
    """
    around = _WINDOW_SAMPLES // 2 // HOP_SAMPLES
    padded = np.pad(np.append(f0_hz, f0_hz[-1:]).astype(np.float64), around)
    within = np.lib.stride_tricks.sliding_window_view(padded, 2 * around + 1)[:: _HOP_SAMPLES // HOP_SAMPLES]
    centre = within[:, around]
    near = np.abs(within - centre[:, None]) < _VIBRATO_REACH * centre[:, None]
    lowest = np.where(near, within, centre[:, None]).min(axis=1)
    highest = np.where(near, within, centre[:, None]).max(axis=1)
    moves = (highest - lowest) / np.maximum(lowest + highest, 1.0)
    return (lowest + highest) / 2, np.minimum(_VIBRATO_MARGIN * moves, _WIDEST_VIBRATO)
