"""`python -m benchmarks.train`: measures, prints, writes build/bench/train*.json and its blocks of a page."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import machine
from benchmarks.process import ROOT
from benchmarks.train import equal_time, flat, gpu, gpu_loop, startup, step, study
from benchmarks.train.part import Part, save
from components.telemetry import log

_PARTS = ("step", "startup", "equal-time", "flat", "study")
_LIBRARIES = ("tensorflow", "tf-keras", "ddsp")
Measure = Callable[[Path], Part]


def main() -> None:
    """Runs the parts one after the other; each is saved when it is done."""
    log.setup()
    options = _options()
    parts = _parts(options)
    wanted = options.part or _PARTS
    for number, name in enumerate(wanted, 1):
        folder = Path(tempfile.mkdtemp(prefix="luthier-bench-train-"))
        print(f"part {number} of {len(wanted)}: {name}", flush=True)
        facts, start = machine.describe({}, _LIBRARIES), time.monotonic()
        try:
            part = parts[name](folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"{part.markdown}\n({time.monotonic() - start:.0f} s)\n", flush=True)
        save(name, part, facts, options.out, options.page)


def _parts(options: argparse.Namespace) -> dict[str, Measure]:
    picture = (options.page.parent if options.page else options.out) / "train-equal-time.png"
    return {
        "step": lambda folder: step.measure(options.preset or ("seed", "standard"), options.rounds),
        "startup": partial(startup.measure, rounds=options.starts),
        "equal-time": partial(equal_time.measure, seconds=options.seconds, seeds=options.seeds, picture=picture),
        "flat": partial(flat.measure, steps=options.steps, stock_steps=options.stock_steps),
        "study": partial(study.measure, steps=options.study_steps),
        "gpu": partial(
            gpu.measure,
            preset=options.gpu_preset,
            cases=options.case or gpu.CASES,
            contenders=options.contender or gpu.CONTENDERS,
            steps=options.gpu_steps,
            profiled=options.profile,
            on_cpu=options.cpu,
        ),
        "gpu-loop": partial(
            gpu_loop.measure,
            preset=options.gpu_preset,
            batches=options.batch,
            together=options.together,
            steps=options.gpu_steps,
            on_cpu=options.cpu,
        ),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=__doc__)
    parser.add_argument(
        "--part", action="append", choices=[*_PARTS, "gpu", "gpu-loop"], help="only this one; repeatable"
    )
    parser.add_argument("--preset", action="append", choices=["seed", "standard", "smoke"], help="of the part step")
    parser.add_argument("--rounds", type=int, default=9, help="of the part step")
    parser.add_argument("--starts", type=int, default=5, help="rounds of the part startup")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a training of the part equal-time")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind of the part equal-time")
    parser.add_argument("--steps", type=int, default=5000, help="of the part flat")
    parser.add_argument("--stock-steps", type=int, default=2000, help="ddsp's in the part flat")
    parser.add_argument("--study-steps", type=int, help="of the part study; as many as there were if not given")
    parser.add_argument(
        "--gpu-preset", default="standard", choices=["standard", "seed", "smoke"], help="of the parts gpu, gpu-loop"
    )
    parser.add_argument(
        "--case", action="append", type=gpu.Case.parse, help="of the part gpu: SYNTH:BATCH:SECONDS, harmonic:16:4"
    )
    parser.add_argument("--contender", action="append", choices=gpu.CONTENDERS, help="of the part gpu; repeatable")
    parser.add_argument("--profile", action="store_true", help="of the part gpu: count the kernels of a step")
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 64, 256], help="batch sizes of the part gpu-loop")
    parser.add_argument(
        "--together", type=int, nargs="+", default=[1, 3], help="synths at a time, of the part gpu-loop"
    )
    parser.add_argument("--gpu-steps", type=int, default=100, help="steps of a measurement of the parts gpu, gpu-loop")
    parser.add_argument(
        "--cpu", action="store_true", help="run the parts gpu and gpu-loop without one: to try them out"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench", help="folder of the JSON files")
    parser.add_argument("--page", type=Path, help="the page whose blocks are replaced; a picture goes beside it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
