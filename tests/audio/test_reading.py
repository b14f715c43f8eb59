"""Reading of recordings: damage and clipping. What is refused in one line is in tests/transfer and tests/prepare."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import soundfile

from components.audio.reading import check_level, opened
from components.core.errors import InputError
from tests.transfer.recordings import sweep, write


def test_what_the_mp3_decoder_says_of_damage_is_not_passed_on(capfd, tmp_path):
    """libmpg123 prints to stderr, past Python."""
    path = tmp_path / "take.mp3"
    write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 32_000), format="MP3")
    whole = path.read_bytes()
    path.write_bytes(whole[:3_000] + np.random.default_rng(1).bytes(4_000) + whole[7_000:])
    with pytest.raises(soundfile.LibsndfileError), soundfile.SoundFile(path) as file:
        file.read()
    assert "libmpg123" in capfd.readouterr().err
    with pytest.raises(InputError, match="cannot read the recording"), opened(str(path)):
        pass
    assert not capfd.readouterr().err


@pytest.mark.parametrize("clipped", [True, False])
def test_a_clipped_recording_is_read_with_a_warning(tmp_path, caplog, clipped):
    audio = np.clip(8 * sweep(0.5, 16_000), -0.9, 0.9) if clipped else sweep(0.5, 16_000)
    uri = write(tmp_path / "take.wav", audio)
    with caplog.at_level(logging.WARNING), opened(uri) as sound:
        check_level(sound)
    assert sound.seconds == pytest.approx(0.5)
    assert sound.peak == pytest.approx(np.abs(audio).max(), abs=1e-3)
    assert (f"the recording '{uri}' is clipped" in caplog.text) == clipped
