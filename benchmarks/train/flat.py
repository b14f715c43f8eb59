"""The speed over a long training: thousands of steps by `luthier train`, the last ones against the first."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.process import run_function
from benchmarks.report import Row, rows_json
from benchmarks.timing import Series
from benchmarks.train import samples
from benchmarks.train.part import Part
from components.artifacts.metrics_log import METRICS_NAME, read_lines
from components.telemetry import progress

_PRESET, _SYNTH = "smoke", "harmonic"
_SLOWER = 1.05
_WARM_UP = 0.02
_INTERVAL_STEPS = 10  # what the curves average over


def measure(folder: Path, steps: int, stock_steps: int) -> Part:
    """Measures Luthier, and for information ddsp.

    Args:
        folder: A scratch folder.
        steps: Of ours.
        stock_steps: Of ddsp's, which are slower.
    """
    data, seconds = samples.sorted_samples(folder), dict[str, list[float]]()
    with progress.bar("flat", 2, "trainings") as bar:
        seconds["luthier"] = _ours(data, folder / "flat", steps)
        bar.advance()
        result = folder / "stock-steps.txt"
        run_function("benchmarks.train.flat:stock", data, stock_steps, result)
        seconds["ddsp"] = [float(line) for line in result.read_text().split()]
        bar.advance()
    rows = [_row(whose, times) for whose, times in seconds.items()]
    tenths = {whose: _tenths(times) for whose, times in seconds.items()}
    counts = {"luthier": steps, "ddsp": stock_steps}
    return Part(rows_json(rows), _markdown(counts, tenths), {"step_seconds": seconds})


def stock(data: str, steps: str, result: str) -> None:
    """Trains with ddsp's Trainer and writes the mean seconds of a step of every ten steps."""
    from benchmarks.train.learners import Stock
    from benchmarks.train.learning import stock_batches
    from components.nsynth.sorted_set import SortedSet
    from components.train.note_cache import NoteCache

    learner, seconds = Stock(_SYNTH, _PRESET), list[float]()
    with NoteCache(memory_mb=4000) as cache:
        sorted_set = SortedSet.open(data)
        notes = cache.notes(sorted_set, "train", samples.FAMILY, range(sorted_set.families("train")[samples.FAMILY]))
        batches: Any = stock_batches(notes, learner.settings)
        learner.trace(batches)
        for _ in range(int(steps) // _INTERVAL_STEPS):
            start = time.perf_counter()
            for _ in range(_INTERVAL_STEPS):
                learner.step(batches)
            seconds.append((time.perf_counter() - start) / _INTERVAL_STEPS)
    Path(result).write_text("\n".join(map(str, seconds)))


def _ours(data: Path, out: Path, steps: int) -> list[float]:
    """Trains and returns the seconds of a step, from its curves."""
    samples.run_luthier(
        *("train", "--data", data, "--synth", _SYNTH, "--preset", _PRESET, "--out", out),
        *("--set", f"train.max_steps = {steps}"),
    )
    return [1 / line["steps_per_s"] for line in read_lines(out / METRICS_NAME) if line["split"] == "train"]


def _tenths(seconds: list[float]) -> tuple[list[float], list[float]]:
    """Returns the first tenth after the warm-up, and the last."""
    steady = seconds[max(1, round(_WARM_UP * len(seconds))) :]
    tenth = max(1, len(steady) // 10)
    return steady[:tenth], steady[-tenth:]


def _row(whose: str, seconds: list[float]) -> Row:
    first, last = (statistics.fmean(tenth) for tenth in _tenths(seconds))
    what = f"{whose}: mean step of the last tenth, and of the first"
    return Row(f"flat-{_PRESET}-{whose}", Series((last,)), Series((first,)), what)


def _markdown(counts: dict[str, int], tenths: dict[str, tuple[list[float], list[float]]]) -> str:
    lines = [
        f"Preset `{_PRESET}`, {_SYNTH}. The first tenth is of the steps after the warm-up, the first "
        f"{_WARM_UP:.0%}. In brackets the median.",
        "",
        "| who | steps | step of the first tenth, ms | of the last tenth, ms | change | asked |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for whose, pair in tenths.items():
        first, last = (statistics.fmean(tenth) for tenth in pair)
        cells = [f"{1000 * statistics.fmean(one):.2f} ({1000 * statistics.median(one):.2f})" for one in pair]
        asked = f"<= +5 % {'met' if last <= _SLOWER * first else 'MISSED'}" if whose == "luthier" else ""
        lines.append(f"| {whose} | {counts[whose]:,} | {' | '.join(cells)} | {last / first - 1:+.1%} | {asked} |")
    return "\n".join(lines)
