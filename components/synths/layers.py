"""Layers of our own, drop-ins for ddsp's in the same gin graph; in gin their names start with `luthier.`."""

from __future__ import annotations

from typing import Any

from components.synths.compiled import on_gpu
from components.synths.ddsp_imports import ddsp, gin, tf
from components.synths.noise import filtered, white
from components.synths.oscillators import harmonics, sinusoids
from components.synths.partials import near_multiples
from components.synths.scaling import unit_wavetable
from components.synths.tables import read_tables


def _hop(layer: Any, frames: int) -> int:
    """Returns the samples a frame.

    Raises:
        ValueError: The samples are not a whole number of them, or there is no more than one.
    """
    if layer.n_samples <= frames or layer.n_samples % frames:
        raise ValueError(
            f"{layer.name}: got {layer.n_samples} samples for {frames} frames, expected a multiple of them, from 2 on"
        )
    hop: int = layer.n_samples // frames
    return hop


@gin.register(module="luthier")
class Harmonic(ddsp.synths.Harmonic):  # type: ignore[misc]
    """ddsp's harmonic synthesizer, faster and with exact phases; `amp_resample_method` 'window' alone is ours.

    No gradient goes to f0_hz. `use_angular_cumsum`, ddsp's remedy against drifting phases, changes nothing here.
    """

    def get_signal(self, amplitudes: tf.Tensor, harmonic_distribution: tf.Tensor, f0_hz: tf.Tensor) -> tf.Tensor:
        """Plays the harmonics of f0_hz that are below Nyquist.

        Args:
            amplitudes: Above 0, [batch, frames, 1].
            harmonic_distribution: Shares of the harmonics, of sum 1, [batch, frames, harmonics].
            f0_hz: Fundamental frequency in Hz, [batch, frames, 1].

        Returns:
            Audio, [batch, samples].
        """
        if self.amp_resample_method != "window":
            return super().get_signal(amplitudes, harmonic_distribution, f0_hz)
        hop = _hop(self, harmonic_distribution.shape[1])
        shares, f0_hz = ddsp.core.tf_float32(harmonic_distribution), ddsp.core.tf_float32(f0_hz)
        return harmonics(ddsp.core.tf_float32(amplitudes) * shares, f0_hz, hop, float(self.sample_rate))


@gin.register(module="luthier")
class Sinusoidal(ddsp.synths.Sinusoidal):  # type: ignore[misc]
    """ddsp's sinusoidal synthesizer, faster and with exact phases; `amp_resample_method` 'window' alone is ours.

    Told the pitch as well, which ddsp's is not, its sinusoids begin as partials of it and leave where they learn to.
    """

    def __init__(
        self,
        n_samples: int = 64_000,
        sample_rate: int = 16_000,
        amp_scale_fn: Any = ddsp.core.exp_sigmoid,
        amp_resample_method: str = "window",
        freq_scale_fn: Any = ddsp.core.frequencies_sigmoid,
        pull: float = 0.0,
        fade: float = 0.0,
        name: str = "sinusoidal",
    ) -> None:
        """Takes ddsp's arguments and two more, which matter where there is a pitch; both 0 is ddsp's way.

        Args:
            n_samples: Length of the audio.
            sample_rate: In Hz.
            amp_scale_fn: From network outputs to amplitudes; None leaves them as they are.
            amp_resample_method: From frames to samples.
            freq_scale_fn: From network outputs to frequencies in Hz.
            pull: How much of a small distance from a multiple of the pitch is taken away; see partials.near_multiples.
            fade: What is taken from the outputs for the amplitude half-way between two multiples, and a quarter of it
                half as far; below half the pitch, up to four times as much. To exp_sigmoid 1 is 20 dB, so around every
                multiple the level is a Gaussian, as ddsp's TWMLoss has it (after Maher and Beauchamp 1994). The network
                may add to its outputs what is taken.
            name: The layer's name, which the gin graph refers to.

        Raises:
            ValueError: `pull` is not 0 to 1.
        """
        if not 0 <= pull <= 1:
            raise ValueError(f"{name}: pull is {pull}: expected 0 to 1")
        super().__init__(n_samples, sample_rate, amp_scale_fn, amp_resample_method, freq_scale_fn, name)
        self.pull, self.fade = pull, fade

    def get_controls(
        self, amplitudes: tf.Tensor, frequencies: tf.Tensor, f0_hz: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Scales the network's outputs.

        Args:
            amplitudes: Network outputs, [batch, frames, sinusoids].
            frequencies: Network outputs, [batch, frames, sinusoids times the scale function's depth].
            f0_hz: Fundamental frequency in Hz, [batch, frames, 1]; None is ddsp's way.

        Returns:
            'amplitudes' (above 0, but 0 from Nyquist on) and 'frequencies' in Hz, [batch, frames, sinusoids].
        """
        if f0_hz is None or not (self.pull or self.fade):
            return super().get_controls(amplitudes, frequencies)  # type: ignore[no-any-return]
        places = self.freq_scale_fn(frequencies)
        frequencies, apart = near_multiples(places, f0_hz, self.pull)
        amplitudes = self.amp_scale_fn(amplitudes - self.fade * apart**2)
        return {
            "amplitudes": ddsp.core.remove_above_nyquist(frequencies, amplitudes, self.sample_rate),
            "frequencies": frequencies,
        }

    def get_signal(self, amplitudes: tf.Tensor, frequencies: tf.Tensor) -> tf.Tensor:
        """Plays the sinusoids that are below Nyquist.

        Args:
            amplitudes: Above 0, [batch, frames, sinusoids].
            frequencies: In Hz, above 0, the same shape.

        Returns:
            Audio, [batch, samples].
        """
        if self.amp_resample_method != "window":
            return super().get_signal(amplitudes, frequencies)
        amplitudes, frequencies = ddsp.core.tf_float32(amplitudes), ddsp.core.tf_float32(frequencies)
        return sinusoids(amplitudes, frequencies, _hop(self, frequencies.shape[1]), float(self.sample_rate))


@gin.register(module="luthier")
class FilteredNoise(ddsp.synths.FilteredNoise):  # type: ignore[misc]
    """ddsp's filtered noise, drawn from a seed that comes with the batch.

    ddsp's own draws from TensorFlow's global state. From a seed, a note played twice is the same, two validations
    compare the model alone, and a resumed training hears the noise that an undisturbed one would have heard.
    """

    def get_controls(self, magnitudes: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scales the network's outputs.

        Args:
            magnitudes: Network outputs, [batch, frames, bands].
            seed: As of noise.white.

        Returns:
            'magnitudes' [batch, frames, bands], above 0, and 'seed' as it came.
        """
        return {**super().get_controls(magnitudes), "seed": seed}

    def get_signal(self, magnitudes: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Filters white noise in -1..1 with one filter per frame.

        Args:
            magnitudes: The filters' frequency responses, [batch, frames, bands], linear in frequency from 0 to Nyquist.
            seed: As of noise.white.

        Returns:
            Audio, [batch, samples].
        """
        drawn = white(int(magnitudes.shape[0]), self.n_samples, seed)
        # On a GPU a matrix product may be computed in TF32, and ddsp's transforms are fast.
        if on_gpu() or self.n_samples % magnitudes.shape[1]:
            return ddsp.core.frequency_filter(drawn, magnitudes, window_size=self.window_size)
        return filtered(drawn, ddsp.core.tf_float32(magnitudes), self.window_size)


@gin.register(module="luthier")
class Wavetable(ddsp.synths.Wavetable):  # type: ignore[misc]
    """ddsp's wavetable synthesizer, faster, with exact phases and with a scale function of its own for the tables.

    ddsp's puts amplitudes and tables through the same one, but an amplitude is positive and a waveform is not.
    No gradient goes to f0_hz.
    """

    def __init__(
        self,
        n_samples: int = 64_000,
        sample_rate: int = 16_000,
        scale_fn: Any = ddsp.core.exp_sigmoid,
        table_scale_fn: Any = unit_wavetable,
        name: str = "wavetable",
    ) -> None:
        """Takes ddsp's arguments and one more.

        Args:
            n_samples: Length of the audio.
            sample_rate: In Hz.
            scale_fn: From network outputs to amplitudes; None leaves them as they are.
            table_scale_fn: From network outputs [batch, frames, points] to tables; None leaves them as they are.
            name: The layer's name, which the gin graph refers to.
        """
        super().__init__(n_samples=n_samples, sample_rate=sample_rate, scale_fn=scale_fn, name=name)
        self.table_scale_fn = table_scale_fn

    def get_controls(self, amplitudes: tf.Tensor, wavetables: tf.Tensor, f0_hz: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scales the network's outputs.

        Args:
            amplitudes: Network outputs, [batch, frames, 1].
            wavetables: Network outputs, [batch, frames, points].
            f0_hz: Fundamental frequency in Hz, [batch, frames, 1].

        Returns:
            'amplitudes' (above 0), 'wavetables' and 'f0_hz', in the same shapes.
        """
        return {
            "amplitudes": amplitudes if self.scale_fn is None else self.scale_fn(amplitudes),
            "wavetables": wavetables if self.table_scale_fn is None else self.table_scale_fn(wavetables),
            "f0_hz": f0_hz,
        }

    def get_signal(self, amplitudes: tf.Tensor, wavetables: tf.Tensor, f0_hz: tf.Tensor) -> tf.Tensor:
        """Reads the tables at f0_hz.

        Args:
            amplitudes: Above 0, [batch, frames, 1].
            wavetables: One period each, [batch, frames, points].
            f0_hz: Fundamental frequency in Hz, [batch, frames, 1].

        Returns:
            Audio, [batch, samples].
        """
        amplitudes, wavetables, f0_hz = (ddsp.core.tf_float32(x) for x in (amplitudes, wavetables, f0_hz))
        return read_tables(amplitudes, wavetables, f0_hz, _hop(self, f0_hz.shape[1]), float(self.sample_rate))
