"""The notes of one family in memory, and the batches that a step of training sees: a pure function of seed and step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.nsynth.note import HOP_SAMPLES, Note
from components.nsynth.sorted_set import SortedSet
from components.synths.features import FloatArray, fill_f0, loudness_db
from components.synths.settings import TrainSettings

_HELD_OUT_SHARE = 0.1
_SILENCE_DB = -79.0  # the definition's floor is -80


@dataclass(frozen=True)
class Sounds:
    """Notes, or pieces of notes, as arrays.

    Attributes:
        audio: f32[sounds, samples].
        f0_hz: f32[sounds, samples / 64], without gaps.
        loudness_db: f32[sounds, samples / 64], by the models' definition.
    """

    audio: FloatArray
    f0_hz: FloatArray
    loudness_db: FloatArray

    @classmethod
    def of(cls, notes: list[Note]) -> Sounds:
        """Computes what the models hear of notes, once."""
        audio = np.stack([note.audio for note in notes])
        return cls(audio, fill_f0(np.stack([note.f0_hz for note in notes])), loudness_db(audio))

    def __len__(self) -> int:
        return len(self.audio)

    def cut(self, sounds: np.ndarray, starts: np.ndarray, samples: int) -> Sounds:
        """Returns pieces of `samples` length: of each of `sounds` (indices) from its frame in `starts` on."""
        frames = samples // HOP_SAMPLES
        frame = starts[:, None] + np.arange(frames)
        sample = starts[:, None] * HOP_SAMPLES + np.arange(samples)
        rows = sounds[:, None]
        return Sounds(self.audio[rows, sample], self.f0_hz[rows, frame], self.loudness_db[rows, frame])

    def one_by_one(self) -> Iterator[Sounds]:
        """Yields each sound by itself: a batch of one, whatever the batch size of the training."""
        for i in range(len(self)):
            yield Sounds(self.audio[i : i + 1], self.f0_hz[i : i + 1], self.loudness_db[i : i + 1])

    def heard(self) -> dict[str, dict[str, float]]:
        """Returns p5, median and p95 of pitch and loudness where there is sound, for a model's card."""
        sounding = (self.f0_hz > 0) & (self.loudness_db > _SILENCE_DB)
        values = {"f0_hz": self.f0_hz, "loudness_db": self.loudness_db}
        return {
            name: {
                key: round(float(np.percentile(value[sounding] if sounding.any() else value, share)), 2)
                for key, share in (("p5", 5), ("median", 50), ("p95", 95))
            }
            for name, value in values.items()
        }


@dataclass(frozen=True)
class Material:
    """What one training works with.

    Attributes:
        train: Whole notes.
        valid: Whole notes.
        validation: What `valid` is, in words.
    """

    train: Sounds
    valid: Sounds
    validation: str


def load(data: SortedSet, family: str, valid_notes: int) -> Material:
    """Reads a family's notes.

    Args:
        data: The sorted set.
        family: Which family.
        valid_notes: At most so many notes of the valid split are used, spread over it.

    Raises:
        InputError: The family has no notes in the train split.
    """
    train = list(data.notes("train", family))
    if "valid" in data.splits() and data.families("valid").get(family):
        valid = list(data.notes("valid", family))
        valid = [valid[i] for i in np.unique(np.linspace(0, len(valid) - 1, min(valid_notes, len(valid))).astype(int))]
        validation = f"{len(valid)} of the valid split"
    elif len(train) > 1:
        held_out = min(valid_notes, max(1, round(len(train) * _HELD_OUT_SHARE)))
        train, valid = train[:-held_out], train[-held_out:]
        validation = f"{held_out} held out of the train split, for there are no {family} notes in valid"
    else:
        valid, validation = train, "the training's only note itself, for there is no other"
    return Material(Sounds.of(train), Sounds.of(valid), validation)


def batch(sounds: Sounds, settings: TrainSettings, step: int) -> Sounds:
    """Returns the examples of one step: the notes in a new order every epoch, each cut at a random place.

    Args:
        sounds: Whole notes.
        settings: Batch size, crop length and seed.
        step: Counted from 0. The same step always gives the same batch, so a resumed training goes on as if it had
            never stopped.
    """
    examples = step * settings.batch_size + np.arange(settings.batch_size)
    epochs = examples // len(sounds)
    orders = {epoch: _random(settings, epoch).permutation(len(sounds)) for epoch in np.unique(epochs)}
    chosen = np.array([orders[epoch][example % len(sounds)] for epoch, example in zip(epochs, examples, strict=True)])
    last_start = (sounds.audio.shape[1] - settings.crop_samples) // HOP_SAMPLES
    starts = _random(settings, step, 1).integers(0, last_start + 1, len(chosen))
    return sounds.cut(chosen, starts, settings.crop_samples)


def _random(settings: TrainSettings, *key: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, *(int(part) for part in key)])
