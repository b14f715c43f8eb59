"""Reading of Standard MIDI files: bounds for hostile ones, and the time of each event.

mido parses the bytes. It reads numbers of any length and keeps every event as an object, so the size of a file and the
length of a number are limited before it sees them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import mido

from components import storage
from components.core.errors import InputError
from components.play.chunks import without_other_chunks
from components.play.riff import unwrapped
from components.play.score import Score
from components.play.score_reader import ScoreReader

_LARGEST_BYTES = 2 << 20  # 700,000 events, 400 MB as mido's objects
_ENDLESS_NUMBER = re.compile(rb"[\x80-\xff]{4096}")
_MOST_TICKS = 1 << 48
_DEFAULT_TEMPO_US = 500_000
_LONGEST_NAME = 40


def read_score(uri: str) -> Score:
    """Reads a MIDI file of type 0 or 1, also in RIFF (.rmi).

    Args:
        uri: Local or gs://.

    Raises:
        InputError: It is not a MIDI file, damaged, of type 2, too large or too long, or has no notes to play.
    """
    with storage.open_read(uri) as stream:
        content = stream.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise InputError(
            f"the MIDI file '{uri}' is too large: expected {_LARGEST_BYTES >> 20} MB at most; "
            "try one without its system exclusive data, or a part of the piece"
        )
    file = _parse(unwrapped(content), uri)
    reader = ScoreReader(uri)
    for seconds, track, message in _timed(file, uri):
        reader.take(seconds, track, message)
    return reader.score([_name(track) for track in file.tracks])


def _parse(content: bytes, uri: str) -> mido.MidiFile:
    if not content.startswith(b"MThd"):
        raise InputError(f"'{uri}' is not a MIDI file: expected a Standard MIDI file, which begins with 'MThd'")
    if _ENDLESS_NUMBER.search(content):
        raise InputError(
            f"the MIDI file '{uri}' is damaged: it has a number of more than 4,096 bytes; export or copy it again"
        )
    try:
        file = mido.MidiFile(file=io.BytesIO(without_other_chunks(content)))
    except EOFError as error:
        raise InputError(
            f"the MIDI file '{uri}' is damaged: it ends within a track; export or copy it again"
        ) from error
    except Exception as error:  # mido has no class of its own for what it cannot read
        reason = str(error) or type(error).__name__
        raise InputError(f"the MIDI file '{uri}' is damaged: {reason}; export or copy it again") from error
    if file.type not in (0, 1):
        raise InputError(
            f"the MIDI file '{uri}' is of type {file.type}, whose tracks are independent pieces: "
            "expected type 0 or 1; save it as type 1"
        )
    return file


def _name(track: Sequence[Any]) -> str:
    found = next((each.name for each in track if each.type == "track_name"), "")
    return "".join(letter for letter in found if letter.isprintable()).strip()[:_LONGEST_NAME]


def _timed(file: mido.MidiFile, uri: str) -> Iterator[tuple[float, int, Any]]:
    """Yields seconds, track and message of every event, in the order of time."""
    events: list[tuple[int, int, Any]] = []
    for number, track in enumerate(file.tracks):
        ticks = 0
        for message in track:
            ticks += message.time
            events.append((ticks, number, message))
    # By ticks alone: the sort is stable, and events at one time stay in the order of the file.
    events.sort(key=lambda each: each[0])
    fixed_s = _fixed_tick_s(file.ticks_per_beat, uri)
    tempo_us, seconds, before = _DEFAULT_TEMPO_US, 0.0, 0
    for ticks, number, message in events:
        passed = min(ticks - before, _MOST_TICKS)
        seconds += passed * (fixed_s or tempo_us / 1e6 / file.ticks_per_beat)
        before = ticks
        yield seconds, number, message
        if message.type == "set_tempo":
            tempo_us = message.tempo


def _fixed_tick_s(division: int, uri: str) -> float:
    """Returns the seconds of a tick where the file counts frames of film (SMPTE); 0 where it counts beats."""
    if division > 0:
        return 0.0
    frames_per_s, ticks = -(division >> 8), division & 0xFF
    if not division or frames_per_s not in (24, 25, 29, 30) or not ticks:
        raise InputError(f"the MIDI file '{uri}' is damaged: its unit of time is {division}; export or copy it again")
    return 1.0 / ((30 / 1.001 if frames_per_s == 29 else frames_per_s) * ticks)
