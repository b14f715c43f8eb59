"""Sound files whose headers lack their length or lie about it are read to their end."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from components.audio.reading import opened
from components.core.errors import InputError
from tests.prepare.tones import tone, write_recording

RATE = 44_100


def length(path):
    with opened(str(path)) as sound:
        assert sound.samples == sum(map(len, sound.blocks())) == sum(map(len, sound.blocks()))
        return sound.seconds, sound.remarks


def mp3(audio, rate=RATE, **options):
    stream = io.BytesIO()
    soundfile.write(stream, audio, rate, format="MP3", **options)
    return stream.getvalue()


def without_first_frame(data):
    """Returns an MP3 without the frame that tells its length, as a cut or streamed one."""
    return data[data.index(data[:2], 4) :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE", "AVERAGE"])
@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (48_000, 2), (22_050, 1), (8_000, 2)])
def test_an_mp3_that_does_not_tell_its_length(tmp_path, mode, rate, channels):
    # Soft first: a length that is guessed from the first frames is wrong.
    audio = np.concatenate([0.01 * tone(2.0, 60, rate), tone(2.0, 60, rate)])
    data = mp3(np.repeat(audio[:, None], channels, axis=1), rate, bitrate_mode=mode)
    (tmp_path / "a.mp3").write_bytes(without_first_frame(data))
    seconds, remarks = length(tmp_path / "a.mp3")
    assert seconds == pytest.approx(4.0, abs=0.16) and not [remark for remark in remarks if "s:" in remark]


def test_mp3s_that_were_joined_and_one_with_tags(tmp_path):
    data = mp3(tone(2.0, 60, RATE))
    tag = b"ID3\x03\x00\x00" + bytes([0, 0, 8, 0]) + bytes(1024)
    (tmp_path / "joined.mp3").write_bytes(tag + data + data + b"TAG".ljust(128, b"\0"))
    assert length(tmp_path / "joined.mp3")[0] == pytest.approx(4.0, abs=0.16)
    (tmp_path / "whole.mp3").write_bytes(tag + data)
    assert length(tmp_path / "whole.mp3") == (2.0, ())  # as its header says, without the encoder's delay


def test_an_mp3_that_was_cut_off_is_named(tmp_path):
    data = mp3(tone(4.0, 60, RATE))
    (tmp_path / "a.mp3").write_bytes(data[: len(data) // 2])
    seconds, remarks = length(tmp_path / "a.mp3")
    assert 1.5 < seconds < 2.5 and "its header says 4.0 s: it was probably cut off" in remarks[0]


@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_a_flac_that_was_cut_off_is_named(tmp_path, kept):
    write_recording(tmp_path / "a.flac", tone(10.0, 60, RATE) + _hiss(10.0), RATE)
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[: int(kept * len(content))])
    seconds, remarks = length(tmp_path / "a.flac")
    assert seconds == pytest.approx(10 * kept, abs=0.3) and "header says 10.0 s: it was probably cut off" in remarks[0]


@pytest.mark.parametrize("kept", [0.5, 0.95])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU"])
def test_a_file_of_samples_that_was_cut_off_is_named(tmp_path, kind, kept):
    """As a copy or a download that was interrupted."""
    soundfile.write(tmp_path / "a.wav", tone(10.0, 60, RATE), RATE, format=kind)
    assert length(tmp_path / "a.wav") == (10.0, ())
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: int(kept * len(content))])
    seconds, remarks = length(tmp_path / "a.wav")
    assert seconds == pytest.approx(10 * kept, abs=0.1) and "header says 10.0 s: it was probably cut off" in remarks[0]


@pytest.mark.parametrize(("coding", "rate"), [("VORBIS", 44_100), ("OPUS", 48_000)])
def test_an_ogg_file_that_was_cut_off_is_named(tmp_path, coding, rate):
    soundfile.write(tmp_path / "a.ogg", tone(4.0, 60, rate) + _hiss(4.0, rate), rate, format="OGG", subtype=coding)
    content = (tmp_path / "a.ogg").read_bytes()
    (tmp_path / "a.ogg").write_bytes(content + b"TAG".ljust(128, b"\0"))
    assert length(tmp_path / "a.ogg") == (4.0, ())
    for kept in (len(content) // 2, len(content) - 10):
        (tmp_path / "a.ogg").write_bytes(content[:kept])
        assert "without the page that ends an Ogg file: it was probably cut off" in length(tmp_path / "a.ogg")[1][0]


@pytest.mark.parametrize("told", [0x7FFFFFFF - 36, 0xFFFFFFFF])
def test_a_wav_from_a_stream_was_not_cut_off(tmp_path, told):
    """Its writer did not know the length yet."""
    soundfile.write(tmp_path / "a.wav", tone(2.0, 60, RATE), RATE)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8], content[40:44] = struct.pack("<I", min(told + 36, 0xFFFFFFFF)), struct.pack("<I", told)
    (tmp_path / "a.wav").write_bytes(content)
    assert length(tmp_path / "a.wav") == (2.0, ())


def test_a_flac_of_which_nothing_can_be_decoded_is_refused(tmp_path):
    write_recording(tmp_path / "a.flac", tone(1.0, 60, RATE) + _hiss(1.0), RATE)
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[:3_000])
    with pytest.raises(InputError, match=r"cannot read the recording '.*a\.flac': flac decoder lost sync"):
        length(tmp_path / "a.flac")


def _hiss(seconds, rate=RATE):
    return 0.05 * np.random.default_rng(0).standard_normal(round(seconds * rate))


@pytest.mark.parametrize("riff", [0, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("data_bytes", [0, 0xFFFFFFFF])
def test_a_wav_whose_recorder_lost_power(tmp_path, riff, data_bytes):
    write_recording(tmp_path / "a.wav", tone(2.0, 60, RATE), RATE)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = struct.pack("<I", riff)
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", data_bytes)
    (tmp_path / "a.wav").write_bytes(content)
    assert length(tmp_path / "a.wav")[0] == pytest.approx(2.0, abs=0.001)


def test_a_flac_from_a_stream(tmp_path):
    write_recording(tmp_path / "a.flac", tone(9.0, 60, RATE), RATE)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] &= 0xF0  # the 36 bits of STREAMINFO's number of samples
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    assert length(tmp_path / "a.flac")[0] == 9.0


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        *(("aif", {"format": "AIFF"}), ("aiff", {}), ("caf", {}), ("w64", {}), ("au", {}), ("wave", {"format": "WAV"})),
        *(("oga", {"format": "OGG"}), ("opus", {"format": "OGG", "subtype": "OPUS"})),
        *(("mp3", {"format": "WAV"}), ("wav", {"format": "FLAC"}), ("snd", {"format": "AU"})),
    ],
)
def test_every_kind_of_file_whatever_its_ending(tmp_path, suffix, options):
    write_recording(tmp_path / f"a.{suffix}", tone(1.0, 60, 48_000), 48_000, **options)
    assert length(tmp_path / f"a.{suffix}")[0] == pytest.approx(1.0, abs=0.05)
