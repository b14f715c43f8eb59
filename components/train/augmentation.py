"""Augmentation: crops of notes at other pitches and levels, with pitch and loudness to match, for few recordings."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from components.config.settings import TrainSettings
from components.nsynth.note import HOP_SAMPLES, FloatArray

_UP = 100  # by which a sound is resampled, over a whole number around 100: steps of 17 cents
# On both sides of a crop: longer than the window of a loudness, and a whole number of samples at every speed.
_MARGIN_FRAMES = 25


Loudness = Callable[[FloatArray], FloatArray]
"""Computes the loudness of sounds, f32[batch, samples], by the model's definition: f32[batch, samples / 64]."""


def varied_crop(
    audio: FloatArray, f0_hz: FloatArray, settings: TrainSettings, random: np.random.Generator, loudness: Loudness
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cuts an example from a note, played faster or slower (higher or lower), and louder or softer.

    The loudness is computed anew, because it is weighted by frequency. Where a note that is played faster ends before
    the example does, silence follows.

    Args:
        audio: A whole note, f32[samples].
        f0_hz: Its pitch, without gaps, f32[samples / 64].
        settings: How far pitch and level move, and the length of an example.
        random: Draws the position, the pitch and the level.
        loudness: Computes the loudness.

    Returns:
        audio f32[crop_samples], f0_hz and loudness_db f32[crop_samples / 64].
    """
    semitones = random.uniform(-settings.augment_semitones, settings.augment_semitones)
    gain_db = random.uniform(-settings.augment_gain_db, settings.augment_gain_db)
    down = round(_UP * 2 ** (semitones / 12))
    speed, frames = down / _UP, settings.crop_samples // HOP_SAMPLES
    start = int(random.integers(0, max(0, len(f0_hz) - math.ceil(frames * speed)) + 1))
    played = _played(audio, start * HOP_SAMPLES, down, frames + 2 * _MARGIN_FRAMES)
    largest_db = -20 * math.log10(max(float(np.abs(played).max()), 1e-9))
    played *= np.float32(10 ** (min(gain_db, largest_db) / 20))
    inner = slice(_MARGIN_FRAMES, _MARGIN_FRAMES + frames)
    places = start + speed * np.arange(frames)
    return (
        played[inner.start * HOP_SAMPLES : inner.stop * HOP_SAMPLES],
        (speed * np.interp(places, np.arange(len(f0_hz)), f0_hz)).astype(np.float32),
        loudness(played[None])[0, inner],
    )


def _played(audio: FloatArray, start: int, down: int, frames: int) -> FloatArray:
    """Returns frames at `down / _UP` times the speed; `start` is the sample that comes first after a margin."""
    samples = frames * HOP_SAMPLES
    first = start - _MARGIN_FRAMES * HOP_SAMPLES * down // _UP
    places = np.arange(first, first + math.ceil(samples * down / _UP) + 1)
    inside = (places >= 0) & (places < len(audio))
    part = np.where(inside, audio[np.clip(places, 0, len(audio) - 1)], np.float32(0))
    if down == _UP:
        return part[:samples]
    from scipy.signal import resample_poly  # takes a second to import, which trainings without augmentation save

    resampled: FloatArray = resample_poly(part, _UP, down)[:samples].astype(np.float32)
    return resampled
