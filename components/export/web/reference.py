"""What the page computes of a model's bytes, one frame, in NumPy: it checks a page before it is written.

The same computation is in web/src/network.ts and web/src/controls.ts; a test compares both with the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from components.export.graphs import Arrays, Step
from components.export.web.model_file import decode
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.synths import level
from components.synths.ddsp_imports import tf
from components.synths.dictionary import SMALLEST_MIXTURE_POWER, to_points
from components.synths.scaling import SMALLEST_POWER

_NEGATIVE_SLOPE, _LOWEST_F0_HZ = 0.2, 20.0


def opened(data: bytes) -> Step:
    """Returns the function that computes a frame of a model's bytes; see graphs.Step."""
    network = _Network(*decode(data))
    return network.step


class _Network:
    def __init__(self, header: dict[str, Any], arrays: dict[str, FloatArray]) -> None:
        self._header, self._arrays = header, arrays
        self._corrected_frame = tf.function(level.corrected)  # a frame op by op takes five times as long

    def step(self, inputs: Arrays) -> Arrays:
        header, f0_hz = self._header, float(inputs["f0_hz"][0])
        loudness = np.float32(inputs["loudness_db"][0] / 80 + 1)
        pitch = np.float32((12 * np.log2(f0_hz / 440) + 69) / 127)
        features = [pitch if name == "f0_scaled" else loudness for name in header["inputs"]]
        heads = [
            self._stack(f"in{number}", layers, np.array([feature], np.float32))
            for number, (layers, feature) in enumerate(zip(header["stacks"], features, strict=True))
        ]
        state = self._gru(np.concatenate(heads), inputs["state"])
        top = self._stack("out", header["out_layers"], np.concatenate([*heads, state]))
        results, outputs, start = self._dense("last", top), {}, 0
        for name, size in header["outputs"]:
            outputs[name] = results[start : start + size]
            start += size
        tone = [outputs[name] for name in header["tone_outputs"]]
        noise = _levels(outputs["noise_magnitudes"], header["noise"])
        controls = _TONES[header["synth"]](*tone, f0_hz, {**header["tone"], **self._arrays})
        return {**self._corrected({**controls, "noise_magnitudes": noise}, inputs), "next_state": state}

    def _corrected(self, controls: Arrays, inputs: Arrays) -> Arrays:
        if not self._header["level"]["limit_db"]:
            return controls
        framed = {name: values.astype(np.float32)[None, None] for name, values in controls.items()}
        f0_hz, loudness_db = (inputs[name].reshape(1, 1, 1) for name in ("f0_hz", "loudness_db"))
        found = self._corrected_frame(framed, f0_hz, loudness_db, self._header["loudness"])
        return {name: np.asarray(values)[0, 0] for name, values in found.items()}

    def _dense(self, name: str, x: FloatArray) -> FloatArray:
        product: FloatArray = self._arrays[f"{name}.weights"] @ x + self._arrays[f"{name}.bias"]
        return product

    def _stack(self, name: str, layers: int, x: FloatArray) -> FloatArray:
        for number in range(layers):
            x = self._dense(f"{name}.{number}", x)
            x = (x - x.mean()) / np.sqrt(x.var() + np.float32(self._header["epsilon"]))
            x = x * self._arrays[f"{name}.{number}.gamma"] + self._arrays[f"{name}.{number}.beta"]
            x = np.maximum(x, np.float32(_NEGATIVE_SLOPE) * x)
        return x

    def _gru(self, x: FloatArray, state: FloatArray) -> FloatArray:
        x_z, x_r, x_c = np.split(self._dense("gru.input", x), 3)
        m_z, m_r, m_c = np.split(self._dense("gru.state", state), 3)
        z, r = _sigmoid(x_z + m_z), _sigmoid(x_r + m_r)
        return z * state + (1 - z) * np.tanh(x_c + r * m_c)


def _sigmoid(x: FloatArray) -> FloatArray:
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)


def _levels(x: FloatArray, scale: dict[str, float] | None) -> FloatArray:
    if scale is None:
        return x
    powers = _sigmoid(x + np.float32(scale["bias"])) ** np.float32(np.log(scale["exponent"]))
    return np.float32(scale["max_value"]) * powers + np.float32(scale["threshold"])


def _harmonic(amps: FloatArray, distribution: FloatArray, f0_hz: float, tone: dict[str, Any]) -> Arrays:
    shares = _levels(distribution, tone["amplitude"])
    if tone["below_nyquist"]:
        shares = np.where(np.arange(1, len(shares) + 1) * f0_hz < SAMPLE_RATE_HZ / 2, shares, 0)
    return {
        "amplitudes": _levels(amps, tone["amplitude"]),
        "harmonic_distribution": shares / np.float32(shares.sum() or 1e-7),
    }


def _wavetable(amps: FloatArray, tables: FloatArray, f0_hz: float, tone: dict[str, Any]) -> Arrays:
    if tone["table"] == "dictionary":
        tables = _mixed(tables, f0_hz, tone)
    elif tone["table"] == "unit":
        centred = tables - tables.mean()
        tables = centred / np.sqrt((centred**2).mean() + np.float32(SMALLEST_POWER))
    return {"amplitudes": _levels(amps, tone["amplitude"]), "wavetables": tables}


def _mixed(outputs: FloatArray, f0_hz: float, tone: dict[str, Any]) -> FloatArray:
    """Returns one period of the mixture of a dictionary's tables; see synths.dictionary.mixed."""
    weights, count = np.exp(outputs - outputs.max()), tone["partials"]
    parts = [tone[f"dictionary.{name}"].reshape(-1, count) for name in ("sines", "cosines")]
    audible = np.arange(1, count + 1) * f0_hz < SAMPLE_RATE_HZ / 2
    mixture = np.concatenate([audible * (weights / weights.sum() @ part) for part in parts])
    unit = mixture / np.sqrt(np.sum(mixture**2) / 2 + SMALLEST_MIXTURE_POWER)
    mixed: FloatArray = (unit @ to_points(2 * count + 2)).astype(np.float32)
    return mixed


def _sinusoidal(amps: FloatArray, frequencies: FloatArray, f0_hz: float, tone: dict[str, Any]) -> Arrays:
    pitch_hz = max(f0_hz, _LOWEST_F0_HZ)
    hz = _free_frequencies(frequencies, pitch_hz, tone["frequency"])
    if tone["pull"] or tone["fade"]:
        number = np.maximum(np.round(hz / pitch_hz), 1)
        offset = hz / pitch_hz - number
        distance = 2 * np.abs(offset)
        hz = pitch_hz * (
            number + offset * (1 - tone["pull"] + tone["pull"] * np.minimum(distance, 1) ** tone["pull_power"])
        )
        amps = amps - np.float32(tone["fade"]) * (distance**2).astype(np.float32)
    levels = np.where(hz < SAMPLE_RATE_HZ / 2, _levels(amps, tone["amplitude"]), 0)
    return {"amplitudes": levels, "frequencies": hz.astype(np.float32)}


def _free_frequencies(outputs: FloatArray, pitch_hz: float, frequency: dict[str, Any]) -> npt.NDArray[np.float64]:
    """Returns frequencies near the multiples of the pitch, or in critical bands."""
    if "reach" in frequency:
        multiples: npt.NDArray[np.float64] = np.arange(1, len(outputs) + 1) + frequency["reach"] * np.tanh(outputs)
        return pitch_hz * multiples
    weights = float(frequency["depth_scale"]) ** -np.arange(frequency["depth"])
    modifier = (np.tanh(outputs.reshape(-1, frequency["depth"])) * weights).sum(axis=1)
    free_hz = np.array(frequency["centre_hz"]) + np.array(frequency["width_hz"]) * modifier
    low, high = frequency["hz_min"], frequency["hz_max"]
    limited: npt.NDArray[np.float64] = np.logaddexp(0, free_hz) + low - np.logaddexp(0, free_hz - (high - low))
    return limited


_TONES: dict[str, Callable[..., Arrays]] = {"harmonic": _harmonic, "wavetable": _wavetable, "sinusoidal": _sinusoidal}
