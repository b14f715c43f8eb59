"""A session that has expired: what stands before Kubeflow, such as Dex, sends the page of its login with status 200."""

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
