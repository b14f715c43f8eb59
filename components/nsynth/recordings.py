"""Recordings in a directory, and the instrument families that their names tell. Only listings are read."""

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
    """A recording, described by its name.

    Attributes:
        info: The file.
        key: Its name among the recordings: of NSynth's style, or made of family and path.
        family: A name of FAMILIES.
        source: A name of SOURCES.
        instrument: NSynth's name of the instrument, or "" if the file is not named in that style.
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
    """Tells whether a directory holds recordings and no records."""
    names = [info.name for info in storage.list_objects(uri)]
    return any(map(is_audio, names)) and not any(map(is_shard, names))


def find_recordings(uris: Iterable[str], family: str | None) -> list[Recording]:
    """Finds all recordings of files and directories, sorted by key.

    Args:
        uris: Files, or directories that are searched recursively.
        family: Their family; None to take it from NSynth-style file names, or from the name of their directory.

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
                    f"'{other.info.uri}' and '{info.uri}' have the same key '{recording.key}'; rename one of them"
                )
    return [by_key[key] for key in sorted(by_key)]


def by_family(recordings: Iterable[Recording]) -> dict[str, list[Recording]]:
    """Returns the recordings of each family, in their order."""
    found: defaultdict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        found[recording.family].append(recording)
    return dict(sorted(found.items()))


def recordings_fingerprint(recordings: Iterable[Recording], *parameters: str | int) -> str:
    """Returns the fingerprint of recordings with their keys and families, and of parameters."""
    listed = list(recordings)
    labels = json.dumps([[recording.key, recording.family] for recording in listed])
    return fingerprint_of([recording.info for recording in listed], *parameters, labels)


def _audio_files(uri: str) -> list[ObjectInfo]:
    single = storage.stat(uri)
    if single is not None and not is_audio(uri):
        raise InputError(f"'{uri}' is not a recording: expected a file of {', '.join(AUDIO_SUFFIXES)}")
    found = [single] if single is not None else [info for info in storage.list_objects(uri) if is_audio(info.name)]
    if not found:
        raise InputError(f"no recordings at '{uri}': expected a file or a directory of {', '.join(AUDIO_SUFFIXES)}")
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
            f"cannot tell the family of '{info.uri}': its directory is '{family}', {nearest(family, FAMILIES)}; "
            "name the directory after its family, or give --family"
        )
    slug = re.sub(r"[^a-z0-9]+", "-", str(PurePosixPath(info.name).with_suffix("")).lower()).strip("-")
    return Recording(info, f"{family}-{slug}", family)
