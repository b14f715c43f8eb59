"""The files of listening samples: their names, and what is no clip and no controls."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from components.artifacts.clips import LONGEST_STEM, encode_flac, stem
from components.artifacts.evaluation import ListeningSample
from components.artifacts.listening import Controls, read_audio, read_controls, write_sample
from components.core.errors import InputError
from components.nsynth.note import NOTE_SAMPLES
from tests.notes import make_note


def test_ordinary_ids_are_their_own_names_and_all_names_are_different_short_and_of_plain_characters():
    ordinary = ["string_acoustic_948-060-075", "flute-take-1-3f2b9c1d", "flute-take-1-w000"]
    assert [stem(each) for each in ordinary] == ordinary
    changed = stem("a b")
    ids = ["a b", "a_b", "a<b", "a/b", "../../a", "..a", "", "é", "x" * 190, "x" * 189, changed, f"transfer-{changed}"]
    names = [stem(each) for each in ids]
    assert len(set(names)) == len(ids)
    for name in names:
        assert 0 < len(name) <= LONGEST_STEM and not name.startswith(".") and "/" not in name and name.isascii()
    assert stem("transfer-a") != "transfer-a"  # the clip of another note


def sample(folder: Path, **changed: Any) -> ListeningSample:
    curves = {name: np.ones(1000) for name in ("f0_hz", "heard_hz", "loudness_db", "heard_db", "original_hz")}
    tables = {"amplitudes": np.ones((1000, 1)), "tone": np.ones((1000, 60)), "noise_magnitudes": np.ones((1000, 5))}
    note = make_note()
    return write_sample(str(folder), note, {"resynthesis": note.audio}, Controls(**{**curves, **tables, **changed}))


def encoded(audio: Any, rate_hz: int = 16_000, **options: Any) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, audio, rate_hz, **{"format": "FLAC", **options})
    return stream.getvalue()


def test_clips_and_controls_come_back(tmp_path: Path) -> None:
    written = sample(tmp_path)
    assert read_audio(str(tmp_path), written.clips["original"]).shape == (NOTE_SAMPLES,)
    assert read_controls(str(tmp_path), written).tone.shape == (250, 60)
    free = sample(tmp_path / "free", amplitudes=np.ones((1000, 60)), original_hz=None)
    assert read_controls(str(tmp_path / "free"), free).original_hz is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"fLaC",
        encode_flac(np.zeros(1000, np.float32))[:50],
        encode_flac(np.zeros(0, np.float32)),
        encoded(np.zeros((1000, 2))),
        encoded(np.zeros(1000), 44_100),
        encoded(np.zeros(1000), format="WAV"),
        encoded(np.zeros(16_000 * 3600, np.int16)),
    ],
    ids=["empty", "cut", "header", "nothing", "stereo", "rate", "wav", "hour"],
)
def test_what_is_no_clip_is_one_line(tmp_path: Path, content: bytes) -> None:
    name = sample(tmp_path).clips["original"]
    (tmp_path / "listening" / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"/{name}' is no clip of an evaluation: .*; evaluate again$"):
        read_audio(str(tmp_path), name)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tone": np.ones((1000, 0))}, r"'tone' is float16 of the shape \(250, 0\)"),
        ({"tone": np.ones(1000)}, r"'tone' is float16 of the shape \(250,\)"),
        ({"heard_hz": np.ones(500)}, r"'heard_hz' is float32 of the shape \(125,\)"),
        ({"amplitudes": np.ones((1000, 3))}, "'amplitudes' has 3 values a frame, 'tone' 60"),
        ({"noise_magnitudes": np.ones((1000, 2, 2))}, "'noise_magnitudes' is float16 of the shape"),
        ({"heard_db": None}, "heard_db"),
    ],
)
def test_controls_that_do_not_fit_together_are_one_line(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    found = sample(tmp_path, **changed)
    with pytest.raises(InputError, match=rf"\.npz' has no controls of a listening sample: .*{said}.*; evaluate again$"):
        read_controls(str(tmp_path), found)


@pytest.mark.parametrize("kind", ["empty", "cut", "texts", "bomb"])
def test_what_holds_no_controls_is_one_line(tmp_path: Path, kind: str) -> None:
    found, stream = sample(tmp_path), io.BytesIO()
    path = tmp_path / "listening" / found.controls
    if kind == "texts":
        np.savez(stream, **dict.fromkeys(Controls.__dataclass_fields__, np.array(["x"])))
    elif kind == "bomb":
        np.savez_compressed(stream, f0_hz=np.zeros(10_000_000))
    path.write_bytes({"empty": b"", "cut": path.read_bytes()[:-30]}.get(kind, stream.getvalue()))
    with pytest.raises(InputError, match=r"\.npz' has no controls of a listening sample: .*; evaluate again$"):
        read_controls(str(tmp_path), found)
