"""`luthier sort` as a user runs it."""

import json
import os
import subprocess
import sys

from components import storage
from components.nsynth.framing import frame
from tests.notes import make_note, shard_name, write_source

NOTES = [make_note(family, 60) for family in ("string", "string", "keyboard")]


def test_it_shows_the_families(luthier, tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES, "valid": NOTES[:1]})
    finished = luthier("sort", "--source", source, "--out", tmp_path / "out", "--split", "all")
    assert finished.code == 0
    rows = [line.split() for line in finished.out.replace("│", " ").splitlines()]
    assert ["string", "2", "0.5", "1", "0.3"] in rows
    assert ["synth_lead", "0", "0.0", "0", "0.0"] in rows
    assert ["all", "3", "0.8", "1", "0.3"] in rows
    assert "nothing to do" in luthier("sort", "--source", source, "--out", tmp_path / "out").out


def test_bad_input_is_one_line(refused, tmp_path):
    out = tmp_path / "out"
    assert "there is no source" in refused("sort", "--source", tmp_path / "nowhere", "--out", out)
    source = write_source(tmp_path / "source", {"train": NOTES})
    assert "did you mean 'family'" in refused("sort", "--source", source, "--out", out, "--by", "famly")
    assert "no test split" in refused("sort", "--source", source, "--out", out, "--split", "test")
    assert "did you mean 'quarantine'" in refused(
        "sort", "--source", source, "--out", out, "--on-bad-record", "quarantined"
    )
    storage.write_bytes(str(out / "train" / "manifest.json"), b"{}")
    assert "has schema version None, expected 1" in refused("sort", "--source", source, "--out", out)


def test_a_corrupt_record_is_one_line_and_can_be_quarantined(luthier, refused, tmp_path):
    shard = bytearray(frame(NOTES[0].encode()) * 2)
    shard[-100] ^= 4
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / shard_name("train", 0, 1)).write_bytes(shard)
    arguments = ("sort", "--source", tmp_path / "source", "--out", tmp_path / "out")
    message = refused(*arguments)
    assert f"'nsynth-train.tfrecord-00000-of-00001' at byte {len(shard) // 2}: the CRC of its payload" in message
    finished = luthier(*arguments, "--on-bad-record", "quarantine")
    assert finished.code == 0
    assert ["quarantine", "1", "0.3"] in [line.split() for line in finished.out.replace("│", " ").splitlines()]


def test_an_output_of_another_source_names_both_fingerprints(luthier, refused, tmp_path):
    first, second = (
        write_source(tmp_path / name, {"train": notes}) for name, notes in (("a", NOTES), ("b", NOTES[:1]))
    )
    assert luthier("sort", "--source", first, "--out", tmp_path / "out").code == 0
    message = refused("sort", "--source", second, "--out", tmp_path / "out")
    assert "holds another sort" in message
    assert "--overwrite" in message
    assert luthier("sort", "--source", second, "--out", tmp_path / "out", "--overwrite").code == 0


def test_no_tensorflow_and_metrics_are_served(tmp_path):
    source = write_source(tmp_path / "source", {"train": NOTES})
    script = f"""
import json, sys, urllib.request
from components import cli
sys.argv = ["luthier", "sort", "--source", {source!r}, "--out", {str(tmp_path / "out")!r}]
cli.main()
from components.telemetry import metrics
from prometheus_client import generate_latest
heavy = {{"tensorflow", "ddsp", "mlflow", "kfp", "onnxruntime"}}
loaded = heavy & {{name.partition(".")[0] for name in sys.modules}}
print(json.dumps([sorted(loaded), generate_latest().decode()]))
"""
    environment = {**os.environ, "LUTHIER_METRICS_PORT": "0"}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    loaded, exposition = json.loads(result.stdout.splitlines()[-1])
    assert loaded == []
    assert 'luthier_sort_records_total{family="string",split="train"} 2.0' in exposition
    size = 2 * len(frame(NOTES[0].encode()))
    assert f'luthier_sort_bytes_total{{family="string",split="train"}} {float(size)}' in exposition
    assert 'luthier_sort_quarantined_total{split="train"} 0.0' in exposition
