"""The benchmark of the sort, for real but tiny: what it writes, not how fast anything is."""

import json
import subprocess
import sys

import pytest

from benchmarks import report
from benchmarks.process import ROOT

_MEGABYTES = 1_000_000


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    page = folder / "page.md"
    page.write_text("before\n<!-- begin bench-sort -->\nold\n<!-- end bench-sort -->\nafter\n")
    sizes = ["--bytes", 5 * _MEGABYTES, "--emulator-bytes", 5 * _MEGABYTES, "--shard-bytes", 40 * _MEGABYTES]
    places = ["--out", folder / "out", "--work", folder, "--memory", folder, "--page", page]
    command = [sys.executable, "-m", "benchmarks.sort", "--rounds", 1, "--quick", *sizes, *places]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_json_has_exactly_the_agreed_form(measured):
    folder, _ = measured
    rows = json.loads((folder / "out/sort.json").read_text())
    assert {"disk-1-durable", "memory-1", "tf-data", "notebook", "emulator-1"} <= rows.keys()
    for row in rows.values():
        assert row.keys() == {"ours_s", "peer_s", "ratio"}
        assert row["ratio"] == pytest.approx(row["peer_s"] / row["ours_s"], rel=0.01)


def test_memory_of_one_shard_is_reported_and_below_its_limit(measured):
    folder, _ = measured
    one = json.loads((folder / "out/sort-memory.json").read_text())["emulator-one-shard"]
    assert 30 * _MEGABYTES < one["peak_rss_bytes"] < one["limit_bytes"] == 400 * _MEGABYTES
    assert one["shard_bytes"] == pytest.approx(40 * _MEGABYTES, rel=0.01)


def test_requests_are_counted_in_the_emulators_log(measured):
    folder, _ = measured
    details = json.loads((folder / "out/sort-details.json").read_text())
    for entry in details["requests"]:
        assert all(entry["counted"][kind] >= count for kind, count in entry["data"].items()), entry
        assert entry["counted"]["list"] >= 1


def test_page_has_rows_and_machine_between_its_marks(measured):
    folder, printed = measured
    text = (folder / "page.md").read_text()
    assert text.startswith("before\n<!-- begin bench-sort -->\n") and text.endswith("<!-- end bench-sort -->\nafter\n")
    assert "old" not in text
    for found in ("`disk-1-durable`", "| CPU |", "| commit |", "Peak memory"):
        assert found in text
    assert "disk-1-durable" in printed


def test_page_without_marks_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="no block 'x'"):
        report.replace_block(page, "x", "text")
