"""Splits notes into train, valid and test by recording, independently of the order of the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from components.core.errors import InputError
from components.core.fingerprint import content_fingerprint
from components.core.text import counted
from components.nsynth.recordings import Recording

SPLITS = ("train", "valid", "test")
_VALID_SHARE, _TEST_SHARE = 0.1, 0.2
_T = TypeVar("_T")


def rank(recordings: list[Recording]) -> list[Recording]:
    """Returns the recordings in an order that is random but fixed by their keys."""
    return sorted(recordings, key=lambda recording: content_fingerprint([recording.key.encode()], 64))


def cut(items: Sequence[_T]) -> dict[str, Sequence[_T]]:
    """Cuts a sequence of at least three into train, valid and test: about 70, 10 and 20 %, each at least one."""
    test = max(1, round(len(items) * _TEST_SHARE))
    valid = test + max(1, round(len(items) * _VALID_SHARE))
    return {"test": items[:test], "valid": items[test:valid], "train": items[valid:]}


def split_recordings(recordings: list[Recording]) -> dict[str, str | None]:
    """Returns the split of each recording, by key; None where its family has fewer than three recordings."""
    splits: dict[str, str | None] = {}
    for family in {recording.family for recording in recordings}:
        ranked = rank([recording for recording in recordings if recording.family == family])
        if len(ranked) < len(SPLITS):
            splits.update((recording.key, None) for recording in ranked)
            continue
        splits.update((recording.key, split) for split, part in cut(ranked).items() for recording in part)
    return splits


def split_windows(family: str, windows: Sequence[_T]) -> dict[str, Sequence[_T]]:
    """Splits the windows of a family with one or two recordings: in blocks, since neighbours are alike.

    Raises:
        InputError: There are fewer than three.
    """
    if len(windows) < len(SPLITS):
        raise InputError(
            f"there are too few recordings of family {family}: got {counted(len(windows), 'window')} of 4 s, expected "
            "three recordings or 12 s of sound, so that each of train, valid and test has some; add recordings"
        )
    return cut(windows)
