"""Converts recordings to records in the format of nsynth/gansynth_subset.f0_and_loudness 2.3.3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import BinaryIO

import numpy as np

from components import storage
from components.audio.levels import SILENT_PEAK
from components.audio.loudness import nsynth_loudness_db
from components.core.errors import InputError
from components.nsynth.framing import frame
from components.nsynth.note import FloatArray, Note
from components.nsynth.recordings import Recording, find_recordings, recordings_fingerprint
from components.prepare.checks import CheckReport, check_recording
from components.prepare.pitch import find_pitch
from components.prepare.recording import instrument_label, read_take
from components.prepare.splits import SPLITS, rank, split_recordings, split_windows
from components.prepare.tfds_files import DATASET_INFO_NAME, shard_name, write_dataset_info, write_side_files
from components.telemetry import log, progress

_LOG = log.get(__name__)

SUMMARY_NAME = "luthier.json"
_SCHEMA_VERSION = 1
_VELOCITY = 100  # of recordings whose name does not state it


@dataclass(frozen=True)
class PrepareResult:
    """Contents of the output folder.

    Attributes:
        recordings: Number of recordings.
        records: Notes of four seconds, by split.
        families: Notes of four seconds, by family.
        fingerprint: Identifies the recordings and how they are labelled.
        reused: Whether the same recordings had been prepared before, so that nothing was done.
        advice: Problems found in the recordings, one line each.
    """

    recordings: int
    records: dict[str, int]
    families: dict[str, int]
    fingerprint: str
    reused: bool
    advice: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Returns one line, for instance "40 recordings, 40 notes (32 train, 4 valid, 4 test): 10 brass, 30 string"."""
        splits = ", ".join(f"{count} {split}" for split, count in self.records.items())
        families = ", ".join(f"{count} {family}" for family, count in self.families.items())
        reused = ", prepared before" if self.reused else ""
        return f"{self.recordings} recordings, {sum(self.records.values())} notes ({splits}){reused}: {families}"


def prepare(
    recordings: Sequence[str],
    out_uri: str,
    family: str | None = None,
    overwrite: bool = False,
    families: Sequence[str] = (),
) -> PrepareResult:
    """Converts recordings to records; does nothing if the same recordings have been prepared to `out_uri` before.

    Args:
        recordings: Files, or folders that are searched recursively: wav, flac, ogg, mp3 of any rate and length.
        out_uri: Folder of the records.
        family: The family of all; None to take it from NSynth-style file names, or from the name of their folder.
        overwrite: Whether to replace records of other recordings.
        families: Which families to convert; empty for all.

    Raises:
        InputError: There are no recordings, one cannot be read or has no pitch, a family is unclear or has too little
            sound, or `out_uri` holds records of other recordings.
    """
    found = [each for each in find_recordings(recordings, family) if not families or each.family in families]
    if not found:
        raise InputError(
            f"there is no recording of {' or '.join(families)} in '{', '.join(recordings)}'; "
            "check the names of the folders"
        )
    fingerprint = recordings_fingerprint(found, _SCHEMA_VERSION)
    earlier = _earlier(out_uri, fingerprint, overwrite)
    if earlier is not None:
        return earlier
    storage.delete(storage.join(out_uri, DATASET_INFO_NAME))
    records, in_family, payload_bytes = Counter[str](), Counter[str](), Counter[str]()
    with ExitStack() as stack:
        shards = {
            split: stack.enter_context(storage.open_write(storage.join(out_uri, shard_name(split)))) for split in SPLITS
        }
        report = CheckReport()
        for split, note in _notes(found, report):
            payload_bytes[split] += _write(shards[split], note)
            records[split] += 1
            in_family[note.family] += 1
    result = PrepareResult(
        len(found),
        {split: records[split] for split in SPLITS},
        dict(sorted(in_family.items())),
        fingerprint,
        reused=False,
        advice=report.all(),
    )
    write_side_files(out_uri)
    storage.write_json(storage.join(out_uri, SUMMARY_NAME), asdict(result))
    write_dataset_info(out_uri, result.records, dict(payload_bytes))
    return result


def _earlier(out_uri: str, fingerprint: str, overwrite: bool) -> PrepareResult | None:
    """Returns the result of an earlier run into the folder, if it was of the same recordings.

    Raises:
        InputError: It was of other recordings, and `overwrite` is not set.
    """
    if overwrite or not storage.exists(storage.join(out_uri, DATASET_INFO_NAME)):
        return None
    summary_uri = storage.join(out_uri, SUMMARY_NAME)
    summary = storage.read_json(summary_uri) if storage.exists(summary_uri) else {}
    if summary.get("fingerprint") != fingerprint:
        raise InputError(
            f"'{out_uri}' holds records of other recordings: their fingerprint is "
            f"{summary.get('fingerprint', 'unknown')}, expected {fingerprint}; "
            "choose another --out, or --overwrite to replace them"
        )
    records = {split: summary["records"][split] for split in SPLITS}
    advice = summary.get("advice", [])
    return PrepareResult(summary["recordings"], records, summary["families"], fingerprint, True, advice)


def check(recordings: Sequence[str], family: str | None = None) -> list[str]:
    """Checks recordings without writing records; arguments and errors are those of `prepare`.

    Returns:
        The problems found, one line each, those of unusable recordings among them.
    """
    report = CheckReport()
    found = find_recordings(recordings, family)
    with progress.bar("check", len(found), "recordings") as bar:
        for recording in found:
            try:
                _notes_of(recording, report)
            except InputError as error:
                report.lines.append(str(error))
            bar.advance(1, note=recording.key)
    return report.all()


def _notes(recordings: list[Recording], report: CheckReport) -> Iterator[tuple[str, Note]]:
    """Yields every note with its split, in an order that mixes the families."""
    splits = split_recordings(recordings)
    unsplit: dict[str, list[Note]] = {}
    with progress.bar("prepare", len(recordings), "recordings") as bar:
        for recording in rank(recordings):
            notes, split = _notes_of(recording, report), splits[recording.key]
            if split is None:
                unsplit.setdefault(recording.family, []).extend(notes)
            else:
                yield from ((split, note) for note in notes)
            bar.advance(1, note=recording.key)
    for family, notes in sorted(unsplit.items()):
        for split, part in split_windows(family, notes).items():
            yield from ((split, note) for note in part)


def _notes_of(recording: Recording, report: CheckReport) -> list[Note]:
    """Returns a note for each window of a recording that has a pitch; InputError where none has."""
    take, uri = read_take(recording), recording.info.uri
    windows = take.windows
    named = [
        (recording.key if len(windows) == 1 else f"{recording.key}-w{index:03d}", window)
        for index, window in enumerate(windows)
    ]
    notes = [note for name, window in named if (note := _note(recording, name, window))]
    if not notes:
        peak = max(float(np.abs(window).max()) for window in windows)
        problem = f"is too quiet: its peak is {peak:.5f}, expected {SILENT_PEAK} or more; raise its level"
        if peak >= SILENT_PEAK:
            problem = "has no pitch between 47 and 2094 Hz: expected single notes"
        raise InputError(f"the recording '{uri}' {problem}, or leave it out")
    if len(notes) < len(windows):
        _LOG.info(
            "skipped %d of %d windows of 4 s in '%s': they have no pitch", len(windows) - len(notes), len(windows), uri
        )
    report.add(recording.info.name, recording.family, check_recording(take, notes))
    return notes


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


def _write(shard: BinaryIO, note: Note) -> int:
    """Appends a note to a shard; returns the size of its record without framing."""
    payload = note.encode()
    shard.write(frame(payload))
    return len(payload)
