"""A training step on a GPU: ours, ours with only its loops compiled, and ddsp's, in turns in one process.

It needs no samples and no network. With --profile it counts what a step starts on the GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Row, rows_json
from benchmarks.timing import Series
from benchmarks.train.gpu_loop import NO_GPU, gpu_name, no_room
from benchmarks.train.part import Part
from benchmarks.train.profile import Profile, profiled_steps
from components.config.catalog import SYNTHS
from components.core import environment
from components.nsynth.note import NOTE_SAMPLES, SAMPLE_RATE_HZ
from components.telemetry import progress

OURS, LOOPS, DDSP = "ours", "ours-loops", "ddsp"
CONTENDERS = (OURS, LOOPS, DDSP)
_TURNS = 4  # the steps of a contender are cut into this many turns
_PROFILED_STEPS = 5


@dataclasses.dataclass(frozen=True)
class Case:
    """A step to measure.

    Attributes:
        synth: The synthesizer.
        batch: Examples in a step.
        crop_samples: Length of an example.
    """

    synth: str
    batch: int
    crop_samples: int

    @classmethod
    def parse(cls, text: str) -> Case:
        """Reads SYNTH:BATCH:SECONDS.

        Raises:
            argparse.ArgumentTypeError: It is not of that form.
        """
        try:
            synth, batch, seconds = text.split(":")
            case = cls(synth, int(batch), round(float(seconds) * SAMPLE_RATE_HZ))
        except ValueError:
            raise argparse.ArgumentTypeError(f"got {text!r}, expected SYNTH:BATCH:SECONDS") from None
        if synth not in SYNTHS or case.batch < 1 or not 0 < case.crop_samples <= NOTE_SAMPLES:
            raise argparse.ArgumentTypeError(f"got {text!r}, expected one of {', '.join(SYNTHS)}, a batch, up to 4 s")
        return case

    @property
    def seconds(self) -> float:
        """Seconds of audio in a step."""
        return self.batch * self.crop_samples / SAMPLE_RATE_HZ

    def __str__(self) -> str:
        return f"{self.synth}:{self.batch}:{self.crop_samples / SAMPLE_RATE_HZ:g}"

    def bindings(self) -> list[str]:
        """Returns it as gin bindings."""
        return [f"train.batch_size = {self.batch}", f"train.crop_samples = {self.crop_samples}"]


CASES = (
    *(Case(synth, 16, NOTE_SAMPLES) for synth in SYNTHS),
    Case(SYNTHS[0], 64, NOTE_SAMPLES),
    Case(SYNTHS[0], 64, SAMPLE_RATE_HZ),
)


@dataclasses.dataclass
class _Result:
    """What was measured of a contender: seconds a step of every turn, seconds to the end of its first step, profile."""

    steps_s: list[float] = dataclasses.field(default_factory=list)
    first_s: float = 0.0
    profile: Profile | None = None


def measure(
    folder: Path,
    preset: str,
    cases: Sequence[Case],
    contenders: Sequence[str],
    steps: int,
    profiled: bool,
    on_cpu: bool,
) -> Part:
    """Measures every case.

    Args:
        folder: A scratch folder.
        preset: Of the network.
        cases: The steps to measure.
        contenders: Of CONTENDERS.
        steps: Steps of each contender, in turns.
        profiled: Whether to count kernels.
        on_cpu: Whether to go on where there is no GPU.

    Raises:
        SystemExit: There is no GPU.
    """
    device = gpu_name()
    if not device and not on_cpu:
        raise SystemExit(NO_GPU)
    found = list[dict[str, _Result]]()
    with progress.bar("gpu", len(cases), "cases") as bar:
        for case in cases:
            found.append(_measured(case, preset, contenders, steps, folder if profiled else None))
            bar.advance(note=f"{case}: " + ", ".join(_said(name, result) for name, result in found[-1].items()))
    results = list(zip(cases, found, strict=True))
    rows = [row for case, of_case in results for row in _rows(case, preset, of_case)]
    details = {str(case): {name: dataclasses.asdict(each) for name, each in of.items()} for case, of in results}
    text = f"{device or 'no GPU, the processor'}, preset `{preset}`, {steps} steps each, in {_TURNS} turns."
    return Part(rows_json(rows), f"{text}\n\n{_table(results)}", {"device": device, "cases": details})


def _measured(
    case: Case, preset: str, contenders: Sequence[str], steps: int, profiles: Path | None
) -> dict[str, _Result]:
    from benchmarks.train.learners import tones
    from components.synths.ddsp_imports import tf

    learners, results = dict[str, Any](), dict[str, _Result]()
    for name in contenders:
        start = time.perf_counter()
        try:
            with _only_loops(name == LOOPS):
                learner = _learner(name, case, preset)
                features = tones(learner.settings)
                learner.trace(features)
                learner.step(features)
        except Exception as error:  # of one contender, as for want of memory; the others are measured
            print(f"{case}, {name}: {'no room' if no_room(error) else repr(error)[:2000]}", flush=True)
            continue
        learners[name], results[name] = learner, _Result(first_s=time.perf_counter() - start)
    for _ in range(_TURNS if learners else 0):
        for name, learner in learners.items():
            results[name].steps_s.append(_timed(learner, features, max(1, steps // _TURNS)))
    if profiles:
        for name, learner in learners.items():
            results[name].profile = profiled_steps(profiles / f"{case}-{name}", learner, features, _PROFILED_STEPS)
    learners.clear()
    tf.keras.backend.clear_session()
    return results


def _learner(name: str, case: Case, preset: str) -> Any:
    from benchmarks.train.learners import Ours, Stock

    return (Stock if name == DDSP else Ours)(case.synth, preset, case.bindings())


@contextmanager
def _only_loops(wanted: bool) -> Iterator[None]:
    """Has XLA compile a step that is traced inside the block as for users, or only its loops."""
    before = os.environ.pop(environment.XLA, None)
    if wanted:
        os.environ[environment.XLA] = "1"
    try:
        yield
    finally:
        os.environ.pop(environment.XLA, None)
        if before is not None:
            os.environ[environment.XLA] = before


def _timed(learner: Any, features: Any, steps: int) -> float:
    """Returns the seconds of a step: of some that are started one after the other and waited for at the end."""
    learner.wait()
    start = time.perf_counter()
    for _ in range(steps):
        learner.start_step(features)
    learner.wait()
    return (time.perf_counter() - start) / steps


def _said(name: str, result: _Result) -> str:
    return f"{name} {1000 * median(result.steps_s):.1f} ms"


def _rows(case: Case, preset: str, results: dict[str, _Result]) -> list[Row]:
    if OURS not in results or DDSP not in results:
        return []
    name = f"gpu-{preset}-{str(case).replace(':', '-')}s"
    ours, peer = (Series(tuple(results[who].steps_s)) for who in (OURS, DDSP))
    return [Row(name, ours, peer, "a training step")]


def _table(results: Sequence[tuple[Case, dict[str, _Result]]]) -> str:
    lines = [
        "| synth, batch, seconds | by | ms a step | times ddsp | audio s/s | first step after, s | kernels | busy |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case, of_case in results:
        peer = median(of_case[DDSP].steps_s) if DDSP in of_case else 0.0
        for name, result in of_case.items():
            step_s, profile = median(result.steps_s), result.profile
            ratio = f"{peer / step_s:.2f}" if peer else ""
            kernels, busy = (f"{profile.kernels:,.0f}", f"{profile.busy:.0%}") if profile else ("", "")
            figures = f"{1000 * step_s:.1f} | {ratio} | {case.seconds / step_s:,.0f} | {result.first_s:.1f}"
            lines.append(f"| {case} | {name} | {figures} | {kernels} | {busy} |")
    longest = [
        f"\n{case}, {name}, longest kernels (ms a step): "
        + "; ".join(f"{kernel} {ms:.2f}" for kernel, ms in result.profile.longest)
        for case, of_case in results
        for name, result in of_case.items()
        if result.profile
    ]
    return "\n".join([*lines, *longest])
