"""The numbers of PREPARE_VERSION: records of a few sounds, and the order of a sorted set.

`python -m tests.prepare.golden` stores them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from components import storage
from components.nsynth.framing import read_records
from components.nsynth.note import Note
from components.nsynth.sorted_set import SortedSet
from components.prepare.step import prepare
from components.sort.step import sort

DIRECTORY = Path(__file__).parent
RTOL = 1e-3
"""Of pitch, loudness and levels: resampling and the pitch tracker round differently on another processor."""
LOOSE = {"voiced frames": 0.02, **{f"confidence, tenth {tenth}": 0.02 for tenth in range(10)}}
"""A frame whose confidence is at the threshold may fall on either side of it."""

_SPLITS = ("train", "valid", "test")


def _pulses(seconds: float, period: int, rate: int, channels: int = 1) -> Any:
    """Returns a sawtooth that fades away, by whole numbers alone: equal on every machine, int16[samples, channels]."""
    time = np.arange(int(seconds * rate), dtype=np.int64)
    saw = (time % period) * 20_000 // period - 10_000
    faded = saw * (len(time) - time) // len(time)
    # A second channel that is softer, so that mixing counts.
    return np.stack([faded // (1 + channel) for channel in range(channels)], axis=1).astype(np.int16)


def write_recordings(directory: Path) -> None:
    """Writes recordings of several rates, lengths and channels."""
    sounds = {
        "string/short.wav": (_pulses(1.5, 100, 16_000), 16_000),
        "string/exact.wav": (_pulses(4.0, 73, 16_000), 16_000),
        "string/stereo.wav": (_pulses(4.0, 120, 44_100, channels=2), 44_100),
        "string/long.wav": (_pulses(9.0, 300, 48_000), 48_000),
        "flute/flute_acoustic_001-060-090.wav": (_pulses(3.0, 61, 16_000), 16_000),
        "flute/flute_acoustic_001-067-090.wav": (_pulses(3.0, 41, 16_000), 16_000),
        "flute/flute_acoustic_001-072-050.wav": (_pulses(3.0, 31, 16_000), 16_000),
    }
    for name, (samples, rate) in sounds.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate, subtype="PCM_16")


def prepared_numbers(scratch: Path) -> dict[str, Any]:
    """Prepares and sorts the recordings and returns the numbers of every record by name."""
    recordings, records, sorted_uri = scratch / "recordings", str(scratch / "records"), str(scratch / "sorted")
    write_recordings(recordings)
    prepare([str(recordings)], records)
    sort(records, sorted_uri, splits=())
    found: dict[str, Any] = {}
    for split in _SPLITS:
        uri = storage.join(records, f"nsynth-{split}.tfrecord-00000-of-00001")
        with storage.open_read(uri) as stream:
            notes = [Note.decode(record.payload) for record in read_records(stream, uri)]
        found[f"order of {split}"] = [note.id for note in notes]
        found |= {f"record {note.id}": _numbers(note) for note in notes}
    data = SortedSet.open(sorted_uri)
    for split in data.splits():
        for family in data.present(split):
            found[f"sorted {split} {family}"] = [note.id for note in data.notes(split, family)]
    return found


def _numbers(note: Note) -> dict[str, Any]:
    voiced = note.f0_hz > 0
    curves = {"audio": note.audio, "confidence": note.f0_confidence, "loudness": note.loudness_db}
    return {
        "pitch": note.pitch,
        "velocity": note.velocity,
        "instrument label": note.instrument_label,
        "voiced frames": float(voiced.sum()),
        "first sample of the sound": float(np.argmax(np.abs(note.audio) > 0.01)),
        **{
            f"median f0 in Hz, tenth {tenth}": _short(np.median(part[part > 0])) if (part > 0).any() else 0.0
            for tenth, part in enumerate(np.array_split(note.f0_hz, 10))
        },
        # By tenths of the note, so that a shift counts as well as another level.
        **{
            f"{name}, tenth {tenth}": _short(np.abs(part, dtype=np.float64).mean())
            for name, values in curves.items()
            for tenth, part in enumerate(np.array_split(values, 10))
        },
    }


def _short(value: Any) -> float:
    return float(f"{float(value):.6g}")
