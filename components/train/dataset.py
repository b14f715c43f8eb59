"""What a training learns from and is validated on, and the batch of a step: a pure function of seed and step."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from components.config.settings import TrainSettings
from components.core.errors import InputError
from components.nsynth.note import HOP_SAMPLES
from components.nsynth.sorted_set import SortedSet
from components.telemetry import log
from components.train.batch import Sounds
from components.train.note_cache import NOTE_BYTES, Stage

_LOG = log.get(__name__)
_HELD_OUT_SHARE = 0.1


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


def load(data: SortedSet, family: str, valid_notes: int, stage: Stage) -> Material:
    """Reads a family's notes.

    Args:
        data: The sorted set.
        family: Which family.
        valid_notes: At most so many notes of the valid split are used, spread over it.
        stage: Where they are kept.

    Raises:
        InputError: The family has no notes in the train split, or a shard is not what the manifest says.
    """
    start, count = time.monotonic(), data.families("train").get(family, 0)
    if not count:
        raise InputError(f"'{data.uri}' has no {family} in its train split")
    train = stage.notes(data, "train", family, range(count))
    in_valid = data.families("valid").get(family, 0) if "valid" in data.splits() else 0
    if in_valid:
        spread = np.unique(np.linspace(0, in_valid - 1, min(valid_notes, in_valid)).astype(int))
        valid = stage.notes(data, "valid", family, spread.tolist())
        validation = f"{len(valid)} of the valid split"
    elif count > 1:
        held_out = min(valid_notes, max(1, round(count * _HELD_OUT_SHARE)))
        train, valid = train[:-held_out], train[-held_out:]
        validation = f"{held_out} held out of the train split, for there are no {family} notes in valid"
    else:
        valid, validation = train, "the training's only note itself, for there is no other"
    size_mb, seconds = (len(train) + len(valid)) * NOTE_BYTES / 1e6, time.monotonic() - start
    where = "a mapped file" if isinstance(train.audio, np.memmap) else "memory"
    _LOG.info("%s: %d notes, %.0f MB, into %s in %.1f s", family, len(train) + len(valid), size_mb, where, seconds)
    return Material(train, valid, validation)


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
