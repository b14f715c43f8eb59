import sys
from functools import partial

import pytest

from benchmarks import process, timing
from benchmarks.process import run_commands, run_function
from benchmarks.report import Row, rows_json
from benchmarks.timing import Contender, Run, Series


def test_contenders_take_turns_and_every_one_comes_first():
    order = []

    def run(name):
        order.append(name)
        return Run(1.0, 1.0)

    cleaned = []
    contenders = [Contender(name, partial(run, name), partial(cleaned.append, name)) for name in "abc"]
    runs = timing.alternate(contenders, 4)
    assert "".join(order) == "abc" + "bca" + "cab" + "cba"
    assert {name: len(found) for name, found in runs.items()} == {"a": 4, "b": 4, "c": 4}
    assert len(cleaned) == 15  # before every run, and once more each at the end


def test_two_contenders_change_places():
    order = []

    def run(name):
        order.append(name)
        return Run(1.0, 1.0)

    timing.alternate([Contender(name, partial(run, name)) for name in "ab"], 4)
    assert "".join(order) == "ab" + "ba" + "ba" + "ab"


def test_ratio_is_of_medians_and_above_one_where_we_are_faster():
    row = Row("x", Series((1.0, 9.0, 2.0)), Series((4.0, 4.0, 0.0)), "", 2.0)
    assert rows_json([row]) == {"x": {"ours_s": 2.0, "peer_s": 4.0, "ratio": 2.0}}
    assert row.verdict == ">= 2.0 met"


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """A file that is there as soon as a process with more than 60 MB was looked at."""
    mark, look = tmp_path / "seen", process._high_water_bytes

    def looked(pid):
        size = look(pid)
        if size > 60 << 20:
            mark.touch()
        return size

    monkeypatch.setattr(process, "_high_water_bytes", looked)
    return mark


def test_fresh_process_reports_seconds_processor_time_and_memory(seen):
    run = run_function("tests.benchmarks.work:use", 60 << 20, 0.2, seen, watch_memory=True)
    assert 0.2 < run.work_s < run.wall_s
    assert run.cpu_s > 0.1
    assert 60 << 20 < run.peak_rss_bytes < 200 << 20
    assert run.extra["answer"] == 42


def test_memory_is_that_of_the_largest_child_too(seen):
    run = run_function("tests.benchmarks.work:use_in_child", 60 << 20, seen, watch_memory=True)
    assert run.peak_rss_bytes > 60 << 20
    assert run.extra["processes"] >= 2


def test_failed_command_says_why():
    with pytest.raises(RuntimeError, match="oh no"):
        run_commands([[sys.executable, "-c", "import sys; sys.exit('oh no')"]])
