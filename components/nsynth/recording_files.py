"""Which files of a source are recordings, and what is passed over: hidden, of other kinds, made by Luthier itself."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from components import storage
from components.core.errors import InputError
from components.core.text import counted, printable
from components.nsynth.dataset_info import DATASET_INFO_NAME
from components.nsynth.layout import is_shard
from components.nsynth.preparation import SUMMARY_NAME
from components.storage import ObjectInfo

AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus"),
    *(".mp3", ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd"),
)
"""Of the kinds of files that libsndfile reads. What a file really is, its content tells."""

# Of Mac archives, of network storage (Synology, QNAP), of Windows and of Linux.
_SYSTEM_NAMES = {
    *("__MACOSX", "@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot"),
    *("$RECYCLE.BIN", "System Volume Information", "lost+found"),
}
_HIDDEN = "hidden"
_SYSTEM = "of the system"
_MADE_BY_LUTHIER = "made by Luthier"
_MEANT = (_HIDDEN, _SYSTEM, _MADE_BY_LUTHIER)
# A directory with all names of one of these sets is a workspace, records, a sorted set, a training or an evaluation.
_MADE_BY_LUTHIER_NAMES = (
    {"runs", "sorted"},
    {"kfp", "mlflow"},
    {"kfp", "records"},
    {SUMMARY_NAME, DATASET_INFO_NAME},
    {"run.json", "operative_config.gin"},
    {"evaluation.json"},
    {"report.html", "listening"},
    {"mlflow.db"},
)


@dataclass(frozen=True)
class Unusable:
    """Recordings that cannot be used, for one reason.

    Attributes:
        name: The name below the source of the first one.
        reason: Why, in a whole sentence.
        recordings: How many they are.
    """

    name: str
    reason: str
    recordings: int = 1


@dataclass
class PassedOver:
    """What was passed over in a source.

    Attributes:
        kinds: How many files and directories, by what they are: "hidden".
        suffixes: How many files that are no recordings, by the ending of their names: ".m4a".
        examples: The first name of each kind.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    suffixes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, kind: str) -> None:
        """Counts a file or directory."""
        self.kinds[kind] += 1
        self.examples.setdefault(kind, printable(name))

    def add_other(self, name: str) -> None:
        """Counts a file that is no recording."""
        self.suffixes[printable(PurePosixPath(name).suffix.lower()) or "without ending"] += 1

    def merge(self, other: PassedOver) -> None:
        """Adds what was passed over elsewhere."""
        self.kinds += other.kinds
        self.suffixes += other.suffixes
        self.examples = other.examples | self.examples

    def text(self) -> str:
        """Returns one line, "3 files of other kinds (2 .m4a, 1 .txt), 1 hidden (flute/.cache)"; "" for nothing."""
        parts = []
        if total := self.suffixes.total():
            ordered = sorted(self.suffixes.items(), key=lambda each: (-each[1], each[0]))
            counts = ", ".join(f"{count} {suffix}" for suffix, count in ordered)
            parts.append(f"{counted(total, 'file of another kind', 'files of other kinds')} ({counts})")
        for kind, count in sorted(self.kinds.items()):
            parts.append(f"{count} {kind} ({self.examples[kind]}{', ...' if count > 1 else ''})")
        return ", ".join(parts)


@dataclass(frozen=True)
class AudioFiles:
    """The recordings of a source.

    Attributes:
        files: Their files.
        unusable: Files that have a recording's name and cannot be read.
        passed_over: What else is there.
        has_shards: Whether shards of records lie beside them.
    """

    files: list[ObjectInfo]
    unusable: list[Unusable]
    passed_over: PassedOver
    has_shards: bool = False


def is_audio(name: str) -> bool:
    """Tells by its name whether a file is a recording."""
    path = PurePosixPath(name)
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def audio_files(uri: str) -> AudioFiles:
    """Returns the recordings of a file or directory.

    Raises:
        InputError: It is a file of another kind, or a directory cannot be read.
    """
    single = storage.stat(uri)
    if single is not None:
        if not is_audio(uri):
            raise InputError(f"'{printable(uri)}' is not a recording: expected a file of {', '.join(AUDIO_SUFFIXES)}")
        return AudioFiles([single], [], PassedOver())
    tree = storage.walk(uri, _why_pass_over)
    has_shards = any(is_shard(info.name) for info in tree.objects if "/" not in info.name)
    found = AudioFiles([], [], PassedOver(), has_shards)
    for info in tree.objects:
        if is_audio(info.name):
            found.files.append(info)
        else:
            found.passed_over.add_other(info.name)
    for name, reason in tree.passed_over:
        if is_audio(name) and reason not in _MEANT and not reason.startswith("link to"):
            shown = printable(storage.join(uri, name))
            found.unusable.append(Unusable(name, f"the recording '{shown}': {reason}; expected a sound file"))
        else:
            found.passed_over.add(name, reason)
    return found


def unique_files(files: Iterable[ObjectInfo]) -> list[ObjectInfo]:
    """Returns the files without those that were named twice, by whatever path."""
    found: dict[str, ObjectInfo] = {}
    for info in files:
        found.setdefault(info.uri if storage.is_remote(info.uri) else os.path.realpath(info.uri), info)
    return list(found.values())


def _why_pass_over(name: str, entries: Sequence[str] | None) -> str | None:
    own_name = name.rpartition("/")[2]
    if entries is None:
        if own_name.startswith("."):
            return _HIDDEN
        return _SYSTEM if own_name in _SYSTEM_NAMES else None
    present = set(entries)
    made = any(names <= present for names in _MADE_BY_LUTHIER_NAMES) or any(map(is_shard, entries))
    return _MADE_BY_LUTHIER if made else None
