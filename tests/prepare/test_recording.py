"""Reading recordings: any format, rate and number of channels, in windows of four seconds."""

import numpy as np
import pytest

from components.audio.reading import opened
from components.nsynth.recordings import find_recordings
from components.prepare.recording import padded, windows
from tests.prepare.tones import tone, write_recording


def _windows(recording):
    with opened(recording.info.uri) as sound:
        return [padded(window) for window in windows(sound)]


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [
        ("wav", 44_100, 2),
        ("flac", 48_000, 1),
        ("ogg", 22_050, 2),
        ("mp3", 44_100, 1),
        ("wav", 8_000, 3),
        ("flac", 16_000, 1),
    ],
)
def test_any_format_rate_and_channels(tmp_path, suffix, rate, channels):
    audio = np.repeat(tone(4.0, 62, rate)[:, np.newaxis], channels, axis=1)
    write_recording(tmp_path / "brass" / f"x.{suffix}", audio, rate)
    (recording,) = find_recordings([str(tmp_path)], None).recordings
    (window,) = _windows(recording)
    assert window.shape == (64_000,)
    assert window.dtype == np.float32
    if suffix != "mp3":  # which delays
        inner = slice(2_000, 62_000)
        assert np.corrcoef(window[inner], tone(4.0, 62)[inner])[0, 1] > 0.99
    spectrum = np.abs(np.fft.rfft(window * np.hanning(64_000)))
    assert np.argmax(spectrum) / 4 == pytest.approx(440 * 2 ** (-7 / 12), abs=0.3)


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.2, 1), (1.0, 1), (4.0, 1), (4.9, 1), (5.1, 2), (8.0, 2), (8.5, 2), (13.0, 4)]
)
def test_windows_of_four_seconds(tmp_path, seconds, count):
    audio = tone(seconds)
    write_recording(tmp_path / "organ" / "x.wav", audio, subtype="FLOAT")
    (recording,) = find_recordings([str(tmp_path)], None).recordings
    found = np.concatenate(_windows(recording))
    assert len(found) == count * 64_000
    kept = min(len(audio), len(found))
    np.testing.assert_array_equal(found[:kept], audio[:kept].astype(np.float32))
    assert not found[kept:].any()
