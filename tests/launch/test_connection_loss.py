"""Lost connections and an unavailable API server: no change or log line is missed or repeated; waits are limited."""

import json
import threading
import time

import pytest

from components.launch import followed_at

NAME = "luthier-smoke-1-string-harmonic"


def in_steps(server, log_lines, between):
    """A training whose next step happens when the launcher has logged the one before; `between` runs in between."""

    def simulate(workload):
        pod = workload.pod().unschedulable("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
        log_lines.wait("Insufficient nvidia.com/gpu")
        between()
        pod.placed("node-1").runs()
        log_lines.wait("runs on node node-1")
        between()
        pod.ends(75)
        log_lines.wait("stopped, with all its work saved")
        pod = workload.pod(node="node-2").runs()
        log_lines.wait("runs on node node-2")
        between()
        pod.ends(0)
        workload.trained()
        workload.complete()

    return simulate


FAULTS = {
    "reset": lambda server: server.drop("watch"),
    "reset within a line": lambda server: server.drop("watch", within_line=True),
    "gone": lambda server: (server.forget(), server.drop("watch")),
    "gone, within the stream": lambda server: (server.forget(in_stream=True), server.drop("watch")),
    "watch refused": lambda server: (server.fail("watch", "pods", 503, 2, retry_after=0), server.drop("watch")),
    "list refused after gone": lambda server: (
        server.forget(),
        server.fail("list", "pods", 500, 2),
        server.fail("list", "jobs", "reset", 2),
        server.drop("watch"),
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_is_missed(kind, controllers, server, log_lines, luthier, arguments):
    controllers.simulate = in_steps(server, log_lines, lambda: FAULTS[kind](server))
    finished = luthier(*arguments)
    assert finished.code == 0, finished.err
    for part in ("Insufficient", "runs on node node-1", "runs on node node-2", "all its work saved"):
        assert log_lines.count(part) == 1, log_lines.texts
    assert len(controllers.workloads) == 1


def test_watches_that_the_server_ends_continue_without_a_list(controllers, server, log_lines, luthier, arguments):
    server.watch_s = 0.05
    lists = []

    def between():
        lists.append(server.count("list", "pods"))
        watches = server.count("watch", "pods")
        server.wait_until(lambda: server.count("watch", "pods") > watches + 1, "it watches again and again")

    controllers.simulate = in_steps(server, log_lines, between)
    assert luthier(*arguments).code == 0
    assert {*lists} == {1}, "an ended watch is no reason to list again"
    versions = [int(query["resourceVersion"]) for verb, name, query in server.requests if verb == "watch"]
    assert max(versions) > min(versions)


def test_bookmarks_keep_the_version_of_a_quiet_watch_valid(controllers, server, log_lines, luthier, arguments):
    """The collection does not change and the server forgets old versions; the watch continues from its bookmark."""

    def between():
        with server.changed:
            server.wait_until(lambda: server.watching["pods"], "the pods are watched")
            for _ in range(3):
                server.put("configmaps", {"metadata": {"name": "other"}})
            server.forget()
            watches = server.count("watch", "pods")
            server.end()
        server.wait_until(lambda: server.count("watch", "pods") > watches, "it watches again")

    controllers.simulate = in_steps(server, log_lines, between)
    assert luthier(*arguments).code == 0
    assert server.count("list", "pods") == 2, "one at first, one for the last look; none in between"


def test_a_watch_that_fell_silent_is_opened_again(controllers, server, log_lines, luthier, arguments, timing):
    timing(watch_silence_s=0.2)
    server.bookmark_s = 0.03

    def between():
        server.fail("watch", "pods", "stall")
        server.drop("watch")

    controllers.simulate = in_steps(server, log_lines, between)
    assert luthier(*arguments).code == 0
    assert server.count("list", "pods") == 2, "one at first, one for the last look"


def test_a_server_that_is_unavailable_for_a_while(
    controllers, server, log_lines, luthier, arguments, timing, monkeypatch
):
    def between():
        with server.away():
            log_lines.wait("does not answer (Connection refused); trying again")
            log_lines.wait("may look unattended")  # the renewals have failed as well

    timing(renew_s=0.05)
    monkeypatch.setattr(followed_at, "_REQUEST_LIMIT_S", 0.3)

    def simulate(workload):
        pod = workload.pod(node="node-1").runs()
        log_lines.wait("runs on node node-1")
        between()
        log_lines.wait("answers again")
        pod.ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    assert luthier(*arguments).code == 0
    assert log_lines.count("does not answer") == 1, log_lines.texts
    assert log_lines.count("answers again") == 1


def test_a_server_that_stays_unavailable_is_an_error(controllers, server, log_lines, luthier, arguments, timing):
    timing({"limit_s": 0.2})

    has_ended = threading.Event()

    def simulate(workload):
        workload.pod(node="node-1").runs()
        log_lines.wait("runs on node node-1")
        with server.away():
            assert has_ended.wait(60)

    controllers.simulate = simulate
    finished = luthier(*arguments)
    has_ended.set()
    assert finished.code == 1
    assert finished.err.splitlines()[-1].startswith(f"luthier: the API server {server.url} has not answered for ")
    assert f"Job {NAME} in namespace luthier continues, and the same command follows it" in finished.err


def test_requests_that_fail_are_made_again(controllers, server, log_lines, luthier, arguments):
    server.fail("get", "configmaps", 503, 2)
    server.fail("create", "jobs", 429, 1, retry_after=1)
    server.fail("create", "jobs", "reset")
    server.fail("list", "jobs", 504)
    controllers.simulate = in_steps(server, log_lines, lambda: None)
    start = time.monotonic()
    assert luthier(*arguments).code == 0
    assert time.monotonic() - start > 1, "Retry-After is heeded"
    assert len(controllers.workloads) == 1


def test_no_line_is_lost_and_none_comes_twice(controllers, server, log_lines, luthier, arguments):
    """Also where several lines have the same time and the connection breaks between them."""
    lines = [f"step {number} of 60" for number in range(60)]
    second = 1_780_000_000 * 10**9

    def simulate(workload):
        pod = workload.pod(node="node-1").runs()
        for number, line in enumerate(lines):
            pod.says(line, at_ns=second + number // 4 * 300_000_000)
            if number % 7 == 3:
                seen = server.count("log", "pods/log")
                server.drop("log", within_line=number % 2 == 0)
                if number % 2:  # without a line to break in, the stream breaks at once
                    server.wait_until(lambda seen=seen: server.count("log", "pods/log") > seen, "it is read again")
        pod.ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 0
    assert [line for line in finished.out.splitlines() if line.startswith("step")] == lines
    assert server.count("log", "pods/log") > 5


def test_the_end_of_the_log_is_waited_for(controllers, server, luthier, arguments):
    """The kubelet is slow to answer, and the Job has finished meanwhile."""

    def simulate(workload):
        server.fail("log", "pods/log", 503, 3)
        workload.pod(node="node-1").runs().says("first", "last").ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 0
    assert "first\nlast\n" in finished.out


def test_a_log_that_stays_unavailable_is_given_up(controllers, server, log_lines, luthier, arguments, timing):
    """The node is lost: the training continues on another one, and the requests for the log end."""
    timing({"limit_s": 0.2})

    def simulate(workload):
        server.fail("log", "pods/log", 502, 1000)
        lost = workload.pod(node="node-1").runs()
        log_lines.wait("runs on node node-1")
        lost.condition("DisruptionTarget", "True", "DeletionByPodGC").ends(137)
        log_lines.wait("cannot be read: the API server")
        assert server.faults["log", "pods/log"], "it was given up, not read"
        server.faults["log", "pods/log"].clear()
        workload.pod(node="node-2").runs().says("goes on").ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 0
    assert "goes on" in finished.out
    given_up = next(text for text in log_lines.texts if "cannot be read" in text)
    assert given_up.endswith("HTTP 502: etcdserver: leader changed")


def test_what_the_kubelet_says_in_place_of_a_log_is_no_line_of_it(controllers, server, log_lines, luthier, arguments):
    """A real kubelet answers so, with status 200 and without a time, where the container was removed meanwhile."""

    def simulate(workload):
        lost = workload.pod(node="node-1").runs().says("step 1")
        lost.says("unable to retrieve container logs for containerd://0123", at_ns=-1)
        log_lines.wait("runs on node node-1")
        lost.ends(75)
        workload.pod(node="node-2").runs().says("step 2").ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    finished = luthier(*arguments)
    assert finished.code == 0
    assert "step 1" in finished.out and "step 2" in finished.out
    assert "unable to retrieve" not in finished.out + finished.err
    assert log_lines.count("cannot be read") == 0


def test_a_log_that_may_not_be_read_is_a_warning(controllers, server, log_lines, luthier, arguments):
    server.role.discard(("get", "pods/log"))
    controllers.simulate = in_steps(server, log_lines, lambda: None)
    finished = luthier(*arguments)
    assert finished.code == 0
    assert "may not get pods/log" in finished.err


def test_lines_in_json_stay_so_for_a_collector(controllers, server, log_lines, luthier, arguments, monkeypatch):
    monkeypatch.setenv("LUTHIER_LOG_FORMAT", "json")
    entry = json.dumps({"severity": "INFO", "message": "step 1"})

    def simulate(workload):
        workload.pod(node="node-1").runs().says(entry).ends(0)
        workload.trained()
        workload.complete()

    controllers.simulate = simulate
    assert entry in luthier(*arguments).out.splitlines()
