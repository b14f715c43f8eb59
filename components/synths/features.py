"""What the models hear of a sound: loudness by one definition everywhere, and a pitch without gaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES, SAMPLE_RATE_HZ

FloatArray = npt.NDArray[np.float32]

LOUDNESS_DEFINITION = "ddsp-3.7"
_BATCH = 8  # notes at once: 50 MB of spectrogram


def loudness_db(audio: npt.ArrayLike) -> FloatArray:
    """Computes the loudness that the models are trained with and must be played with: ddsp 3.7's `compute_loudness`.

    It is the A-weighted mean power of a 512-sample frame centred at sample 64 * i, in dB, not below -80. The records
    hold another definition (the mean of dB values, some 75 dB lower), which no model is to hear.

    Args:
        audio: Mono at 16 kHz, -1..1, [batch, samples]; a whole number of 64-sample hops.

    Returns:
        Loudness in dB, about -80..0, f32[batch, samples / 64].
    """
    from components.synths.ddsp_imports import ddsp

    samples = np.asarray(audio, np.float32)
    frames = samples.shape[1] // HOP_SAMPLES
    with np.errstate(divide="ignore"):  # librosa weights 0 Hz by -inf dB, with a warning
        parts = [
            ddsp.spectral_ops.compute_loudness(
                samples[first : first + _BATCH], sample_rate=SAMPLE_RATE_HZ, frame_rate=FRAME_RATE_HZ
            ).numpy()
            for first in range(0, len(samples), _BATCH)
        ]
    # One frame more than hops: it is centred on the end of the audio and controls nothing.
    return np.concatenate(parts)[:, :frames].astype(np.float32)


def fill_f0(f0_hz: npt.ArrayLike) -> FloatArray:
    """Fills the gaps of a pitch curve: where it is 0, there is silence and no pitch.

    The network reads pitch on a logarithmic scale, where 0 Hz is far below any note, and a fall to it would sweep the
    oscillators through all frequencies between. So the pitch before a gap is held through it, and the first one begins
    at the start. That the sound is silent there, the loudness says.

    Args:
        f0_hz: Pitch in Hz, 0 (or not finite) where there is none, [batch, frames].

    Returns:
        The same without zeros, f32[batch, frames]; a row without any pitch stays 0.
    """
    pitch = np.nan_to_num(np.asarray(f0_hz, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    frame = np.arange(pitch.shape[1])
    sounding = pitch > 0
    last = np.maximum.accumulate(np.where(sounding, frame, -1), axis=1)
    first = np.argmax(sounding, axis=1)[:, None]
    return np.take_along_axis(pitch, np.where(last < 0, first, last), axis=1)
