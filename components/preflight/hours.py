"""The GPU-hours that a run will need: its trainings times the steps of the preset, by measured rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from components.config.presets import Preset, read_preset
from components.config.rates import known_devices, rate_of
from components.core.text import counted
from components.preflight.finding import Finding, Status

_S_PER_HOUR = 3600.0


def gpu_hours(
    device: str, preset: Preset, synths: Sequence[str], families: int, gpus: int
) -> tuple[float, bool] | None:
    """Returns the GPU-hours of a run that trains all its steps, and whether they are less with today's code.

    Args:
        device: The model of the GPU.
        preset: The preset.
        synths: The synths of each family.
        families: Number of families.
        gpus: GPUs of each training.

    Returns:
        None where the rate of a synth on that GPU is not known.
    """
    rates = [rate_of(device, preset.name, synth) for synth in synths]
    if any(rate is None for rate in rates):
        return None
    known = [rate for rate in rates if rate is not None]
    seconds = sum(preset.steps / rate.steps_per_s for rate in known) * families
    return seconds * gpus / _S_PER_HOUR, any(rate.is_lowest for rate in known)


def check_hours(
    preset_name: str, bindings: Sequence[str], synths: Sequence[str], families: int, gpus: int, devices: Sequence[str]
) -> Iterator[Finding]:
    """Says what to expect.

    Args:
        preset_name: The preset.
        bindings: Gin bindings on top of it.
        synths: The synths of each family.
        families: Number of families.
        gpus: GPUs of each training; 0: the CPU.
        devices: The models of GPUs in the cluster; none if unknown.

    Raises:
        InputError: There is no such preset, or a binding is wrong.
    """
    preset, trainings = read_preset(preset_name, bindings), families * len(synths)
    what = f"{counted(trainings, 'training')} of at most {counted(preset.steps, 'step')}"
    if gpus == 0:
        yield Finding("gpu-hours", Status.OK, f"none: {what} on the CPU")
        return
    if not _has_the_same_steps(preset, bindings):
        text = f"not known: {what}; the bindings change what a step computes, so that the measured rates do not hold"
        yield Finding("gpu-hours", Status.NOTE, text)
        return
    known = [(device, found) for device in devices if (found := gpu_hours(device, preset, synths, families, gpus))]
    for device, (hours, is_less) in known:
        yield Finding("gpu-hours", Status.OK, f"{_number(hours, is_less)} on {device}: {what}")
    if not known:
        model = " and ".join(devices) if devices else "the cluster's GPUs, whose model no node names,"
        others = [
            f"on {device} {_number(*found)}"
            for device in known_devices(preset_name)
            if (found := gpu_hours(device, preset, synths, families, gpus))
        ]
        elsewhere = f"; {', '.join(others)}" if others else ""
        yield Finding("gpu-hours", Status.NOTE, f"the rate of {model} is not known: {what}{elsewhere}")


def _number(hours: float, is_less: bool) -> str:
    return f"{'at most' if is_less else 'about'} {hours:.1f}"


def _has_the_same_steps(preset: Preset, bindings: Sequence[str]) -> bool:
    plain = read_preset(preset.name)
    same = replace(plain, steps=preset.steps, patience=preset.patience) == preset
    return same and not any("precision" in binding or "tf32" in binding for binding in bindings)
