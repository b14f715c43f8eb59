"""`luthier train` on a GPU: steps and seconds of audio per second, by batch size, for one synth and several together.

Ours is `luthier train`, several in one process. Beside it, the training steps of the same models alone, in turns: what
the loop, its batches, logs and checkpoints cost is the difference. ddsp trains one model a process; several here take
turns in one, each with a batch of its own, which is the most that one process of it can do.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.process import run_function
from benchmarks.report import Row, rows_json
from benchmarks.timing import Series
from benchmarks.train import samples
from benchmarks.train.part import Part
from components.artifacts.metrics_log import METRICS_NAME, read_lines
from components.config.catalog import SYNTHS
from components.nsynth.note import SAMPLE_RATE_HZ
from components.telemetry import progress

NO_GPU = "bench-gpu: TensorFlow sees no GPU here; try another machine, or --cpu with a tiny --batch"
_WARM_UP = 0.2  # of the steps
_NO_ROOM = ("RESOURCE_EXHAUSTED", "ResourceExhausted", "OOM", "out of memory")


@dataclass(frozen=True)
class _Case:
    """One measurement.

    Attributes:
        synths: What trains together.
        batch: The batch of each.
        rates: Steps a second of all of them, of "ours", "step" (ours, without the loop) and "peer"; None where it does
            not fit into the memory.
    """

    synths: tuple[str, ...]
    batch: int
    rates: dict[str, float | None]

    @property
    def who(self) -> str:
        """Names the synths."""
        return self.synths[0] if len(self.synths) == 1 else f"{len(self.synths)} together"


def measure(
    folder: Path, preset: str, batches: Sequence[int], together: Sequence[int], steps: int, on_cpu: bool
) -> Part:
    """Measures every batch size.

    Args:
        folder: A scratch folder.
        preset: Of the network and the length of an example.
        batches: Batch sizes.
        together: How many synths train together.
        steps: Steps of each training, the warm-up included.
        on_cpu: Whether to go on where there is no GPU.

    Raises:
        SystemExit: There is no GPU.
    """
    device, example_s = gpu_name(), _example_s(preset)
    if not device and not on_cpu:
        raise SystemExit(NO_GPU)
    data, cases = samples.sorted_samples(folder), list[_Case]()
    with progress.bar("gpu-loop", 3 * len(batches) * len(together), "trainings") as bar:
        for batch in batches:
            for synths in (SYNTHS[:count] for count in together):
                rates = dict[str, float | None]()
                for whose, rate in (("ours", _ours), ("step", _step), ("peer", _peer)):
                    rates[whose] = _if_it_fits(partial(rate, data, folder, synths, preset, batch, steps))
                    bar.advance(note=f"{whose}, batch {batch}, {', '.join(synths)}: {rates[whose]} steps/s")
                cases.append(_Case(synths, batch, rates))
    rows = [row for case in cases for row in _row(case, preset)]
    details = [{"synths": case.synths, "batch": case.batch, **case.rates} for case in cases]
    device = device or "no GPU, the processor"
    text = f"{device}, preset `{preset}`, {steps} steps each.\n\n{_table(cases, example_s)}"
    return Part(rows_json(rows), text, {"device": device, "steps_per_s": details})


def stock(data: str, synths: str, preset: str, batch: str, steps: str) -> dict[str, float]:
    """Trains with ddsp's Trainers in turns and returns their steps per second, added."""
    from benchmarks.train.learners import Stock
    from benchmarks.train.learning import stock_batches
    from components.nsynth.sorted_set import SortedSet
    from components.train.note_cache import NoteCache

    with NoteCache(memory_mb=4000) as cache:
        sorted_set = SortedSet.open(data)
        notes = cache.notes(sorted_set, "train", samples.FAMILY, range(sorted_set.families("train")[samples.FAMILY]))
        learners = [Stock(synth, preset, [f"train.batch_size = {batch}"]) for synth in synths.split(",")]
        feeds = [stock_batches(notes, learner.settings) for learner in learners]
        return _in_turns(learners, feeds, int(steps), waits_every=1)


def steps_alone(synths: str, preset: str, batch: str, steps: str) -> dict[str, float]:
    """Does training steps in turns, each model's on the same batch again, and returns their steps per second, added."""
    from benchmarks.train.learners import Ours, tones

    learners = [Ours(synth, preset, [f"train.batch_size = {batch}"]) for synth in synths.split(",")]
    batches = [tones(learner.settings) for learner in learners]
    return _in_turns(learners, batches, int(steps), waits_every=max(1, int(steps) // 10))


def _in_turns(learners: Sequence[Any], feeds: Sequence[Any], steps: int, waits_every: int) -> dict[str, float]:
    """Returns the steps per second of all learners after the warm-up; they wait for the device after some steps."""
    for learner, feed in zip(learners, feeds, strict=True):
        learner.trace(feed)
    counted, start = steps - round(_WARM_UP * steps), 0.0
    for number in range(steps):
        if number == steps - counted:
            start = time.perf_counter()
        for learner, feed in zip(learners, feeds, strict=True):
            learner.start_step(feed)
            if number % waits_every == 0 or number == steps - 1:
                learner.wait()
    return {"steps_per_s": counted * len(learners) / (time.perf_counter() - start)}


def _ours(data: Path, folder: Path, synths: Sequence[str], preset: str, batch: int, steps: int) -> float:
    """Trains with `luthier train` and returns the steps per second of all synths, from their curves."""
    out = Path(tempfile.mkdtemp(dir=folder))
    settings = {
        "max_steps": steps,
        "batch_size": batch,
        "eval_every_steps": steps,
        "log_every_steps": max(1, steps // 10),
    }
    bindings = [part for name, value in settings.items() for part in ("--set", f"train.{name} = {value}")]
    samples.run_luthier(
        *("train", "--data", data, "--synth", ",".join(synths), "--preset", preset, "--out", out),
        *bindings,
    )
    curves = [out] if len(synths) == 1 else [out / f"{samples.FAMILY}-{synth}" for synth in synths]
    return sum(_rate(read_lines(curve / METRICS_NAME), steps) for curve in curves)


def _rate(lines: list[dict[str, Any]], steps: int) -> float:
    """Returns the steps per second after the warm-up."""
    steady = [line for line in lines if line["split"] == "train" and line["step"] >= _WARM_UP * steps]
    first, last = steady[0], steady[-1]
    rate: float = (last["step"] - first["step"]) / (last["seconds"] - first["seconds"])
    return rate


def _peer(data: Path, folder: Path, synths: Sequence[str], preset: str, batch: int, steps: int) -> float:
    return run_function("benchmarks.train.gpu_loop:stock", data, ",".join(synths), preset, batch, steps).extra[
        "steps_per_s"
    ]


def _step(data: Path, folder: Path, synths: Sequence[str], preset: str, batch: int, steps: int) -> float:
    return run_function("benchmarks.train.gpu_loop:steps_alone", ",".join(synths), preset, batch, steps).extra[
        "steps_per_s"
    ]


def _if_it_fits(rate: Callable[[], float]) -> float | None:
    """Returns the rate; None if the memory of the device is too small."""
    try:
        return round(rate(), 4)
    except RuntimeError as error:
        if no_room(error):
            return None
        raise


def no_room(error: Exception) -> bool:
    """Returns whether an error says that the device's memory is too small."""
    return any(word in str(error) for word in _NO_ROOM)


def gpu_name() -> str:
    """Returns the name of the first GPU; empty where there is none."""
    from components.synths.ddsp_imports import tf

    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0])["device_name"]) if gpus else ""


def _example_s(preset: str) -> float:
    from components.config.settings import train_settings
    from components.synths.model import config_text, configured

    with configured(config_text(SYNTHS[0], preset)):
        return train_settings().crop_samples / SAMPLE_RATE_HZ


def _row(case: _Case, preset: str) -> list[Row]:
    name = f"gpu-loop-{preset}-{case.who.replace(' ', '-')}-batch-{case.batch}"
    ours, step, peer = (case.rates[whose] for whose in ("ours", "step", "peer"))
    rows = list[Row]()
    if ours and peer:
        rows.append(Row(name, Series((1 / ours,)), Series((1 / peer,)), "a step, after the warm-up"))
    if ours and step:
        what = "a step of `luthier train` by the step alone"
        rows.append(Row(f"{name}-of-the-step", Series((1 / ours,)), Series((1 / step,)), what, 0.95))
    return rows


def _table(cases: list[_Case], example_s: float) -> str:
    lines = [
        "| synth | batch | steps/s, Luthier | the step alone | share | ddsp | audio s/s, Luthier | ddsp | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case in cases:
        ours, step, peer = (case.rates[whose] for whose in ("ours", "step", "peer"))
        rates = [f"{rate:.2f}" if rate else "no room" for rate in (ours, step, peer)]
        audio = [f"{rate * case.batch * example_s:,.1f}" if rate else "no room" for rate in (ours, peer)]
        share, ratio = f"{ours / step:.0%}" if ours and step else "", f"{ours / peer:.2f}" if ours and peer else ""
        cells = [case.who, str(case.batch), *rates[:2], share, rates[2], *audio, ratio]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
