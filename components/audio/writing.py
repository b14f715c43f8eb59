"""What a transfer reads and writes: the recording, looked over before anything is done, and the sound that was made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile

from components import storage
from components.audio.levels import CLIPPED_SHARE, SILENT_PEAK, ClippingDetector
from components.audio.reading import mono_blocks, resampled
from components.core.errors import InputError, nearest
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.telemetry import log

_LOG = log.get(__name__)

LONGEST_SECONDS = 600
_LOUDEST_PEAK = 0.98
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 8_000, 192_000


@dataclass(frozen=True)
class Survey:
    """What a recording is like.

    Attributes:
        seconds: Its length.
        peak: Its largest sample, 0..1.
        clipped_share: How much of it lies in flat tops.
    """

    seconds: float
    peak: float
    clipped_share: float


def survey(file: soundfile.SoundFile, uri: str) -> Survey:
    """Looks a recording over.

    Raises:
        InputError: It is too long, silent, or has samples that are not numbers.
    """
    seconds = file.frames / file.samplerate
    if seconds > LONGEST_SECONDS:
        raise InputError(
            f"the recording '{uri}' is too long: {seconds / 60:.1f} minutes, expected {LONGEST_SECONDS // 60} at most; "
            "cut it into pieces"
        )
    peak, samples, tops = 0.0, 0, ClippingDetector()
    for block in mono_blocks(file, uri):
        peak, samples = max(peak, float(np.abs(block).max())), samples + len(block)
        tops.add(block)
    if peak < SILENT_PEAK:
        raise InputError(
            f"the recording '{uri}' is silent: its peak is {peak:.5f}, expected {SILENT_PEAK} or more; "
            "raise its level, or check that it is the right file"
        )
    clipped = tops.share()
    if clipped > CLIPPED_SHARE:
        _LOG.warning(
            "'%s' is clipped: %.1f %% of it lies in flat tops; its loudness is not to be trusted there, "
            "record it with a lower level if you can",
            uri,
            100 * clipped,
        )
    return Survey(samples / file.samplerate, peak, clipped)


def sound_format(uri: str) -> tuple[str, str]:
    """Returns libsndfile's format and sample type for a file's name.

    Raises:
        InputError: Its ending is none that can be written.
    """
    suffix = PurePosixPath(uri).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"cannot write '{uri}': got the ending '{suffix}', {nearest(suffix, FORMATS)}")
    return FORMATS[suffix]


def check_writable(uri: str) -> None:
    """Makes the folder that a file is to be in, and sees that one can be written; on gs:// the writing itself tells.

    Raises:
        InputError: It cannot.
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
        raise InputError(f"cannot write into '{folder}': {reason}; expected a folder that may be written") from error
    if Path(uri).is_dir():
        raise InputError(f"cannot write '{uri}': got a folder of that name, expected a file")


def check_rate(rate_hz: int) -> int:
    """Returns a sample rate.

    Raises:
        InputError: It is out of range.
    """
    if not _LOWEST_RATE_HZ <= rate_hz <= _HIGHEST_RATE_HZ:
        raise InputError(
            f"cannot write {rate_hz} samples a second: expected --rate from {_LOWEST_RATE_HZ} to {_HIGHEST_RATE_HZ}"
        )
    return rate_hz


def write_sound(blocks: Iterable[FloatArray], uri: str, rate_hz: int, scratch: Path) -> float:
    """Writes a sound, quieter where it would not fit into the file.

    Args:
        blocks: f32[samples] each, at 16 kHz.
        uri: A .wav, .flac or .ogg file.
        rate_hz: What to resample to.
        scratch: A folder for what is made on the way.

    Returns:
        What the sound was multiplied by, at most 1.
    """
    whole, kind = scratch / "sound.wav", sound_format(uri)
    peak = 0.0
    # First as floating point numbers: how loud it gets is known at its end.
    with soundfile.SoundFile(whole, "w", rate_hz, 1, "FLOAT", format="WAV") as file:
        for block in resampled(iter(blocks), SAMPLE_RATE_HZ, rate_hz):
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            file.write(block)
    gain = min(1.0, _LOUDEST_PEAK / max(peak, 1e-9))
    finished = scratch / f"finished{PurePosixPath(uri).suffix.lower()}"
    with (
        soundfile.SoundFile(whole) as file,
        soundfile.SoundFile(finished, "w", rate_hz, 1, kind[1], format=kind[0]) as target,
    ):
        for block in mono_blocks(file, uri):
            target.write(block * np.float32(gain))
    with finished.open("rb") as source, storage.open_write(uri) as stored:
        shutil.copyfileobj(source, stored)
    return gain
