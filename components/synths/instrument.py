"""A trained model on disk and in memory: it renders audio from pitch and loudness.

A model directory holds model.json (the model card, written last; it names the other files and their checksums),
operative_config.gin and weights.h5. It loads without the training directory, local or from gs://.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from components import storage
from components.artifacts.model_card import (
    CARD_NAME,
    CONFIG_NAME,
    MODEL_FILES,
    WEIGHTS_NAME,
    ModelCard,
    find_model,
    local_copy,
    read_card_json,
)
from components.audio.f0 import fill_forward
from components.config.bindings import read_configuration
from components.core.errors import InputError
from components.core.scratch import scratch_directory
from components.nsynth.note import HOP_SAMPLES, FloatArray
from components.synths import level
from components.synths import model as models
from components.synths.ddsp_imports import preprocessing, tf
from components.synths.noise import as_seed
from components.synths.preprocessor import stride_of
from components.synths.reverb import Reverb
from components.synths.weights import load_weights

_NOISE = "filtered_noise"


class Instrument:
    """A trained model that renders audio.

    Attributes:
        card: The model's card.
    """

    def __init__(self, model: Any, card: ModelCard, config: str) -> None:
        """Takes a model that was built under the gin configuration `config`; use `load`."""
        self.card = card
        self._model, self._config = model, config
        self._layers = {each.name: each for each in model.processor_group.processors}

    @property
    def model(self) -> Any:
        """Ddsp's autoencoder. Call it, and its layers, under the instrument's own configuration; see `configured`."""
        return self._model

    @property
    def loudness_definition(self) -> str:
        """The definition of the loudness that `play` takes; see loudness.loudness_db."""
        return self.card.loudness_definition

    @property
    def stride(self) -> int:
        """Frames of the curves, 250 per second, in one frame of the network."""
        return stride_of(self._model.preprocessor)

    @property
    def tone(self) -> Any:
        """The synthesizer layer."""
        return self._layers[self.card.synth]

    @property
    def noise(self) -> Any:
        """The filtered noise layer."""
        return self._layers[_NOISE]

    @property
    def tone_inputs(self) -> list[str]:
        """The names of the synthesizer's inputs: outputs of the decoder, and f0_hz."""
        return next(list(node[1]) for node in self._model.processor_group.dag if node[0] == self.tone.name)

    @property
    def corrects_level(self) -> bool:
        """Whether the level of the controls is corrected: not with a room, which adds an unknown level to the sound."""
        return self._room is None

    @property
    def _room(self) -> Reverb | None:
        layers = self._layers.values()
        return next((each for each in layers if isinstance(each, Reverb) and each.length), None)

    @property
    def impulse_response(self) -> FloatArray | None:
        """The room's impulse response, f32[samples]; None without a reverb. See reverb.Reverb.impulse_response."""
        if self._room is None:
            return None
        response: FloatArray = self._room.impulse_response().numpy()
        return response

    def configured(self) -> AbstractContextManager[None]:
        """Makes the instrument's configuration gin's only one inside the block; see models.configured."""
        return models.configured(self._config)

    @classmethod
    def load(cls, uri: str) -> Instrument:
        """Loads a model, which may come from anywhere: nothing in it is executed, and no other file is read or written.

        Args:
            uri: A model directory, or the training directory around it; local or gs://.

        Raises:
            InputError: There is no model, it is incomplete, or its card, its configuration or its weights are refused.
        """
        model_uri = find_model(uri)
        with scratch_directory() as scratch:
            local = local_copy(model_uri, scratch) if storage.is_remote(model_uri) else Path(model_uri)
            card = _checked_card(model_uri, local)
            config_uri = storage.join(model_uri, CONFIG_NAME)
            config = read_configuration(str(local / CONFIG_NAME), config_uri)
            with models.configured(config, config_uri):
                model = models.build()
            _check_layers(model, card, model_uri)
            load_weights(model, local / WEIGHTS_NAME, model_uri)
        return cls(model, card, config)

    def play(self, f0_hz: npt.ArrayLike, loudness_db: npt.ArrayLike, seed: int = 0) -> dict[str, Any]:
        """Renders audio from curves of pitch and loudness.

        Args:
            f0_hz: Pitch in Hz at 250 frames per second, [batch, frames]; 0 where there is none (the last one is held).
            loudness_db: Loudness by the `loudness_definition` (see loudness.loudness_db), the same shape.
            seed: Seed of the noise. Equal curves and seeds give equal audio, whatever else is in the batch.

        Returns:
            'audio' f32[batch, frames * 64] at 16 kHz; its two parts 'tonal' and 'noise', the same shape, whose sum it
            is unless there is a reverb: then the sum is the dry sound;
            'controls', f32[batch, frames, channels] each: amplitudes, f0_hz, noise_magnitudes and the synthesizer's
            own (harmonic_distribution, frequencies in Hz, or wavetables), each held for `stride` frames.

        Raises:
            InputError: The curves differ in shape or are not [batch, frames].
        """
        pitch, loudness = np.asarray(f0_hz, np.float32), np.asarray(loudness_db, np.float32)
        if pitch.ndim != 2 or pitch.shape != loudness.shape or 0 in pitch.shape:
            raise InputError(
                f"cannot render audio: got f0_hz {list(pitch.shape)} and loudness_db {list(loudness.shape)}, "
                "expected both [batch, frames]"
            )
        pitch = fill_forward(pitch)
        with self.configured():
            # Row by row: a minute of 60 harmonics takes about 250 MB in ddsp's layers.
            rendered = [self._render_row(pitch[i : i + 1], loudness[i : i + 1], seed) for i in range(len(pitch))]
        return tf.nest.map_structure(lambda *rows: np.concatenate(rows), *rendered)  # type: ignore[no-any-return]

    def controls(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Scales the outputs of the decoder, and gives the sound the loudness that was asked for; see level.corrected.

        Args:
            outputs: Those of the decoder, with f0_hz and the scaled loudness, [batch, frames, channels] each.

        Returns:
            The controls of the synthesizer and 'noise_magnitudes', [batch, frames, channels] each.
        """
        tone = self.tone.get_controls(*(outputs[name] for name in self.tone_inputs))
        noise = self.noise.get_controls(outputs["noise_magnitudes"], tf.zeros([2], tf.int32))
        controls = {**tone, "noise_magnitudes": noise["magnitudes"]}
        if not self.corrects_level:
            return controls
        asked_db = preprocessing.inv_scale_db(outputs["pw_scaled" if "pw_scaled" in outputs else "ld_scaled"])
        return level.corrected(controls, outputs["f0_hz"], asked_db, self.loudness_definition)

    def _render_row(self, f0_hz: FloatArray, loudness_db: FloatArray, seed: int) -> dict[str, Any]:
        frames = f0_hz.shape[1]
        ends = ((0, 0), (0, -frames % self.stride))  # whole frames of the network
        f0_hz, loudness_db = (np.pad(curve, ends, mode="edge") for curve in (f0_hz, loudness_db))
        models.set_frames(self._model, f0_hz.shape[1])
        features = self._model.encode(models.inputs(f0_hz, loudness_db, (as_seed(seed), 0)), training=False)
        controls = self.controls({**features, **self._model.decoder(features, training=False)})
        tonal = self.tone.get_signal(**{name: each for name, each in controls.items() if name != "noise_magnitudes"})
        noise = self.noise.get_signal(controls["noise_magnitudes"], features["noise_seed"])
        dry, controls = tonal + noise, {**controls, "f0_hz": features["f0_hz"]}
        signals = {"audio": self._room.get_signal(dry) if self._room else dry, "tonal": tonal, "noise": noise}
        return {
            **{name: np.asarray(signal)[:, : frames * HOP_SAMPLES] for name, signal in signals.items()},
            "controls": {name: np.repeat(each, self.stride, axis=1)[:, :frames] for name, each in controls.items()},
        }


def save(model: Any, card: ModelCard, config: str, local_dir: str | Path) -> None:
    """Writes a model directory; its card comes last.

    Args:
        model: The trained model; see models.build.
        card: The model card; its checksums are filled in here.
        config: The gin configuration that rebuilds the model.
        local_dir: The directory; an older model in it is replaced.
    """
    folder = Path(local_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_NAME).unlink(missing_ok=True)
    (folder / CONFIG_NAME).write_text(config)
    model.save_weights(str(folder / WEIGHTS_NAME))
    files = {name: _checksum(folder / name) for name in (CONFIG_NAME, WEIGHTS_NAME)}
    storage.write_json(str(folder / CARD_NAME), replace(card, crc32c=files).as_dict())


def _checksum(path: Path) -> str:
    return storage.crc32c_base64(google_crc32c.value(path.read_bytes()))


def _checked_card(model_uri: str, local: Path) -> ModelCard:
    card = ModelCard.parse(read_card_json(str(local)), storage.join(model_uri, CARD_NAME))
    for name, largest_bytes in MODEL_FILES.items():
        path = local / name
        if not path.is_file() or path.stat().st_size > largest_bytes or _checksum(path) != card.crc32c.get(name):
            raise InputError(f"the model at '{model_uri}' is incomplete: {name} is missing or damaged; copy it again")
    return card


def _check_layers(model: Any, card: ModelCard, model_uri: str) -> None:
    """Checks that the layers of the configuration are those of the synth that the card names."""
    found = {each.name: type(each).__name__.lower() for each in model.processor_group.processors}
    if found.get(card.synth) != card.synth or found.get(_NOISE) != "filterednoise":
        raise InputError(
            f"the model at '{model_uri}' is not the {card.synth} synth of its card: "
            f"got the layers {', '.join(sorted(found)) or 'none'}; copy it again"
        )
