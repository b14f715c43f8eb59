"""The string notes of samples/ as a sorted set made by Luthier's commands, and in ddsp's format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.process import ROOT
from components.audio.loudness import loudness_db
from components.nsynth import example
from components.nsynth.framing import frame
from components.nsynth.sorted_set import SortedSet

FAMILY = "string"


def luthier(*arguments: object) -> list[str]:
    """Returns the command line of `luthier ARGUMENTS...`."""
    return [sys.executable, "-m", "components.cli", *map(str, arguments)]


def run_luthier(*arguments: object) -> None:
    """Runs `luthier ARGUMENTS...`; RuntimeError with the end of stderr if it fails."""
    done = subprocess.run(luthier(*arguments), cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"luthier {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr[-2000:]}"
        )


def sorted_samples(folder: Path) -> Path:
    """Makes a sorted set of the string notes below a folder: 7 train, 1 valid, 2 test. Returns its root."""
    records, out = folder / "records", folder / "sorted"
    run_luthier("prepare", ROOT / "samples" / FAMILY, "--out", records)
    run_luthier("sort", "--source", records, "--out", out, "--split", "all")
    return out


def sorted_note(folder: Path) -> Path:
    """Makes a sorted set of one of these notes, in a directory that `sorted_samples` was called with."""
    note = next(SortedSet.open(str(folder / "sorted")).notes("train", FAMILY))
    out = folder / f"note-{note.pitch}"
    run_luthier(
        "sort", "--source", folder / "records", "--out", out, "--split", "train", "--where", f"pitch={note.pitch}"
    )
    return out


def write_for_ddsp(sorted_uri: Path, path: Path) -> None:
    """Writes the training notes for ddsp's LegacyTFRecordProvider, with Luthier's loudness."""
    from components.audio.f0 import fill_forward

    with path.open("wb") as stream:
        for note in SortedSet.open(str(sorted_uri)).notes("train", FAMILY):
            values = {
                "audio": note.audio,
                "f0_hz": fill_forward(note.f0_hz[None])[0],
                "f0_confidence": note.f0_confidence,
                "loudness_db": loudness_db(note.audio[None])[0],
            }
            stream.write(frame(example.encode(values)))
