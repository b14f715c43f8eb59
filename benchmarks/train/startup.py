"""The time from the start of a process to the end of its first training step: `luthier train` and ddsp, in turns.

Both train the same network on the same whole notes of 4 s. A process is killed as soon as its first step is done.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.process import ROOT
from benchmarks.report import Row, rows_json, rows_markdown
from benchmarks.timing import Contender, Run, alternate, wall
from benchmarks.train import samples
from benchmarks.train.part import Part
from benchmarks.train.stock_run import absent
from components.artifacts.metrics_log import METRICS_NAME
from components.config.catalog import SYNTHS
from components.telemetry import progress

_RATIO = 2.0
_POLL_S = 0.005
_LONGEST_S = 600.0
_PRESET = "seed"


def measure(folder: Path, rounds: int, synths: Sequence[str] = SYNTHS[:1]) -> Part:
    """Measures the start of every synth that ddsp has without functions of Luthier."""
    data, rows = samples.sorted_samples(folder), list[Row]()
    samples.write_for_ddsp(data, folder / "ddsp.tfrecord")
    with progress.bar("start-up", 2 * rounds * len(synths), "starts") as bar:
        for synth in synths:
            contenders = [_ours(data, folder / "ours", synth), _peer(folder, synth)]
            runs = alternate(contenders, rounds, lambda line: bar.advance(note=line))
            what = f"process start to first step done, {_PRESET}, batch 1"
            rows.append(Row(f"startup-{_PRESET}-{synth}", wall(runs["ours"]), wall(runs["peer"]), what, _RATIO))
    missing = f"not installed, hence not imported by ddsp: {', '.join(absent()) or 'nothing'}"
    text = f"Median of {rounds} alternated starts, in brackets the fastest and the slowest; {missing}."
    seconds = {row.name: {"ours": row.ours.seconds, "peer": row.peer.seconds} for row in rows}
    return Part(rows_json(rows), f"{text}\n\n{rows_markdown(rows)}", {"seconds": seconds, "absent": absent()})


def _ours(data: Path, out: Path, synth: str) -> Contender:
    command = samples.luthier("train", "--data", data, "--synth", synth, "--preset", _PRESET, "--out", out)
    curves = out / METRICS_NAME
    run = _until(command, lambda: curves.exists() and '"train"' in curves.read_text())
    return Contender("ours", run, lambda: shutil.rmtree(out, ignore_errors=True))


def _peer(folder: Path, synth: str) -> Contender:
    config, out, mark = folder / "stock.gin", folder / "stock", folder / "first-step"
    config.write_text(_stock_run_config(synth, folder / "ddsp.tfrecord"))
    command = [sys.executable, "-m", "benchmarks.train.stock_run", *map(str, (config, out, mark))]

    def clean() -> None:
        mark.unlink(missing_ok=True)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()

    return Contender("peer", _until(command, mark.exists), clean)


def _stock_run_config(synth: str, notes: Path) -> str:
    """Returns the configuration of ddsp's training: the network, and the settings of the preset under ddsp's names."""
    from benchmarks.train.learners import stock_config
    from components.config.settings import train_settings
    from components.synths.model import configured

    network = stock_config(synth, _PRESET)
    with configured(network):
        settings = train_settings()
    lines = [line for line in network.splitlines() if not line.startswith("train.")]
    return "\n".join(
        [
            *lines,
            "get_model.model = @models.Autoencoder()",
            "train.data_provider = @data.LegacyTFRecordProvider()",
            f"LegacyTFRecordProvider.file_pattern = '{notes}'",
            f"train.batch_size = {settings.batch_size}",
            f"Trainer.learning_rate = {settings.learning_rate}",
        ]
    )


def _until(command: Sequence[str], done: Callable[[], bool]) -> Callable[[], Run]:
    """Returns a function that starts a command, waits until a condition holds, and kills the process.

    Raises:
        RuntimeError: It ended before, or took ten minutes.
    """

    def run() -> Run:
        with tempfile.TemporaryFile("w+") as stderr:
            start = time.perf_counter()
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stderr)
            try:
                while not done():
                    if process.poll() is not None or time.perf_counter() - start > _LONGEST_S:
                        stderr.seek(0)
                        raise RuntimeError(f"{command!r} did no first step: {stderr.read()[-2000:]}")
                    time.sleep(_POLL_S)
                seconds = time.perf_counter() - start
            finally:
                process.kill()
                process.wait()
        return Run(seconds, seconds)

    return run
