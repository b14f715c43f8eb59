"""Preprocessors: from curves of pitch and loudness, 250 frames per second, to the inputs of a network.

ddsp's F0LoudnessPreprocessor passes every frame on. PowerPreprocessor, for the plugin DDSP-VST, takes every fifth frame
and power instead of loudness. A preprocessor has two attributes for this: `definition`, the definition of the loudness
that it takes, and `stride`, how many frames of the curves make one frame of the network.
"""

from __future__ import annotations

from typing import Any

from components.audio.loudness import LOUDNESS_DEFINITION, POWER_DEFINITION
from components.nsynth.note import FRAME_RATE_HZ
from components.synths.ddsp_imports import gin, preprocessing, tf

_FRAME_RATES_HZ = (5, 10, 25, 50, 125, 250)  # a block of 0.2 s is a whole number of frames at each rate


@gin.register(module="luthier")
class PowerPreprocessor(preprocessing.nn.DictLayer):  # type: ignore[misc]
    """Pitch and power, scaled to 0..1: ddsp's OnlineF0PowerPreprocessor as its vst.gin configures it.

    Attributes:
        stride: Frames of the curves in one frame of the network.
        time_steps: Unused; ddsp's preprocessors have it.
    """

    definition = POWER_DEFINITION

    def __init__(self, frame_rate: int = 50) -> None:
        """Takes the frame rate of the network in Hz: 5, 10, 25, 50, 125 or 250.

        Raises:
            ValueError: The frame rate is another number.
        """
        super().__init__(output_keys=["f0_hz", "pw_db", "f0_scaled", "pw_scaled"])
        if frame_rate not in _FRAME_RATES_HZ:
            expected = ", ".join(map(str, _FRAME_RATES_HZ))
            raise ValueError(f"PowerPreprocessor.frame_rate is {frame_rate}: expected one of {expected}")
        self.stride, self.time_steps = FRAME_RATE_HZ // frame_rate, 0

    def call(self, f0_hz: tf.Tensor, loudness_db: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Takes every `stride`-th frame.

        Args:
            f0_hz: Pitch in Hz without gaps, [batch, frames] or [batch, frames, 1].
            loudness_db: Power in dB: loudness.loudness_db with POWER_DEFINITION, the same shape.

        Returns:
            f0_hz, power in dB, and both scaled, f32[batch, frames / stride, 1] each.
        """
        pitch, power = (preprocessing.at_least_3d(curve)[:, :: self.stride] for curve in (f0_hz, loudness_db))
        return pitch, power, preprocessing.scale_f0_hz(pitch), preprocessing.scale_db(power)


def definition_of(preprocessor: Any) -> str:
    """Returns the definition of the loudness that a preprocessor takes; see loudness.loudness_db."""
    return str(getattr(preprocessor, "definition", LOUDNESS_DEFINITION))


def stride_of(preprocessor: Any) -> int:
    """Returns how many frames of the curves, 250 per second, make one frame of the network."""
    return int(getattr(preprocessor, "stride", 1))
