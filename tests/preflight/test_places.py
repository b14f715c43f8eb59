"""Checks before a run: what is missing is found before anything is trained, in one line and in limited time."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from components import storage
from components.core.errors import InputError, StepError
from components.launch.request import Placement
from components.preflight.finding import Check, Finding, Status, raise_failures, run_checks
from components.preflight.places import check_source, check_workspace
from components.preflight.run import SampleTraining, check_run
from components.preflight.tracking import check_registry
from tests.serving import served


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def only(findings):
    (finding,) = findings
    return finding


def test_a_workspace_is_written_and_left_as_it_was(gcs, tmp_path):
    for workspace in (f"{gcs.bucket()}/luthier", str(tmp_path / "not" / "there" / "yet")):
        assert only(check_workspace(workspace, in_cluster=False)) == Finding(
            "workspace", Status.OK, f"{workspace} is writable"
        )
        assert storage.list_objects(workspace) == []
    assert list(tmp_path.iterdir()) == []
    local, _ = check_workspace(str(tmp_path), in_cluster=True)
    assert local.status is Status.NOTE and "local path, which the pods of a run do not share" in local.text


def test_a_workspace_that_cannot_be_written_is_refused(gcs, tmp_path):
    (tmp_path / "file").write_text("")
    read_only = tmp_path / "read-only"
    read_only.mkdir(mode=0o555)
    cases = [
        ("", "parameter 'workspace' is empty"),
        (f"{tmp_path}/file/below", "is not a directory"),
        ("gs://there-is-no-such-bucket/a", "no such bucket"),
        ("s3://bucket/a", "expected gs://bucket/prefix or a local path"),
    ]
    if os.geteuid():
        cases.append((str(read_only), "Permission denied"))
    for workspace, expected in cases:
        with pytest.raises(InputError, match=expected):
            list(check_workspace(workspace, in_cluster=False))


def test_a_source_says_what_it_has(tmp_path):
    for family in ("string", "flute"):
        (tmp_path / family).mkdir()
        (tmp_path / family / "a.wav").write_bytes(b"not read")
    assert only(check_source(str(tmp_path))).text == f"{tmp_path} has recordings of flute, string"
    with pytest.raises(InputError):
        list(check_source(str(tmp_path / "nothing")))


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        ("200 OK", "<html>a sign-in page</html>", InputError, "there is no MLflow at .* got HTTP 200 and not"),
        ("200 OK", "[]", InputError, "not the answer of MLflow"),
        ("404 Not Found", "nothing here", InputError, "there is no MLflow at"),
        ("401 Unauthorized", "log in", InputError, r"HTTP 401 \(log in\); check MLFLOW_TRACKING_TOKEN"),
        ("403 Forbidden", "Invalid Host header", InputError, "Invalid Host header"),
        ("503 Service Unavailable", "starting", StepError, r"got HTTP 503 \(starting\)"),
        ("200 OK", '{"experiment": "x"}' + " " * 3_000_000 + "!", InputError, "not the answer of MLflow"),
    ],
)
def test_a_server_that_is_no_usable_mlflow_is_refused(status, body, error, message):
    def app(environ, start_response):
        start_response(status, [("Content-Type", "text/plain")])
        return [body.encode()]

    with served(app) as url:
        with pytest.raises(error, match=message) as raised:
            list(check_registry(url.replace("//", "//user:secret@"), in_cluster=True))
        assert "secret" not in str(raised.value)


def test_a_registry_is_needed_and_a_pod_has_no_database(registry, monkeypatch):
    with pytest.raises(InputError, match="got no tracking URI"):
        list(check_registry("", in_cluster=True))
    with pytest.raises(InputError, match="the disk of one pod: expected the URL of an MLflow server"):
        list(check_registry(registry, in_cluster=True))
    assert only(check_registry(registry, in_cluster=False)).text == f"{registry} is usable"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////tmp/there-is-none/mlflow.db")
    assert only(check_registry("", in_cluster=False)).text.endswith("will be created")


def test_the_step_plan_names_everything_that_is_missing(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setattr("components.preflight.run.connect", lambda policy: cluster.api())
    (tmp_path / "file").write_text("")
    cluster.denied = {"create jobs"}
    cluster.pods = [cluster.recorded["pod-without-image"]]
    training = SampleTraining("string", "harmonic", "smoke", placement=Placement(image="trainer:1", queue="gpus"))
    with pytest.raises(InputError) as raised:
        check_run(f"{tmp_path}/file/below", "", training)
    for expected in (
        "workspace: cannot write to",
        "registry: cannot open MLflow",
        "permissions: you may not create jobs in namespace 'luthier'",
        "job: the Job is for the queue 'gpus', and the API server",
        "image: ",
    ):
        assert expected in str(raised.value)
    assert len(cluster.created) == len(cluster.deleted) == 1  # the pod that tries the image


def test_checks_run_at_the_same_time_and_end_within_their_limits():
    all_run, are_over = threading.Barrier(5, timeout=60), threading.Event()

    def slow():
        all_run.wait()  # which none of them would pass if they ran one after the other
        return [Finding("slow", Status.OK, "done")]

    def hangs():
        assert are_over.wait(60), "its end was waited for"
        return []

    def refuses():
        raise InputError("got a, expected b")

    def surprised():
        return json.loads("{")

    others = [Check("hangs", hangs, 0.5), Check("a", refuses, 60), Check("b", surprised, 60)]
    found = run_checks([Check("slow", slow, 60)] * 5 + others)
    are_over.set()
    assert [each.status for each in found] == [Status.OK] * 5 + [Status.SILENT, Status.WRONG, Status.WRONG]
    with pytest.raises(
        InputError, match=r"hangs: got no answer.*; a: got a, expected b; b: the check failed: JSONDecode"
    ):
        raise_failures(found)
    with pytest.raises(StepError, match="hangs: got no answer"):
        raise_failures(found[:6])
    raise_failures(found[:5])


def test_text_of_a_server_is_one_line_without_control_characters():
    hostile = Finding("a", Status.WRONG, "x\x1b[2J\r\n\u2028y" + "z" * 10_000, "a\tb")
    assert hostile.text.startswith("x [2J yzz") and len(hostile.text) <= 601 and hostile.advice == "a b"


def test_a_local_workspace_below_a_home_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert only(check_workspace("~/ws", in_cluster=False)).status is Status.OK
    assert not Path(tmp_path, "ws").exists()
