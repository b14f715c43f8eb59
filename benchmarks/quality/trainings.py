"""The trainings of benchmarks.quality: what is compared, where it is on disk, and how it comes there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import run_function
from benchmarks.train.samples import run_luthier
from components.artifacts.training_dir import TrainingDir, training_name
from components.core.versions import EVALUATION_VERSION, TRAINING_VERSION

OURS, DDSP = "ours", "ddsp"
NAMES = {OURS: "Luthier", DDSP: "ddsp"}
_ENDLESS_STEPS = 10_000_000
_DONE = "done"


@dataclass(frozen=True)
class Case:
    """One model: whose layers, of which family and synth, with which seed."""

    whose: str
    family: str
    synth: str
    seed: int

    def __str__(self) -> str:
        return f"{training_name(self.family, self.synth)}, seed {self.seed}, {self.whose}"


@dataclass(frozen=True)
class Trainings:
    """Where the trainings are, and how long each is.

    Attributes:
        work: Their directory; what is there is not done again.
        sorted_uri: The sorted set.
        preset: Of the networks.
        seconds: How long each training is.
    """

    work: Path
    sorted_uri: Path
    preset: str
    seconds: float

    def folder(self, case: Case) -> Path:
        """Returns the directory of a training. Those of another version of Luthier's training have another one."""
        whose = f"{OURS}-{TRAINING_VERSION}" if case.whose == OURS else case.whose
        seeds = self.work / f"{self.preset}-{self.seconds:g}s" / f"{whose}-seed-{case.seed}"
        return seeds / training_name(case.family, case.synth)

    def played(self, case: Case) -> Path:
        """Returns the file of what a model plays; see arrays.Played. Luthier's models play as an evaluation has it."""
        return self.folder(case) / (f"played-{EVALUATION_VERSION}.npz" if case.whose == OURS else "played.npz")

    def train(self, case: Case) -> None:
        """Trains a model, unless that is done."""
        if self.played(case).exists():
            return
        if case.whose == DDSP:
            sizes = (self.preset, case.seed, self.seconds, self.played(case))
            run_function("benchmarks.quality.playing:train_ddsp", self.sorted_uri, case.family, case.synth, *sizes)
            return
        if TrainingDir(str(self.folder(case))).finished_record():
            return
        settings = {"seed": case.seed, "max_minutes": self.seconds / 60, "max_steps": _ENDLESS_STEPS}
        bindings = [part for name, value in settings.items() for part in ("--set", f"train.{name} = {value}")]
        where = ("--data", self.sorted_uri, "--out", self.folder(case), "--preset", self.preset)
        run_luthier("train", "--family", case.family, "--synth", case.synth, *where, *bindings)

    def play(self, cases: Iterable[Case]) -> None:
        """Lets Luthier's models play, all in one process, but for those that have."""
        wanted = {str(self.folder(case)): self.played(case) for case in cases if case.whose == OURS}
        play(wanted, str(self.sorted_uri))


def play(wanted: dict[str, Path], sorted_uri: str) -> None:
    """Lets models play, unless their files are there: files to write, by training directory."""
    missing = [[training, sorted_uri, str(out)] for training, out in wanted.items() if not out.exists()]
    if missing:
        run_function("benchmarks.quality.playing:play_ours", json.dumps(missing))


def of_run(run: Path) -> tuple[dict[Case, Path], str]:
    """Returns the finished trainings of a run of `luthier run`, and its sorted set; ValueError if there are none."""
    found, data = dict[Case, Path](), ""
    for folder in sorted(run.iterdir()):
        training = TrainingDir(str(folder))
        if folder.is_dir() and (record := training.finished_record()):
            found[Case(OURS, record.family, record.synth, 0)] = folder
            data = record.data_uri
    if not found:
        raise ValueError(f"no finished training in '{run}', expected a directory <workspace>/runs/<run-id>")
    return found, data


def sorted_source(source: Path, out: Path) -> Path:
    """Returns a sorted set of recordings or of records, made below `out` where it is not there yet."""
    if any(source.glob("*/manifest.json")):
        return source
    if not (out / _DONE).exists():
        records = source
        if not any(source.glob("*.tfrecord*")):
            records = out / "records"
            run_luthier("prepare", source, "--out", records)
        run_luthier("sort", "--source", records, "--out", out / "sorted", "--split", "all")
        (out / _DONE).touch()
    return out / "sorted"
