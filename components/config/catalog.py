"""What can be built: the synthesizers and presets by name, and the gin files that describe them. No TensorFlow here."""

from __future__ import annotations

from pathlib import Path

from components.core.errors import InputError, nearest

SYNTHS = ("harmonic", "sinusoidal", "wavetable")
PRESETS = ("smoke", "seed", "standard", "vst")
_GIN = Path(__file__).parent / "gin"
GATE_GIN = _GIN / "gate.gin"


def check_synth(name: str) -> str:
    """Returns `name`.

    Raises:
        InputError: There is no such synthesizer; the nearest names are offered.
    """
    if name not in SYNTHS:
        raise InputError(f"there is no synth '{name}': {nearest(name, SYNTHS)}")
    return name


def check_preset(name: str) -> str:
    """Returns `name`.

    Raises:
        InputError: There is no such preset; the nearest names are offered.
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset '{name}': {nearest(name, PRESETS)}")
    return name


def synth_help() -> str:
    """Returns the names of the synthesizers for a help text: "harmonic, sinusoidal or wavetable"."""
    return _alternatives(SYNTHS)


def preset_help() -> str:
    """Returns the names of the presets for a help text: "smoke, seed, standard or vst"."""
    return _alternatives(PRESETS)


def gin_files(synth: str, preset: str) -> list[Path]:
    """Returns the gin files of a model in the order to parse them: what all share, the synthesizer, the preset.

    Raises:
        InputError: There is no such synthesizer or preset.
    """
    return [
        _GIN / "base.gin",
        _GIN / f"{check_synth(synth)}.gin",
        _GIN / "presets" / f"{check_preset(preset)}.gin",
    ]


def all_gin_files() -> list[Path]:
    """Returns every gin file of this package, sorted: together they name all that a binding from outside may set."""
    return sorted(_GIN.rglob("*.gin"))


def _alternatives(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
