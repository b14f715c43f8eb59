"""Batches: the same for the same step, every note once an epoch, features cut with their audio."""

from __future__ import annotations

import numpy as np

from components.config.settings import TrainSettings
from components.nsynth.sorted_set import SortedSet
from components.train.dataset import Batch, Dataset, batch_of_step
from components.train.note_cache import NoteCache
from tests.notes import make_note, write_sorted_set


def _counting(notes: int) -> Batch:
    """Returns notes whose samples and frames tell their position."""
    base = 100_000 * np.arange(notes, dtype=np.float32)[:, None]
    frames = base + 64 * np.arange(1000, dtype=np.float32)
    return Batch(base + np.arange(64_000, dtype=np.float32), frames, frames)


def test_a_step_has_the_same_batch_whenever_it_is_asked_for():
    settings = TrainSettings(batch_size=3, crop_samples=2048)
    first, again, next_one, other_seed = (
        batch_of_step(_counting(5), TrainSettings(batch_size=3, crop_samples=2048, seed=seed), step).audio
        for seed, step in ((0, 7), (0, 7), (0, 8), (1, 7))
    )
    assert settings.seed == 0
    np.testing.assert_array_equal(first, again)
    assert (first != next_one).any()
    assert (first != other_seed).any()


def test_every_note_comes_once_an_epoch_in_a_new_order():
    settings = TrainSettings(batch_size=4, crop_samples=64_000)
    seen = np.concatenate([batch_of_step(_counting(6), settings, step).audio[:, 0] // 100_000 for step in range(6)])
    epochs = seen.reshape(4, 6)
    assert (np.sort(epochs) == np.arange(6)).all()
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_features_are_cut_with_their_audio():
    settings = TrainSettings(batch_size=50, crop_samples=4096)
    cut = batch_of_step(_counting(3), settings, 0)
    assert cut.audio.shape == (50, 4096)
    assert cut.f0_hz.shape == cut.loudness_db.shape == (50, 64)
    np.testing.assert_array_equal(cut.audio[:, ::64], cut.f0_hz)
    assert len(set(cut.f0_hz[:, 0])) > 40


def _loaded(root, valid_notes=64, **notes):
    return Dataset.read(SortedSet.open(write_sorted_set(root, notes)), "string", valid_notes, NoteCache(memory_mb=10))


def test_validation_is_the_valid_split_or_else_held_out(tmp_path):
    notes = [make_note(pitch=pitch) for pitch in (50, 55, 60, 65)]
    own = _loaded(tmp_path / "own", train=notes[:2], valid=notes[2:])
    assert (len(own.train), len(own.valid)) == (2, 2)
    assert own.validation == "2 of the valid split"
    few = _loaded(tmp_path / "few", valid_notes=1, train=notes[:2], valid=notes[2:])
    assert len(few.valid) == 1
    held_out = _loaded(tmp_path / "held", train=notes, valid=[make_note("organ")])
    assert (len(held_out.train), len(held_out.valid)) == (3, 1)
    assert "held out" in held_out.validation
    alone = _loaded(tmp_path / "alone", train=notes[:1])
    assert "the only note of the train split" in alone.validation


def test_percentiles_are_of_what_sounded(tmp_path):
    train = _loaded(tmp_path / "set", train=[make_note(pitch=57), make_note(pitch=69)]).train
    found = train.percentiles()
    assert 215 < found["f0_hz"].p5 < 225
    assert found["loudness_db"].p5 > -79
    quantiles = list(found["loudness_db"].quantiles)  # of what is less than 45 dB below the loud frames
    assert len(quantiles) == 21 and quantiles == sorted(quantiles)
    assert abs(quantiles[-1] - train.loudness_db.max()) < 0.01
    assert 40 < quantiles[19] - quantiles[0] < 45.5
    assert found["loudness_db"].median <= quantiles[10] < found["loudness_db"].p95
