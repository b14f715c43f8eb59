"""Distribution of a part's notes to voices of one note at a time, with legato where a player would."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from components.play.playing import Playing, Shape

MOST_VOICES = 16
_LEGATO_GAP_S, _LEGATO_OVERLAP_S = 0.04, 0.12
_CHORD_S = 0.06  # notes that begin within this time are a chord
_SHORTEST_S = 0.004  # a frame


@dataclass(frozen=True)
class VoiceNote:
    """A note of a voice: start and end in seconds, MIDI pitch, its curves, and whether it is tied to the one before."""

    start_s: float
    end_s: float
    pitch: int
    shape: Shape
    legato: bool = False

    @property
    def silent_from_s(self) -> float:
        """Where its release has ended."""
        return self.end_s + self.shape.ring_s


@dataclass(frozen=True)
class Allocation:
    """Voices, each with notes that do not overlap, in order; and how many notes were cut for want of a voice."""

    voices: tuple[tuple[VoiceNote, ...], ...]
    cut_notes: int


def allocate(notes: Iterable[tuple[float, float, int, int]], playing: Playing) -> Allocation:
    """Gives every note a voice.

    A sustained instrument plays a note that follows another without a gap, or overlaps its end, legato in the same
    voice. Other overlapping notes sound together. Of more than 16 at once, the oldest is cut.

    Args:
        notes: Start and end in seconds, pitch and velocity, ascending by start.
        playing: How the instrument is played.
    """
    voices: list[list[VoiceNote]] = []
    cut = 0
    for start_s, end_s, pitch, velocity in notes:
        note = VoiceNote(start_s, max(end_s, start_s + _SHORTEST_S), pitch, playing.shape(pitch, velocity))
        tied = _tied(voices, note) if playing.sustained else None
        voice = tied or _free(voices, note, playing.sustained)
        if voice is None and len(voices) < MOST_VOICES:
            voice = []
            voices.append(voice)
        if voice is None:
            voice = min(voices, key=lambda each: each[-1].start_s)
            cut += 1
        if voice and voice[-1].end_s > start_s:
            voice[-1] = replace(voice[-1], end_s=max(start_s, voice[-1].start_s))
        voice.append(replace(note, legato=tied is not None))
    return Allocation(tuple(map(tuple, voices)), cut)


def _tied(voices: list[list[VoiceNote]], note: VoiceNote) -> list[VoiceNote] | None:
    """Returns the voice whose last note this one continues, that of the nearest pitch; None without any."""

    def continues(last: VoiceNote) -> bool:
        overlap_s = last.end_s - note.start_s
        return (
            -_LEGATO_GAP_S <= overlap_s <= min(_LEGATO_OVERLAP_S, (last.end_s - last.start_s) / 2)
            and note.start_s - last.start_s > _CHORD_S
            and note.end_s > last.end_s
            and note.pitch != last.pitch
        )

    found = [voice for voice in voices if continues(voice[-1])]
    return min(found, key=lambda voice: abs(voice[-1].pitch - note.pitch)) if found else None


def _free(voices: list[list[VoiceNote]], note: VoiceNote, sustained: bool) -> list[VoiceNote] | None:
    """Returns a voice that is silent, the one that ended last; else one whose release this note may cut."""
    silent = [voice for voice in voices if voice[-1].silent_from_s <= note.start_s]
    if silent:
        return max(silent, key=lambda voice: voice[-1].end_s)
    ended = [voice for voice in voices if voice[-1].end_s <= note.start_s]
    if not sustained:  # the string or bar that is struck again
        ended = [voice for voice in ended if voice[-1].pitch == note.pitch]
    return min(ended, key=lambda voice: voice[-1].end_s) if ended else None
