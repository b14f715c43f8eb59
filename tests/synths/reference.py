"""The formulas of the layers in numpy, float64, with their gradients, as plainly as can be."""

from __future__ import annotations

from typing import Any

import numpy as np

RATE_HZ = 16_000


def close(found: Any, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    """Asserts that `found` differs from `expected` by no more than a share of its largest value."""
    assert tuple(found.shape) == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(np.abs(expected).max(), 1e-6))


def with_gradient(function: Any, upstream: Any, *inputs: np.ndarray) -> list[np.ndarray]:
    """Returns the function's output and the gradients by its inputs (nan where there is none), as one graph.

    A GPU multiplies in float32 here, not in TF32 with its 10 bits.
    """
    from components.synths.ddsp_imports import tf

    def traced(upstream: Any, *inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = function(*inputs)
        slopes = tape.gradient(output, inputs, upstream)
        return [output, *(tf.constant(np.nan) if slope is None else slope for slope in slopes)]

    tensors = [tf.constant(values, tf.float32) for values in (upstream, *inputs)]
    tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        return [values.numpy() for values in tf.function(traced, autograph=False)(*tensors)]
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(tf32)


def following(values: np.ndarray) -> np.ndarray:
    """Each frame's next one, the last one held; [batch, frames, channels]."""
    return np.concatenate([values[:, 1:], values[:, -1:]], axis=1)


def spread(values: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """[batch, frames, channels] -> [batch, frames * hop, channels]: from frame to frame along `rise`, [hop]."""
    values = values.astype(np.float64)
    batch, _, channels = values.shape
    both = values[:, :, None] * (1 - rise[:, None]) + following(values)[:, :, None] * rise[:, None]
    return both.reshape(batch, -1, channels)


def gathered(slopes: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """The transpose of `spread`."""
    batch, samples, channels = slopes.shape
    framed = slopes.reshape(batch, samples // len(rise), len(rise), channels)
    own, later = (framed * (1 - rise[:, None])).sum(axis=2), (framed * rise[:, None]).sum(axis=2)
    own[:, 1:] += later[:, :-1]
    own[:, -1] += later[:, -1]
    return own


def hann(hop: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(hop) / hop)


def line(hop: int) -> np.ndarray:
    return np.arange(hop) / hop


def sinusoids(amplitudes: np.ndarray, frequencies_hz: np.ndarray, upstream: np.ndarray, hop: int) -> list[np.ndarray]:
    """Audio, and the gradients by amplitudes and frequencies."""
    envelopes, hz = spread(amplitudes, hann(hop)), spread(frequencies_hz, line(hop))
    audible = hz < RATE_HZ / 2
    phases = 2 * np.pi * np.cumsum(hz / RATE_HZ, axis=1)
    heard = upstream[:, :, None] * audible
    by_phase = heard * envelopes * np.cos(phases) * 2 * np.pi / RATE_HZ
    by_hz = np.cumsum(by_phase[:, ::-1], axis=1)[:, ::-1]
    return [
        (audible * envelopes * np.sin(phases)).sum(axis=2),
        gathered(heard * np.sin(phases), hann(hop)),
        gathered(by_hz, line(hop)),
    ]


def wavetable(
    amplitudes: np.ndarray, tables: np.ndarray, f0_hz: np.ndarray, upstream: np.ndarray, hop: int
) -> list[np.ndarray]:
    """Audio, and the gradients by amplitudes and tables."""
    hz, envelopes = spread(f0_hz, line(hop))[:, :, 0], spread(amplitudes, hann(hop))[:, :, 0]
    points = tables.shape[2]
    place = (np.cumsum(hz / RATE_HZ, axis=1) - hz / RATE_HZ) % 1.0 * points
    distance = np.abs(place[:, :, None] - np.arange(points))
    weights = np.maximum(1 - np.minimum(distance, points - distance), 0)
    read = (weights * spread(tables, line(hop))).sum(axis=2)
    by_tables = gathered((upstream * envelopes)[:, :, None] * weights, line(hop))
    return [read * envelopes, gathered((upstream * read)[:, :, None], hann(hop)), by_tables]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def gru(
    inputs: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, upstream: np.ndarray
) -> list[np.ndarray]:
    """States [steps, batch, units], and the gradients by the four inputs, step by step."""
    steps, batch, _ = inputs.shape
    units = recurrent.shape[0]
    state, states, saved = np.zeros((batch, units)), [], []
    for x in inputs:
        (xz, xr, xc), (mz, mr, mc) = (
            np.split(v, 3, axis=1) for v in (x @ kernel + bias[0], state @ recurrent + bias[1])
        )
        z, r = _sigmoid(xz + mz), _sigmoid(xr + mr)
        c = np.tanh(xc + r * mc)
        saved.append((x, state, z, r, c, mc))
        state = z * state + (1 - z) * c
        states.append(state)
    slopes = [np.zeros(v.shape) for v in (inputs, kernel, recurrent, bias)]
    carried = np.zeros((batch, units))
    for t in reversed(range(steps)):
        x, before, z, r, c, mc = saved[t]
        slope = upstream[t] + carried
        by_c = slope * (1 - z) * (1 - c**2)
        by_z, by_r = slope * (before - c) * z * (1 - z), by_c * mc * r * (1 - r)
        by_x, by_m = np.concatenate([by_z, by_r, by_c], 1), np.concatenate([by_z, by_r, by_c * r], 1)
        carried = slope * z + by_m @ recurrent.T
        slopes[0][t] = by_x @ kernel.T
        slopes[1] += x.T @ by_x
        slopes[2] += before.T @ by_m
        slopes[3] += np.stack([by_x.sum(axis=0), by_m.sum(axis=0)])
    return [np.stack(states), *slopes]


def spectral_loss(audio: np.ndarray, reference: np.ndarray) -> float:
    """The multi-scale spectral loss of one sound, [samples]."""
    total = 0.0
    for size in (2048, 1024, 512, 256, 128, 64):
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        hop, count = size // 4, -(-len(audio) // (size // 4))
        magnitudes = []
        for sound in (audio, reference):
            padded = np.pad(sound.astype(np.float64), (0, size))
            frames = np.stack([padded[i * hop : i * hop + size] for i in range(count)])
            magnitudes.append(np.abs(np.fft.rfft(frames * window)))
        total += np.abs(magnitudes[0] - magnitudes[1]).mean()
        total += np.abs(np.log(magnitudes[0]) - np.log(magnitudes[1])).mean()
    return total
