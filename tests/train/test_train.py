"""Real trainings of a few steps: what they leave, and that stopping them in any way changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components import storage
from components.errors import StepError
from components.synths.instrument import Instrument
from components.train.curves import read
from components.train.step import train
from tests.notes import make_note, write_sorted_set

STEPS = 30
# Checkpoints as often as there can be; small enough to be quick, long enough for the loss to fall.
BINDINGS = [
    f"train.max_steps = {STEPS}",
    "train.eval_every_steps = 15",
    "train.checkpoint_every_s = 0",
    "train.crop_samples = 2048",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three notes to train on, one to validate, and one of another family."""
    notes = {
        "train": [*(make_note(pitch=pitch) for pitch in (52, 57, 64)), make_note("organ")],
        "valid": [make_note(pitch=60, seed=1)],
    }
    return write_sorted_set(tmp_path_factory.mktemp("data") / "sorted", notes)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "string-harmonic"
    train(data, "harmonic", str(out), "string", bindings=BINDINGS, run_facts={"run_id": "r1"})
    return out


def _losses(out: Path) -> list[tuple[int, str, float]]:
    return [(line["step"], line["split"], line["spectral_loss"]) for line in read(out / "metrics.jsonl")]


def test_the_loss_falls_and_the_curves_tell(undisturbed):
    lines = read(undisturbed / "metrics.jsonl")
    assert [(line["step"], line["split"]) for line in lines] == [
        (0, "valid"),
        (1, "train"),
        (10, "train"),
        (15, "valid"),
        (20, "train"),
        (30, "train"),
        (30, "valid"),
    ]
    assert lines[-1]["spectral_loss"] < 0.7 * lines[0]["spectral_loss"]
    assert all(line["total_loss"] == line["spectral_loss"] and line["seconds"] >= 0 for line in lines)
    assert lines[1]["learning_rate"] > lines[5]["learning_rate"] > 0


def test_the_record_names_what_was_trained(undisturbed, data):
    record = json.loads((undisturbed / "run.json").read_text())
    lines = read(undisturbed / "metrics.jsonl")
    assert (record["family"], record["synth"], record["preset"]) == ("string", "harmonic", "smoke")
    assert (record["status"], record["steps"], record["run_id"]) == ("finished", STEPS, "r1")
    assert record["first_spectral_loss"] == lines[0]["spectral_loss"]
    assert record["best"]["valid_loss"] == pytest.approx(
        min(x["spectral_loss"] for x in lines if x["split"] == "valid")
    )
    assert record["stop_reason"] == f"train.max_steps = {STEPS}"
    assert record["bindings"] == BINDINGS
    assert {"ddsp", "tensorflow"} <= set(record["packages"])
    assert record["data_fingerprint"] and record["code_fingerprint"]
    assert list((undisturbed / "summaries").glob("events.*"))
    assert f"train.max_steps = {STEPS}" in (undisturbed / "operative_config.gin").read_text()


def test_the_model_is_the_best_one_and_plays(undisturbed):
    instrument = Instrument.load(str(undisturbed))
    card = instrument.info
    assert card["loudness"] == "ddsp-3.7"
    assert (card["sample_rate_hz"], card["frame_rate_hz"]) == (16000, 250)
    assert card["steps"] == json.loads((undisturbed / "run.json").read_text())["best"]["step"]
    assert card["f0_hz"]["p5"] < card["f0_hz"]["median"] < card["f0_hz"]["p95"]
    played = instrument.play(np.full((1, 50), 220.0), np.full((1, 50), -30.0))["audio"]
    assert np.isfinite(played).all()
    assert np.abs(played).max() > 1e-4


def test_a_finished_training_is_reused(undisturbed, data):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    result = train(data, "harmonic", str(undisturbed), "string", bindings=BINDINGS)
    assert result.reused
    assert result.steps == STEPS
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == before


def test_stopped_by_sigterm_and_killed_it_goes_on_as_if_nothing_had_been(undisturbed, data, tmp_path):
    out = tmp_path / "out"

    def terminate() -> None:
        while not any(step >= 1 for step, *_ in _losses(out)):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=terminate, daemon=True).start()
    with pytest.raises(SystemExit) as stopped:
        train(data, "harmonic", str(out), "string", bindings=BINDINGS)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert json.loads((out / "run.json").read_text())["status"] == "running"

    command = [sys.executable, "-m", "components.cli", "train", "--data", data, "--synth", "harmonic"]
    command += ["--family", "string", "--out", str(out)]
    command += [part for binding in BINDINGS for part in ("--set", binding)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not any(step >= 20 for step, *_ in _losses(out)):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    with (out / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 2')

    train(data, "harmonic", str(out), "string", bindings=BINDINGS)
    _same_as(undisturbed, out)


def _same_as(undisturbed: Path, out: Path) -> None:
    """The same curve (a mean over an interrupted interval apart) and the same model."""
    expected = {(step, split): loss for step, split, loss in _losses(undisturbed)}
    found = _losses(out)
    assert [line[:2] for line in found] == list(expected)
    for step, split, loss in found:
        if split == "valid":
            assert loss == pytest.approx(expected[step, split], rel=1e-4)
    assert found[-2][2] == pytest.approx(expected[STEPS, "train"], rel=1e-4)
    assert json.loads((out / "run.json").read_text())["status"] == "finished"


def test_on_gs_it_leaves_the_same_and_stops_when_nothing_improves(data, gcs):
    out = f"{gcs.bucket()}/runs/organ-wavetable"
    bindings = [*BINDINGS, "train.patience = 1", "train.min_improvement = 0.999", "train.eval_every_steps = 3"]
    result = train(data, "wavetable", out, "organ", bindings=bindings)
    assert result.steps == 3
    assert "without an improvement" in result.stop_reason
    names = {info.name.split("/")[0] for info in storage.list_objects(out)}
    assert names == {"checkpoints", "metrics.jsonl", "model", "operative_config.gin", "run.json", "summaries"}
    assert (
        storage.read_json(storage.join(out, "run.json"))["validation"]
        == "the training's only note itself, for there is no other"
    )
    assert Instrument.load(out).info["synth"] == "wavetable"
    assert train(data, "wavetable", out, "organ", bindings=bindings).reused


def test_a_loss_that_is_no_number_ends_it_in_one_line(tmp_path):
    broken = replace(make_note(), audio=np.full(64_000, np.nan, np.float32))
    data = write_sorted_set(tmp_path / "sorted", {"train": [broken], "valid": [make_note()]})
    with pytest.raises(StepError, match=r"nan at step 1: .* try a lower train.learning_rate"):
        train(data, "harmonic", str(tmp_path / "out"), bindings=BINDINGS)


def test_the_command_says_what_it_did(luthier, undisturbed, data):
    options = [part for binding in BINDINGS for part in ("--set", binding)]
    finished = luthier(
        "train", "--data", data, "--synth", "harmonic", "--family", "string", "--out", undisturbed, *options
    )
    assert finished.code == 0
    assert "trained already: string-harmonic" in finished.out
    assert f"{undisturbed}/model" in finished.out
    assert "held out" in finished.out


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--synth", "harmonics", "--family", "string"], "did you mean 'harmonic'"),
        (["--synth", "harmonic", "--family", "strings"], "did you mean 'string'"),
        (["--synth", "harmonic", "--family", "flute"], "has no flute in its train split; it has organ, string"),
        (["--synth", "harmonic"], "say which with --family"),
        (["--synth", "harmonic", "--family", "string", "--preset", "smok"], "did you mean 'smoke'"),
        (["--synth", "harmonic", "--family", "string", "--set", "import os"], "import"),
        (["--synth", "harmonic", "--family", "string", "--set", "train.max_step = 3"], "did you mean 'max_steps'"),
        (["--synth", "harmonic", "--family", "string", "--set", "train.max_steps = 0"], "a whole number above 0"),
        (["--synth", "harmonic", "--family", "string", "--set", "train.crop_samples = 100"], "a multiple of 64"),
        (["--synth", "harmonic", "--family", "string", "--set", "train.batch_size = 1.5"], "a whole number"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(refused, data, tmp_path, options, named):
    out = tmp_path / "out"
    assert named in refused("train", "--data", data, "--out", out, *options)
    assert not (out / "run.json").exists()


def test_no_sorted_set_and_an_output_of_another_training(refused, undisturbed, data, tmp_path):
    common = ["--synth", "harmonic", "--family", "string"]
    assert "is not a sorted set" in refused("train", "--data", tmp_path, "--out", tmp_path / "out", *common)
    line = refused("train", "--data", data, "--out", undisturbed, *common)
    assert "has another training in it: its bindings is" in line
    assert "another --out" in line
