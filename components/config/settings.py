"""The settings of a training, `train.<name>` in gin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import gin

from components.config.catalog import gin_files
from components.config.domains import Flag, OneOf, Real, Whole, shown
from components.config.gin_text import Binding, GinSyntaxError, parse
from components.core.errors import InputError
from components.nsynth.note import HOP_SAMPLES, NOTE_SAMPLES

_SHORTEST_CROP = 2_048  # the longest window of the spectral loss
PRECISIONS = ("float32", "bfloat16", "float16")
INITIAL_WEIGHTS = RANDOM, PRETRAINED = ("random", "pretrained")
STOP_SETTINGS = ("max_steps", "max_minutes", "patience", "min_improvement")
"""The settings that decide only when a training stops: with other ones it is the same training, and may go on."""
_STEPS = Whole(1, 100_000_000)


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained.

    Attributes:
        max_steps: The training stops after this many gradient steps.
        max_minutes: The training stops after this many minutes, restarts not counted; 0: no limit.
        batch_size: Examples in a step.
        crop_samples: Length of an example, cut at random from a note of 64,000 samples; a multiple of 64.
        augment_semitones: Examples are played higher or lower by up to this many semitones, at random, with their pitch
            and loudness; 0, or one note: as they are. For few recordings; see docs/sound.md.
        augment_gain_db: And louder or softer by up to this many dB, though never beyond full scale.
        learning_rate: Of Adam, at the first step.
        decay_rate: The learning rate is multiplied by this over every `decay_steps` steps, smoothly.
        decay_steps: See `decay_rate`.
        weight_average: Validations and the model take an exponential moving average of the weights: the share of the
            average before that stays at every step, 0.98 for about fifty steps; 0: the newest weights.
        grad_clip_norm: Longest gradient, over all variables together; a longer one is shortened to it.
        divergence_factor: The training has diverged where the loss is this many times that of the first steps or of
            the validation before them, or a validation loss this many times the best. It then returns to a checkpoint
            and halves the learning rate.
        log_every_steps: Steps between two points of the curves; between them the loss stays on the device.
        eval_every_steps: Steps between two validations.
        valid_notes: Most notes of a validation, spread over the valid split.
        sound_every_steps: TensorBoard gets a held-out note at validations whose step is a multiple of this.
        memory_mb: Notes are kept in memory up to this many megabytes, and beyond in memory-mapped files.
        checkpoint_every_s: Seconds between two checkpoints.
        patience: The training stops after this many validations without an improvement; 0: never.
        min_improvement: A validation loss is an improvement if it is below the best by at least this share of it.
        initial_weights: "random", or "pretrained": those of a network that has learned many instruments, where the
            preset comes with one; see docs/sound.md. A warm start goes before both.
        seed: Determines random initial weights, the order of the notes, the crops and the noise.
        precision: Type in which the network's dense layers and its GRU compute: float32, or a shorter one that a GPU
            computes faster, bfloat16 or float16 (with loss scaling, Micikevicius et al. 2018). Weights, phases and the
            loss are float32 in any case.
        tf32: Whether a GPU may multiply float32 matrices with the 10 bits of TF32, as TensorFlow does by default.
            Phases are never computed so.
    """

    max_steps: Annotated[int, _STEPS] = 30_000
    max_minutes: Annotated[float, Real(0, 1e7)] = 0.0
    batch_size: Annotated[int, Whole(1, 4_096)] = 16
    crop_samples: Annotated[int, Whole(_SHORTEST_CROP, NOTE_SAMPLES, HOP_SAMPLES)] = 64_000
    augment_semitones: Annotated[float, Real(0, 12)] = 0.0
    augment_gain_db: Annotated[float, Real(0, 60)] = 0.0
    learning_rate: Annotated[float, Real(0, 10, above=True)] = 3e-4
    decay_rate: Annotated[float, Real(0, 2, above=True)] = 0.98
    decay_steps: Annotated[int, _STEPS] = 10_000
    weight_average: Annotated[float, Real(0, 0.99999)] = 0.0
    grad_clip_norm: Annotated[float, Real(0, 1e9, above=True)] = 3.0
    divergence_factor: Annotated[float, Real(0, 1e9, above=True)] = 4.0
    log_every_steps: Annotated[int, _STEPS] = 10
    eval_every_steps: Annotated[int, _STEPS] = 300
    valid_notes: Annotated[int, Whole(1, 1_000_000)] = 64
    sound_every_steps: Annotated[int, _STEPS] = 1500
    memory_mb: Annotated[float, Real(0, 1e8)] = 4000.0
    checkpoint_every_s: Annotated[float, Real(0, 1e7)] = 300.0
    patience: Annotated[int, Whole(0, 100_000_000)] = 0
    min_improvement: Annotated[float, Real(0, 1)] = 0.001
    initial_weights: Annotated[str, OneOf(INITIAL_WEIGHTS)] = RANDOM
    seed: Annotated[int, Whole(0, 2**32 - 1)] = 0
    precision: Annotated[str, OneOf(PRECISIONS)] = "float32"
    tf32: Annotated[bool, Flag()] = True


def train_settings() -> TrainSettings:
    """Returns the settings of gin's current configuration.

    Raises:
        InputError: A setting is out of range.
    """
    settings: TrainSettings = gin.get_configurable("train")()
    hints = get_type_hints(TrainSettings, include_extras=True)
    for field in fields(settings):
        value, domain = getattr(settings, field.name), hints[field.name].__metadata__[0]
        if not domain.accepts(value):
            raise InputError(f"train.{field.name} is {shown(value)}: expected {domain.expected}")
    return settings


def stop_settings(synth: str, preset: str, bindings: Iterable[str]) -> dict[str, Any]:
    """Returns the values of STOP_SETTINGS in a preset with bindings on top, without gin's global configuration."""
    defaults = TrainSettings()
    found = {name: getattr(defaults, name) for name in STOP_SETTINGS}
    for text in (*(path.read_text() for path in gin_files(synth, preset)), *bindings):
        found |= {each.parameter: each.value for each in _parsed(text) if _is_stop(each)}
    return found


def without_stop(bindings: Iterable[str]) -> tuple[str, ...]:
    """Returns the bindings other than those of STOP_SETTINGS: those that the numbers of a training depend on."""
    return tuple(text for text in bindings if not any(map(_is_stop, _parsed(text))))


def _parsed(binding: str) -> tuple[Binding, ...]:
    try:
        return parse(binding).bindings
    except GinSyntaxError:  # in a record that was changed by hand
        return ()


def _is_stop(binding: Binding) -> bool:
    return (binding.scope, binding.configurable) == ("", "train") and binding.parameter in STOP_SETTINGS


def _register(name: str, cls: Any) -> None:
    """Makes a class configurable in gin by a name without a module.

    gin's full names begin with a module's. ddsp has a ddsp.training.train_util.train, so `train` would be ambiguous;
    without a module the full name is `train`, which takes precedence over the last part of another full name.
    """
    module, cls.__module__ = cls.__module__, None
    gin.external_configurable(cls, name)
    cls.__module__ = module


_register("train", TrainSettings)
