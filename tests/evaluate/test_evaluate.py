"""One model evaluated from a sorted set, with real (barely trained) models of all synths."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from components import storage
from components.artifacts import clips, evaluation, listening
from components.artifacts.run_record import RUNNING
from components.audio.program_loudness import CLIP_LUFS, program_loudness_lufs
from components.core.errors import InputError, StepError
from components.evaluate.command import command
from components.evaluate.compare import compare
from components.evaluate.step import evaluate
from components.nsynth.note import NOTE_SAMPLES, SAMPLE_RATE_HZ
from tests.artifacts.samples import EVALUATION
from tests.evaluate.conftest import HOSTILE_ID, EvaluatedRun
from tests.notes import make_note, write_sorted_set
from tests.records import finished_record

_SCHEMA_3 = ("spectral_loss", "log_mel_distance_db", "mfcc_distance", "pitch_error_cents", "pitch_heard_share")
_SCHEMA_3 += ("loudness_error_db", "noise_balance_db", "silence_level_db", "clipped_share")


def test_numbers_of_every_held_out_note(evaluated_run: EvaluatedRun) -> None:
    for result in evaluated_run.results.values():
        found = result.evaluation
        assert found.split == "test"
        assert [note.pitch for note in found.notes] == [55, 64]
        values = [value for note in found.notes for value in dataclasses.astuple(note.numbers) if value is not None]
        assert np.isfinite(values).all()
        assert all(note.numbers.spectral_loss > 0 and note.numbers.mfcc_distance > 0 for note in found.notes)
        assert all(note.numbers.silence_level_db < 0 for note in found.notes)  # the notes end in silence
        assert found.groups["register"]["middle"].notes == 2
        assert sorted(sample.id for sample in found.worst) == sorted(note.id for note in found.notes)
        assert found.worst[0].id == max(found.notes, key=lambda note: note.numbers.spectral_loss).id
        assert result.real_time_factor > 0
        mean = np.mean([note.numbers.spectral_loss for note in found.notes])
        assert found.summary["spectral_loss"].mean == pytest.approx(mean, abs=1e-3)
        assert found.means()["spectral_loss"] == found.summary["spectral_loss"].mean
        assert "2 test notes: spectral loss" in found.text()
        assert all(0 <= note.numbers.pitch_within_share <= 1 for note in found.notes)
        assert all(abs(note.numbers.level_bias_db) <= note.numbers.loudness_error_db + 1e-3 for note in found.notes)
        assert found.train_notes == 2
        assert found.steady.aliasing_db < 0 and found.steady.wobble_db >= 0 and found.steady.silence_db < 0
        assert found.gate_values().keys() >= {"pitch_within_share", "level_bias_db", "aliasing_db", "silence_db"}


def test_an_evaluation_of_schema_3_is_read_and_not_current(tmp_path: Path) -> None:
    old = {key: value for key, value in EVALUATION.items() if key not in ("steady", "train_notes")}
    numbers = {name: value for name, value in old["notes"][0]["numbers"].items() if name in _SCHEMA_3}
    old |= {"schema_version": 3, "evaluation_version": 2}
    old["notes"] = [{**old["notes"][0], "numbers": {**numbers, "pitch_error_mean_cents": 9.0}, "pitch_finding": None}]
    storage.write_json(str(tmp_path / "evaluation.json"), old)
    found = evaluation.read(str(tmp_path))
    assert (found.schema_version, found.steady, found.notes[0].pitch_finding) == (3, None, "")
    assert found.notes[0].numbers.pitch_within_share is None
    assert found.gate_values().keys() == {
        *("spectral_loss", "log_mel_distance_db", "mfcc_distance", "loudness_error_db", "pitch_error_cents"),
        *("pitch_heard_share", "label_wrong_share"),
    }
    assert not evaluation.is_current(str(tmp_path))


def test_every_model_plays_the_same_note_of_every_family(evaluated_run: EvaluatedRun) -> None:
    played = [result.evaluation.transfers for result in evaluated_run.results.values()]
    assert all([each.family for each in some] == ["keyboard", "string"] for some in played)
    assert len({tuple(each.id for each in some) for some in played}) == 1
    keyboard, string = played[0]
    assert (keyboard.pitch, string.pitch) == (64, 64)  # 55 is further from middle C
    assert all(0 <= each.pitch_heard_share <= 1 for some in played for each in some)


def test_a_note_is_moved_into_the_models_range_and_its_pitch_compared_there(
    evaluated_run: EvaluatedRun, tmp_path: Path
) -> None:
    """Where it is the only one of its family, in a set of others."""
    harmonic = next(uri for uri in evaluated_run.training_uris if uri.endswith("string-harmonic"))
    low = make_note("bass", 40)
    others = write_sorted_set(tmp_path / "others", {"train": [low], "test": [low]})
    found = evaluate(harmonic, evaluated_run.data_uri, str(tmp_path / "out"), max_notes=1, others_uri=others).evaluation
    assert [each.family for each in found.transfers] == ["bass", "keyboard", "string"]
    assert (found.transfers[0].octaves, found.transfers[1].octaves) == (2, 0)  # 82 Hz; the model knows 180 to 350 Hz
    # Harmonics of the pitch asked for sound like it, however little the model has learnt.
    assert found.transfers[0].pitch_error_cents < 30


def test_clips_and_controls_are_whole(evaluated_run: EvaluatedRun) -> None:
    for uri, result in evaluated_run.results.items():
        found = result.evaluation
        for sample in [*found.samples, *found.transfers]:
            audio = {kind: listening.read_audio(uri, name) for kind, name in sample.clips.items()}
            assert set(audio) == {"original", "resynthesis"} | ({"noise"} if sample in found.samples else set())
            assert all(samples.shape == (NOTE_SAMPLES,) for samples in audio.values())
            assert np.abs(audio["original"]).max() == pytest.approx(0.5, abs=1e-3)
            assert np.abs(audio["resynthesis"]).max() > 1e-3
        for sample in found.samples:
            controls = listening.read_controls(uri, sample)
            assert {len(getattr(controls, field.name)) for field in dataclasses.fields(controls)} == {250}


def test_a_tune_and_the_clips_of_every_held_out_note_are_kept(evaluated_run: EvaluatedRun) -> None:
    for uri, result in evaluated_run.results.items():
        found = result.evaluation
        tune, transfer = found.pieces  # no held-out note has a melody
        assert (tune.kind, transfer.kind) == ("tune", "transfer")
        original, played = (listening.read_audio(uri, tune.clips[kind]) for kind in clips.KINDS)
        assert tune.kind == "tune" and len(original) == len(played) == pytest.approx(20 * SAMPLE_RATE_HZ, rel=0.05)
        # The model follows the loudness of the recorded notes: neither is silent for long.
        seconds = [
            np.abs(audio[: 19 * SAMPLE_RATE_HZ].reshape(19, -1)).max(axis=1).min() for audio in (original, played)
        ]
        assert min(seconds) > 0.01
        assert found.kept
        kept = clips.read_kept(uri, found.kept)
        assert list(kept) == [note.id for note in found.notes]
        for of_note in kept.values():
            for kind in clips.KINDS:
                audio, _ = soundfile.read(io.BytesIO(of_note[kind]), dtype="float32")
                # A peak at full scale may allow less.
                assert program_loudness_lufs(audio) == pytest.approx(CLIP_LUFS, abs=1 if kind == "original" else 6)


def test_a_damaged_archive_of_clips_is_named(evaluated_run: EvaluatedRun, tmp_path: Path) -> None:
    kept = next(iter(evaluated_run.results.values())).evaluation.kept
    assert kept
    storage.write_bytes(str(tmp_path / "listening" / kept.file), b"PK not a zip")
    with pytest.raises(InputError, match=r"no archive of clips of this evaluation .*; evaluate again"):
        clips.read_kept(str(tmp_path), kept)


def test_it_reads_back_what_it_wrote(evaluated_run: EvaluatedRun) -> None:
    for uri, result in evaluated_run.results.items():
        assert evaluation.read(uri) == result.evaluation


def test_a_hostile_id_stays_inside_the_folder(evaluated_run: EvaluatedRun) -> None:
    for uri, result in evaluated_run.results.items():
        names = [name for sample in result.evaluation.samples for name in sample.clips.values()]
        assert all(Path(uri, "listening", name).is_file() and "/" not in name for name in names)
    ids = [note.id for result in evaluated_run.results.values() for note in result.evaluation.notes]
    assert HOSTILE_ID in ids
    assert clips.stem("a/b") != clips.stem("a<b")


def test_the_same_model_and_data_give_the_same_bytes(evaluated_run: EvaluatedRun, tmp_path: Path) -> None:
    uri, first = next(iter(evaluated_run.results.items()))
    again = evaluate(storage.join(uri, "model"), evaluated_run.data_uri, str(tmp_path))
    assert storage.read_bytes(again.evaluation_uri) == storage.read_bytes(first.evaluation_uri)
    for info in storage.list_objects(storage.join(uri, "listening")):
        assert storage.read_bytes(info.uri) == storage.read_bytes(storage.join(str(tmp_path), "listening", info.name))


def test_an_interrupted_evaluation_leaves_none_but_of_the_same_model_and_notes(
    evaluated_run: EvaluatedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, before = next(iter(evaluated_run.results.items()))
    evaluation.write(before.evaluation, str(tmp_path))
    monkeypatch.setattr(listening, "encode_flac", lambda audio: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(uri, evaluated_run.data_uri, str(tmp_path))
    assert evaluation.read(str(tmp_path)) == before.evaluation  # another process may read it meanwhile
    with pytest.raises(ZeroDivisionError):
        evaluate(uri, evaluated_run.data_uri, str(tmp_path), max_notes=1)
    assert evaluation.read(str(tmp_path)) is None


def test_command(evaluated_run: EvaluatedRun, tmp_path: Path) -> None:
    uri = next(iter(evaluated_run.results))
    arguments = ["--model", uri, "--data", evaluated_run.data_uri, "--out", str(tmp_path), "--max-notes", "1"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert "string harmonic, 1 held-out note (test)" in result.output
    assert "spectral_loss" in result.output
    assert str(tmp_path / "report.html") in result.output


def test_bad_input(evaluated_run: EvaluatedRun, tmp_path: Path) -> None:
    uri, out = next(iter(evaluated_run.results)), str(tmp_path / "out")
    with pytest.raises(InputError, match="expected 1 or more"):
        evaluate(uri, evaluated_run.data_uri, out, max_notes=-1)
    with pytest.raises(InputError, match="is not a sorted set"):
        evaluate(uri, evaluated_run.data_uri, out, others_uri=str(tmp_path / "nothing"))
    other = write_sorted_set(tmp_path / "sorted", {"train": [make_note("organ")], "test": [make_note("organ")]})
    with pytest.raises(InputError, match="no held-out string note"):
        evaluate(uri, other, out)
    with pytest.raises(InputError):
        evaluate(str(tmp_path / "nothing"), evaluated_run.data_uri, out)
    assert not Path(out).exists()


def test_compare_names_winners_and_what_is_missing(evaluated_run: EvaluatedRun, tmp_path: Path) -> None:
    unfinished = tmp_path / "keyboard-wavetable"
    running = dataclasses.replace(finished_record("keyboard", "wavetable"), status=RUNNING, outcome=None)
    storage.write_json(str(unfinished / "run.json"), running.as_dict())
    result = compare([*evaluated_run.training_uris, str(unfinished), str(tmp_path / "flute-harmonic")], str(tmp_path))
    assert result.winners == {"string": evaluated_run.best_string_synth, "keyboard": "harmonic"}
    assert result.missing == ["keyboard-wavetable", "flute-harmonic"]
    page = (tmp_path / "report.html").read_text()
    assert "wavetable did not finish its training" in page
    assert "Flute: nothing to judge yet" in page
    with pytest.raises(InputError, match="nothing to compare"):
        compare([], str(tmp_path))


def test_compare_needs_no_tensorflow(evaluated_run: EvaluatedRun, tmp_path: Path) -> None:
    arguments = f"{evaluated_run.training_uris!r}, {str(tmp_path)!r}"
    code = (
        f"import sys; from components.evaluate.compare import compare; compare({arguments}); "
        "assert not {'tensorflow', 'ddsp', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    assert (tmp_path / "report.html").exists()


def test_a_model_that_diverged(evaluated_run: EvaluatedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.synths.instrument import Instrument

    def diverged(self: Instrument, f0_hz: np.ndarray, loudness_db: np.ndarray) -> dict[str, np.ndarray]:
        return {"audio": np.full((len(f0_hz), NOTE_SAMPLES), np.nan, np.float32)}

    monkeypatch.setattr(Instrument, "play", diverged)
    with pytest.raises(StepError, match="its training has diverged"):
        evaluate(evaluated_run.training_uris[0], evaluated_run.data_uri, str(tmp_path), max_notes=1)


def test_an_evaluation_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(InputError, match="evaluate again"):
        evaluation.read(str(tmp_path))
