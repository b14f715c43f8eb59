"""What a network hears of the curves of pitch and loudness, which have 250 frames a second everywhere in Luthier.

ddsp's F0LoudnessPreprocessor hands on every frame. PowerPreprocessor, for the plugin DDSP-VST, takes every fifth one,
and power instead of loudness. Two attributes of a preprocessor tell the difference: `definition`, which loudness it
wants to be given, and `stride`, the frames of the curves to one frame of the network.
"""

from __future__ import annotations

from typing import Any

from components.audio.loudness import LOUDNESS_DEFINITION, POWER_DEFINITION
from components.nsynth.note import FRAME_RATE_HZ
from components.synths.ddsp_imports import gin, preprocessing, tf

_FRAME_RATES_HZ = (5, 10, 25, 50, 125, 250)  # players go by blocks of 0.2 s, whole frames of the curves and of these


@gin.register(module="luthier")
class PowerPreprocessor(preprocessing.nn.DictLayer):  # type: ignore[misc]
    """Pitch and power, scaled to 0..1: what ddsp's OnlineF0PowerPreprocessor makes under its vst.gin.

    Attributes:
        stride: Frames of the curves to one of the network.
        time_steps: Unused: the curves say how long they are.
    """

    definition = POWER_DEFINITION

    def __init__(self, frame_rate: int = 50) -> None:
        """Takes the network's frames a second: 5, 10, 25, 50, 125 or 250.

        Raises:
            ValueError: Another number.
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
            loudness_db: Power as of loudness.loudness_db with POWER_DEFINITION, the same shape.

        Returns:
            f0_hz, power in dB, and both scaled, f32[batch, frames / stride, 1] each.
        """
        pitch, power = (preprocessing.at_least_3d(curve)[:, :: self.stride] for curve in (f0_hz, loudness_db))
        return pitch, power, preprocessing.scale_f0_hz(pitch), preprocessing.scale_db(power)


def definition_of(preprocessor: Any) -> str:
    """Returns which loudness a preprocessor wants; see loudness.loudness_db."""
    return str(getattr(preprocessor, "definition", LOUDNESS_DEFINITION))


def stride_of(preprocessor: Any) -> int:
    """Returns the frames of the curves, 250 a second, to one frame of the network."""
    return int(getattr(preprocessor, "stride", 1))
