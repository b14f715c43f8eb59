"""`luthier presets`."""

from __future__ import annotations

from dataclasses import asdict

import click

from components.config.catalog import PRESETS, SYNTHS
from components.config.presets import Preset, read_preset
from components.config.rates import TWO_CORES, rate_of
from components.core.table import as_json as json_of
from components.core.table import table
from components.nsynth.note import SAMPLE_RATE_HZ

_DEVICES = {"2 cores": TWO_CORES, "H100": "H100"}


@click.command("presets")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the presets: steps, batch, network, and how long a training takes at most.

    A time is that of all steps, without start and validations, of the slowest synth whose rate was measured; "-" where
    none was (docs/performance.md). `luthier doctor` adds up the GPU-hours of a whole run.
    """
    presets = [read_preset(name) for name in PRESETS]
    if as_json:
        click.echo(json_of([{**asdict(each), "seconds": _seconds(each)} for each in presets]))
        return
    rows = [("PRESET", "STEPS", "BATCH", "EXAMPLE", "NETWORK", *(name.upper() for name in _DEVICES), "FOR")]
    for each in presets:
        seconds = _seconds(each)
        times = (_time(max(seconds[name].values(), default=None)) for name in _DEVICES)
        network = f"GRU {each.gru_units}, {each.dense_layers} x {each.dense_units} a stack"
        example = f"{each.crop_samples / SAMPLE_RATE_HZ:.2g} s"
        rows.append((each.name, f"{each.steps:,}", str(each.batch_size), example, network, *times, each.purpose))
    click.echo(table(rows))


def _seconds(preset: Preset) -> dict[str, dict[str, float]]:
    """Returns how long a training of all steps takes, by device and synth, where a rate was measured."""
    return {
        name: {
            synth: round(preset.steps / rate.steps_per_s, 1)
            for synth in SYNTHS
            if (rate := rate_of(device, preset.name, synth))
        }
        for name, device in _DEVICES.items()
    }


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
