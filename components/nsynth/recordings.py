"""Recordings: where they are, and whose sound they hold, as far as names tell. Nothing is read but listings."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from components import storage
from components.core.errors import InputError, nearest
from components.nsynth.families import FAMILIES, SOURCES, check_family
from components.nsynth.layout import fingerprint_of, is_shard
from components.storage import ObjectInfo

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_NSYNTH_NAME = re.compile(
    rf"(?P<instrument>(?P<family>{'|'.join(FAMILIES)})_(?P<source>{'|'.join(SOURCES)})_\d{{3}})"
    r"-(?P<pitch>\d{3})-(?P<velocity>\d{3})"
)


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


def is_recordings(uri: str) -> bool:
    """Tells whether a folder holds recordings, and no records."""
    names = [info.name for info in storage.list_objects(uri)]
    return any(map(is_audio, names)) and not any(map(is_shard, names))


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


def by_family(recordings: Iterable[Recording]) -> dict[str, list[Recording]]:
    """Returns the recordings of each family, in their order."""
    found: defaultdict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        found[recording.family].append(recording)
    return dict(sorted(found.items()))


def recordings_fingerprint(recordings: Iterable[Recording], *parameters: str | int) -> str:
    """Returns what identifies recordings, how they are labelled, and parameters."""
    listed = list(recordings)
    labels = json.dumps([[recording.key, recording.family] for recording in listed])
    return fingerprint_of([recording.info for recording in listed], *parameters, labels)


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
