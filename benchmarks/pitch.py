"""`python -m benchmarks.pitch`: compares both pitch trackers on difficult recordings, for docs/transfer.md.

Needs espeak-ng and sox. Scored is the pitch that a model would be told, the gaps filled, at the frames whose pitch is
known: of a sweep by its formula, of a note by its name, of speech where librosa's pYIN finds the same in the clean
recording with windows of 1024 and of 2048 samples. Noise is as loud as said against the whole recording.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from benchmarks import report
from benchmarks.process import ROOT
from components.audio.f0 import fill_nearest, midi_to_hz
from components.audio.pitch import TRACKERS, tracker
from components.nsynth.note import HOP_SAMPLES, SAMPLE_RATE_HZ

_Array = npt.NDArray[np.float32]
_RIGHT_CENTS = 50.0
_SPEECH = {
    "a man's voice": ("en", 150, 50, "Luthiers build instruments of wood and gut. One hears the old mill all night."),
    "a woman's voice": ("de+f3", 160, 70, "Am Abend sangen wir im Garten unter den Linden, und der Mond ging auf."),
}
_ROOM = ["reverb", "60"]
_TELEPHONE = ["highpass", "300", "highpass", "300", "lowpass", "3400", "lowpass", "3400"]


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pitch", description=__doc__)
    parser.add_argument("--page", type=Path, help="its block 'bench-pitch' is replaced")
    options = parser.parse_args()
    lines = ["| recording | right, % (and within, cents): swift-f0 | crepe |", "| --- | --- | --- |"]
    spent, heard_seconds = dict.fromkeys(TRACKERS, 0.0), 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for name, audio, f0_hz in _recordings(Path(scratch)):
            scores = []
            for each in TRACKERS:
                began = time.monotonic()
                found_hz = _found(each, audio)
                spent[each] += time.monotonic() - began
                scores.append(_score(found_hz, f0_hz))
            heard_seconds += len(audio) / SAMPLE_RATE_HZ
            lines.append(f"| {name} | {scores[0]} | {scores[1]} |")
            print(lines[-1], flush=True)
    lines.append(
        "| seconds a second of sound | " + " | ".join(f"{spent[each] / heard_seconds:.2g}" for each in spent) + " |"
    )
    print(lines[-1])
    if options.page:
        report.replace_block(options.page, "bench-pitch", "\n".join(lines))


def _recordings(scratch: Path) -> Iterator[tuple[str, _Array, _Array]]:
    """Yields names, audio f32[samples] at 16 kHz and the pitch f32[frames], 0 where it is unknown."""
    random = np.random.default_rng(0)
    for name, words in _SPEECH.items():
        audio = _spoken(*words, scratch)
        f0_hz = _agreed_hz(audio)
        yield name, audio, f0_hz
        yield f"{name}, with white noise 10 dB below", _noisy(audio, 10, random), f0_hz
        yield f"{name}, with white noise as loud", _noisy(audio, 0, random), f0_hz
        yield f"{name}, in a room", _sox(audio, _ROOM, scratch), f0_hz
        yield f"{name}, by telephone", _sox(audio, _TELEPHONE, scratch), f0_hz
    audio, f0_hz = _sweep()
    yield "a sweep, 50 to 1600 Hz", audio, f0_hz
    yield "the sweep, with white noise as loud", _noisy(audio, 0, random), f0_hz
    audio, f0_hz = _notes()
    yield "the forty sample notes", audio, f0_hz
    yield "the notes, with white noise 5 dB below", _noisy(audio, 5, random), f0_hz
    yield "the notes, in a room", _sox(audio, _ROOM, scratch), f0_hz


def _found(name: str, audio: _Array) -> _Array:
    ears, block = tracker(name), 4 * SAMPLE_RATE_HZ
    level = np.float32(0.5 / np.abs(audio).max())
    for start in range(0, len(audio), block):
        ears.push(audio[start : start + block] * level)
    found_hz = ears.finish().on_frames(-(-len(audio) // HOP_SAMPLES))
    return fill_nearest(found_hz) if found_hz.any() else np.ones_like(found_hz)


def _score(found_hz: _Array, f0_hz: _Array) -> str:
    known = np.flatnonzero(f0_hz[: len(found_hz)])
    cents = 1200 * np.abs(np.log2(found_hz[known] / f0_hz[known]))
    right = cents < _RIGHT_CENTS
    return f"{100 * right.mean():.1f} ({np.median(cents[right]):.1f})"


def _spoken(voice: str, words_a_minute: int, height: int, text: str, scratch: Path) -> _Array:
    path = scratch / "speech.wav"
    subprocess.run(
        ["espeak-ng", "-v", voice, "-s", str(words_a_minute), "-p", str(height), "-w", str(path), text], check=True
    )
    return _read(path)


def _read(path: Path) -> _Array:
    audio, rate_hz = soundfile.read(path, dtype="float32")
    resampled: _Array = soxr.resample(audio, rate_hz, SAMPLE_RATE_HZ)
    return resampled


def _sox(audio: _Array, effects: list[str], scratch: Path) -> _Array:
    before, after = scratch / "before.wav", scratch / "after.wav"
    soundfile.write(before, audio, SAMPLE_RATE_HZ)
    subprocess.run(["sox", "-G", "-V1", str(before), str(after), *effects], check=True)
    return _read(after)[: len(audio)]


def _noisy(audio: _Array, below_db: float, random: np.random.Generator) -> _Array:
    noise = random.standard_normal(len(audio)) * float(audio.std()) * 10 ** (-below_db / 20)
    return audio + noise.astype(np.float32)


def _agreed_hz(audio: _Array) -> _Array:
    ranges = {"fmin": 60, "fmax": 600, "sr": SAMPLE_RATE_HZ, "hop_length": HOP_SAMPLES}
    short, long = (
        np.nan_to_num(librosa.pyin(audio.astype(float), frame_length=samples, **ranges)[0]) for samples in (1024, 2048)
    )
    both = (short > 0) & (long > 0)
    cents = 1200 * np.abs(np.log2(np.where(both, short, 1) / np.where(both, long, 1)))
    return np.where(both & (cents < _RIGHT_CENTS), short, 0).astype(np.float32)


def _sweep(seconds: float = 10.0) -> tuple[_Array, _Array]:
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    f0_hz = 50.0 * 2 ** (5 * time_s / seconds)
    phase = 2 * np.pi * np.cumsum(f0_hz) / SAMPLE_RATE_HZ
    audio = sum((k * f0_hz < SAMPLE_RATE_HZ / 2) * np.sin(k * phase) / k for k in range(1, 12))
    return np.asarray(audio, np.float32), f0_hz[::HOP_SAMPLES].astype(np.float32)


def _notes(loud_db: float = 30.0, seconds: int = 2) -> tuple[_Array, _Array]:
    """Returns the sample notes in sequence; the pitch counts where they are less than `loud_db` below their peak."""
    sounds, pitches = [], []
    for path in sorted((ROOT / "samples").glob("*/*.flac")):
        audio = _read(path)[: seconds * SAMPLE_RATE_HZ]
        level = np.sqrt(np.convolve(audio**2, np.ones(512) / 512, "same"))[::HOP_SAMPLES]
        f0_hz = midi_to_hz(int(path.stem.split("-")[1]))
        sounds.append(audio)
        pitches.append(np.where(level > level.max() * 10 ** (-loud_db / 20), f0_hz, 0.0))
    return np.concatenate(sounds), np.concatenate(pitches).astype(np.float32)


if __name__ == "__main__":
    main()
