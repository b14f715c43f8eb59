"""Recordings rendered by models, through the command; what comes out, measured."""

from __future__ import annotations

import base64
import gc
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from components import storage
from components.nsynth.note import HOP_SAMPLES
from components.synths.instrument import Instrument
from components.synths.streaming import BLOCK_FRAMES, BlockRenderer
from components.transfer.page import ticks
from components.transfer.step import transfer
from tests.transfer.recordings import chord, melody, sweep, write


def _sound(path: Path | str) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


@pytest.fixture(scope="module")
def transfers(strings, tmp_path_factory):
    """A sweep in stereo at 44.1 kHz and a melody at 48 kHz, and what the strings make of them."""
    folder = tmp_path_factory.mktemp("transfers")
    recordings = {"sweep": (np.stack([sweep(), 0.8 * sweep()], axis=1), 44_100), "melody": (melody(), 48_000)}
    return {
        kind: (audio, rate, transfer([strings], write(folder / f"{kind}.wav", audio, rate), str(folder / "out" / kind)))
        for kind, (audio, rate) in recordings.items()
    }


@pytest.mark.parametrize("kind", ["sweep", "melody"])
def test_a_trained_instrument_follows_pitch_and_loudness(transfers, kind):
    audio, rate, result = transfers[kind]
    found = result.sounds[0].similarity
    assert found.pitch_error_cents < 10
    assert found.pitch_heard_share > 0.95
    assert found.loudness_correlation > 0.95
    assert "more than one note" not in result.warning
    sound = _sound(result.sounds[0].out_uri)
    assert len(sound) == round(len(audio) * 16_000 / rate)
    assert 0.01 < np.abs(sound).max() <= 0.99


def test_a_chord_is_rendered_with_a_warning(strings, tmp_path):
    """Forty seconds of it: it is looked at in pieces."""
    result = transfer([strings], write(tmp_path / "chord.wav", chord()), str(tmp_path / "out"))
    assert re.match(
        r"the recording has more than one note at a time, or much noise, in at least \d+% of its", result.warning
    )
    assert result.sounds[0].similarity.pitch_heard_share > 0


def test_independent_measurements_agree(transfers):
    """Autocorrelation against the formula of the sweep, levels against levels: nothing that transfer itself uses."""
    for kind, (audio, rate, result) in transfers.items():
        sound = _sound(result.sounds[0].out_uri)
        mono = audio if kind == "melody" else audio[:, 0]
        before, after = _level_db(soxr.resample(mono, rate, 16_000)), _level_db(sound)
        sounding = before > before.max() - 45
        assert np.corrcoef(before[sounding], after[sounding])[0, 1] > 0.94, kind
        if kind == "sweep":
            starts = np.arange(0, len(sound) - 2_048, 512)
            asked_hz = 150 * 2 ** (2 * (starts + 1_024) / len(sound) + result.sounds[0].octaves)
            cents = [
                _cents_off(sound[start : start + 2_048], f0_hz) for start, f0_hz in zip(starts, asked_hz, strict=True)
            ]
            assert np.median(np.abs(cents)) < 10


def _cents_off(frame: np.ndarray, f0_hz: float) -> float:
    """Returns how far the period of a frame, by its autocorrelation, is from that of a pitch within 100 cents of it."""
    spectrum = np.abs(np.fft.rfft(frame * np.hanning(len(frame)), 2 * len(frame))) ** 2
    finer = 16  # values a sample
    lags = np.fft.irfft(spectrum, 2 * len(frame) * finer)
    near = np.arange(int(finer * 16_000 / f0_hz / 2 ** (1 / 12)), int(finer * 16_000 / f0_hz * 2 ** (1 / 12)))
    period = near[lags[near].argmax()] / finer
    return 1200 * np.log2(16_000 / period / f0_hz)


def _level_db(audio: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.convolve(audio**2, np.ones(1_024) / 1_024, "same")[::64] + 1e-12)


def test_no_click_where_blocks_join(strings, tmp_path):
    tone = sweep(8.0, 16_000, octaves=0.2)
    transfer([strings], write(tmp_path / "in.wav", tone), str(tmp_path / "out.wav"))
    kinks = np.abs(np.diff(_sound(tmp_path / "out.wav"), 2))  # second differences: not only jumps
    block, late = BLOCK_FRAMES * HOP_SAMPLES, BlockRenderer(Instrument.load(strings)).delay * HOP_SAMPLES
    joins = range(block - late, len(kinks) - 400, block)
    assert len(joins) == 7
    for join in joins:  # beside its own neighbourhood, two periods on either side
        around = np.concatenate([kinks[join - 210 : join - 6], kinks[join + 4 : join + 210]])
        assert kinks[join - 6 : join + 4].max() < 1.2 * around.max()


def test_silence_stays_silent_and_the_sound_around_it_is_whole(untrained, tmp_path):
    audio = np.concatenate(
        [np.zeros(16_000), sweep(1.0, 16_000), np.zeros(16_000), sweep(1.0, 16_000), np.zeros(8_000)]
    )
    transfer([untrained["harmonic"]], write(tmp_path / "in.wav", audio), str(tmp_path / "out.wav"))
    played = _sound(tmp_path / "out.wav")
    assert not played[:14_000].any()
    assert not played[34_500:46_000].any()
    assert not played[-6_000:].any()
    for start in (16_000, 48_000):
        assert np.abs(played[start : start + 16_000]).reshape(10, -1).max(axis=1).min() > 1e-3


def test_several_models_side_by_side_in_a_folder_and_on_a_page(luthier, untrained, tmp_path):
    recording = write(tmp_path / "my <take> & more.flac", sweep(1.0, 22_050), 22_050)
    models = [untrained["harmonic"], untrained["wavetable"], untrained["harmonic"]]
    options = [part for model in models for part in ("--model", model)]
    finished = luthier("transfer", *options, "--input", recording, "--out", tmp_path / "out", "--rate", 44_100)
    assert finished.code == 0, finished.err
    stem = "my <take> & more"
    names = [f"{stem}-string-harmonic.wav", f"{stem}-string-wavetable.wav", f"{stem}-string-harmonic-2.wav"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*names, f"{stem}.html"])
    for name in names:
        assert soundfile.info(tmp_path / "out" / name).samplerate == 44_100
        assert soundfile.info(tmp_path / "out" / name).frames == 44_100
    np.testing.assert_array_equal(_sound(tmp_path / "out" / names[0]), _sound(tmp_path / "out" / names[2]))
    page = (tmp_path / "out" / f"{stem}.html").read_text()
    assert page.count("data:image/webp;base64,") == 5  # the recording, three models, the scale
    assert "<take>" not in page
    # One file, which may be moved: the audio is inside.
    sources = re.findall(r'<audio[^>]* src="data:audio/mpeg;base64,([^"]*)"', page)
    assert len(sources) == 4 and not re.findall(r'(?:src|href)="(?!data:)', page)
    for source in sources:
        audio, rate = soundfile.read(io.BytesIO(base64.b64decode(source)))
        assert rate == 16_000 and len(audio) == pytest.approx(16_000, rel=0.15)
        assert np.abs(audio).max() > 1e-3
    assert re.findall(r'style="left:[^>]*>([^<]*)<', page)[-1] == "1 s"


@pytest.mark.parametrize(
    ("seconds", "texts"),
    [
        (0.5, ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s"]),
        (4.0, ["0 s", "1 s", "2 s", "3 s", "4 s"]),
        (37.4, ["0 s", "5 s", "10 s", "15 s", "20 s", "25 s", "30 s", "35 s"]),
        (200.0, ["0:00 min", "0:30 min", "1:00 min", "1:30 min", "2:00 min", "2:30 min", "3:00 min"]),
    ],
)
def test_the_time_axis_has_round_marks_with_units(seconds, texts):
    marks = ticks(seconds)
    assert [text for text, _ in marks] == texts
    assert all(0 <= percent <= 100 for _, percent in marks)


def test_a_transfer_by_crepe(luthier, untrained, tmp_path):
    audio = np.concatenate([np.zeros(4_000), sweep(0.5, 16_000), np.zeros(4_000)])
    options = ["--input", write(tmp_path / "in.wav", audio), "--out", tmp_path / "out.wav", "--pitch", "crepe"]
    finished = luthier("transfer", "--model", untrained["harmonic"], *options)
    assert finished.code == 0, finished.err
    assert "analyse: 1/1 s of sound" in finished.err
    assert soundfile.info(tmp_path / "out.wav").frames == len(audio)


def test_from_and_to_cloud_storage(untrained, rendered, gcs):
    bucket = gcs.bucket()
    storage.upload_tree(untrained["harmonic"], f"{bucket}/models/one")
    storage.write_bytes(f"{bucket}/takes/take.ogg", Path(rendered.recording).read_bytes())
    result = transfer([f"{bucket}/models/one"], f"{bucket}/takes/take.ogg", f"{bucket}/out/sound.flac")
    assert storage.read_bytes(f"{bucket}/out/sound.flac") == rendered.sound
    assert result.page_uri == f"{bucket}/out/sound.html" and storage.exists(result.page_uri)


def test_a_champion_of_the_registry(untrained, rendered, registry, tmp_path, luthier):
    """The registry is real; what is registered is a folder as MLflow keeps one."""
    from components.registry.client import open_client

    client = open_client(registry)
    client.create_registered_model("ddsp-string")
    client.create_model_version("ddsp-string", untrained["harmonic"], None)
    client.set_registered_model_alias("ddsp-string", "champion", "1")
    arguments = ["--input", rendered.recording, "--out", tmp_path / "out.flac", "--tracking-uri", registry]
    assert luthier("transfer", "--model", "models:/ddsp-string@champion", *arguments).code == 0
    assert (tmp_path / "out.flac").read_bytes() == rendered.sound
    assert (tmp_path / "out.html").exists()


def _memory_mb(name: str) -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def test_memory_does_not_grow_with_the_recording(untrained, tmp_path):
    tone = sweep(5.0, 16_000)
    short, long = write(tmp_path / "short.wav", tone), write(tmp_path / "long.wav", np.tile(tone, 11))
    transfer([untrained["harmonic"]], short, str(tmp_path / "out.wav"))
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _memory_mb("VmRSS")
    transfer([untrained["harmonic"]], long, str(tmp_path / "out.wav"))
    # Of 50 s more, the controls are 7 MB and the samples 3; rendered all at once, the layers take some 210. What the
    # allocator keeps differs between machines by some 40 MB.
    assert _memory_mb("VmHWM") - before < 100
