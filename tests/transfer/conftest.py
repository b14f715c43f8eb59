"""Models for transfers: one trained on the sample strings, and untrained ones; loaded once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from components.artifacts.model_card import ModelCard
from components.core.environment import XLA
from tests.transfer.recordings import sweep, write

_SAMPLES = Path(__file__).parents[2] / "samples"
# The fewest steps after which the model follows the loudness.
_BINDINGS = ["train.max_steps = 150", "train.eval_every_steps = 150", "train.checkpoint_every_s = 600.0"]


class Rendered(NamedTuple):
    """A recording's path and the content of the sound file that a model rendered of it."""

    recording: str
    sound: bytes


@pytest.fixture(scope="package")
def strings(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A harmonic string model, trained for a few seconds."""
    from components.prepare.step import prepare
    from components.sort.step import sort
    from components.train.step import train

    root = tmp_path_factory.mktemp("strings")
    prepare([str(_SAMPLES / "string")], str(root / "records"))
    sort(str(root / "records"), str(root / "sorted"), splits=())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(XLA, "0")  # compiling takes longer than these few steps without it
        train(str(root / "sorted"), "harmonic", str(root / "string-harmonic"), "string", "smoke", _BINDINGS)
    return str(root / "string-harmonic")


@pytest.fixture(scope="package")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Untrained models, by synth."""
    from components.synths.ddsp_imports import gin, tf
    from components.synths.instrument import save
    from components.synths.model import build, config_text, configured

    tf.keras.utils.set_random_seed(7)
    folder = tmp_path_factory.mktemp("untrained")
    for synth in ("harmonic", "wavetable"):
        with configured(config_text(synth, "smoke")):
            model, config = build(), gin.operative_config_str()
        heard = {"f0_hz": {"p5": 200.0, "median": 300.0, "p95": 500.0}}
        loudness = {"loudness_db": {"p5": -50.0, "median": -20.0, "p95": -5.0}}
        save(
            model,
            ModelCard.parse({"family": "string", "synth": synth, **heard, **loudness}, "test"),
            config,
            folder / synth,
        )
    return {synth: str(folder / synth) for synth in ("harmonic", "wavetable")}


@pytest.fixture(scope="package", autouse=True)
def models_loaded_once() -> Iterator[None]:
    """Keeps loaded models: a model is traced once for all tests that render with it."""
    from components.synths.instrument import Instrument

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Instrument, "load", cache(Instrument.load))
        yield


@pytest.fixture(scope="package")
def rendered(untrained: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """An ogg recording, rendered to flac by the untrained harmonic model: what other ways to the model must equal."""
    from components.transfer.step import transfer

    folder = tmp_path_factory.mktemp("rendered")
    recording = write(folder / "take.ogg", sweep(0.5, 16_000))
    transfer([untrained["harmonic"]], recording, str(folder / "out.flac"))
    return Rendered(recording, (folder / "out.flac").read_bytes())
