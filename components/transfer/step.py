"""Timbre transfer: renders a recording's pitch and loudness with one or several models."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from components import storage
from components.artifacts.model_card import ModelCard, find_model
from components.artifacts.training_dir import training_name
from components.audio.levels import sounding_frames
from components.audio.pitch import ANALYSIS_PEAK, DEFAULT_TRACKER, Tracker, tracker
from components.audio.polyphony import mixed_share
from components.audio.reading import LONGEST_SECONDS, check_level, opened
from components.audio.reading import Sound as RecordedSound
from components.audio.writing import FORMATS, check_rate, check_writable, sound_format, write_sound
from components.core.errors import InputError
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.registry.download import downloaded
from components.telemetry import progress
from components.transfer.analysis import FeatureExtractor, Features
from components.transfer.fitting import FittedFeatures, TransferOptions, fit
from components.transfer.page import Player, Sound, write_page
from components.transfer.pitch_doubts import pitch_warning
from components.transfer.similarity import Similarity, similarity

if TYPE_CHECKING:
    from components.synths.instrument import Instrument


@dataclass(frozen=True)
class RenderedSound:
    """A recording as one model rendered it.

    Attributes:
        name: Family and synth, "string harmonic".
        out_uri: The sound file.
        octaves: By which the pitch was moved.
        gain: Factor that kept the sound within full scale, at most 1.
        seconds: Time that rendering took, without loading the model.
        similarity: How the sound follows the recording.
        page_sound: The sound as the page shows it.
    """

    name: str
    out_uri: str
    octaves: int
    gain: float
    seconds: float
    similarity: Similarity
    page_sound: Sound

    def text(self) -> str:
        """Returns one line for the terminal."""
        return f"{self.name}: {self.out_uri}; {self.details()}"

    def details(self) -> str:
        """Returns the adjustments and the similarity as a short phrase."""
        moved = f"moved by {self.octaves:+d} octave{'s' * (abs(self.octaves) > 1)}; " if self.octaves else ""
        softer = f"; level reduced by {-20 * np.log10(self.gain):.1f} dB to avoid clipping" if self.gain < 1 else ""
        return f"{moved}{self.similarity.text()}{softer}"


@dataclass(frozen=True)
class TransferResult:
    """The sounds of a transfer, one for each model, and the page that compares them with the recording.

    `warning` says in one line what is doubtful in the recording's pitch; "" for nothing.
    """

    recording_seconds: float
    sounds: list[RenderedSound]
    page_uri: str
    warning: str = ""


def transfer(
    model_uris: Sequence[str],
    input_uri: str,
    out_uri: str,
    options: TransferOptions | None = None,
    rate_hz: int = SAMPLE_RATE_HZ,
    seed: int = 0,
    tracking_uri: str = "",
    pitch: str = DEFAULT_TRACKER,
    dry: bool = False,
) -> TransferResult:
    """Renders a recording with models.

    Args:
        model_uris: Model directories, training directories, or models:/NAME@ALIAS of a registry.
        input_uri: A recording of any rate and up to ten minutes, its channels mixed to one.
        out_uri: A .wav, .flac or .ogg file for one model; for several, or without such an ending, a folder.
        options: How to fit the recording to the models.
        rate_hz: Sample rate of the sounds. Models render at 16 kHz; a higher rate adds no treble.
        seed: Determines the noise.
        tracking_uri: The registry; by default that of MLFLOW_TRACKING_URI.
        pitch: Pitch tracker of the recording, one of pitch.TRACKERS.
        dry: Whether the room of a model with a reverb is left out.

    Raises:
        InputError: The recording, a model, the registry or an argument cannot be used.
        StepError: The output of a model is not finite.
    """
    outputs = _Outputs(out_uri, PurePosixPath(input_uri).stem, len(model_uris) > 1)
    chosen = tracker(pitch)
    check_rate(rate_hz)
    with ExitStack() as stack:
        recording = stack.enter_context(opened(input_uri, LONGEST_SECONDS))
        check_level(recording)
        # Every other argument is checked before the analysis of the recording, which may take long.
        model_dirs = [find_model(stack.enter_context(downloaded(uri, tracking_uri))) for uri in model_uris]
        outputs.check()
        instruments = _load(model_dirs)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="luthier-")))
        features, samples, audio = _analyse(recording, chosen, Player(scratch / "recording.mp3"))
        sounds: list[RenderedSound] = []
        for instrument in instruments:
            fitted = fit(features, instrument.card, options or TransferOptions())
            target = outputs.next_uri(instrument.card)
            sounds.append(_render(instrument, features, fitted, samples, target, rate_hz, seed, scratch, dry))
    warning, name = pitch_warning(features, pitch), storage.basename(input_uri)
    rendered = [replace(each.page_sound, text=each.details()) for each in sounds]
    on_page = [Sound("recording", features, *audio), *rendered]
    write_page(outputs.page_uri, name, recording.seconds, on_page, warning)
    return TransferResult(recording.seconds, sounds, outputs.page_uri, warning)


class _Outputs:
    """URIs of the sounds and of their page."""

    def __init__(self, out_uri: str, stem: str, many: bool) -> None:
        self._out_uri, self._stem, self._taken = out_uri, stem, set[tuple[str, int]]()
        self._is_folder = many or not PurePosixPath(out_uri).suffix
        if many and PurePosixPath(out_uri).suffix in FORMATS:
            raise InputError(f"cannot write several sounds to '{out_uri}': expected a directory")
        if not self._is_folder:
            sound_format(out_uri)
        page = storage.join(out_uri, stem) if self._is_folder else out_uri.removesuffix(PurePosixPath(out_uri).suffix)
        self.page_uri = f"{page}.html"

    def check(self) -> None:
        """Makes the folder; InputError where the files cannot be written."""
        for uri in [self.page_uri] if self._is_folder else [self._out_uri, self.page_uri]:
            check_writable(uri)

    def next_uri(self, card: ModelCard) -> str:
        """Returns the URI of the sound of the next model."""
        if not self._is_folder:
            return self._out_uri
        name = f"{self._stem}-{training_name(card.family, card.synth)}"
        number = next(n for n in itertools.count(1) if (name, n) not in self._taken)
        self._taken.add((name, number))
        return storage.join(self._out_uri, f"{name}{'' if number == 1 else f'-{number}'}.wav")


def _load(model_dirs: Iterable[str]) -> list[Instrument]:
    from components.synths.instrument import Instrument

    return [Instrument.load(each) for each in model_dirs]


def _analyse(recording: RecordedSound, chosen: Tracker, player: Player) -> tuple[Features, int, tuple[str, float]]:
    """Returns the features of a recording, its length in samples at 16 kHz, and its audio for the page."""
    samples = round(recording.seconds * SAMPLE_RATE_HZ)
    extractor = FeatureExtractor(samples, ANALYSIS_PEAK / recording.peak, chosen)
    audio = list[FloatArray]()
    blocks = _kept(_played(_exact_length(recording.at_rate(SAMPLE_RATE_HZ), samples), player), audio)
    for _ in _extracted(extractor, blocks, "analyse", samples) if chosen.slow else map(extractor.push, blocks):
        pass
    features = extractor.finish()
    if not features.f0_hz.any():
        raise InputError(
            f"the recording '{recording.name}' has no pitch between {chosen.lowest_hz:.0f} and "
            f"{chosen.highest_hz:.0f} Hz: nothing can be rendered; try a recording of single notes or of a voice"
        )
    if not sounding_frames(features.loudness_db).any():  # the peak of another rate may be that of a whine above 8 kHz
        raise InputError(
            f"the recording '{recording.name}' is silent below {SAMPLE_RATE_HZ // 2} Hz, all that models hear; "
            "raise its level, or check that it is the right file"
        )
    features = replace(features, mixed_share=mixed_share(np.concatenate(audio), features.f0_hz))
    return features, samples, player.finish()


def _kept(blocks: Iterable[FloatArray], audio: list[FloatArray]) -> Iterator[FloatArray]:
    """Passes blocks on and keeps them: ten minutes, the longest recording, are 38 MB."""
    for block in blocks:
        audio.append(block)
        yield block


def _played(blocks: Iterable[FloatArray], player: Player) -> Iterator[FloatArray]:
    """Passes blocks on to the page's player too."""
    for block in blocks:
        player.push(block)
        yield block


def _exact_length(blocks: Iterable[FloatArray], samples: int) -> Iterator[FloatArray]:
    """Yields exactly `samples` samples: what is beyond is cut, what is missing is silence."""
    for block in blocks:
        yield block[:samples]
        samples -= len(block[:samples])
    yield np.zeros(samples, np.float32)


def _extracted(
    extractor: FeatureExtractor, blocks: Iterable[FloatArray], title: str, samples: int
) -> Iterator[FloatArray]:
    """Passes blocks on, extracting their features and showing a progress bar."""
    with progress.bar(title, samples / SAMPLE_RATE_HZ, "s of sound") as bar:
        for block in blocks:
            extractor.push(block)
            bar.advance(len(block) / SAMPLE_RATE_HZ)
            yield block


def _render(
    instrument: Instrument,
    recording: Features,
    fitted: FittedFeatures,
    samples: int,
    out_uri: str,
    rate_hz: int,
    seed: int,
    scratch: Path,
    dry: bool,
) -> RenderedSound:
    from components.synths.rendering import Curves, render

    began, name = time.monotonic(), f"{instrument.card.family} {instrument.card.synth}"
    extractor, player = FeatureExtractor(samples), Player(scratch / "rendered.mp3")
    curves = Curves(fitted.f0_hz, fitted.loudness_db, fitted.gate)
    blocks = _played(_exact_length(render(instrument, curves, seed, dry), samples), player)
    gain = write_sound(_extracted(extractor, blocks, f"render {name}", samples), out_uri, rate_hz, scratch)
    features = extractor.finish()
    found = similarity(recording, features, fitted.octaves)
    on_page = Sound(name, features, *player.finish())
    return RenderedSound(name, out_uri, fitted.octaves, gain, time.monotonic() - began, found, on_page)
