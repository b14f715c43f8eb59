"""A fault in one step after the other; the same run goes on each time. Tasks run in this process (see in_process)."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import pytest

from components.config.gate import Gate

SAMPLES = Path(__file__).parents[2] / "samples"
FAULTS = Path(__file__).parent / "faults"
# Task as a person sees it, and what of it breaks. In the pipeline's order: every run gets farther than the one before.
STEPS = {
    "plan": "components.plan.run_plan:plan",
    "prepare": "components.prepare.step:prepare",
    "sort": "components.sort.parallel_sort:commit_sorted_set",
    "select": "pipelines.plan_run:select",
    "train string-harmonic": "components.train.step:train",
    "train string-harmonic, evaluated": "components.evaluate.step:evaluate",
    "register string": "components.register.step:register",
    "compare": "pipelines.registration:compare",
}

# A training is a child process, in which sitecustomize breaks the function for one synth.
CHILDREN = {"train string-harmonic", "train string-harmonic, evaluated"}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings") / "string"
    folder.mkdir()
    for path in sorted((SAMPLES / "string").glob("*.flac"))[:4]:
        shutil.copy(path, folder / path.name)
    return folder.parent


@pytest.fixture
def arguments(recordings, tmp_path, registry):
    # So little training makes no instrument; the gate is not what is tested here.
    gate = [f"gate.{limit} = 1e6" for limit in Gate.__annotations__ if limit.startswith("max")]
    training = ["train.max_steps = 4", "train.eval_every_steps = 2"]
    return {
        "source": str(recordings),
        "workspace": str(tmp_path),
        "families": ["string"],
        "synths": ["harmonic", "wavetable"],
        "preset": "smoke",
        "bindings": [*training, *gate, "gate.min_pitch_heard_share = 0", "gate.min_pitch_within_share = 0"],
        "tracking_uri": registry,
        "sort_workers": 1,
        "if_changed": True,
    }


def broken_here(monkeypatch, where):
    module, _, function = where.partition(":")

    def broken(*arguments, **named):
        raise OSError("an injected fault")

    monkeypatch.setattr(importlib.import_module(module), function, broken)


def broken_in_children(monkeypatch, where):
    monkeypatch.setenv("PYTHONPATH", str(FAULTS))
    monkeypatch.setenv("LUTHIER_BREAK", where)
    monkeypatch.setenv("LUTHIER_BREAK_IF", "string-harmonic")


def trained_by(run):
    return {title for title in run.titles("start") if title.startswith("train")}


def test_every_step_may_break_and_the_same_command_goes_on(pipeline, arguments, tmp_path, luthier, monkeypatch):
    trained_at, runs = {}, {}
    for task, where in STEPS.items():
        with monkeypatch.context() as patched:
            (broken_in_children if task in CHILDREN else broken_here)(patched, where)
            run = runs[task] = pipeline.run(arguments)
        assert not run.succeeded
        assert (
            run.first_failure["title"] == task.partition(",")[0] and "an injected fault" in run.first_failure["message"]
        )
        assert not run.first_failure["input_fault"]
        trained_at |= {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*/model/model.json")}
        if task == "train string-harmonic":
            assert_the_other_synth_is_an_instrument(run, tmp_path)
    # Each synth was trained once, whatever broke behind it.
    assert len(trained_at) == 2
    assert {path: path.stat().st_mtime_ns for path in trained_at} == trained_at
    assert trained_by(runs["train string-harmonic, evaluated"]) == {"train string-harmonic"}
    assert trained_by(runs["register string"]) == {"train string-harmonic"}
    assert trained_by(runs["compare"]) == set()
    (run_folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((run_folder / "string-harmonic" / "evaluation.json").read_text())["notes"]
    # It was registered by the run in which only the comparison broke: nothing is left to do.
    sets = [part for binding in arguments["bindings"] for part in ("--set", binding)]
    synths = ",".join(arguments["synths"])
    options = ["--source", arguments["source"], "--workspace", tmp_path, "--synths", synths, "--if-changed", *sets]
    done = luthier("run", *options)
    assert (done.code, done.out) == (0, f"nothing new: string of {arguments['source']} are registered\n"), done.err


def assert_the_other_synth_is_an_instrument(run, workspace):
    """A training that failed took nothing with it: the other one is registered and reported."""
    assert run.titles("failed") == ["train string-harmonic", "failed-trainings"]
    assert "string-harmonic: training string-harmonic ended with exit code 1" in run.events[-1]["message"]
    assert "ddsp-string: wavetable v1; champion wavetable v1" in run.text("register string")
    (run_folder,) = (workspace / "runs").iterdir()
    assert "Missing: harmonic" in (run_folder / "report.html").read_text()
