"""A session that has expired: what stands before Kubeflow, such as Dex, sends the page of its login with status 200."""

import json

import pytest
from werkzeug.wrappers import Request, Response

from tests.pipelines.conftest import SUBMIT
from tests.pipelines.workflow import one_task
from tests.serving import served

PAGE = "<!DOCTYPE html>\n<html><title>dex</title></html>"


@Request.application
def login(request: Request) -> Response:
    return Response(PAGE, content_type="text/html; charset=utf-8")


@pytest.mark.parametrize("command", [SUBMIT, ("submit", "--follow", "1"), ("schedule", "--list"), ("runs",)])
def test_the_page_of_a_login_is_no_empty_answer(images, luthier, monkeypatch, command):
    with served(login) as host:
        monkeypatch.setenv("KFP_HOST", host)
        finished = luthier(*command)
    assert finished.code == 2
    assert f"luthier: '{host}' answers with a page in place of JSON" in finished.err.splitlines()[-1]
    assert "KFP_COOKIE" in finished.err


@pytest.mark.parametrize("body", ["null", '"no upstream"', "[]"])
def test_an_error_of_a_gateway_is_one_line(luthier, monkeypatch, body):
    refuse = Request.application(lambda request: Response(body, 503, content_type="application/json"))
    with served(refuse) as host:
        monkeypatch.setenv("KFP_HOST", host)
        finished = luthier("runs")
    assert finished.code == 2
    assert (
        f"cannot open Kubeflow Pipelines at '{host}': got 'SERVICE UNAVAILABLE' (503)" in finished.err.splitlines()[-1]
    )


def test_it_is_reached_through_the_proxy_of_the_environment(luthier, monkeypatch):
    asked = []

    @Request.application
    def proxy(request):
        asked.append(request.environ.get("RAW_URI", request.url))
        return Response(json.dumps({"multi_user": False, "runs": []}), content_type="application/json")

    with served(proxy) as address:
        monkeypatch.setenv("KFP_HOST", "http://kubeflow.example.invalid")
        for name in ("no_proxy", "NO_PROXY", "http_proxy", "KUBERNETES_SERVICE_HOST"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", address.removeprefix("http://"))
        assert luthier("runs").out == "no runs\n"
    assert all(target.startswith("http://kubeflow.example.invalid/apis/") for target in asked), asked
    assert "/runs?" in asked[-1]


def test_a_session_that_expires_ends_the_following(kfp_api, luthier, monkeypatch):
    kfp_api.states = [("RUNNING", one_task("RUNNING"))]
    original, looks = kfp_api._run, []

    def expiring(identity):
        looks.append(identity)
        return original(identity) if len(looks) < 3 else PAGE

    monkeypatch.setattr(kfp_api, "_run", expiring)
    finished = luthier(*SUBMIT)
    last = finished.err.splitlines()[-1]
    assert finished.code == 1, "2 is for a run that was not accepted"
    assert "answers with a page in place of JSON" in last
    assert "the run continues: " in last and "--follow " in last
