"""The registered model, loaded by name in another process, sounds like the instrument it was."""

import subprocess
import sys

import numpy as np

from components.artifacts.model_card import ModelCard
from components.register.step import register
from tests.register.trainings import write_training

FRAMES = 125
PLAY = """
import sys
import mlflow
import numpy as np
uri, curves, audio = sys.argv[1:]
mlflow.set_tracking_uri(uri)
instrument = mlflow.pyfunc.load_model("models:/ddsp-string@champion")
given = dict(np.load(curves))
np.savez(audio, seed_0=instrument.predict(given), seed_7=instrument.predict(given, params={"seed": 7}))
"""


def test_the_champion_plays_in_a_fresh_process(tmp_path, registry):
    from components.synths import instrument, model

    folder = tmp_path / "runs/run-1/string-harmonic"
    uri = write_training(folder, 5.0)
    config = model.config_text("harmonic", "smoke")
    with model.configured(config):
        card = ModelCard("string", "harmonic", valid_loss=5.0)
        instrument.save(model.build(), card, config, folder / "model")
    register([uri], registry)

    f0_hz = np.linspace(220, 440, 2 * FRAMES, dtype=np.float32).reshape(2, FRAMES)
    loudness_db = np.linspace(-20, -60, 2 * FRAMES, dtype=np.float32).reshape(2, FRAMES)
    original = instrument.Instrument.load(str(folder))
    expected = {seed: original.play(f0_hz, loudness_db, seed)["audio"] for seed in (0, 7)}
    curves, audio = tmp_path / "curves.npz", tmp_path / "audio.npz"
    np.savez(curves, f0_hz=f0_hz, loudness_db=loudness_db)
    folder.rename(tmp_path / "elsewhere")  # the registry has its own copy
    subprocess.run([sys.executable, "-c", PLAY, registry, str(curves), str(audio)], check=True, timeout=600)

    played = np.load(audio)
    assert played["seed_0"].shape == (2, FRAMES * 64) and played["seed_0"].dtype == np.float32
    np.testing.assert_allclose(played["seed_0"], expected[0], atol=1e-6)
    np.testing.assert_allclose(played["seed_7"], expected[7], atol=1e-6)
    assert np.abs(expected[0] - expected[7]).max() > 1e-5
