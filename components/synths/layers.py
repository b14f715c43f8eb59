"""Synthesizer layers that replace ddsp's in the same gin graph; in gin their names start with `luthier.`."""

from __future__ import annotations

from typing import Any

from components.synths import dictionary
from components.synths.ddsp_imports import ddsp, gin, tf
from components.synths.noise import filtered, white
from components.synths.oscillators import harmonics, sinusoids
from components.synths.partials import near_multiples, pull_to_multiples
from components.synths.scaling import unit_wavetable
from components.synths.wavetables import read_tables
from components.synths.xla import on_gpu


def _hop(layer: Any, frames: int) -> int:
    """Returns the samples per frame.

    Raises:
        ValueError: The samples are not a whole number of frames, or a frame has one sample only.
    """
    if layer.n_samples <= frames or layer.n_samples % frames:
        raise ValueError(
            f"{layer.name}: got {layer.n_samples} samples for {frames} frames, "
            "expected a whole number of samples per frame, 2 or more"
        )
    hop: int = layer.n_samples // frames
    return hop


@gin.register(module="luthier")
class Harmonic(ddsp.synths.Harmonic):  # type: ignore[misc]
    """ddsp's harmonic synthesizer, faster and with exact phases.

    With an `amp_resample_method` other than 'window', ddsp's code computes the audio. No gradient flows to f0_hz.
    `use_angular_cumsum`, ddsp's remedy against drifting phases, has no effect here.
    """

    def get_signal(self, amplitudes: tf.Tensor, harmonic_distribution: tf.Tensor, f0_hz: tf.Tensor) -> tf.Tensor:
        """Adds the harmonics of f0_hz that are below Nyquist.

        Args:
            amplitudes: Above 0, [batch, frames, 1].
            harmonic_distribution: Shares of the harmonics, whose sum is 1, [batch, frames, harmonics].
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
    """ddsp's sinusoidal synthesizer, faster, with exact phases, and with the pitch as a further input.

    With the pitch, its sinusoids start near the harmonics, and training can move them away. With an
    `amp_resample_method` other than 'window', ddsp's code computes the audio.
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
        pull_power: int = 4,
        reach: float = 0.0,
        name: str = "sinusoidal",
    ) -> None:
        """Takes ddsp's arguments and four more. With `pull` and `fade` 0, the layer computes what ddsp's does.

        Args:
            n_samples: Length of the audio.
            sample_rate: In Hz.
            amp_scale_fn: From network outputs to amplitudes; None leaves them as they are.
            amp_resample_method: From frames to samples.
            freq_scale_fn: From network outputs to frequencies in Hz.
            pull: The share of a small distance from a multiple of the pitch that is removed, 0..1; see
                partials.pull_to_multiples.
            fade: Subtracted from the network outputs for the amplitude half-way between two multiples, and a quarter of
                it at half that distance; below half the pitch, up to four times as much. For exp_sigmoid 1 is 20 dB, so
                the level around every multiple is a Gaussian, as in ddsp's TWMLoss (after Maher and Beauchamp 1994).
                The network can learn to add what is subtracted.
            pull_power: How far the pull reaches; see partials.pull_to_multiples.
            reach: 0: the frequencies are those of `freq_scale_fn`. Above 0, sinusoid k starts at k times the pitch
                instead and stays within `reach` times the pitch of it, so its amplitude is that of a partial,
                whatever the pitch; see partials.near_multiples. Without pull and fade it has no effect.
            name: The layer's name, which the gin graph refers to.

        Raises:
            ValueError: `pull` is not 0 to 1.
        """
        if not 0 <= pull <= 1:
            raise ValueError(f"{name}: pull is {pull}: expected 0 to 1")
        super().__init__(n_samples, sample_rate, amp_scale_fn, amp_resample_method, freq_scale_fn, name)
        self.pull, self.fade, self.pull_power, self.reach = pull, fade, pull_power, reach

    def get_controls(
        self, amplitudes: tf.Tensor, frequencies: tf.Tensor, f0_hz: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Scales the network's outputs.

        Args:
            amplitudes: Network outputs, [batch, frames, sinusoids].
            frequencies: Network outputs, [batch, frames, sinusoids times the scale function's depth].
            f0_hz: Fundamental frequency in Hz, [batch, frames, 1]; None computes what ddsp's layer does.

        Returns:
            'amplitudes' (above 0; 0 from Nyquist on) and 'frequencies' in Hz, [batch, frames, sinusoids].
        """
        if f0_hz is None or not (self.pull or self.fade):
            return super().get_controls(amplitudes, frequencies)  # type: ignore[no-any-return]
        frequencies = near_multiples(frequencies, f0_hz, self.reach) if self.reach else self.freq_scale_fn(frequencies)
        frequencies, distance = pull_to_multiples(frequencies, f0_hz, self.pull, self.pull_power)
        amplitudes = self.amp_scale_fn(amplitudes - self.fade * distance**2)
        return {
            "amplitudes": ddsp.core.remove_above_nyquist(frequencies, amplitudes, self.sample_rate),
            "frequencies": frequencies,
        }

    def get_signal(self, amplitudes: tf.Tensor, frequencies: tf.Tensor) -> tf.Tensor:
        """Adds the sinusoids that are below Nyquist.

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

    ddsp draws from TensorFlow's global state. With a seed, equal inputs give equal audio, two validations differ by the
    model only, and a resumed training draws the noise that it would have drawn without the interruption.
    """

    def get_controls(self, magnitudes: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scales the network's outputs.

        Args:
            magnitudes: Network outputs, [batch, frames, bands].
            seed: See noise.white.

        Returns:
            'magnitudes' [batch, frames, bands], above 0, and 'seed' unchanged.
        """
        return {**super().get_controls(magnitudes), "seed": seed}

    def get_signal(self, magnitudes: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Filters white noise in -1..1 with one filter per frame.

        Args:
            magnitudes: The filters' frequency responses, [batch, frames, bands], linear in frequency from 0 to Nyquist.
            seed: See noise.white.

        Returns:
            Audio, [batch, samples].
        """
        drawn = white(int(magnitudes.shape[0]), self.n_samples, seed)
        # A GPU may compute a matrix product in TF32, and is fast with ddsp's transforms.
        if on_gpu() or self.n_samples % magnitudes.shape[1]:
            return ddsp.core.frequency_filter(drawn, magnitudes, window_size=self.window_size)
        return filtered(drawn, ddsp.core.tf_float32(magnitudes), self.window_size)


@gin.register(module="luthier")
class Wavetable(ddsp.synths.Wavetable):  # type: ignore[misc]
    """A wavetable synthesizer: a learned dictionary of tables, or ddsp's with a table per frame from the network.

    With the dictionary (`tables` above 0; Shan et al. 2022, arXiv 2111.10003), the network outputs how much of each
    table a frame plays. No gradient flows to f0_hz. The defaults compute what ddsp's layer does, with exact phases and
    a separate scale function for the tables: ddsp's layer scales amplitudes and tables by one function, but an
    amplitude is positive and a waveform is not.
    """

    def __init__(
        self,
        n_samples: int = 64_000,
        sample_rate: int = 16_000,
        scale_fn: Any = ddsp.core.exp_sigmoid,
        table_scale_fn: Any = unit_wavetable,
        tables: int = 0,
        points: int = 128,
        band_limited: bool = False,
        name: str = "wavetable",
    ) -> None:
        """Takes ddsp's arguments and four more.

        Args:
            n_samples: Length of the audio.
            sample_rate: In Hz.
            scale_fn: From network outputs to amplitudes; None leaves them as they are.
            table_scale_fn: From network outputs [batch, frames, points] to tables; None leaves them as they are. Not
                used with a dictionary.
            tables: Tables of the dictionary; 0: there is none, and the network outputs the tables.
            points: Points of the mixed tables; half as many partials, less one. Used with a dictionary only.
            band_limited: Whether a table is played as the sum of its partials below Nyquist. Otherwise it is read with
                linear interpolation, as ddsp does, and high notes alias.
            name: The layer's name, which the gin graph refers to.
        """
        super().__init__(n_samples=n_samples, sample_rate=sample_rate, scale_fn=scale_fn, name=name)
        self.table_scale_fn, self.tables, self.points, self.band_limited = table_scale_fn, tables, points, band_limited
        if tables:
            self.trainable = True
            levels = dictionary.initial_levels(tables, dictionary.partials_of(points))
            self.levels = self.add_weight("levels", levels.shape, initializer=tf.constant_initializer(levels))
            self.phases = self.add_weight("phases", levels.shape, initializer="zeros")

    def get_controls(self, amplitudes: tf.Tensor, wavetables: tf.Tensor, f0_hz: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scales the network's outputs.

        Args:
            amplitudes: Network outputs, [batch, frames, 1].
            wavetables: Network outputs, [batch, frames, tables of the dictionary], or [batch, frames, points].
            f0_hz: Fundamental frequency in Hz, [batch, frames, 1].

        Returns:
            'amplitudes' (above 0) and 'f0_hz' in the same shapes, and 'wavetables', [batch, frames, points]: those of a
            dictionary have RMS 1 and no partial above Nyquist.
        """
        if self.tables:
            shares = tf.nn.softmax(wavetables)
            partials = dictionary.mixed(shares, self.levels, self.phases, f0_hz, float(self.sample_rate))
            wavetables = tf.matmul(partials, dictionary.to_points(self.points))
        elif self.table_scale_fn is not None:
            wavetables = self.table_scale_fn(wavetables)
        return {
            "amplitudes": amplitudes if self.scale_fn is None else self.scale_fn(amplitudes),
            "wavetables": wavetables,
            "f0_hz": f0_hz,
        }

    def get_signal(self, amplitudes: tf.Tensor, wavetables: tf.Tensor, f0_hz: tf.Tensor) -> tf.Tensor:
        """Plays the tables at f0_hz.

        Args:
            amplitudes: Above 0, [batch, frames, 1].
            wavetables: One period each, [batch, frames, points].
            f0_hz: Fundamental frequency in Hz, [batch, frames, 1].

        Returns:
            Audio, [batch, samples].
        """
        amplitudes, wavetables, f0_hz = (ddsp.core.tf_float32(x) for x in (amplitudes, wavetables, f0_hz))
        hop, rate = _hop(self, f0_hz.shape[1]), float(self.sample_rate)
        if not self.band_limited:
            return read_tables(amplitudes, wavetables, f0_hz, hop, rate)
        partials = tf.matmul(wavetables, dictionary.to_partials(int(wavetables.shape[2])))
        return harmonics(amplitudes * partials, f0_hz, hop, rate, cosines=True)
