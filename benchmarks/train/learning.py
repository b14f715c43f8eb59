"""A process of benchmarks.train.equal_time: one training and its loss on held-out notes.

The clock runs while it trains: the first step with its tracing comes before, and what is kept to be judged later is
taken while the clock stands. Both learners are judged by the same measure: ddsp's own SpectralLoss, on what our layers
play with their weights, without the drift that ddsp's phases have.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.train.learners import Ours, Stock, seeded, stock_exactly
from benchmarks.train.samples import FAMILY
from components.audio.loudness import loudness_db
from components.config.settings import TrainSettings
from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES, SAMPLE_RATE_HZ
from components.nsynth.sorted_set import SortedSet
from components.synths import model as models
from components.synths.ddsp_imports import ddsp, tf
from components.train.dataset import Batch, batch_of_step
from components.train.note_cache import NoteCache
from components.train.prefetch import Prefetcher

# As for the trainers.
from ddsp.training import data as ddsp_data  # isort: skip

MARKS = 12  # points of a curve after its start
_HELD_OUT = ("valid", "test")


def learn(whose: str, synth: str, preset: str, seed: str, seconds: str, sorted_uri: str, result: str) -> None:
    """Trains for a number of seconds and writes the curve: [[seconds, steps, held-out loss], ...] as JSON."""
    bindings = [f"train.seed = {seed}"]
    with NoteCache(memory_mb=4000) as cache:
        data = SortedSet.open(sorted_uri)
        notes = {
            split: cache.notes(data, split, FAMILY, range(data.families(split)[FAMILY])) for split in data.splits()
        }
        learner, step, close = (_ours if whose == "ours" else _stock)(synth, preset, bindings, notes["train"])
        kept = list(_kept(learner.model, step, float(seconds)))
        close()
        config = (
            models.config_text(synth, preset, bindings) if whose == "ours" else stock_exactly(synth, preset, bindings)
        )
        judge = _judge(config, [notes[split] for split in _HELD_OUT])
        curve = [(at, steps, judge(weights)) for at, steps, weights in kept]
    Path(result).write_text(json.dumps(curve))


def _kept(model: Any, step: Callable[[], None], seconds: float) -> Iterator[tuple[float, int, list[Any]]]:
    """Trains and yields seconds, steps and weights before the first step and at every mark."""
    yield 0.0, 0, [weight.numpy() for weight in model.weights]
    step()
    steps, clock, mark = 1, 0.0, 1
    while mark <= MARKS:
        start = time.perf_counter()
        step()
        clock += time.perf_counter() - start
        steps += 1
        if clock >= seconds * mark / MARKS:
            yield clock, steps, [weight.numpy() for weight in model.weights]
            mark = int(clock / seconds * MARKS) + 1  # a step may be longer than a mark


def _ours(
    synth: str, preset: str, bindings: list[str], train: Batch
) -> tuple[Any, Callable[[], None], Callable[[], None]]:
    """Returns a learner and functions for its next step and its end; batches come as in the training loop."""
    ours = Ours(synth, preset, bindings)
    batches = Prefetcher(lambda step: ours.load(batch_of_step(train, ours.settings, step, loudness_db), step))
    batches.start(first_step=0)
    count = 0

    def step() -> None:
        nonlocal count
        features = batches.get()
        count += 1
        if count == 1:
            ours.trace(features)
            return
        ours.start_step(features)
        if count % ours.settings.log_every_steps == 0:
            ours.wait()

    return ours, step, batches.close


def _stock(
    synth: str, preset: str, bindings: list[str], train: Batch
) -> tuple[Any, Callable[[], None], Callable[[], None]]:
    """The same of ddsp; batches come from its DataProvider, which shuffles and prefetches with tf.data."""
    stock = Stock(synth, preset, bindings)
    # The same weights to begin with, if the two draw them in another order.
    for variable, weight in zip(stock.model.weights, seeded(synth, preset, bindings).weights, strict=True):
        variable.assign(weight)
    iterator, step = stock_batches(train, stock.settings), stock.trace

    def next_step() -> None:
        nonlocal step
        step(iterator)
        step = stock.step

    return stock, next_step, lambda: None


def stock_batches(sounds: Batch, settings: TrainSettings) -> Iterator[Any]:
    """Yields batches as ddsp's training gets them."""
    return iter(_Notes(sounds, settings).get_batch(settings.batch_size))


class _Notes(ddsp_data.DataProvider):  # type: ignore[misc]
    """Notes in memory as ddsp's data: shuffled every epoch, cropped at random."""

    def __init__(self, sounds: Batch, settings: TrainSettings) -> None:
        super().__init__(SAMPLE_RATE_HZ, FRAME_RATE_HZ)
        self._sounds, self._settings = sounds, settings

    def get_dataset(self, shuffle: bool) -> Any:
        """Returns a dataset of single examples."""
        sounds = self._sounds
        notes = {"audio": sounds.audio, "f0_hz": sounds.f0_hz, "loudness_db": sounds.loudness_db}
        dataset = tf.data.Dataset.from_tensor_slices(notes)
        if shuffle:
            dataset = dataset.shuffle(len(sounds), seed=self._settings.seed)
        return dataset.map(self._cut, num_parallel_calls=tf.data.AUTOTUNE)

    def _cut(self, note: dict[str, Any]) -> dict[str, Any]:
        frames = self._settings.crop_samples // HOP_SAMPLES
        last = self._sounds.f0_hz.shape[1] - frames
        start = tf.random.uniform([], 0, last + 1, tf.int32)
        audio = tf.reshape(note["audio"], [-1, HOP_SAMPLES])[start : start + frames]
        return {
            "audio": tf.reshape(audio, [frames * HOP_SAMPLES]),
            **{name: tf.reshape(note[name][start : start + frames], [frames]) for name in ("f0_hz", "loudness_db")},
        }


def _judge(config: str, held_out: list[Batch]) -> Callable[[list[Any]], float]:
    """Returns a function from weights to the mean spectral loss on the held-out notes."""
    with models.configured(config):
        model = models.build()
    spectral_loss = ddsp.losses.SpectralLoss(mag_weight=1.0, logmag_weight=1.0)
    notes = [sounds[i : i + 1] for sounds in held_out for i in range(len(sounds))]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def loss(audio: Any, f0_hz: Any, loudness_db: Any) -> Any:
        models.set_frames(model, f0_hz.shape[1])
        played = model(models.inputs(f0_hz, loudness_db), training=False)["audio_synth"]
        return spectral_loss(audio, played)

    def judge(weights: list[Any]) -> float:
        for variable, weight in zip(model.weights, weights, strict=True):
            variable.assign(weight)
        with models.configured(config):
            losses = [float(loss(*map(tf.constant, (note.audio, note.f0_hz, note.loudness_db)))) for note in notes]
        return float(np.mean(losses))

    return judge
