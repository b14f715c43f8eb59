"""The API server as it is on a bad day: nothing is missed, nothing is said twice, and there is an end to patience."""

import json
import time

import pytest

NAME = "luthier-smoke-1-string-harmonic"


def in_steps(server, said, between):
    """A training whose every step is told only when the one before has been understood; `between` breaks things."""

    def play(workload):
        pod = workload.pod().unschedulable("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
        said.wait("Insufficient nvidia.com/gpu")
        between()
        pod.placed("node-1").runs()
        said.wait("runs on node node-1")
        between()
        pod.ends(75)
        said.wait("stopped, with all its work saved")
        pod = workload.pod(node="node-2").runs()
        said.wait("runs on node node-2")
        between()
        pod.ends(0)
        workload.trained()
        workload.complete()

    return play


WEATHER = {
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


@pytest.mark.parametrize("kind", WEATHER)
def test_nothing_is_missed(kind, stage, server, said, luthier, arguments):
    stage.play = in_steps(server, said, lambda: WEATHER[kind](server))
    finished = luthier(*arguments)
    assert finished.code == 0, finished.err
    for part in ("Insufficient", "runs on node node-1", "runs on node node-2", "all its work saved"):
        assert said.count(part) == 1, said.texts
    assert len(stage.workloads) == 1


def test_watches_that_end_in_good_order_are_taken_up_where_they_were(stage, server, said, luthier, arguments):
    server.watch_s = 0.05
    lists = []
    stage.play = in_steps(server, said, lambda: (lists.append(server.count("list", "pods")), time.sleep(0.15)))
    assert luthier(*arguments).code == 0
    assert server.count("watch", "pods") >= 5
    assert {*lists} == {1}, "an ended watch is no reason to list again"
    versions = [int(query["resourceVersion"]) for verb, name, query in server.requests if verb == "watch"]
    assert max(versions) > min(versions)


def test_bookmarks_keep_a_quiet_watch_from_growing_old(stage, server, said, luthier, arguments):
    """The collection itself does not change; the server forgets the rest; the watch is not taken aback."""
    server.bookmark_s = 0.02

    def between():
        for _ in range(3):
            server.put("configmaps", {"metadata": {"name": "other"}})
            time.sleep(0.03)
        server.forget()
        time.sleep(0.06)
        watches = server.count("watch", "pods")
        server.drop("watch")
        server.wait_until(lambda: server.count("watch", "pods") > watches, "it watches again")

    stage.play = in_steps(server, said, between)
    assert luthier(*arguments).code == 0
    assert server.count("list", "pods") == 2, "one at first, one for the last look; none in between"


def test_a_watch_that_fell_silent_is_opened_again(stage, server, said, luthier, arguments, timing):
    timing(watch_silence_s=0.2)
    server.bookmark_s = 0.03

    def between():
        server.fail("watch", "pods", "stall")
        server.drop("watch")

    stage.play = in_steps(server, said, between)
    assert luthier(*arguments).code == 0
    assert server.count("list", "pods") == 2, "one at first, one for the last look"


def test_a_server_that_is_away_for_a_while(stage, server, said, luthier, arguments):
    def between():
        with server.away():
            said.wait("does not answer (Connection refused); trying again")

    def play(workload):
        pod = workload.pod(node="node-1").runs()
        said.wait("runs on node node-1")
        between()
        said.wait("answers again")
        pod.ends(0)
        workload.trained()
        workload.complete()

    stage.play = play
    assert luthier(*arguments).code == 0


def test_a_server_that_stays_away_is_a_clear_failure(stage, server, said, luthier, arguments, timing):
    timing({"limit_s": 0.2})

    def play(workload):
        workload.pod(node="node-1").runs()
        said.wait("runs on node node-1")
        with server.away():
            time.sleep(1)

    stage.play = play
    finished = luthier(*arguments)
    assert finished.code == 1
    assert finished.err.splitlines()[-1].startswith(f"luthier: the API server {server.url} has not answered for ")
    assert f"Job {NAME} in namespace luthier continues, and the same command follows it" in finished.err


def test_requests_that_fail_are_made_again(stage, server, said, luthier, arguments):
    server.fail("get", "configmaps", 503, 2)
    server.fail("create", "jobs", 429, 1, retry_after=1)
    server.fail("create", "jobs", "reset")
    server.fail("list", "jobs", 504)
    stage.play = in_steps(server, said, lambda: None)
    start = time.monotonic()
    assert luthier(*arguments).code == 0
    assert time.monotonic() - start > 1, "Retry-After is heeded"
    assert len(stage.workloads) == 1


def test_no_line_is_lost_and_none_comes_twice(stage, server, said, luthier, arguments):
    """Also where several lines have the same nanosecond, and the break is between them."""
    lines = [f"step {number} of 60" for number in range(60)]
    second = 1_780_000_000 * 10**9

    def play(workload):
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

    stage.play = play
    finished = luthier(*arguments)
    assert finished.code == 0
    assert [line for line in finished.out.splitlines() if line.startswith("step")] == lines
    assert server.count("log", "pods/log") > 5


def test_the_end_of_the_log_is_waited_for(stage, server, luthier, arguments):
    """The kubelet is slow to answer, and the Job has finished meanwhile."""

    def play(workload):
        server.fail("log", "pods/log", 503, 3)
        workload.pod(node="node-1").runs().says("first", "last").ends(0)
        workload.trained()
        workload.complete()

    stage.play = play
    finished = luthier(*arguments)
    assert finished.code == 0
    assert "first\nlast\n" in finished.out


def test_a_log_that_cannot_be_had_any_more_is_given_up(stage, server, said, luthier, arguments, timing):
    """The node is lost: the training continues elsewhere, and the server is not asked without end."""
    timing({"limit_s": 0.2})

    def play(workload):
        server.fail("log", "pods/log", 502, 50)
        lost = workload.pod(node="node-1").runs()
        said.wait("runs on node node-1")
        lost.condition("DisruptionTarget", "True", "DeletionByPodGC").ends(137)
        said.wait("cannot be read: the API server")
        server.faults["log", "pods/log"].clear()
        workload.pod(node="node-2").runs().says("goes on").ends(0)
        workload.trained()
        workload.complete()

    stage.play = play
    finished = luthier(*arguments)
    assert finished.code == 0
    assert "goes on" in finished.out
    assert server.count("log", "pods/log") < 15
    given_up = next(text for text in said.texts if "cannot be read" in text)
    assert given_up.endswith("HTTP 502: etcdserver: leader changed")


def test_a_log_that_may_not_be_read_is_no_reason_to_fail(stage, server, said, luthier, arguments):
    server.role.discard(("get", "pods/log"))
    stage.play = in_steps(server, said, lambda: None)
    finished = luthier(*arguments)
    assert finished.code == 0
    assert "may not get pods/log" in finished.err


def test_lines_in_json_stay_so_for_a_collector(stage, server, said, luthier, arguments, monkeypatch):
    monkeypatch.setenv("LUTHIER_LOG_FORMAT", "json")
    entry = json.dumps({"severity": "INFO", "message": "step 1"})

    def play(workload):
        workload.pod(node="node-1").runs().says(entry).ends(0)
        workload.trained()
        workload.complete()

    stage.play = play
    assert entry in luthier(*arguments).out.splitlines()
