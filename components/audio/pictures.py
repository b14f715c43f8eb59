"""Pictures without axes, as data: URIs: log-frequency spectrograms and heat maps of controls, all in one colour ramp.

The ramp's lightness rises evenly from dark to light: a picture reads the same in grey and without colour vision.
Axes and labels are text in the page: they stay sharp at any size and follow the reader's fonts.
"""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.audio.f0 import midi_to_hz
from components.audio.spectrum import frame_power, framed
from components.nsynth.note import SAMPLE_RATE_HZ

Array = NDArray[np.floating[Any]]

LOWEST_HZ = midi_to_hz(24)  # C1
OCTAVES = 7.9  # C1 up to 7.8 kHz, just below the Nyquist frequency
TOP_DB = -10.0
RANGE_DB = 70.0
_LEVELS_DB = 60.0  # of a heat map of controls
_ROWS_PER_OCTAVE = 24
_HOP_SAMPLES = 160
WINDOW_SAMPLES = 2048
# Walnut, rosewood, amber, maple: from nearly black to nearly white.
_RAMP = ((0.0, "16100d"), (0.2, "3d1f1a"), (0.4, "7c3420"), (0.6, "c05f1f"), (0.8, "eaa543"), (1.0, "fff3d0"))


@lru_cache(maxsize=1)
def _ramp() -> NDArray[np.uint8]:
    positions = [position for position, _ in _RAMP]
    colours = np.array([list(bytes.fromhex(colour)) for _, colour in _RAMP])
    values = np.linspace(0.0, 1.0, 256)
    channels = [np.interp(values, positions, colours[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def data_uri(mime_type: str, content: bytes) -> str:
    """Returns content as a data: URI."""
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


def picture(levels: Array, size: tuple[int, int] | None = None) -> str:
    """Returns a picture as a data: URI.

    Args:
        levels: f[rows, columns], 0 dark and 1 light, row 0 at the bottom; clipped.
        size: Width and height in pixels to scale to; None keeps one pixel a value.
    """
    indices = np.round(np.clip(np.nan_to_num(levels[::-1]), 0.0, 1.0) * 255).astype(np.uint8)
    image = Image.fromarray(_ramp()[indices])
    if size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=80, method=4)
    return data_uri("image/webp", stream.getvalue())


def colour_scale() -> str:
    """Returns the ramp itself as a picture, dark on the left."""
    return picture(np.tile(np.linspace(0.0, 1.0, 128), (8, 1)))


@lru_cache(maxsize=1)
def _log_matrix() -> Array:
    """Returns triangular bands of peak 1 on a log-frequency axis, [bins, rows]; the low ones interpolate."""
    fft_samples = 2 * WINDOW_SAMPLES
    bins_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, fft_samples // 2 + 1)
    centres_hz = LOWEST_HZ * 2.0 ** (np.arange(int(OCTAVES * _ROWS_PER_OCTAVE)) / _ROWS_PER_OCTAVE)
    widths_hz = np.maximum(centres_hz * (2.0 ** (1 / _ROWS_PER_OCTAVE) - 1.0), bins_hz[1])
    matrix = np.maximum(0.0, 1.0 - np.abs(bins_hz[:, None] - centres_hz) / widths_hz)
    narrow: Array = matrix.astype(np.float32)
    return narrow


def band_power(frames: Array) -> Array:
    """Returns the power of frames in bands from LOWEST_HZ up OCTAVES octaves, f[frames, bands].

    Args:
        frames: f32[frames, WINDOW_SAMPLES] at 16 kHz, in -1..1.
    """
    power: Array = frame_power(frames, 2 * WINDOW_SAMPLES) @ _log_matrix()
    return power


def spectrogram(audio: Array, size: tuple[int, int] | None = None) -> str:
    """Returns a log-frequency spectrogram as a data: URI; see `spectrogram_of`. audio: f32[samples] in -1..1."""
    return spectrogram_of(band_power(framed(audio, WINDOW_SAMPLES, _HOP_SAMPLES)), size)


def spectrogram_of(power: Array, size: tuple[int, int] | None = None) -> str:
    """Returns a log-frequency spectrogram from LOWEST_HZ up OCTAVES octaves, as a data: URI.

    Levels run from TOP_DB - RANGE_DB (dark) to TOP_DB (light) in dB of a full-scale sinusoid, in every picture.

    Args:
        power: See `band_power`, f[columns, bands].
        size: See `picture`.
    """
    level_db = 10.0 * np.log10(np.maximum(power, 1e-20))
    return picture((level_db.T - TOP_DB) / RANGE_DB + 1.0, size)


def level_picture(values: Array) -> str:
    """Returns a heat map of amplitudes in dB below the largest, as a data: URI. values: f[frames, rows], amplitudes."""
    level_db = 20.0 * np.log10(np.maximum(values.T, 1e-10) / max(float(values.max()), 1e-10))
    return picture(level_db / _LEVELS_DB + 1.0, size=(320, 128))


def wave_picture(tables: Array) -> str:
    """Returns wavetables over time, one period upwards, troughs dark, crests light. tables: f[frames, points]."""
    peak = max(float(np.abs(tables).max()), 1e-10)
    return picture(0.5 + 0.5 * tables.T / peak, size=(320, 128))


def partials_picture(frequencies_hz: Array, amplitudes: Array) -> str:
    """Returns free sinusoids on the spectrograms' log-frequency axis, light where loud, as a data: URI.

    Args:
        frequencies_hz: f[frames, sinusoids].
        amplitudes: f[frames, sinusoids].
    """
    rows = int(OCTAVES * 16)
    row = np.floor(np.log2(np.maximum(frequencies_hz, 1.0) / LOWEST_HZ) * 16).astype(int)
    frames = np.broadcast_to(np.arange(len(row))[:, None], row.shape)
    shown = (row >= 0) & (row < rows)
    grid = np.zeros((rows, len(row)))
    np.maximum.at(grid, (row[shown], frames[shown]), np.asarray(amplitudes)[shown])
    return level_picture(grid.T)
