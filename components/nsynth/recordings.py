"""Recordings of a source, and the instrument families that their names tell. Only listings are read."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from components import storage
from components.core.errors import InputError
from components.core.text import printable
from components.nsynth.families import FAMILIES, SOURCES, check_family
from components.nsynth.layout import fingerprint_of
from components.nsynth.recording_families import family_of, unclear_families
from components.nsynth.recording_files import (
    AUDIO_SUFFIXES,
    PassedOver,
    Unusable,
    audio_files,
    unique_files,
)
from components.nsynth.recording_names import distinct, nsynth_key, pitch_hint, recording_key
from components.storage import ObjectInfo

_NSYNTH_NAME = re.compile(
    rf"(?P<instrument>(?P<family>{'|'.join(FAMILIES)})_(?P<source>{'|'.join(SOURCES)})_\d{{3}})"
    r"-(?P<pitch>\d{3})-(?P<velocity>\d{3})",
    re.ASCII,
)
_HIGHEST_MIDI = 127


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
        pitch_hint: MIDI note that another name tells ("flute E4 soft"), or None. It may be of another numbering of
            octaves, or no note at all.
    """

    info: ObjectInfo
    key: str
    family: str
    source: str = "acoustic"
    instrument: str = ""
    pitch: int | None = None
    velocity: int | None = None
    pitch_hint: int | None = None

    @property
    def name(self) -> str:
        """Its name below the source, for people."""
        return printable(self.info.name)

    @property
    def uri(self) -> str:
        """Its URI, for people."""
        return printable(self.info.uri)


@dataclass(frozen=True)
class FoundRecordings:
    """The recordings of a source.

    Attributes:
        recordings: Those that can be used as far as a listing tells, sorted by key.
        unusable: Those that cannot be read, or whose family is unclear.
        passed_over: What else is there.
    """

    recordings: list[Recording]
    unusable: list[Unusable]
    passed_over: PassedOver

    def readable(self) -> FoundRecordings:
        """Reads the recordings on local disk once, for their checksums; those that fail become unusable."""
        recordings, unusable = list[Recording](), list(self.unusable)
        for recording in self.recordings:
            try:
                _ = recording.info.crc32c
            except InputError as error:
                unusable.append(Unusable(recording.info.name, str(error)))
            else:
                recordings.append(recording)
        if not recordings and unusable:
            raise nothing_usable(unusable)
        return replace(self, recordings=recordings, unusable=unusable)

    def of(self, families: Sequence[str]) -> FoundRecordings:
        """Returns the recordings of some families; of all for none."""
        if not families:
            return self
        return replace(self, recordings=[each for each in self.recordings if each.family in families])


def is_recordings(uri: str) -> bool:
    """Tells whether a directory holds recordings and no records. What Luthier made below it does not count."""
    if storage.stat(uri) is not None:
        return False
    found = audio_files(uri)
    return bool(found.files) and not found.has_shards


def find_recordings(uris: Iterable[str], family: str | None) -> FoundRecordings:
    """Finds all recordings of files and directories.

    Args:
        uris: Files, or directories that are searched recursively.
        family: Their family; None to take it from NSynth-style file names, or from the name of their directory.

    Raises:
        InputError: There are none that can be used, or a directory cannot be read.
    """
    if family is not None:
        check_family(family)
    files, unusable, passed_over = list[ObjectInfo](), list[Unusable](), PassedOver()
    for uri in uris:
        found = audio_files(uri)
        if not found.files and not found.unusable:
            text = found.passed_over.text()
            raise InputError(
                f"no recordings at '{printable(uri)}': "
                f"{f'found {text}, ' if text else ''}expected a file or a directory of {', '.join(AUDIO_SUFFIXES)}"
            )
        files += found.files
        unusable += found.unusable
        passed_over.merge(found.passed_over)
    recordings, unclear = list[Recording](), list[ObjectInfo]()
    for info in unique_files(files):
        recording = _describe(info, family)
        if recording is None:
            unclear.append(info)
        else:
            recordings.append(recording)
    if unclear:
        reason = unclear_families([_directory(info) for info in unclear])
        unusable.append(Unusable(unclear[0].name, reason, len(unclear)))
    if not recordings:
        raise nothing_usable(unusable)
    keys = distinct([(recording.key, recording.info.uri) for recording in recordings])
    named = [replace(recording, key=key) for recording, key in zip(recordings, keys, strict=True)]
    return FoundRecordings(sorted(named, key=lambda recording: recording.key), unusable, passed_over)


def nothing_usable(unusable: Sequence[Unusable]) -> InputError:
    """Returns the error for a source all of whose recordings are unusable."""
    if len(unusable) == 1:
        return InputError(unusable[0].reason)
    count = sum(each.recordings for each in unusable)
    return InputError(f"none of the {count} recordings can be used; the first: {unusable[0].reason}")


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


def _describe(info: ObjectInfo, family: str | None) -> Recording | None:
    """Returns a recording as its name and its directories describe it; None where they tell no family."""
    path = PurePosixPath(info.uri)
    named = _NSYNTH_NAME.fullmatch(path.stem)
    if named and family in (None, named["family"]):
        return Recording(
            info,
            nsynth_key(named["family"], path.stem, info.name),
            named["family"],
            named["source"],
            named["instrument"],
            _midi(named["pitch"]),
            _midi(named["velocity"]),
        )
    given, family = family, family or family_of(_directories(info))
    if family is None:
        return None
    name = info.name if given else info.name.removeprefix(f"{family}/")
    return Recording(info, recording_key(family, name), family, pitch_hint=pitch_hint(path.stem))


def _directories(info: ObjectInfo) -> list[str]:
    """Returns the names of the directories that a file is in, the nearest first; the last one is the source."""
    uri = info.uri if storage.is_remote(info.uri) else str(Path(info.uri).absolute())
    return uri.split("/")[-2 : -3 - info.name.count("/") : -1]


def _directory(info: ObjectInfo) -> str:
    """Returns the directory of a file, below the source if it is there."""
    return info.name.rpartition("/")[0] or _directories(info)[0]


def _midi(digits: str) -> int | None:
    return number if (number := int(digits)) <= _HIGHEST_MIDI else None
