"""Curves of the fundamental frequency (f0): how the frames without a pitch are filled.

A curve has 250 frames a second. A frame without a pitch (silence, noise) holds 0 Hz. A network reads pitch on a
logarithmic scale, where 0 Hz lies far below every note, so a fall to 0 would sweep the oscillators through all
frequencies between; each consumer fills the gaps in the way that fits it:

* `fill_forward`: training and `Instrument.play`. The last pitch is held; the loudness says that the frame is silent.
* `fill_nearest`: transfer. An attack whose pitch is not yet clear takes the pitch of its own note.
* `components.audio.pitch.interpolated_hz`: the records of `prepare`, which follow the data set.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.nsynth.note import FloatArray


def fill_forward(f0_hz: npt.ArrayLike) -> FloatArray:
    """Fills every gap with the pitch before it, and a gap at the start with the first pitch.

    Args:
        f0_hz: Pitch in Hz, 0 (or not finite) where there is none, [batch, frames].

    Returns:
        The same without zeros, f32[batch, frames]; a row without any pitch stays 0.
    """
    pitch = np.nan_to_num(np.asarray(f0_hz, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    frame = np.arange(pitch.shape[1])
    pitched = pitch > 0
    last = np.maximum.accumulate(np.where(pitched, frame, -1), axis=1)
    first = np.argmax(pitched, axis=1)[:, None]
    return np.take_along_axis(pitch, np.where(last < 0, first, last), axis=1)


def fill_nearest(f0_hz: FloatArray) -> FloatArray:
    """Gives every frame without a pitch the pitch of the nearest frame that has one; the earlier one of two.

    Args:
        f0_hz: Pitch in Hz, 0 where there is none, f32[frames]; at least one frame has a pitch.
    """
    pitched = np.flatnonzero(f0_hz > 0)
    frame = np.arange(len(f0_hz))
    after = np.clip(np.searchsorted(pitched, frame), 0, len(pitched) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.where(np.abs(pitched[before] - frame) <= np.abs(pitched[after] - frame), before, after)
    filled: FloatArray = f0_hz[pitched[nearer]]
    return filled
