"""Reading of recordings: damage and clipping. What is refused in one line is in tests/transfer and tests/prepare."""

from __future__ import annotations

import logging
import struct

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


def read(path, audio, rate=16_000, **options):
    """Returns a recording as it is read, f32[samples], and what was remarked."""
    soundfile.write(path, audio, rate, **options)
    with opened(str(path)) as sound:
        mono = np.concatenate(list(sound.blocks()))
        assert sound.peak == pytest.approx(np.abs(mono).max(), rel=1e-5)
        return mono, " ".join(sound.remarks)


def test_channels_that_cancel_each_other_and_channels_without_sound(tmp_path):
    path, tone = tmp_path / "a.wav", sweep(1.0, 16_000).astype(np.float32)
    options = {"subtype": "FLOAT"}
    for factors, taken, said in (
        ((1, -1), tone, "antiphase"),
        ((0.9, -1), -tone, "channel 2 alone was taken"),
        ((1, 0), tone, ""),
        ((0, 0, 0, 1, 0, 0, 0, 0), tone, ""),
        ((1, 0.5), 0.75 * tone, ""),
    ):
        mono, remarks = read(path, np.outer(tone, factors), **options)
        np.testing.assert_allclose(mono, taken, atol=1e-6)
        assert said in remarks and bool(said) == bool(remarks), factors


def test_an_offset_is_removed_and_named_where_it_is_large(tmp_path):
    path, tone = tmp_path / "a.wav", sweep(2.0, 16_000)
    for offset, said in ((0.5, "has a DC offset of 0.500 at a peak of"), (0.0025, "")):
        mono, remarks = read(path, tone + offset, subtype="FLOAT")
        assert np.abs(mono - tone).max() < 2e-4
        assert said in remarks and bool(said) == bool(remarks)
    clean, remarks = read(path, tone, subtype="FLOAT")
    np.testing.assert_array_equal(clean, tone.astype(np.float32))  # to the bit
    assert not remarks


def test_samples_beyond_full_scale_are_named_with_their_likely_cause(tmp_path):
    path, tone = tmp_path / "a.wav", sweep(1.0, 16_000) / np.abs(sweep(1.0, 16_000)).max()
    mono, remarks = read(path, 5 * tone, subtype="FLOAT")
    assert "goes up to 5.00, expected 1 at most, and its level was reduced by 14.0 dB" in remarks
    assert np.abs(mono).max() == pytest.approx(1.0)
    assert not read(path, 1.005 * tone, subtype="FLOAT")[1]
    for factor, cause in ((13_109, "integers of 16 bits"), (4e6, "integers of 24 bits"), (1e30, "other units")):
        with pytest.raises(InputError, match=f"expected -1 to 1: they are probably {cause}"):
            read(path, factor * tone, subtype="FLOAT" if factor < 1e9 else "DOUBLE")


@pytest.mark.parametrize(("rate", "usable"), [(1, False), (3_999, False), (4_000, True), (768_000, True)])
def test_rates(tmp_path, rate, usable):
    soundfile.write(tmp_path / "a.wav", np.zeros(rate + 20), rate)
    if usable:
        with opened(str(tmp_path / "a.wav")) as sound:
            assert sum(map(len, sound.at_rate(16_000))) == pytest.approx(16_000, abs=100)
            assert any("so nothing in it is above 2000 Hz" in remark for remark in sound.remarks) == (rate == 4_000)
    else:
        with (
            pytest.raises(InputError, match=f"has a sample rate of {rate} Hz: expected 4000"),
            opened(str(tmp_path / "a.wav")),
        ):
            pass


@pytest.mark.parametrize(
    ("coding", "rate", "reason"),
    [
        (1, 0, "its header has no possible sample rate"),
        (1, 4_000_000_000, "its header has no possible sample rate"),
        (3, 16_000, "its header contradicts itself"),  # floating point of 16 bits
        (0x55, 16_000, "what it holds cannot be decoded"),  # said to be MPEG layer III
    ],
)
def test_a_header_that_cannot_be_is_named_in_words_about_the_file(tmp_path, coding, rate, reason):
    """libsndfile speaks of a struct SF_INFO, or of a pipe."""
    coded = struct.pack("<HHIIHHH", coding, 1, rate, 32_000, 2, 16, 22) + bytes(22)
    chunks = (
        b"WAVEfmt " + struct.pack("<I", len(coded)) + coded + b"data" + struct.pack("<I", 12_000) + b"\x10\x20" * 6_000
    )
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    with pytest.raises(InputError, match=f"{reason}.*, expected audio; try to convert it"), opened(str(path)):
        pass


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>404</html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00" + bytes(20), "gzip-compressed"),
        (b"\x00\x05\x16\x07" + bytes(78), "a Mac's AppleDouble file"),
        (b"\x1aE\xdf\xa3" + bytes(78), "a Matroska or WebM file .convert it"),
        (b"RIFF\xff\0\0\0AVI LIST" + bytes(78), "an AVI video"),
        (bytes(5_000), "a file of zeros"),
    ],
)
@pytest.mark.parametrize("suffix", ["wav", "au"])
def test_files_of_other_kinds_are_named(tmp_path, content, kind, suffix):
    """Of a file that it does not know, libsndfile believes the ending .au, and reads noise."""
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=f"it is {kind}.*; expected audio"), opened(str(tmp_path / f"a.{suffix}")):
        pass
