"""Recordings: any file that libsndfile reads, opened with checks that say what is wrong with it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
import soxr

from components import storage
from components.core.errors import InputError
from components.nsynth.note import FloatArray
from components.nsynth.recordings import AUDIO_SUFFIXES

SHORTEST_SECONDS = 0.1
_BLOCK_SECONDS = 4


@contextmanager
def opened(uri: str) -> Iterator[soundfile.SoundFile]:
    """Opens a recording; one in Cloud Storage is copied to a temporary file first.

    Raises:
        InputError: There is none, it is not audio, or it is shorter than SHORTEST_SECONDS.
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
    """Drops what the mp3 decoder prints to stderr of damage that it meets, a line a frame: what matters, we say."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _local(uri: str, scratch: Path) -> Path:
    if storage.stat(uri) is None:
        raise InputError(f"there is no recording at '{uri}': expected a file, one of {', '.join(AUDIO_SUFFIXES)}")
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
        name: What to call it in an error.

    Yields:
        f32[samples] at the recording's own rate.

    Raises:
        InputError: It has samples that are not numbers.
    """
    file.seek(0)
    while True:
        with _silent_library():
            block = file.read(_BLOCK_SECONDS * file.samplerate, dtype="float32", always_2d=True)
        if not len(block):
            return
        mono: FloatArray = block.mean(axis=1)
        if not np.isfinite(mono).all():
            raise InputError(f"the recording '{name}' has samples that are not numbers; export it again")
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
