"""A training step, a forward pass and the memory of a step, of Luthier and ddsp.

Both models are in one process and take turns. Peak memory is measured in a fresh process for each. The notes are
synthetic: the time of a step does not depend on what is heard.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from benchmarks.process import run_function
from benchmarks.report import Row, rows_json, rows_markdown
from benchmarks.timing import Contender, Run, alternate, work
from benchmarks.train.part import Figure, Part
from components.telemetry import progress

_STEP_RATIO = {"harmonic": 3.5, "wavetable": 2.5, "sinusoidal": 2.5}
_FORWARD_RATIO = 4.0
_BATCH = 4
_NOTE_FRAMES = 1000


def measure(presets: Sequence[str], rounds: int) -> Part:
    """Measures every synth with every preset."""
    pairs = [(synth, preset) for preset in presets for synth in _STEP_RATIO]
    rows, memory = list[Row](), list[Figure]()
    with progress.bar("step", 3 * len(pairs), "rows") as bar:
        for synth, preset in pairs:
            rows.append(_step(synth, preset, rounds))
            bar.advance(note=_said(rows[-1]))
            rows.append(_forward(synth, preset, rounds))
            bar.advance(note=_said(rows[-1]))
            memory.append(_memory(synth, preset))
            bar.advance(note=f"{memory[-1].name} {memory[-1].verdict}")
    figures = rows_json(rows)
    for figure in memory:
        figures |= figure.json()
    details = {"seconds": {row.name: {"ours": row.ours.seconds, "peer": row.peer.seconds} for row in rows}}
    return Part(figures, f"{_text(rounds)}\n\n{rows_markdown(rows)}\n\n{_memory_markdown(memory)}", details)


def peak(whose: str, synth: str, preset: str) -> None:
    """Three steps, for a process whose memory is watched."""
    step = _steps(whose, synth, preset)
    for _ in range(3):
        step()


def _steps(whose: str, synth: str, preset: str) -> Callable[[], float]:
    """Returns a function that does one step, after two steps."""
    from benchmarks.train.learners import Ours, Stock, tones

    learner = (Ours if whose == "ours" else Stock)(
        synth, preset, [f"train.batch_size = {_BATCH}", "train.crop_samples = 64000"]
    )
    features = tones(learner.settings)
    learner.trace(features)
    learner.step(features)  # once more: XLA and the allocator are not done after the first
    return lambda: learner.step(features)


def _plays(configured: AbstractContextManager[None]) -> Callable[[], float]:
    """Returns a function that renders one note of 4 s and waits for it, after one call; gin is configured inside."""
    from benchmarks.train.learners import built, tones
    from components.config.settings import TrainSettings
    from components.synths.ddsp_imports import tf

    with configured:
        model, features = built(_NOTE_FRAMES), tones(TrainSettings(batch_size=1))
        traced = tf.function(lambda heard: model(heard, training=False)["audio_synth"], autograph=False)
        traced(features)
    return lambda: float(tf.reduce_max(traced(features)))


def _timed(name: str, call: Callable[[], Any]) -> Contender:
    def run() -> Run:
        start, cpu = time.perf_counter(), time.process_time()
        call()
        seconds = time.perf_counter() - start
        return Run(seconds, seconds, time.process_time() - cpu)

    return Contender(name, run)


def _row(name: str, ours: Callable[[], Any], peer: Callable[[], Any], rounds: int, what: str, asked: float) -> Row:
    runs = alternate([_timed("ours", ours), _timed("peer", peer)], rounds)
    return Row(name, work(runs["ours"]), work(runs["peer"]), what, asked)


def _step(synth: str, preset: str, rounds: int) -> Row:
    steps = _steps("ours", synth, preset), _steps("peer", synth, preset)
    return _row(f"step-{preset}-{synth}", *steps, rounds, f"training step, batch {_BATCH}", _STEP_RATIO[synth])


def _forward(synth: str, preset: str, rounds: int) -> Row:
    from benchmarks.train.learners import ddsps_layers, stock_config
    from components.synths.model import config_text, configured

    plays = _plays(configured(config_text(synth, preset))), _plays(ddsps_layers(stock_config(synth, preset)))
    return _row(f"forward-{preset}-{synth}", *plays, rounds, "forward only, batch 1", _FORWARD_RATIO)


def _memory(synth: str, preset: str) -> Figure:
    peaks = [
        run_function("benchmarks.train.step:peak", whose, synth, preset, watch_memory=True).peak_rss_bytes
        for whose in ("ours", "peer")
    ]
    return Figure(f"memory-{preset}-{synth}", "bytes", *map(float, peaks))


def _said(row: Row) -> str:
    return f"{row.name} {row.ratio:.2f} {row.verdict}"


def _text(rounds: int) -> str:
    return f"Median of {rounds} alternated steps after the first, in brackets the fastest and the slowest."


def _memory_markdown(memory: Sequence[Figure]) -> str:
    lines = ["| peak memory of three steps | ours, MiB | ddsp, MiB | asked |", "| --- | --- | --- | --- |"]
    for figure in memory:
        ours, peer = (f"{size / (1 << 20):,.0f}" for size in (figure.ours, figure.peer))
        lines.append(f"| `{figure.name}` | {ours} | {peer} | no higher {figure.verdict} |")
    return "\n".join(lines)
