"""Generates shards like those of the public data set: the same keys and sizes, artificial content, deterministic."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.nsynth.families import FAMILIES
from components.nsynth.framing import frame
from components.nsynth.note import NOTE_FRAMES, NOTE_SAMPLES, QUALITIES, Note

SHARD_BYTES = 129_460_000  # the train split's mean
RECORD_BYTES = 272_599  # the usual record with its frame; ids differ by some bytes
_PRESENT = tuple(family for family in FAMILIES if family != "synth_lead")  # as in the public subset
_WEIGHTS = np.array([3, 12, 10, 16, 10, 14, 8, 12, 13, 2], float)  # families are not equally common
_VELOCITIES = (25, 50, 75, 100, 127)
_BLOCKS = 16


@dataclass(frozen=True)
class Source:
    """A source folder of one split, train.

    Attributes:
        folder: Where it is.
        shards: Its shards.
        records: Their number.
        bytes: Of all shards.
        totals: Records of every family that is there.
    """

    folder: Path
    shards: tuple[Path, ...]
    records: int
    bytes: int
    totals: dict[str, int]


def write_source(folder: Path, size_bytes: int, shard_bytes: int = SHARD_BYTES, seed: int = 0) -> Source:
    """Writes a source of about `size_bytes` in shards of about `shard_bytes`, and TFDS's dataset_info.json.

    Audio and features are taken from a few blocks of noise, since no sort looks at them; what is looked at varies:
    family, instrument, pitch, velocity, qualities and the id, which changes the record's length.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    audio = [(0.1 * random.standard_normal(NOTE_SAMPLES)).astype(np.float32) for _ in range(_BLOCKS)]
    frames = [random.standard_normal(NOTE_FRAMES).astype(np.float32) for _ in range(_BLOCKS)]
    records = max(1, round(size_bytes / RECORD_BYTES))
    count = max(1, min(records, round(size_bytes / shard_bytes)))
    shards, lengths, totals = [], [], Counter[str]()
    for index in range(count):
        length = (index + 1) * records // count - index * records // count
        shards.append(folder / f"nsynth-train.tfrecord-{index:05d}-of-{count:05d}")
        with shards[-1].open("wb") as stream:
            for _ in range(length):
                note = _note(random, audio, frames)
                totals[note.family] += 1
                stream.write(frame(note.encode()))
        lengths.append(str(length))
    info = {"splits": [{"name": "train", "shardLengths": lengths}]}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return Source(folder, tuple(shards), records, sum(path.stat().st_size for path in shards), dict(totals))


def _note(random: np.random.Generator, audio: list[np.ndarray], frames: list[np.ndarray]) -> Note:
    family = _PRESENT[int(random.choice(len(_PRESENT), p=_WEIGHTS / _WEIGHTS.sum()))]
    number, pitch = int(random.integers(90)), int(random.integers(24, 85))
    velocity = _VELOCITIES[int(random.integers(len(_VELOCITIES)))]
    first = int(random.integers(_BLOCKS))
    return Note(
        id=f"{family}_acoustic_{number:03d}-{pitch:03d}-{velocity:03d}",
        audio=audio[first],
        f0_hz=frames[first],
        f0_midi=frames[(first + 1) % _BLOCKS],
        f0_confidence=frames[(first + 2) % _BLOCKS],
        loudness_db=frames[(first + 3) % _BLOCKS],
        family=family,
        source="acoustic",
        instrument_label=FAMILIES.index(family) * 90 + number,
        pitch=pitch,
        velocity=velocity,
        qualities={name: int(random.integers(2)) for name in QUALITIES},
    )
