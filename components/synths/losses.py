"""The spectral loss by one definition, for training and evaluation alike."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from components.synths.ddsp_imports import ddsp, tf


@functools.cache
def _loss() -> ddsp.losses.SpectralLoss:
    """As base.gin configures the training's."""
    return ddsp.losses.SpectralLoss(loss_type="L1", mag_weight=1.0, logmag_weight=1.0)


def spectral_loss(audio: npt.ArrayLike, reference: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Compares sounds by ddsp's multi-scale spectral loss (Engel et al. 2020, section 3): 0 for equal spectra.

    For FFT sizes 2048 to 64: the mean absolute difference of the magnitudes plus that of their logarithms.

    Args:
        audio: What was played, [batch, samples] at 16 kHz.
        reference: What it should have been, the same shape.

    Returns:
        The loss of each example, f32[batch].
    """
    played, wanted = np.asarray(audio, np.float32), np.asarray(reference, np.float32)
    # One example at a time: the loss itself is a mean over the batch.
    losses = [_loss()(tf.constant(wanted[i : i + 1]), tf.constant(played[i : i + 1])) for i in range(len(played))]
    return np.array(losses, np.float32)
