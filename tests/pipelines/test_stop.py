"""`luthier submit --stop` stops a run, and the Jobs that its steps did not suspend before they were killed."""

import pytest

from components.core.backoff import RetryPolicy
from components.launch import labels
from tests.launch.api_rules import ROLE
from tests.launch.conftest import server as server  # a fixture
from tests.pipelines.conftest import IMAGES
from tests.pipelines.workflow import Workflow


@pytest.fixture
def run_id(server, kfp_api, luthier, monkeypatch):
    """A run in Kubeflow that goes on until somebody stops it."""
    for name, image in IMAGES.items():
        monkeypatch.setenv(name, image)
    monkeypatch.setattr("pipelines.submit.stop._POLL_S", 0.01)
    assert luthier("submit", "--no-follow", "-p", "workspace=gs://b/w").code == 0
    kfp_api.states = [("RUNNING", Workflow())]
    return kfp_api.made("runs")[0]["run_id"]


def put_job(server, name, followed_by, suspend=False, queue=""):
    notes = {labels.FOLLOWED_BY: followed_by} if followed_by else {}
    values = {labels.APP_NAME: labels.TRAINER} | ({labels.QUEUE: queue} if queue else {})
    metadata = {"name": name, "labels": values, "annotations": notes}
    server.put("jobs", {"metadata": metadata, "spec": {"suspend": suspend}, "status": {}})


def is_suspended(server, name):
    return server.read("jobs", name)["spec"]["suspend"]


def is_stopped(kfp_api):
    return ("POST", "/apis/v2beta1/runs/{run_id}:terminate") in kfp_api.calls


def test_a_stop_suspends_the_active_jobs_of_the_run_alone(kfp_api, luthier, server, run_id):
    put_job(server, "luthier-a", run_id)
    put_job(server, "luthier-b", run_id)
    put_job(server, "luthier-done-by-its-step", run_id, suspend=True)
    put_job(server, "luthier-of-another-run", "another")
    put_job(server, "luthier-of-no-run", "")
    put_job(server, "luthier-queued", run_id, suspend=True, queue="gpus")
    dry = luthier("submit", "--stop", run_id, "--dry-run")
    assert dry.code == 0 and not is_stopped(kfp_api)
    assert dry.out.splitlines()[2:] == [f"would stop     Job luthier-{name}" for name in ("a", "b", "queued")]

    done = luthier("submit", "--stop", run_id)
    assert done.code == 0 and is_stopped(kfp_api)
    assert done.out.splitlines()[1:] == [f"stopped    Job luthier-{name}" for name in ("a", "b", "queued")]
    assert is_suspended(server, "luthier-a") and is_suspended(server, "luthier-b")
    assert server.read("jobs", "luthier-a")["metadata"]["annotations"][labels.SUSPENDED_BY] == labels.LAUNCHER
    assert not is_suspended(server, "luthier-of-another-run") and not is_suspended(server, "luthier-of-no-run")
    assert "deletionTimestamp" in server.read("jobs", "luthier-queued")["metadata"]  # Kueue would start it
    again = luthier("submit", "--stop", run_id).out.splitlines()  # Kubeflow refuses to stop a run that has ended
    assert again[0].startswith("ended ") and again[1:] == [
        "its Jobs in namespace 'luthier' are stopped: none is active"
    ]
    assert kfp_api.calls.count(("POST", "/apis/v2beta1/runs/{run_id}:terminate")) == 1


def test_jobs_are_suspended_after_their_steps_have_ended_which_would_resume_them(luthier, server, run_id, monkeypatch):
    put_job(server, "luthier-a", run_id)
    states = iter(["RUNNING", "CANCELING", "FAILED"])

    def state(*_):
        assert not is_suspended(server, "luthier-a")
        return next(states)

    def pause(_):
        if is_suspended(server, "luthier-a"):
            server.put("jobs", server.read("jobs", "luthier-a") | {"spec": {"suspend": False}})  # by a late step

    monkeypatch.setattr("pipelines.submit.stop._state", state)
    monkeypatch.setattr("pipelines.submit.stop.time.sleep", pause)
    assert luthier("submit", "--stop", run_id).out.splitlines()[1:] == ["stopped    Job luthier-a"]
    assert is_suspended(server, "luthier-a")


def test_a_run_that_does_not_end_is_waited_for_within_a_limit(luthier, server, run_id, monkeypatch):
    put_job(server, "luthier-a", run_id)
    monkeypatch.setattr("pipelines.submit.stop._LIMIT_S", 0.1)
    monkeypatch.setattr("pipelines.submit.stop._state", lambda *_: "CANCELING")
    done = luthier("submit", "--stop", run_id)
    assert done.code == 0 and "the run has not ended" in done.err and "luthier-unattended" in done.err
    assert is_suspended(server, "luthier-a")


@pytest.mark.parametrize("lacks", ["a kubeconfig", "a server", "a permission"])
def test_without_access_to_the_jobs_one_line_says_what_suspends_them(
    kfp_api, luthier, server, run_id, monkeypatch, tmp_path, lacks
):
    put_job(server, "luthier-a", run_id)
    if lacks == "a kubeconfig":
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    elif lacks == "a permission":
        server.role = ROLE - {("list", "jobs")}
    else:
        path = tmp_path / "kubeconfig"
        path.write_text(path.read_text().replace(server.url, "http://127.0.0.1:9"))
        monkeypatch.setattr("pipelines.submit.stop._POLICY", RetryPolicy(limit_s=0.2))
    done = luthier("submit", "--stop", run_id)
    assert done.code == 0 and is_stopped(kfp_api)
    last = done.err.splitlines()[-1]
    assert "not sure that all Jobs of the run are stopped" in last
    assert "luthier-unattended suspends within 10 minutes" in last and "`luthier jobs`" in last
    assert not is_suspended(server, "luthier-a")
