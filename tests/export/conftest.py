"""Untrained instruments to export: one of every synth, and one for the plugin DDSP-VST; each format of each once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from components.artifacts.model_card import ModelCard
from components.config.catalog import SYNTHS


def beginner(folder: Path, synth: str, preset: str, *bindings: str) -> str:
    """Saves an untrained instrument, and returns where."""
    from components.synths.ddsp_imports import gin, tf
    from components.synths.instrument import save
    from components.synths.model import build, config_text, configured, loudness_definition

    tf.keras.utils.set_random_seed(5)
    with configured(config_text(synth, preset, bindings)):
        loudness = loudness_definition(64_000)
        model, config = build(), gin.operative_config_str()
    card = {"family": "flute", "synth": synth, "preset": preset, "loudness": loudness}
    card |= {"f0_hz": {"p5": 180.0, "median": 300.0, "p95": 900.0}}
    card |= {"loudness_db": {"p5": -50.0, "median": -20.0, "p95": -5.0}}
    save(model, ModelCard.parse(card, "test"), config, folder)
    return str(folder)


@pytest.fixture(scope="package")
def beginners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("beginners")
    return {synth: beginner(folder / synth, synth, "smoke") for synth in SYNTHS}


@pytest.fixture(scope="package")
def plugin_beginner(tmp_path_factory: pytest.TempPathFactory) -> str:
    return beginner(tmp_path_factory.mktemp("plugin"), "harmonic", "vst")


@pytest.fixture(scope="package")
def export_of(beginners: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Returns the folder of a synth's export in a format. It is made once, for all tests."""
    from components.export.step import export

    @functools.cache
    def exported_once(synth: str, format_name: str) -> Path:
        folder = tmp_path_factory.mktemp(f"{synth}-{format_name}")
        assert export(beginners[synth], format_name, str(folder)).error <= 1e-4
        return folder

    return exported_once
