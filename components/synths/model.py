"""Builds a model from gin and runs it: the one place that knows how ddsp's autoencoder wants to be held."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from components.config import settings  # noqa: F401 (they register what the gin files name)
from components.config.bindings import check_bindings, with_our_layers
from components.config.catalog import gin_files
from components.core.errors import InputError, nearest
from components.nsynth.note import HOP_SAMPLES
from components.synths import decoder, layers, losses, preprocessor  # noqa: F401 (they register what the gin files name)
from components.synths.ddsp_imports import gin, models, tf

_BUILD_FRAMES = 8  # of the network; any number will do


def config_text(synth: str, preset: str, bindings: Iterable[str] = ()) -> str:
    """Returns the gin configuration of a model: the package's files and, last, the bindings from outside.

    Raises:
        InputError: An unknown synth or preset, or a binding that is refused.
    """
    extra = list(bindings)
    check_bindings(extra)
    return "\n".join([*(path.read_text() for path in gin_files(synth, preset)), *map(with_our_layers, extra)])


@contextmanager
def configured(text: str) -> Iterator[None]:
    """Makes `text` gin's only configuration inside the block, and leaves none behind.

    gin's configuration is global, and its functions read it when they are called: build and call models in here.

    Raises:
        InputError: gin does not accept the text, for instance a parameter that does not exist.
    """
    with gin.unlock_config():
        gin.clear_config()
        try:
            try:
                gin.parse_config(text)
            except (ValueError, SyntaxError) as error:
                raise InputError(f"the gin configuration is not accepted: {_explained(error)}") from error
            yield
        finally:
            gin.clear_config()


def _first_line(error: Exception) -> str:
    """Returns what the exception says, without the places that gin and Keras put around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    around = ("Exception encountered when calling layer", "Call arguments received", "•")
    said = [line for line in lines if not line.startswith(around)]
    return " ".join((said or lines or [""])[0].split()).rstrip(".")


def _explained(error: Exception) -> str:
    """Returns gin's complaint; where it is a parameter that does not exist, with those that do."""
    complaint = _first_line(error)
    wrong = re.match(r"Configurable '(.+)' doesn't have a parameter named '(.+)'", complaint)
    if not wrong:
        return complaint
    configurable = gin.get_configurable(wrong[1])
    function = configurable.__init__ if inspect.isclass(configurable) else configurable
    there = [name for name in inspect.signature(function).parameters if name not in ("self", "args", "kwargs")]
    return f"{wrong[1]} has no parameter '{wrong[2]}'; {nearest(wrong[2], there)}"


def build(precision: str = "float32") -> models.Autoencoder:
    """Returns the configured model with its variables made, tried once, losses and all. Call it inside `configured`.

    Args:
        precision: What the decoder computes in; see decoder.computing_in.

    Raises:
        InputError: The configured values do not make a model.
    """
    with _building(), decoder.computing_in(precision):
        model = models.Autoencoder()
        frames = _BUILD_FRAMES * preprocessor.stride_of(model.preprocessor)
        set_frames(model, frames)
        zeros = tf.zeros([1, frames, 1])
        model({**inputs(zeros, zeros), "audio": tf.zeros([1, frames * HOP_SAMPLES])}, training=True)
    return model


def loudness_definition(crop_samples: int) -> str:
    """Returns which loudness the configured model is to be trained with. Call it inside `configured`.

    Args:
        crop_samples: Length of what it is to be trained on.

    Raises:
        InputError: That is not a whole number of the network's frames, or the values make no preprocessor.
    """
    with _building():
        layer = gin.query_parameter("Autoencoder.preprocessor").scoped_configurable_fn()
    frame_samples = HOP_SAMPLES * preprocessor.stride_of(layer)
    if crop_samples % frame_samples:
        raise InputError(
            f"train.crop_samples is {crop_samples}: expected a multiple of {frame_samples}, this network's frame"
        )
    return preprocessor.definition_of(layer)


@contextmanager
def _building() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a wrong value leads to, somewhere in ddsp, Keras or TensorFlow
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise InputError(f"no model can be built with this gin configuration: {reason}") from error


def set_frames(model: models.Autoencoder, frames: int) -> None:
    """Sets how long the model's next sound is, in frames of its curves: ddsp's layers have fixed lengths."""
    model.preprocessor.time_steps = frames
    for processor in model.processor_group.processors:
        if hasattr(processor, "n_samples"):
            processor.n_samples = frames * HOP_SAMPLES


def inputs(f0_hz: npt.ArrayLike, loudness_db: npt.ArrayLike, noise_seed: Any = (0, 0)) -> dict[str, Any]:
    """Returns what the model takes.

    Args:
        f0_hz: Pitch in Hz, [batch, frames] or [batch, frames, 1], without gaps (see f0.fill_forward).
        loudness_db: Loudness as of loudness.loudness_db by the model's definition, the same shape.
        noise_seed: Two integers that determine the noise.
    """
    return {"f0_hz": f0_hz, "loudness_db": loudness_db, "noise_seed": tf.convert_to_tensor(noise_seed, tf.int32)}
