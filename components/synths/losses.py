"""The multi-scale spectral loss: one definition for training and evaluation."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from components.audio.loudness import a_weighting_db
from components.nsynth.note import SAMPLE_RATE_HZ
from components.synths.ddsp_imports import ddsp, gin, tf
from components.synths.xla import compiled

_FFT_SIZES = (2048, 1024, 512, 256, 128, 64)  # ddsp's default
_OVERLAP = 4  # windows that cover each sample, as in ddsp's spectral_ops.compute_mag
# Terms of ddsp's loss that the fast path does not compute.
_OTHER_TERMS = ("delta_time_weight", "delta_freq_weight", "cumsum_freq_weight", "loudness_weight")
_LEVEL_SIZE = 512  # of the FFT, as of the loudness that models take
_LEVEL_FLOOR = 1e-8  # power, -80 dB


@gin.register(module="luthier")
class SpectralLoss(ddsp.losses.SpectralLoss):  # type: ignore[misc]
    """ddsp's multi-scale spectral loss (Engel et al. 2020, section 3), computed together with its gradient.

    This covers L1 differences of magnitudes and of their logarithms, and a further term, the difference of levels. With
    any other term of ddsp's, ddsp's code computes it.
    """

    def __init__(
        self,
        fft_sizes: tuple[int, ...] = _FFT_SIZES,
        loss_type: str = "L1",
        mag_weight: float = 1.0,
        delta_time_weight: float = 0.0,
        delta_freq_weight: float = 0.0,
        cumsum_freq_weight: float = 0.0,
        logmag_weight: float = 0.0,
        loudness_weight: float = 0.0,
        level_weight: float = 0.0,
        name: str = "spectral_loss",
    ) -> None:
        """Takes ddsp's arguments and one more, `level_weight`.

        Args:
            fft_sizes: Samples of the windows.
            loss_type: "L1", "L2" or "COSINE".
            mag_weight: Of the differences of magnitudes.
            delta_time_weight: Of those of their changes from frame to frame.
            delta_freq_weight: Of those of their changes from bin to bin.
            cumsum_freq_weight: Of those of their sums over the bins.
            logmag_weight: Of those of their logarithms.
            loudness_weight: Of those of the A-weighted loudness.
            level_weight: Of the mean absolute difference of the A-weighted level in nepers, over the frames of the
                FFT of 512 samples, as models take their loudness. The other terms compare bin by bin and are satisfied
                by a sound that is too quiet.
            name: The loss's name.
        """
        super().__init__(
            fft_sizes,
            loss_type,
            mag_weight,
            delta_time_weight,
            delta_freq_weight,
            cumsum_freq_weight,
            logmag_weight,
            loudness_weight,
            name,
        )
        self.level_weight = level_weight

    def call(self, target_audio: tf.Tensor, audio: tf.Tensor, weights: Any = None) -> tf.Tensor:
        """Computes the loss.

        Args:
            target_audio: The reference, f32[batch, samples]. No gradient flows to it.
            audio: The model's output, the same shape.
            weights: None, or factors for ddsp's own implementation.

        Returns:
            The loss, a scalar.
        """
        other_terms = any(getattr(self, name) > 0 for name in _OTHER_TERMS)
        if weights is not None or self.loss_type.upper() != "L1" or other_terms:
            return super().call(target_audio, audio, weights)
        sizes, target = tuple(self.fft_sizes), ddsp.core.tf_float32(target_audio)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def compare(audio: tf.Tensor) -> Any:
            weights = (max(weight, 0.0) for weight in (self.mag_weight, self.logmag_weight, self.level_weight))
            loss, gradient = _compare(target, audio, sizes, *weights)
            return loss, lambda upstream: upstream * gradient

        return compare(ddsp.core.tf_float32(audio))


@compiled
def _compare(
    target: tf.Tensor,
    audio: tf.Tensor,
    sizes: tuple[int, ...],
    mag_weight: float,
    logmag_weight: float,
    level_weight: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the loss and its gradient with respect to `audio`."""
    loss, gradient = tf.constant(0.0), tf.zeros_like(audio)
    for size in sizes:
        window = tf.signal.hann_window(size)
        spectrum = tf.signal.rfft(_frames(audio, size) * window)
        wanted, found = tf.abs(tf.signal.rfft(_frames(target, size) * window)), tf.abs(spectrum)
        difference = found - wanted
        logarithms = ddsp.core.safe_log(found) - ddsp.core.safe_log(wanted)
        loss += mag_weight * tf.reduce_mean(tf.abs(difference)) + logmag_weight * tf.reduce_mean(tf.abs(logarithms))
        # The gradient with respect to a magnitude, divided by it: that of the spectrum is a multiple of the spectrum.
        inverse = tf.where(found > 0, 1 / found, 0.0)
        scale = (mag_weight * tf.sign(difference) + logmag_weight * tf.sign(logarithms) * inverse) * inverse
        if level_weight and size == _level_size(sizes):
            weighting = tf.constant(_a_weighting(size))
            power = tf.reduce_mean(weighting * tf.stack([found, wanted]) ** 2, axis=-1, keepdims=True) + _LEVEL_FLOOR
            level = 0.5 * tf.math.log(power)
            loss += level_weight * tf.reduce_mean(tf.abs(level[0] - level[1]))
            scale += level_weight * tf.sign(level[0] - level[1]) * weighting / power[0]
        # The transpose of rfft by means of irfft, which counts all bins twice except the first and the last.
        bin_weights = np.full(size // 2 + 1, 0.5 * size)
        bin_weights[[0, -1]] = size
        scale *= tf.constant(bin_weights, tf.float32) / tf.cast(tf.size(found), tf.float32)
        grad_frames = tf.signal.irfft(spectrum * tf.cast(scale, tf.complex64)) * window
        gradient += _overlap_add(grad_frames, audio.shape[1])
    return loss, gradient


def _level_size(sizes: tuple[int, ...]) -> int:
    """Returns the FFT size of the level: that of the models' loudness, or the nearest one."""
    return min(sizes, key=lambda size: abs(size - _LEVEL_SIZE))


@functools.lru_cache(maxsize=4)
def _a_weighting(size: int) -> npt.NDArray[np.float32]:
    """Returns the A-weighting of power by bin, f32[size / 2 + 1], as ddsp's compute_loudness has it."""
    frequencies = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)[1:]
    return np.append(0.0, 10 ** (a_weighting_db(frequencies) / 10)).astype(np.float32)


def _frames(audio: tf.Tensor, size: int) -> tf.Tensor:
    """Cuts audio, [batch, samples], into overlapping frames, [batch, frames, size], the last ones padded with zeros."""
    hop = size // _OVERLAP
    count = -(-audio.shape[1] // hop)
    hops = tf.reshape(
        tf.pad(audio, [[0, 0], [0, (count + _OVERLAP - 1) * hop - audio.shape[1]]]), [-1, count + _OVERLAP - 1, hop]
    )
    return tf.concat([hops[:, i : i + count] for i in range(_OVERLAP)], axis=2)


def _overlap_add(cut: tf.Tensor, samples: int) -> tf.Tensor:
    """The transpose of `_frames`: [batch, frames, size] -> [batch, samples]."""
    parts = tf.split(cut, _OVERLAP, axis=2)
    hops = tf.add_n([tf.pad(part, [[0, 0], [i, _OVERLAP - 1 - i], [0, 0]]) for i, part in enumerate(parts)])
    return tf.reshape(hops, [cut.shape[0], -1])[:, :samples]


def spectral_loss(audio: npt.ArrayLike, reference: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Computes ddsp's multi-scale spectral loss (Engel et al. 2020, section 3); 0 for equal spectra.

    For FFT sizes 2048 to 64: the mean absolute difference of the magnitudes plus that of their logarithms. It equals
    the loss of the training as base.gin configures it, without the term of the level. NumPy needs no gradients here and
    no compilation, and takes a tenth of the time.

    Args:
        audio: The model's output, [batch, samples] at 16 kHz.
        reference: The same shape.

    Returns:
        The loss of each example, f32[batch].
    """
    outputs, references = np.asarray(audio, np.float32), np.asarray(reference, np.float32)
    return np.array([_distance(*pair) for pair in zip(outputs, references, strict=True)], np.float32)


def _distance(audio: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> float:
    total = 0.0
    for size in _FFT_SIZES:
        found, wanted = _magnitudes(audio, size), _magnitudes(reference, size)
        total += float(np.abs(found - wanted).mean(dtype=np.float64))
        total += float(np.abs(_safe_log(found) - _safe_log(wanted)).mean(dtype=np.float64))
    return total


def _magnitudes(audio: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """Returns the magnitudes of the frames that `_frames` cuts under a Hann window, [samples] -> [frames, bins]."""
    hop = size // _OVERLAP
    count = -(-len(audio) // hop)
    padded = np.pad(audio, (0, (count + _OVERLAP - 1) * hop - len(audio)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    return np.abs(np.fft.rfft(frames * window)).astype(np.float32, copy=False)


def _safe_log(magnitudes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """ddsp.core.safe_log: the logarithm of 1e-5 where the magnitude is 0."""
    return np.log(np.where(magnitudes > 0, magnitudes, np.float32(1e-5)))
