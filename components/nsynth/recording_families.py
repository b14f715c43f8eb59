"""The instrument family that the directories of a recording tell, and what is said where they tell none."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

from components.core.text import counted, printable
from components.nsynth.families import FAMILIES

_INSTRUMENTS = {
    "bass": ("bass guitar", "electric bass", "synth bass"),
    "brass": ("trumpet", "trombone", "horn", "french horn", "tuba", "cornet", "flugelhorn", "euphonium"),
    "flute": ("piccolo", "recorder", "alto flute", "bass flute", "pan flute", "whistle", "ocarina"),
    "guitar": ("acoustic guitar", "electric guitar", "ukulele", "banjo", "mandolin", "lute"),
    "keyboard": ("piano", "grand piano", "electric piano", "harpsichord", "clavinet", "celesta"),
    "mallet": ("vibraphone", "marimba", "xylophone", "glockenspiel", "bell", "steel drum"),
    "organ": ("pipe organ", "church organ", "harmonium", "accordion"),
    "reed": ("clarinet", "bass clarinet", "oboe", "english horn", "bassoon", "sax", "saxophone", "harmonica"),
    "string": ("violin", "viola", "cello", "violoncello", "contrabass", "double bass", "fiddle", "harp"),
    "synth_lead": ("synth", "synthesizer", "lead"),
    "vocal": ("voice", "vox", "singing", "singer", "choir"),
}
_FAMILY_OF = {name: family for family, names in _INSTRUMENTS.items() for name in (family.replace("_", " "), *names)}
_MOST_DIRECTORIES = 20  # in one line
_CLOSE = 0.8


def family_of(directories: Sequence[str]) -> str | None:
    """Returns the family of a recording: of the nearest directory that is named after one, in any case of letters.

    None where there is no such directory, or a directory below it is named after an instrument of another family.

    Args:
        directories: Names of the directories that it is in, the nearest first.
    """
    nearer = set[str]()
    for name in directories:
        plain = _plain(name)
        family = plain.replace(" ", "_")
        if family in FAMILIES:
            return family if nearer <= {family} else None
        if known := _instrument_family(plain):
            nearer.add(known)
    return None


def unclear_families(directories: Sequence[str]) -> str:
    """Returns a line about recordings whose families are unclear: all their directories, and what to do.

    Args:
        directories: The directory of each of the recordings.
    """
    found = sorted(Counter(directories).items())
    shown = [f"'{printable(name)}' ({count}{_offer(name)})" for name, count in found[:_MOST_DIRECTORIES]]
    if len(found) > _MOST_DIRECTORIES:
        shown.append(f"and {len(found) - _MOST_DIRECTORIES} more")
    return (
        f"cannot tell the family of {counted(len(directories), 'recording')} by the directory: {', '.join(shown)}; "
        f"name the directories after the families ({', '.join(FAMILIES)}), or give --family for the recordings of one"
    )


def _plain(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.casefold())).strip(" .")


def _instrument_family(plain: str) -> str | None:
    """Returns the family of an instrument or family in the singular or plural."""
    return next((_FAMILY_OF[each] for each in (plain, plain[:-1], plain[:-2]) if each in _FAMILY_OF), None)


def _offer(directory: str) -> str:
    """Returns "; string?" for a name that is like that of a family; "" for others."""
    plain = _plain(directory.rpartition("/")[2])
    family = _instrument_family(plain)
    if family is None:
        words = {known for word in plain.split() if (known := _instrument_family(word))}
        family = words.pop() if len(words) == 1 else None
    if family is None and (close := difflib.get_close_matches(plain, _FAMILY_OF, 1, _CLOSE)):
        family = _FAMILY_OF[close[0]]
    return f": {family}?" if family else ""
