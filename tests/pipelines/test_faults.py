"""The compiled pipeline in KFP's local runner, with a fault in one step after the other, run again each time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "samples"
FAULTS = Path(__file__).parent / "faults"
# Task as a person sees it, and what of it breaks. In the pipeline's order: every run gets farther than the one before.
STEPS = {
    "plan": "components.plan.run_plan:plan",
    "prepare": "components.prepare.step:prepare",
    "group-shards": "components.sort.parallel_sort:plan_shares",
    "sort 1/1": "components.sort.parallel_sort:copy_share",
    "commit-sorted-set": "components.sort.parallel_sort:commit_sorted_set",
    "select": "components.plan.selection:select",
    "train string-harmonic": "components.train.step:train",
    "evaluate string-harmonic": "components.evaluate.step:evaluate",
    "register string": "components.register.step:register",
    "compare": "components.evaluate.compare:compare",
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings") / "string"
    folder.mkdir()
    for path in sorted((SAMPLES / "string").glob("*.flac"))[:4]:
        shutil.copy(path, folder / path.name)
    return folder.parent


def run(recordings, workspace, synths="harmonic", broken="", only_if=""):
    command = [sys.executable, "-m", "components.cli", "run", "--source", str(recordings), "--synths", synths]
    command += ["--workspace", str(workspace), "--set", "train.max_steps = 4", "--set", "train.eval_every_steps = 2"]
    # So little training makes no instrument; the gate is not what is tested here.
    for limit in ("max_spectral_loss", "max_pitch_error_cents", "max_loudness_error_db"):
        command += ["--set", f"gate.{limit} = 1e6"]
    command += ["--set", "gate.min_pitch_heard_share = 0", "--if-changed"]
    environment = {**os.environ, "LUTHIER_BREAK": broken, "LUTHIER_BREAK_IF": only_if, "PYTHONPATH": str(FAULTS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


def test_every_step_may_break_and_the_same_command_goes_on(recordings, tmp_path):
    trained_at = {}
    for task, where in STEPS.items():
        code, _, stderr = run(recordings, tmp_path, broken=where)
        assert code == 1, (task, stderr)
        last = stderr.strip().splitlines()[-1]
        assert last.startswith(f"luthier: {task}: ") and "an injected fault" in last, (task, last)
        trained_at |= {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*/model/model.json")}
    code, stdout, stderr = run(recordings, tmp_path)
    assert code == 0, stderr
    # It was registered by the run in which only the comparison broke: nothing is left to do.
    assert stdout == f"nothing new: string of {recordings} are registered\n"
    assert {
        path: path.stat().st_mtime_ns for path in trained_at
    } == trained_at  # trained once, whatever broke behind it
    (run_folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((run_folder / "string-harmonic" / "evaluation.json").read_text())["notes"]


def test_a_training_that_fails_takes_nothing_with_it(recordings, tmp_path):
    code, _, stderr = run(
        recordings, tmp_path, "harmonic,wavetable", broken="components.train.step:train", only_if="wavetable"
    )
    assert code == 1
    assert "train string-wavetable" in stderr.strip().splitlines()[-1]
    (run_folder,) = (tmp_path / "runs").iterdir()
    page = (run_folder / "report.html").read_text()
    assert "Missing: wavetable" in page
    assert "ddsp-string: harmonic v1; champion harmonic v1" in stderr
    code, stdout, stderr = run(recordings, tmp_path, "harmonic,wavetable")
    assert code == 0, stderr
    assert stdout.startswith("to train: string: no wavetable yet")
    assert "Missing" not in (run_folder / "report.html").read_text()
