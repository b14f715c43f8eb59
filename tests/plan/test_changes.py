"""Is anything new? Asked before a run and in the run, on a real registry."""

import shutil

import pytest
from mlflow import MlflowClient

from components.core.versions import TRAINING_VERSION
from components.nsynth.sorted_set import SortedSet
from components.nsynth.source_fingerprints import fingerprint_of_family, source_fingerprints
from components.plan.changes import find_changes
from components.plan.selection import select
from components.register.listing import listing
from components.register.step import register
from tests.notes import make_note, write_sorted_set
from tests.register.trainings import write_training

SYNTHS = ["harmonic", "wavetable"]


@pytest.fixture
def data(tmp_path):
    """A sorted set of two families; its source is beside it."""
    notes = {"train": [make_note(family, pitch) for family in ("string", "organ") for pitch in (50, 60)]}
    return write_sorted_set(tmp_path / "sorted", notes)


@pytest.fixture
def run(tmp_path, data, registry):
    """Registers trainings as the pipeline does: run(family) of the set's records and their source."""

    def run_one(family, run_id="run-1", synths=SYNTHS, loss=5.0, training_version=TRAINING_VERSION):
        fingerprint = SortedSet.open(data).family_fingerprint(family)
        facts = {"bindings": (), "data": fingerprint, "data_uri": data, "training_version": training_version}
        folder = tmp_path / "runs" / run_id
        uris = [write_training(folder / f"{family}-{synth}", loss, **facts) for synth in synths]
        return register(
            uris,
            registry,
            lineage={"source_fingerprint": fingerprint_of_family(family, source_fingerprints(f"{data}-source"))},
        )

    return run_one


def changes(data, registry, **more):
    asked = {"families": ["string", "organ"], "synths": SYNTHS, "preset": "smoke", "bindings": []}
    return find_changes(f"{data}-source", **{**asked, **more}, tracking_uri=registry)


def test_nothing_new_is_said_in_one_line(data, run, registry):
    assert changes(data, registry).text == "to train: string: never trained; organ: never trained"
    run("string")
    found = changes(data, registry)
    assert (found.needed, found.families) == (True, ["organ"])
    run("organ")
    found = changes(data, registry)
    assert not found.needed and found.text == f"nothing new: string, organ of {data}-source are registered"
    assert not changes(data, registry, families=[]).needed  # every family of a source that is known
    assert not changes(data, registry, bindings=["gate.margin = 0.5"]).needed  # judges, trains nothing


def test_a_challenger_that_lost_is_not_trained_for_ever(data, run, registry):
    run("string", loss=4.0)
    (source_shard := f"{data}-source/nsynth-train.tfrecord-00000-of-00001")
    write_source_again(data, [make_note("string", pitch) for pitch in (50, 61)])
    assert changes(data, registry, families=["string"]).text == "to train: string: new data"
    assert run("string", "run-2", loss=9.0).champion.version == 1
    assert not changes(data, registry, families=["string"]).needed, source_shard


def write_source_again(data, notes):
    shutil.rmtree(data)
    shutil.rmtree(f"{data}-source")
    write_sorted_set(data, {"train": notes})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"preset": "seed"}, "other settings"),
        ({"bindings": ["train.max_steps = 3"]}, "other settings"),
        ({"synths": ["harmonic", "sinusoidal"]}, "no sinusoidal yet"),
    ],
)
def test_what_is_new_is_named(data, run, registry, change, reason):
    run("string")
    assert changes(data, registry, families=["string"], **change).text == f"to train: string: {reason}"


def test_another_training_version_is_a_reason(data, run, registry):
    run("string", training_version=TRAINING_VERSION - 1)
    reason = f"training version {TRAINING_VERSION} of the code"
    assert changes(data, registry, families=["string"]).text == f"to train: string: {reason}"
    assert select(data, ["string"], SYNTHS, "smoke", [], registry).families == ["string"]
    run("string", "run-2")
    assert not changes(data, registry, families=["string"]).needed
    assert select(data, ["string"], SYNTHS, "smoke", [], registry).families == []


def test_a_default_of_the_gate_is_no_reason(data, run, registry, tmp_path, monkeypatch):
    run("string")
    file = tmp_path / "gate.gin"
    file.write_text("gate.margin = 0.9")
    monkeypatch.setattr("components.config.bindings.GATE_GIN", file)
    assert not changes(data, registry, families=["string"]).needed
    assert select(data, ["string"], SYNTHS, "smoke", [], registry).families == []


def test_tags_of_the_release_before_declared_versions_are_read(data, run, registry):
    """That release wrote a hash of the source code, "origin" and "standing"."""
    run("string")
    client = MlflowClient(tracking_uri=registry, registry_uri=registry)
    for version in client.search_model_versions("name = 'ddsp-string'"):
        tags = {"origin": version.tags["source_fingerprint"], "standing": version.tags["promotion_status"]}
        for name, value in {**tags, "code_fingerprint": "91b5a029bc21e54a"}.items():
            client.set_model_version_tag(version.name, version.version, name, value)
        for name in ("source_fingerprint", "promotion_status", "training_version"):
            client.delete_model_version_tag(version.name, version.version, name)
    # The hash is that of version 1.
    expected = f"to train: string: training version {TRAINING_VERSION} of the code"
    assert changes(data, registry, families=["string"]).text == expected
    assert listing(registry).splitlines()[1].endswith("champion")
    client.set_model_version_tag("ddsp-string", "1", "code_fingerprint", "0" * 16)  # nobody knows whose numbers
    assert changes(data, registry, families=["string"]).text == expected


def test_a_folder_of_recordings_is_told_apart_by_family(tmp_path, registry, write_recordings):
    folder = write_recordings("string", "organ")
    before = source_fingerprints(folder)
    assert set(before) == {"string", "organ"}
    write_recordings("string", seed=1)
    after = source_fingerprints(folder)
    assert after["organ"] == before["organ"] and after["string"] != before["string"]


@pytest.fixture
def write_recordings(tmp_path):
    import soundfile

    def write(*families, seed=0):
        for family in families:
            (tmp_path / "recordings" / family).mkdir(parents=True, exist_ok=True)
            soundfile.write(
                tmp_path / "recordings" / family / "take.wav", make_note(family, 60, seed).audio[:8000], 16_000
            )
        return str(tmp_path / "recordings")

    return write


def test_of_a_set_only_what_the_registry_has_not_is_selected(data, run, registry):
    everything = ("string", "organ")
    assert select(data, everything, SYNTHS, "smoke", [], registry).families == ["string", "organ"]
    run("string")
    chosen = select(data, everything, SYNTHS, "smoke", [], registry)
    assert (chosen.families, chosen.warm_starts, chosen.others_uri) == (["organ"], {}, "")


def test_new_data_begins_with_the_weights_of_the_champion(tmp_path, data, run, registry):
    run("string", synths=["harmonic"], loss=5.0)
    run("string", "run-2", synths=["harmonic"], loss=6.0)
    run("organ")
    kept = shutil.copytree(data, tmp_path / "kept")
    write_source_again(data, [make_note("string", pitch) for pitch in (50, 61)])
    chosen = select(data, ["string"], SYNTHS, "smoke", [], registry)
    assert chosen.families == ["string"]
    assert chosen.warm_starts == {"string-harmonic": str(tmp_path / "runs/run-1/string-harmonic")}
    assert chosen.others_uri == data  # where organ's set was, and another is now: still a sorted set
    shutil.rmtree(tmp_path / "runs/run-1")
    shutil.rmtree(data)
    shutil.move(kept, data)
    other = select(data, ["string"], SYNTHS, "seed", [], registry)
    assert other.warm_starts == {}  # another network
