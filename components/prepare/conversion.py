"""Converts one recording to notes: a note for each window of four seconds that has a pitch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice

import numpy as np

from components.audio.f0 import midi_to_hz
from components.audio.levels import SILENT_PEAK
from components.audio.loudness import nsynth_loudness_db
from components.audio.periodicity import HIGHEST_HZ, LOWEST_HZ
from components.audio.pitch import DEFAULT_TRACKER
from components.audio.reading import opened
from components.core.errors import InputError
from components.nsynth.note import FloatArray, Note
from components.nsynth.recordings import Recording
from components.prepare.checks import RecordingCheck, RecordingMeter
from components.prepare.pitch import Pitch, find_pitch
from components.prepare.recording import instrument_label, padded, windows
from components.telemetry import log

_LOG = log.get(__name__)

_VELOCITY = 100  # of recordings whose name does not state it


def convert(recording: Recording, take: Callable[[Note], None], tracker_name: str = DEFAULT_TRACKER) -> RecordingCheck:
    """Converts a recording, one window in memory at a time.

    Args:
        recording: The recording.
        take: Called with each note, in order. Where an error is raised, the notes before it do not count.
        tracker_name: The pitch tracker, one of audio.pitch.TRACKERS.

    Returns:
        What was measured of it.

    Raises:
        InputError: It cannot be read, or no window has a pitch.
    """
    peak, count, skipped = 0.0, 0, 0
    with opened(recording.info.uri, generation=recording.info.generation) as sound:
        meter, pieces = RecordingMeter(recording, sound), windows(sound)
        first = list(islice(pieces, 2))
        for index, piece in enumerate(chain(first, pieces)):
            name = recording.key if len(first) == 1 else f"{recording.key}-w{index:03d}"
            pitch = _pitch(recording, padded(piece), tracker_name)
            note = None if pitch is None else _note(recording, name, padded(piece), pitch)
            meter.add(piece, note, pitch)
            peak = max(peak, float(np.abs(piece).max()))
            if note is None:
                skipped += 1
            else:
                take(note)
                count += 1
    if not count:
        raise _no_pitch(recording, peak)
    if skipped:
        _LOG.info("skipped windows of 4 s without a pitch in '%s': %d of %d", recording.uri, skipped, count + skipped)
    return meter.result()


def _no_pitch(recording: Recording, peak: float) -> InputError:
    problem = f"is too quiet: its peak is {peak:.5f}, expected {SILENT_PEAK} or more; raise its level"
    if peak >= SILENT_PEAK:
        problem = f"has no pitch between {LOWEST_HZ:.0f} and {HIGHEST_HZ:.0f} Hz: expected single notes"
        if recording.pitch is not None:
            problem = (
                f"has no pitch near that of its name, {recording.pitch} ({midi_to_hz(recording.pitch):.0f} Hz), "
                f"between {LOWEST_HZ:.0f} and {HIGHEST_HZ:.0f} Hz; name it by its pitch"
            )
    return InputError(f"the recording '{recording.uri}' {problem}, or leave it out")


def _pitch(recording: Recording, window: FloatArray, tracker_name: str) -> Pitch | None:
    """Returns the pitch of a window, f32[64000]; None where it is too quiet or has none."""
    if np.abs(window).max() < SILENT_PEAK:
        return None
    return find_pitch(window, recording.pitch, tracker_name, recording.pitch_hint)


def _note(recording: Recording, name: str, window: FloatArray, pitch: Pitch) -> Note:
    return Note(
        id=name,
        audio=window,
        f0_hz=pitch.f0_hz,
        f0_midi=pitch.f0_midi,
        f0_confidence=pitch.f0_confidence,
        loudness_db=nsynth_loudness_db(window),
        family=recording.family,
        source=recording.source,
        instrument_label=instrument_label(recording),
        pitch=round(pitch.median_midi) if recording.pitch is None else recording.pitch,
        velocity=_VELOCITY if recording.velocity is None else recording.velocity,
    )
