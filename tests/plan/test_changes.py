"""What a retraining is for: the decision before a run, and the selection inside it, on a real registry."""

import json
import shutil

import pytest

from components.core.versions import training_code
from components.nsynth.sorted_set import SortedSet
from components.nsynth.source_fingerprints import origin_of, origins
from components.plan.changes import decision
from components.plan.selection import select
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
    """Registers trainings as the pipeline would: run(family) with the set's records, its source and our code."""

    def run_one(family, run_id="run-1", synths=SYNTHS, loss=5.0):
        uris = []
        for synth in synths:
            folder = tmp_path / "runs" / run_id / f"{family}-{synth}"
            uris.append(write_training(folder, loss, data=SortedSet.open(data).family_fingerprint(family)))
            record = json.loads((folder / "run.json").read_text())
            facts = {"code_fingerprint": training_code(), "preset": "smoke", "bindings": [], "data_uri": data}
            (folder / "run.json").write_text(json.dumps(record | facts))
        return register(uris, registry, lineage={"origin": origin_of(family, origins(f"{data}-source"))})

    return run_one


def decided(data, registry, **more):
    arguments = {"source": f"{data}-source", "families": ["string", "organ"], "synths": SYNTHS, "preset": "smoke"}
    return decision({**arguments, "bindings": [], "tracking_uri": registry, **more})


def test_nothing_new_is_said_in_one_line(data, run, registry):
    assert decided(data, registry).text == "to train: string: never trained; organ: never trained"
    run("string")
    found = decided(data, registry)
    assert (found.needed, found.arguments["families"], found.arguments["if_changed"]) == (True, ["organ"], True)
    run("organ")
    found = decided(data, registry)
    assert not found.needed and found.text == f"nothing new: string, organ of {data}-source are registered"
    assert not decided(data, registry, families=[]).needed  # every family of a source that is known
    assert not decided(data, registry, bindings=["gate.margin = 0.5"]).needed  # judges, trains nothing


def test_a_challenger_that_lost_is_not_trained_for_ever(data, run, registry):
    run("string", loss=4.0)
    (source_shard := f"{data}-source/nsynth-train.tfrecord-00000-of-00001")
    write_source_again(data, [make_note("string", pitch) for pitch in (50, 61)])
    assert decided(data, registry, families=["string"]).text == "to train: string: new data"
    assert run("string", "run-2", loss=9.0).champion.version == 1
    assert not decided(data, registry, families=["string"]).needed, source_shard


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
    assert decided(data, registry, families=["string"], **change).text == f"to train: string: {reason}"


def test_other_code_is_a_reason(data, run, registry, monkeypatch):
    run("string")
    monkeypatch.setattr("components.plan.changes.training_code", lambda: "newer")
    assert decided(data, registry, families=["string"]).text == "to train: string: other code"


def test_a_folder_of_recordings_is_told_apart_by_family(tmp_path, registry, write_recordings):
    folder = write_recordings("string", "organ")
    before = origins(folder)
    assert set(before) == {"string", "organ"}
    write_recordings("string", seed=1)
    after = origins(folder)
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
