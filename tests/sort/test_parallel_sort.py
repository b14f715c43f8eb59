"""The pipeline's sort by many workers: one or thirty-two, the same result."""

import random
from pathlib import Path

import pytest

from components import storage
from components.core.errors import InputError, StepError
from components.sort import parallel_sort, step, units
from components.sort.parallel_sort import commit_sorted_set, copy_share, plan_shares
from tests.notes import make_note, shard_name, write_source
from tests.sort.sorting import all_bytes

NOTES = [make_note(family, pitch) for pitch in (50, 62) for family in ("string", "keyboard", "flute")]


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    monkeypatch.setattr(units, "PART_BYTES", 1000)
    monkeypatch.setattr(parallel_sort, "SHARE_BYTES", 1000)


def sort_in_shares(source, out, max_workers, seed=0):
    shares = plan_shares(source, out, max_workers)
    random.Random(seed).shuffle(shares)
    for share in shares:
        copy_share(out, share)
    return commit_sorted_set(out), len(shares)


@pytest.mark.parametrize("max_workers", [1, 2, 3, 32])
def test_any_number_of_workers_gives_the_bytes_of_one_process(tmp_path, max_workers):
    source = write_source(tmp_path / "source", {"train": NOTES, "valid": NOTES[:5]}, shards=5)
    step.sort(source, str(tmp_path / "alone"), splits=())
    result, workers = sort_in_shares(source, str(tmp_path / "shares"), max_workers)
    assert workers == min(max_workers, 10)
    assert result.summary() == "11 records (6 train, 5 valid)"
    assert all_bytes(tmp_path / "shares") == all_bytes(tmp_path / "alone")


def test_it_works_from_bucket_to_bucket_and_again(gcs):
    bucket = gcs.bucket()
    source, out = storage.join(bucket, "source"), storage.join(bucket, "out")
    write_source(source, {"train": NOTES}, shards=3)
    first, _ = sort_in_shares(source, out, 2)
    assert (first.families(["flute"]), first.splits["train"].reused) == (["flute"], False)
    again, workers = sort_in_shares(source, out, 2)
    assert (workers, again.splits["train"].reused) == (1, True)
    assert again.fingerprint == first.fingerprint


def test_a_worker_that_is_started_again_copies_nothing_twice(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}, shards=3), str(tmp_path / "out")
    assert plan_shares(source, out, 1) == ["1/1"]
    assert [copy_share(out, "1/1"), copy_share(out, "1/1")] == [3, 0]
    commit_sorted_set(out)
    assert copy_share(out, "1/1") == 0  # even after the commit


def test_a_sort_with_a_missing_unit_is_not_committed(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}, shards=3), str(tmp_path / "out")
    plan_shares(source, out, 3)
    copy_share(out, "1/3")
    copy_share(out, "3/3")
    with pytest.raises(StepError, match=r"it lacks 1 of 3 units \(number 1\); sort again: the sort continues"):
        commit_sorted_set(out)
    assert not storage.exists(storage.join(out, "train", "manifest.json"))


def test_shares_are_even_in_bytes_and_cover_everything_once(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES}, shards=6)
    out = str(tmp_path / "out")
    plan_shares(source, out, 3)
    assert [copy_share(out, f"{number}/3") for number in (1, 2, 3)] == [2, 2, 2]


def test_bad_parameters_are_named(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES})
    with pytest.raises(InputError, match="'sort_workers' is 0: expected 1 or more"):
        plan_shares(source, str(tmp_path / "out"), 0)
    plan_shares(source, str(tmp_path / "out"), 1)
    with pytest.raises(InputError, match="the share is '3/2'"):
        copy_share(str(tmp_path / "out"), "3/2")


def test_a_source_that_changed_before_the_commit_is_noticed_and_the_lease_is_free(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}), str(tmp_path / "out")
    plan_shares(source, out, 1)
    copy_share(out, "1/1")
    shard = tmp_path / "source" / shard_name("train", 0, 1)
    shard.write_bytes(shard.read_bytes()[::-1])
    with pytest.raises(InputError, match=r"00000-of-00001' was replaced while the sort was at work"):
        commit_sorted_set(out)
    assert not list(Path(out).rglob("claim.json"))


@pytest.mark.parametrize("when", ["before the copy", "before the commit"])
def test_a_source_that_is_written_again_with_the_same_bytes_is_the_same(places, when):
    source, out = places
    write_source(source, {"train": NOTES}, shards=3)
    assert plan_shares(source, out, 1) == ["1/1"]
    if when == "before the copy":  # of a pipeline that was killed: the next one begins with the plan
        rewrite(source)
        assert plan_shares(source, out, 1) == ["1/1"]
    assert copy_share(out, "1/1") == 3
    if when == "before the commit":
        rewrite(source)
    assert commit_sorted_set(out).summary() == "6 records (6 train)"


def rewrite(source):
    for info in storage.list_objects(source):
        storage.write_bytes(info.uri, storage.read_bytes(info.uri))


def test_units_that_were_copied_from_a_bucket_count_after_a_new_upload(gcs, tmp_path):
    source, out = storage.join(gcs.bucket(), "source"), str(tmp_path / "out")
    write_source(source, {"train": NOTES}, shards=3)
    plan_shares(source, out, 1)
    copy_share(out, "1/3")
    rewrite(source)
    plan_shares(source, out, 1)
    assert copy_share(out, "1/1") == 2


def test_a_shard_that_was_replaced_between_two_runs_is_sorted_anew(tmp_path, caplog):
    source, out = write_source(tmp_path / "source", {"train": NOTES}, shards=3), str(tmp_path / "out")
    plan_shares(source, out, 1)
    copy_share(out, "1/1")
    write_source(tmp_path / "source", {"train": [*NOTES, make_note("string", 70)]}, shards=3)
    with caplog.at_level("WARNING", logger="components"):
        plan_shares(source, out, 1)
    assert "has changed since its sort of" in caplog.text
    copy_share(out, "1/1")
    assert commit_sorted_set(out).summary() == "7 records (7 train)"


def test_a_source_that_was_moved_is_the_same(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}, shards=3), str(tmp_path / "out")
    plan_shares(source, out, 1)
    copy_share(out, "1/3")
    moved = str((tmp_path / "source").rename(tmp_path / "moved"))
    plan_shares(moved, out, 1)
    assert copy_share(out, "1/1") == 2
    assert commit_sorted_set(out).summary() == "6 records (6 train)"


def test_what_a_kill_after_the_manifest_left_is_removed_by_the_plan(tmp_path):
    source, out = write_source(tmp_path / "source", {"train": NOTES}, shards=3), str(tmp_path / "out")
    plan_shares(source, out, 1)
    claim = Path(out, "train", ".sorting", "claim.json")
    held = claim.read_bytes()
    copy_share(out, "1/1")
    commit_sorted_set(out)
    claim.parent.mkdir()
    claim.write_bytes(held)
    rewrite(source)
    plan_shares(source, out, 1)
    assert (copy_share(out, "1/1"), commit_sorted_set(out).splits["train"].reused) == (0, True)
