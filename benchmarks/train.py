"""A training step and a forward pass, ours and ddsp's own, on the same network, batch and machine.

    python -m benchmarks.train [--rounds N] [--preset NAME]... [--synth NAME]...

Both models are in one process and take turns, so a slow minute of the machine hits both. Peak memory is measured in a
fresh process for each. Notes are synthetic, 4 s each: the time of a step does not depend on what is heard.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from benchmarks.process import ROOT, run_function
from benchmarks.report import Row, facts_markdown, print_rows, rows_json, write_json
from benchmarks.timing import Contender, Run, alternate, work

RESULT = ROOT / "build/bench/train.json"
_FRAMES, _HOP = 1000, 64
_STEP_RATIO = {"harmonic": 3.5, "wavetable": 2.5, "sinusoidal": 2.5}
_FORWARD_RATIO = 4.0
_DDSP_S = {
    "RnnFcDecoder": "decoders",
    "SpectralLoss": "losses",
    "Harmonic": "synths",
    "Sinusoidal": "synths",
    "FilteredNoise": "synths",
    "Wavetable": "synths",
}


def stock_config(synth: str, preset: str) -> str:
    """Returns the same network as gin text with ddsp's own layers alone, as ddsp would train it."""
    from components.synths.model import config_text

    config = config_text(synth, preset).replace("['noise_magnitudes', 'noise_seed']", "['noise_magnitudes']")
    for name, module in _DDSP_S.items():
        config = config.replace(f"luthier.{name}", f"{module}.{name}")
    # ddsp has one scale function for amplitudes and tables.
    return "\n".join(line for line in config.splitlines() if "table_scale_fn" not in line)


def notes(batch: int) -> dict[str, Any]:
    """Returns a batch of wandering tones: f0_hz, loudness_db, audio and noise_seed."""
    from components.synths.ddsp_imports import tf

    random = np.random.default_rng(0)
    f0_hz = 220 * 2 ** np.cumsum(random.normal(0, 0.005, (batch, _FRAMES)), axis=1)
    audio = 0.1 * np.sin(2 * np.pi * np.cumsum(np.repeat(f0_hz, _HOP, axis=1) / 16_000, axis=1))
    values = {
        "f0_hz": f0_hz[:, :, None],
        "loudness_db": random.normal(-40, 3, (batch, _FRAMES, 1)),
        "audio": audio + 0.01 * random.normal(size=audio.shape),
    }
    return {**{name: tf.constant(v, tf.float32) for name, v in values.items()}, "noise_seed": tf.constant([0, 0])}


def _built(config: str) -> Any:
    from components.synths import model as models

    with models.configured(config):
        model = models.build()
    models.set_frames(model, _FRAMES)
    return model


def our_step(synth: str, preset: str, batch: int) -> Callable[[], float]:
    """Returns a function that trains one step with our layers and returns the loss."""
    from components.synths.ddsp_imports import tf
    from components.synths.model import config_text, configured

    config = config_text(synth, preset)
    model, heard = _built(config), notes(batch)
    optimizer = tf.keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)

    def step(features: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            _, losses = model(features, return_losses=True, training=True)
        gradients = tape.gradient(losses["total_loss"], model.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 3.0)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return losses["total_loss"]

    traced = tf.function(step, autograph=False)

    def call() -> float:
        with configured(config):
            return float(traced(heard))

    return call


def stock_step(synth: str, preset: str, batch: int) -> Callable[[], float]:
    """Returns a function that calls ddsp's Trainer.train_step and returns the loss."""
    from components.synths.ddsp_imports import tf
    from components.synths.model import configured

    # A part of ddsp.training, for which ddsp_imports makes way.
    from ddsp.training import trainers  # isort: skip

    config = stock_config(synth, preset)
    model, heard = _built(config), notes(batch)
    with configured(config):
        trainer = trainers.Trainer(model, tf.distribute.get_strategy(), learning_rate=1e-4)

    def call() -> float:
        with configured(config):
            return float(trainer.train_step(heard)["total_loss"])

    return call


def forward(config: str) -> Callable[[], float]:
    """Returns a function that plays one note of 4 s and returns its loudest sample."""
    from components.synths.ddsp_imports import tf
    from components.synths.model import configured

    model, heard = _built(config), notes(1)
    traced = tf.function(lambda features: model(features, training=False)["audio_synth"], autograph=False)

    def call() -> float:
        with configured(config):
            return float(tf.reduce_max(traced(heard)))

    return call


def measure_memory(whose: str, synth: str, preset: str) -> None:
    """Three steps, for a process whose memory is watched."""
    step = (our_step if whose == "ours" else stock_step)(synth, preset, 4)
    for _ in range(3):
        step()


def _timed(name: str, call: Callable[[], float]) -> Contender:
    first = time.perf_counter()
    call()
    print(f"  {name}: first call {time.perf_counter() - first:.1f} s", flush=True)

    def run() -> Run:
        start, cpu = time.perf_counter(), time.process_time()
        call()
        seconds = time.perf_counter() - start
        return Run(seconds, seconds, time.process_time() - cpu)

    return Contender(name, run)


def _row(name: str, ours: Callable[[], float], peer: Callable[[], float], rounds: int, what: str, asked: float) -> Row:
    print(name, flush=True)
    runs = alternate([_timed("ours", ours), _timed("peer", peer)], rounds)
    cpu = {who: min(run.cpu_s for run in of_one) for who, of_one in runs.items()}
    print(f"  processor seconds: {cpu['ours']:.3f} and {cpu['peer']:.3f}", flush=True)
    return Row(name, work(runs["ours"]), work(runs["peer"]), what, asked)


def _rows(synth: str, preset: str, rounds: int) -> list[Row]:
    from components.synths.model import config_text

    key, ours, peer = f"{preset}-{synth}", config_text(synth, preset), stock_config(synth, preset)
    steps = our_step(synth, preset, 4), stock_step(synth, preset, 4)
    return [
        _row(f"step-{key}", *steps, rounds, "training step, batch 4", _STEP_RATIO[synth]),
        _row(f"forward-{key}", forward(ours), forward(peer), rounds, "forward only, batch 1", _FORWARD_RATIO),
    ]


def _memory(synth: str, preset: str) -> dict[str, float]:
    peaks = {
        whose: run_function("benchmarks.train:measure_memory", whose, synth, preset, watch_memory=True).peak_rss_bytes
        for whose in ("ours", "peer")
    }
    print(f"memory-{preset}-{synth}: " + ", ".join(f"{whose} {peak >> 20} MiB" for whose, peak in peaks.items()))
    return {f"{whose}_bytes": float(peak) for whose, peak in peaks.items()} | {"ratio": peaks["peer"] / peaks["ours"]}


def main() -> None:
    """Measures, prints and writes build/bench/train.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--preset", action="append", choices=["seed", "standard"])
    parser.add_argument("--synth", action="append", choices=list(_STEP_RATIO))
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    pairs = [(s, p) for p in given.preset or ("seed", "standard") for s in given.synth or _STEP_RATIO]
    print(facts_markdown(describe({}, ("tensorflow", "tf-keras", "ddsp"))))
    rows = [row for synth, preset in pairs for row in _rows(synth, preset, given.rounds)]
    memory = {f"memory-{preset}-{synth}": _memory(synth, preset) for synth, preset in pairs}
    print_rows("training", rows)
    write_json(given.out, {**rows_json(rows), **memory})


if __name__ == "__main__":
    main()
