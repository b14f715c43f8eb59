"""Recordings: where they are, whose sound they hold, and their audio in windows of four seconds."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from components import storage
from components.errors import InputError, nearest
from components.nsynth.families import FAMILIES, SOURCES, check_family
from components.nsynth.note import NOTE_SAMPLES, SAMPLE_RATE_HZ
from components.storage import ObjectInfo

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_SHORTEST_SECONDS = 1.0  # of what is left over behind a recording's last whole window
_SHORTEST_RECORDING_SECONDS = 0.1
_NSYNTH_NAME = re.compile(
    rf"(?P<instrument>(?P<family>{'|'.join(FAMILIES)})_(?P<source>{'|'.join(SOURCES)})_\d{{3}})"
    r"-(?P<pitch>\d{3})-(?P<velocity>\d{3})"
)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """A recording and what its name tells.

    Attributes:
        info: The file.
        key: Its name among the recordings: of NSynth's style, or made of family and path.
        family: A name of FAMILIES.
        source: A name of SOURCES.
        instrument: NSynth's name of the instrument, or "" where the file is not named in that style.
        pitch: MIDI note from such a name, or None.
        velocity: MIDI velocity from such a name, or None.
    """

    info: ObjectInfo
    key: str
    family: str
    source: str = "acoustic"
    instrument: str = ""
    pitch: int | None = None
    velocity: int | None = None

    @property
    def instrument_label(self) -> int:
        """The class of the instrument; one of its family where NSynth does not have it."""
        labels = instrument_labels()
        if self.instrument in labels:
            return labels.index(self.instrument)
        kin = [name for name in labels if name.startswith(f"{self.family}_")]
        return labels.index(next((name for name in kin if f"_{self.source}_" in name), kin[0]))


@cache
def instrument_labels() -> tuple[str, ...]:
    """Returns NSynth's instrument names; the index is the class."""
    text = resources.files("components.prepare").joinpath("tfds", "instrument-label.labels.txt").read_text()
    return tuple(text.split())


def find_recordings(uris: Iterable[str], family: str | None) -> list[Recording]:
    """Finds all recordings of files and folders, sorted by key.

    Args:
        uris: Files, or folders that are searched recursively.
        family: Their family; None to take it from NSynth-style file names, or from the name of their folder.

    Raises:
        InputError: There are none, the family of one is unclear, or two have the same key.
    """
    if family is not None:
        check_family(family)
    by_key: dict[str, Recording] = {}
    for uri in uris:
        for info in _audio_files(uri):
            recording = _describe(info, family)
            other = by_key.setdefault(recording.key, recording)
            if other.info.uri != info.uri:
                raise InputError(
                    f"'{other.info.uri}' and '{info.uri}' would both be the recording '{recording.key}'; rename one"
                )
    return [by_key[key] for key in sorted(by_key)]


def _audio_files(uri: str) -> list[ObjectInfo]:
    single = storage.stat(uri)
    if single is not None and not is_audio(uri):
        raise InputError(f"'{uri}' is not a recording: expected {', '.join(AUDIO_SUFFIXES)}")
    found = [single] if single is not None else [info for info in storage.list_objects(uri) if is_audio(info.name)]
    if not found:
        raise InputError(f"no recordings at '{uri}': expected a file or a folder of {', '.join(AUDIO_SUFFIXES)}")
    return found


def is_audio(name: str) -> bool:
    """Tells by its name whether a file is a recording."""
    path = PurePosixPath(name)
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def _describe(info: ObjectInfo, family: str | None) -> Recording:
    path = PurePosixPath(info.uri)
    named = _NSYNTH_NAME.fullmatch(path.stem)
    if named and family in (None, named["family"]):
        return Recording(
            info,
            path.stem,
            named["family"],
            named["source"],
            named["instrument"],
            int(named["pitch"]),
            int(named["velocity"]),
        )
    family = family or path.parent.name
    if family not in FAMILIES:
        raise InputError(
            f"cannot tell the family of '{info.uri}': its folder is '{family}', {nearest(family, FAMILIES)}; "
            "name the folder after its family, or give --family"
        )
    slug = re.sub(r"[^a-z0-9]+", "-", str(PurePosixPath(info.name).with_suffix("")).lower()).strip("-")
    return Recording(info, f"{family}-{slug}", family)


def read_windows(recording: Recording) -> list[FloatArray]:
    """Reads a recording: mono at 16 kHz, cut into windows of f32[64000].

    A last piece shorter than a second is left out unless it is the only one; others are filled up with silence.

    Raises:
        InputError: It cannot be read, or is too short.
    """
    uri = recording.info.uri
    try:
        audio, rate_hz = soundfile.read(io.BytesIO(storage.read_bytes(uri)), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"cannot read the recording '{uri}': {error.error_string.rstrip('.')}; expected audio"
        ) from error
    if len(audio) < _SHORTEST_RECORDING_SECONDS * rate_hz:
        seconds = len(audio) / rate_hz
        raise InputError(
            f"the recording '{uri}' is too short: {seconds:.2f} s, expected {_SHORTEST_RECORDING_SECONDS} s or more"
        )
    if not np.isfinite(audio).all():
        raise InputError(f"the recording '{uri}' has samples that are not numbers; export it again")
    mono = soxr.resample(audio.mean(axis=1), rate_hz, SAMPLE_RATE_HZ).astype(np.float32, copy=False)
    starts = range(0, len(mono), NOTE_SAMPLES)
    pieces = [mono[start : start + NOTE_SAMPLES] for start in starts]
    if len(pieces) > 1 and len(pieces[-1]) < _SHORTEST_SECONDS * SAMPLE_RATE_HZ:
        pieces.pop()
    return [np.pad(piece, (0, NOTE_SAMPLES - len(piece))) for piece in pieces]
