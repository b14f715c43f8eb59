"""The description of an export: instrument.json for programs, README.md with a runnable example for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from components.export.formats import WRITERS
from components.export.graphs import Graphs
from components.nsynth.note import SAMPLE_RATE_HZ

README_NAME = "README.md"
IMPULSE_RESPONSE_NAME = "impulse-response.wav"
"""Of the room of a model with a reverb: the direct sound, 1, and what follows it. 32-bit float at 16 kHz."""

_TEMPLATES = Path(__file__).parent / "templates"
_MEANINGS = {
    "f0_hz": ("Hz", "pitch, above 0; in silence, hold the last pitch"),
    "loudness_db": ("dB", "loudness by the definition below, from -80 (silence) to about 5"),
    "f0_scaled": ("", "pitch: its fractional MIDI number, divided by 127"),
    "pw_scaled": ("", "power in dB, divided by 80, plus 1: 0 is silence, 1 is 0 dB"),
    "state": ("", "state of the network; zeros at the start, then the last next_state"),
    "next_state": ("", "state for the next frame"),
    "amplitudes": ("linear", "amplitude of the tone, or of each sinusoid"),
    "harmonic_distribution": ("share", "share of each harmonic 1, 2, 3 ... of the pitch; the sum is 1"),
    "frequencies": ("Hz", "frequency of each sinusoid"),
    "wavetables": ("linear", "one period of the waveform from phase 0 on, with mean 0 and RMS about 1"),
    "noise_magnitudes": ("linear", f"magnitudes of the noise filter, evenly spaced from 0 to {SAMPLE_RATE_HZ // 2} Hz"),
}


def describe(graphs: Graphs, format_name: str, error: float) -> dict[str, Any]:
    """Returns the description of an export: the model card, the inputs and outputs with shapes and units."""
    chosen = WRITERS[format_name]
    inputs, outputs = chosen.tensors(graphs)
    room = {} if graphs.instrument.impulse_response is None else {"impulse_response": IMPULSE_RESPONSE_NAME}
    return {
        **{key: value for key, value in graphs.card.as_dict().items() if key != "crc32c"},
        "loudness": graphs.instrument.loudness_definition,
        "format": format_name,
        "file": chosen.name_for(graphs),
        "runtime": chosen.runtime,
        "frame_rate_hz": graphs.frame_rate_hz,
        "hop_samples": SAMPLE_RATE_HZ // graphs.frame_rate_hz,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "largest_error": error,
        **room,
        **({"band_limited": True} if graphs.is_band_limited else {}),
        "inputs": {name: _tensor(name, shape) for name, shape in inputs.items()},
        "outputs": {name: _tensor(name, shape) for name, shape in outputs.items()},
    }


def _tensor(name: str, shape: list[int]) -> dict[str, Any]:
    unit, meaning = _MEANINGS[name]
    return {"shape": shape, "dtype": "float32", "unit": unit, "meaning": meaning}


def environment() -> jinja2.Environment:
    """Returns the environment of the README templates."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def write_readme(path: Path, description: dict[str, Any], format_name: str) -> None:
    """Writes README.md."""
    values = {
        "impulse_response": "",
        "band_limited": False,
        **description,
        "format": format_name,
        "units": description["inputs"]["state"]["shape"][0],
    }
    path.write_text(environment().get_template("README.md").render(values), encoding="utf-8")
