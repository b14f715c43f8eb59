"""Keys of recordings: different recordings never have the same one, whatever people name them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from components.core.fingerprint import content_fingerprint

LONGEST_KEY = 100
"""Characters. File systems allow 255 in a file's name, of which evaluations need some for themselves."""

_HASH_DIGITS = 8
_PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "s": 1, "♯": 1, "b": -1, "♭": -1}
_NOTE = re.compile(r"(?<![^\W_])(?![EBeb]s)([A-Ga-g])([#s♯b♭]?)(-?[0-9])(?![^\W_])")  # "Es" is a German E flat
_HIGHEST_MIDI = 127
_LIKE_HASHED = re.compile(rf"(.*-)?[0-9a-f]{{{_HASH_DIGITS}}}")


def recording_key(family: str, name: str) -> str:
    """Returns the key of a recording, which depends on its family and name alone.

    A name such as "take-1.wav" can be read from its key, "flute-take-1". Any other name has lost something in its key
    (spaces, capitals, accents, directories), which therefore ends in a hash of the name: "flute-take-1-3f2b9c1d".

    Args:
        family: Its family.
        name: Its name below the source, or below the directory of its family if it is there.
    """
    stem = PurePosixPath(name).stem
    if name == f"{stem}.wav" and _PLAIN.fullmatch(stem) and not _LIKE_HASHED.fullmatch(stem):
        key = f"{family}-{stem}"
        if len(key) <= LONGEST_KEY and not stem.startswith(f"{family}-"):
            return key
    slug = _slug(str(PurePosixPath(name).with_suffix("")))
    while slug.startswith(f"{family}-"):
        slug = slug.removeprefix(f"{family}-")
    return hashed(f"{family}-{slug}", name)


def nsynth_key(family: str, stem: str, name: str) -> str:
    """Returns the key of a recording whose name is of NSynth's style: that name, with a hash in other directories.

    Args:
        family: Its family.
        stem: The name, "string_acoustic_948-060-075".
        name: Its name below the source.
    """
    directory = str(PurePosixPath(name).parent)
    return stem if directory in (".", family) else hashed(stem, name)


def pitch_hint(stem: str) -> int | None:
    """Returns the MIDI note that a name tells ("flute E4 soft", "Cs3", "F#2", "Bb4"); None for none or several."""
    found = {
        12 * (int(octave) + 1) + _SEMITONES[letter.upper()] + _ACCIDENTALS[accidental]
        for letter, accidental, octave in _NOTE.findall(stem)
    }
    return found.pop() if len(found) == 1 and 0 <= min(found) <= _HIGHEST_MIDI else None


def hashed(key: str, name: str) -> str:
    """Returns a key with a hash of the name behind it, at most LONGEST_KEY characters."""
    digest = content_fingerprint([os.fsencode(name)], _HASH_DIGITS)
    return f"{key[: LONGEST_KEY - 1 - _HASH_DIGITS].rstrip('-')}-{digest}"


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")


def distinct(keys_and_uris: Sequence[tuple[str, str]]) -> list[str]:
    """Returns the keys in their order; where several are equal, each gets a hash of what sets its URI apart.

    That is the case of recordings of one name below several directories that were given, and of one name of NSynth's
    style with several file endings.

    Args:
        keys_and_uris: The key and the URI of each recording; no URI occurs twice.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key, uri in keys_and_uris:
        groups[key].append(uri)
    endings = {uri: ending for uris in groups.values() if len(uris) > 1 for uri, ending in _endings(uris)}
    return [hashed(key, endings[uri]) if uri in endings else key for key, uri in keys_and_uris]


def _endings(uris: Iterable[str]) -> list[tuple[str, str]]:
    """Returns each URI with its shortest ending of whole parts that no other one has."""
    listed = [(uri, uri.split("/")) for uri in uris]
    depth = 1
    while len({tuple(parts[-depth:]) for _, parts in listed}) < len(listed):
        depth += 1
    return [(uri, "/".join(parts[-depth:])) for uri, parts in listed]
