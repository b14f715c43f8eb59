"""Real trainings of a few steps: what they leave."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from components import storage
from components.artifacts.metrics_log import read_lines
from components.core.versions import TRAINING_VERSION
from components.synths.instrument import Instrument
from components.train import lease
from tests.train.trainings import BINDINGS, STEPS, command, curve, options, run_json, saved_steps


def test_the_loss_falls_and_the_metrics_log_says_so(undisturbed):
    lines = read_lines(undisturbed / "metrics.jsonl")
    assert [(line["step"], line["split"]) for line in lines] == [
        (0, "valid"),
        (1, "train"),
        (10, "train"),
        (15, "valid"),
        (20, "train"),
        (30, "train"),
        (30, "valid"),
    ]
    assert lines[-1]["spectral_loss"] < 0.8 * lines[0]["spectral_loss"]
    assert all(line["total_loss"] == line["spectral_loss"] and line["seconds"] >= 0 for line in lines)
    assert lines[1]["learning_rate"] > lines[5]["learning_rate"] > 0
    assert all(line["steps_per_s"] > 0 and line["input_wait_s"] >= 0 for line in lines if line["split"] == "train")


def test_the_record_names_what_was_trained(undisturbed):
    record = run_json(undisturbed)
    lines = read_lines(undisturbed / "metrics.jsonl")
    assert (record["family"], record["synth"], record["preset"]) == ("string", "harmonic", "smoke")
    assert (record["status"], record["steps"]) == ("finished", STEPS)
    assert record["first_spectral_loss"] == pytest.approx(lines[0]["spectral_loss"], rel=1e-5)
    assert record["best"]["valid_loss"] == pytest.approx(
        min(x["spectral_loss"] for x in lines if x["split"] == "valid"), rel=1e-5
    )
    assert (record["stopped_by"], record["stop_reason"]) == ("max_steps", f"train.max_steps = {STEPS}")
    assert (record["restarts"], record["rollbacks"]) == (0, [])
    assert record["bindings"] == BINDINGS
    assert {"ddsp", "tensorflow"} <= set(record["packages"])
    assert record["data_fingerprint"] and record["training_version"]
    assert list((undisturbed / "summaries").glob("events.*"))
    assert list((undisturbed / "summaries" / "sounds").glob("events.*"))
    assert f"train.max_steps = {STEPS}" in (undisturbed / "operative_config.gin").read_text()
    assert saved_steps(undisturbed)[-1] == STEPS


def test_the_model_is_the_best_one_and_plays(undisturbed):
    instrument = Instrument.load(str(undisturbed))
    card = instrument.card
    assert card.loudness_definition == "ddsp-3.7"
    assert (card.sample_rate_hz, card.frame_rate_hz) == (16000, 250)
    assert card.steps == run_json(undisturbed)["best"]["step"]
    assert card.f0_hz is not None and card.f0_hz.p5 < card.f0_hz.median < card.f0_hz.p95
    played = instrument.play(np.full((1, 50), 220.0), np.full((1, 50), -30.0))["audio"]
    assert np.isfinite(played).all()
    assert np.abs(played).max() > 1e-4


def test_a_finished_training_is_reused(luthier, undisturbed, data):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    finished = luthier(*command(data, undisturbed))
    assert finished.code == 0
    assert "trained already: string-harmonic" in finished.out
    assert f"{undisturbed}/model" in finished.out
    assert "held out" in finished.out
    assert luthier(*command(data, undisturbed, BINDINGS, "--resume")).code == 0
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == before


def test_a_finished_training_goes_on_to_a_later_stop_and_never_back(undisturbed, data, nursery, tmp_path, refused):
    out = Path(shutil.copytree(undisturbed, tmp_path / "out"))
    (out / "evaluation.json").write_text("{}")  # of the model of STEPS steps
    code, said = nursery.run(*command(data, out, [f"train.max_steps = {STEPS + 5}", *BINDINGS[1:]]))
    assert code == 0, said
    assert f"string-harmonic resumes at step {STEPS}" in said
    record = run_json(out)
    assert (record["steps"], record["stop_reason"]) == (STEPS + 5, f"train.max_steps = {STEPS + 5}")
    assert record["bindings"][0] == f"train.max_steps = {STEPS + 5}"
    assert curve(out)[: len(curve(undisturbed))] == curve(undisturbed)
    assert not (out / "evaluation.json").exists()
    assert f"after {STEPS + 5} steps, train.max_steps is {STEPS}: expected more" in refused(*command(data, out))


def test_a_second_training_of_a_directory_is_refused_while_the_first_one_runs(luthier, data, tmp_path):
    with lease.held(str(tmp_path)):
        finished = luthier(*command(data, tmp_path))
    assert finished.code == 1
    assert finished.err.startswith(f"luthier: another process trains in '{tmp_path}': process {os.getpid()} on")
    assert finished.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_on_gs_it_leaves_the_same_and_stops_when_nothing_improves(data, nursery, gcs, luthier):
    out = f"{gcs.bucket()}/runs/organ-wavetable"
    more = ["train.patience = 1", "train.min_improvement = 0.999", "train.eval_every_steps = 3"]
    arguments = ["train", "--data", data, "--synth", "wavetable", "--family", "organ", "--out", out]
    arguments += options([*BINDINGS, *more])
    code, said = nursery.run(*arguments, STORAGE_EMULATOR_HOST=gcs.endpoint)
    assert code == 0, said
    record = run_json(out)
    assert (record["steps"], record["stopped_by"]) == (3, "flat")
    assert "without an improvement of 99.90%" in record["stop_reason"]
    assert "organ-wavetable stops at step 3: 1 validation without an improvement" in said
    names = {info.name.split("/")[0] for info in storage.list_objects(out)}
    assert names == {"checkpoints", "metrics.jsonl", "model", "operative_config.gin", "run.json", "summaries"}
    assert record["validation"] == "the only note of the train split, because there is no other"
    assert Instrument.load(out).card.synth == "wavetable"
    assert "trained already" in luthier(*arguments).out


def test_a_training_by_another_version_of_the_training_code_is_not_resumed(undisturbed, data, tmp_path, refused):
    out = Path(shutil.copytree(undisturbed, tmp_path / "out"))
    record = {**run_json(out), "status": "running", "training_version": TRAINING_VERSION + 1}
    (out / "run.json").write_text(json.dumps(record))
    line = refused(*command(data, out))
    assert f"version {TRAINING_VERSION + 1}" in line and f"version {TRAINING_VERSION}," in line
    assert "--restart" in line
    record = {name: value for name, value in record.items() if name not in ("training_version", "schema_version")}
    (out / "run.json").write_text(json.dumps({**record, "code_fingerprint": "0123456789abcdef"}))
    assert "an unknown version" in refused(*command(data, out))


@pytest.mark.parametrize(
    ("options_given", "named"),
    [
        (["--synth", "harmonics", "--family", "string"], "did you mean 'harmonic'"),
        (["--synth", "harmonic", "--family", "strings"], "did you mean 'string'"),
        (["--synth", "harmonic", "--family", "flute"], "has no flute in its train split; it has organ, string"),
        (["--synth", "harmonic"], "name one with --family"),
        (["--synth", "harmonic", "--family", "string", "--preset", "smok"], "did you mean 'smoke'"),
        (["--synth", "harmonic", "--family", "string", "--set", "import os"], "import"),
        (["--synth", "harmonic", "--family", "string", "--set", "train.max_step = 3"], "did you mean 'max_steps'"),
        (["--synth", "harmonic", "--family", "string", "--set", "train.max_steps = 0"], "a whole number from 1 to"),
        (["--synth", "harmonic", "--family", "string", "--set", "train.crop_samples = 100"], "a multiple of 64"),
        (["--synth", "harmonic", "--family", "string", "--set", "train.batch_size = 1.5"], "a whole number"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(refused, data, tmp_path, options_given, named):
    out = tmp_path / "out"
    assert named in refused("train", "--data", data, "--out", out, *options_given)
    assert not (out / "run.json").exists()


def test_no_sorted_set_and_an_output_of_another_training(refused, undisturbed, data, tmp_path):
    common = ["--synth", "harmonic", "--family", "string"]
    assert "is not a sorted set" in refused("train", "--data", tmp_path, "--out", tmp_path / "out", *common)
    line = refused("train", "--data", data, "--out", undisturbed, *common)
    assert "holds another training: its bindings is" in line
    assert "another directory" in line
