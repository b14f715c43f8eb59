"""The notes of a training: arrays in memory or mapped to it, and the batch of each step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from components.artifacts.expression import Expression
from components.artifacts.model_card import Percentiles
from components.audio.levels import above_floor, sounding_frames
from components.config.settings import TrainSettings
from components.core.errors import InputError
from components.core.text import counted
from components.nsynth.note import HOP_SAMPLES, NOTE_FRAMES, NOTE_SAMPLES, FloatArray
from components.nsynth.sorted_set import SortedSet
from components.telemetry import log
from components.train.augmentation import Loudness, varied_crop
from components.train.data_checks import check_notes
from components.train.expression import expression_of

if TYPE_CHECKING:
    from components.train.note_cache import NoteCache

NOTE_BYTES = 4 * (NOTE_SAMPLES + 2 * NOTE_FRAMES)
_LOG = log.get(__name__)
_HELD_OUT_SHARE = 0.1
_MAX_STATISTICS_NOTES = 2_000


@dataclass(frozen=True)
class Batch:
    """Notes, or crops of notes, as arrays.

    Attributes:
        audio: f32[batch, samples].
        f0_hz: f32[batch, samples / 64], without gaps.
        loudness_db: f32[batch, samples / 64], by the model's definition.
        labels: MIDI pitch and velocity of whole notes, f32[batch, 2]; None of crops.
    """

    audio: FloatArray
    f0_hz: FloatArray
    loudness_db: FloatArray
    labels: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.audio)

    def __getitem__(self, which: slice) -> Batch:
        """Returns some of the notes, without copying them."""
        labels = None if self.labels is None else self.labels[which]
        return Batch(self.audio[which], self.f0_hz[which], self.loudness_db[which], labels)

    @classmethod
    def silence(cls, size: int, samples: int) -> Batch:
        """Returns silent notes of a length."""
        frames = samples // HOP_SAMPLES
        return cls(*(np.zeros([size, width], np.float32) for width in (samples, frames, frames)))

    def crops(self, notes: npt.NDArray[Any], starts: npt.NDArray[Any], samples: int) -> Batch:
        """Returns a crop of each of `notes` (indices): `samples` from its frame in `starts` on."""
        frames = samples // HOP_SAMPLES
        positions = list(zip(notes.tolist(), starts.tolist(), strict=True))

        def cropped(values: FloatArray, rate: int, length: int) -> FloatArray:
            return np.stack([values[note, start * rate : start * rate + length] for note, start in positions])

        return Batch(
            cropped(self.audio, HOP_SAMPLES, samples),
            cropped(self.f0_hz, 1, frames),
            cropped(self.loudness_db, 1, frames),
        )

    def groups(self, size: int) -> Iterator[Batch]:
        """Yields `size` notes at a time, in order; the last group is filled up with the last note."""
        for start in range(0, len(self), size):
            rows = np.minimum(np.arange(start, start + size), len(self) - 1)
            yield Batch(self.audio[rows], self.f0_hz[rows], self.loudness_db[rows])

    def percentiles(self) -> dict[str, Percentiles]:
        """Returns p5, median and p95 of pitch and loudness of the audible frames, for a model card.

        And of the loudness of the sounding frames `quantiles`: the 0th, 5th, ... 100th percentile, to which transfer
        maps the loudness of a recording. Of more than 2,000 notes, a part is taken, spread over them.
        """
        some = self._spread()
        audible = (some.f0_hz > 0) & above_floor(some.loudness_db)
        found = {}
        for name, values in {"f0_hz": some.f0_hz, "loudness_db": some.loudness_db}.items():
            p5, median, p95 = _percentiles(values, audible, (5, 50, 95))
            found[name] = Percentiles(p5, median, p95)
        sounding = audible & sounding_frames(some.loudness_db)
        quantiles = tuple(_percentiles(some.loudness_db, sounding, range(0, 101, 5)))
        return found | {"loudness_db": replace(found["loudness_db"], quantiles=quantiles)}

    def expression(self) -> Expression | None:
        """Returns how the notes were played, for a model card; None of crops, and where none is long enough to tell."""
        some = self._spread()
        return None if some.labels is None else expression_of(some.labels, some.f0_hz, some.loudness_db)

    def _spread(self) -> Batch:
        return self[:: -(-len(self) // _MAX_STATISTICS_NOTES)]


def _percentiles(values: FloatArray, counted: npt.NDArray[np.bool_], shares: Sequence[int]) -> list[float]:
    """Returns percentiles of the values that count, or of all if none does."""
    found = np.percentile(values[counted] if counted.any() else values, shares)
    return [round(float(value), 2) for value in found]


@dataclass(frozen=True)
class Dataset:
    """The notes of one family.

    Attributes:
        train: Whole notes to train on.
        valid: Whole notes to validate on.
        validation: How `valid` was chosen, for people.
        loudness: Computes the loudness of sounds, as theirs; None if no augmentation needs it.
    """

    train: Batch
    valid: Batch
    validation: str
    loudness: Loudness | None = None

    def batch(self, settings: TrainSettings, step: int) -> Batch:
        """Returns the examples of one step; see `batch_of_step`."""
        return batch_of_step(self.train, settings, step, self.loudness)

    @classmethod
    def read(cls, data: SortedSet, family: str, valid_notes: int, cache: NoteCache) -> Dataset:
        """Reads a family's notes.

        Args:
            data: The sorted set.
            family: Which family.
            valid_notes: How many notes of the valid split to use at most, spread over it.
            cache: Reads and keeps them.

        Raises:
            InputError: The family has no notes in the train split, or a shard is not what the manifest says.
        """
        start, count = time.monotonic(), data.families("train").get(family, 0)
        if not count:
            raise InputError(f"'{data.uri}' has no {family} in its train split")
        train = cache.notes(data, "train", family, range(count))
        in_valid = data.families("valid").get(family, 0) if "valid" in data.splits() else 0
        if in_valid:
            spread = np.unique(np.linspace(0, in_valid - 1, min(valid_notes, in_valid)).astype(int))
            valid = cache.notes(data, "valid", family, spread.tolist())
            validation = f"{len(valid)} of the valid split"
        elif count > 1:
            held_out = min(valid_notes, max(1, round(count * _HELD_OUT_SHARE)))
            train, valid = train[:-held_out], train[-held_out:]
            validation = f"{held_out} held out of the train split, because the valid split has no {family}"
        else:
            valid, validation = train, "the only note of the train split, because there is no other"
        check_notes(family, data.uri, train)
        _log_read(family, train, valid, time.monotonic() - start)
        return cls(train, valid, validation, cache.loudness)


def _log_read(family: str, train: Batch, valid: Batch, seconds: float) -> None:
    count = len(train) + len(valid)
    target = "a mapped file" if isinstance(train.audio, np.memmap) else "memory"
    notes, size_mb = counted(count, "note"), count * NOTE_BYTES / 1e6
    _LOG.info("%s: read %s, %.0f MB, into %s in %.1f s", family, notes, size_mb, target, seconds)


def batch_of_step(notes: Batch, settings: TrainSettings, step: int, loudness: Loudness | None = None) -> Batch:
    """Returns the examples of one step: the notes in a new order every epoch, each cropped at a random position.

    With augmentation, each of them is played at another pitch and level as well, unless there is one note only, which
    is to be learned as it is.

    Args:
        notes: Whole notes.
        settings: Batch size, crop length and seed.
        step: Counted from 0. The same step always gives the same batch, so a resumed training continues exactly.
        loudness: See Dataset; augmentation needs it.
    """
    examples = step * settings.batch_size + np.arange(settings.batch_size)
    epochs = examples // len(notes)
    orders = {epoch: _random(settings, epoch).permutation(len(notes)) for epoch in np.unique(epochs)}
    chosen = np.array([orders[epoch][example % len(notes)] for epoch, example in zip(epochs, examples, strict=True)])
    if len(notes) > 1 and (settings.augment_semitones or settings.augment_gain_db):
        assert loudness is not None
        random = _random(settings, step, 2)
        varied = [varied_crop(notes.audio[note], notes.f0_hz[note], settings, random, loudness) for note in chosen]
        return Batch(*(np.stack(values) for values in zip(*varied, strict=True)))
    last_start = (notes.audio.shape[1] - settings.crop_samples) // HOP_SAMPLES
    starts = _random(settings, step, 1).integers(0, last_start + 1, len(chosen))
    return notes.crops(chosen, starts, settings.crop_samples)


def _random(settings: TrainSettings, *key: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, *(int(part) for part in key)])
