"""A record of nsynth/gansynth_subset.f0_and_loudness as Python values, and back to the same bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from components.nsynth import example
from components.nsynth.families import FAMILIES, SOURCES

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 64
FRAME_RATE_HZ = SAMPLE_RATE_HZ // HOP_SAMPLES
NOTE_SECONDS = 4
NOTE_SAMPLES = NOTE_SECONDS * SAMPLE_RATE_HZ
NOTE_FRAMES = NOTE_SECONDS * FRAME_RATE_HZ

QUALITIES = (
    "bright",
    "dark",
    "distortion",
    "fast_decay",
    "long_release",
    "multiphonic",
    "nonlinear_env",
    "percussive",
    "reverb",
    "tempo-synced",
)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Note:
    """One note of four seconds. Frame i of the features covers the audio from sample 64 * i on.

    Attributes:
        id: The note's name, for instance "keyboard_acoustic_003-065-100".
        audio: f32[64000], mono at 16 kHz, -1..1.
        f0_hz: f32[1000], the pitch at 250 Hz; 0 in digital silence.
        f0_midi: f32[1000], the same in MIDI semitones; 0 where f0_hz is 0.
        f0_confidence: f32[1000], 0..1; 0 in digital silence.
        loudness_db: f32[1000], about -120..0: the data set's own definition, the mean over bins of A-weighted dB.
            ddsp's models need another definition, whose values are about 75 dB higher.
        family: A name of FAMILIES.
        source: A name of SOURCES.
        instrument_label: The instrument's line in instrument-label.labels.txt, 0..1005.
        pitch: The MIDI note that the instrument was asked to play.
        velocity: MIDI velocity, 0..127.
        qualities: 0 or 1 for each of QUALITIES.
    """

    id: str
    audio: FloatArray
    f0_hz: FloatArray
    f0_midi: FloatArray
    f0_confidence: FloatArray
    loudness_db: FloatArray
    family: str
    source: str
    instrument_label: int
    pitch: int
    velocity: int
    qualities: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUALITIES, 0))

    @classmethod
    def decode(cls, payload: bytes) -> Note:
        """Decodes a serialised record; BadExample if a feature is missing or has another shape."""
        values = example.decode(payload)
        try:
            return cls(
                id=_text(values, "id"),
                audio=_floats(values, "audio", NOTE_SAMPLES),
                f0_hz=_floats(values, "f0/hz", NOTE_FRAMES),
                f0_midi=_floats(values, "f0/midi", NOTE_FRAMES),
                f0_confidence=_floats(values, "f0/confidence", NOTE_FRAMES),
                loudness_db=_floats(values, "loudness/db", NOTE_FRAMES),
                family=FAMILIES[_class(values, "instrument/family", len(FAMILIES))],
                source=SOURCES[_class(values, "instrument/source", len(SOURCES))],
                instrument_label=_int(values, "instrument/label"),
                pitch=_int(values, "pitch"),
                velocity=_int(values, "velocity"),
                qualities={name: _int(values, f"qualities/{name}") for name in QUALITIES},
            )
        except KeyError as error:
            raise example.BadExample(f"the record has no {error}, only {', '.join(sorted(values))}") from error

    def encode(self) -> bytes:
        """Serialises the note, byte for byte as the public data set would."""
        integers = {
            "instrument/family": FAMILIES.index(self.family),
            "instrument/label": self.instrument_label,
            "instrument/source": SOURCES.index(self.source),
            "pitch": self.pitch,
            "velocity": self.velocity,
            **{f"qualities/{name}": value for name, value in self.qualities.items()},
        }
        return example.encode(
            {
                "audio": self.audio,
                "f0/confidence": self.f0_confidence,
                "f0/hz": self.f0_hz,
                "f0/midi": self.f0_midi,
                "id": [self.id.encode()],
                "loudness/db": self.loudness_db,
                **{key: np.array([value], np.int64) for key, value in integers.items()},
            }
        )


def _floats(values: dict[str, example.Value], key: str, length: int) -> FloatArray:
    value = values[key]
    if not isinstance(value, np.ndarray) or value.dtype != np.float32 or len(value) != length:
        raise example.BadExample(f"'{key}' is not {length} floats")
    return value.astype(np.float32, copy=False)


def _int(values: dict[str, example.Value], key: str) -> int:
    value = values[key]
    if not isinstance(value, np.ndarray) or value.dtype != np.int64 or len(value) != 1:
        raise example.BadExample(f"'{key}' is not one integer")
    return int(value[0])


def _class(values: dict[str, example.Value], key: str, classes: int) -> int:
    value = _int(values, key)
    if not 0 <= value < classes:
        raise example.BadExample(f"'{key}' is {value}, expected 0..{classes - 1}")
    return value


def _text(values: dict[str, example.Value], key: str) -> str:
    value = values[key]
    if not isinstance(value, list) or len(value) != 1:
        raise example.BadExample(f"'{key}' is not one string")
    try:
        return value[0].decode()
    except UnicodeDecodeError as error:
        raise example.BadExample(f"'{key}' is not UTF-8: {value[0][:40]!r}") from error
