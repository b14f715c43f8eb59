"""Writing of sound files: formats, checks of the output path, and levels that fit the file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile

from components import storage
from components.audio.decoding import blocks as blocks_of
from components.audio.reading import resampled
from components.core.errors import InputError, StepError, nearest
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray

_LOUDEST_PEAK = 0.98
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 8_000, 192_000


def sound_format(uri: str) -> tuple[str, str]:
    """Returns the format and sample type of libsndfile for a file name.

    Raises:
        InputError: Files with this ending cannot be written.
    """
    suffix = PurePosixPath(uri).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"cannot write '{uri}': got the ending '{suffix}', {nearest(suffix, FORMATS)}")
    return FORMATS[suffix]


def check_writable(uri: str) -> None:
    """Makes the folder of a file and checks that it is writable; on gs:// only the write itself can show it.

    Raises:
        InputError: The file cannot be written.
    """
    if storage.is_remote(uri):
        return
    folder = Path(uri).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else error.strerror
        raise InputError(f"cannot write into '{folder}': {reason}; expected a writable directory") from error
    if Path(uri).is_dir():
        raise InputError(f"cannot write '{uri}': it is a directory, expected a file")


def check_rate(rate_hz: int) -> int:
    """Returns a sample rate.

    Raises:
        InputError: It is out of range.
    """
    if not _LOWEST_RATE_HZ <= rate_hz <= _HIGHEST_RATE_HZ:
        raise InputError(f"--rate is {rate_hz}: expected from {_LOWEST_RATE_HZ} to {_HIGHEST_RATE_HZ} Hz")
    return rate_hz


def write_sound(
    blocks: Iterable[FloatArray], uri: str, rate_hz: int, scratch: Path, channels: int = 1, wanted_gain: float = 1.0
) -> float:
    """Writes a sound, at a lower level where its peak exceeds 0.98 of full scale.

    Args:
        blocks: f32[samples] each, or f32[samples, channels], at 16 kHz.
        uri: A .wav, .flac or .ogg file.
        rate_hz: The file's sample rate.
        scratch: A folder for temporary files.
        channels: Of the sound.
        wanted_gain: The factor to multiply the sound by, if its peak allows it.

    Returns:
        The factor that the sound was multiplied by, at most `wanted_gain`.

    Raises:
        StepError: The disk of the scratch folder, or of the file, is full.
    """
    with temporary_sound(scratch):
        finished, gain = _finished(blocks, uri, rate_hz, scratch, channels, wanted_gain)
    with finished.open("rb") as source, storage.open_write(uri) as stored:
        shutil.copyfileobj(source, stored)
    return gain


@contextmanager
def temporary_sound(scratch: Path) -> Iterator[None]:
    """Turns what libsndfile says of a full disk, "System error", into one line. StepError: a retry may help."""
    try:
        yield
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).rstrip(". ")
        raise StepError(
            f"cannot write a temporary sound into '{scratch}': {reason}; free some space there, or set TMPDIR to "
            "another directory, and run the command again"
        ) from error


def _finished(
    blocks: Iterable[FloatArray], uri: str, rate_hz: int, scratch: Path, channels: int, wanted_gain: float
) -> tuple[Path, float]:
    unscaled, (container, subtype) = scratch / "sound.wav", sound_format(uri)
    peak = 0.0
    # Floating point first: the peak is known only at the end.
    with soundfile.SoundFile(unscaled, "w", rate_hz, channels, "FLOAT", format="WAV") as file:
        for block in resampled(iter(blocks), SAMPLE_RATE_HZ, rate_hz, channels):
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            file.write(block)
    gain = min(wanted_gain, _LOUDEST_PEAK / max(peak, 1e-9))
    finished = scratch / f"finished{PurePosixPath(uri).suffix.lower()}"
    with (
        soundfile.SoundFile(unscaled) as file,
        soundfile.SoundFile(finished, "w", rate_hz, channels, subtype, format=container) as target,
    ):
        for block in blocks_of(file):
            target.write(block * np.float32(gain))
    return finished, gain
