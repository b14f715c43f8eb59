"""Converts recordings to records in the format of nsynth/gansynth_subset.f0_and_loudness 2.3.3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from components import storage
from components.audio.pitch import DEFAULT_TRACKER, tracker
from components.core.errors import InputError
from components.core.versions import PREPARE_VERSION
from components.nsynth.dataset_info import DATASET_INFO_NAME
from components.nsynth.note import Note
from components.nsynth.preparation import mark_unfinished
from components.nsynth.recording_files import Unusable
from components.nsynth.recordings import (
    FoundRecordings,
    Recording,
    find_recordings,
    nothing_usable,
    recordings_fingerprint,
)
from components.prepare.checks import CheckReport
from components.prepare.conversion import convert
from components.prepare.result import PrepareResult, earlier_result
from components.prepare.splits import SPLITS, rank, split_recordings, split_windows
from components.prepare.spool import Span, Spool, spool
from components.prepare.tfds_files import shard_name, write_dataset_info, write_side_files
from components.telemetry import progress

_T = TypeVar("_T")

_SCHEMA_VERSION = 1
_MOST_REASONS = 5  # in one error


@dataclass(frozen=True)
class CheckResult:
    """What a check of recordings found.

    Attributes:
        problems: One line each, those of unusable recordings among them.
        unusable: How many recordings cannot be used.
        passed_over: What else was found in the source, in one line; "" for nothing.
    """

    problems: list[str]
    unusable: int
    passed_over: str


@dataclass(frozen=True)
class _Converted:
    """The recordings that could be converted, in the order of the records, and those that could not."""

    spans: dict[Recording, list[Span]]
    unusable: list[Unusable]


def prepare(
    recordings: Sequence[str],
    out_uri: str,
    family: str | None = None,
    overwrite: bool = False,
    families: Sequence[str] = (),
    strict: bool = False,
    tracker_name: str = DEFAULT_TRACKER,
) -> PrepareResult:
    """Converts recordings to records; does nothing if the same recordings have been prepared to `out_uri` before.

    A recording that cannot be used is left out; it has no influence on the records of the others.

    Args:
        recordings: Files, or folders that are searched recursively: of recording_files.AUDIO_SUFFIXES, of any rate and
            length.
        out_uri: Folder of the records.
        family: The family of all; None to take it from NSynth-style file names, or from the name of their folder.
        overwrite: Whether to replace records of other recordings.
        families: Which families to convert; empty for all.
        strict: Whether nothing may be left out.
        tracker_name: The pitch tracker, one of audio.pitch.TRACKERS.

    Raises:
        InputError: There is no such tracker, there are no recordings that can be used, a folder cannot be read,
            `out_uri` holds records of other recordings, or something is left out and `strict` is set.
        StepError: The disk for temporary files is full.
    """
    tracker(tracker_name)  # an unknown name is refused before anything is read
    found = find_recordings(recordings, family).of(families)
    if not found.recordings:
        raise InputError(
            f"there is no recording of {' or '.join(families)} in '{', '.join(recordings)}'; "
            "check the names of the directories"
        )
    found = found.readable()
    other_tracker = [] if tracker_name == DEFAULT_TRACKER else [tracker_name]
    fingerprint = recordings_fingerprint(found.recordings, _SCHEMA_VERSION, PREPARE_VERSION, *other_tracker)
    result = earlier_result(out_uri, fingerprint, overwrite)
    if result is None:
        result = _convert_all(found, out_uri, fingerprint, strict, tracker_name)
    _check_nothing_left_out(result.left_out, strict)
    return result


def _convert_all(
    found: FoundRecordings, out_uri: str, fingerprint: str, strict: bool, tracker_name: str
) -> PrepareResult:
    storage.list_objects(out_uri)  # a bucket that does not exist is an error before the conversion, not after it
    storage.delete(storage.join(out_uri, DATASET_INFO_NAME))
    report = CheckReport()
    with spool() as notes:
        converted = _converted(found, notes, report, strict, tracker_name)
        by_split, too_small = _splits(converted.spans)
        left_out = [*(each.reason for each in converted.unusable), *too_small.values()]
        _check_nothing_left_out(left_out, strict)
        kept = {recording for recording, _, _ in by_split}
        if not kept:
            raise InputError(f"{next(iter(too_small.values()))}{_first_left_out(converted.unusable)}")
        mark_unfinished(out_uri)
        for split in SPLITS:  # a kill between two of the new ones must not leave old ones beside them
            storage.delete(storage.join(out_uri, shard_name(split)))
        records, in_family, payload_bytes = Counter[str](), Counter[str](), Counter[str]()
        with ExitStack() as stack:
            shards = {
                split: stack.enter_context(storage.open_write(storage.join(out_uri, shard_name(split))))
                for split in SPLITS
            }
            for recording, split, span in by_split:
                notes.copy(span, shards[split])
                payload_bytes[split] += span.payload_bytes
                records[split] += 1
                in_family[recording.family] += 1
    result = PrepareResult(
        len(kept),
        {split: records[split] for split in SPLITS},
        dict(sorted(in_family.items())),
        fingerprint,
        reused=False,
        advice=report.all(too_small),
        left_out=left_out,
        passed_over=found.passed_over.text(),
    )
    write_side_files(out_uri)
    result.write(out_uri)
    write_dataset_info(out_uri, result.records, dict(payload_bytes))
    return result


def _converted(
    found: FoundRecordings, notes: Spool, report: CheckReport, strict: bool, tracker_name: str
) -> _Converted:
    """Converts all recordings, in an order that mixes the families."""
    converted = _Converted({}, list(found.unusable))
    with progress.bar("prepare", len(found.recordings), "recordings") as bar:
        for recording in rank(found.recordings):
            spans = list[Span]()

            def take(note: Note, spans: list[Span] = spans) -> None:
                spans.append(notes.add(note.encode()))

            try:
                report.add(recording, convert(recording, take, tracker_name))
                converted.spans[recording] = spans
            except InputError as error:
                notes.drop(spans)
                converted.unusable.append(Unusable(recording.info.name, str(error)))
            bar.advance(1, note=recording.key)
        if not converted.spans:
            raise nothing_usable(converted.unusable)
        _check_nothing_left_out([each.reason for each in converted.unusable], strict)
    return converted


def _splits(spans: dict[Recording, list[_T]]) -> tuple[list[tuple[Recording, str, _T]], dict[str, str]]:
    """Returns the records in their order with recording and split, and a line for each family with too few of them."""
    splits, by_split, too_small = split_recordings(list(spans)), list[tuple[Recording, str, _T]](), dict[str, str]()
    unsplit: dict[str, list[tuple[Recording, _T]]] = {}
    for recording, its_spans in spans.items():
        split = splits[recording.key]
        if split is None:
            unsplit.setdefault(recording.family, []).extend((recording, span) for span in its_spans)
        else:
            by_split += [(recording, split, span) for span in its_spans]
    for family, windows in sorted(unsplit.items()):
        try:
            parts = split_windows(family, windows)
        except InputError as error:
            too_small[family] = str(error)
            continue
        by_split += [(recording, split, span) for split, part in parts.items() for recording, span in part]
    return by_split, too_small


def _first_left_out(unusable: Sequence[Unusable]) -> str:
    """Returns the end of an error that says what else there was; "" for nothing."""
    if not unusable:
        return ""
    return f"; {sum(each.recordings for each in unusable)} cannot be used, the first: {unusable[0].reason}"


def _check_nothing_left_out(left_out: Sequence[str], strict: bool) -> None:
    if strict and left_out:
        more = f"; and {len(left_out) - _MOST_REASONS} more" if len(left_out) > _MOST_REASONS else ""
        reasons = "; ".join(left_out[:_MOST_REASONS])
        raise InputError(
            f"--strict expects that every recording can be used, but {len(left_out)} cannot be used: {reasons}{more}"
        )


def check(recordings: Sequence[str], family: str | None = None, tracker_name: str = DEFAULT_TRACKER) -> CheckResult:
    """Checks recordings without writing records; arguments and errors are those of `prepare`."""
    tracker(tracker_name)
    report = CheckReport()
    found = find_recordings(recordings, family)
    unusable, windows = list(found.unusable), dict[Recording, list[str]]()
    with progress.bar("check", len(found.recordings), "recordings") as bar:
        for recording in found.recordings:
            ids = list[str]()

            def take(note: Note, ids: list[str] = ids) -> None:
                ids.append(note.id)

            try:
                report.add(recording, convert(recording, take, tracker_name))
                windows[recording] = ids
            except InputError as error:
                unusable.append(Unusable(recording.info.name, str(error)))
            bar.advance(1, note=recording.key)
    _, too_small = _splits(windows)
    problems = [*(each.reason for each in unusable), *report.all(too_small), *too_small.values()]
    return CheckResult(problems, sum(each.recordings for each in unusable), found.passed_over.text())
