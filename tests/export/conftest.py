"""Untrained instruments to export, one of every synth."""

from __future__ import annotations

import pytest

from components.synths.catalog import SYNTHS


@pytest.fixture(scope="package")
def beginners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    from components.synths.ddsp_imports import gin, tf
    from components.synths.instrument import save
    from components.synths.model import build, config_text, configured

    folder = tmp_path_factory.mktemp("beginners")
    for synth in SYNTHS:
        tf.keras.utils.set_random_seed(5)
        with configured(config_text(synth, "smoke")):
            model, config = build(), gin.operative_config_str()
        card = {"family": "flute", "synth": synth, "f0_hz": {"p5": 180.0, "median": 300.0, "p95": 900.0}}
        card |= {"loudness_db": {"p5": -50.0, "median": -20.0, "p95": -5.0}}
        save(model, card, config, folder / synth)
    return {synth: str(folder / synth) for synth in SYNTHS}
