"""Converts one recording to notes: a note for each window of four seconds that has a pitch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice

import numpy as np

from components.audio.levels import SILENT_PEAK
from components.audio.loudness import nsynth_loudness_db
from components.audio.reading import opened
from components.core.errors import InputError
from components.nsynth.note import FloatArray, Note
from components.nsynth.recordings import Recording
from components.prepare.checks import RecordingCheck, RecordingMeter
from components.prepare.pitch import find_pitch
from components.prepare.recording import instrument_label, padded, windows
from components.telemetry import log

_LOG = log.get(__name__)

_VELOCITY = 100  # of recordings whose name does not state it


def convert(recording: Recording, take: Callable[[Note], None]) -> RecordingCheck:
    """Converts a recording, one window in memory at a time.

    Args:
        recording: The recording.
        take: Called with each note, in order. Where an error is raised, the notes before it do not count.

    Returns:
        What was measured of it.

    Raises:
        InputError: It cannot be read, or no window has a pitch.
    """
    peak, count, skipped = 0.0, 0, 0
    with opened(recording.info.uri) as sound:
        meter, pieces = RecordingMeter(sound), windows(sound)
        first = list(islice(pieces, 2))
        for index, piece in enumerate(chain(first, pieces)):
            name = recording.key if len(first) == 1 else f"{recording.key}-w{index:03d}"
            note = _note(recording, name, padded(piece))
            meter.add(piece, note)
            peak = max(peak, float(np.abs(piece).max()))
            if note is None:
                skipped += 1
            else:
                take(note)
                count += 1
    if not count:
        raise _no_pitch(recording, peak)
    if skipped:
        _LOG.info(
            "skipped %d of %d windows of 4 s in '%s': they have no pitch", skipped, count + skipped, recording.uri
        )
    return meter.result()


def _no_pitch(recording: Recording, peak: float) -> InputError:
    problem = f"is too quiet: its peak is {peak:.5f}, expected {SILENT_PEAK} or more; raise its level"
    if peak >= SILENT_PEAK:
        problem = "has no pitch between 47 and 2094 Hz: expected single notes"
    return InputError(f"the recording '{recording.uri}' {problem}, or leave it out")


def _note(recording: Recording, name: str, window: FloatArray) -> Note | None:
    """Returns the note of a window, f32[64000]; None where the window is too quiet or has no pitch."""
    if np.abs(window).max() < SILENT_PEAK:
        return None
    pitch = find_pitch(window, recording.pitch)
    if pitch is None:
        return None
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
