"""What a preset trains: its steps, batch and network, from its gin files alone, with the user's bindings on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.config.bindings import read_binding
from components.config.catalog import SYNTHS, check_preset, gin_files, purpose_of
from components.config.gin_text import Binding, parse
from components.core.errors import InputError


@dataclass(frozen=True)
class Preset:
    """A preset in numbers.

    Attributes:
        name: Its name.
        purpose: What it is for.
        steps: Most gradient steps; a training may stop earlier (train.patience, train.max_minutes).
        batch_size: Examples in a step.
        crop_samples: Samples of an example, at 16 kHz.
        gru_units: Units of the recurrent layer.
        dense_units: Units of the dense layers.
        dense_layers: Dense layers in each stack.
        patience: Validations without an improvement after which a training stops; 0: never.
    """

    name: str
    purpose: str
    steps: int
    batch_size: int
    crop_samples: int
    gru_units: int
    dense_units: int
    dense_layers: int
    patience: int


def read_preset(name: str, bindings: Sequence[str] = ()) -> Preset:
    """Returns a preset, without starting TensorFlow.

    Args:
        name: The preset.
        bindings: Gin bindings on top of it.

    Raises:
        InputError: There is no such preset, a binding is refused, or a number is none.
    """
    check_preset(name)
    found: list[Binding] = [each for path in gin_files(SYNTHS[0], name) for each in parse(path.read_text()).bindings]
    found += [read_binding(binding) for binding in bindings]
    values: dict[str, Any] = {each.name.removeprefix("luthier."): each.value for each in found}

    def number(setting: str) -> int:
        value = values.get(setting)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{setting} is {value!r}: expected a whole number")
        return value

    return Preset(
        name=name,
        purpose=purpose_of(name),
        steps=number("train.max_steps"),
        batch_size=number("train.batch_size"),
        crop_samples=number("train.crop_samples"),
        gru_units=number("RnnFcDecoder.rnn_channels"),
        dense_units=number("RnnFcDecoder.ch"),
        dense_layers=number("RnnFcDecoder.layers_per_stack"),
        patience=number("train.patience"),
    )
