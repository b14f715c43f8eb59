"""Loudness of a sound as ddsp 3.7 computes it: the conditioning input of every model.

The names of the definitions are in components.audio.loudness, which needs no TensorFlow.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.audio.loudness import LOUDNESS_DEFINITION, POWER_DEFINITION, WINDOW_SAMPLES
from components.core.errors import InputError
from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES, SAMPLE_RATE_HZ, FloatArray

_BATCH = 8  # notes at once: 50 MB of spectrogram


def loudness_db(audio: npt.ArrayLike, definition: str = LOUDNESS_DEFINITION) -> FloatArray:
    """Computes the loudness that a model is trained with and must be given. Its card names the definition.

    "ddsp-3.7" is ddsp 3.7's `compute_loudness`: the A-weighted mean power of a 512-sample frame centred at sample
    64 * i, in dB, not below -80. The records hold another definition (the mean of dB values, some 75 dB lower), which
    is never given to a model. "ddsp-3.7-power" is ddsp 3.7's `compute_power` as its vst.gin has it: the mean power of
    1,024 samples, unweighted, in dB, not below -80.

    Args:
        audio: Mono at 16 kHz, -1..1, [batch, samples]; a whole number of 64-sample hops.
        definition: One of WINDOW_SAMPLES.

    Returns:
        Loudness in dB, about -80..0, f32[batch, samples / 64].

    Raises:
        InputError: The definition is unknown: a newer Luthier made the model.
    """
    from components.synths.ddsp_imports import ddsp

    if definition not in WINDOW_SAMPLES:
        raise InputError(
            f"the model needs the loudness '{definition}', which is unknown: expected {' or '.join(WINDOW_SAMPLES)}; "
            "update Luthier"
        )
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
