"""MIDI files for the tests, written with mido."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import mido

BEAT = 480
Event = tuple[float, mido.Message | mido.MetaMessage]


def notes(channel: int, *played: tuple[float, float, int, int]) -> list[Event]:
    """Returns the events of notes: start and length in beats of half a second, pitch, velocity."""
    events: list[Event] = []
    for start, length, pitch, velocity in played:
        events.append((start, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
        events.append((start + length, mido.Message("note_off", channel=channel, note=pitch)))
    return events


def control(at: float, channel: int, number: int, value: int) -> Event:
    return at, mido.Message("control_change", channel=channel, control=number, value=value)


def tempo(at: float, beat_us: int) -> Event:
    return at, mido.MetaMessage("set_tempo", tempo=beat_us)


def named(name: str) -> Event:
    return 0, mido.MetaMessage("track_name", name=name)


def write(path: Path, *tracks: Iterable[Event], kind: int = 1) -> str:
    """Writes a MIDI file of tracks, whose events may be in any order."""
    file = mido.MidiFile(type=kind, ticks_per_beat=BEAT)
    for events in tracks:
        track, ticks = mido.MidiTrack(), 0
        for at, message in sorted(events, key=lambda each: each[0]):
            track.append(message.copy(time=round(at * BEAT) - ticks))
            ticks = round(at * BEAT)
        file.tracks.append(track)
    file.save(path)
    return str(path)
