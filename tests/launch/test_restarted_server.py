"""What a launcher meets while an API server restarts, and credentials that expire while it follows its Job."""

import json
import sys
import time

import pytest
import yaml

from tests.launch.api_rules import TOKEN, RefusedError
from tests.launch.test_connection_loss import FAULTS, in_steps
from tests.launch.test_launch import NAME

# A plugin of a kubeconfig, as those of EKS, GKE and AKS: it prints a token that is valid for some minutes.
PLUGIN = """
import json, pathlib, sys
file = pathlib.Path(sys.argv[1])
with file.with_name("asked").open("a") as asked:
    asked.write("x")
status = {"token": file.read_text(), "expirationTimestamp": "2099-01-01T00:00:00Z"}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


@pytest.fixture
def token(server, tmp_path):
    """The file with the token that the plugin of the kubeconfig prints."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    path, file = tmp_path / "kubeconfig", tmp_path / "token"
    file.write_text(TOKEN)
    config = json.loads(path.read_text())
    arguments = [str(tmp_path / "plugin.py"), str(file)]
    version = "client.authentication.k8s.io/v1"
    config["users"][0]["user"] = {"exec": {"apiVersion": version, "command": sys.executable, "args": arguments}}
    path.write_text(yaml.safe_dump(config))
    return file


def test_a_token_that_expires_is_asked_for_again(controllers, server, log_lines, luthier, arguments, token):
    tokens = iter(("second", "third", "fourth"))

    def expires():
        token.write_text(expected := next(tokens))
        server.token = expected
        FAULTS["reset"](server)

    controllers.simulate = in_steps(server, log_lines, expires)
    finished = luthier(*arguments)
    assert finished.code == 0, finished.err
    assert log_lines.count("runs on node node-2") == 1
    assert len(token.with_name("asked").read_text()) < 12, "once for each token, or a few times at the same moment"


def test_credentials_that_are_not_accepted_again_are_an_error(controllers, server, luthier, arguments, token):
    server.token = "another"
    finished = luthier(*arguments)
    assert finished.code == 2
    assert "does not accept the credentials (HTTP 401): log in again" in finished.err
    assert token.with_name("asked").read_text() == "xx"


def test_a_plugin_that_fails_is_not_a_missing_role(server, luthier, arguments, token):
    """The official client logs that, and sends its requests without credentials."""
    server.knows_anonymous = True
    token.unlink()
    finished = luthier(*arguments)
    assert finished.code == 2
    last = finished.err.splitlines()[-1]
    assert last == f"luthier: the API server {server.url} got no credentials (HTTP 403): log in again"


def test_admission_that_is_not_ready_is_tried_again(controllers, server, log_lines, luthier, arguments):
    """`admission.NewForbidden(a, "not yet ready to handle request")`: an API server that has just begun."""
    left = [RefusedError(403, "Forbidden", f'jobs.batch "{NAME}" is forbidden: not yet ready to handle request')] * 2

    def admission(collection, body):
        if left:
            raise left.pop()

    server.admission = admission
    controllers.simulate = in_steps(server, log_lines, lambda: None)
    assert luthier(*arguments).code == 0
    assert not left


def test_a_watch_that_ends_within_a_line_goes_on(controllers, server, log_lines, luthier, arguments):
    """A proxy between ends the stream in order, so that half a line looks like the last one."""

    def between():
        server.drop("watch", within_line="in order")

    controllers.simulate = in_steps(server, log_lines, between)
    finished = luthier(*arguments)
    assert finished.code == 0, finished.err
    assert log_lines.count("runs on node node-2") == 1


def test_an_answer_that_is_no_json_is_one_line(server, luthier, arguments):
    server.put("configmaps", {"metadata": {"name": "luthier-training-job"}, "data": {}})
    server.page = "<html>\n<title>Log in</title>"
    finished = luthier(*arguments)
    assert finished.code == 1
    line = finished.err.splitlines()[-1]
    assert "the answer is no JSON but '<html> <title>Log in</title>': is it an API server?" in line


def test_an_upgrade_of_the_control_plane_does_not_end_the_launch(
    controllers, server, log_lines, luthier, arguments, timing
):
    """It takes longer than one request may: the Job goes on without the server, and so does its launcher."""
    timing({"limit_s": 0.2}, outage_s=60.0)

    def simulate(workload):
        workload.event("FailedCreate", "Error creating: Internal error occurred: failed calling webhook")
        log_lines.wait("its pod is refused")
        with server.away():
            time.sleep(1.0)
        pod = workload.pod(node="node-1").runs().says("step 1")
        log_lines.wait("runs on node node-1")
        with server.away():
            time.sleep(1.0)
        pod.says("step 2").ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 0, finished.err
    assert "step 2" in finished.out
