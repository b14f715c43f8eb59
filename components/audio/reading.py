"""Reading of recordings, any file that libsndfile reads: checks, mixing to mono, resampling; block by block."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from components import storage
from components.audio.levels import CLIPPED_SHARE, SILENT_PEAK, ClippingDetector
from components.core.errors import InputError
from components.nsynth.note import FloatArray
from components.nsynth.recordings import AUDIO_SUFFIXES
from components.telemetry import log

_LOG = log.get(__name__)

SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 600
_BLOCK_SECONDS = 4


@contextmanager
def opened(uri: str) -> Iterator[soundfile.SoundFile]:
    """Opens a recording; one in Cloud Storage is copied to a temporary file first.

    Raises:
        InputError: There is no file, it is not audio, or it is shorter than SHORTEST_SECONDS.
    """
    with tempfile.TemporaryDirectory(prefix="luthier-") as scratch:
        try:
            local = _local(uri, Path(scratch))
            with _silent_library():
                opened_file = soundfile.SoundFile(local)
            with opened_file as file:
                seconds = file.frames / file.samplerate
                if seconds < SHORTEST_SECONDS:
                    raise InputError(
                        f"the recording '{uri}' is too short: {seconds:.2f} s, expected {SHORTEST_SECONDS} s or more"
                    )
                yield file
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"cannot read the recording '{uri}': {error.error_string.rstrip('.')}; expected audio"
            ) from error


@contextmanager
def _silent_library() -> Iterator[None]:
    """Drops what the mp3 decoder prints to stderr about damaged frames: our own error names the file."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with Path(os.devnull).open("w") as devnull:
            os.dup2(devnull.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _local(uri: str, scratch: Path) -> Path:
    if storage.stat(uri) is None:
        raise InputError(f"there is no recording at '{uri}': expected a file that ends in {', '.join(AUDIO_SUFFIXES)}")
    if not storage.is_remote(uri):
        return Path(uri)
    copy = scratch / storage.basename(uri)
    with storage.open_read(uri) as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target)
    return copy


def mono_blocks(file: soundfile.SoundFile, name: str) -> Iterator[FloatArray]:
    """Yields a recording from its start, block by block, its channels mixed to one.

    Args:
        file: See `opened`.
        name: Name of the recording in errors.

    Yields:
        f32[samples] at the recording's own rate.

    Raises:
        InputError: Some samples are not finite.
    """
    file.seek(0)
    while True:
        with _silent_library():
            block = file.read(_BLOCK_SECONDS * file.samplerate, dtype="float32", always_2d=True)
        if not len(block):
            return
        mono: FloatArray = block.mean(axis=1)
        if not np.isfinite(mono).all():
            raise InputError(f"the recording '{name}' has samples that are not finite (NaN, infinity); export it again")
        yield mono


def resampled(blocks: Iterator[FloatArray], from_hz: int, to_hz: int) -> Iterator[FloatArray]:
    """Yields blocks of f32[samples] at another rate; together as long as before, to a sample."""
    if from_hz == to_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


@dataclass(frozen=True)
class RecordingInfo:
    """Length and level of a recording.

    Attributes:
        seconds: Its length.
        peak: Its largest sample, 0..1.
        clipped_share: Share of it that lies in flat tops, 0..1.
    """

    seconds: float
    peak: float
    clipped_share: float


def inspect_recording(file: soundfile.SoundFile, uri: str) -> RecordingInfo:
    """Reads a recording once and checks its length and level; logs a warning where it is clipped.

    Raises:
        InputError: It is longer than LONGEST_SECONDS, silent, or some samples are not finite.
    """
    seconds = file.frames / file.samplerate
    if seconds > LONGEST_SECONDS:
        raise InputError(
            f"the recording '{uri}' is too long: {seconds / 60:.1f} minutes, expected {LONGEST_SECONDS // 60} at most; "
            "cut it into pieces"
        )
    peak, samples, clipping = 0.0, 0, ClippingDetector()
    for block in mono_blocks(file, uri):
        peak, samples = max(peak, float(np.abs(block).max())), samples + len(block)
        clipping.add(block)
    if peak < SILENT_PEAK:
        raise InputError(
            f"the recording '{uri}' is silent: its peak is {peak:.5f}, expected {SILENT_PEAK} or more; "
            "raise its level, or check that it is the right file"
        )
    if clipping.share() > CLIPPED_SHARE:
        _LOG.warning(
            "the recording '%s' is clipped: %.1f %% of it lies in flat tops, where its loudness is wrong; "
            "record it again at a lower level",
            uri,
            100 * clipping.share(),
        )
    return RecordingInfo(samples / file.samplerate, peak, clipping.share())
