"""Weights that a training begins with: of networks that have learned many instruments, for presets of small networks.

Each file has the arrays of one synth with the network of one preset, in half precision. README.md beside them says how
they were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.nsynth.note import FloatArray

PRESETS = ("seed", "smoke")
"""Those that come with weights."""
_FOLDER = Path(__file__).parent
_OF_THE_TRAINING = ("train.", "SpectralLoss.", "luthier.SpectralLoss.")


def other_network(bindings: Sequence[str]) -> str:
    """Returns the first gin binding that may make another network or synthesizer of a preset; "" if none does."""
    return next((text for text in bindings if not text.lstrip().startswith(_OF_THE_TRAINING)), "")


def load(preset: str, synth: str) -> list[FloatArray]:
    """Returns the weights of one of PRESETS, in the order of the model's `get_weights`."""
    with np.load(file_of(preset, synth), allow_pickle=False) as file:
        return [file[f"arr_{index}"].astype(np.float32) for index in range(len(file.files))]


def save(preset: str, synth: str, weights: Sequence[FloatArray]) -> Path:
    """Writes weights, and returns the path of the file."""
    path = file_of(preset, synth)
    np.savez_compressed(path, *(array.astype(np.float16) for array in weights))
    return path


def file_of(preset: str, synth: str) -> Path:
    """Returns the path of the weights of a preset and a synth."""
    return _FOLDER / f"{preset}-{synth}.npz"
