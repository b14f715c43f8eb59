"""What TensorBoard shows of a training: the curves, and at its end a held-out note beside the model's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.nsynth.note import SAMPLE_RATE_HZ
from components.synths.ddsp_imports import ddsp, tf

_FLOOR_DB, _CEILING_DB = -80.0, 20.0


class Summaries:
    """Writes TensorBoard event files below a training directory."""

    def __init__(self, folder: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(folder / "summaries"))

    def add(self, line: dict[str, Any]) -> None:
        """Adds a line of metrics.jsonl."""
        with self._writer.as_default(step=line["step"]):
            for name in ("spectral_loss", "learning_rate"):
                if name in line:
                    tf.summary.scalar(f"{name}/{line['split']}", line[name])

    def add_sound(self, step: int, name: str, audio: Any) -> None:
        """Adds a sound, f32[samples], and its spectrogram, low frequencies below."""
        magnitudes = ddsp.spectral_ops.compute_mag(audio[None], size=1024).numpy()[0]
        level_db = 20 * np.log10(np.maximum(magnitudes, 1e-6))
        picture = np.clip((level_db - _FLOOR_DB) / (_CEILING_DB - _FLOOR_DB), 0, 1).T[::-1]
        with self._writer.as_default(step=step):
            tf.summary.audio(name, np.asarray(audio)[None, :, None], SAMPLE_RATE_HZ)
            tf.summary.image(name, picture[None, :, :, None].astype(np.float32))

    def flush(self) -> None:
        """Writes what is still in memory."""
        self._writer.flush()
