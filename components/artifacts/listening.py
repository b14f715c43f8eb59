"""A note's clips and controls to hear and see: written by the evaluation, read by the reports."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from components import storage
from components.artifacts.evaluation import Heard
from components.artifacts.training_dir import LISTENING_DIR
from components.nsynth.note import SAMPLE_RATE_HZ, Note

Array = NDArray[np.floating[Any]]

_ORIGINAL_PEAK = 0.5  # -6 dB: room for a model that overshoots
CONTROL_STRIDE = 4  # every fourth frame, 62.5 a second: more than a picture shows


@dataclass(frozen=True)
class Controls:
    """What a model was told about a note and what it did, every CONTROL_STRIDE-th frame of 250 a second.

    Attributes:
        f0_hz: The pitch asked for, [frames]; 0 where there is none.
        heard_hz: The pitch that the tracker hears in the result, [frames]; NaN where none.
        loudness_db: The loudness asked for, [frames], by ddsp's definition.
        heard_db: The loudness of the result, [frames].
        amplitudes: Of the tone, [frames, 1] or [frames, sinusoids].
        tone: What shapes the tone: harmonic distribution [frames, harmonics], frequencies in Hz [frames, sinusoids] or
            wavetables [frames, points], by synth.
        noise_magnitudes: Of the noise filter's bands from 0 to 8 kHz, [frames, bands].
    """

    f0_hz: Array
    heard_hz: Array
    loudness_db: Array
    heard_db: Array
    amplitudes: Array
    tone: Array
    noise_magnitudes: Array


def stem(note_id: str) -> str:
    """Returns the note's id as a part of a file name; an id that had to be changed gets a checksum, to stay unique."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", note_id)
    return safe if safe == note_id else f"{safe}-{zlib.crc32(note_id.encode()):08x}"


def keep_clips(out_uri: str, note: Note, played: dict[str, Array], prefix: str = "") -> dict[str, str]:
    """Writes a note's clips, and returns their file names by kind.

    All clips of a note get the gain that brings its original to half of full scale, so that they compare by ear; what a
    model plays more than 6 dB above that is clipped.

    Args:
        out_uri: The training directory.
        note: The original, which becomes the clip "original".
        played: Other clips by kind, f32[samples].
        prefix: Put before the file names.
    """
    gain = _ORIGINAL_PEAK / max(float(np.abs(note.audio).max()), 1e-4)
    clips = {}
    for kind, audio in {"original": note.audio, **played}.items():
        clips[kind] = f"{prefix}{stem(note.id)}-{kind}.flac"
        storage.write_bytes(storage.join(out_uri, LISTENING_DIR, clips[kind]), encode_flac(audio * gain))
    return clips


def keep(out_uri: str, note: Note, played: dict[str, Array], controls: Controls) -> Heard:
    """Writes a note's clips, as `keep_clips` does, and its controls."""
    clips, name = keep_clips(out_uri, note, played), f"{stem(note.id)}-controls.npz"
    stream = io.BytesIO()
    # Half precision is plenty for a picture, a pitch apart: 11 bits of 4 kHz are 2 Hz.
    arrays = {field.name: getattr(controls, field.name)[::CONTROL_STRIDE] for field in fields(controls)}
    halves = {key: value.astype(np.float32 if key.endswith("_hz") else np.float16) for key, value in arrays.items()}
    np.savez_compressed(stream, allow_pickle=False, **halves)
    storage.write_bytes(storage.join(out_uri, LISTENING_DIR, name), stream.getvalue())
    return Heard(note.id, note.family, note.pitch, note.velocity, clips, name)


def encode_flac(audio: Array) -> bytes:
    """Encodes f32[samples] as 16-bit FLAC at 16 kHz, clipped to full scale."""
    stream = io.BytesIO()
    samples = np.round(np.clip(audio, -1.0, 1.0) * 32767).astype(np.int16)
    soundfile.write(stream, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def decode_flac(content: bytes) -> Array:
    """Returns a clip's samples, f32[samples] in -1..1."""
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    return np.asarray(samples)


def read_clip(training_uri: str, name: str) -> bytes:
    """Returns a clip's FLAC file."""
    return storage.read_bytes(storage.join(training_uri, LISTENING_DIR, name))


def read_controls(training_uri: str, heard: Heard) -> Controls:
    """Returns the controls that belong to a note."""
    content = storage.read_bytes(storage.join(training_uri, LISTENING_DIR, heard.controls))
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Controls(**{field.name: arrays[field.name].astype(np.float32) for field in fields(Controls)})
