"""`luthier runs`, on recorded answers of a real Kubeflow Pipelines 2.17, and on workspaces."""

from __future__ import annotations

import json

import pytest

from tests.pipelines.workflow import RECORDED
from tests.register.trainings import write_training

PARAMETERS = {"families": ["string", "keyboard"], "preset": "smoke", "workspace": "gs://luthier/kfp"}


@pytest.fixture
def recorded(kfp_api):
    runs = kfp_api.kinds["runs"]
    for state in ("succeeded", "failed", "stopped", "running"):
        run = json.loads((RECORDED / f"run-{state}.json").read_text())
        runs[state] = {**run, "display_name": state, "runtime_config": {"parameters": PARAMETERS}}
    hostile = {"tracking_uri": "http://me:hunter22@mlflow", "workspace": "gs://a\x1b[2J\nb", "bindings": [1, {}]}
    runs["odd"] = {"run_id": "odd", "display_name": "odd", "runtime_config": {"parameters": hostile}}
    return kfp_api


def test_runs_of_kubeflow_with_their_states_and_parameters(recorded, luthier):
    done = luthier("runs")
    assert done.code == 0, done
    header, *lines = done.out.splitlines()
    assert header.split() == ["RUN", "STATE", "STARTED", "TOOK", "PARAMETERS"]
    assert [line.split()[1] for line in lines] == ["succeeded", "failed", "stopped", "running", "unknown"]
    assert "families=string,keyboard" in lines[0] and "6m" in lines[0] and "2026-11-27T15:04:39" in lines[0]
    assert "hunter22" not in done.out and "\x1b" not in done.out
    assert len(luthier("runs", "--limit", 2).out.splitlines()) == 3


def test_runs_as_json(recorded, luthier):
    found = json.loads(luthier("runs", "--json").out)
    assert [each["state"] for each in found] == ["succeeded", "failed", "stopped", "running", "unknown"]
    assert found[0]["took_s"] == 374 and found[0]["parameters"]["families"] == ["string", "keyboard"]
    assert found[0]["url"].endswith(f"/#/runs/details/{found[0]['run_id']}")
    assert found[4]["took_s"] is None and "hunter22" not in json.dumps(found[4])


def test_no_runs_and_no_kubeflow(kfp_api, luthier, refused, monkeypatch):
    assert luthier("runs").out == "no runs\n"
    monkeypatch.setenv("KFP_HOST", "")
    assert "got host ''" in refused("runs")


def test_runs_of_a_workspace(tmp_path, luthier, refused):
    write_training(tmp_path / "runs" / "smoke-1" / "string-harmonic", 5.0)
    write_training(tmp_path / "runs" / "smoke-1" / "string-wavetable", 6.0)
    broken = tmp_path / "runs" / "smoke-1" / "flute-harmonic"
    broken.mkdir()
    (broken / "run.json").write_text("[]")
    (tmp_path / "runs" / "smoke-1" / "report.html").write_text("")
    done = luthier("runs", "--workspace", tmp_path)
    assert done.code == 0 and "flute-harmonic" in done.err
    header, line = done.out.splitlines()
    assert header.split() == ["RUN", "STARTED", "PRESET", "TRAININGS"]
    assert line.split()[:3] == ["smoke-1", "2026-01-01T00:00:00", "smoke"]
    assert line.endswith("2 finished, 1 unreadable (flute-harmonic)")
    (found,) = json.loads(luthier("runs", "--workspace", tmp_path, "--json").out)
    assert found["trainings"]["finished"] == ["string-harmonic", "string-wavetable"]
    assert "there are no runs at" in refused("runs", "--workspace", tmp_path / "runs")
