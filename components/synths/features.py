"""What the models hear of a sound: loudness by one definition everywhere, and a pitch without gaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.core.errors import InputError
from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES, SAMPLE_RATE_HZ

FloatArray = npt.NDArray[np.float32]

LOUDNESS_DEFINITION = "ddsp-3.7"
POWER_DEFINITION = "ddsp-3.7-power"
WINDOW_SAMPLES = {LOUDNESS_DEFINITION: 512, POWER_DEFINITION: 1024}
"""The definitions, and how much sound, centred on a frame's first sample, says how loud the frame is."""

_BATCH = 8  # notes at once: 50 MB of spectrogram
_LOWEST_DB = -80.0  # the definition's floor
_SOUNDING_RANGE_DB = 45.0  # below a recording's loud, its 95th percentile: what is under it is its silence


def loudness_db(audio: npt.ArrayLike, definition: str = LOUDNESS_DEFINITION) -> FloatArray:
    """Computes the loudness that a model is trained with and must be played with. Its card says which definition.

    "ddsp-3.7" is ddsp 3.7's `compute_loudness`: the A-weighted mean power of a 512-sample frame centred at sample
    64 * i, in dB, not below -80. The records hold another definition (the mean of dB values, some 75 dB lower), which
    no model is to hear. "ddsp-3.7-power" is ddsp 3.7's `compute_power` as its vst.gin has it: the mean power of 1,024
    samples, unweighted, in dB, not below -80.

    Args:
        audio: Mono at 16 kHz, -1..1, [batch, samples]; a whole number of 64-sample hops.
        definition: One of WINDOW_SAMPLES.

    Returns:
        Loudness in dB, about -80..0, f32[batch, samples / 64].

    Raises:
        InputError: There is no such definition: the model is of a newer Luthier.
    """
    from components.synths.ddsp_imports import ddsp

    if definition not in WINDOW_SAMPLES:
        raise InputError(f"the model wants the loudness '{definition}': got one that is not known; update Luthier")
    samples = np.asarray(audio, np.float32)
    window = WINDOW_SAMPLES[definition]
    frames, rates = samples.shape[1] // HOP_SAMPLES, {"sample_rate": SAMPLE_RATE_HZ, "frame_rate": FRAME_RATE_HZ}

    def of_some(some: FloatArray) -> FloatArray:
        if definition == POWER_DEFINITION:
            power: FloatArray = ddsp.spectral_ops.compute_power(some, **rates, frame_size=window).numpy()
            return power
        loudness: FloatArray = ddsp.spectral_ops.compute_loudness(some, **rates, n_fft=window).numpy()
        return loudness

    with np.errstate(divide="ignore"):  # librosa weights 0 Hz by -inf dB, with a warning
        parts = [of_some(samples[first : first + _BATCH]) for first in range(0, len(samples), _BATCH)]
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


def sounding_frames(loudness_db: FloatArray) -> npt.NDArray[np.bool_]:
    """Returns which frames sound, of loudness_db's shape: those less than 45 dB below the loud ones."""
    heard = loudness_db[loudness_db > _LOWEST_DB + 1.0]
    loud_db = float(np.percentile(heard, 95)) if len(heard) else 0.0
    return loudness_db > max(loud_db - _SOUNDING_RANGE_DB, _LOWEST_DB + 1.0)
