"""Makes components/synths/pretrained/*.npz: `python -m tests.synths.make_pretrained WORK`, two hours of one core.

It renders notes of a General MIDI bank with FluidSynth (Debian packages fluidsynth and fluid-soundfont-gm), prepares
and sorts them as one family, and trains each synth with the networks of the presets that come with weights. WORK keeps
what is done: a second run goes on.
"""

from __future__ import annotations

import random
import subprocess
import sys
import wave
from collections.abc import Iterable
from pathlib import Path

import mido
import numpy as np

from components.config.catalog import SYNTHS
from components.synths import pretrained

BANK = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
# Programs with a pitch and the range that they are played in. Those of samples/ (violin, cello, trumpet, trombone,
# horn, flute, recorder, piano, harpsichord) are left out, and those whose sounds are made of the same recordings.
RANGES = {
    **dict.fromkeys((4, 5, 7, 8, 15, 16, 17, 18, 21, 22, 23, 46, 48, 49, 50, 51, 54, 85), (40, 88)),
    **dict.fromkeys((88, 89, 90, 91, 92, 94, 95, 104, 105, 106, 107, 108), (40, 88)),
    **dict.fromkeys((9, 10, 13, 72, 75, 76, 77, 78, 79), (60, 96)),
    **dict.fromkeys((26, 27, 28, 29, 30, 31), (40, 80)),
    **dict.fromkeys((33, 34, 35, 36, 37, 38, 39, 43, 58, 67, 70), (28, 60)),
    **dict.fromkeys((41, 44, 59, 61, 62, 63, 64, 66, 69, 82, 83, 84, 86, 87, 109, 111), (48, 84)),
}
NOTES_PER_PROGRAM = 24
VELOCITIES = (25, 50, 75, 100, 127)
RATE_HZ, APART_S, NOTE_S, HELD_S = 48_000, 6, 4, 3
_QUIET = 100  # of 32768
SETTINGS = {
    "seed": {"batch_size": 2, "crop_samples": 32_000, "decay_rate": 0.2, "max_steps": 5_000, "decay_steps": 2_500},
    "smoke": {
        "batch_size": 4,
        "crop_samples": 16_384,
        "learning_rate": 3e-3,
        "decay_rate": 0.3,
        "augment_semitones": 2.0,
        "augment_gain_db": 6.0,
        "max_steps": 2_500,
        "decay_steps": 1_250,
    },
}
LONGER = {("seed", "harmonic"): {"max_steps": 9_000, "decay_steps": 5_000}}


def render(folder: Path) -> None:
    """Writes the notes as WAV files, named by program, pitch and velocity."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(5)
    for program, (low, high) in sorted(RANGES.items()):
        notes = [(draw.randint(low, high), draw.choice(VELOCITIES)) for _ in range(NOTES_PER_PROGRAM)]
        for (pitch, velocity), sound in zip(notes, _rendered(program, notes, folder), strict=True):
            if np.abs(sound).max() < _QUIET:  # the bank has no sound there
                continue
            with wave.open(str(folder / f"string_acoustic_{program:03d}-{pitch:03d}-{velocity:03d}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE_HZ)
                file.writeframes(sound.tobytes())


def _rendered(program: int, notes: Iterable[tuple[int, int]], folder: Path) -> list[np.ndarray]:
    """Returns the sound of each note, without reverb and chorus, i16[samples]."""
    second = 480 * 2  # ticks, at 120 quarter notes a minute
    track = mido.MidiTrack([mido.Message("program_change", program=program)])
    wait = 0
    for pitch, velocity in notes:
        track.append(mido.Message("note_on", note=pitch, velocity=velocity, time=wait))
        track.append(mido.Message("note_off", note=pitch, time=HELD_S * second))
        wait = (APART_S - HELD_S) * second
    track.append(mido.MetaMessage("end_of_track", time=wait))
    midi, sound = folder / "program.mid", folder / "program.raw"
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(midi)
    options = ["-R", "0", "-C", "0", "-g", "0.6", "-r", str(RATE_HZ)]
    with (folder.parent / "fluidsynth.log").open("a") as log:
        subprocess.run(["fluidsynth", "-niq", *options, "-F", sound, "-T", "wav", BANK, midi], check=True, stdout=log)
    with wave.open(str(sound)) as file:
        channels = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    midi.unlink()
    sound.unlink()
    starts = range(0, APART_S * RATE_HZ * NOTES_PER_PROGRAM, APART_S * RATE_HZ)
    return [channels[start : start + NOTE_S * RATE_HZ].mean(axis=1).astype(np.int16) for start in starts]


def train(data: Path, preset: str, synth: str, out: Path) -> None:
    """Trains a network on all instruments, and keeps its weights."""
    from components.synths.instrument import Instrument

    settings = {**SETTINGS[preset], **LONGER.get((preset, synth), {})}
    settings |= {"eval_every_steps": 500, "initial_weights": "'random'"}
    bindings = [part for name, value in settings.items() for part in ("--set", f"train.{name} = {value}")]
    where = ["--data", data, "--family", "string", "--out", out]
    _luthier("train", *where, "--preset", preset, "--synth", synth, *bindings)
    print(pretrained.save(preset, synth, Instrument.load(str(out)).model.get_weights()))


def _luthier(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "components.cli", *map(str, arguments)], check=True)


def main(work: Path) -> None:
    """Does what is missing in a directory."""
    if not (work / "sorted").exists():
        render(work / "notes")
        _luthier("prepare", work / "notes", "--out", work / "records")
        _luthier("sort", "--source", work / "records", "--out", work / "sorted", "--split", "all")
    for preset in pretrained.PRESETS:
        for synth in SYNTHS:
            train(work / "sorted", preset, synth, work / f"{preset}-{synth}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
