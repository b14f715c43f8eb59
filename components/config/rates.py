"""Measured speed of trainings: gradient steps per second, by device, preset and synth (docs/performance.md)."""

from __future__ import annotations

from dataclasses import dataclass

TWO_CORES = "2 CPU cores"
"""The device of measurements without a GPU."""


@dataclass(frozen=True)
class Rate:
    """One measurement.

    Attributes:
        steps_per_s: Gradient steps of one training in a second.
        is_lowest: Whether a training of today is faster: it was measured before the code became faster.
    """

    steps_per_s: float
    is_lowest: bool = False


# By part of the device's name. With the batch and the crop of the preset.
_RATES: dict[tuple[str, str], dict[str, Rate]] = {
    ("H100", "standard"): {
        "harmonic": Rate(27.6, is_lowest=True),
        "wavetable": Rate(19.9, is_lowest=True),
        "sinusoidal": Rate(17.2, is_lowest=True),
    },
    (TWO_CORES, "seed"): {"harmonic": Rate(14.8), "wavetable": Rate(15.5), "sinusoidal": Rate(12.1)},
    (TWO_CORES, "smoke"): {"harmonic": Rate(152.0)},
}


def rate_of(device: str, preset: str, synth: str) -> Rate | None:
    """Returns the measured rate; None where there is none.

    Args:
        device: Name of a GPU, as a node's label or NVIDIA has it ("NVIDIA-H100-80GB-HBM3"), or TWO_CORES.
        preset: The preset. A binding of the batch, the crop or the network makes its rate invalid.
        synth: The synth.
    """
    for (part, measured_preset), rates in _RATES.items():
        if part in device and measured_preset == preset:
            return rates.get(synth)
    return None


def known_devices(preset: str) -> list[str]:
    """Returns the devices for which there is a rate of a preset."""
    return [part for part, measured_preset in _RATES if measured_preset == preset]
