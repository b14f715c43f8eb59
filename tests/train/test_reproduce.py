"""`luthier train --from RUN`: the same training again, and nothing else gets in by its files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.train.reproduce import EarlierTraining
from tests.notes import make_note, write_sorted_set
from tests.train.trainings import BINDINGS, assert_same, run_json


def test_a_training_is_reproduced_to_the_last_bit(undisturbed, nursery, data, tmp_path, luthier, registry):
    """And it is logged to MLflow meanwhile, which changes nothing."""
    # The preset and the bindings of the record are not what counts: the operative configuration is.
    origin, again = Path(shutil.copytree(undisturbed, tmp_path / "origin")), tmp_path / "again"
    record = {**run_json(origin), "bindings": []}
    (origin / "run.json").write_text(json.dumps(record))
    code, said = nursery.run("train", "--from", origin, "--out", again, "--tracking-uri", registry)
    assert code == 0, said
    client = MlflowClient(tracking_uri=registry)
    run = client.get_run(run_json(again)["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["valid/spectral_loss"] == pytest.approx(run_json(again)["last_spectral_loss"], rel=1e-4)
    assert_same(undisturbed, again)
    name = "operative_config.gin"
    assert (again / name).read_text() == (undisturbed / name).read_text() == (again / "model" / name).read_text()
    assert run_json(again)["reproduced_from"] == str(origin)
    assert "trained already" in luthier("train", "--from", origin, "--out", again).out
    # What was reproduced can be reproduced.
    assert EarlierTraining.read(str(again)).config == EarlierTraining.read(str(undisturbed)).config


def test_the_configuration_is_complete_from_the_first_checkpoint_on(undisturbed):
    config = (undisturbed / "operative_config.gin").read_text()
    for setting in (
        "train.seed = 0",
        "train.learning_rate = 0.007",
        "train.divergence_factor = 4.0",
        "RnnFcDecoder.ch",
    ):
        assert setting in config


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("import os", "got an import statement"),
        ("include 'other.gin'", "got an include statement"),
        ("Autoencoder.decoder = @os.system()", "Autoencoder.decoder is @os.system()"),
        ("tf.io.write_file.filename = 'x'", "'tf.io.write_file' cannot be configured"),
        ("train.seed =", "cannot be read"),
    ],
)
def test_what_is_not_ours_is_refused(undisturbed, tmp_path, refused, line, says):
    origin = Path(shutil.copytree(undisturbed, tmp_path / "origin"))
    with (origin / "operative_config.gin").open("a") as stream:
        stream.write(line + "\n")
    assert says in refused("train", "--from", origin, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_foreign_warm_start_is_refused_before_anything_is_written(undisturbed, tmp_path, refused):
    origin = Path(shutil.copytree(undisturbed, tmp_path / "origin"))
    foreign = Path(shutil.copytree(undisturbed / "model", tmp_path / "foreign"))
    (foreign / "operative_config.gin").write_text("import os")
    for uri, says in ((foreign, "got an import statement"), (tmp_path / "none", "none")):
        (origin / "run.json").write_text(json.dumps({**run_json(origin), "warm_start": {"uri": str(uri)}}))
        assert says in refused("train", "--from", origin, "--out", tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_bad_requests_are_one_line(undisturbed, data, tmp_path, refused):
    out = tmp_path / "out"
    assert "got no run.json there" in refused("train", "--from", tmp_path, "--out", out)
    assert "--from takes" in refused("train", "--from", undisturbed, "--out", out, "--synth", "harmonic")
    assert "expected --data and --synth, or --from" in refused("train", "--out", out)
    other = write_sorted_set(tmp_path / "other", {"train": [make_note()]})
    assert "is not the data of" in refused("train", "--from", undisturbed, "--data", other, "--out", out)
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "operative_config.gin").write_text("")
    assert "is not a training's run record: it has no" in refused("train", "--from", tmp_path, "--out", out)


def test_into_another_trainings_directory_it_does_not_go(undisturbed, data, tmp_path, refused):
    origin = Path(shutil.copytree(undisturbed, tmp_path / "origin"))
    config = (origin / "operative_config.gin").read_text()
    (origin / "operative_config.gin").write_text(config.replace("train.seed = 0", "train.seed = 1"))
    assert "holds another training" in refused("train", "--from", origin, "--out", undisturbed)
    assert run_json(undisturbed)["bindings"] == BINDINGS
