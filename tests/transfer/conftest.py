"""Instruments for transfers: one that was trained on the sample strings, and one that knows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.artifacts.model_card import ModelCard

_SAMPLES = Path(__file__).parents[2] / "samples"
# As little as makes an instrument that follows its loudness.
_BINDINGS = ["train.max_steps = 150", "train.eval_every_steps = 75", "train.checkpoint_every_s = 600.0"]


@pytest.fixture(scope="package")
def strings(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A harmonic string instrument, trained for a few seconds."""
    from components.prepare.step import prepare
    from components.sort.step import sort
    from components.train.step import train

    root = tmp_path_factory.mktemp("strings")
    prepare([str(_SAMPLES / "string")], str(root / "records"))
    sort(str(root / "records"), str(root / "sorted"), splits=())
    train(str(root / "sorted"), "harmonic", str(root / "string-harmonic"), "string", "smoke", _BINDINGS)
    return str(root / "string-harmonic")


@pytest.fixture(scope="package")
def beginners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Untrained instruments, by synth."""
    from components.synths.ddsp_imports import gin
    from components.synths.instrument import save
    from components.synths.model import build, config_text, configured

    folder = tmp_path_factory.mktemp("beginners")
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
