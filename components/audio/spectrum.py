"""Short-time spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_LOBE_BINS = 2.0
_VIBRATO = 0.02


def framed(audio: Array, window_samples: int, hop_samples: int) -> Array:
    """Returns the frames of a sound, centred on multiples of the hop, its ends padded with silence.

    Args:
        audio: f32[samples].
        window_samples: Length of a frame.
        hop_samples: Distance of the frames.

    Returns:
        f32[1 + samples // hop_samples, window_samples], a view.
    """
    padded = np.pad(audio, window_samples // 2)
    frames: Array = np.lib.stride_tricks.sliding_window_view(padded, window_samples)[::hop_samples]
    return frames


def frame_power(frames: Array, fft_samples: int) -> Array:
    """Returns the power spectra of frames under a Hann window; 1.0 is a sinusoid of full scale.

    Args:
        frames: f32[frames, window].
        fft_samples: Length of the transform, at least the window's; longer interpolates the spectrum.

    Returns:
        Power, [frames, fft_samples // 2 + 1].
    """
    window = np.hanning(frames.shape[1] + 1)[:-1].astype(np.float32)
    spectrum = np.fft.rfft(frames * window, fft_samples, axis=-1)
    power: Array = np.square(np.abs(spectrum) * (2.0 / window.sum()))
    return power


def stft_power(audio: Array, window_samples: int, hop_samples: int) -> Array:
    """Returns the power of a Hann-windowed short-time Fourier transform; 1.0 is a sinusoid of full scale.

    Args:
        audio: f32[samples] in -1..1; see `framed`.
        window_samples: Length of the window, and of the transform.
        hop_samples: Distance of the frames.

    Returns:
        Power, [1 + samples // hop_samples, window_samples // 2 + 1].
    """
    return frame_power(framed(audio, window_samples, hop_samples), window_samples)


def harmonic_numbers(f0_hz: Array, bins: int, bin_hz: float, vibrato: Array | None = None) -> NDArray[np.intp]:
    """Returns of which harmonic of its frame's pitch each bin is, 1 and above, or 0 between them, [frames, bins].

    The comb is as wide as the pitch needs: two bins, half the main lobe of a Hann window, or 2 % of the harmonic, which
    is a vibrato of 35 cents; at most a quarter of the distance between harmonics.

    Args:
        f0_hz: Pitch in Hz, [frames]; 0 for none.
        bins: Number of bins from 0 Hz on.
        bin_hz: Distance of the bins in Hz.
        vibrato: By which share of it the pitch moves either way within the frame, [frames]; what is below 2 % counts
            as 2 %. None for 2 % in all frames.
    """
    frequency_hz = bin_hz * np.arange(bins)
    pitch = f0_hz[:, None]
    number = np.maximum(np.round(frequency_hz / np.where(pitch > 0, pitch, np.inf)), 1.0)
    share = np.maximum(_VIBRATO, np.zeros(len(f0_hz)) if vibrato is None else vibrato)[:, None]
    width = np.maximum(_LOBE_BINS * bin_hz, np.minimum(share * number * pitch, pitch / 4))
    harmonic = (np.abs(frequency_hz - number * pitch) <= width) & (pitch > 0)
    return np.where(harmonic, number, 0).astype(np.intp)
