"""TensorBoard summaries of a training: the metrics log, and now and then a held-out note with its resynthesis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from components.artifacts.training_dir import SUMMARIES_DIR
from components.nsynth.note import SAMPLE_RATE_HZ
from components.synths.ddsp_imports import ddsp, tf

_FLOOR_DB, _CEILING_DB = -80.0, 20.0
_SCALARS = ("spectral_loss", "learning_rate", "grad_norm", "steps_per_s", "input_wait_s")


class Summaries:
    """Writes TensorBoard event files below a training directory.

    Summaries from before the first step are written after it: TensorBoard takes a second to import, and the first step
    should not wait for that.
    """

    def __init__(self, directory: Path) -> None:
        """Args: the local training directory."""
        self._path = directory / SUMMARIES_DIR
        self._writer: Any = None
        self._pending: list[Callable[[], None]] = []

    def add(self, line: dict[str, Any]) -> None:
        """Adds a line of the metrics log."""
        self._write(line["step"], lambda: self._add(line))

    def add_audio(self, step: int, sounds: dict[str, Any]) -> None:
        """Adds sounds, f32[samples] by name, and their spectrograms.

        They go to a file of their own, which is never written again, so that the file of the curves, which is copied to
        gs:// with every checkpoint, stays small.
        """
        self._write(step, lambda: self._add_audio(step, sounds))

    def flush(self) -> None:
        """Writes what is still in memory."""
        if self._writer:
            self._writer.flush()

    def _write(self, step: int, write: Callable[[], None]) -> None:
        self._pending.append(write)
        if step > 0:
            for each in self._pending:
                each()
            self._pending.clear()

    def _add(self, line: dict[str, Any]) -> None:
        self._writer = self._writer or tf.summary.create_file_writer(str(self._path))
        # One message, made without TensorFlow: five calls of tf.summary.scalar take 1.1 ms of CPU, the message 0.3.
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        message = Summary()
        for name in _SCALARS:
            if name in line:
                message.MergeFrom(scalar_pb(f"{name}/{line['split']}", line[name]))
        with self._writer.as_default():
            tf.summary.experimental.write_raw_pb(message.SerializeToString(), step=line["step"])

    def _add_audio(self, step: int, sounds: dict[str, Any]) -> None:
        writer = tf.summary.create_file_writer(str(self._path / "sounds"))
        with writer.as_default(step=step):
            for name, audio in sounds.items():
                tf.summary.audio(name, np.asarray(audio)[None, :, None], SAMPLE_RATE_HZ)
                tf.summary.image(name, _spectrogram(audio)[None, :, :, None])
        writer.close()


def _spectrogram(audio: Any) -> Any:
    """Returns the spectrogram of a sound as an image, f32[height, width], 0..1, low frequencies at the bottom."""
    magnitudes = ddsp.spectral_ops.compute_mag(np.asarray(audio)[None], size=1024).numpy()[0]
    level_db = 20 * np.log10(np.maximum(magnitudes, 1e-6))
    picture = np.clip((level_db - _FLOOR_DB) / (_CEILING_DB - _FLOOR_DB), 0, 1).T[::-1]
    return picture.astype(np.float32)
