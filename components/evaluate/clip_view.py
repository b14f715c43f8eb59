"""Clips in the report: MP3 inside the page, level-matched, with the volumes that give the real levels back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.clips import encode_mp3
from components.audio import pictures
from components.audio.program_loudness import matched_gain_db
from components.nsynth.note import SAMPLE_RATE_HZ

Array = NDArray[np.floating[Any]]

ORIGINAL = "original"


@dataclass(frozen=True)
class Sound:
    """A sound for a clip.

    Attributes:
        title: What stands above it.
        name: What tells it apart from all other sounds of the page: "harmonic, string A3, velocity 50".
        audio: f32[samples] at 16 kHz; the sounds of a group have one gain.
        synth: The synth, or ORIGINAL, or "" for a sound that takes no part in a blind test.
        part_of: The name of the sound whose gain it gets: a part of a sound stays as loud as it is in the whole.
    """

    title: str
    name: str
    audio: Array
    synth: str = ""
    part_of: str = ""


@dataclass(frozen=True)
class Clip:
    """A clip: titles as those of its `Sound`, audio and spectrogram as data: URIs ("" for no spectrogram).

    `volume`, 0..1, gives the real level, compared with the other clips of its group.
    """

    title: str
    name: str
    synth: str
    audio: str
    picture: str
    volume: float
    seconds: float


def clips(sounds: Sequence[Sound], size: tuple[int, int] | None = None) -> list[Clip]:
    """Returns the clips of sounds that are compared with each other.

    Args:
        sounds: The group.
        size: Width and height of the spectrograms in pixels; None for one pixel a value.
    """
    gains = {sound.name: matched_gain_db(np.asarray(sound.audio, np.float32)) for sound in sounds}
    gains_db = [gains[sound.part_of or sound.name] for sound in sounds]
    return [
        Clip(
            sound.title,
            sound.name,
            sound.synth,
            mp3_uri(encode_mp3(sound.audio * np.float32(10 ** (gain_db / 20)))),
            pictures.spectrogram(sound.audio, size),
            volume,
            len(sound.audio) / SAMPLE_RATE_HZ,
        )
        for sound, gain_db, volume in zip(sounds, gains_db, volumes(gains_db), strict=True)
    ]


def volumes(gains_db: Sequence[float]) -> list[float]:
    """Returns the volumes 0..1 that take gains away again, up to a factor for all of them: the loudest is at 1."""
    levels_db = -np.array(gains_db)
    return [round(float(volume), 4) for volume in 10 ** ((levels_db - levels_db.max()) / 20)]


def mp3_uri(content: bytes) -> str:
    """Returns an MP3 file as a data: URI."""
    return pictures.data_uri("audio/mpeg", content)
