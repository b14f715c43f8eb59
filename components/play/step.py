"""Renders a MIDI file with models: every part by its instrument, mixed to one stereo sound."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts.model_card import ModelCard, find_model
from components.audio.program_loudness import matched_gain_db
from components.audio.writing import check_rate, check_writable, sound_format, write_sound
from components.core.errors import InputError
from components.core.text import counted
from components.nsynth.note import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from components.play.assignment import OUT_OF_RANGE, TRANSPOSE, assign, place
from components.play.curves import Phrase, phrases
from components.play.midi import read_score
from components.play.mixing import Mix, default_pan
from components.play.playing import Playing
from components.play.score import Part, Score
from components.play.score_reader import LONGEST_S
from components.play.voices import allocate
from components.registry.download import downloaded
from components.telemetry import log, progress

if TYPE_CHECKING:
    from components.synths.instrument import Instrument

_LOG = log.get(__name__)
LOUDNESS_LUFS = -18.0
_LOUDEST_LUFS, _SOFTEST_LUFS = -5.0, -60.0
_END_S = 0.25  # of silence after the last release
_MOST_RENDERED_S = 4 * 3600.0  # of all voices together


@dataclass(frozen=True)
class PlayedPart:
    """A part as a model played it.

    Attributes:
        number: From 1 on.
        part: As the score has it.
        name: Family and synth of the model.
        voices: How many notes sounded at once, at most.
        remark: Where its notes were moved; "" where they stayed.
    """

    number: int
    part: Part
    name: str
    voices: int
    remark: str

    def text(self) -> str:
        """Returns one line for the terminal."""
        played = f"part {self.number}, {self.part.text()}: {self.name}, {self.voices} voice{'s' * (self.voices > 1)}"
        return f"{played}; {self.remark}" if self.remark else played


@dataclass(frozen=True)
class PlayResult:
    """A rendered score: its parts, the length of the sound, and the seconds that rendering took."""

    parts: list[PlayedPart]
    seconds: float
    took_s: float


@dataclass(frozen=True)
class _Voice:
    """What one part asks of its instrument."""

    instrument: Instrument
    part: Part
    pan: float
    phrases: list[Phrase]


def play(
    input_uri: str,
    out_uri: str,
    model_uris: Sequence[str] = (),
    parts: Sequence[str] = (),
    out_of_range: str = TRANSPOSE,
    loudness_lufs: float = LOUDNESS_LUFS,
    rate_hz: int = SAMPLE_RATE_HZ,
    seed: int = 0,
    tracking_uri: str = "",
    dry: bool = False,
) -> PlayResult:
    """Renders a MIDI file.

    Args:
        input_uri: A Standard MIDI file of type 0 or 1.
        out_uri: A .wav, .flac or .ogg file.
        model_uris: One model for all parts or one for each: directories, or models:/NAME@ALIAS of a registry.
        parts: "NUMBER=URI" for single parts, "NUMBER=none" to leave one out.
        out_of_range: What happens to notes that the model was not trained on, one of OUT_OF_RANGE.
        loudness_lufs: Loudness of the sound (ITU-R BS.1770), where its peaks allow it.
        rate_hz: Sample rate of the sound. Models render at 16 kHz; a higher rate adds no treble.
        seed: Determines the noise.
        tracking_uri: The registry; by default that of MLFLOW_TRACKING_URI.
        dry: Whether the room of a model with a reverb is left out.

    Raises:
        InputError: The MIDI file, a model, the registry or an argument cannot be used.
        StepError: The output of a model is not finite.
    """
    _check(out_uri, out_of_range, loudness_lufs, rate_hz)
    score = read_score(input_uri)
    chosen = assign(score.parts, model_uris, parts)
    with ExitStack() as stack:
        directories = {
            uri: find_model(stack.enter_context(downloaded(uri, tracking_uri)))
            for uri in dict.fromkeys(chosen.values())
        }
        cards = {uri: ModelCard.read(directory) for uri, directory in directories.items()}
        check_writable(out_uri)
        _warn(score)
        instruments = _load(directories)
        began = time.monotonic()
        voices, played = _arrange(score, chosen, cards, instruments, out_of_range, dry)
        mix = _render(voices, seed, dry)
        gain = 10 ** (matched_gain_db(mix.audio, loudness_lufs) / 20)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="luthier-")))
        write_sound(mix.blocks(), out_uri, rate_hz, scratch, channels=2, wanted_gain=gain)
    return PlayResult(played, len(mix.audio) / SAMPLE_RATE_HZ, time.monotonic() - began)


def _check(out_uri: str, out_of_range: str, loudness_lufs: float, rate_hz: int) -> None:
    sound_format(out_uri)
    check_rate(rate_hz)
    if out_of_range not in OUT_OF_RANGE:
        raise InputError(f"--out-of-range is '{out_of_range}': expected {' or '.join(OUT_OF_RANGE)}")
    if not _SOFTEST_LUFS <= loudness_lufs <= _LOUDEST_LUFS:
        raise InputError(f"--loudness is {loudness_lufs:g}: expected from {_SOFTEST_LUFS:g} to {_LOUDEST_LUFS:g} LUFS")


def _warn(score: Score) -> None:
    if score.drum_notes:
        _LOG.warning("left out: %s of drums (channel 10)", counted(score.drum_notes, "note"))
    if score.empty_notes:
        _LOG.warning("left out: %s without a length", counted(score.empty_notes, "note"))


def _load(directories: dict[str, str]) -> dict[str, Instrument]:
    from components.synths.instrument import Instrument

    return {uri: Instrument.load(directory) for uri, directory in directories.items()}


def _arrange(
    score: Score,
    chosen: dict[int, str],
    cards: dict[str, ModelCard],
    instruments: dict[str, Instrument],
    out_of_range: str,
    dry: bool,
) -> tuple[list[_Voice], list[PlayedPart]]:
    """Returns what each voice plays, and the parts for people."""
    voices, played = list[_Voice](), list[PlayedPart]()
    for index, (number, uri) in enumerate(chosen.items()):
        part, card, instrument = score.parts[number - 1], cards[uri], instruments[uri]
        placed = place(part, card, out_of_range)
        found = allocate(((n.start_s, n.end_s, n.pitch, n.velocity) for n in placed.notes), Playing(card))
        if found.cut_notes:
            cut = counted(found.cut_notes, "note")
            _LOG.warning("part %d: cut short: %s, because more than 16 would sound at once", number, cut)
        response = None if dry else instrument.impulse_response
        ring_samples = 0 if response is None else len(response)
        made = [phrase for notes in found.voices for phrase in phrases(notes, part.controllers, card, ring_samples)]
        voices.append(_Voice(instrument, part, default_pan(index, len(chosen)), made))
        played.append(PlayedPart(number, part, f"{card.family} {card.synth}", len(found.voices), placed.remark))
    return voices, played


def _render(voices: Iterable[_Voice], seed: int, dry: bool) -> Mix:
    from components.synths.rendering import render

    voices = list(voices)
    ends = [phrase.first + len(phrase.curves.f0_hz) for voice in voices for phrase in voice.phrases]
    total_s = sum(len(phrase.curves.f0_hz) for voice in voices for phrase in voice.phrases) / FRAME_RATE_HZ
    if total_s > _MOST_RENDERED_S:
        raise InputError(
            f"the voices of the score last {total_s / 3600:.1f} hours together: expected "
            f"{_MOST_RENDERED_S / 3600:.0f} at most; try a part of it"
        )
    mix = Mix(min(max(ends) / FRAME_RATE_HZ + _END_S, LONGEST_S + 60))
    with progress.bar("play", total_s, "s of sound") as bar:
        for voice in voices:
            for number, phrase in enumerate(voice.phrases):
                blocks = render(voice.instrument, phrase.curves, seed + number, dry)
                for seconds in mix.add(phrase.first, blocks, voice.part.controllers, voice.pan):
                    bar.advance(seconds)
    return mix
