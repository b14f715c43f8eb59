"""The benchmark of training, for real but tiny: what it measures and writes, not how fast anything is."""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks.process import ROOT
from benchmarks.train import equal_time, flat, gpu, gpu_loop, plot, profile, samples, startup
from benchmarks.train.part import Figure, Part, save

_FACTS = {"CPU": "one", "date": "today"}


def _blocks(*names):
    return "".join(
        f"<!-- begin bench-train-{name} -->\nnothing yet\n<!-- end bench-train-{name} -->\n" for name in names
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The parts for a GPU, on the processor."""
    folder = tmp_path_factory.mktemp("bench-train")
    (folder / "page.md").write_text(_blocks("gpu", "gpu-loop", "flat"))
    sizes = ["--cpu", "--gpu-preset", "smoke", "--batch", 1, "--together", 2, "--gpu-steps", 6]
    step = ["--part", "gpu", "--case", "harmonic:1:0.256", "--contender", "ours", "--profile"]
    places = ["--out", folder / "out", "--page", folder / "page.md"]
    command = [sys.executable, "-m", "benchmarks.train", "--part", "gpu-loop", *step, *sizes, *places]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_json_has_exactly_the_agreed_form(measured):
    folder, _ = measured
    rows = json.loads((folder / "out/train.json").read_text())
    name = "gpu-loop-smoke-2-together-batch-1"
    assert rows.keys() == {name, f"{name}-of-the-step"}
    for row in rows.values():
        assert row.keys() == {"ours_s", "peer_s", "ratio"}
        assert row["ratio"] == pytest.approx(row["peer_s"] / row["ours_s"], rel=0.01)


def test_several_synths_train_together_on_a_machine_without_a_gpu(measured):
    folder, printed = measured
    details = json.loads((folder / "out/train-details.json").read_text())["gpu-loop"]
    (case,) = details["steps_per_s"]
    assert case["synths"] == ["harmonic", "sinusoidal"]
    assert min(case[whose] for whose in ("ours", "step", "peer")) > 0
    audio_s = f"{case['ours'] * 4096 / 16000:,.1f}"
    share = case["ours"] / case["step"]
    rates = f"{case['ours']:.2f} | {case['step']:.2f} | {share:.0%} | {case['peer']:.2f}"
    assert f"| 2 together | 1 | {rates} | {audio_s} |" in printed


def test_a_step_is_timed_and_profiled(measured):
    folder, printed = measured
    details = json.loads((folder / "out/train-details.json").read_text())["gpu"]
    ours = details["cases"]["harmonic:1:0.256"]["ours"]
    assert len(ours["steps_s"]) == 4 and min(ours["steps_s"]) > 0
    assert ours["first_s"] > max(ours["steps_s"])
    assert ours["profile"]["kernels"] > 100 and 0 < ours["profile"]["busy"] <= 1
    assert "harmonic:1:0.256, ours, longest kernels (ms a step): " in printed


def test_busy_share_counts_what_runs_at_the_same_time_once():
    assert profile._busy([(0, 10), (5, 8), (20, 30)]) == pytest.approx(20 / 30)


@pytest.mark.parametrize("text", ["harmonic", "harmonic:0:4", "harmonic:16:5", "flute:16:4", "harmonic:x:1"])
def test_a_case_that_cannot_be_measured_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected"):
        gpu.Case.parse(text)


def test_page_has_the_blocks_of_what_was_measured(measured):
    folder, _ = measured
    text = (folder / "page.md").read_text()
    for found in ("2 together", "CPU: ", "commit: "):
        assert found in text
    assert text.count("nothing yet") == 1  # of the part that did not run


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    """A short training of ours and one of ddsp's, on the sample strings, as the part equal-time does them."""
    from benchmarks.train import learning

    folder, found = tmp_path_factory.mktemp("learning"), {}
    data = samples.sorted_samples(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "MARKS", 3)  # judging takes longer than learning
        for whose in ("ours", "peer"):
            learning.learn(whose, "harmonic", "smoke", "0", "1.0", str(data), str(folder / whose))
            found[whose] = json.loads((folder / whose).read_text())
    return found


def test_both_begin_with_the_same_weights_and_are_judged_alike(curves):
    (_, steps, ours), (_, peer_steps, peer) = curves["ours"][0], curves["peer"][0]
    assert steps == peer_steps == 0
    assert ours == pytest.approx(peer, rel=1e-4)


def test_both_learn_until_their_time_is_over(curves):
    for curve in curves.values():
        seconds, steps, losses = map(np.array, zip(*curve, strict=True))
        assert np.all(np.diff(seconds) > 0) and np.all(np.diff(steps) > 0)
        assert seconds[-1] >= 1.0 > seconds[-2]
        assert losses[-1] < 0.8 * losses[0]


def test_a_part_replaces_its_own_figures_and_leaves_the_others(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(_blocks("a", "b"))
    save("a", Part({"a-old": {"ratio": 1.0}}, "first a", {}), _FACTS, tmp_path, page)
    save("b", Part({"b-row": {"ratio": 2.0}}, "the b", {}), _FACTS, tmp_path, page)
    save("a", Part({"a-new": {"ratio": 3.0}}, "second a", {"more": 1}), _FACTS, tmp_path, page)
    assert json.loads((tmp_path / "train.json").read_text()) == {"a-new": {"ratio": 3.0}, "b-row": {"ratio": 2.0}}
    assert json.loads((tmp_path / "train-details.json").read_text())["a"]["more"] == 1
    text = page.read_text()
    assert "second a" in text and "the b" in text and "first a" not in text and "date: today" in text


def test_more_memory_than_the_peer_is_missed():
    assert Figure("memory", "bytes", 100.0, 100.0).verdict == "met"
    figure = Figure("memory", "bytes", 200.0, 100.0)
    assert figure.verdict == "MISSED"
    assert figure.json() == {"memory": {"ours_bytes": 200.0, "peer_bytes": 100.0, "ratio": 0.5}}


def _curves(ours, peer):
    losses = {"ours": np.array(ours, float), "peer": np.array(peer, float)}
    return equal_time.Curves(losses, {"ours": [9] * len(ours), "peer": [3] * len(peer)})


def test_equal_time_is_met_only_if_every_seed_ends_lower():
    assert _curves([[9, 5], [9, 6]], [[9, 7], [9, 8]]).verdict.endswith("met")
    assert "MISSED (1 of 2)" in _curves([[9, 5], [9, 6]], [[9, 7], [9, 5.5]]).verdict


def test_curves_of_different_lengths_are_compared_at_the_same_times():
    points = {"ours": [[[0, 0, 10.0], [2, 20, 6.0], [5, 50, 3.0]]], "peer": [[[0, 0, 10.0], [4.5, 9, 1.0]]]}
    found = equal_time._curves(points, np.array([0.0, 1.0, 4.0]))
    np.testing.assert_allclose(found.losses["ours"], [[10.0, 8.0, 4.0]])
    np.testing.assert_allclose(found.losses["peer"], [[10.0, 8.0, 2.0]])
    assert found.steps == {"ours": [50], "peer": [9]}
    assert equal_time._as_low_after(found, np.array([0.0, 1.0, 4.0])) == "never"


@pytest.mark.parametrize(("last", "verdict"), [(1.04, "met"), (1.06, "MISSED")])
def test_a_pace_that_falls_by_more_than_a_twentieth_is_missed(last, verdict):
    seconds = [9.0] * 2 + [1.0] * 9 + [5.0] * 80 + [last] * 9  # the first 2 % are warm-up
    text = flat._markdown({"luthier": 1000}, {"luthier": flat._tenths(seconds)})
    assert f"<= +5 % {verdict}" in text


def test_a_rate_is_counted_by_the_clock_without_the_warm_up_and_the_validations():
    lines = [
        {"split": "train", "step": step, "seconds": seconds} for step, seconds in ((1, 0.0), (20, 60.0), (100, 80.0))
    ]
    assert gpu_loop._rate([{"split": "valid", "step": 20, "seconds": 1.0}, *lines], 100) == 4.0


def test_what_does_not_fit_is_told_from_what_fails():
    def fail(message):
        raise RuntimeError(message)

    assert gpu_loop._if_it_fits(lambda: fail("... RESOURCE_EXHAUSTED: failed to allocate")) is None
    with pytest.raises(RuntimeError, match="no such synth"):
        gpu_loop._if_it_fits(lambda: fail("no such synth"))


def test_a_process_is_timed_until_something_is_done_and_then_killed(tmp_path):
    mark = tmp_path / "mark"
    code = f"import pathlib, time; time.sleep(0.3); pathlib.Path({str(mark)!r}).touch(); time.sleep(100)"
    start = time.perf_counter()
    run = startup._until([sys.executable, "-c", code], mark.exists)()
    assert 0.3 < run.wall_s <= time.perf_counter() - start < 60


def test_a_process_that_ends_before_is_an_error_with_its_words():
    with pytest.raises(RuntimeError, match="no way"):
        startup._until([sys.executable, "-c", "raise SystemExit('no way')"], lambda: False)()


def test_the_plot_tells_the_two_apart_without_colour(tmp_path):
    from PIL import Image

    times, path = np.linspace(0, 10, 5), tmp_path / "plot.png"
    bands = [plot.Band("Luthier", np.full((2, 5), 5.0)), plot.Band("ddsp", np.full((2, 5), 20.0))]
    plot.draw(path, times, {"harmonic": bands})
    dark = (np.asarray(Image.open(path).convert("L")) < 140).sum(axis=1)
    through = np.diff((dark > 0.9 * dark.max()).astype(int), prepend=0) > 0
    assert through.sum() == 3  # the frame's edges and Luthier's line; ddsp's is dashed
