"""Builds ddsp's autoencoder from a gin configuration and sets the length of its audio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from components.config import settings  # noqa: F401 (it registers `train` in gin)
from components.config.bindings import check_bindings, check_configuration, with_our_layers
from components.config.catalog import gin_files
from components.core.errors import InputError
from components.nsynth.note import HOP_SAMPLES
from components.synths import (  # noqa: F401 (they register what the gin files name)
    decoder,
    layers,
    losses,
    preprocessor,
    reverb,
)
from components.synths.ddsp_imports import gin, models, tf

_BUILD_FRAMES = 8  # of the network; any number will do


def config_text(synth: str, preset: str, bindings: Iterable[str] = ()) -> str:
    """Returns the gin configuration of a model: the package's files, then the bindings from outside.

    Raises:
        InputError: The synth or the preset is unknown, or a binding is refused.
    """
    extra = list(bindings)
    check_bindings(extra)
    return "\n".join([*(path.read_text() for path in gin_files(synth, preset)), *map(with_our_layers, extra)])


@contextmanager
def configured(text: str, uri: str = "the gin configuration") -> Iterator[None]:
    """Makes `text` gin's only configuration inside the block; afterwards gin has no configuration.

    This alone gives gin text to read, and only after a check: gin itself would carry out imports and includes.

    gin's configuration is global, and its functions read it when they are called: build and call models inside the
    block.

    Args:
        text: The configuration; untrusted.
        uri: Where it was read, for errors.

    Raises:
        InputError: The text is refused; see bindings.check_configuration.
    """
    check_configuration(text, uri)
    with gin.unlock_config():
        gin.clear_config()
        try:
            try:
                gin.parse_config(with_our_layers(text))
            except Exception as error:
                raise InputError(f"'{uri}' is not accepted by gin: {_first_line(error)}") from error
            yield
        finally:
            gin.clear_config()


def _first_line(error: Exception) -> str:
    """Returns the message of an exception without the lines that gin and Keras add around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    added = ("Exception encountered when calling layer", "Call arguments received", "•")
    kept = [line for line in lines if not line.startswith(added)]
    return " ".join((kept or lines or [""])[0].split()).rstrip(".")


def build(precision: str = "float32") -> models.Autoencoder:
    """Builds the configured model and calls it once, losses included, to create its variables. Call it in `configured`.

    Args:
        precision: The precision of the decoder; see decoder.compute_precision.

    Raises:
        InputError: The configured values do not make a model.
    """
    with _reporting_bad_values(), decoder.compute_precision(precision):
        model = models.Autoencoder()
        frames = _BUILD_FRAMES * preprocessor.stride_of(model.preprocessor)
        set_frames(model, frames)
        zeros = tf.zeros([1, frames, 1])
        model({**inputs(zeros, zeros), "audio": tf.zeros([1, frames * HOP_SAMPLES])}, training=True)
    if isinstance(model.decoder, decoder.RnnFcDecoder):
        decoder.spread_thresholds(model.decoder)
    return model


def loudness_definition(crop_samples: int) -> str:
    """Returns the definition of the loudness that the configured model takes. Call it in `configured`.

    Args:
        crop_samples: Length of a training example.

    Raises:
        InputError: The length is not a whole number of frames of the network, or the preprocessor cannot be built.
    """
    with _reporting_bad_values():
        layer = gin.query_parameter("Autoencoder.preprocessor").scoped_configurable_fn()
    frame_samples = HOP_SAMPLES * preprocessor.stride_of(layer)
    if crop_samples % frame_samples:
        raise InputError(
            f"train.crop_samples is {crop_samples}: expected a multiple of {frame_samples}, one frame of the network"
        )
    return preprocessor.definition_of(layer)


@contextmanager
def _reporting_bad_values() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a wrong value can fail anywhere in ddsp, Keras or TensorFlow
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise InputError(f"the model cannot be built with this gin configuration: {reason}") from error


def set_frames(model: models.Autoencoder, frames: int) -> None:
    """Sets the length of the model's next audio, in frames of the curves: ddsp's layers have fixed lengths."""
    model.preprocessor.time_steps = frames
    for processor in model.processor_group.processors:
        if hasattr(processor, "n_samples"):
            processor.n_samples = frames * HOP_SAMPLES


def inputs(f0_hz: npt.ArrayLike, loudness_db: npt.ArrayLike, noise_seed: Any = (0, 0)) -> dict[str, Any]:
    """Returns the inputs of the model.

    Args:
        f0_hz: Pitch in Hz, [batch, frames] or [batch, frames, 1], without gaps (see f0.fill_forward).
        loudness_db: Loudness by the model's definition (see loudness.loudness_db), the same shape.
        noise_seed: Two integers that determine the noise.
    """
    return {"f0_hz": f0_hz, "loudness_db": loudness_db, "noise_seed": tf.convert_to_tensor(noise_seed, tf.int32)}
