"""Timbre transfer: a recording's pitch and loudness, played by one or several models."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from soundfile import SoundFile

from components import storage
from components.artifacts.model_card import ModelCard, find_model
from components.audio.pitch import ANALYSIS_PEAK, DEFAULT_TRACKER, TRACKERS, Band, Tracker, tracker
from components.audio.reading import mono_blocks, opened, resampled
from components.audio.writing import FORMATS, check_rate, check_writable, sound_format, survey, write_sound
from components.core.errors import InputError, StepError
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.registry.download import downloaded
from components.telemetry import progress
from components.transfer.curves import Curves, Listener
from components.transfer.fitting import Fitted, Steering, fit
from components.transfer.page import Sound, write_page
from components.transfer.similarity import Likeness, likeness

if TYPE_CHECKING:
    from components.synths.instrument import Instrument


@dataclass(frozen=True)
class Transferred:
    """What one model made of a recording.

    Attributes:
        name: Family and synth, "string harmonic".
        out_uri: The sound.
        octaves: By which the pitch was moved.
        gain: What the sound was multiplied by to fit into the file, at most 1.
        seconds: How long it took, without loading the model.
        likeness: How near to the recording it came.
        curves: What is heard in it.
    """

    name: str
    out_uri: str
    octaves: int
    gain: float
    seconds: float
    likeness: Likeness
    curves: Curves

    def text(self) -> str:
        """Returns one line for a person."""
        return f"{self.name}: {self.out_uri}; {self.facts()}"

    def facts(self) -> str:
        """Returns what was done and how it went, in a few words."""
        moved = f"moved by {self.octaves:+d} octave{'s' * (abs(self.octaves) > 1)}; " if self.octaves else ""
        softer = f"; {-20 * np.log10(self.gain):.1f} dB softer, to fit the file" if self.gain < 1 else ""
        return f"{moved}{self.likeness.text()}{softer}"


@dataclass(frozen=True)
class TransferResult:
    """What a transfer made: a sound for each model, and a page that shows them beside the recording."""

    recording_seconds: float
    sounds: list[Transferred]
    page_uri: str


def transfer(
    model_uris: Sequence[str],
    input_uri: str,
    out_uri: str,
    steering: Steering | None = None,
    rate_hz: int = SAMPLE_RATE_HZ,
    seed: int = 0,
    tracking_uri: str = "",
    pitch: str = DEFAULT_TRACKER,
) -> TransferResult:
    """Plays a recording with models.

    Args:
        model_uris: Model directories, training directories, or models:/NAME@ALIAS of a registry.
        input_uri: A recording of any rate and up to ten minutes, its channels mixed to one.
        out_uri: A .wav, .flac or .ogg file for one model; for several, or without such an ending, a folder.
        steering: How to fit the recording to the models.
        rate_hz: Samples a second of the sounds. A model plays at 16 kHz; more rate adds no treble.
        seed: Determines the noise.
        tracking_uri: The registry; "" for what MLFLOW_TRACKING_URI names.
        pitch: Who finds the recording's pitch: swift-f0 or crepe.

    Raises:
        InputError: The recording, a model, the registry or an argument cannot be used.
        StepError: A model plays no numbers.
    """
    place, ears = (
        _Place(out_uri, PurePosixPath(input_uri).stem, len(model_uris) > 1),
        tracker(pitch, trackers=PITCH_TRACKERS),
    )
    check_rate(rate_hz)
    with ExitStack() as stack:
        file = stack.enter_context(opened(input_uri))
        found = survey(file, input_uri)
        # The models come before the recording is heard, which may take long; that there are any is known soonest.
        homes = [find_model(stack.enter_context(downloaded(uri, tracking_uri))) for uri in model_uris]
        place.check()
        instruments = _loaded(homes)
        heard, samples = _recording(file, input_uri, ANALYSIS_PEAK / found.peak, ears)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="luthier-")))
        sounds: list[Transferred] = []
        for instrument in instruments:
            fitted = fit(heard, instrument.card, steering or Steering())
            target = place.next(instrument.card)
            sounds.append(_play(instrument, heard, fitted, samples, target, rate_hz, seed, scratch))
    columns = [Sound(each.name, each.out_uri, each.curves, each.facts()) for each in sounds]
    write_page(place.page_uri, found.seconds, [Sound("recording", input_uri, heard), *columns])
    return TransferResult(found.seconds, sounds, place.page_uri)


class _Place:
    """Where the sounds and their page go."""

    def __init__(self, out_uri: str, stem: str, many: bool) -> None:
        self._out_uri, self.stem, self._taken = out_uri, stem, set[tuple[str, int]]()
        self._folder = many or not PurePosixPath(out_uri).suffix
        if many and PurePosixPath(out_uri).suffix in FORMATS:
            raise InputError(f"cannot write several sounds to '{out_uri}': expected a folder")
        if not self._folder:
            sound_format(out_uri)
        page = storage.join(out_uri, stem) if self._folder else out_uri.removesuffix(PurePosixPath(out_uri).suffix)
        self.page_uri = f"{page}.html"

    def check(self) -> None:
        """Sees that they can be written; the folder is made. InputError where they cannot."""
        for uri in [self.page_uri] if self._folder else [self._out_uri, self.page_uri]:
            check_writable(uri)

    def next(self, card: ModelCard) -> str:
        """Returns where the sound of a model goes."""
        if not self._folder:
            return self._out_uri
        name = f"{self.stem}-{card.family}-{card.synth}"
        number = next(n for n in itertools.count(1) if (name, n) not in self._taken)
        self._taken.add((name, number))
        return storage.join(self._out_uri, f"{name}{'' if number == 1 else f'-{number}'}.wav")


def crepe_tracker(band_hz: Band | None) -> Tracker:
    from components.transfer.crepe import CrepeTracker  # with TensorFlow

    return CrepeTracker(band_hz)


PITCH_TRACKERS = {**TRACKERS, "crepe": crepe_tracker}
"""The trackers of `--pitch`, by name."""


def _loaded(homes: Iterable[str]) -> list[Instrument]:
    from components.synths.instrument import Instrument

    return [Instrument.load(home) for home in homes]


def _recording(file: SoundFile, uri: str, gain: float, ears: Tracker) -> tuple[Curves, int]:
    """Returns what is heard in a recording, and how many samples it has at 16 kHz."""
    samples = round(file.frames * SAMPLE_RATE_HZ / file.samplerate)
    listener = Listener(samples, gain, ears)
    blocks = _cut(resampled(mono_blocks(file, uri), file.samplerate, SAMPLE_RATE_HZ), samples)
    for _ in _heard(listener, blocks, "hear", samples) if ears.slow else map(listener.hear, blocks):
        pass
    heard = listener.curves()
    if not heard.f0_hz.any():
        between = f"{ears.lowest_hz:.0f} and {ears.highest_hz:.0f} Hz"
        raise InputError(f"the recording '{uri}' has no pitch between {between}: nothing can be played")
    return heard, samples


def _cut(blocks: Iterable[FloatArray], samples: int) -> Iterator[FloatArray]:
    """Yields the blocks' first samples, with silence behind them where there are too few."""
    for block in blocks:
        yield block[:samples]
        samples -= len(block[:samples])
    yield np.zeros(samples, np.float32)


def _heard(listener: Listener, blocks: Iterable[FloatArray], title: str, samples: int) -> Iterator[FloatArray]:
    """Passes blocks on, listening to them and showing how far they are."""
    with progress.bar(title, samples / SAMPLE_RATE_HZ, "s of sound") as bar:
        for block in blocks:
            listener.hear(block)
            bar.advance(len(block) / SAMPLE_RATE_HZ)
            yield block


def _play(
    instrument: Instrument,
    heard: Curves,
    fitted: Fitted,
    samples: int,
    out_uri: str,
    rate_hz: int,
    seed: int,
    scratch: Path,
) -> Transferred:
    from components.transfer.rendering import played

    began, name = time.monotonic(), f"{instrument.card.family} {instrument.card.synth}"
    listener = Listener(samples)
    blocks = _cut(_numbers(played(instrument, fitted, seed), name), samples)
    gain = write_sound(_heard(listener, blocks, f"play {name}", samples), out_uri, rate_hz, scratch)
    curves = listener.curves()
    alike = likeness(heard, curves, fitted.octaves)
    return Transferred(name, out_uri, fitted.octaves, gain, time.monotonic() - began, alike, curves)


def _numbers(blocks: Iterable[FloatArray], name: str) -> Iterator[FloatArray]:
    for block in blocks:
        if not np.isfinite(block).all():
            raise StepError(f"the {name} model plays no numbers (NaN): its training diverged; train it again")
        yield block
