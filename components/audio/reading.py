"""Reading of recordings: measured once, then read as one channel without offset; block by block, of any length."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from components import storage
from components.audio.cut_off import cut_off
from components.audio.decoding import Channels, blocks, sound_file
from components.audio.levels import CLIPPED_SHARE, SILENT_PEAK
from components.audio.measuring import Measured, Mix, measure
from components.core.errors import InputError
from components.core.text import printable
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.nsynth.recording_files import AUDIO_SUFFIXES
from components.telemetry import log

_LOG = log.get(__name__)

SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 600
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 4_000, 1_000_000
_FULL_BAND_SHARE = 0.9  # of the models' rate; what is missing above is hardly heard
_LARGEST_SAMPLE = 16.0
"""Of full scale. Levels of recordings in floating point go above 1; beyond this they are other units."""
# What integers that were stored as they are look like: their bits, by the largest sample.
_INTEGER_BITS = ((1 << 7, 8), (1 << 15, 16), (1 << 23, 24), (1 << 31, 32))


@dataclass(frozen=True)
class Sound:
    """A recording that can be used.

    Attributes:
        name: Its name for messages.
        rate_hz: Its own sample rate.
        samples: Its length at that rate, as decoded.
        peak: Its largest sample as it is read, 0..1.
        clipped_share: Share of it that lies in flat tops, 0..1.
        remarks: What is unusual about it and what was done about it, one predicate each ("has a DC offset of ...").
    """

    name: str
    rate_hz: int
    samples: int
    peak: float
    clipped_share: float
    remarks: tuple[str, ...]
    _path: Path
    _mix: Mix

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.samples / self.rate_hz

    def blocks(self) -> Iterator[FloatArray]:
        """Yields it from its start, block by block, as one channel: f32[samples] at its own rate, in -1..1."""
        with sound_file(self._path, self.name) as file:
            yield from map(self._mix.apply, blocks(file))

    def at_rate(self, rate_hz: int) -> Iterator[FloatArray]:
        """Yields it as `blocks` does, at another rate."""
        return resampled(self.blocks(), self.rate_hz, rate_hz)


@contextmanager
def opened(uri: str, longest_seconds: float | None = None, generation: str | None = None) -> Iterator[Sound]:
    """Opens and measures a recording; one in Cloud Storage is copied to a temporary file first.

    Args:
        uri: The file.
        longest_seconds: The longest that is expected; None for any length.
        generation: As in a listing: it must still be this one, up to the end; None for any.

    Raises:
        InputError: There is no file, it is not audio, its rate is impossible, it is shorter than SHORTEST_SECONDS or
            longer than expected, samples are not finite or far beyond full scale, or it was replaced meanwhile.
    """
    name = printable(uri)
    with tempfile.TemporaryDirectory(prefix="luthier-") as scratch, ExitStack() as stack:
        path = _local(uri, name, Path(scratch), generation, stack)
        with sound_file(path, name) as file:
            rate_hz = file.samplerate
            if not _LOWEST_RATE_HZ <= rate_hz <= _HIGHEST_RATE_HZ:
                raise InputError(
                    f"the recording '{name}' has a sample rate of {rate_hz} Hz: "
                    f"expected {_LOWEST_RATE_HZ} to {_HIGHEST_RATE_HZ} Hz; export it again"
                )
            most = None if longest_seconds is None else longest_seconds * rate_hz
            measured = measure(_checked(blocks(file), name, most, rate_hz), rate_hz)
            cut = cut_off(file, path, measured.samples)
        if measured.samples / rate_hz < SHORTEST_SECONDS:
            raise InputError(
                f"the recording '{name}' is too short: {measured.samples / rate_hz:.3f} s, "
                f"expected {SHORTEST_SECONDS} s or more"
            )
        yield _sound(name, rate_hz, path, measured, cut)


def _checked(read: Iterator[Channels], name: str, most: float | None, rate_hz: int) -> Iterator[Channels]:
    """Passes blocks on; InputError where they cannot be used."""
    samples = 0
    for block in read:
        samples += len(block)
        if most is not None and samples > most:
            raise InputError(
                f"the recording '{name}' is too long: more than {samples / rate_hz / 60:.1f} minutes, expected "
                f"{most / rate_hz / 60:.0f} at most; cut it into pieces"
            )
        largest = float(np.abs(block).max())
        if not np.isfinite(largest):
            raise InputError(f"the recording '{name}' has samples that are not finite (NaN, infinity); export it again")
        if largest > _LARGEST_SAMPLE:
            cause = next(
                (f"integers of {bits} bits" for limit, bits in _INTEGER_BITS if largest <= limit), "other units"
            )
            raise InputError(
                f"the recording '{name}' has samples up to {largest:.0f}, expected -1 to 1: "
                f"they are probably {cause} that were stored as floating point; export it again"
            )
        yield block


def _sound(name: str, rate_hz: int, path: Path, measured: Measured, cut: str) -> Sound:
    mix, remarks = measured.mix()
    if cut:
        remarks.append(cut)
    if rate_hz < _FULL_BAND_SHARE * SAMPLE_RATE_HZ:
        remarks.append(
            f"has a sample rate of {rate_hz} Hz, so nothing in it is above {rate_hz / 2:.0f} Hz: expected "
            f"{SAMPLE_RATE_HZ} Hz or more, for sound up to {SAMPLE_RATE_HZ / 2:.0f} Hz; record it again at such a rate"
        )
    return Sound(
        name,
        rate_hz,
        measured.samples,
        measured.peak(mix),
        measured.clipped_share(mix),
        tuple(remarks),
        path,
        mix,
    )


def _local(uri: str, name: str, scratch: Path, generation: str | None, stack: ExitStack) -> Path:
    if storage.stat(uri) is None:
        raise InputError(f"there is no recording at '{name}': expected a file that ends in {', '.join(AUDIO_SUFFIXES)}")
    if not storage.is_remote(uri):
        if generation is not None:  # it is read twice, by its path
            stack.enter_context(storage.open_read(uri, generation))
        return Path(uri)
    copy = scratch / "recording"
    try:
        _download(uri, generation, copy)
    except storage.Corrupted:  # on the way here
        _download(uri, generation, copy)
    return copy


def _download(uri: str, generation: str | None, path: Path) -> None:
    with storage.open_read(uri, generation) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


def resampled(read: Iterator[FloatArray], from_hz: int, to_hz: int, channels: int = 1) -> Iterator[FloatArray]:
    """Yields blocks of f32[samples], or f32[samples, channels], at another rate; as long as before, to a sample."""
    if from_hz == to_hz:
        yield from read
        return
    stream = soxr.ResampleStream(from_hz, to_hz, channels, dtype="float32")
    for block in read:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0 if channels == 1 else (0, channels), np.float32), last=True)


def check_level(sound: Sound) -> None:
    """Logs a warning where a recording is clipped, and its remarks.

    Raises:
        InputError: It is silent.
    """
    if sound.peak < SILENT_PEAK:
        raise InputError(
            f"the recording '{sound.name}' is silent: its peak is {sound.peak:.5f}, expected {SILENT_PEAK} or more; "
            "raise its level, or check that it is the right file"
        )
    for remark in sound.remarks:
        _LOG.warning("the recording '%s' %s", sound.name, remark)
    if sound.clipped_share > CLIPPED_SHARE:
        _LOG.warning(
            "the recording '%s' is clipped: %.1f %% of it lies in flat tops, where its loudness is wrong; "
            "record it again at a lower level",
            sound.name,
            100 * sound.clipped_share,
        )
