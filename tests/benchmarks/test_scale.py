import pytest

from benchmarks.scale import __main__ as scale
from benchmarks.scale import assumptions, model
from benchmarks.scale.assumptions import SUBSET
from benchmarks.scale.model import Measured
from components.sort.units import plan_sort
from components.storage import gcs_reading

_MEASURED = Measured(0.8, 0.4, 0.4, {"list": 4, "metadata": 5}, {"range": 1, "upload start": 1, "upload chunk": 1})


def test_subset_is_what_its_catalogue_says():
    assert (SUBSET.records, SUBSET.shards, SUBSET.bytes) == (86_775, 224, 23_653_181_856 + 16 * 86_775)


@pytest.mark.parametrize(("records", "shards", "size"), SUBSET.splits)
def test_units_are_those_of_the_real_plan(tmp_path, records, shards, size):
    for index in range(shards):
        path = tmp_path / f"nsynth-train.tfrecord-{index:05d}-of-{shards:05d}"
        path.touch()
        with path.open("r+b") as stream:  # a hole: takes no room
            stream.truncate(size // shards)
    assert plan_sort(str(tmp_path)).units == model.units_of(size, shards)


def test_constants_are_those_of_storage():
    assert gcs_reading.RANGE_BYTES == assumptions.RANGE_BYTES
    assert gcs_reading.READ_AHEAD + 1 == assumptions.READ_STREAMS


def test_requests_grow_with_the_data():
    once, more = model.requests(SUBSET, _MEASURED), model.requests(SUBSET.times(100), _MEASURED)
    assert once["range"] > SUBSET.bytes / assumptions.RANGE_BYTES
    assert 95 < more["range"] / once["range"] < 105
    assert model.operations(once)[0] == once["list"] + once["upload start"]


def test_more_workers_are_never_slower_and_cost_about_the_same():
    found = [model.estimate(SUBSET.times(100), workers, _MEASURED) for workers in (1, 8, 32)]
    seconds = [estimate.seconds for estimate in found]
    assert seconds == sorted(seconds, reverse=True)
    assert found[1].vm_hours < 1.1 * found[0].vm_hours
    assert found[2].vm_hours < 2 * found[0].vm_hours  # a limit that all share makes them wait


def test_workers_beyond_the_units_are_not_given():
    assert model.estimate(SUBSET, 1000, _MEASURED).workers <= sum(
        model.units_of(size, shards) for _, shards, size in SUBSET.splits
    )


def test_requests_beside_the_data_are_a_line_through_two_sorts():
    data = {"range": 10, "upload start": 2, "upload chunk": 4}
    few = {"units": 1, "counted": {"range": 12, "upload start": 5, "upload chunk": 7, "list": 4}, "data": data}
    more = {"units": 3, "counted": {"range": 14, "upload start": 7, "upload chunk": 9, "list": 4}, "data": data}
    run = {"wall_s": 3.0, "work_s": 2.5, "cpu_s": 2.5}
    details = {
        "requests": [few, more],
        "runs": {"emulator to emulator: sort": run},
        "emulator_to_emulator_bytes": 2_000_000_000,
        "machine": {"date": "today", "commit": "c", "CPU": "x"},
        "seconds": {},
    }
    found = scale.figures(details, 0.4, 0.5)
    assert found.copy_cpu_s_per_gb == pytest.approx(1.0)
    assert found.fixed == {"range": 1, "upload start": 2, "upload chunk": 2, "list": 4}
    assert found.per_unit == {"range": 1, "upload start": 1, "upload chunk": 1, "list": 0}
    assert "### Limits" in scale.block(details, found)
