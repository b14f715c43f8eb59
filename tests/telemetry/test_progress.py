"""Progress as a watching parent, a log and a pipeline task see it."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from components.core import environment
from components.core.errors import InputError
from components.telemetry import progress
from components.telemetry.slots import slot
from components.telemetry.task import task


@pytest.fixture
def events(tmp_path, monkeypatch):
    path = tmp_path / "events"
    monkeypatch.setenv(environment.EVENTS, str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def pass_s(monkeypatch):
    """Lets seconds pass on the clock of the progress, which stands still otherwise."""
    now_s = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now_s[0], time=time.time))

    def pass_s(seconds):
        now_s[0] += seconds

    return pass_s


def test_bar_reports_its_end_to_a_watching_parent(events):
    with progress.bar("sort", total=3, unit="records") as bar:
        for _ in range(3):
            bar.advance(1, note="string")
    last = events()[-1]
    assert (last["kind"], last["done"], last["total"]) == ("progress", 3, 3)
    assert re.fullmatch(r"[\d,.]+ records/s, string", last["text"])


def test_bar_without_terminal_logs_lines(caplog, monkeypatch):
    monkeypatch.delenv(environment.EVENTS, raising=False)
    with caplog.at_level("INFO", logger="components"), progress.bar("sort", total=2, unit="records") as bar:
        bar.advance(2)
    assert "sort: 2/2 records" in caplog.text


def test_the_last_line_comes_once_though_the_work_took_long(caplog, monkeypatch):
    monkeypatch.delenv(environment.EVENTS, raising=False)
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    with caplog.at_level("INFO", logger="components"), progress.bar("check", total=2, unit="recordings") as bar:
        bar.advance(1)
        bar.advance(1)
    assert caplog.text.count("check: 2/2 recordings") == 1


def test_what_was_done_before_does_not_count_for_the_pace(caplog, monkeypatch, pass_s):
    monkeypatch.delenv(environment.EVENTS, raising=False)
    with caplog.at_level("INFO", logger="components"), progress.bar("train", 1e9, "steps", done_before=5e8) as bar:
        pass_s(0.125)
        bar.advance(1)
    pace = re.search(r", ([\d.]+) steps/s, ", caplog.text)
    assert pace and float(pace[1]) == 8


def test_a_step_that_compiles_tells_nothing_of_the_pace_and_a_time_limit_bounds_what_is_left(events, pass_s):
    with progress.bar("train", total=1000, unit="steps") as bar:
        pass_s(0.3)
        bar.skip(1, "loss 20")
        assert events()[-1]["text"] == "loss 20"
        bar.ends_within(0.5)
        pass_s(0.25)
        bar.advance(1)
        assert events()[-1]["text"] == "4 steps/s, 0 s left, loss 20"
        bar.ends_within(9000)
        pass_s(0.25)
        bar.advance(500)
        assert events()[-1]["text"] == "1,002 steps/s, 0 s left, loss 20"


@pytest.mark.parametrize("width", [80, 110])
def test_a_bar_on_a_narrow_terminal_is_one_line_without_a_broken_word(width):
    script = (
        "import sys, time; from components.telemetry import progress; sys.stderr.isatty = lambda: True\n"
        "with progress.bar('train keyboard-sinusoidal', 400, 'steps') as bar:\n"
        "    bar.skip(1); time.sleep(0.15); bar.advance(350, 'loss 5.90, held out 8.39')"
    )
    variables = {**os.environ, "COLUMNS": str(width), "TERM": "xterm", "FORCE_COLOR": "1"}
    variables.pop(environment.EVENTS, None)
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True)
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip() for line in re.split(r"[\r\n]", done.stderr)]
    shown = [line for line in lines if "351/400" in line]
    assert shown and all(len(line) <= width for line in shown)
    whole = r"351/400 steps, [\d,.]+ steps/s, 0 s left(, loss 5\.90, held out 8\.39|.*…)$"
    assert re.search(whole, shown[-1]), shown[-1]
    assert all(not line or "train keyboard-sinusoidal" in line for line in lines), lines


def test_task_reports_what_it_found(events):
    with task("sort") as running:
        running.found("12 records", families=["string"])
    assert [event["kind"] for event in events()] == ["start", "done"]
    assert events()[-1]["text"] == "12 records"
    assert events()[-1]["facts"] == {"families": ["string"]}


@pytest.mark.parametrize(
    ("error", "input_fault"), [(InputError("no such\nplace"), True), (OSError("disk full"), False)]
)
def test_task_reports_why_it_failed(events, error, input_fault):
    with pytest.raises(type(error)), task("sort"):
        raise error
    failed = events()[-1]
    assert failed["kind"] == "failed"
    assert failed["input_fault"] is input_fault
    assert "\n" not in failed["message"]


def test_a_step_ends_when_the_run_it_belongs_to_is_gone():
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    script = (
        "from components.telemetry import parent_watch; parent_watch.watch()\n"
        "import time; print(1, flush=True); time.sleep(600)"
    )
    variables = {**os.environ, environment.RUN_PID: str(parent.pid)}
    step = subprocess.Popen([sys.executable, "-c", script], env=variables, stdout=subprocess.PIPE)
    step.stdout.readline()
    time.sleep(0.7)  # more than one look at the parent
    assert step.poll() is None, "it must live as long as its run"
    parent.kill()
    parent.wait()
    assert step.wait(timeout=120) == 1


def test_slots_limit_how_many_run_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv(environment.SLOTS, f"{tmp_path / 'slots'}:2")
    running, most, two_run = [], [], threading.Event()

    def hold():
        with slot():
            running.append(1)
            most.append(len(running))
            if len(running) == 2:
                two_run.set()
            assert two_run.wait(60)
            time.sleep(0.05)
            running.pop()

    threads = [threading.Thread(target=hold) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(most) == 5
    assert max(most) == 2
