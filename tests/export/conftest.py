"""Untrained instruments to export: one of every synth, and one for the plugin DDSP-VST; each format of each once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.artifacts.model_card import ModelCard
from components.config.catalog import SYNTHS


def _bowed_note(pitch: int, velocity: int, level_db: float) -> dict[str, Any]:
    curve = [-45.0, -20.0, -6.0, 0.0, -1.0, -2.0, -3.0]
    return {
        "pitch": pitch,
        "velocity": velocity,
        "loudness_db": [level_db + each for each in curve],
        "release_db": [0.0, -12.0, -30.0] if pitch < 70 else [],
        "cents": [-30.0, -12.0, 0.0, 4.0, 0.0, 0.0, 0.0],
        "vibrato_hz": 4.0 + pitch / 60,
        "vibrato_cents": 15.0,
    }


EXPRESSION = {
    "times_s": [0.0, 0.03, 0.1, 0.2, 0.5, 1.0, 2.0],
    "release_s": [0.0, 0.06, 0.2],
    "notes": [_bowed_note(60, 50, -30.0), _bowed_note(66, 100, -16.0), _bowed_note(74, 127, -12.0)],
    "lowest_pitch": 57,
    "highest_pitch": 81,
    "db_per_velocity": 0.2,
    "sustained": 1,
}
"""How a bowed instrument is played, as a model card has it."""


def beginner(folder: Path, synth: str, preset: str, *bindings: str, **card_fields: Any) -> str:
    """Saves an untrained instrument, and returns where."""
    from components.synths.ddsp_imports import gin, tf
    from components.synths.instrument import save
    from components.synths.model import build, config_text, configured, loudness_definition

    tf.keras.utils.set_random_seed(5)
    with configured(config_text(synth, preset, bindings)):
        loudness = loudness_definition(64_000)
        model, config = build(), gin.operative_config_str()
    card: dict[str, Any] = {"family": "flute", "synth": synth, "preset": preset, "loudness": loudness}
    card |= {"f0_hz": {"p5": 180.0, "median": 300.0, "p95": 900.0}}
    card |= {"loudness_db": {"p5": -50.0, "median": -20.0, "p95": -5.0}, **card_fields}
    save(model, ModelCard.parse(card, "test"), config, folder)
    return str(folder)


@pytest.fixture(scope="package")
def beginners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("beginners")
    played: dict[str, dict[str, Any]] = {"harmonic": {"expression": EXPRESSION}}  # the others are of an older version
    return {synth: beginner(folder / synth, synth, "smoke", **played.get(synth, {})) for synth in SYNTHS}


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
