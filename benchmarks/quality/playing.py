"""Processes of benchmarks.quality with TensorFlow: they train ddsp's own layers, and let models play.

What a model plays becomes a file of arrays (see `arrays.Played`), so that it is judged again without TensorFlow.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.quality.arrays import Played
from benchmarks.quality.product import held_out
from benchmarks.quality.steady import FRAMES, PITCHES, SILENCE_PITCH, SILENT_DB
from benchmarks.train.learners import Stock, ddsps_layers, stock_config
from benchmarks.train.learning import stock_batches
from components.audio.f0 import fill_forward, midi_to_hz
from components.audio.levels import sounding_frames
from components.audio.loudness import LOUDNESS_DEFINITION, loudness_db
from components.evaluate import scoring
from components.nsynth.note import Note
from components.nsynth.sorted_set import SortedSet
from components.synths import model as models
from components.synths.instrument import Instrument
from components.train.note_cache import NoteCache

Array = npt.NDArray[np.floating[Any]]
Render = Callable[[Array, Array], tuple[Array, Array]]
"""Renders curves of pitch and loudness, [batch, frames] each: the tonal part and the whole sound, [batch, samples]."""
_MEMORY_MB = 4000.0


def play_ours(trainings: str) -> None:
    """Lets trained models play their held-out notes: a JSON list of [training directory, sorted set, file to write]."""
    for training, sorted_uri, out in json.loads(trainings):
        instrument = Instrument.load(training)
        notes = held_out(sorted_uri, instrument.card.family)
        played = np.stack([result.audio for result in scoring.resynthesise(instrument, notes)])
        _played(notes, played, _render_ours(instrument), instrument.loudness_definition).write(Path(out))


def train_ddsp(
    sorted_uri: str, family: str, synth: str, preset: str, seed: str, seconds: str, out: str
) -> dict[str, float]:
    """Trains ddsp's own layers by ddsp's Trainer, the first step with its compilation not counted; they play."""
    bindings, data = [f"train.seed = {seed}"], SortedSet.open(sorted_uri)
    with NoteCache(memory_mb=_MEMORY_MB) as cache:
        batch = cache.notes(data, "train", family, range(data.families("train")[family]))
        stock = Stock(synth, preset, bindings)
        iterator = stock_batches(batch, stock.settings)
        stock.trace(iterator)
        steps, begin = 1, time.perf_counter()
        while time.perf_counter() - begin < float(seconds):
            stock.step(iterator)
            steps += 1
    notes, render = held_out(sorted_uri, family), _render_stock(stock, synth, stock_config(synth, preset, bindings))
    f0_hz = fill_forward(np.stack([note.f0_hz for note in notes]))
    _, played = render(f0_hz, np.asarray(loudness_db(np.stack([note.audio for note in notes]))))
    _played(notes, played, render, LOUDNESS_DEFINITION).write(Path(out))
    return {"steps": float(steps)}


def _render_ours(instrument: Instrument) -> Render:
    def render(f0_hz: Array, input_db: Array) -> tuple[Array, Array]:
        found = instrument.play(f0_hz, input_db)
        return found["tonal"], found["audio"]

    return render


def _render_stock(stock: Stock, synth: str, config: str) -> Render:
    def render(f0_hz: Array, input_db: Array) -> tuple[Array, Array]:
        rows = []
        with ddsps_layers(config):
            models.set_frames(stock.model, f0_hz.shape[1])
            for row in range(len(f0_hz)):
                curves = (np.asarray(each[row : row + 1], np.float32) for each in (f0_hz, input_db))
                found = stock.model(models.inputs(*curves), training=False)
                rows.append((found[synth]["signal"], found["audio_synth"]))
        tones, sounds = (np.concatenate([np.asarray(each) for each in some]) for some in zip(*rows, strict=True))
        return tones, sounds

    return render


def _steady(render: Render, notes: list[Note], definition: str) -> tuple[Array, Array, Array]:
    """Returns steady notes at the loudness of the held-out notes, tones and sounds, and what is played in silence."""
    loud_db = np.asarray(loudness_db(np.stack([note.audio for note in notes]), definition))
    level_db = float(np.median(loud_db[sounding_frames(loud_db)]))
    pitches_hz = np.array([[midi_to_hz(pitch)] for pitch in (*PITCHES, SILENCE_PITCH)])
    levels_db = np.array([[level_db]] * len(PITCHES) + [[SILENT_DB]])
    tones, sounds = render(np.repeat(pitches_hz, FRAMES, axis=1), np.repeat(levels_db, FRAMES, axis=1))
    return tones[:-1], sounds[:-1], sounds[-1]


def _played(notes: list[Note], played: Array, render: Render, definition: str) -> Played:
    tones, sounds, silence = _steady(render, notes, definition)
    return Played(
        ids=[note.id for note in notes],
        recordings=np.stack([note.audio for note in notes]),
        played=played,
        tones=tones,
        sounds=sounds,
        silence=silence,
        loudness_definition=definition,
    )
