"""Listening samples: clips and controls of held-out notes, written by the evaluation and read by the reports."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.artifacts.clips import decode_flac, encode_flac, stem
from components.artifacts.evaluation import ListeningSample
from components.artifacts.training_dir import LISTENING_DIR
from components.core.errors import InputError
from components.nsynth.note import Note

Array = NDArray[np.floating[Any]]

_ORIGINAL_PEAK = 0.5  # -6 dB: room for a model that overshoots
CONTROL_STRIDE = 4  # every fourth frame, 62.5 a second: more than a picture shows
_LARGEST_FILE_BYTES, _LARGEST_CONTROLS_BYTES = 16 << 20, 64 << 20  # of a clip or controls; of controls in memory
_NO_CONTROLS = (
    *(ValueError, KeyError, EOFError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error),
)
_TABLES = ("amplitudes", "tone", "noise_magnitudes")


@dataclass(frozen=True)
class Controls:
    """The inputs and outputs of a model for one note, every CONTROL_STRIDE-th of 250 frames per second.

    Attributes:
        f0_hz: Pitch of the input, [frames]; 0 where there is none.
        heard_hz: Pitch that the tracker detects in the resynthesis, [frames]; NaN where none.
        loudness_db: Loudness of the input, [frames], by ddsp's definition.
        heard_db: Loudness of the resynthesis, [frames].
        amplitudes: Of the tone, [frames, 1] or [frames, sinusoids].
        tone: What shapes the tone: harmonic distribution [frames, harmonics], frequencies in Hz [frames, sinusoids] or
            wavetables [frames, points], by synth.
        noise_magnitudes: Of the noise filter's bands from 0 to 8 kHz, [frames, bands].
        original_hz: Pitch that the tracker detects in the recording, [frames]; NaN where none. None in older files.
    """

    f0_hz: Array
    heard_hz: Array
    loudness_db: Array
    heard_db: Array
    amplitudes: Array
    tone: Array
    noise_magnitudes: Array
    original_hz: Array | None = None


def write_clips(out_uri: str, note: Note, audio: dict[str, Array], prefix: str = "") -> dict[str, str]:
    """Writes a note's clips, and returns their file names by kind.

    All clips of a note have the same gain: the original peaks at half of full scale, and a resynthesis whose peak is
    more than 6 dB higher is clipped.

    Args:
        out_uri: The training directory.
        note: The original, which becomes the clip "original".
        audio: Other clips by kind, f32[samples].
        prefix: Put before the file names.
    """
    gain = _ORIGINAL_PEAK / max(float(np.abs(note.audio).max()), 1e-4)
    clips = {}
    for kind, samples in {"original": note.audio, **audio}.items():
        clips[kind] = f"{prefix}{stem(note.id)}-{kind}.flac"
        storage.write_bytes(storage.join(out_uri, LISTENING_DIR, clips[kind]), encode_flac(samples * gain))
    return clips


def write_sample(out_uri: str, note: Note, audio: dict[str, Array], controls: Controls) -> ListeningSample:
    """Writes the listening sample of a note: its clips, as `write_clips` does, and its controls."""
    clips, name = write_clips(out_uri, note, audio), f"{stem(note.id)}-controls.npz"
    stream = io.BytesIO()
    # Half precision is enough for a picture, except for pitch: 11 bits of 4 kHz are 2 Hz.
    found = {field.name: getattr(controls, field.name) for field in fields(controls)}
    arrays = {key: value[::CONTROL_STRIDE] for key, value in found.items() if value is not None}
    halves = {key: value.astype(np.float32 if key.endswith("_hz") else np.float16) for key, value in arrays.items()}
    np.savez_compressed(stream, allow_pickle=False, **halves)
    storage.write_bytes(storage.join(out_uri, LISTENING_DIR, name), stream.getvalue())
    return ListeningSample(note.id, note.family, note.pitch, note.velocity, clips, name)


def read_audio(training_uri: str, name: str) -> Array:
    """Returns a clip's samples, f32[samples] in -1..1; InputError if it is no clip."""
    uri = storage.join(training_uri, LISTENING_DIR, name)
    try:
        return decode_flac(storage.read_bytes(uri, _LARGEST_FILE_BYTES))
    except ValueError as error:
        raise InputError(f"'{uri}' is no clip of an evaluation: {error}; evaluate again") from error


def read_controls(training_uri: str, sample: ListeningSample) -> Controls:
    """Returns the controls of a listening sample; InputError if the file holds none."""
    uri = storage.join(training_uri, LISTENING_DIR, sample.controls)
    content = io.BytesIO(storage.read_bytes(uri, _LARGEST_FILE_BYTES))
    try:
        with zipfile.ZipFile(content) as archive:
            if sum(each.file_size for each in archive.infolist()) > _LARGEST_CONTROLS_BYTES:
                raise ValueError(f"they are larger than {_LARGEST_CONTROLS_BYTES:,} bytes")
        content.seek(0)
        with np.load(content, allow_pickle=False) as arrays:
            known = [field.name for field in fields(Controls) if field.name in arrays or field.default is MISSING]
            return _checked({name: arrays[name] for name in known})
    except _NO_CONTROLS as error:
        reason = " ".join(str(error).split())
        raise InputError(f"'{uri}' has no controls of a listening sample: {reason}; evaluate again") from error


def _checked(arrays: dict[str, NDArray[Any]]) -> Controls:
    """Returns controls; ValueError where an array has another type or shape."""
    frames = arrays["f0_hz"].shape[:1]
    width = arrays["tone"].shape[1:]
    for name, array in arrays.items():
        shape_fits = array.shape[:1] == frames and array.ndim == (2 if name in _TABLES else 1) and array.size
        if array.dtype.kind != "f" or not shape_fits:
            raise ValueError(f"'{name}' is {array.dtype} of the shape {array.shape}")
    if arrays["amplitudes"].shape[1:] not in ((1,), width):
        raise ValueError(f"'amplitudes' has {arrays['amplitudes'].shape[1]} values a frame, 'tone' {width[0]}")
    return Controls(**{name: array.astype(np.float32) for name, array in arrays.items()})
