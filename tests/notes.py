"""Synthetic notes for tests: cheap, instrument-like, with the true pitch and the data set's own loudness."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components import storage
from components.audio.loudness import nsynth_loudness_db
from components.nsynth.families import FAMILIES
from components.nsynth.framing import frame
from components.nsynth.note import NOTE_FRAMES, NOTE_SAMPLES, SAMPLE_RATE_HZ, Note

# What sets the families' timbres apart: how fast the harmonics fall off, and how fast the sound decays (1/s).
_TIMBRES = {family: (0.6 + 0.15 * index, 0.3 * (index % 4)) for index, family in enumerate(FAMILIES)}


def make_note(family: str = "string", pitch: int = 60, seed: int = 0, velocity: int = 100) -> Note:
    """Returns a note of 4 s that is released after 3 s: decaying harmonics, a little noise, then digital silence.

    Args:
        family: A name of FAMILIES; each has a timbre of its own.
        pitch: MIDI note.
        seed: Of the phases and the noise, and the last part of the id.
        velocity: MIDI velocity.
    """
    random = np.random.default_rng([seed, pitch, FAMILIES.index(family)])
    slope, decay = _TIMBRES[family]
    f0_hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    harmonics = np.arange(1, min(30, int(7600 / f0_hz)) + 1)
    seconds = np.arange(NOTE_SAMPLES) / SAMPLE_RATE_HZ
    phases = random.uniform(0, 2 * np.pi, len(harmonics))
    audio = np.zeros(NOTE_SAMPLES)
    for k, phase in zip(harmonics, phases, strict=True):
        audio += k**-slope * np.exp(-decay * k**0.5 * seconds) * np.sin(2 * np.pi * f0_hz * k * seconds + phase)
    audio += 0.01 * random.standard_normal(NOTE_SAMPLES)
    envelope = np.minimum(seconds / 0.02, 1.0) * np.clip((3.2 - seconds) / 0.2, 0.0, 1.0)
    audio = (audio * envelope * 0.5 * velocity / 127 / np.abs(audio).max()).astype(np.float32)
    sounding = np.arange(NOTE_FRAMES) < 3.2 * 250
    return Note(
        id=f"{family}_acoustic_{seed % 1000:03d}-{pitch:03d}-{velocity:03d}",
        audio=audio,
        f0_hz=np.where(sounding, f0_hz, 0.0).astype(np.float32),
        f0_midi=np.where(sounding, float(pitch), 0.0).astype(np.float32),
        f0_confidence=np.where(sounding, 0.95, 0.0).astype(np.float32),
        loudness_db=nsynth_loudness_db(audio),
        family=family,
        source="acoustic",
        instrument_label=FAMILIES.index(family),
        pitch=pitch,
        velocity=velocity,
    )


def write_source(root: str | Path, notes_by_split: dict[str, list[Note]], shards: int = 1) -> str:
    """Writes notes as a source folder, round robin over the shards of each split; returns its URI."""
    for split, notes in notes_by_split.items():
        for shard in range(shards):
            framed = b"".join(frame(note.encode()) for note in notes[shard::shards])
            storage.write_bytes(storage.join(str(root), shard_name(split, shard, shards)), framed)
    return str(root)


def shard_name(split: str, shard: int, shards: int) -> str:
    return f"nsynth-{split}.tfrecord-{shard:05d}-of-{shards:05d}"


def write_sorted_set(root: str | Path, notes_by_split: dict[str, list[Note]]) -> str:
    """Writes notes as a sorted set, through the real sort; returns its root's URI. The source lies beside it."""
    from components.sort.step import sort

    source = write_source(f"{root}-source", notes_by_split)
    sort(source, str(root), splits=())
    return str(root)
