"""Decoding of sound files to their end, whatever their headers say of the length; any file that libsndfile reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from components.audio.repair import mp3_with_length, wav_with_length
from components.core.errors import InputError
from components.core.file_kinds import file_kind

Channels = npt.NDArray[np.float32]
"""f32[samples, channels]."""

_BLOCK_SECONDS = 4
_FLAC_SAMPLES = 1_024  # of each channel at once; at most so many are lost before damage
_MOST_SAMPLES_IN_BLOCK = 1 << 22  # of all channels together, 16 MB
UNKNOWN_FRAMES = 1 << 62
"""libsndfile gives a larger length where a FLAC does not tell its own."""


_REASONS = {
    "Internal error : SF_INFO struct incomplete": "its header has no possible sample rate, channels or length",
    "File does not exist or is not a regular file (possibly a pipe?)": "what it holds cannot be decoded",
    "Unspecified internal error": "its header contradicts itself",
}
"""What libsndfile says of its own state, and what it means for the file."""


class _File(soundfile.SoundFile):  # type: ignore[misc]  # which has no annotations
    """A file whose length may be unknown: soundfile sets the position after every read, which then fails."""

    def seekable(self) -> bool:
        return self.frames < UNKNOWN_FRAMES and bool(super().seekable())


@contextmanager
def sound_file(path: Path, name: str) -> Iterator[soundfile.SoundFile]:
    """Opens a sound file for one reading from its start to its end.

    Args:
        path: The file, whatever bytes its name has. Its content alone tells its format.
        name: Its name in errors.

    Raises:
        InputError: It cannot be read, or is not audio. Also raised for an error of libsndfile in the `with` block.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            _refuse_other_kinds(stream.read(64), name)
            stream.seek(0)
            with silent_library():
                # By descriptor, not by name: of a file with an unknown content, libsndfile believes the name's ending.
                file = _File(stream.fileno(), closefd=False)
            repaired = None
            if file.format == "MP3":
                repaired = mp3_with_length(stream)
            elif not file.frames:
                repaired = wav_with_length(stream)
            if repaired is not None:
                file.close()
                with silent_library():
                    file = _File(repaired)
            with file:
                yield file
    except OSError as error:
        raise InputError(f"cannot read the recording '{name}': {error.strerror or error}") from error
    except (soundfile.SoundFileError, OverflowError, MemoryError) as error:
        reason = (
            getattr(error, "error_string", str(error) or type(error).__name__).rstrip(". ").removeprefix("Error : ")
        )
        reason = _REASONS.get(reason, reason)
        advice = "expected audio; try to convert it to wav or flac"
        raise InputError(f"cannot read the recording '{name}': {reason}, {advice}") from error


def blocks(file: soundfile.SoundFile) -> Iterator[Channels]:
    """Yields the rest of a file, block by block, at most four seconds each.

    A FLAC that was cut off or is damaged ends there, as files of other formats do, if its header tells its length.
    """
    frames = max(1, min(_BLOCK_SECONDS * file.samplerate, _MOST_SAMPLES_IN_BLOCK // file.channels))
    read = _read_flac if file.format == "FLAC" and file.frames < UNKNOWN_FRAMES else _read
    any_read = False
    while True:
        with silent_library():
            block = read(file, frames, any_read)
        if not len(block):
            return
        any_read = True
        yield block


def _read(file: soundfile.SoundFile, frames: int, any_read: bool) -> Channels:
    block: Channels = file.read(frames, dtype="float32", always_2d=True)
    return block


def _read_flac(file: soundfile.SoundFile, frames: int, any_read: bool) -> Channels:
    """Returns what can be decoded: libsndfile fails where the data ends, and drops all that this read has decoded."""
    parts = [np.zeros((0, file.channels), np.float32)]
    while frames > 0:
        try:
            parts.append(_read(file, min(frames, _FLAC_SAMPLES), any_read))
        except soundfile.SoundFileError:
            if not any_read and len(parts) == 1:
                raise
            break
        if not len(parts[-1]):
            break
        frames -= len(parts[-1])
    return np.concatenate(parts)


@contextmanager
def silent_library() -> Iterator[None]:
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


def _refuse_other_kinds(start: bytes, name: str) -> None:
    kind = "an empty file" if not start else file_kind(start)
    if kind:
        raise InputError(f"cannot read the recording '{name}': it is {kind}; expected audio")
