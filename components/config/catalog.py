"""The names of synths and presets, their gin files, and the words about them in help texts."""

from __future__ import annotations

from pathlib import Path

from components.core.errors import InputError, nearest

SYNTHS = ("harmonic", "sinusoidal", "wavetable")
_PURPOSES = {
    "smoke": "a quick trial, under a minute on a laptop",
    "seed": "a small network for few recordings",
    "standard": "ddsp's solo instrument, for a GPU",
    "room": "a small network with a reverb, for own recordings",
    "vst": "for the plugin DDSP-VST",
}
PRESETS = tuple(_PURPOSES)
_GIN = Path(__file__).parent / "gin"
GATE_GIN = _GIN / "gate.gin"


def synth_help() -> str:
    """Returns the names of the synths for a help text: "harmonic, sinusoidal or wavetable"."""
    return f"{', '.join(SYNTHS[:-1])} or {SYNTHS[-1]}"


def preset_help() -> str:
    """Returns the names of the presets, each with its purpose, for a help text: "smoke (a quick trial ...), ..."."""
    return ", ".join(f"{name} ({purpose})" for name, purpose in _PURPOSES.items())


def purpose_of(preset: str) -> str:
    """Returns what a preset is for."""
    return _PURPOSES[check_preset(preset)]


def check_synth(name: str) -> str:
    """Returns `name`.

    Raises:
        InputError: There is no such synth; the message offers the nearest names.
    """
    if name not in SYNTHS:
        raise InputError(f"there is no synth '{name}': {nearest(name, SYNTHS)}")
    return name


def check_preset(name: str) -> str:
    """Returns `name`.

    Raises:
        InputError: There is no such preset; the message offers the nearest names.
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset '{name}': {nearest(name, PRESETS)}")
    return name


def gin_files(synth: str, preset: str) -> list[Path]:
    """Returns the gin files of a model in the order of parsing: base.gin, the file of the synth, that of the preset.

    Raises:
        InputError: There is no such synth or preset.
    """
    return [
        _GIN / "base.gin",
        _GIN / f"{check_synth(synth)}.gin",
        _GIN / "presets" / f"{check_preset(preset)}.gin",
    ]


def all_gin_files() -> list[Path]:
    """Returns every gin file of this package, sorted. Together they name all configurables that users may bind."""
    return sorted(_GIN.rglob("*.gin"))
