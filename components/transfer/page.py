"""HTML page of a transfer, one self-contained file: spectrograms and players of the recording and of each sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
import soundfile

from components import storage
from components.audio import pictures
from components.audio.program_loudness import LoudnessMeter
from components.audio.writing import temporary_sound
from components.core.text import printable
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.transfer.analysis import Features

_TEMPLATES = Path(__file__).parent / "templates"
_MP3 = {"compression_level": 0.3, "bitrate_mode": "VARIABLE"}  # about 34 kbit/s
_HEADROOM = np.float32(0.5)  # a model may exceed full scale
_TICK_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120)
_MOST_TICKS, _SHORT_SECONDS = 8, 3.0
_MOST_SOFTER_DB = 30.0


class Player:
    """The audio of a sound for the page: MP3 in a temporary file, written block by block, and its loudness."""

    def __init__(self, path: Path) -> None:
        """Args: the path of the temporary file."""
        self._path, self._meter = path, LoudnessMeter()
        self._file = soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, "MPEG_LAYER_III", format="MP3", **_MP3)

    def push(self, audio: FloatArray) -> None:
        """Takes the next block, f32[samples] at 16 kHz."""
        self._meter.push(audio)
        with temporary_sound(self._path.parent):
            self._file.write(np.clip(_HEADROOM * audio, -1.0, 1.0))

    def finish(self) -> tuple[str, float]:
        """Returns the audio as a data: URI and its loudness in LUFS. Call it once, after the last block."""
        with temporary_sound(self._path.parent):
            self._file.close()
        return pictures.data_uri("audio/mpeg", self._path.read_bytes()), self._meter.lufs()


@dataclass(frozen=True)
class Sound:
    """A sound on the page: its title, features, audio and loudness as `Player` returns them, and a line about it."""

    title: str
    features: Features
    audio: str
    lufs: float
    text: str = ""


def write_page(page_uri: str, name: str, seconds: float, sounds: Sequence[Sound], warning: str = "") -> None:
    """Writes the page.

    Args:
        page_uri: The page's URI.
        name: The name of the recording.
        seconds: Length of all the sounds.
        sounds: The recording first.
        warning: What is doubtful in the recording; "" for nothing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    softest = min(sound.lufs for sound in sounds)
    page = environment.get_template("transfer.html").render(
        title=" · ".join(sound.title for sound in sounds[1:]),
        recording=printable(name),
        warning=warning,
        sounds=[
            {
                "title": sound.title,
                "audio": sound.audio,
                "volume": round(10 ** (max(softest - sound.lufs, -_MOST_SOFTER_DB) / 20), 4),
                "picture": pictures.spectrogram_of(sound.features.bands),
                "text": sound.text,
            }
            for sound in sounds
        ],
        octaves=[(f"C{n + 1}", 100.0 * n / pictures.OCTAVES) for n in range(1, int(pictures.OCTAVES) + 1)],
        ticks=ticks(seconds),
        low_db=f"{pictures.TOP_DB - pictures.RANGE_DB:g}",
        top_db=f"{pictures.TOP_DB:g}",
        colour_scale=pictures.colour_scale(),
    )
    storage.write_bytes(page_uri, page.encode())


def ticks(seconds: float) -> list[tuple[str, float]]:
    """Returns the marks of a time axis: "10 s" or "1:30 min", and their places in percent."""
    steps = [step for step in _TICK_SECONDS if step >= 1 or seconds < _SHORT_SECONDS]  # whole seconds where they do
    step = next((step for step in steps if seconds / step <= _MOST_TICKS), steps[-1])
    times = [number * step for number in range(int(seconds / step) + 1)]
    return [(_time(time, step >= 1 and seconds >= 120), 100.0 * time / seconds) for time in times]


def _time(seconds: float, in_minutes: bool) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min" if in_minutes else f"{seconds:g} s"
