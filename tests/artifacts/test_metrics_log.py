"""metrics.jsonl after a kill: no line twice, none torn."""

from __future__ import annotations

import pytest

from components.artifacts.metrics_log import METRICS_NAME, MetricsLog, parse_lines, read_lines
from components.registry.mlflow_values import points


def test_lines_after_the_checkpoint_and_half_a_line_are_dropped(tmp_path):
    curves = MetricsLog(tmp_path)
    curves.add(0, "valid", 20.0)
    for step in (1, 10, 20, 30):
        curves.add(step, "train", 20.0 - step / 10, learning_rate=1e-3)
    with (tmp_path / METRICS_NAME).open("a") as stream:
        stream.write('{"step": 31, "spl')
    resumed = MetricsLog(tmp_path, after_step=20, validated_step=0, seconds=100.0)
    resumed.add(30, "train", 3.0)
    lines = read_lines(tmp_path / METRICS_NAME)
    assert [line["step"] for line in lines] == [0, 1, 10, 20, 30]
    assert lines[-1]["total_loss"] == lines[-1]["spectral_loss"] == 3.0
    assert 100 <= lines[-1]["seconds"] < 130
    assert resumed.last["valid"]["step"] == 0


def test_a_validation_that_comes_again_is_dropped_though_its_step_does_not(tmp_path):
    curves = MetricsLog(tmp_path)
    for step, split in ((0, "valid"), (10, "train"), (10, "valid")):
        curves.add(step, split, 5.0)
    curves.rewind(after_step=10, validated_step=0)
    assert [(line["step"], line["split"]) for line in read_lines(tmp_path / METRICS_NAME)] == [
        (0, "valid"),
        (10, "train"),
    ]


def test_a_training_from_the_start_begins_an_empty_file(tmp_path):
    MetricsLog(tmp_path).add(0, "valid", 20.0)
    MetricsLog(tmp_path)
    assert read_lines(tmp_path / METRICS_NAME) == []


@pytest.mark.parametrize(
    ("step", "seconds"), [("1", "NaN"), ("1", "Infinity"), ("1", "-1"), ("1", "1e308"), ("9223372036854775808", "1.5")]
)
def test_lines_with_a_step_or_a_time_that_mlflow_cannot_keep_are_dropped(step, seconds):
    good = '{"step": 1, "split": "train", "total_loss": 9.0, "seconds": 1.5}\n'
    text = f'{good}{{"step": {step}, "split": "train", "total_loss": 9.0, "seconds": {seconds}}}\n'
    assert [point.time_ms for point in points(parse_lines(text), 0)] == [1500]
