"""Small trained models and their evaluations, made once for all tests of this folder."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from components import storage
from components.artifacts.model_card import ModelCard
from components.artifacts.verdict import best_of
from components.config.gate import Gate
from components.evaluate.step import EvaluateResult, evaluate
from tests.notes import make_note, write_sorted_set
from tests.records import finished_record

HOSTILE_ID = "<script>alert('note')</script>/../&\"x"


@dataclass(frozen=True)
class EvaluatedRun:
    """Trainings of a run: string with all synths, keyboard with one; two held-out notes of each family."""

    data_uri: str
    results: dict[str, EvaluateResult]

    @property
    def training_uris(self) -> list[str]:
        return list(self.results)

    @property
    def best_string_synth(self) -> str:
        string = [result.evaluation for uri, result in self.results.items() if "string" in Path(uri).name]
        return best_of({found.synth: found for found in string}, Gate()).synth


@pytest.fixture(scope="session")
def sorted_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    notes = {
        split: [make_note(family, pitch, seed) for family in ("string", "keyboard") for pitch in pitches]
        for seed, (split, pitches) in enumerate({"train": (57, 62), "valid": (60,), "test": (55, 64)}.items())
    }
    notes["test"][0] = dataclasses.replace(notes["test"][0], id=HOSTILE_ID)
    return write_sorted_set(tmp_path_factory.mktemp("data") / "sorted", notes)


@pytest.fixture(scope="session")
def trained_uris(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Training directories with models of the smallest preset, as they are before their first step."""
    run = tmp_path_factory.mktemp("run")
    pairs = [("string", "harmonic"), ("string", "sinusoidal"), ("string", "wavetable"), ("keyboard", "harmonic")]
    return [write_training(run / f"{family}-{synth}", family, synth) for family, synth in pairs]


def write_training(folder: Path, family: str, synth: str) -> str:
    from components.synths import model as models
    from components.synths.ddsp_imports import tf
    from components.synths.instrument import save

    config = models.config_text(synth, "smoke")
    tf.keras.utils.set_random_seed(0)  # some weights of a model before its first step are louder than full scale
    with models.configured(config):
        model = models.build()
    card = {
        "family": family,
        "synth": synth,
        "preset": "smoke",
        "steps": 2,
        "valid_loss": 9.0 + len(synth) / 10,
        "num_parameters": int(sum(np.prod(weights.shape) for weights in model.weights)),
        "data_fingerprint": "0" * 64,
        "f0_hz": {"p5": 180.0, "median": 260.0, "p95": 350.0},
    }
    save(model, ModelCard.parse(card, "test"), config, folder / "model")
    storage.write_json(str(folder / "run.json"), finished_record(family, synth, steps=2).as_dict())
    losses = [(1, "train", 20.0), (2, "train", 15.0), (2, "valid", card["valid_loss"])]
    lines = [{"step": step, "split": split, "total_loss": loss, "seconds": step} for step, split, loss in losses]
    storage.write_bytes(str(folder / "metrics.jsonl"), "".join(json.dumps(line) + "\n" for line in lines).encode())
    return str(folder)


@pytest.fixture(scope="session")
def evaluated_run(trained_uris: list[str], sorted_uri: str) -> EvaluatedRun:
    results = {uri: evaluate(uri, sorted_uri, uri) for uri in trained_uris}
    assert all(storage.exists(result.report_uri) for result in results.values())
    return EvaluatedRun(sorted_uri, results)
