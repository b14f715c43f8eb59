"""What TensorBoard shows of a training: the curves, and every so often a held-out note as the model plays it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from components.nsynth.note import SAMPLE_RATE_HZ
from components.synths.ddsp_imports import ddsp, tf

_FLOOR_DB, _CEILING_DB = -80.0, 20.0
_SCALARS = ("spectral_loss", "learning_rate", "grad_norm", "steps_per_s", "input_wait_s")


class Summaries:
    """Writes TensorBoard event files below a training directory.

    What there is before the first step waits for it: TensorBoard's parts take a second to import, and whoever starts a
    training wants to see it move.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "summaries"
        self._writer: Any = None
        self._waiting: list[Callable[[], None]] = []

    def add(self, line: dict[str, Any]) -> None:
        """Adds a line of metrics.jsonl."""
        self._do(line["step"], lambda: self._add(line))

    def add_sounds(self, step: int, sounds: dict[str, Any]) -> None:
        """Adds sounds, f32[samples] by name, and their spectrograms.

        They go to a file of their own, which is never touched again: the curves' file, which is copied to gs:// with
        every checkpoint, stays small.
        """
        self._do(step, lambda: self._add_sounds(step, sounds))

    def flush(self) -> None:
        """Writes what is still in memory, of a training that has begun."""
        if self._writer:
            self._writer.flush()

    def _do(self, step: int, write: Callable[[], None]) -> None:
        self._waiting.append(write)
        if step > 0:
            for each in self._waiting:
                each()
            self._waiting.clear()

    def _add(self, line: dict[str, Any]) -> None:
        self._writer = self._writer or tf.summary.create_file_writer(str(self._folder))
        with self._writer.as_default(step=line["step"]):
            for name in _SCALARS:
                if name in line:
                    tf.summary.scalar(f"{name}/{line['split']}", line[name])

    def _add_sounds(self, step: int, sounds: dict[str, Any]) -> None:
        writer = tf.summary.create_file_writer(str(self._folder / "sounds"))
        with writer.as_default(step=step):
            for name, audio in sounds.items():
                tf.summary.audio(name, np.asarray(audio)[None, :, None], SAMPLE_RATE_HZ)
                tf.summary.image(name, _spectrogram(audio)[None, :, :, None])
        writer.close()


def _spectrogram(audio: Any) -> Any:
    """Returns a picture of a sound, f32[height, width], 0..1, low frequencies below."""
    magnitudes = ddsp.spectral_ops.compute_mag(np.asarray(audio)[None], size=1024).numpy()[0]
    level_db = 20 * np.log10(np.maximum(magnitudes, 1e-6))
    picture = np.clip((level_db - _FLOOR_DB) / (_CEILING_DB - _FLOOR_DB), 0, 1).T[::-1]
    return picture.astype(np.float32)
